//! A call for each outcome that a configuration has, to be shown when all is ready.
//!
//! Each caller gets a token as anyone would, the authorizer's verifier judges it, and the rules'
//! own evaluation finds a call that is allowed and one that is not.

use ::table::{Assignment, Assignments, KeyRights};
use authorizer::{
    Config, PlanChoice, Require, ThrottleConfig, Verifier, assumed_caller, assumed_subject, decode,
};
use policy::{MethodArn, Reason};
use serde_json::{Map, Value};
use throttle::{Plan, PlanId, Plans};

use crate::gateway::{Kind, Route};
use crate::issuer::{Issuer, Mint};
use crate::lambda::{ACCOUNT, REGION};
use crate::options::Options;
use crate::setup::{Configured, Played, Setup};
use crate::table::Table;

/// The most callers of one issuer that are tried.
const MAX_TRIED: usize = 40;
/// The methods that are tried for a call that is not allowed.
const METHODS: [&str; 5] = ["DELETE", "POST", "PUT", "PATCH", "GET"];

/// The calls to show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Examples {
    /// The caller, as `client orders-reader`; `None` if no token is accepted.
    pub(crate) caller: Option<String>,
    /// The address that gives the caller's token.
    pub(crate) token_url: String,
    pub(crate) allowed: Option<Call>,
    pub(crate) denied: Option<Call>,
    /// True if the caller may connect to the WebSocket API.
    pub(crate) connects: bool,
    pub(crate) limit: Option<Limit>,
    /// One line for each thing that no caller here can show.
    pub(crate) notes: Vec<String>,
}

/// A method and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
}

/// The limits of the caller's plan.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) plan: String,
    /// The text for a person: `1/s, 10 at once`.
    pub(crate) text: String,
    /// The requests that are admitted at once.
    pub(crate) burst: u64,
    /// True if commands that are pasted can meet it.
    pub(crate) is_slow: bool,
}

/// A caller whose tokens are accepted.
struct Candidate {
    name: String,
    token_url: String,
    claims: Map<String, Value>,
    /// The rights of a caller that has a key and no token.
    rights: Option<KeyRights>,
}

impl Examples {
    pub(crate) async fn choose(
        setup: &Setup,
        options: &Options,
        issuer: &Issuer,
        table: &Table,
    ) -> Self {
        let mut examples = Self::default();
        let Some(first) = setup.functions.first() else { return examples };
        let callers = callers(setup, options, issuer, &first.config, &mut examples.notes).await;
        if first.config.throttle.as_ref().is_some_and(needs_assignment) {
            examples.notes.extend(assign(setup, &first.config, &callers, table).await);
        }
        examples.name_unmet_rules(setup, options, &callers);
        let scope = Scope { setup, options };
        let shown = callers
            .iter()
            .map(|caller| (caller, scope.allowed_call(caller)))
            .map(|(caller, allowed)| {
                let denied = allowed.as_ref().and_then(|call| scope.denied_call(caller, call));
                (caller, allowed, denied)
            })
            .max_by_key(|(caller, allowed, denied)| {
                // Of equals the first: `max_by_key` takes the last.
                let rank = callers.iter().position(|other| std::ptr::eq(other, *caller));
                (allowed.is_some(), denied.is_some(), std::cmp::Reverse(rank))
            });
        let Some((caller, allowed, denied)) = shown else { return examples };
        examples.caller = Some(caller.name.clone());
        examples.token_url.clone_from(&caller.token_url);
        examples.connects = scope.allows(Kind::WebSocket, caller, "$connect");
        examples.limit = limit(setup, &first.config, caller, table).await;
        if allowed.is_none() {
            let fix = match options.template.is_some() && setup.file.is_none() {
                true => "anything by the demonstration's rules: name yours with --config",
                false => "anything: add one with --users",
            };
            examples.notes.push(format!("no caller here may call {fix}"));
        }
        (examples.allowed, examples.denied) = (allowed, denied);
        examples
    }

    /// Names each rule that applies to no caller here. Those for callers without a credential need
    /// none.
    fn name_unmet_rules(&mut self, setup: &Setup, options: &Options, callers: &[Candidate]) {
        let scope = Scope { setup, options };
        let mut seen = Vec::new();
        for kind in options.kinds() {
            let Some(configured) = setup.of(kind) else { continue };
            for rule in &configured.rules {
                if seen.contains(&&rule.name) || rule.stages.is_some() || rule.anonymous {
                    continue;
                }
                seen.push(&rule.name);
                let mut why = None;
                let routes = || rule.allow.iter().chain(&rule.deny).map(ToString::to_string);
                let is_met = callers.iter().any(|caller| {
                    routes().any(|route| scope.applies(kind, caller, &route, &rule.name, &mut why))
                });
                if !is_met && let Some(why) = why {
                    self.notes.push(format!(
                        "rule `{}`: applies to no caller here ({why}): add one with --users",
                        rule.name
                    ));
                }
            }
        }
    }
}

/// The callers whose tokens are accepted; a line for each reason why others' are not.
async fn callers(
    setup: &Setup,
    options: &Options,
    issuer: &Issuer,
    config: &Config,
    notes: &mut Vec<String>,
) -> Vec<Candidate> {
    if config.callers.require == Require::Key {
        return vec![Candidate {
            name: crate::demo::CALLER_KEY_SUBJECT.to_owned(),
            token_url: String::new(),
            claims: Map::new(),
            rights: Some(setup.key_rights()),
        }];
    }
    let Ok(verifier) = Verifier::new(config.issuers.clone(), options.now.clone()) else {
        return Vec::new();
    };
    let mut accepted = Vec::new();
    for (at, played) in setup.issuers.iter().enumerate() {
        let mut refused: Vec<(&'static str, Vec<String>)> = Vec::new();
        for (name, query, mint) in tokens(played) {
            let Ok(token) = issuer.mint(at, &mint) else { continue };
            let refusal = match verifier.verify(&token).await.outcome {
                Ok(_) => None,
                Err(refusal) => Some(refusal.detail()),
            };
            match (refusal, decode(&token)) {
                (None, Ok(mut decoded)) => {
                    config.resolve_claim_paths(&mut decoded.claims);
                    accepted.push(Candidate {
                        name,
                        token_url: format!("{}/local/token?{query}", issuer.base(at)),
                        claims: decoded.claims,
                        rights: None,
                    });
                }
                (Some(why), _) => match refused.iter_mut().find(|(other, _)| *other == why) {
                    Some((_, names)) => names.push(name),
                    None => refused.push((why, vec![name])),
                },
                (None, Err(_)) => {}
            }
        }
        for (why, names) in refused {
            let more = names.len().saturating_sub(1);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let name = names.first().map_or("", String::as_str);
            notes.push(format!("{name}{more} of issuer `{}` get 401: {why}", played.name));
        }
    }
    accepted
}

/// The tokens that callers of an issuer can have: a name, the query of `/local/token`, the token.
fn tokens(played: &Played) -> Vec<(String, String, Mint)> {
    let machines = played.clients.iter().filter(|client| {
        client.secret.is_some() && !client.scopes.is_empty() && !played.is_id_only
    });
    let machine = |id: &String| {
        let mint = Mint { client: Some(id.clone()), ..Mint::default() };
        (format!("client {id}"), format!("client={id}"), mint)
    };
    let user = |name: &String| {
        let mint = Mint { user: Some(name.clone()), ..Mint::default() };
        (format!("user {name}"), format!("user={name}"), mint)
    };
    let machines = machines.map(|client| machine(&client.id));
    let users = played.users.iter().map(|other| user(&other.username));
    machines.take(MAX_TRIED).chain(users.take(MAX_TRIED)).collect()
}

/// The rules, and the APIs that a call must fit.
struct Scope<'s> {
    setup: &'s Setup,
    options: &'s Options,
}

impl Scope<'_> {
    /// The first call that is allowed on every API that takes it; reading before writing.
    fn allowed_call(&self, caller: &Candidate) -> Option<Call> {
        let calls: Vec<Call> = self.routes(caller);
        let reads = calls.iter().filter(|call| call.method == "GET");
        let others = calls.iter().filter(|call| call.method != "GET");
        reads.chain(others).find(|call| self.allows_all(caller, call)).cloned()
    }

    /// A call that is allowed on no API: first of the same path, then of another rule.
    fn denied_call(&self, caller: &Candidate, allowed: &Call) -> Option<Call> {
        let same =
            METHODS.map(|method| Call { method: method.to_owned(), path: allowed.path.clone() });
        let elsewhere = Call { method: "GET".to_owned(), path: "/no-rule-allows-this".to_owned() };
        let mut all = same.into_iter().chain(self.routes(caller)).chain([elsewhere]);
        all.find(|call| {
            self.kinds()
                .all(|kind| self.serves(kind, call) && !self.allows_call(kind, caller, call))
        })
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.options.kinds().into_iter().filter(|kind| *kind != Kind::WebSocket)
    }

    fn routes(&self, caller: &Candidate) -> Vec<Call> {
        let rules = self.setup.functions.first().into_iter().flat_map(|one| &one.rules);
        let routes = rules.flat_map(|rule| rule.allow.iter()).map(ToString::to_string);
        routes.filter_map(|route| sample(&route, &caller.claims)).collect()
    }

    fn allows_all(&self, caller: &Candidate, call: &Call) -> bool {
        self.kinds().all(|kind| self.serves(kind, call) && self.allows_call(kind, caller, call))
    }

    fn serves(&self, kind: Kind, call: &Call) -> bool {
        let routes = &self.options.routes;
        let is_routed = kind.is_http() || self.options.template.is_some();
        !is_routed || routes.is_empty() || Route::serves(routes, &call.method, &call.path)
    }

    fn allows_call(&self, kind: Kind, caller: &Candidate, call: &Call) -> bool {
        self.allows(kind, caller, &format!("{}{}", call.method, call.path))
    }

    fn allows(&self, kind: Kind, caller: &Candidate, resource: &str) -> bool {
        let judged = self.judge(kind, caller, resource, |configured, caller, arn| {
            configured.config.rules.evaluate(caller, arn).verdict.is_authorized()
        });
        judged.unwrap_or(false)
    }

    /// Returns true if a rule is for this caller, and else why it is not.
    fn applies(
        &self,
        kind: Kind,
        caller: &Candidate,
        route: &str,
        rule: &str,
        why: &mut Option<String>,
    ) -> bool {
        let Some(call) = sample(route, &caller.claims) else {
            // `$connect` and its like have no method; a path whose claim is missing, no example.
            return route.starts_with('$');
        };
        let resource = format!("{}{}", call.method, call.path);
        let judged = self.judge(kind, caller, &resource, |configured, caller, arn| {
            let explanation = configured.config.rules.explain(caller, arn);
            let said = explanation.rules.into_iter().find(|said| said.rule == rule);
            match said.map(|said| said.reason) {
                Some(Reason::Unmet { requirement, .. }) => Err(requirement.to_string()),
                Some(reason @ (Reason::Unsure { .. } | Reason::Unfillable { .. })) => {
                    Err(reason.to_string())
                }
                _ => Ok(()),
            }
        });
        match judged {
            Some(Err(text)) => {
                // The caller that comes closest says most: `when` is judged last.
                if why.is_none() || text.contains("`when`") {
                    *why = Some(text);
                }
                false
            }
            _ => true,
        }
    }

    fn judge<T>(
        &self,
        kind: Kind,
        caller: &Candidate,
        resource: &str,
        judge: impl FnOnce(&Configured, &policy::Caller<'_>, &MethodArn<'_>) -> T,
    ) -> Option<T> {
        let configured = self.setup.of(kind)?;
        let (api, stage) = (kind.api_id(), kind.stage());
        let arn = format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/{stage}/{resource}");
        let arn = MethodArn::parse(&arn).ok()?;
        let seen = match &caller.rights {
            Some(rights) => policy::Caller::new(&caller.claims)
                .with_scopes(rights.scopes.iter().map(String::as_str))
                .with_groups(rights.groups.iter().map(String::as_str)),
            None => assumed_caller(&caller.claims, &configured.config.issuers).ok()?,
        };
        let seen = seen.with_source_ip(Some(std::net::Ipv4Addr::LOCALHOST.into()));
        Some(judge(configured, &seen, &arn))
    }
}

/// A call that a route is for; `None` for a WebSocket's route, and if a claim is missing.
fn sample(route: &str, claims: &Map<String, Value>) -> Option<Call> {
    let (methods, path) = route.split_once(' ')?;
    let method = methods.split(',').next().filter(|method| *method != "ANY").unwrap_or("GET");
    // Of several methods, the one that changes nothing.
    let method = if methods.split(',').any(|one| one == "GET") { "GET" } else { method };
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (claim, after) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(claims.get(claim)?.as_str()?);
        rest = after;
    }
    filled.push_str(rest);
    if let Some(below) = filled.strip_suffix('*') {
        filled = format!("{below}1");
    }
    Some(Call { method: method.to_owned(), path: filled })
}

/// Returns true if a caller has a plan only by an assignment.
fn needs_assignment(throttle: &ThrottleConfig) -> bool {
    let PlanChoice { assigned, claim, default, .. } = &throttle.plan;
    *assigned && claim.is_none() && default.is_none() && !throttle.counts_by_api_key()
}

/// Assigns a plan to each caller, and says so.
async fn assign(
    setup: &Setup,
    config: &Config,
    callers: &[Candidate],
    table: &Table,
) -> Option<String> {
    let limits = setup.tables.first()?;
    let assignments = Assignments::new(table.client(), limits);
    let plan = crate::demo::PLAN;
    for caller in callers {
        if let Ok(subject) = assumed_subject(&caller.claims, config) {
            // An assignment that is there stays.
            drop(assignments.put(Assignment::new(subject.as_str()).with_plan(plan)).await);
        }
    }
    Some(format!(
        "[throttle]: plans are assigned: every caller here has `{plan}`; to change one: tollgate \
         subject assign SUBJECT PLAN"
    ))
}

/// The limits of the plan that the caller has.
async fn limit(setup: &Setup, config: &Config, caller: &Candidate, table: &Table) -> Option<Limit> {
    let throttle = config.throttle.as_ref()?;
    let plans = Plans::new(table.client(), setup.tables.first()?);
    let claimed = throttle.plan.claim.as_ref().and_then(|claim| caller.claims.get(claim)?.as_str());
    let default = throttle.plan.default.clone();
    let by_key = throttle.counts_by_api_key().then(|| PlanId::new(crate::demo::PLAN).ok());
    let named = claimed.filter(|_| by_key.is_none()).and_then(|name| PlanId::new(name).ok());
    let assigned = needs_assignment(throttle).then(|| PlanId::new(crate::demo::PLAN).ok());
    for id in [named, default, by_key.flatten(), assigned.flatten()].into_iter().flatten() {
        if let Ok(Some(record)) = plans.get(&id).await {
            return Some(Limit::of(id.as_str(), &record.plan));
        }
    }
    None
}

impl Limit {
    pub(crate) fn of(name: &str, plan: &Plan) -> Self {
        let quota = plan.quotas().iter().map(|quota| quota.limit()).min();
        let rate = plan.throttle();
        let mut parts = Vec::new();
        if let Some(rate) = rate {
            parts.push(format!("{}, {} at once", rate.rate(), rate.burst()));
        }
        if let Some(quota) = quota {
            parts.push(format!("a quota of {quota}"));
        }
        let burst = rate.map(throttle::Throttling::burst);
        let burst = [burst, quota].into_iter().flatten().min().unwrap_or(u64::MAX);
        let refills = rate.map_or(std::time::Duration::MAX, |rate| rate.rate().interval());
        // A curl takes some tens of milliseconds; a quota is met whatever the rate.
        let is_slow = burst <= 40
            && (refills >= std::time::Duration::from_millis(150)
                || quota.is_some_and(|quota| quota <= 40));
        Self { plan: name.to_owned(), text: parts.join(" and "), burst, is_slow }
    }
}
