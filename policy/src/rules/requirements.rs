//! Requirements of a rule on the caller and the stage.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    arn,
    caller::{Caller, Holds},
    rules::{
        RuleError,
        cel::{self, Claims, Expression},
        spec::RuleSpec,
    },
};

/// The longest part of a condition that an error shows, in characters.
const MAX_SHOWN_CONDITION: usize = 120;

/// A rule's requirements, checked. An absent requirement holds for everyone.
///
/// Lists are sorted and hold each item once, so that equal requirements are equal values.
#[derive(Debug, Clone)]
pub(crate) struct Requirements {
    pub(crate) any_scope: Option<Vec<String>>,
    pub(crate) all_scopes: Option<Vec<String>>,
    pub(crate) any_group: Option<Vec<String>>,
    pub(crate) all_groups: Option<Vec<String>>,
    pub(crate) issuers: Option<Vec<String>>,
    pub(crate) clients: Option<Vec<String>>,
    pub(crate) claims: BTreeMap<String, Vec<String>>,
    pub(crate) when: Option<Expression>,
    pub(crate) stages: Option<Vec<String>>,
    /// True for callers without a credential, and no others.
    pub(crate) anonymous: bool,
}

/// A requirement, named after its field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Requirement {
    /// The stage is none of `stages`.
    Stages,
    /// The caller has no credential.
    Credential,
    /// The caller has a credential, and the rule is for callers without one.
    Anonymous,
    /// The issuer is none of `issuers`.
    Issuers,
    /// The client is none of `clients`.
    Clients,
    /// No scope is one of `any_scope`.
    AnyScope,
    /// A scope of `all_scopes` is missing.
    AllScopes,
    /// No group is one of `any_group`.
    AnyGroup,
    /// A group of `all_groups` is missing.
    AllGroups,
    /// The claim has none of its values.
    Claim(String),
    /// The condition does not hold.
    When,
}

/// The outcome of a rule's requirements for a caller in a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Applies {
    Yes,
    /// The first requirement that is not met.
    No(Requirement),
    /// This requirement is unknown and no other one fails: the rule allows nothing and denies what
    /// it denies.
    Unknown(Requirement),
}

impl Requirements {
    /// Checks and compiles the requirements of a rule.
    pub(crate) fn compile(spec: RuleSpec) -> Result<Self, RuleError> {
        let rule = spec.name.as_str();
        let lists = [
            ("any_scope", &spec.any_scope),
            ("all_scopes", &spec.all_scopes),
            ("any_group", &spec.any_group),
            ("all_groups", &spec.all_groups),
            ("issuers", &spec.issuers),
            ("clients", &spec.clients),
        ];
        let mut given = None;
        for (requirement, list) in lists {
            if let Some(list) = list {
                given = Some(requirement);
                check_list(rule, requirement, list)?;
            }
        }
        if let Some(claims) = &spec.claims {
            given = Some("claims");
            check_list(rule, "claims", claims.keys())?;
            for (claim, values) in claims {
                check_list(rule, &format!("claims.{claim}"), values)?;
            }
        }
        let when = match &spec.when {
            None => None,
            Some(text) => {
                given = Some("when");
                Some(Expression::compile(text).map_err(|message| RuleError::When {
                    rule: rule.to_owned(),
                    condition: cel::one_line(text).chars().take(MAX_SHOWN_CONDITION).collect(),
                    message,
                })?)
            }
        };
        if spec.anonymous {
            let field = match given {
                None if spec.everyone => Some("everyone"),
                None if spec.until_exp => Some("until_exp"),
                given => given,
            };
            if let Some(field) = field {
                return Err(RuleError::Anonymous { rule: rule.to_owned(), field });
            }
        }
        match given {
            None if !spec.everyone && !spec.anonymous => {
                return Err(RuleError::NoRequirement { rule: rule.to_owned() });
            }
            Some(requirement) if spec.everyone => {
                return Err(RuleError::Everyone { rule: rule.to_owned(), requirement });
            }
            _ => {}
        }
        for scope in spec.any_scope.iter().chain(&spec.all_scopes).flatten() {
            if scope.contains(char::is_whitespace) {
                return Err(RuleError::Scope { rule: rule.to_owned(), scope: scope.clone() });
            }
        }
        if let Some(stages) = &spec.stages {
            check_list(rule, "stages", stages)?;
            if let Some(stage) = stages.iter().find(|stage| !arn::is_part(stage)) {
                return Err(RuleError::Stage { rule: rule.to_owned(), stage: stage.clone() });
            }
        }
        Ok(Self {
            any_scope: spec.any_scope.map(sorted),
            all_scopes: spec.all_scopes.map(sorted),
            any_group: spec.any_group.map(sorted),
            all_groups: spec.all_groups.map(sorted),
            issuers: spec.issuers.map(sorted),
            clients: spec.clients.map(sorted),
            claims: spec
                .claims
                .unwrap_or_default()
                .into_iter()
                .map(|(claim, values)| (claim, sorted(values)))
                .collect(),
            when,
            stages: spec.stages.map(sorted),
            anonymous: spec.anonymous,
        })
    }

    /// Returns no requirements, which everyone meets everywhere.
    #[cfg(feature = "iam-evaluator")]
    pub(crate) fn none() -> Self {
        let (any_scope, all_scopes, any_group, all_groups) = (None, None, None, None);
        let (issuers, clients, claims, when, stages) = (None, None, BTreeMap::new(), None, None);
        Self {
            any_scope,
            all_scopes,
            any_group,
            all_groups,
            issuers,
            clients,
            claims,
            when,
            stages,
            anonymous: false,
        }
    }

    /// Returns true if every caller with a credential meets them, in the stages where the rule
    /// applies.
    pub(crate) fn is_everyone(&self) -> bool {
        let Self { any_scope, all_scopes, any_group, all_groups, issuers, clients, .. } = self;
        [any_scope, all_scopes, any_group, all_groups, issuers, clients].iter().all(|l| l.is_none())
            && self.claims.is_empty()
            && self.when.is_none()
            && !self.anonymous
    }

    /// Returns true if a scope, a group, a claim or a condition decides.
    pub(crate) fn reads_token(&self) -> bool {
        let Self { any_scope, all_scopes, any_group, all_groups, claims, when, .. } = self;
        [any_scope, all_scopes, any_group, all_groups].iter().any(|list| list.is_some())
            || !claims.is_empty()
            || when.is_some()
    }

    /// Returns the stages that the rule names.
    pub(crate) fn stages(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().flatten().map(String::as_str)
    }

    /// Returns true if the rule applies in a stage, or for `None` in one that no rule names.
    pub(crate) fn is_for_stage(&self, stage: Option<&str>) -> bool {
        self.stages.is_none() || stage.is_some_and(|stage| self.stages().any(|own| own == stage))
    }

    /// Evaluates the requirements for this caller in this stage.
    ///
    /// To callers without a credential, a rule without `anonymous` allows nothing, and denies what
    /// it would deny a caller without claims.
    pub(crate) fn apply(&self, caller: &Caller<'_>, stage: &str, claims: &Claims<'_>) -> Applies {
        match (self.anonymous, caller.is_anonymous(), self.meets(caller, stage, claims)) {
            (true, false, _) => Applies::No(Requirement::Anonymous),
            (false, true, Applies::Yes | Applies::Unknown(_)) => {
                Applies::Unknown(Requirement::Credential)
            }
            (_, _, applies) => applies,
        }
    }

    /// The CEL condition is last, and evaluated only for a caller who meets the rest.
    fn meets(&self, caller: &Caller<'_>, stage: &str, claims: &Claims<'_>) -> Applies {
        let is = |holds: bool| if holds { Holds::Yes } else { Holds::No };
        let lists = [
            (any(self.stages.as_ref(), |s| is(s == stage)), Requirement::Stages),
            (any(self.issuers.as_ref(), |i| is(caller.is_from(i))), Requirement::Issuers),
            (any(self.clients.as_ref(), |c| caller.is_client(c)), Requirement::Clients),
            (any(self.any_scope.as_ref(), |s| caller.has_scope(s)), Requirement::AnyScope),
            (all(self.all_scopes.as_ref(), |s| caller.has_scope(s)), Requirement::AllScopes),
            (any(self.any_group.as_ref(), |g| caller.in_group(g)), Requirement::AnyGroup),
            (all(self.all_groups.as_ref(), |g| caller.in_group(g)), Requirement::AllGroups),
        ];
        let named = self.claims.iter().map(|(claim, values)| {
            (caller.claims_one_of(claim, values), Requirement::Claim(claim.clone()))
        });
        let mut unknown = None;
        for (holds, requirement) in lists.into_iter().chain(named) {
            match holds {
                Holds::Yes => {}
                Holds::No => return Applies::No(requirement),
                Holds::Unknown => unknown = unknown.or(Some(requirement)),
            }
        }
        if let Some(requirement) = unknown {
            return Applies::Unknown(requirement);
        }
        match self.when.as_ref().map_or(Holds::Yes, |when| when.holds(claims)) {
            Holds::Yes => Applies::Yes,
            Holds::No => Applies::No(Requirement::When),
            Holds::Unknown => Applies::Unknown(Requirement::When),
        }
    }

    /// Returns true if every caller who meets `other` also meets these.
    pub(crate) fn weaker_than(&self, other: &Self) -> bool {
        let any = |mine: &Option<Vec<String>>, theirs: &Option<Vec<String>>| match (mine, theirs) {
            (None, _) => true,
            (Some(mine), Some(theirs)) => theirs.iter().all(|item| mine.contains(item)),
            (Some(_), None) => false,
        };
        let all = |mine: &Option<Vec<String>>, theirs: &Option<Vec<String>>| match (mine, theirs) {
            (None, _) => true,
            (Some(mine), Some(theirs)) => mine.iter().all(|item| theirs.contains(item)),
            (Some(_), None) => false,
        };
        let text = |requirements: &Self| requirements.when.as_ref().map(|w| w.text().to_owned());
        self.anonymous == other.anonymous
            && any(&self.stages, &other.stages)
            && any(&self.issuers, &other.issuers)
            && any(&self.clients, &other.clients)
            && any(&self.any_scope, &other.any_scope)
            && all(&self.all_scopes, &other.all_scopes)
            && any(&self.any_group, &other.any_group)
            && all(&self.all_groups, &other.all_groups)
            && self.claims.iter().all(|(claim, mine)| {
                other
                    .claims
                    .get(claim)
                    .is_some_and(|theirs| theirs.iter().all(|v| mine.contains(v)))
            })
            && (self.when.is_none() || text(self) == text(other))
    }
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort_unstable();
    list.dedup();
    list
}

/// Holds if the list is absent or one item holds.
fn any(list: Option<&Vec<String>>, holds: impl Fn(&str) -> Holds) -> Holds {
    let Some(list) = list else { return Holds::Yes };
    list.iter().map(|item| holds(item)).max().unwrap_or(Holds::No)
}

/// Holds if the list is absent or every item holds.
fn all(list: Option<&Vec<String>>, holds: impl Fn(&str) -> Holds) -> Holds {
    let items = list.into_iter().flatten();
    items.map(|item| holds(item)).min().unwrap_or(Holds::Yes)
}

/// Refuses an empty list, which would mean never or always, and an empty item.
pub(super) fn check_list<'s>(
    rule: &str,
    requirement: &str,
    list: impl IntoIterator<Item = &'s String>,
) -> Result<(), RuleError> {
    let (rule, requirement) = (rule.to_owned(), requirement.to_owned());
    let mut items = list.into_iter().peekable();
    if items.peek().is_none() {
        return Err(RuleError::EmptyList { rule, requirement });
    }
    if items.any(String::is_empty) {
        return Err(RuleError::EmptyItem { rule, requirement });
    }
    Ok(())
}
