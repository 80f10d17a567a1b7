//! The rules, compiled once and asked for every caller.

mod caller;
mod requirements;
mod spec;

use std::{collections::BTreeSet, sync::Arc};

use thiserror::Error;

pub use self::{caller::Caller, spec::RuleSpec};
use crate::{
    arn::MethodArn,
    document::{Document, DocumentError, MAX_RESOURCE_BYTES},
    route::RoutePattern,
    rules::requirements::Requirements,
};

/// The longest name of a rule, in bytes; a name is for a line of a log.
const MAX_NAME_BYTES: usize = 64;

/// API Gateway's bound on a policy, in bytes; documented for WebSocket APIs, kept for all.
const DOCUMENT_LIMIT: usize = 8192;

/// The shortest text in front of a route in a resource, the stage's name being one letter.
const SHORTEST_PREFIX: &str = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/s/";

/// Every rule, checked and made ready.
///
/// What no rule allows is denied, and a deny wins over every allow. The order in which rules are
/// written changes nothing.
///
/// See the [crate](crate) for an example.
#[derive(Debug, Clone)]
pub struct Rules {
    /// By name, so that the order of writing can't show anywhere.
    rules: Vec<Rule>,
    /// What follows the stage in each resource of any rule: sorted, each once.
    suffixes: Vec<Arc<str>>,
    document_limit: usize,
}

#[derive(Debug, Clone)]
struct Rule {
    name: String,
    requirements: Requirements,
    allow: Routes,
    deny: Routes,
}

#[derive(Debug, Clone)]
struct Routes {
    patterns: Vec<RoutePattern>,
    /// Positions in [`Rules::suffixes`].
    suffixes: Vec<usize>,
}

/// What the rules say of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'r> {
    /// The request is allowed.
    Allowed {
        /// The rule that allows it, the first by name where there are several.
        rule: &'r str,
    },
    /// The request is denied.
    Denied {
        /// The rule that denies it, the first by name; none where no rule allows it.
        rule: Option<&'r str>,
    },
}

/// Why rules can't be used; each message names the rule and the mend.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A rule's name is empty, too long for a log line, or holds a control character.
    #[error(
        "name `{}` of rule {position} is not 1 to {MAX_NAME_BYTES} bytes without control \
         characters: give it a short name",
        name.escape_debug()
    )]
    Name {
        /// The rule's place, counted from 1.
        position: usize,
        /// The name as written.
        name: String,
    },
    /// Two rules share a name.
    #[error("rule `{rule}` is there twice: give each rule a name of its own")]
    Duplicate {
        /// The name.
        rule: String,
    },
    /// A rule neither allows nor denies.
    #[error("rule `{rule}` has no routes: give it `allow` or `deny`")]
    NoRoutes {
        /// The rule's name.
        rule: String,
    },
    /// A rule does not say for whom it is.
    #[error(
        "rule `{rule}` requires nothing of the caller: give it `any_scope`, `all_scopes`, \
         `any_group`, `all_groups`, `clients` or `claims`, or write `everyone = true`"
    )]
    NoRequirement {
        /// The rule's name.
        rule: String,
    },
    /// A rule is for everyone and for some.
    #[error("rule `{rule}` has both `everyone = true` and `{requirement}`: remove one of the two")]
    Everyone {
        /// The rule's name.
        rule: String,
        /// A requirement that it has.
        requirement: &'static str,
    },
    /// A requirement lists nothing.
    #[error("`{}` of rule `{rule}` is empty: list something or remove it", requirement.escape_debug())]
    EmptyList {
        /// The rule's name.
        rule: String,
        /// The field, such as `any_scope` or `claims.tier`.
        requirement: String,
    },
    /// A requirement lists the empty text.
    #[error("`{}` of rule `{rule}` holds an empty text: remove it", requirement.escape_debug())]
    EmptyItem {
        /// The rule's name.
        rule: String,
        /// The field, such as `any_scope` or `claims.tier`.
        requirement: String,
    },
    /// A scope holds a space, which no scope does (RFC 6749, section 3.3).
    #[error(
        "scope `{}` of rule `{rule}` holds a space: list each scope by itself",
        scope.escape_debug()
    )]
    Scope {
        /// The rule's name.
        rule: String,
        /// The scope as written.
        scope: String,
    },
    /// A stage has a name that none can have.
    #[error(
        "stage `{}` of rule `{rule}` can't be: a stage's name has `A-Z a-z 0-9 - _` alone, \
         or is `$default`; list each stage by its name",
        stage.escape_debug()
    )]
    Stage {
        /// The rule's name.
        rule: String,
        /// The stage as written.
        stage: String,
    },
    /// A route is too long for any API.
    #[error(
        "route `{route}` of rule `{rule}` makes a resource of at least {bytes} bytes, \
         over IAM's {MAX_RESOURCE_BYTES}: shorten it, ending in `/*` where it can"
    )]
    LongRoute {
        /// The rule's name.
        rule: String,
        /// The route.
        route: RoutePattern,
        /// The length of the resource with the shortest prefix that an API has.
        bytes: usize,
    },
}

impl RuleError {
    /// The name of the rule that is wrong, as written: where to look for it.
    #[must_use]
    pub fn rule(&self) -> &str {
        match self {
            Self::Name { name: rule, .. }
            | Self::Duplicate { rule }
            | Self::NoRoutes { rule }
            | Self::NoRequirement { rule }
            | Self::Everyone { rule, .. }
            | Self::EmptyList { rule, .. }
            | Self::EmptyItem { rule, .. }
            | Self::Scope { rule, .. }
            | Self::Stage { rule, .. }
            | Self::LongRoute { rule, .. } => rule,
        }
    }
}

impl Rules {
    /// Checks rules and makes them ready; no rules at all deny everything.
    ///
    /// # Errors
    /// For the first rule that can't mean what it says; the message names it.
    pub fn compile(specs: Vec<RuleSpec>) -> Result<Self, RuleError> {
        let mut names = BTreeSet::new();
        for (spec, position) in specs.iter().zip(1..) {
            check_name(spec, position)?;
            if !names.insert(spec.name.as_str()) {
                return Err(RuleError::Duplicate { rule: spec.name.clone() });
            }
            check_routes(spec)?;
        }
        let routes = specs.iter().flat_map(|spec| spec.allow.iter().chain(&spec.deny));
        let suffixes: BTreeSet<String> = routes.flat_map(RoutePattern::suffixes).collect();
        let suffixes: Vec<Arc<str>> = suffixes.into_iter().map(Arc::from).collect();
        let mut rules = specs
            .into_iter()
            .map(|spec| Rule::compile(spec, &suffixes))
            .collect::<Result<Vec<_>, _>>()?;
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { rules, suffixes, document_limit: DOCUMENT_LIMIT })
    }

    /// Sets the most bytes that a document may have as JSON; 8192 otherwise.
    #[must_use]
    pub fn with_document_limit(self, bytes: usize) -> Self {
        Self { document_limit: bytes, ..self }
    }

    /// All that a caller may call in the stage of `arn`, as a policy.
    ///
    /// Of `arn` only what precedes the verb is used: API Gateway caches the policy and evaluates
    /// it for other routes, so it must not depend on the route that happened to ask. A caller
    /// who is granted nothing gets an explicit Deny of the whole stage.
    ///
    /// # Errors
    /// When a resource is over 512 bytes or the document over its limit; refuse the request then.
    pub fn document(
        &self,
        caller: &Caller<'_>,
        arn: &MethodArn<'_>,
    ) -> Result<Document, DocumentError> {
        let applying: Vec<&Rule> = self.applying(caller, arn).collect();
        let allow = self.suffixes(applying.iter().map(|rule| &rule.allow));
        let deny = self.suffixes(applying.iter().map(|rule| &rule.deny));
        Document::new(arn.resource_prefix(), allow, deny, self.document_limit)
    }

    /// What the rules say of the very request that `arn` names, without a document.
    ///
    /// For answers that API Gateway does not keep for other routes: simple responses whose
    /// identity sources include the route, and explanations. A document's limits don't count.
    #[must_use]
    pub fn verdict(&self, caller: &Caller<'_>, arn: &MethodArn<'_>) -> Verdict<'_> {
        let target = arn.target();
        let first = |routes: fn(&Rule) -> &Routes| {
            self.applying(caller, arn)
                .find(|rule| routes(rule).patterns.iter().any(|route| route.matches(&target)))
                .map(|rule| rule.name.as_str())
        };
        if let Some(rule) = first(|rule| &rule.deny) {
            return Verdict::Denied { rule: Some(rule) };
        }
        match first(|rule| &rule.allow) {
            Some(rule) => Verdict::Allowed { rule },
            None => Verdict::Denied { rule: None },
        }
    }

    fn applying(&self, caller: &Caller<'_>, arn: &MethodArn<'_>) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.requirements.met_by(caller, arn.stage()))
    }

    /// The suffixes of some routes, sorted and each once.
    fn suffixes<'r>(&self, routes: impl Iterator<Item = &'r Routes>) -> Vec<Arc<str>> {
        let mut places: Vec<usize> = routes.flat_map(|routes| &routes.suffixes).copied().collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|place| self.suffixes.get(place)).map(Arc::clone).collect()
    }
}

impl Rule {
    fn compile(mut spec: RuleSpec, suffixes: &[Arc<str>]) -> Result<Self, RuleError> {
        let allow = Routes::compile(std::mem::take(&mut spec.allow), suffixes);
        let deny = Routes::compile(std::mem::take(&mut spec.deny), suffixes);
        Ok(Self {
            name: spec.name.clone(),
            requirements: Requirements::compile(spec)?,
            allow,
            deny,
        })
    }
}

impl Routes {
    /// Finds each pattern's suffixes in the sorted list of all of them.
    fn compile(patterns: Vec<RoutePattern>, all: &[Arc<str>]) -> Self {
        let place = |suffix: String| all.partition_point(|other| **other < *suffix);
        let suffixes = patterns.iter().flat_map(RoutePattern::suffixes).map(place).collect();
        Self { patterns, suffixes }
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
        let longest = route.suffixes().map(|suffix| suffix.len()).max().unwrap_or_default();
        let bytes = SHORTEST_PREFIX.len() + longest;
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
