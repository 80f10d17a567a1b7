//! Explanations of a decision: the rule that allows a call, or the reason why none does.

use std::fmt;

use serde::Serialize;

use crate::{
    arn::{MethodArn, Target},
    caller::Caller,
    route::{RoutePattern, Unfillable},
    rules::{Applies, Met, Requirement, Rule, Rules, Seen, Verdict},
};

/// Every rule's answer to one request, and the decision.
///
/// Display is a table for a terminal. It names rules, routes and claims, and no claim's value;
/// the request's path is shown as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation<'r> {
    request: String,
    #[serde(flatten)]
    verdict: Verdict<'r>,
    rules: Vec<Said<'r>>,
}

/// One rule's answer to the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said<'r> {
    rule: &'r str,
    #[serde(flatten)]
    reason: Reason<'r>,
}

/// The reason why a rule allows or denies a request, or does not apply to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason<'r> {
    /// A deny matches.
    Denies {
        /// The route that matches.
        route: &'r RoutePattern,
        /// The requirement that cannot be judged for this caller, which denies; none if all are
        /// met.
        #[serde(skip_serializing_if = "Option::is_none")]
        unsure: Option<Requirement>,
    },
    /// A deny has a claim in its path that the caller lacks or that can't stand there.
    ///
    /// It denies every request, since the deny itself can't be written.
    DeniesAll {
        /// The route that can't be written.
        route: &'r RoutePattern,
        /// The claim.
        claim: &'r str,
    },
    /// An allow is limited to the caller's own path, and the request has dots below it.
    ///
    /// A server might resolve them to another caller's path, so the allow comes with a deny.
    DeniesDots {
        /// The route that allows what is below the path.
        route: &'r RoutePattern,
    },
    /// An allow matches.
    Allows {
        /// The route that matches.
        route: &'r RoutePattern,
    },
    /// An allow matches from addresses of which the caller's may be one: it is not known.
    AllowsFrom {
        /// The route that matches.
        route: &'r RoutePattern,
        /// The addresses.
        source_ips: Vec<String>,
    },
    /// An allow matches, but not from the caller's address, or the token has no `exp`.
    Conditioned {
        /// The route that matches.
        route: &'r RoutePattern,
        /// The field that does not hold.
        field: &'static str,
    },
    /// An allow would match, had the caller a claim that can stand in its path.
    Unfillable {
        /// The route that can't be written.
        route: &'r RoutePattern,
        /// The claim.
        claim: &'r str,
    },
    /// An allow matches, but the caller does not meet the rule's requirements.
    Unmet {
        /// The route that matches.
        route: &'r RoutePattern,
        /// The first requirement that is not met.
        requirement: Requirement,
    },
    /// An allow matches, but a requirement can't be judged, which allows nothing.
    Unsure {
        /// The route that matches.
        route: &'r RoutePattern,
        /// The requirement.
        requirement: Requirement,
    },
    /// No route of the rule matches.
    Elsewhere,
}

impl Explanation<'_> {
    /// The decision of all rules together, the same as [`Rules::verdict`].
    #[must_use]
    pub fn verdict(&self) -> Verdict<'_> {
        self.verdict
    }

    /// Each rule's answer, in the order of the rules' names.
    #[must_use]
    pub fn rules(&self) -> &[Said<'_>] {
        &self.rules
    }
}

impl Said<'_> {
    /// The rule's name.
    #[must_use]
    pub fn rule(&self) -> &str {
        self.rule
    }

    /// Its answer.
    #[must_use]
    pub fn reason(&self) -> &Reason<'_> {
        &self.reason
    }
}

impl Rules {
    /// Explains what the rules say of the very request that `arn` names.
    #[must_use]
    pub fn explain(&self, caller: &Caller<'_>, arn: &MethodArn<'_>) -> Explanation<'_> {
        let (target, seen) = (arn.target(), Seen::new(caller));
        let prefix = arn.resource_prefix().len();
        let said = |rule| {
            let reason = find(rule, caller, arn.stage(), (prefix, &target), &seen);
            Said { rule: &rule.name, reason }
        };
        Explanation {
            request: target.to_string(),
            verdict: self.verdict(caller, arn),
            rules: self.rules.iter().map(said).collect(),
        }
    }
}

fn find<'r>(
    rule: &'r Rule,
    caller: &Caller<'_>,
    stage: &str,
    (prefix, target): (usize, &Target<'_>),
    seen: &Seen<'_>,
) -> Reason<'r> {
    let applies = rule.requirements.apply(caller, stage, seen);
    let denying = first(&rule.deny.patterns, (prefix, target), caller, |_| true);
    match (&applies, denying) {
        (Applies::No(_), _) | (_, None) => {}
        (_, Some((route, Ok(())))) => {
            let unsure = match applies {
                Applies::Unknown(requirement) => Some(requirement),
                Applies::Yes | Applies::No(_) => None,
            };
            return Reason::Denies { route, unsure };
        }
        (_, Some((route, Err(Unfillable { claim })))) => {
            return Reason::DeniesAll { route, claim };
        }
    }
    let mut allows = rule.allow.patterns.iter();
    if applies == Applies::Yes
        && let Some(route) = allows.find(|route| route.denies_dots(prefix, target, caller))
    {
        return Reason::DeniesDots { route };
    }
    let could = |route: &RoutePattern| route.may_match(target);
    let Some((route, filled)) = first(&rule.allow.patterns, (prefix, target), caller, could) else {
        // A deny that would match, had the caller what the rule requires, is worth a word too.
        return match (applies, denying) {
            (Applies::No(requirement), Some((route, Ok(())))) => {
                Reason::Unmet { route, requirement }
            }
            _ => Reason::Elsewhere,
        };
    };
    match (applies, filled) {
        (Applies::No(requirement), _) => Reason::Unmet { route, requirement },
        (Applies::Unknown(requirement), _) => Reason::Unsure { route, requirement },
        (Applies::Yes, Err(Unfillable { claim })) => Reason::Unfillable { route, claim },
        (Applies::Yes, Ok(())) => match rule.condition.met_by(caller) {
            Met::Yes => Reason::Allows { route },
            Met::Unknown => {
                let source_ips = rule.condition.source_ips.iter().map(ToString::to_string);
                Reason::AllowsFrom { route, source_ips: source_ips.collect() }
            }
            Met::No => {
                let timeless = rule.condition.until_exp && caller.exp().is_none();
                let field = if timeless { "until_exp" } else { "source_ips" };
                Reason::Conditioned { route, field }
            }
        },
    }
}

/// The first route that matches, else the first of some that can't be filled.
fn first<'r>(
    routes: &'r [RoutePattern],
    (prefix, target): (usize, &Target<'_>),
    caller: &Caller<'_>,
    counts: impl Fn(&RoutePattern) -> bool,
) -> Option<(&'r RoutePattern, Result<(), Unfillable<'r>>)> {
    let asked = || routes.iter().map(|route| (route, route.matches_in(prefix, target, caller)));
    let matching =
        asked().find(|(_, answer)| *answer == Ok(true)).map(|(route, _)| (route, Ok(())));
    let mut unfillable = asked().filter(|(route, _)| counts(route));
    matching.or_else(|| unfillable.find_map(|(route, answer)| Some((route, Err(answer.err()?)))))
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.request.escape_debug(), self.verdict)?;
        let width = self.rules.iter().map(|said| said.rule.chars().count()).max().unwrap_or(0);
        for Said { rule, reason } in &self.rules {
            writeln!(f, "  {rule:width$}  {reason}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denies { route, unsure: None } => write!(f, "denies `{route}`"),
            Self::Denies { route, unsure: Some(requirement) } => {
                write!(f, "denies `{route}`: {}", Unjudged(requirement))
            }
            Self::DeniesAll { route, claim } => write!(
                f,
                "denies everything: the claim `{claim}` is missing or can't stand in the path of \
                 its deny `{route}`"
            ),
            Self::DeniesDots { route } => write!(
                f,
                "denies dots below `{route}`: the path has `..`, a segment `.` or `%2e`, which a \
                 server may resolve to another caller's path"
            ),
            Self::Allows { route } => write!(f, "allows `{route}`"),
            Self::AllowsFrom { route, source_ips } => {
                write!(f, "allows `{route}` from {}", source_ips.join(", "))
            }
            Self::Conditioned { route, field: "until_exp" } => {
                write!(f, "does not allow `{route}`: the token has no usable `exp`")
            }
            Self::Conditioned { route, field } => {
                write!(f, "does not allow `{route}`: the address is not in `{field}`")
            }
            Self::Unfillable { route, claim } => write!(
                f,
                "does not allow `{route}`: the claim `{claim}` is missing or can't stand in a path"
            ),
            Self::Unmet { route, requirement } => {
                write!(f, "`{route}` is not for this caller: {requirement}")
            }
            Self::Unsure { route, requirement } => {
                write!(f, "does not allow `{route}`: {}", Unjudged(requirement))
            }
            Self::Elsewhere => f.write_str("no route matches"),
        }
    }
}

/// A requirement that cannot be judged for a caller.
struct Unjudged<'r>(&'r Requirement);

impl fmt::Display for Unjudged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Requirement::Claim(claim) => {
                let claim = claim.escape_debug();
                write!(
                    f,
                    "the claim `{claim}` is neither a string nor a list of strings, or the token \
                     keeps it elsewhere"
                )
            }
            Requirement::AnyScope | Requirement::AllScopes => {
                f.write_str("the token's scopes cannot be understood")
            }
            Requirement::AnyGroup | Requirement::AllGroups => {
                f.write_str("the token's groups cannot be understood")
            }
            Requirement::Clients => f.write_str("the token's client cannot be understood"),
            // Stage and issuer are always known.
            Requirement::Stages | Requirement::Issuers | Requirement::When => {
                f.write_str("`when` can't be evaluated for this caller")
            }
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stages => f.write_str("the stage is not in `stages`"),
            Self::Issuers => f.write_str("the issuer is not in `issuers`"),
            Self::Clients => f.write_str("the client is not in `clients`"),
            Self::AnyScope => f.write_str("no scope of `any_scope`"),
            Self::AllScopes => f.write_str("a scope of `all_scopes` is missing"),
            Self::AnyGroup => f.write_str("no group of `any_group`"),
            Self::AllGroups => f.write_str("a group of `all_groups` is missing"),
            Self::Claim(claim) => {
                write!(f, "the claim `{}` has no value of `claims`", claim.escape_debug())
            }
            Self::When => f.write_str("`when` does not hold"),
        }
    }
}
