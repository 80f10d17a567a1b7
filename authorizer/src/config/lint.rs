//! Likely mistakes in a valid configuration.

use ::policy::{Code, Finding, Needs, Severity, lint_claim};

use super::{
    Checks, ClaimPath, Config, HttpForm, HttpUnauthorized, Issuer, Passed, Refuse, ThrottleConfig,
    TokenUse,
};
use crate::tenant::Tenants;

/// Advice for a claim that names the caller.
const CALLER: &str = "use `sub` or `client_id`, which no caller can choose, or make sure that \
                      callers can't write it";

/// Advice for a claim that names a parent.
const PARENT: &str = "assign parents in the table (`tollgate subject assign SUBJECT --parent \
                      PARENT`), or make sure that callers can't write it";

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

/// Advice for a custom attribute that only a trigger puts into access tokens.
const TRIGGER: &str = "accept ID tokens (`token_use = \"id\"`), or add a pre-token-generation trigger, \
                       V2_0 for users and V3_0 for machine clients, which needs the Essentials or \
                       Plus feature plan";

/// Advice for a plan by such an attribute.
const TRIGGER_PLAN: &str = "assign plans in the table, with `assigned = true` and `tollgate subject \
                            assign SUBJECT PLAN`, or add a pre-token-generation trigger, V2_0 for \
                            users and V3_0 for machine clients, which needs the Essentials or Plus \
                            feature plan";

impl Config {
    /// Returns likely mistakes in the rules and in the claims that other settings trust.
    ///
    /// Errors come first, then warnings. A finding outside the rules has no rule, and its text names
    /// the setting.
    #[must_use]
    pub fn lint(&self) -> Vec<Finding> {
        let issuers = self.issuers.iter().filter(|_| self.callers.takes_tokens());
        let issuers: Vec<&str> = issuers.map(|it| it.checks.issuer.as_str()).collect();
        let mut findings = self.rules.lint(&issuers, &self.declared_claims());
        if issuers.is_empty() {
            findings.iter_mut().for_each(of_keys);
        }
        findings.extend(self.unknown_clients());
        findings.extend(self.issuers.iter().flat_map(|issuer| of_issuer(&issuer.checks)));
        findings.extend(self.throttle.iter().flat_map(of_limits));
        findings.extend(self.claim_paths.iter().filter_map(of_path));
        findings.extend(self.trigger_claims());
        findings.extend(self.api_kind());
        findings.extend(self.unused_keys());
        findings.extend(self.unused_issuers());
        findings.extend(self.any_tenant());
        findings.sort();
        findings.dedup();
        findings
    }

    /// Returns a finding for each rule with a client that no issuer accepts.
    ///
    /// It is an error if the rule can never apply because no issuer accepts any of its clients.
    #[must_use]
    pub fn unknown_clients(&self) -> Vec<Finding> {
        let findings = self.rules.needs().filter_map(|needs| {
            let clients = needs.clients?;
            let is_known = |client: &&String| {
                let accepts = |issuer: &&Issuer| {
                    let accepted = issuer.checks.clients.as_ref();
                    accepted.is_none_or(|accepted| accepted.has(client))
                };
                self.of_rule(&needs).iter().any(accepts)
            };
            let unknown: Vec<&String> = clients.iter().filter(|client| !is_known(client)).collect();
            let severity = match unknown.len() {
                0 => return None,
                count if count == clients.len() => Severity::Error,
                _ => Severity::Warning,
            };
            let names: Vec<String> =
                unknown.iter().map(|client| format!("`{}`", client.escape_debug())).collect();
            let effect = match severity {
                Severity::Error => ", so the rule never applies",
                _ => "",
            };
            Some(Finding {
                severity,
                rule: Some(needs.rule.to_owned()),
                code: Code::UnknownClient,
                text: format!("no issuer accepts {} of `clients`{effect}", names.join(", ")),
                mend: "add it to `clients` of its [[issuer]], or remove it here".to_owned(),
            })
        });
        findings.collect()
    }

    /// The issuers whose tokens a rule applies to; empty if tokens are ignored.
    fn of_rule(&self, needs: &Needs<'_>) -> Vec<&Issuer> {
        let applies = |issuer: &&Issuer| {
            self.callers.takes_tokens()
                && needs.issuers.is_none_or(|names| names.contains(&issuer.checks.issuer))
        };
        self.issuers.iter().filter(applies).collect()
    }

    /// The claims that settings outside the rules read. Tokens are assumed to have them.
    fn declared_claims(&self) -> Vec<&str> {
        let of_issuers = self.issuers.iter().flat_map(|issuer| {
            let Checks { required_claims, context, principal, client_claim, .. } = &*issuer.checks;
            let required = required_claims.iter().map(|(claim, _)| claim.as_str());
            let passed = context.iter().map(|passed| passed.claim.as_str());
            required.chain(passed).chain(principal.claims()).chain([client_claim.as_str()])
        });
        let aliases = self.claim_paths.iter().map(|path| path.alias.as_str());
        let of_limits = self.throttle.iter().flat_map(|throttle| {
            let plan = throttle.plan.claim.as_deref();
            throttle.subject_claims().chain(throttle.parent_claims()).chain(plan)
        });
        of_issuers.chain(aliases).chain(of_limits).collect()
    }

    /// Finds custom attributes where only access tokens of Cognito are accepted.
    fn trigger_claims(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let found = |rule: Option<&str>, place: &str, claim: &str, mend: &str| {
            is_custom(claim).then(|| Finding {
                severity: Severity::Warning,
                rule: rule.map(str::to_owned),
                code: Code::TriggerClaim,
                text: format!(
                    "{place} reads `{}`, and access tokens of Cognito have no custom attributes \
                     unless a trigger adds them",
                    claim.escape_debug()
                ),
                mend: mend.to_owned(),
            })
        };
        for needs in self.rules.needs() {
            let issuers = self.of_rule(&needs);
            if !issuers.is_empty() && issuers.iter().all(|issuer| has_access_only(issuer)) {
                let claims = needs.claims.iter();
                findings.extend(
                    claims.filter_map(|claim| found(Some(needs.rule), "the rule", claim, TRIGGER)),
                );
            }
        }
        for issuer in self.issuers.iter().filter(|issuer| has_access_only(issuer)) {
            let Checks { issuer, required_claims, principal, .. } = &*issuer.checks;
            let place = |field: &str| format!("`{field}` of the issuer `{issuer}`");
            let required = required_claims.iter();
            findings.extend(
                required.filter_map(|(claim, _)| {
                    found(None, &place("required_claims"), claim, TRIGGER)
                }),
            );
            let principal = principal.claims();
            findings.extend(
                principal.filter_map(|claim| found(None, &place("principal"), claim, TRIGGER)),
            );
        }
        if let Some(throttle) = &self.throttle
            && !self.issuers.is_empty()
            && self.issuers.iter().all(has_access_only)
        {
            let plan = throttle.plan.claim.as_deref().unwrap_or_default();
            findings.extend(found(None, "`plan` of [throttle]", plan, TRIGGER_PLAN));
            let place = "`subject` of [throttle]";
            let subject = throttle.subject_claims();
            findings.extend(subject.filter_map(|claim| found(None, place, claim, TRIGGER)));
            let place = "`parents` of [throttle]";
            let parents = throttle.parent_claims();
            findings.extend(parents.filter_map(|claim| found(None, place, claim, TRIGGER)));
        }
        findings
    }

    /// Finds keys that no caller may use.
    fn unused_keys(&self) -> Option<Finding> {
        (self.keys.is_some() && !self.callers.takes_keys()).then(|| Finding {
            severity: Severity::Warning,
            rule: None,
            code: Code::UnusedKeys,
            text: "[keys] names a table, but `require` in [callers] ignores API keys".to_owned(),
            mend:
                "write `require = \"either\"`, \"key\" or \"both\" in [callers], or remove [keys]"
                    .to_owned(),
        })
    }

    /// Finds issuers, and rules for issuers, if tokens are ignored.
    fn unused_issuers(&self) -> Vec<Finding> {
        if self.callers.takes_tokens() {
            return Vec::new();
        }
        let issuers = self.issuers.iter().map(|issuer| Finding {
            severity: Severity::Warning,
            rule: None,
            code: Code::UnusedIssuer,
            text: format!(
                "[[issuer]] `{}` is configured, and callers need an API key: no token is looked at",
                issuer.checks.issuer
            ),
            mend:
                "write `require = \"either\"`, \"token\" or \"both\" in [callers], or remove the \
                   issuer"
                    .to_owned(),
        });
        let rules = self.rules.needs().filter(|needs| needs.issuers.is_some());
        let rules = rules.map(|needs| Finding {
            severity: Severity::Error,
            rule: Some(needs.rule.to_owned()),
            code: Code::NeverApplies,
            text: "`issuers` is about tokens, and no token is looked at, so the rule never applies"
                .to_owned(),
            mend: "remove `issuers` or the rule".to_owned(),
        });
        issuers.chain(rules).collect()
    }

    /// Finds rules that every tenant of an issuer can meet.
    fn any_tenant(&self) -> Vec<Finding> {
        let rules = self.rules.needs().filter(|it| it.trusts && !it.claims.contains("tid"));
        let of_rule = |needs: Needs<'_>| {
            let open = self.of_rule(&needs).into_iter().filter(|issuer| has_any_tenant(issuer));
            let found = open.map(|issuer| Finding {
                severity: Severity::Warning,
                rule: Some(needs.rule.to_owned()),
                code: Code::AnyTenant,
                text: format!(
                    "the administrators of each tenant of `{}` (`tenants = \"any\"`) give their own \
                     users what the rule asks for",
                    issuer.checks.issuer
                ),
                mend: "list `tenants`, or name the trusted ones here: `claims = { tid = [\"…\"] }`"
                    .to_owned(),
            });
            found.collect::<Vec<_>>()
        };
        rules.flat_map(of_rule).collect()
    }

    /// Finds a `refuse` that HTTP APIs do not support, if another setting is for HTTP APIs.
    fn api_kind(&self) -> Option<Finding> {
        let refuse = self.throttle.as_ref()?.refuse;
        let is_http = self.response.http == HttpForm::Simple
            || self.response.http_unauthorized == HttpUnauthorized::Error;
        (is_http && refuse == Refuse::UnknownKey).then(|| Finding {
            severity: Severity::Warning,
            rule: None,
            code: Code::ApiKind,
            text:
                "`refuse = \"unknown-key\"` of [throttle] needs usage plans, and HTTP APIs, which \
                   [response] is for, have none: a caller over its limit gets 403"
                    .to_owned(),
            mend: "write `refuse = \"context\"`, so that the backend answers 429, or \
                   `refuse = \"deny\"`"
                .to_owned(),
        })
    }
}

/// Adapts a finding about a claim in a path to callers that have only keys.
///
/// No setting lists the context values of keys, so the finding is only a note.
fn of_keys(finding: &mut Finding) {
    if finding.code == Code::PathParameter {
        finding.severity = Severity::Note;
        finding.mend =
            "write `*` for a path parameter; for a value of the key, give each key one by \
                        `tollgate key create --context`"
                .to_owned();
    }
}

/// Returns true if the tokens of every tenant are accepted.
fn has_any_tenant(issuer: &Issuer) -> bool {
    issuer.identities.iter().any(|identity| matches!(identity.tenants, Some(Tenants::Any)))
}

/// Returns true for a name of Cognito's custom attributes.
fn is_custom(claim: &str) -> bool {
    claim.starts_with("custom:")
}

/// Returns true for a Cognito pool of which only access tokens are accepted.
fn has_access_only(issuer: &Issuer) -> bool {
    issuer.checks.cognito && issuer.checks.token_use == TokenUse::Access
}

fn of_issuer(checks: &Checks) -> Vec<Finding> {
    let place = |field: &str| format!("`{field}` of the issuer `{}`", checks.issuer);
    let look = |field, claim: &str, advice| lint_claim(&place(field), claim, advice);
    let mut findings = Vec::new();
    let principal = checks.principal.claims();
    findings.extend(principal.filter_map(|claim| look("principal", claim, CALLER)));
    for (claim, values) in &checks.required_claims {
        findings.extend(look("required_claims", claim, REQUIRED));
        if is_custom(claim) && values.iter().any(|value| !value.is_string()) {
            findings.push(Finding {
                severity: Severity::Warning,
                rule: None,
                code: Code::TextClaim,
                text: format!(
                    "{} compares `{}` with a number or a boolean, and Cognito writes custom \
                     attributes as text",
                    place("required_claims"),
                    claim.escape_debug()
                ),
                mend: "write the value in quotes".to_owned(),
            });
        }
    }
    // Other issuers than Cognito have other names for these claims, so unknown names are normal.
    let rights = [
        ("scopes_claim", &checks.scopes_claim),
        ("groups_claim", &checks.groups_claim),
        ("client_claim", &checks.client_claim),
    ];
    for (field, claim) in rights {
        findings.extend(look(field, claim, RIGHTS).filter(is_warning));
    }
    for Passed { claim, .. } in &checks.context {
        if rights.iter().any(|(_, right)| *right == claim) {
            continue;
        }
        // Passing an attribute on is normal. It is a problem only if a backend decides by it.
        findings.extend(look("context", claim, CONTEXT).filter(is_warning).map(|finding| {
            let chosen = finding.code == Code::ChosenClaim;
            let severity = if chosen { Severity::Note } else { finding.severity };
            Finding { severity, ..finding }
        }));
    }
    findings
}

/// Finds a path into a claim that callers write, such as `user_metadata`.
fn of_path(path: &ClaimPath) -> Option<Finding> {
    let place = format!("`{}` in [claim_paths]", path.alias.escape_debug());
    lint_claim(&place, path.root(), RIGHTS).filter(|found| found.code == Code::ChosenClaim)
}

fn of_limits(throttle: &ThrottleConfig) -> Vec<Finding> {
    let subject = throttle.subject_claims();
    let subject = subject.filter_map(|claim| lint_claim("`subject` of [throttle]", claim, CALLER));
    let parents = throttle.parent_claims();
    let parents = parents.filter_map(|claim| lint_claim("`parents` of [throttle]", claim, PARENT));
    let plan = throttle.plan.claim.as_ref();
    let plan = plan.and_then(|claim| lint_claim("`plan` of [throttle]", claim, PLAN));
    subject.chain(parents).chain(plan).collect()
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

    const LIMITS: &str = "[throttle]\ntable = \"tab\"\nrefuse = \"deny\"\n";

    /// Returns the findings outside the rules, for a configuration with these lines.
    fn found(issuer: &str, limits: &str) -> Vec<(Severity, Code, String)> {
        let text = format!("{ISSUER}{issuer}\n{RULE}{limits}");
        let findings = Config::parse(&text, "test").unwrap().lint();
        assert!(findings.iter().all(|finding| finding.rule.is_none()), "{findings:?}");
        // Custom attributes have another finding too, which another test checks.
        let findings = findings.into_iter().filter(|it| it.code != Code::TriggerClaim);
        findings.map(|f| (f.severity, f.code, f.text)).collect()
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
    fn a_parent_by_a_claim_that_callers_write_is_found() {
        for (claim, expected) in [
            ("client_id", None),
            ("custom:tenant", CHOSEN),
            ("username", PICKED),
            ("tenant", UNKNOWN),
            ("a.b", DOTTED),
        ] {
            let limits = format!(
                "{LIMITS}subject = \"sub\"\nplan = {{ default = \"free\" }}\n\
                 parents = [{{ parent = \"{claim}\", plan = \"t\" }}, \
                 {{ parent = \"*\", plan = \"all\" }}]\n"
            );
            let place = format!("`parents` of [throttle] trusts `{claim}`, ");
            one(&found("", &limits), expected, &place);
        }
        let limits = format!(
            "{LIMITS}subject = \"sub\"\nplan = {{ assigned = true }}\nparents = [\"custom:t\"]\n"
        );
        let text = format!("{ISSUER}\n{RULE}{limits}");
        let findings = Config::parse(&text, "test").unwrap().lint();
        let trigger = findings.iter().find(|it| it.code == Code::TriggerClaim).unwrap();
        assert!(trigger.text.starts_with("`parents` of [throttle] reads `custom:t`"), "{trigger}");
    }

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
              object; give the claim inside the object a name in [claim_paths], and write that \
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

    /// The findings of one code, as lines.
    fn lines(text: &str, code: Code) -> Vec<String> {
        let findings = Config::parse(text, "test").unwrap().lint();
        findings.iter().filter(|it| it.code == code).map(ToString::to_string).collect()
    }

    #[test]
    fn a_rule_for_clients_that_no_issuer_accepts_is_an_error() {
        let issuer = ISSUER.replace("\"any\"", "[\"web\", \"app\"]");
        let of = |clients: &str| {
            let rule = RULE.replace("everyone = true", &format!("clients = [{clients}]"));
            lines(&format!("{issuer}{rule}"), Code::UnknownClient)
        };
        assert_eq!(
            of("\"wep\", \"old\""),
            [
                "error unknown-client in `r`: no issuer accepts `old`, `wep` of `clients`, so the rule \
              never applies; add it to `clients` of its [[issuer]], or remove it here"
            ]
        );
        assert_eq!(
            of("\"web\", \"old\""),
            ["warning unknown-client in `r`: no issuer accepts `old` of `clients`; add it to \
              `clients` of its [[issuer]], or remove it here"]
        );
        assert_eq!(of("\"web\""), [""; 0]);
        let any = RULE.replace("everyone = true", "clients = [\"x\"]");
        assert_eq!(lines(&format!("{ISSUER}{any}"), Code::UnknownClient), [""; 0], "any client");
        let second = "[[issuer]]\nname = \"partner\"\nurl = \"https://id.example\"\n\
                      audiences = [\"api\"]\ntoken_use = \"any\"\n";
        assert_eq!(lines(&format!("{issuer}{second}{any}"), Code::UnknownClient), [""; 0]);
        let own = any.replace("clients", "issuers = [\"us-east-1_abc\"]\nclients");
        let own = format!("{issuer}{second}{own}");
        assert_eq!(lines(&own, Code::UnknownClient).len(), 1, "of the rule's own issuers");
        let found = Config::parse(&own, "test").unwrap().unknown_clients();
        assert_eq!(found.iter().map(|it| it.severity).collect::<Vec<_>>(), [Severity::Error]);
    }

    #[test]
    fn custom_attributes_are_found_where_access_tokens_lack_them() {
        let limits = |plan: &str| {
            format!("{LIMITS}subject = \"sub\"\nplan = {{ claim = \"{plan}\", default = \"f\" }}\n")
        };
        let text = format!("{ISSUER}{RULE}{}", limits("custom:plan"));
        assert_eq!(
            lines(&text, Code::TriggerClaim),
            [
                "warning trigger-claim: `plan` of [throttle] reads `custom:plan`, and access tokens of \
              Cognito have no custom attributes unless a trigger adds them; assign plans in the \
              table, with `assigned = true` and `tollgate subject assign SUBJECT PLAN`, or add a \
              pre-token-generation trigger, V2_0 for users and V3_0 for machine clients, which \
              needs the Essentials or Plus feature plan"
            ]
        );
        let rule = RULE.replace("everyone = true", "claims = { \"custom:tier\" = \"gold\" }");
        let when = RULE.replace("everyone = true", "when = 'claims[\"custom:tier\"] == \"x\"'");
        let path = RULE.replace("/x", "/x/{custom:tenant}");
        let required = format!("{ISSUER}required_claims = {{ \"custom:a\" = \"b\" }}\n{RULE}");
        let principal = format!("{ISSUER}principal = \"custom:a\"\n{RULE}");
        for text in [
            format!("{ISSUER}{rule}"),
            format!("{ISSUER}{when}"),
            format!("{ISSUER}{path}"),
            required,
            principal,
        ] {
            assert_eq!(lines(&text, Code::TriggerClaim).len(), 1, "{text}");
            let ids = text.replace("\"access\"", "\"id\"");
            assert_eq!(lines(&ids, Code::TriggerClaim), [""; 0], "ID tokens have them: {ids}");
            let url = text.replace("user_pool = \"us-east-1_abc\"", "url = \"https://i.example\"");
            assert_eq!(lines(&url, Code::TriggerClaim), [""; 0], "not Cognito: {url}");
        }
        let plain = format!("{ISSUER}{RULE}{}", limits("plan"));
        assert_eq!(lines(&plain, Code::TriggerClaim), [""; 0]);
    }

    #[test]
    fn a_rule_that_every_tenant_can_meet_is_found() {
        let issuer = "[[issuer]]\nname = \"entra\"\nurl = \"https://id.example/{tid}\"\n\
                      tenants = \"any\"\njwks_uri = \"https://id.example/keys\"\n\
                      audiences = [\"api\"]\ntoken_use = \"any\"\n";
        let group = RULE.replace("everyone = true", "any_group = [\"admin\"]");
        let of = |issuer: &str, rule: &str| lines(&format!("{issuer}{rule}"), Code::AnyTenant);
        assert_eq!(
            of(issuer, &group),
            [
                "warning any-tenant in `r`: the administrators of each tenant of `entra` (`tenants = \
              \"any\"`) give their own users what the rule asks for; list `tenants`, or name the \
              trusted ones here: `claims = { tid = [\"…\"] }`"
            ]
        );
        let tid = "11111111-2222-3333-4444-555555555555";
        let named = format!("{group}claims = {{ tid = [\"{tid}\"] }}\n");
        let listed = issuer.replace("\"any\"\njwks", &format!("[\"{tid}\"]\njwks"));
        let deny = group.replace("allow", "deny");
        for (issuer, rule) in [(issuer, RULE), (issuer, &named), (&listed, &group), (issuer, &deny)]
        {
            assert_eq!(of(issuer, rule), [""; 0], "{issuer}{rule}");
        }
    }

    #[test]
    fn a_custom_attribute_is_required_as_text() {
        let of = |value: &str| {
            let issuer = format!("{ISSUER}required_claims = {{ \"custom:level\" = {value} }}\n");
            lines(&format!("{issuer}{RULE}"), Code::TextClaim).len()
        };
        assert_eq!((of("3"), of("[\"3\", true]"), of("\"3\"")), (1, 1, 0));
    }

    #[test]
    fn a_path_parameter_is_no_claim_unless_a_setting_reads_it() {
        let rule = RULE.replace("/x", "/x/{tenant}");
        let of =
            |issuer: &str| lines(&format!("{ISSUER}{issuer}\n{rule}"), Code::PathParameter).len();
        assert_eq!(of(""), 1);
        assert_eq!(of("context = { tenant = \"tenant\" }"), 0);
        assert_eq!(of("required_claims = { tenant = [\"a\", \"b\"] }"), 0);
    }

    #[test]
    fn an_unknown_key_for_an_http_api_is_found() {
        let limits = "[throttle]\ntable = \"tab\"\nsubject = \"sub\"\nplan = { default = \"f\" }\n\
                      refuse = \"unknown-key\"\napi_key = \"a-key-of-20-to-128-chars\"\n";
        let of = |response: &str, limits: &str| {
            lines(&format!("{ISSUER}{RULE}{response}\n{limits}"), Code::ApiKind).len()
        };
        for response in ["http = \"simple\"", "http_unauthorized = \"error\""] {
            let response = format!("[response]\n{response}");
            assert_eq!(of(&response, limits), 1, "{response}");
            let deny = limits.replace("unknown-key", "deny").replace("api_key", "# api_key");
            assert_eq!(of(&response, &deny), 0, "{response}");
        }
        assert_eq!((of("", limits), of("[response]\nhttp = \"iam\"", limits)), (0, 0));
    }
}
