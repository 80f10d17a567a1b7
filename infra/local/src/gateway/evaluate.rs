//! Evaluates the policy that an authorizer returned, by API Gateway's rules.
//!
//! A Deny that fits wins over every Allow; without an Allow that fits, access is denied too. A
//! statement fits where its `Action`, its `Resource` and all of its conditions do. In a pattern `*`
//! is any run of characters, the empty one and `/` included, and `?` is exactly one. Actions are
//! compared without regard to case, resources with it. `NotResource` fits what none of its resources does.
//!
//! A policy that is not understood in full is unusable (a 500), so that a Deny is never
//! dropped by mistake. That holds for:
//!
//! - `NotAction`, `Principal` and every unknown member of a statement,
//! - policy variables (`${…}`), and a `Version` other than the two that exist,
//! - a resource longer than 512 characters, or neither `*` nor an ARN of six fields,
//! - conditions other than `IpAddress` and `NotIpAddress` on `aws:SourceIp`, `DateLessThan` and
//!   `DateGreaterThan` on `aws:CurrentTime` (with a time and an offset; days alone are not read).
//!
//! Not confirmed on AWS: that wildcards in the first five fields of an ARN stay within their field,
//! and that a missing `Version` is an error. The rules are those of the IAM user guide's reference
//! of policy elements and of API Gateway's page on the output of an authorizer.

use std::net::IpAddr;

use serde_json::{Map, Value};

mod condition;
mod pattern;

use condition::Condition;
use pattern::{Pattern, Resource};

/// The action that API Gateway evaluates policies for.
const ACTION: &str = "execute-api:invoke";

/// The request that a policy is held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) arn: &'a str,
    pub(super) source: IpAddr,
    pub(super) now_ms: u64,
}

/// The outcome of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Allow,
    ExplicitDeny,
    ImplicitDeny,
}

/// Errors of reading a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PolicyError {
    #[error("`policyDocument.{0}` is missing or of the wrong form")]
    Form(&'static str),
    #[error("`policyDocument` uses `{0}`, which is not evaluated here")]
    Unsupported(String),
}

/// A policy, read and checked.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    /// Only those statements that are about the invocation of an API.
    statements: Vec<Statement>,
}

#[derive(Debug, Clone)]
struct Statement {
    allow: bool,
    resources: Vec<Resource>,
    /// True for `NotResource`: the statement fits what none of its resources matches.
    negated: bool,
    conditions: Vec<Condition>,
}

impl Policy {
    /// Reads a policy document.
    pub(super) fn parse(document: &Value) -> Result<Self, PolicyError> {
        let document = document.as_object().ok_or(PolicyError::Form("Version"))?;
        known_members(document, &["Version", "Id", "Statement"])?;
        match document.get("Version").and_then(Value::as_str) {
            Some("2012-10-17" | "2008-10-17") => {}
            _ => return Err(PolicyError::Form("Version")),
        }
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Err(PolicyError::Form("Statement")),
        };
        let mut parsed = Vec::new();
        for statement in statements {
            parsed.extend(Statement::parse(statement)?);
        }
        Ok(Self { statements: parsed })
    }

    pub(super) fn evaluate(&self, request: &Request<'_>) -> Decision {
        let mut decision = Decision::ImplicitDeny;
        for statement in self.statements.iter().filter(|statement| statement.fits(request)) {
            if !statement.allow {
                return Decision::ExplicitDeny;
            }
            decision = Decision::Allow;
        }
        decision
    }
}

impl Statement {
    /// Reads a statement; none where it is about other actions, but only after it was checked.
    fn parse(statement: &Value) -> Result<Option<Self>, PolicyError> {
        let statement = statement.as_object().ok_or(PolicyError::Form("Statement"))?;
        known_members(
            statement,
            &["Sid", "Effect", "Action", "Resource", "NotResource", "Condition"],
        )?;
        let allow = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(PolicyError::Form("Statement.Effect")),
        };
        let actions = strings(statement.get("Action"), "Statement.Action")?;
        let (written, negated) = match (statement.get("Resource"), statement.get("NotResource")) {
            (written, None) => (written, false),
            (None, written) => (written, true),
            (Some(_), Some(_)) => return Err(PolicyError::Form("Statement.Resource")),
        };
        let resources = strings(written, "Statement.Resource")?
            .into_iter()
            .map(Resource::parse)
            .collect::<Result<_, _>>()?;
        let conditions = match statement.get("Condition") {
            None => Vec::new(),
            Some(condition) => Condition::parse_all(condition)?,
        };
        let about_us = actions
            .into_iter()
            .any(|action| Pattern::new(&action.to_ascii_lowercase()).matches(ACTION));
        Ok(about_us.then_some(Self { allow, resources, negated, conditions }))
    }

    fn fits(&self, request: &Request<'_>) -> bool {
        self.resources.iter().any(|resource| resource.matches(request.arn)) != self.negated
            && self.conditions.iter().all(|condition| condition.holds(request))
    }
}

/// A string, or an array of at least one.
fn strings<'a>(value: Option<&'a Value>, name: &'static str) -> Result<Vec<&'a str>, PolicyError> {
    let strings: Option<Vec<&str>> = match value {
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(many)) if !many.is_empty() => many.iter().map(Value::as_str).collect(),
        _ => None,
    };
    strings.ok_or(PolicyError::Form(name))
}

fn known_members(object: &Map<String, Value>, known: &[&str]) -> Result<(), PolicyError> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(PolicyError::Unsupported(unknown.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
