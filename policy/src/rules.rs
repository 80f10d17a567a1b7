//! The rules, compiled once and evaluated for every request.

mod cel;
mod condition;
mod error;
mod evaluation;
#[cfg(feature = "iam-evaluator")]
mod opaque;
mod requirements;
mod spec;

use std::{collections::BTreeSet, iter};

#[cfg(feature = "iam-evaluator")]
pub(crate) use self::opaque::{is_opaque, shown_condition};
pub(crate) use self::{
    cel::{Claims, Expression, written},
    condition::Condition,
    requirements::{Applies, Requirements},
};
pub use self::{
    error::RuleError,
    evaluation::{Evaluation, Verdict},
    requirements::Requirement,
    spec::RuleSpec,
};
use crate::{
    arn::MAX_RESOURCE_BYTES,
    document::{Grants, Suffix},
    route::{Filled, RoutePattern},
};

/// The longest name of a rule, in bytes, because names are in log lines.
const MAX_NAME_BYTES: usize = 64;

/// API Gateway's limit on a policy, in bytes; documented for WebSocket APIs, applied to all.
const DOCUMENT_LIMIT: usize = 8192;

/// The shortest text before the route in a resource: the stage's name is one letter.
const SHORTEST_PREFIX: &str = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/s/";

/// A usual text before the route in a resource, for estimates.
const USUAL_PREFIX: &str = "arn:aws:execute-api:ap-southeast-2:123456789012:a1b2c3d4e5/production/";

/// A long text before the stage in a resource.
const LONGEST_API: &str = "arn:aws-us-gov:execute-api:ap-southeast-2:123456789012:a1b2c3d4e5/";

/// The longest name of a stage, and the longest claim in a path, in bytes.
const LONGEST_STAGE_BYTES: usize = 128;
const LONGEST_CLAIM_BYTES: usize = 256;

/// The usual length of a claim in a path: Cognito's `sub` is a UUID.
const USUAL_CLAIM_BYTES: usize = 36;

/// Every rule, checked and compiled.
///
/// A request that no rule allows is denied, and a deny wins over every allow. The order of the
/// rules changes nothing. See the [crate](crate) for an example.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Sorted by name, so that the order of writing changes nothing.
    pub(crate) rules: Vec<Rule>,
    document_limit: usize,
    deny_rest: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) requirements: Requirements,
    pub(crate) allow: Vec<RoutePattern>,
    pub(crate) deny: Vec<RoutePattern>,
    pub(crate) condition: Condition,
}

/// The requirements of one rule that depend on the issuers of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs<'r> {
    /// The rule's name.
    pub rule: &'r str,
    /// The issuers that it applies to; `None` for all.
    pub issuers: Option<&'r [String]>,
    /// The clients that it applies to; `None` for all.
    pub clients: Option<&'r [String]>,
    /// The claims that its routes and requirements read, each once and sorted.
    pub claims: BTreeSet<&'r str>,
    /// True if it allows callers because of a scope, a group, a claim or a condition.
    pub trusts: bool,
}

impl Rules {
    /// Checks and compiles rules; an empty list denies everything.
    ///
    /// A document may have up to 8192 bytes as JSON; [`Self::compile_within`] sets another limit.
    ///
    /// # Errors
    /// If a rule is invalid; the message names the first one.
    pub fn compile(specs: Vec<RuleSpec>) -> Result<Self, RuleError> {
        Self::compile_within(specs, DOCUMENT_LIMIT)
    }

    /// Checks and compiles rules, for documents of at most `bytes` bytes as JSON.
    ///
    /// # Errors
    /// As [`Self::compile`]; also if the document of one rule, or of all rules for everyone, is
    /// longer.
    pub fn compile_within(specs: Vec<RuleSpec>, bytes: usize) -> Result<Self, RuleError> {
        let mut names = BTreeSet::new();
        for (spec, position) in specs.iter().zip(1..) {
            check_name(spec, position)?;
            if !names.insert(spec.name.as_str()) {
                return Err(RuleError::Duplicate { rule: spec.name.clone() });
            }
            check_routes(spec)?;
        }
        let mut rules = specs.into_iter().map(Rule::compile).collect::<Result<Vec<_>, _>>()?;
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        let rules = Self { rules, document_limit: bytes, deny_rest: false };
        rules.check_lengths()?;
        Ok(rules)
    }

    /// Makes documents deny everything that they do not allow, by a Deny with `NotResource`.
    ///
    /// Without it, a REST API's own resource policy can allow requests that the rules do not grant.
    /// Users report that API Gateway honours `NotResource` in an authorizer's policy; it was not
    /// tried on AWS. Documents become nearly twice as long.
    ///
    /// # Errors
    /// If a rule has `source_ips` or `until_exp`, because the Deny cannot depend on such a
    /// condition. Also if a document is then too long.
    pub fn denying_rest(mut self) -> Result<Self, RuleError> {
        if let Some((rule, field)) = self.conditioned().next() {
            return Err(RuleError::ConditionalRest { rule: rule.to_owned(), field });
        }
        self.deny_rest = true;
        self.check_lengths()?;
        Ok(self)
    }

    /// Refuses rules if their documents are certainly too long: the document of one rule, or of all
    /// rules for everyone in some stage.
    fn check_lengths(&self) -> Result<(), RuleError> {
        let limit = self.document_limit;
        let least = |rules: &[&Rule]| self.document_bytes(rules, SHORTEST_PREFIX, "x");
        for rule in &self.rules {
            let bytes = least(&[rule]);
            if bytes > limit {
                let rule = rule.name.clone();
                return Err(RuleError::LongRule { rule, bytes, limit });
            }
        }
        let stages: BTreeSet<&str> =
            self.rules.iter().flat_map(|rule| rule.requirements.stages()).collect();
        // Each stage that a rule names, and one that none names.
        for stage in iter::once(None).chain(stages.into_iter().map(Some)) {
            let met = |rule: &&Rule| {
                rule.requirements.is_everyone() && rule.requirements.is_for_stage(stage)
            };
            let rules: Vec<&Rule> = self.rules.iter().filter(met).collect();
            let bytes = least(&rules);
            let longest = rules.iter().max_by_key(|rule| least(&[**rule]));
            if let Some(rule) = longest.filter(|_| bytes > limit) {
                let (rule, stage) = (rule.name.clone(), stage.map(str::to_owned));
                return Err(RuleError::LongTogether { rule, stage, bytes, limit });
            }
        }
        Ok(())
    }

    /// Returns the names of the rules with an IAM condition, each with the field that sets it.
    ///
    /// Only a document has such conditions; a simple response does not.
    pub fn conditioned(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.rules.iter().filter_map(|rule| Some((rule.name.as_str(), rule.condition.field()?)))
    }

    /// Returns true if a route of some rule has this claim in its path.
    #[must_use]
    pub fn fills(&self, claim: &str) -> bool {
        let mut routes = self.rules.iter().flat_map(Rule::routes);
        routes.any(|route| route.claims().any(|other| other == claim))
    }

    /// Returns true if a rule is for callers without a credential.
    #[must_use]
    pub fn has_anonymous(&self) -> bool {
        self.rules.iter().any(|rule| rule.requirements.anonymous)
    }

    /// Returns the requirements of each rule that a configuration can check.
    pub fn needs(&self) -> impl Iterator<Item = Needs<'_>> {
        self.rules.iter().map(|rule| {
            let Requirements { issuers, clients, claims, when, .. } = &rule.requirements;
            let of_routes = rule.routes().flat_map(RoutePattern::claims);
            let of_when = when.iter().flat_map(Expression::claims).map(String::as_str);
            let names = of_routes.chain(claims.keys().map(String::as_str)).chain(of_when);
            let (issuers, clients) = (issuers.as_deref(), clients.as_deref());
            let trusts = !rule.allow.is_empty() && rule.requirements.reads_token();
            Needs { rule: &rule.name, issuers, clients, claims: names.collect(), trusts }
        })
    }

    /// Returns the most bytes that a document may have as JSON.
    #[must_use]
    pub fn document_limit(&self) -> usize {
        self.document_limit
    }

    /// Estimates the length of the document of a caller who meets every rule, in bytes.
    ///
    /// The stage's name and the claims in paths are unknown before a request. The estimate counts
    /// ten letters for the stage and 36 for each claim.
    #[must_use]
    pub fn greatest_document(&self) -> usize {
        let has_credential = |rule: &&Rule| !rule.requirements.anonymous;
        self.usual_bytes(&self.rules.iter().filter(has_credential).collect::<Vec<_>>())
    }

    /// Returns each rule's name with the length of the document of a caller who meets only it.
    ///
    /// In bytes, sorted by name; an estimate like [`Self::greatest_document`].
    pub fn sizes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.rules.iter().map(|rule| (rule.name.as_str(), self.usual_bytes(&[rule])))
    }

    /// Returns true if the document of a caller who meets every rule may be over the limit, with
    /// the longest possible stage and claims. Such a caller is refused.
    #[must_use]
    pub fn may_be_too_long(&self) -> bool {
        let rules: Vec<&Rule> = self.rules.iter().collect();
        let claim = "x".repeat(LONGEST_CLAIM_BYTES);
        let prefix = format!("{LONGEST_API}{}/", "s".repeat(LONGEST_STAGE_BYTES));
        self.document_bytes(&rules, &prefix, &claim) > self.document_limit
    }

    fn usual_bytes(&self, rules: &[&Rule]) -> usize {
        self.document_bytes(rules, USUAL_PREFIX, &"x".repeat(USUAL_CLAIM_BYTES))
    }

    /// Returns the length of the document of some rules, with one text for each claim.
    fn document_bytes(&self, rules: &[&Rule], prefix: &str, claim: &str) -> usize {
        let filled = |routes: &[RoutePattern]| -> Vec<Filled> {
            routes.iter().filter_map(|route| route.fill_with(|_| Some(claim)).ok()).collect()
        };
        let mut grants = Grants::default();
        for rule in rules {
            for route in filled(&rule.allow) {
                if let Some(condition) = rule.condition.for_exp(Some(0)) {
                    grants.allow(condition, route.resources);
                }
                grants.deny(route.dot_denies);
            }
            filled(&rule.deny).into_iter().for_each(|route| grants.deny(route.resources));
        }
        // A rule that only denies has a document only together with a rule that allows something.
        if grants.allows_nothing() {
            let allow = Suffix { has_claim: false, text: "$connect".to_owned() };
            grants.allow(Default::default(), vec![allow]);
        }
        grants.into_document(prefix, self.deny_rest).to_json().len()
    }
}

impl Rule {
    fn compile(mut spec: RuleSpec) -> Result<Self, RuleError> {
        let (allow, deny) = (std::mem::take(&mut spec.allow), std::mem::take(&mut spec.deny));
        let name = spec.name.clone();
        let condition = Condition::compile(&spec)?;
        if let Some(field) = condition.field().filter(|_| !deny.is_empty()) {
            return Err(RuleError::ConditionalDeny { rule: name, field });
        }
        let requirements = Requirements::compile(spec)?;
        Ok(Self { name, requirements, allow, deny, condition })
    }

    /// Returns its routes, first those that it allows.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &RoutePattern> {
        self.allow.iter().chain(&self.deny)
    }
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
        if spec.anonymous && route.claims().next().is_some() {
            let field = "claim for a path";
            return Err(RuleError::Anonymous { rule: spec.name.clone(), field });
        }
        let filled = route.fill_with(|_| Some("x"));
        let bytes = SHORTEST_PREFIX.len() + filled.map_or(0, |filled| filled.longest());
        if bytes > MAX_RESOURCE_BYTES {
            let (rule, route) = (spec.name.clone(), route.to_string());
            return Err(RuleError::LongRoute { rule, route, bytes });
        }
    }
    Ok(())
}
