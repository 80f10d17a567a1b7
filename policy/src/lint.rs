//! Likely mistakes in rules that load.

mod claims;
mod dots;
mod issuers;
mod overlaps;
mod public;

use std::fmt;

use serde::Serialize;

pub(crate) use self::claims::is_like_parameter;
pub use self::claims::lint_claim;

use crate::rules::{Expression, Requirements, Rule, Rules, written};

/// A likely mistake in the rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Its severity.
    pub severity: Severity,
    /// The rule's name; `None` for a finding about all rules together.
    pub rule: Option<String>,
    /// Its code. The same mistake has the same code in every version.
    pub code: Code,
    /// The problem.
    pub text: String,
    /// The fix.
    pub mend: String,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A rule can never have an effect.
    Error,
    /// The rules likely do not do what was intended.
    Warning,
    /// The rules work, but have an effect that is easily overlooked.
    Note,
}

/// The kind of a finding; stable, so that scripts can ignore some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Code {
    /// An allow ends in `/*` and so matches paths at any depth.
    WidePath,
    /// A route is written for every method.
    AnyMethod,
    /// No caller can meet the requirements.
    NeverApplies,
    /// A deny for the same callers cancels an allow entirely.
    Shadowed,
    /// Another route for the same callers already covers this one.
    Redundant,
    /// One rule allows what another denies to some of the same callers.
    Contradiction,
    /// A deny excludes a part of `/*`, and another spelling of the path may avoid it.
    EscapableDeny,
    /// A route is written with a dot segment, which servers resolve.
    DotSegment,
    /// A deny has a claim in its path; a caller without that claim is denied everything.
    ClosingDeny,
    /// A rule trusts a claim that callers can choose.
    ChosenClaim,
    /// A rule trusts a claim, and the party that sets it is unknown.
    UnknownClaim,
    /// The name of a trusted claim has a dot, which does not select a member of an object.
    DottedClaim,
    /// The document of a caller who meets every rule would be over the limit.
    DocumentSize,
    /// Tokens of several issuers are accepted, and a rule does not name its issuers.
    AnyIssuer,
    /// A rule depends on an IAM condition, which was not tried on AWS.
    UntriedCondition,
    /// A route has a name in braces that is likely a path parameter and not a claim.
    PathParameter,
    /// A condition takes a claim for a boolean, and it may be a text.
    BareClaim,
    /// A custom attribute of Cognito, which is a text, is compared with a number or a boolean.
    TextClaim,
    /// Cognito's access tokens have a claim only if a trigger adds it.
    TriggerClaim,
    /// No issuer accepts tokens of a client that a rule names.
    UnknownClient,
    /// A setting does not work on every kind of API.
    ApiKind,
    /// A public route is closed to callers with a credential.
    PublicRoute,
    /// Keys are configured, but no caller may use one.
    UnusedKeys,
    /// An issuer is configured, but tokens are ignored.
    UnusedIssuer,
    /// Every tenant of an issuer is accepted, and a rule trusts what tenants assign themselves.
    AnyTenant,
    /// A regular expression of a condition may match inside a longer text.
    UnanchoredMatch,
}

impl Rules {
    /// Finds likely mistakes: warnings first, then by rule and code.
    ///
    /// `issuers` names the issuers whose tokens are accepted, as rules name them in `issuers`. An
    /// empty list finds no mistakes about issuers. `claims` names claims that other settings read,
    /// so tokens have them: `{tenant}` in a route is then not reported as a path parameter.
    #[must_use]
    pub fn lint(&self, issuers: &[&str], claims: &[&str]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for rule in &self.rules {
            wide(rule, &mut findings);
            dots::check(rule, &self.rules, &mut findings);
            never_applies(rule, &mut findings);
            claims::check(
                rule,
                |claim| claims.contains(&claim) || self.requires(claim),
                self.has_anonymous(),
                &mut findings,
            );
            conditions(rule, &mut findings);
            untried(rule, &mut findings);
            issuers::check(rule, issuers, &mut findings);
        }
        overlaps::check(&self.rules, &mut findings);
        public::check(&self.rules, &mut findings);
        let (bytes, limit) = (self.greatest_document(), self.document_limit());
        if bytes > limit {
            findings.push(Finding {
                severity: Severity::Warning,
                rule: None,
                code: Code::DocumentSize,
                text: format!(
                    "a caller who meets every rule gets a policy of about {bytes} bytes, over the \
                     limit of {limit}, and is refused"
                ),
                mend: "write fewer or wider routes, or make sure that no caller meets every rule"
                    .to_owned(),
            });
        }
        findings.sort();
        findings.dedup();
        findings
    }
}

impl Rules {
    /// Returns true if a rule requires something of this claim.
    fn requires(&self, claim: &str) -> bool {
        self.rules.iter().any(|rule| {
            let Requirements { claims, when, .. } = &rule.requirements;
            let mut asked = when.iter().flat_map(Expression::claims);
            claims.contains_key(claim) || asked.any(|asked| asked == claim)
        })
    }
}

impl Finding {
    fn new(
        severity: Severity,
        rule: &Rule,
        code: Code,
        text: String,
        mend: impl Into<String>,
    ) -> Self {
        Self { severity, rule: Some(rule.name.clone()), code, text, mend: mend.into() }
    }
}

fn wide(rule: &Rule, findings: &mut Vec<Finding>) {
    for route in &rule.allow {
        if route.is_any_method() {
            findings.push(Finding::new(
                Severity::Note,
                rule,
                Code::AnyMethod,
                format!("`{route}` allows every method, those that change and delete included"),
                "list the methods that are meant, as in `GET,HEAD`",
            ));
        }
        let Some(path) = route.path() else {
            if route.is_default() {
                findings.push(Finding::new(
                    Severity::Note,
                    rule,
                    Code::WidePath,
                    format!("`{route}` is every method and path that no other route takes"),
                    "give the API a route for each intended path",
                ));
            }
            continue;
        };
        // Preflights behind `ANY /{proxy+}`.
        if rule.requirements.anonymous && route.verbs() == ["OPTIONS"] {
            continue;
        }
        if path.is_everything() {
            findings.push(Finding::new(
                Severity::Warning,
                rule,
                Code::WidePath,
                format!("`{route}` matches every path of the API, those that come later included"),
                "list the paths that are meant",
            ));
        } else if path.is_below() && !path.ends_in_claim() {
            let parent = route.to_string();
            let parent = parent.strip_suffix('*').unwrap_or(&parent);
            // Below a caller's own path, dots are denied.
            let dots = if route.is_own_below() {
                ""
            } else {
                ", and a server may resolve the `..` of `{parent}../x`"
            };
            let dots = dots.replace("{parent}", parent);
            findings.push(Finding::new(
                Severity::Note,
                rule,
                Code::WidePath,
                format!("`{route}` also matches `{parent}1/secret`: `*` crosses `/`{dots}"),
                "list the paths that are meant, or put what is secret elsewhere",
            ));
        }
    }
}

fn never_applies(rule: &Rule, findings: &mut Vec<Finding>) {
    let requirements = &rule.requirements;
    let mut never = |text: String| {
        let mend = "mend the requirement, or remove the rule";
        findings.push(Finding::new(Severity::Warning, rule, Code::NeverApplies, text, mend));
    };
    if let (Some(clients), Some(claimed)) =
        (&requirements.clients, requirements.claims.get("client_id"))
        && !clients.iter().any(|client| claimed.contains(client))
    {
        never("no client is both in `clients` and in `claims.client_id`".to_owned());
    }
    if let Some(when) = &requirements.when
        && when.claims().is_empty()
        && when.constant() != Some(true)
    {
        never(format!("the condition `{}` never holds", when.text()));
    }
}

/// Reports claims whose type decides if a condition can hold.
fn conditions(rule: &Rule, findings: &mut Vec<Finding>) {
    let Some(when) = &rule.requirements.when else { return };
    // A deny that matches more is safe, so it is not reported.
    for pattern in when.unanchored().into_iter().filter(|_| !rule.allow.is_empty()) {
        let shown = pattern.escape_debug();
        findings.push(Finding::new(
            Severity::Note,
            rule,
            Code::UnanchoredMatch,
            format!(
                "`matches(\"{shown}\")` looks for a part: a longer text that contains it matches too"
            ),
            "write `^(…)$` to match the whole text",
        ));
    }
    for claim in when.bare().iter().filter(|claim| !claim.ends_with("_verified")) {
        let shown = written(claim);
        findings.push(Finding::new(
            Severity::Note,
            rule,
            Code::BareClaim,
            format!(
                "`when` takes `{shown}` itself for true or false: if it is a text or a number, the \
                 rule allows nothing"
            ),
            format!("compare it, as in `{shown} == \"gold\"`, or `{shown} == true` for a boolean"),
        ));
    }
    for claim in when.compared() {
        let shown = written(claim);
        findings.push(Finding::new(
            Severity::Warning,
            rule,
            Code::TextClaim,
            format!(
                "`when` compares `{shown}` with a number or a boolean, and Cognito writes custom \
                 attributes as text"
            ),
            format!("write `int({shown})` for a number, or compare it with a text"),
        ));
    }
}

fn untried(rule: &Rule, findings: &mut Vec<Finding>) {
    let condition = &rule.condition;
    for (used, field) in
        [(!condition.source_ips.is_empty(), "source_ips"), (condition.until_exp, "until_exp")]
    {
        if used {
            findings.push(Finding::new(
                Severity::Note,
                rule,
                Code::UntriedCondition,
                format!("`{field}` becomes an IAM condition, which was not tried on AWS"),
                "try it on a stage of your own before you lean on it",
            ));
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, rule, code, text, mend } = self;
        write!(f, "{severity} {code}")?;
        if let Some(rule) = rule {
            write!(f, " in `{rule}`")?;
        }
        write!(f, ": {text}; {mend}")
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
