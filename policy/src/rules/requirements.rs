//! Whom and where a rule applies to.

use std::collections::BTreeMap;

use crate::{
    arn,
    rules::{RuleError, caller::Caller, spec::RuleSpec},
};

/// A rule's requirements, checked; each that is absent holds for everyone.
#[derive(Debug, Clone)]
pub(crate) struct Requirements {
    any_scope: Option<Vec<String>>,
    all_scopes: Option<Vec<String>>,
    any_group: Option<Vec<String>>,
    all_groups: Option<Vec<String>>,
    clients: Option<Vec<String>>,
    claims: BTreeMap<String, Vec<String>>,
    stages: Option<Vec<String>>,
}

impl Requirements {
    /// Takes the requirements out of a rule, and refuses those that could not mean what they say.
    pub(crate) fn compile(spec: RuleSpec) -> Result<Self, RuleError> {
        let rule = spec.name.as_str();
        let lists = [
            ("any_scope", &spec.any_scope),
            ("all_scopes", &spec.all_scopes),
            ("any_group", &spec.any_group),
            ("all_groups", &spec.all_groups),
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
        match given {
            None if !spec.everyone => {
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
            any_scope: spec.any_scope,
            all_scopes: spec.all_scopes,
            any_group: spec.any_group,
            all_groups: spec.all_groups,
            clients: spec.clients,
            claims: spec.claims.unwrap_or_default(),
            stages: spec.stages,
        })
    }

    /// Whether the rule applies to this caller in this stage.
    pub(crate) fn met_by(&self, caller: &Caller<'_>, stage: &str) -> bool {
        any(self.stages.as_ref(), |s| s == stage)
            && any(self.clients.as_ref(), |client| caller.is_client(client))
            && any(self.any_scope.as_ref(), |scope| caller.has_scope(scope))
            && all(self.all_scopes.as_ref(), |scope| caller.has_scope(scope))
            && any(self.any_group.as_ref(), |group| caller.in_group(group))
            && all(self.all_groups.as_ref(), |group| caller.in_group(group))
            && self.claims.iter().all(|(claim, values)| caller.claims_one_of(claim, values))
    }
}

fn any(list: Option<&Vec<String>>, holds: impl Fn(&str) -> bool) -> bool {
    list.is_none_or(|list| list.iter().any(|item| holds(item)))
}

fn all(list: Option<&Vec<String>>, holds: impl Fn(&str) -> bool) -> bool {
    list.is_none_or(|list| list.iter().all(|item| holds(item)))
}

/// Refuses an empty list, which would mean never or always, and an empty item in one.
fn check_list<'s>(
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
