//! The app clients and users that fit a configuration's issuers and rules.
//!
//! Each client that an issuer lists gets a secret and every scope that rules ask for. Users get the
//! groups that rules ask for, one user for each, and one more is in none.

use std::collections::BTreeSet;

use authorizer::{Config, Issuer, Tenants, ThrottleConfig, TokenUse};
use policy::{RoutePattern, RuleSpec};
use serde_json::{Map, Value};

use super::derive::first;
use super::{IssuerView, Played, View};
use crate::demo;
use crate::issuer::{self, AppClient, Form, User};
use crate::options::Options;

/// The client of an issuer that accepts any.
pub(super) const ANY_CLIENT: &str = "local-client";
/// The tenant of an issuer that accepts any.
const ANY_TENANT: &str = "11111111-2222-3333-4444-555555555555";
/// The user who is in no group that a rule asks for.
const PLAIN_USER: &str = "user";
/// A machine client must have a scope to get a token.
const NO_SCOPE: &str = "local/call";

/// The parts of every issuer, in the configuration's order.
pub(super) fn play(view: &View, config: &Config, origin: &str, options: &Options) -> Vec<Played> {
    let mut all: Vec<Played> = Vec::new();
    for (issuer, written) in config.issuers.iter().zip(&view.issuer) {
        let checks = &issuer.checks;
        let first_name = issuer.identities.first();
        let tid = first_name.and_then(|known| known.tenants.as_ref()).map(tenant);
        let iss = first_name.map(|known| known.iss.clone()).unwrap_or_default();
        let iss = iss.replace("{tid}", tid.as_deref().unwrap_or("{tid}"));
        let is_demo = iss == issuer::url(origin, demo::POOL);
        let is_id_only = checks.token_use == TokenUse::Id;
        let claim = |written: &Option<String>, default: &str| {
            written.clone().unwrap_or_else(|| default.to_owned())
        };
        let form = Form {
            is_cognito: is_demo || written.user_pool.is_some(),
            scopes_claim: claim(&written.scopes_claim, "scope"),
            groups_claim: claim(&written.groups_claim, "cognito:groups"),
            client_claim: claim(&written.client_claim, "client_id"),
            audience: first(written.audiences.as_ref()),
            prefers_id: is_id_only,
            claim_paths: view.claim_paths.clone(),
        };
        let id = match &written.user_pool {
            _ if is_demo => demo::POOL.to_owned(),
            Some(pool) => pool.clone(),
            None => path(&checks.issuer, &all),
        };
        let longest = checks.max_lifetime.map(std::time::Duration::from_secs);
        let needs = Needs::new(view, config, written, issuer);
        let (mut clients, mut users) = (Vec::new(), Vec::new());
        if is_demo {
            (clients, users) = (demo::clients(), demo::users());
        }
        for client in needs.clients(&form, is_demo) {
            if !clients.iter().any(|other| other.id == client.id) {
                clients.push(client);
            }
        }
        for user in needs.users(&form, is_id_only) {
            let same = |other: &User| other.groups == user.groups && other.scopes == user.scopes;
            if !is_demo || !users.iter().any(same) {
                users.push(user);
            }
        }
        if let Some(tid) = &tid {
            let claims = clients.iter_mut().map(|client| &mut client.claims);
            for claims in claims.chain(users.iter_mut().map(|user| &mut user.claims)) {
                claims.insert("tid".to_owned(), tid.as_str().into());
            }
        }
        all.push(Played {
            name: checks.issuer.clone(),
            address: issuer::url(origin, &id),
            iss,
            id,
            form,
            lifetime: longest.unwrap_or(options.token_lifetime).min(options.token_lifetime),
            clients,
            users,
            is_id_only,
        });
    }
    all
}

/// The tenant whose tokens an issuer of many gives here: the first that is accepted.
fn tenant(tenants: &Tenants) -> String {
    let first = match tenants {
        Tenants::These(tenants) => tenants.first(),
        Tenants::Any => None,
    };
    first.map_or_else(|| ANY_TENANT.to_owned(), String::clone)
}

/// A name as one segment of a path that no other issuer has.
fn path(name: &str, others: &[Played]) -> String {
    let mut path = plain(name);
    while others.iter().any(|other| other.id == path) {
        path.push('-');
    }
    path
}

/// The needs of an issuer's tokens, by its table and by the rules that are for it.
struct Needs<'c> {
    written: &'c IssuerView,
    rules: Vec<&'c RuleSpec>,
    /// Claims that something reads, each to be filled with a value for the caller.
    read: BTreeSet<&'c str>,
    /// The claim of the plan, where there is no default.
    plan: Option<&'c str>,
}

/// The groups and claims of one user, and the scopes that go with them.
#[derive(Default)]
struct Profile {
    groups: Vec<String>,
    scopes: Vec<String>,
    claims: Map<String, Value>,
}

impl<'c> Needs<'c> {
    fn new(view: &'c View, config: &'c Config, written: &'c IssuerView, issuer: &Issuer) -> Self {
        let is_named = |name: &String| {
            *name == issuer.checks.issuer || issuer.identities.iter().any(|one| one.iss == *name)
        };
        let is_for =
            |rule: &&RuleSpec| rule.issuers.as_ref().is_none_or(|all| all.iter().any(is_named));
        let rules: Vec<&RuleSpec> = view.rule.iter().filter(is_for).collect();
        let principal = written.principal.as_ref().and_then(|claims| claims.claims().next());
        let mut read: BTreeSet<&str> = principal.into_iter().collect();
        let throttle = config.throttle.as_ref();
        read.extend(throttle.and_then(|limits| limits.subject_claims().next()));
        read.extend(throttle.into_iter().flat_map(ThrottleConfig::parent_claims));
        let plan = throttle.filter(|limits| limits.plan.default.is_none());
        let plan = plan.and_then(|throttle| throttle.plan.claim.as_deref());
        Self { written, rules, read, plan }
    }

    /// The scopes that every token of this issuer needs.
    fn own_scopes(&self) -> Vec<String> {
        let any = self.written.any_scope.first();
        self.written.all_scopes.iter().chain(any).cloned().collect()
    }

    /// The same, and every scope by which a rule allows.
    fn all_scopes(&self) -> Vec<String> {
        let mut scopes = self.own_scopes();
        let rules = self.rules.iter().filter(|rule| !rule.allow.is_empty());
        for scope in rules.flat_map(|rule| [&rule.any_scope, &rule.all_scopes]).flatten().flatten()
        {
            push(&mut scopes, scope);
        }
        scopes
    }

    /// The claims of a caller with this name.
    fn claims(&self, form: &Form, name: &str, own: &Map<String, Value>) -> Map<String, Value> {
        let mut claims = Map::new();
        for (claim, values) in &self.written.required_claims {
            let value = values.as_array().and_then(|all| all.first()).unwrap_or(values);
            claims.insert(claim.clone(), json(value));
        }
        claims.extend(own.clone());
        let routes = self.rules.iter().flat_map(|rule| rule.allow.iter().chain(&rule.deny));
        for claim in self.read.iter().copied().chain(routes.flat_map(RoutePattern::claims)) {
            let value = match claim {
                "email" => format!("{name}@example.com"),
                _ => name.to_owned(),
            };
            claims.entry(claim).or_insert_with(|| value.into());
        }
        if let Some(claim) = self.plan {
            claims.entry(claim).or_insert_with(|| demo::PLAN.into());
        }
        claims.retain(|claim, _| !form.is_fixed(claim));
        claims
    }

    fn clients(&self, form: &Form, is_demo: bool) -> Vec<AppClient> {
        let mut ids = self.written.client_ids();
        if ids.is_empty() && !is_demo {
            ids.push(ANY_CLIENT.to_owned());
        }
        let mut scopes = self.all_scopes();
        if scopes.is_empty() {
            scopes.push(NO_SCOPE.to_owned());
        }
        let client = |id: String| AppClient {
            secret: Some(demo::secret(&id)),
            scopes: scopes.clone(),
            is_public: true,
            claims: self.claims(form, &id, &Map::new()),
            id,
        };
        ids.into_iter().map(client).collect()
    }

    fn users(&self, form: &Form, is_id_only: bool) -> Vec<User> {
        let mut names = BTreeSet::new();
        let mut users = Vec::new();
        for profile in self.profiles() {
            let mut name = profile.name();
            while !names.insert(name.clone()) {
                name.push_str("-2");
            }
            let mut groups = self.written.all_groups.clone();
            profile.groups.iter().for_each(|group| push(&mut groups, group));
            let any = &self.written.any_group;
            if let Some(group) = any.first().filter(|_| !any.iter().any(|g| groups.contains(g))) {
                push(&mut groups, group);
            }
            // An ID token of an issuer that is not Cognito can say what a user may do.
            let all = is_id_only && !form.is_cognito;
            let mut scopes = if all { self.all_scopes() } else { self.own_scopes() };
            profile.scopes.iter().for_each(|scope| push(&mut scopes, scope));
            let claims = self.claims(form, &name, &profile.claims);
            users.push(User {
                password: demo::password(&name),
                username: name,
                sub: None,
                groups,
                scopes,
                attributes: claims.clone(),
                claims,
            });
        }
        users
    }

    /// One for each set of groups and claims that a rule asks for, after the one with none.
    fn profiles(&self) -> Vec<Profile> {
        let mut profiles = vec![Profile::default()];
        for rule in &self.rules {
            let all = rule.all_groups.clone().unwrap_or_default();
            let sets = match &rule.any_group {
                None => vec![all],
                Some(any) => any
                    .iter()
                    .map(|group| {
                        let mut set = all.clone();
                        push(&mut set, group);
                        set
                    })
                    .collect(),
            };
            let claims: Map<String, Value> = rule
                .claims
                .iter()
                .flatten()
                .filter_map(|(claim, values)| {
                    Some((claim.clone(), values.first()?.as_str().into()))
                })
                .collect();
            let any_scope = rule.any_scope.iter().flatten().take(1);
            for groups in sets {
                if groups.is_empty() && claims.is_empty() {
                    continue;
                }
                let same = |other: &Profile| other.groups == groups && other.claims == claims;
                let at = profiles.iter().position(same).unwrap_or(profiles.len());
                if at == profiles.len() {
                    profiles.push(Profile { groups, claims: claims.clone(), scopes: Vec::new() });
                }
                let scopes = rule.all_scopes.iter().flatten().chain(any_scope.clone());
                if let Some(profile) = profiles.get_mut(at) {
                    scopes.for_each(|scope| push(&mut profile.scopes, scope));
                }
            }
        }
        profiles
    }
}

impl Profile {
    /// A name to sign in with: the groups, or else the claims' values.
    fn name(&self) -> String {
        let values = self.claims.values().filter_map(Value::as_str);
        let parts: Vec<&str> = if self.groups.is_empty() {
            values.collect()
        } else {
            self.groups.iter().map(String::as_str).collect()
        };
        let name = plain(&parts.join("-"));
        if name.is_empty() { PLAIN_USER.to_owned() } else { name }
    }
}

/// A name with `-` for all but letters, digits and `-_.`.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    name.chars().map(plain).collect()
}

fn push(list: &mut Vec<String>, name: &String) {
    if !list.contains(name) {
        list.push(name.clone());
    }
}

fn json(value: &toml::Value) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
