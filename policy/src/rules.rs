//! The rules, compiled once and asked for every caller.

mod cel;
mod error;
mod evaluation;
mod requirements;
mod spec;

use std::{collections::BTreeSet, iter, sync::Arc};

pub(crate) use self::{
    cel::{Seen, When},
    evaluation::Met,
    requirements::{Applies, Requirements},
};
pub use self::{error::RuleError, evaluation::Verdict, requirements::Requirement, spec::RuleSpec};
use crate::{
    arn::MethodArn,
    caller::Caller,
    cidr::Block,
    document::{
        Document, DocumentError, Gathered, MAX_RESOURCE_BYTES,
        condition::{Condition, Dated},
        table::{Bits, Suffixes, Table},
    },
    route::{RoutePattern, Unfillable},
};

/// The longest name of a rule, in bytes; a name is for a line of a log.
const MAX_NAME_BYTES: usize = 64;

/// API Gateway's bound on a policy, in bytes; documented for WebSocket APIs, kept for all.
const DOCUMENT_LIMIT: usize = 8192;

/// The shortest text in front of a route in a resource, the stage's name being one letter.
const SHORTEST_PREFIX: &str = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/s/";

/// An ordinary text in front of a route, for what can only be guessed before a request is there.
const USUAL_PREFIX: &str = "arn:aws:execute-api:ap-southeast-2:123456789012:a1b2c3d4e5/production/";

/// The usual length of a claim in a path: Cognito's `sub` is a UUID.
const USUAL_CLAIM_BYTES: usize = 36;

/// Every rule, checked and made ready.
///
/// A call that no rule allows is denied, and a deny wins over every allow. The order of the rules
/// changes nothing.
///
/// See the [crate](crate) for an example.
#[derive(Debug, Clone)]
pub struct Rules {
    /// By name, so that the order of writing can't show anywhere.
    pub(crate) rules: Vec<Rule>,
    /// The resources of every rule after the stage, for routes without a claim.
    table: Arc<Table>,
    /// Sorted, each once; what [`Rule::condition`] counts in.
    conditions: Vec<Arc<Condition>>,
    document_limit: usize,
    deny_rest: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) requirements: Requirements,
    pub(crate) allow: Routes,
    pub(crate) deny: Routes,
    pub(crate) condition: Arc<Condition>,
    /// The place of the condition, where there is one.
    place: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Routes {
    pub(crate) patterns: Vec<RoutePattern>,
    /// Of the patterns, those without a claim, as places in [`Rules::table`].
    known: Bits,
    /// Of the patterns, those with claims.
    open: Vec<RoutePattern>,
}

impl Rules {
    /// Checks rules and makes them ready; no rules at all deny everything.
    ///
    /// A document may have up to 8192 bytes as JSON; [`Self::compile_within`] sets another limit.
    ///
    /// # Errors
    /// For the first rule that can't mean what it says; the message names it.
    pub fn compile(specs: Vec<RuleSpec>) -> Result<Self, RuleError> {
        Self::compile_within(specs, DOCUMENT_LIMIT)
    }

    /// Checks rules and makes them ready, for documents of at most so many bytes as JSON.
    ///
    /// # Errors
    /// As [`Self::compile`]; also for a rule that makes a longer document all by itself, and for
    /// rules for everyone that make one together.
    pub fn compile_within(specs: Vec<RuleSpec>, bytes: usize) -> Result<Self, RuleError> {
        let mut names = BTreeSet::new();
        for (spec, position) in specs.iter().zip(1..) {
            check_name(spec, position)?;
            if !names.insert(spec.name.as_str()) {
                return Err(RuleError::Duplicate { rule: spec.name.clone() });
            }
            check_routes(spec)?;
        }
        let routes = specs.iter().flat_map(|spec| spec.allow.iter().chain(&spec.deny));
        let closed = routes.filter(|route| route.claims().next().is_none());
        let table = Table::new(closed.flat_map(|route| suffixes(route, "")).collect());
        let mut rules = specs
            .into_iter()
            .map(|spec| Rule::compile(spec, &table))
            .collect::<Result<Vec<_>, _>>()?;
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        let conditions: BTreeSet<Arc<Condition>> = rules
            .iter()
            .filter(|rule| !rule.condition.is_none())
            .map(|rule| Arc::clone(&rule.condition))
            .collect();
        let conditions: Vec<Arc<Condition>> = conditions.into_iter().collect();
        for rule in &mut rules {
            rule.place = conditions.binary_search(&rule.condition).ok();
        }
        let rules = Self { rules, table, conditions, document_limit: bytes, deny_rest: false };
        rules.measure()?;
        Ok(rules)
    }

    /// Has documents deny all that they don't allow, by a Deny with `NotResource`.
    ///
    /// Otherwise a request outside a caller's grants is refused by silence, which a resource policy
    /// of a REST API that allows it overrides. That API Gateway honours `NotResource` in an
    /// authorizer's policy is said by users of it and was not tried on AWS. A document gets nearly
    /// twice as long.
    ///
    /// # Errors
    /// For a rule with `source_ips` or `until_exp`: where they don't hold, the document would be
    /// silent after all. Also for rules that make too long a document now.
    pub fn denying_rest(mut self) -> Result<Self, RuleError> {
        if let Some((rule, field)) = self.conditioned().next() {
            return Err(RuleError::ConditionalRest { rule: rule.to_owned(), field });
        }
        self.deny_rest = true;
        self.measure()?;
        Ok(self)
    }

    /// Refuses rules of which it is known now that nobody who meets them gets a document.
    fn measure(&self) -> Result<(), RuleError> {
        let limit = self.document_limit;
        for rule in &self.rules {
            let bytes = self.document_of([rule], SHORTEST_PREFIX, 1).json_bytes();
            if bytes > limit {
                let rule = rule.name.clone();
                return Err(RuleError::LongRule { rule, bytes, limit });
            }
        }
        self.check_everyone()
    }

    /// Refuses rules for everyone that together are too long for anyone, in some stage.
    fn check_everyone(&self) -> Result<(), RuleError> {
        let limit = self.document_limit;
        let stages: BTreeSet<&str> =
            self.rules.iter().flat_map(|rule| rule.requirements.stages()).collect();
        // Where no rule names the stage, and in each that one names.
        for stage in iter::once(None).chain(stages.into_iter().map(Some)) {
            let met = |rule: &&Rule| {
                rule.requirements.is_everyone() && rule.requirements.is_for_stage(stage)
            };
            let rules: Vec<&Rule> = self.rules.iter().filter(met).collect();
            let bytes = self.document_of(rules.iter().copied(), SHORTEST_PREFIX, 1).json_bytes();
            let longest = rules
                .iter()
                .max_by_key(|rule| self.document_of([**rule], SHORTEST_PREFIX, 1).json_bytes());
            if let Some(rule) = longest.filter(|_| bytes > limit) {
                let (rule, stage) = (rule.name.clone(), stage.map(str::to_owned));
                return Err(RuleError::LongTogether { rule, stage, bytes, limit });
            }
        }
        Ok(())
    }

    /// The names of the rules that lean on an IAM condition, each with the field that says so.
    ///
    /// Only a document carries them: an answer that API Gateway keeps without one loses them.
    pub fn conditioned(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let field = |rule: &Rule| if rule.condition.until_exp { "until_exp" } else { "source_ips" };
        let rules = self.rules.iter().filter(|rule| !rule.condition.is_none());
        rules.map(move |rule| (rule.name.as_str(), field(rule)))
    }

    /// Returns true if a route of some rule has this claim in its path.
    #[must_use]
    pub fn fills(&self, claim: &str) -> bool {
        let mut routes =
            self.rules.iter().flat_map(|rule| rule.allow.open.iter().chain(&rule.deny.open));
        routes.any(|route| route.claims().any(|other| other == claim))
    }

    /// The most bytes that a document may have as JSON.
    #[must_use]
    pub fn document_limit(&self) -> usize {
        self.document_limit
    }

    /// The estimated length of the document of a caller who meets every rule, in bytes.
    ///
    /// A guess, for the stage's name and the claims in paths are not known before a request:
    /// it counts ten letters for the one and 36 for each of the others.
    #[must_use]
    pub fn greatest_document(&self) -> usize {
        self.document_of(&self.rules, USUAL_PREFIX, USUAL_CLAIM_BYTES).json_bytes()
    }

    /// Each rule's name, and how long the document of a caller who meets it alone would be.
    ///
    /// In bytes, by the name's order; a guess as [`Self::greatest_document`] is one.
    pub fn sizes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.rules.iter().map(|rule| {
            let document = self.document_of([rule], USUAL_PREFIX, USUAL_CLAIM_BYTES);
            (rule.name.as_str(), document.json_bytes())
        })
    }

    /// All that a caller may call in the stage of `arn`, as a policy.
    ///
    /// Of `arn` only what precedes the verb is used: API Gateway caches the policy and evaluates
    /// it for other routes, so it must not depend on the route that happened to ask. A caller
    /// who is granted nothing gets an explicit Deny of the whole stage, and so does one who has a
    /// deny with a claim in its path that can't be filled.
    ///
    /// # Errors
    /// When a resource is over 512 bytes or the document over its limit; refuse the request then.
    pub fn document(
        &self,
        caller: &Caller<'_>,
        arn: &MethodArn<'_>,
    ) -> Result<Document, DocumentError> {
        // A deny that can't be written is not left out: the caller is refused everything.
        let gathered = self.gather(caller, arn).unwrap_or_else(|_| self.nothing());
        Document::new(&self.table, arn.resource_prefix(), gathered, self.document_limit)
    }

    fn gather(&self, caller: &Caller<'_>, arn: &MethodArn<'_>) -> Result<Gathered, Unfillable<'_>> {
        let prefix = arn.resource_prefix().len();
        let (mut allow, mut deny) = (self.table.none(), self.table.none());
        let mut conditioned: Vec<Option<Suffixes>> = vec![None; self.conditions.len()];
        let seen = Seen::new(caller);
        for rule in &self.rules {
            let applies = rule.requirements.apply(caller, arn.stage(), &seen);
            if matches!(applies, Applies::No(_)) {
                continue;
            }
            rule.deny.add_all(&mut deny, prefix, caller)?;
            if applies != Applies::Yes {
                continue;
            }
            let grants = match rule.place.and_then(|place| conditioned.get_mut(place)) {
                Some(grants) => grants.get_or_insert_with(|| self.table.none()),
                None => &mut allow,
            };
            rule.allow.add_fillable(grants, &mut deny, prefix, caller);
        }
        let exp = caller.exp();
        let conditioned = self.conditions.iter().zip(conditioned).filter_map(|(condition, set)| {
            // Without a time to tell, an Allow until that time is not made.
            Some((Dated::new(condition, exp)?, set?))
        });
        let (conditioned, deny_rest) = (conditioned.collect(), self.deny_rest);
        Ok(Gathered { allow, conditioned, deny, deny_rest })
    }

    fn nothing(&self) -> Gathered {
        let (allow, deny) = (self.table.none(), self.table.none());
        Gathered { allow, conditioned: Vec::new(), deny, deny_rest: self.deny_rest }
    }

    /// The document of some rules, with a text of so many bytes in the place of each claim.
    fn document_of<'r>(
        &'r self,
        rules: impl IntoIterator<Item = &'r Rule>,
        prefix: &str,
        claim_bytes: usize,
    ) -> Document {
        let mut gathered = self.nothing();
        let filler = "x".repeat(claim_bytes);
        for rule in rules {
            let allow = match Dated::new(&rule.condition, Some(0)) {
                Some(dated) if rule.place.is_some() => {
                    let place = gathered.conditioned.iter().position(|(other, _)| *other == dated);
                    let place = place.unwrap_or_else(|| {
                        gathered.conditioned.push((dated, self.table.none()));
                        gathered.conditioned.len() - 1
                    });
                    gathered.conditioned.get_mut(place).map(|(_, set)| set)
                }
                _ => Some(&mut gathered.allow),
            };
            for (routes, set) in [(&rule.allow, allow), (&rule.deny, Some(&mut gathered.deny))] {
                let Some(set) = set else { continue };
                set.known.add(&routes.known);
                set.filled.extend(routes.open.iter().flat_map(|route| suffixes(route, &filler)));
            }
            for route in &rule.allow.open {
                gathered.deny.filled.extend(route.dot_denies(&path(route, &filler)));
            }
        }
        // A rule that only denies is measured beside what it denies from.
        if gathered.allow.is_empty() && gathered.conditioned.is_empty() {
            gathered.allow.filled.push("$connect".to_owned());
        }
        Document::merged(&self.table, prefix, gathered)
    }
}

impl Rule {
    fn compile(mut spec: RuleSpec, table: &Table) -> Result<Self, RuleError> {
        let allow = Routes::compile(std::mem::take(&mut spec.allow), table);
        let deny = Routes::compile(std::mem::take(&mut spec.deny), table);
        let name = spec.name.clone();
        let condition = Arc::new(condition(&spec)?);
        if !deny.patterns.is_empty() && !condition.is_none() {
            let field = if condition.until_exp { "until_exp" } else { "source_ips" };
            return Err(RuleError::ConditionalDeny { rule: name, field });
        }
        let requirements = Requirements::compile(spec)?;
        Ok(Self { name, requirements, allow, deny, condition, place: None })
    }
}

impl Routes {
    fn compile(patterns: Vec<RoutePattern>, table: &Table) -> Self {
        let mut known = table.none().known;
        let mut open = Vec::new();
        for route in &patterns {
            if route.claims().next().is_some() {
                open.push(route.clone());
            } else {
                let places = suffixes(route, "").into_iter().filter_map(|s| table.place(&s));
                places.for_each(|place| known.insert(place));
            }
        }
        Self { patterns, known, open }
    }

    /// Adds every route, or says which claim can't be put into one.
    fn add_all(
        &self,
        set: &mut Suffixes,
        prefix: usize,
        caller: &Caller<'_>,
    ) -> Result<(), Unfillable<'_>> {
        set.known.add(&self.known);
        for route in &self.open {
            set.filled.extend(route.suffixes(&fill(route, prefix, caller)?));
        }
        Ok(())
    }

    /// Adds each route whose claims can be put into it, and its dot denies.
    fn add_fillable(
        &self,
        allow: &mut Suffixes,
        deny: &mut Suffixes,
        prefix: usize,
        caller: &Caller<'_>,
    ) {
        allow.known.add(&self.known);
        for route in &self.open {
            // A route that can't be written exactly is not granted.
            let Ok(path) = fill(route, prefix, caller) else { continue };
            allow.filled.extend(route.suffixes(&path));
            deny.filled.extend(route.dot_denies(&path));
        }
    }
}

/// Returns a route's path with the caller's claims in it.
fn fill<'r>(
    route: &'r RoutePattern,
    prefix: usize,
    caller: &Caller<'_>,
) -> Result<String, Unfillable<'r>> {
    let mut filled = String::new();
    if let Some(path) = route.parts().1 {
        path.fill(&mut filled, caller)?;
    }
    route.check_length(prefix, filled.len())?;
    Ok(filled)
}

/// Returns a route's path with one text in the place of each claim.
fn path(route: &RoutePattern, filler: &str) -> String {
    route.parts().1.map(|path| path.filled_with(filler)).unwrap_or_default()
}

/// Returns a route's suffixes with one text in the place of each claim.
fn suffixes(route: &RoutePattern, filler: &str) -> Vec<String> {
    route.suffixes(&path(route, filler)).collect()
}

fn condition(spec: &RuleSpec) -> Result<Condition, RuleError> {
    let mut blocks = BTreeSet::new();
    if let Some(sources) = &spec.source_ips {
        requirements::check_list(&spec.name, "source_ips", sources)?;
        for source in sources {
            let block = source.parse::<Block>().map_err(|mend| RuleError::SourceIp {
                rule: spec.name.clone(),
                source_ip: source.clone(),
                mend,
            })?;
            blocks.insert(block);
        }
    }
    Ok(Condition { source_ips: blocks.into_iter().collect(), until_exp: spec.until_exp })
}

fn check_name(spec: &RuleSpec, position: usize) -> Result<(), RuleError> {
    let name = &spec.name;
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(RuleError::Name { position, name: name.clone() });
    }
    Ok(())
}

fn check_routes(spec: &RuleSpec) -> Result<(), RuleError> {
    if spec.allow.is_empty() && spec.deny.is_empty() {
        return Err(RuleError::NoRoutes { rule: spec.name.clone() });
    }
    for route in spec.allow.iter().chain(&spec.deny) {
        let bytes = SHORTEST_PREFIX.len() + route.longest_suffix(path(route, "x").len());
        if bytes > MAX_RESOURCE_BYTES {
            return Err(RuleError::LongRoute {
                rule: spec.name.clone(),
                route: route.clone(),
                bytes,
            });
        }
    }
    Ok(())
}
