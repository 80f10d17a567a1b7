//! Routes that overlap, in one rule or in two.

use super::{Code, Finding, Severity};
use crate::{
    route::RoutePattern,
    rules::{Requirements, Rule},
};

pub(super) fn check(rules: &[Rule], findings: &mut Vec<Finding>) {
    for rule in rules {
        for (place, allow) in rule.allow.iter().enumerate() {
            against_denies(rules, rule, allow, findings);
            escapes_by_default(rules, rule, allow, findings);
            let others = rules.iter().flat_map(|other| {
                let allows = other.allow.iter().enumerate();
                allows.map(move |(place, route)| (other, place, route))
            });
            redundant(others, (rule, place, allow), findings);
        }
        for (place, deny) in rule.deny.iter().enumerate() {
            let others = rules.iter().flat_map(|other| {
                let denies = other.deny.iter().enumerate();
                denies.map(move |(place, route)| (other, place, route))
            });
            redundant(others, (rule, place, deny), findings);
        }
    }
}

/// A route of a rule, with its place in the rule's list.
type Placed<'r> = (&'r Rule, usize, &'r RoutePattern);

fn redundant<'r>(
    mut others: impl Iterator<Item = Placed<'r>>,
    (rule, place, route): Placed<'r>,
    findings: &mut Vec<Finding>,
) {
    let wider = others.find(|(other, other_place, wider)| {
        let me = (rule.name.as_str(), place);
        let it = (other.name.as_str(), *other_place);
        let implied = |of: &Rule, a: &RoutePattern, by: &Rule, b: &RoutePattern| {
            b.covers(a)
                && by.requirements.weaker_than(&of.requirements)
                && (by.condition.field().is_none() || by.condition == of.condition)
        };
        // Of two equal routes, the second is redundant.
        me != it
            && implied(rule, route, other, wider)
            && (it < me || !implied(other, wider, rule, route))
    });
    if let Some((other, _, wider)) = wider {
        findings.push(Finding::new(
            Severity::Note,
            rule,
            Code::Redundant,
            format!("`{route}` says nothing that `{wider}` of `{}` does not say", other.name),
            "remove it",
        ));
    }
}

fn against_denies(rules: &[Rule], rule: &Rule, allow: &RoutePattern, findings: &mut Vec<Finding>) {
    for other in rules.iter().filter(|other| may_meet(&rule.requirements, &other.requirements)) {
        for deny in other.deny.iter().filter(|deny| deny.overlaps(allow)) {
            let name = &other.name;
            let all_callers = other.requirements.weaker_than(&rule.requirements);
            if deny.covers(allow) && all_callers {
                findings.push(Finding::new(
                    Severity::Warning,
                    rule,
                    Code::Shadowed,
                    format!("`{allow}` never holds: `{deny}` of `{name}` denies all of it"),
                    "remove one of the two",
                ));
            } else if is_inside(deny, allow) {
                findings.push(Finding::new(
                    Severity::Warning,
                    other,
                    Code::EscapableDeny,
                    format!(
                        "`{deny}` cuts a piece out of `{allow}` of `{}`: another spelling may \
                         escape it, with a trailing `/`, `//`, `/./`, `/../` or `%`-encoding; \
                         which of them the ARN of an HTTP API holds is unknown",
                        rule.name
                    ),
                    "allow the paths that are meant instead of `/*`",
                ));
            } else if other.name != rule.name {
                findings.push(Finding::new(
                    Severity::Warning,
                    rule,
                    Code::Contradiction,
                    format!(
                        "`{allow}` is allowed here, and `{deny}` denied by `{name}`: who meets \
                         both rules is denied"
                    ),
                    "confirm that this is intended, or narrow one of the two",
                ));
            }
        }
    }
}

/// Reports a deny of paths that does not apply to `$default`, because its ARN has no path.
fn escapes_by_default(
    rules: &[Rule],
    rule: &Rule,
    allow: &RoutePattern,
    findings: &mut Vec<Finding>,
) {
    if !allow.is_default() {
        return;
    }
    for other in rules.iter().filter(|other| may_meet(&rule.requirements, &other.requirements)) {
        for deny in other.deny.iter().filter(|deny| deny.path().is_some()) {
            findings.push(Finding::new(
                Severity::Warning,
                other,
                Code::EscapableDeny,
                format!(
                    "`{deny}` does not close what `$default` takes, which `{}` allows: its ARN has \
                     no path, so a path without a route of its own passes",
                    rule.name
                ),
                "give the API a route for each intended path, and do not allow `$default`",
            ));
        }
    }
}

/// Returns true if a deny is part of an allow with `/*`.
fn is_inside(deny: &RoutePattern, allow: &RoutePattern) -> bool {
    match (allow.path(), deny.path()) {
        (Some(allowed), Some(denied)) => allowed.is_below() && !denied.covers(allowed),
        _ => false,
    }
}

/// Returns true if a caller can meet both requirements, by credential, issuer, client and stage.
pub(super) fn may_meet(a: &Requirements, b: &Requirements) -> bool {
    let meet = |a: &Option<Vec<String>>, b: &Option<Vec<String>>| match (a, b) {
        (Some(a), Some(b)) => a.iter().any(|item| b.contains(item)),
        _ => true,
    };
    // For a caller without a credential, other rules only apply the denies that they have for
    // everyone.
    let audiences = a.anonymous == b.anonymous || a.is_everyone() || b.is_everyone();
    audiences
        && meet(&a.issuers, &b.issuers)
        && meet(&a.clients, &b.clients)
        && meet(&a.stages, &b.stages)
}
