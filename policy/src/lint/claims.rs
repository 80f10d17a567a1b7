//! Who sets the claims that a rule trusts.

use super::{Code, Finding, Severity};
use crate::rules::{Rule, When};

/// Claims that an issuer sets by itself.
const ISSUERS: [&str; 18] = [
    "aud",
    "auth_time",
    "azp",
    "client_id",
    "cognito:groups",
    "cognito:preferred_role",
    "cognito:roles",
    "event_id",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "origin_jti",
    "scope",
    "sub",
    "token_use",
    "version",
];

/// The standard attributes of OpenID Connect, section 5.1 of its core specification.
///
/// Cognito lets users write them to themselves, unless `WriteAttributes` of the client says
/// otherwise (`UpdateUserAttributes` in its reference).
const ATTRIBUTES: [&str; 18] = [
    "address",
    "birthdate",
    "email",
    "family_name",
    "gender",
    "given_name",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "picture",
    "preferred_username",
    "profile",
    "updated_at",
    "user_metadata",
    "website",
    "zoneinfo",
];

/// Names that a user picks when signing up; a deleted user's name can be taken by another.
const USERNAMES: [&str; 2] = ["username", "cognito:username"];

pub(super) fn check(rule: &Rule, findings: &mut Vec<Finding>) {
    let routes = rule.allow.patterns.iter().chain(&rule.deny.patterns);
    for route in routes {
        for claim in route.claims() {
            trust(rule, claim, &format!("the path of `{route}`"), true, findings);
        }
    }
    for claim in rule.requirements.claims.keys() {
        trust(rule, claim, "`claims`", false, findings);
    }
    for claim in rule.requirements.when.iter().flat_map(When::claims) {
        trust(rule, claim, "`when`", false, findings);
    }
    for route in rule.deny.patterns.iter().filter(|route| route.claims().next().is_some()) {
        findings.push(Finding::new(
            Severity::Note,
            rule,
            Code::ClosingDeny,
            format!("a caller whose claim can't stand in `{route}` is denied everything"),
            "make sure that every caller has the claim, or allow without what is denied here",
        ));
    }
}

fn trust(rule: &Rule, claim: &str, place: &str, in_path: bool, findings: &mut Vec<Finding>) {
    let shown = claim.escape_debug();
    let (severity, code, why) = if ISSUERS.contains(&claim) || claim.starts_with("dev:") {
        return;
    } else if ATTRIBUTES.contains(&claim) || claim.starts_with("custom:") {
        let why = "an attribute that Cognito lets users change themselves, unless the client's \
                   `WriteAttributes` leave it out";
        (Severity::Warning, Code::ChosenClaim, why)
    } else if !in_path && USERNAMES.contains(&claim) {
        return;
    } else if USERNAMES.contains(&claim) {
        let why = "a name that users pick when they sign up, and that another may have once a \
                   user is deleted";
        (Severity::Note, Code::ChosenClaim, why)
    } else {
        (Severity::Note, Code::UnknownClaim, "a claim of which it is not known who sets it")
    };
    let text = format!("{place} trusts `{shown}`, {why}");
    let mend = if in_path {
        "use `sub`, which no caller can choose, or make sure that callers can't write it"
    } else {
        "use a scope or a group, or make sure that callers can't write it"
    };
    findings.push(Finding::new(severity, rule, code, text, mend));
}
