//! Findings about the issuers whose tokens may meet a rule.

use super::{Code, Finding, Severity};
use crate::rules::Rule;

/// An issuer whose tokens are taken, as far as [`Rules::lint_among`](crate::Rules::lint_among) cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIssuer {
    name: String,
}

impl KnownIssuer {
    /// An issuer by the name that rules call it in `issuers`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

pub(super) fn check(rule: &Rule, issuers: &[KnownIssuer], findings: &mut Vec<Finding>) {
    trusts_all(rule, issuers, findings);
}

/// A rule that takes what it requires from whichever issuer says it.
///
/// A deny is left out: one that holds for every issuer is the safe one.
fn trusts_all(rule: &Rule, issuers: &[KnownIssuer], findings: &mut Vec<Finding>) {
    let requirements = &rule.requirements;
    let own = rule.allow.patterns.iter().any(|route| route.claims().next().is_some());
    let trusts = own || !requirements.is_everyone();
    if issuers.len() < 2 || requirements.issuers.is_some() || rule.allow.patterns.is_empty() {
        return;
    }
    if trusts {
        let names: Vec<String> =
            issuers.iter().map(|issuer| format!("`{}`", issuer.name.escape_debug())).collect();
        findings.push(Finding::new(
            Severity::Warning,
            rule,
            Code::AnyIssuer,
            format!("each of {} can make a token that has what it asks for", names.join(", ")),
            "name in `issuers` those who are trusted with it",
        ));
    }
}
