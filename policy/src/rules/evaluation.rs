//! One evaluation of the rules, for one request.

use std::fmt;

use serde::Serialize;

use super::{Applies, Claims, Rules};
use crate::{
    arn::MethodArn,
    caller::{Caller, Holds},
    document::{Document, DocumentError, Grants},
};

/// The result of the rules for one request.
#[derive(Debug)]
#[non_exhaustive]
pub struct Evaluation<'r> {
    /// The decision on the request itself.
    ///
    /// Simple responses and explanations use only this, so limits of documents do not apply to
    /// them.
    pub verdict: Verdict<'r>,
    /// The policy for every route of the stage.
    ///
    /// An error if API Gateway would not accept the policy; refuse the request then.
    pub document: Result<Document, DocumentError>,
}

/// The rules' decision on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict<'r> {
    /// The request is allowed.
    Allowed {
        /// The rule that allows it, the first by name if there are several.
        rule: &'r str,
    },
    /// The request is allowed from some addresses, and the caller's address is unknown here.
    ///
    /// API Gateway knows it and decides by the document.
    Conditional {
        /// The rule that allows it, the first by name if there are several.
        rule: &'r str,
    },
    /// The request is denied.
    Denied {
        /// The rule that denies it, the first by name; `None` if no rule allows it.
        rule: Option<&'r str>,
    },
}

impl Verdict<'_> {
    /// Returns true if the request is allowed: `isAuthorized` of an HTTP API's simple response.
    ///
    /// API Gateway caches that response for *every* route of the same identity, unless
    /// `$context.routeKey` is one of the identity sources.
    #[must_use]
    pub fn is_authorized(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed { rule } => write!(f, "allowed by `{rule}`"),
            Self::Conditional { rule } => write!(f, "allowed by `{rule}` from its addresses alone"),
            Self::Denied { rule: Some(rule) } => write!(f, "denied by `{rule}`"),
            Self::Denied { rule: None } => f.write_str("denied: no rule allows it"),
        }
    }
}

impl Rules {
    /// Evaluates the rules for one request: the decision on it, and the policy for its stage.
    ///
    /// The policy depends only on the part of `arn` before the verb, because API Gateway caches it
    /// and evaluates it for other routes. If a caller is granted nothing, or if a claim in the path
    /// of a deny cannot be filled, the policy denies the whole stage.
    #[must_use]
    pub fn evaluate(&self, caller: &Caller<'_>, arn: &MethodArn<'_>) -> Evaluation<'_> {
        let (prefix, target) = (arn.resource_prefix(), arn.target().to_string());
        let claims = Claims::new(caller);
        let mut grants = Grants::default();
        let mut denies_stage = false;
        let (mut denied, mut allowed, mut conditional) = (None, None, None);
        for rule in &self.rules {
            let applies = rule.requirements.apply(caller, arn.stage(), &claims);
            if matches!(applies, Applies::No(_)) {
                continue;
            }
            let (mut denies, mut allows) = (false, false);
            for route in &rule.deny {
                match route.fill(prefix.len(), caller) {
                    Ok(filled) => {
                        denies |= filled.matches(&target);
                        grants.deny(filled.resources);
                    }
                    // A deny that cannot be written denies everything.
                    Err(_) => (denies, denies_stage) = (true, true),
                }
            }
            // A route that cannot be written is not granted.
            let allow = if applies == Applies::Yes { rule.allow.as_slice() } else { &[] };
            for filled in allow.iter().filter_map(|route| route.fill(prefix.len(), caller).ok()) {
                denies |= filled.denies_dots(&target);
                allows |= filled.matches(&target);
                grants.deny(filled.dot_denies);
                if let Some(condition) = rule.condition.for_exp(caller.exp()) {
                    grants.allow(condition, filled.resources);
                }
            }
            let name = Some(rule.name.as_str());
            match rule.condition.holds(caller) {
                _ if denies => denied = denied.or(name),
                Holds::Yes if allows => allowed = allowed.or(name),
                Holds::Unknown if allows => conditional = conditional.or(name),
                _ => {}
            }
        }
        let verdict = match (denied, allowed, conditional) {
            (Some(rule), _, _) => Verdict::Denied { rule: Some(rule) },
            (None, Some(rule), _) => Verdict::Allowed { rule },
            (None, None, Some(rule)) => Verdict::Conditional { rule },
            (None, None, None) => Verdict::Denied { rule: None },
        };
        let grants = if denies_stage { Grants::default() } else { grants };
        let document = grants.into_document(prefix, self.deny_rest);
        let checked = document.check(prefix, self.document_limit);
        Evaluation { verdict, document: checked.map(|()| document) }
    }
}
