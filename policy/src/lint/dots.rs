//! Routes with dots in their own text.

use super::{Code, Finding, Severity, overlaps::may_meet};
use crate::{
    route::{PathPattern, RoutePattern},
    rules::Rule,
};

pub(super) fn check(rule: &Rule, rules: &[Rule], findings: &mut Vec<Finding>) {
    for route in rule.routes() {
        if has_dot_segment(route) {
            findings.push(Finding::new(
                Severity::Warning,
                rule,
                Code::DotSegment,
                format!(
                    "`{route}` has a dot segment: API Gateway compares it as it is written, and \
                     a server may resolve it to another path"
                ),
                "write the path that the server sees",
            ));
        }
    }
    for allow in &rule.allow {
        denied_by_own(allow, rule, rules, findings);
    }
}

/// Reports an allow with dots in its text that the dot denies of another allow match.
fn denied_by_own(allow: &RoutePattern, rule: &Rule, rules: &[Rule], findings: &mut Vec<Finding>) {
    let exact = allow.path().is_some_and(|path| !path.is_below());
    for other in rules.iter().filter(|other| may_meet(&rule.requirements, &other.requirements)) {
        for own in other.allow.iter().filter(|own| exact && own.may_deny_dots_of(allow)) {
            findings.push(Finding::new(
                Severity::Warning,
                rule,
                Code::Contradiction,
                format!(
                    "`{allow}` has dots, which `{own}` of `{}` denies below its path",
                    other.name
                ),
                "rename it without `..`, `%2e` and the segment `.`",
            ));
        }
    }
}

fn has_dot_segment(route: &RoutePattern) -> bool {
    let mut literals = route.path().into_iter().flat_map(PathPattern::literals);
    literals.any(|literal| {
        let decoded = literal.to_ascii_lowercase().replace("%2e", ".");
        decoded == "." || decoded == ".."
    })
}
