//! Claims that rules and other settings trust, grouped by the party that sets them.

use super::{Code, Finding, Severity};
use crate::{
    caller::Caller,
    rules::{Applies, Claims, Expression, Rule},
};

/// Claims that only the issuer sets.
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
/// Cognito lets users write these attributes, unless the client's `WriteAttributes` leave them out
/// (`UpdateUserAttributes` in its reference).
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

/// Claims of other issuers. In paths they are more common than API Gateway's parameters of the same
/// name.
const OTHERS: [&str; 4] = ["oid", "org_id", "tid", "upn"];

pub(super) fn check(
    rule: &Rule,
    is_declared: impl Fn(&str) -> bool,
    has_anonymous: bool,
    findings: &mut Vec<Finding>,
) {
    for route in rule.routes() {
        for claim in route.claims() {
            if is_like_parameter(claim) && !is_declared(claim) {
                findings.push(Finding::new(
                    Severity::Warning,
                    rule,
                    Code::PathParameter,
                    format!(
                        "`{{{claim}}}` in `{route}` is a claim's name here, not a path parameter"
                    ),
                    format!(
                        "write `{}`, or, if tokens have the claim `{claim}`, name it in \
                         `required_claims` or `context` of the issuer",
                        route.any_for(claim)
                    ),
                ));
                continue;
            }
            let place = format!("the path of `{route}`");
            let mend = "use `sub`, which no caller can choose, or make sure that callers can't \
                        write it";
            findings.extend(trust(Some(rule), &place, claim, mend));
        }
    }
    let mend = "use a scope or a group, or make sure that callers can't write it";
    for claim in rule.requirements.claims.keys().filter(|claim| !is_username(claim)) {
        findings.extend(trust(Some(rule), "`claims`", claim, mend));
    }
    let asked = rule.requirements.when.iter().flat_map(Expression::claims);
    for claim in asked.filter(|claim| !is_username(claim)) {
        findings.extend(trust(Some(rule), "`when`", claim, mend));
    }
    for route in rule.deny.iter().filter(|route| route.claims().next().is_some()) {
        let mut text =
            format!("a caller whose claim can't stand in `{route}` is denied everything");
        if has_anonymous && may_deny_anonymous(rule) {
            text.push_str(", and so is every caller without a credential");
        }
        findings.push(Finding::new(
            Severity::Note,
            rule,
            Code::ClosingDeny,
            text,
            "make sure that every caller has the claim, or allow without what is denied here",
        ));
    }
}

/// Returns true if the denies of a rule are for callers without a credential too.
fn may_deny_anonymous(rule: &Rule) -> bool {
    let caller = Caller::anonymous();
    let stage = rule.requirements.stages().next().unwrap_or("any");
    let applies = rule.requirements.apply(&caller, stage, &Claims::new(&caller));
    !matches!(applies, Applies::No(_))
}

/// Checks a claim that a setting outside the rules trusts, such as the claim of a plan.
///
/// `place` names the setting and `mend` the alternative. Returns `None` for a claim that only the
/// issuer sets. [`Rules::lint`](crate::Rules::lint) checks the claims of rules.
///
/// ```
/// let finding = tollgate_policy::lint_claim("`subject`", "email", "use `sub`").unwrap();
/// assert_eq!(finding.code, tollgate_policy::Code::ChosenClaim);
/// assert_eq!(tollgate_policy::lint_claim("`subject`", "sub", "use `sub`"), None);
/// ```
#[must_use]
pub fn lint_claim(place: &str, claim: &str, mend: &str) -> Option<Finding> {
    trust(None, place, claim, mend)
}

fn trust(rule: Option<&Rule>, place: &str, claim: &str, mend: &str) -> Option<Finding> {
    let (severity, code, why) = judge(claim)?;
    let mend = match code {
        Code::DottedClaim => {
            "give the claim inside the object a name in [claim_paths], and write that name"
        }
        _ => mend,
    };
    let text = format!("{place} trusts `{}`, {why}", claim.escape_debug());
    let (rule, mend) = (rule.map(|rule| rule.name.clone()), mend.to_owned());
    Some(Finding { severity, rule, code, text, mend })
}

/// Returns the reason not to trust a claim, if there is one.
fn judge(claim: &str) -> Option<(Severity, Code, &'static str)> {
    Some(if ISSUERS.contains(&claim) || claim.starts_with("dev:") {
        return None;
    } else if ATTRIBUTES.contains(&claim) || claim.starts_with("custom:") {
        let why = "an attribute that Cognito lets users change themselves, unless the client's \
                   `WriteAttributes` leave it out";
        (Severity::Warning, Code::ChosenClaim, why)
    } else if is_username(claim) {
        let why = "a name that users pick when they sign up, and that another may have once a \
                   user is deleted";
        (Severity::Note, Code::ChosenClaim, why)
    } else if is_dotted(claim) {
        let why = "one claim with a dot in its name: a dot does not reach into an object";
        (Severity::Warning, Code::DottedClaim, why)
    } else {
        (Severity::Note, Code::UnknownClaim, "a claim of which it is not known who sets it")
    })
}

fn is_username(claim: &str) -> bool {
    USERNAMES.contains(&claim)
}

/// Returns true for a name that path parameters of API Gateway often have and known claims do not
/// have.
pub(crate) fn is_like_parameter(claim: &str) -> bool {
    let known = ISSUERS.contains(&claim)
        || ATTRIBUTES.contains(&claim)
        || OTHERS.contains(&claim)
        || is_username(claim);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !known && claim.bytes().all(is_plain)
}

/// Returns true if a name looks like a path into an object, such as `realm_access.roles`.
///
/// A URL has dots too, but it is a name: issuers use URLs as prefixes of their own claims.
fn is_dotted(claim: &str) -> bool {
    claim.contains('.') && !claim.contains("://")
}
