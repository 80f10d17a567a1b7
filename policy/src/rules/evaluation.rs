//! The decision on one request, without a document.

use std::fmt;

use serde::Serialize;

use super::{Applies, Rule, Rules, Seen};
use crate::{
    arn::{MethodArn, Target},
    caller::Caller,
    document::condition::Condition,
};

/// The rules' decision on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict<'r> {
    /// The request is allowed.
    Allowed {
        /// The rule that allows it, the first by name where there are several.
        rule: &'r str,
    },
    /// The request is allowed from some addresses, and the caller's is not known here.
    ///
    /// API Gateway knows it and decides by the document.
    Conditional {
        /// The rule that allows it so, the first by name where there are several.
        rule: &'r str,
    },
    /// The request is denied.
    Denied {
        /// The rule that denies it, the first by name; none where no rule allows it.
        rule: Option<&'r str>,
    },
}

impl Verdict<'_> {
    /// The answer for the one route that asked: `isAuthorized` of an HTTP API's simple response.
    ///
    /// API Gateway keeps that answer for *every* route of the same identity, unless
    /// `$context.routeKey` is one of the identity sources; see [`Rules::verdict`].
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

/// The result of an allow's conditions, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    Yes,
    No,
    Unknown,
}

impl Condition {
    /// Evaluates the conditions for a caller whose token was just verified.
    ///
    /// Being verified, the token has not expired: of `until_exp` it is left to see that there is
    /// a time at all.
    pub(crate) fn met_by(&self, caller: &Caller<'_>) -> Met {
        if self.until_exp && caller.exp().is_none() {
            return Met::No;
        }
        match caller.source_ip() {
            _ if self.source_ips.is_empty() => Met::Yes,
            None => Met::Unknown,
            Some(address) if self.source_ips.iter().any(|block| block.contains(address)) => {
                Met::Yes
            }
            Some(_) => Met::No,
        }
    }
}

impl Rules {
    /// Decides the request that `arn` names, without a document.
    ///
    /// For answers that API Gateway does not keep for other routes: simple responses whose
    /// identity sources include the route, and explanations. A document's limits don't count.
    #[must_use]
    pub fn verdict(&self, caller: &Caller<'_>, arn: &MethodArn<'_>) -> Verdict<'_> {
        let (target, prefix) = (arn.target(), arn.resource_prefix().len());
        let seen = Seen::new(caller);
        let (mut denied, mut allowed, mut conditional) = (None, None, None);
        for rule in &self.rules {
            let applies = rule.requirements.apply(caller, arn.stage(), &seen);
            if matches!(applies, Applies::No(_)) {
                continue;
            }
            let dots = applies == Applies::Yes && rule.denies_dots(prefix, &target, caller);
            if dots || rule.denies(prefix, &target, caller) {
                denied = denied.or(Some(rule.name.as_str()));
            }
            if applies == Applies::Yes && rule.allows(prefix, &target, caller) {
                match rule.condition.met_by(caller) {
                    Met::Yes => allowed = allowed.or(Some(rule.name.as_str())),
                    Met::Unknown => conditional = conditional.or(Some(rule.name.as_str())),
                    Met::No => {}
                }
            }
        }
        match (denied, allowed, conditional) {
            (Some(rule), _, _) => Verdict::Denied { rule: Some(rule) },
            (None, Some(rule), _) => Verdict::Allowed { rule },
            (None, None, Some(rule)) => Verdict::Conditional { rule },
            (None, None, None) => Verdict::Denied { rule: None },
        }
    }
}

impl Rule {
    /// Returns true if a deny matches, or if one cannot be filled and so denies everything.
    fn denies(&self, prefix: usize, target: &Target<'_>, caller: &Caller<'_>) -> bool {
        let mut routes = self.deny.patterns.iter();
        routes.any(|route| !matches!(route.matches_in(prefix, target, caller), Ok(false)))
    }

    /// Returns true if an allow denies the request because of dot segments below the caller's path.
    fn denies_dots(&self, prefix: usize, target: &Target<'_>, caller: &Caller<'_>) -> bool {
        self.allow.patterns.iter().any(|route| route.denies_dots(prefix, target, caller))
    }

    /// Returns true if an allow matches and can be filled.
    fn allows(&self, prefix: usize, target: &Target<'_>, caller: &Caller<'_>) -> bool {
        let mut routes = self.allow.patterns.iter();
        routes.any(|route| matches!(route.matches_in(prefix, target, caller), Ok(true)))
    }
}
