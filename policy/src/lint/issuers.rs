//! Findings about the issuers whose tokens may meet a rule.

use super::{Code, Finding, Severity};
use crate::rules::Rule;

/// Reports a rule that allows by requirements that every issuer can meet.
///
/// A deny is not reported, because applying it to every issuer is safe.
pub(super) fn check(rule: &Rule, issuers: &[&str], findings: &mut Vec<Finding>) {
    let requirements = &rule.requirements;
    let own = rule.allow.iter().any(|route| route.claims().next().is_some());
    let trusts = own || !requirements.is_everyone();
    let is_trusting = requirements.issuers.is_none() && !requirements.anonymous;
    if issuers.len() < 2 || !is_trusting || rule.allow.is_empty() {
        return;
    }
    if trusts {
        let names: Vec<String> =
            issuers.iter().map(|issuer| format!("`{}`", issuer.escape_debug())).collect();
        findings.push(Finding::new(
            Severity::Warning,
            rule,
            Code::AnyIssuer,
            format!("each of {} can make a token that has what it asks for", names.join(", ")),
            "name in `issuers` those who are trusted with it",
        ));
    }
}
