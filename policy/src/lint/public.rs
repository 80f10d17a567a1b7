//! Public routes that callers with a credential cannot reach.

use super::{Code, Finding, Severity};
use crate::rules::Rule;

/// Reports routes of rules with `anonymous` that no rule with `everyone` allows.
///
/// A rule with `anonymous` does not apply to a caller with a credential. `OPTIONS` is left out:
/// browsers send preflights without credentials (Fetch standard, "CORS-preflight fetch").
pub(super) fn check(rules: &[Rule], findings: &mut Vec<Finding>) {
    let serves_all = |rule: &&Rule| rule.requirements.is_everyone();
    for rule in rules.iter().filter(|rule| rule.requirements.anonymous) {
        let routes = rule.allow.iter().filter(|route| route.verbs() != ["OPTIONS"]);
        for route in routes {
            let covers = |other: &Rule| {
                let stages = &other.requirements.stages;
                (stages.is_none() || *stages == rule.requirements.stages)
                    && other.allow.iter().any(|wider| wider.covers(route))
            };
            if !rules.iter().filter(serves_all).any(covers) {
                findings.push(Finding::new(
                    Severity::Warning,
                    rule,
                    Code::PublicRoute,
                    format!(
                        "`{route}` is for callers without a credential alone, and no rule with \
                         `everyone` allows it to those with one"
                    ),
                    "allow it in a rule with `everyone = true` too, unless it is for the former alone",
                ));
            }
        }
    }
}
