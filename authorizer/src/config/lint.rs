//! Likely mistakes in a valid configuration.

use ::policy::{Code, Finding, Severity, lint_claim};

use super::{Checks, Config, ThrottleConfig};

/// Advice for a claim that names the caller.
const CALLER: &str = "use `sub` or `client_id`, which no caller can choose, or make sure that \
                      callers can't write it";

/// Advice for a claim that names the plan.
const PLAN: &str =
    "assign plans in the table (`assigned = true`), or make sure that callers can't write it";

/// Advice for a required claim, in the same words as for rules.
const REQUIRED: &str = "use a scope or a group, or make sure that callers can't write it";

/// Advice for a claim of scopes, groups or the client.
const RIGHTS: &str =
    "use a claim that only the issuer sets, or make sure that callers can't write it";

/// Advice for a claim in the context.
const CONTEXT: &str =
    "let the backend decide nothing by it, or make sure that callers can't write it";

impl Config {
    /// Returns likely mistakes in the rules and in the claims that other settings trust.
    ///
    /// Warnings come first. A finding outside the rules has no rule, and its text names the setting.
    #[must_use]
    pub fn lint(&self) -> Vec<Finding> {
        let issuers: Vec<&str> = self.issuers.iter().map(|it| it.checks.issuer.as_str()).collect();
        let mut findings = self.rules.lint(&issuers);
        findings.extend(self.issuers.iter().flat_map(|issuer| of_issuer(&issuer.checks)));
        findings.extend(self.throttle.iter().flat_map(of_limits));
        findings.sort();
        findings.dedup();
        findings
    }
}

fn of_issuer(checks: &Checks) -> Vec<Finding> {
    let place = |field: &str| format!("`{field}` of the issuer `{}`", checks.issuer);
    let look = |field, claim: &str, advice| lint_claim(&place(field), claim, advice);
    let mut findings = Vec::new();
    findings.extend(look("principal", &checks.principal, CALLER));
    for (claim, _) in &checks.required_claims {
        findings.extend(look("required_claims", claim, REQUIRED));
    }
    // Every issuer but Cognito has other names for these claims, so an unknown name is usual.
    let rights = [
        ("scopes_claim", &checks.scopes_claim),
        ("groups_claim", &checks.groups_claim),
        ("client_claim", &checks.client_claim),
    ];
    for (field, claim) in rights {
        findings.extend(look(field, claim, RIGHTS).filter(is_warning));
    }
    for (_, claim) in &checks.context {
        if rights.iter().any(|(_, right)| *right == claim) {
            continue;
        }
        // Passing an attribute on is usual. Only a backend that decides by it has a problem.
        findings.extend(look("context", claim, CONTEXT).filter(is_warning).map(|finding| {
            let chosen = finding.code == Code::ChosenClaim;
            let severity = if chosen { Severity::Note } else { finding.severity };
            Finding { severity, ..finding }
        }));
    }
    findings
}

fn of_limits(throttle: &ThrottleConfig) -> Vec<Finding> {
    let subject = Some(&throttle.subject).filter(|_| !throttle.counts_by_api_key());
    let subject = subject.and_then(|claim| lint_claim("`subject` of [throttle]", claim, CALLER));
    let plan = throttle.plan.claim.as_ref();
    let plan = plan.and_then(|claim| lint_claim("`plan` of [throttle]", claim, PLAN));
    subject.into_iter().chain(plan).collect()
}

fn is_warning(finding: &Finding) -> bool {
    finding.severity == Severity::Warning
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "[[issuer]]\nuser_pool = \"us-east-1_abc\"\nclients = \"any\"\n\
                          token_use = \"access\"\n";

    const RULE: &str = "[[rule]]\nname = \"r\"\nallow = [\"GET /x\"]\neveryone = true\n";

    const LIMITS: &str = "[throttle]\ntable = \"t\"\nrefuse = \"deny\"\n";

    /// Returns the findings outside the rules, for a configuration with these lines.
    fn found(issuer: &str, limits: &str) -> Vec<(Severity, Code, String)> {
        let text = format!("{ISSUER}{issuer}\n{RULE}{limits}");
        let findings = Config::parse(&text, "test").unwrap().lint();
        assert!(findings.iter().all(|finding| finding.rule.is_none()), "{findings:?}");
        findings.into_iter().map(|f| (f.severity, f.code, f.text)).collect()
    }

    /// Asserts that there is one finding, of a setting and a claim; or none.
    #[track_caller]
    fn one(found: &[(Severity, Code, String)], expected: Option<(Severity, Code)>, starts: &str) {
        let codes: Vec<_> = found.iter().map(|(severity, code, _)| (*severity, *code)).collect();
        assert_eq!(codes, expected.into_iter().collect::<Vec<_>>(), "{starts}: {found:?}");
        assert!(found.iter().all(|(_, _, text)| text.starts_with(starts)), "{starts}: {found:?}");
    }

    const CHOSEN: Option<(Severity, Code)> = Some((Severity::Warning, Code::ChosenClaim));
    const PICKED: Option<(Severity, Code)> = Some((Severity::Note, Code::ChosenClaim));
    const UNKNOWN: Option<(Severity, Code)> = Some((Severity::Note, Code::UnknownClaim));
    const DOTTED: Option<(Severity, Code)> = Some((Severity::Warning, Code::DottedClaim));

    #[test]
    fn a_plan_a_subject_or_a_principal_by_a_claim_that_callers_write_is_found() {
        for (claim, plan, caller) in [
            ("sub", None, None),
            ("client_id", None, None),
            ("custom:plan", CHOSEN, CHOSEN),
            ("email", CHOSEN, CHOSEN),
            ("name", CHOSEN, CHOSEN),
            ("username", PICKED, PICKED),
            ("tier", UNKNOWN, UNKNOWN),
            ("a.b", DOTTED, DOTTED),
        ] {
            let limits = |subject: &str, plan: &str| {
                format!("{LIMITS}subject = \"{subject}\"\nplan = {{ {plan}default = \"free\" }}\n")
            };
            let by_plan = limits("sub", &format!("claim = \"{claim}\", "));
            one(&found("", &by_plan), plan, &format!("`plan` of [throttle] trusts `{claim}`, "));
            let by_subject = limits(claim, "");
            let place = format!("`subject` of [throttle] trusts `{claim}`, ");
            one(&found("", &by_subject), caller, &place);
            let principal = format!("principal = \"{claim}\"");
            let place = format!("`principal` of the issuer `us-east-1_abc` trusts `{claim}`, ");
            one(&found(&principal, ""), caller, &place);
        }
        let by_key = format!("{LIMITS}subject = \"api_key\"\nplan = {{ default = \"free\" }}\n");
        assert_eq!(found("", &by_key), [], "a key is not a claim");
    }

    #[test]
    fn the_claims_of_scopes_groups_and_clients_are_found_where_callers_write_them() {
        for field in ["scopes_claim", "groups_claim", "client_claim"] {
            for (claim, expected) in [
                ("custom:rights", CHOSEN),
                ("profile", CHOSEN),
                ("roles", None),
                ("https://app.example/roles", None),
                ("realm_access.roles", DOTTED),
            ] {
                let issuer = format!("{field} = \"{claim}\"");
                let place = format!("`{field}` of the issuer `us-east-1_abc` trusts `{claim}`, ");
                one(&found(&issuer, ""), expected, &place);
            }
        }
    }

    #[test]
    fn a_groups_claim_with_a_dot_is_reported_with_what_to_do() {
        let text = format!("{ISSUER}groups_claim = \"realm_access.roles\"\n{RULE}");
        let findings = Config::parse(&text, "test").unwrap().lint();
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            ["warning dotted-claim: `groups_claim` of the issuer `us-east-1_abc` trusts \
              `realm_access.roles`, one claim with a dot in its name: a dot does not reach into an \
              object; have the issuer put the value into a claim at the top level, and write its \
              name"]
        );
    }

    #[test]
    fn claims_that_are_required_or_told_are_found() {
        for (claim, required, told) in [
            ("custom:tier", CHOSEN, PICKED),
            ("email", CHOSEN, PICKED),
            ("username", PICKED, None),
            ("tier", UNKNOWN, None),
            ("token_use", None, None),
        ] {
            let place =
                |field| format!("`{field}` of the issuer `us-east-1_abc` trusts `{claim}`, ");
            let issuer = format!("required_claims = {{ \"{claim}\" = \"a\" }}");
            one(&found(&issuer, ""), required, &place("required_claims"));
            let issuer = format!("context = {{ told = \"{claim}\" }}");
            one(&found(&issuer, ""), told, &place("context"));
        }
    }

    #[test]
    fn each_issuer_is_looked_at() {
        let second = "[[issuer]]\nname = \"partner\"\nurl = \"https://id.example\"\n\
                      clients = \"any\"\ntoken_use = \"any\"\nprincipal = \"email\"\n";
        let rule = RULE.replace("everyone = true", "issuers = [\"partner\"]");
        let findings = Config::parse(&format!("{ISSUER}{second}{rule}"), "test").unwrap().lint();
        let texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts[0].starts_with("`principal` of the issuer `partner`"), "{texts:?}");
    }
}
