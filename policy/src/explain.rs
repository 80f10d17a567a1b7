//! Explanations of a decision: the rule that allows a request, or the reason why none does.

use std::fmt;

use serde::Serialize;

use crate::{
    arn::MethodArn,
    caller::{Caller, Holds},
    lint::is_like_parameter,
    route::{Filled, RoutePattern, Unfillable},
    rules::{Applies, Claims, Requirement, Rule, Rules, Verdict},
};

/// The decision on one request, and every rule's part in it.
///
/// Display is a table for a terminal. It shows names of rules, routes and claims, but no claim's
/// value. The request's path is shown unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation<'r> {
    /// The request, without the stage: `GET /orders/1`, or a route key.
    pub request: String,
    /// The decision of all rules together, as [`Rules::evaluate`] gives it.
    #[serde(flatten)]
    pub verdict: Verdict<'r>,
    /// Each rule's part, sorted by the rules' names.
    pub rules: Vec<Said<'r>>,
}

/// One rule's part in the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said<'r> {
    /// The rule's name.
    pub rule: &'r str,
    /// The reason for its part.
    #[serde(flatten)]
    pub reason: Reason<'r>,
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
        /// The requirement that is unknown for this caller; `None` if all are met.
        #[serde(skip_serializing_if = "Option::is_none")]
        unsure: Option<Requirement>,
    },
    /// A deny has a claim in its path that the caller lacks or that is not plain.
    ///
    /// It denies every request, because the deny itself cannot be written.
    DeniesAll {
        /// The route that cannot be written.
        route: &'r RoutePattern,
        /// The claim.
        claim: &'r str,
    },
    /// An allow is limited to the caller's own path, and the request has dots below it.
    ///
    /// A server might resolve them to another caller's path, so the allow comes with a deny.
    DeniesDots {
        /// The route with the caller's own path.
        route: &'r RoutePattern,
    },
    /// An allow matches.
    Allows {
        /// The route that matches.
        route: &'r RoutePattern,
    },
    /// An allow matches from some addresses, and the caller's address is unknown.
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
    /// An allow would match if the caller had a plain claim for its path.
    Unfillable {
        /// The route that cannot be written.
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
    /// An allow matches, but a requirement is unknown, so the rule allows nothing.
    Unsure {
        /// The route that matches.
        route: &'r RoutePattern,
        /// The requirement.
        requirement: Requirement,
    },
    /// No route of the rule matches.
    Elsewhere,
}

impl Rules {
    /// Explains the decision on the request that `arn` names, rule by rule.
    #[must_use]
    pub fn explain<'s>(&'s self, caller: &Caller<'_>, arn: &MethodArn<'_>) -> Explanation<'s> {
        let asked = Asked { caller, arn, target: arn.target().to_string() };
        let claims = Claims::new(caller);
        let said = |rule: &'s Rule| Said { rule: &rule.name, reason: asked.reason(rule, &claims) };
        Explanation {
            verdict: self.evaluate(caller, arn).verdict,
            rules: self.rules.iter().map(said).collect(),
            request: format!("{:#}", arn.target()),
        }
    }
}

/// A request to explain.
struct Asked<'a> {
    caller: &'a Caller<'a>,
    arn: &'a MethodArn<'a>,
    target: String,
}

impl Asked<'_> {
    fn reason<'r>(&self, rule: &'r Rule, claims: &Claims<'_>) -> Reason<'r> {
        let Self { caller, arn, target } = self;
        let applies = rule.requirements.apply(caller, arn.stage(), claims);
        let denying = self.first(&rule.deny, |_| true);
        if let (Applies::Yes | Applies::Unknown(_), Some((route, matches))) = (&applies, denying) {
            return match (matches, applies) {
                (Err(Unfillable { claim }), _) => Reason::DeniesAll { route, claim },
                (Ok(()), Applies::Unknown(unsure)) => {
                    Reason::Denies { route, unsure: Some(unsure) }
                }
                (Ok(()), _) => Reason::Denies { route, unsure: None },
            };
        }
        let mut allows = rule.allow.iter();
        if applies == Applies::Yes
            && let Some(route) =
                allows.find(|route| self.fill(route).is_ok_and(|f| f.denies_dots(target)))
        {
            return Reason::DeniesDots { route };
        }
        let could_match = |route: &RoutePattern| route.may_match(&arn.target());
        let Some((route, matches)) = self.first(&rule.allow, could_match) else {
            // A deny that would match if the caller met the requirements is shown too.
            return match (applies, denying) {
                (Applies::No(requirement), Some((route, Ok(())))) => {
                    Reason::Unmet { route, requirement }
                }
                _ => Reason::Elsewhere,
            };
        };
        match (applies, matches) {
            (Applies::No(requirement), _) => Reason::Unmet { route, requirement },
            (Applies::Unknown(requirement), _) => Reason::Unsure { route, requirement },
            (Applies::Yes, Err(Unfillable { claim })) => Reason::Unfillable { route, claim },
            (Applies::Yes, Ok(())) => match rule.condition.holds(caller) {
                Holds::Yes => Reason::Allows { route },
                Holds::Unknown => {
                    let source_ips = rule.condition.source_ips.iter().map(ToString::to_string);
                    Reason::AllowsFrom { route, source_ips: source_ips.collect() }
                }
                Holds::No => {
                    let timeless = rule.condition.until_exp && caller.exp().is_none();
                    let field = if timeless { "until_exp" } else { "source_ips" };
                    Reason::Conditioned { route, field }
                }
            },
        }
    }

    fn fill<'r>(&self, route: &'r RoutePattern) -> Result<Filled, Unfillable<'r>> {
        route.fill(self.arn.resource_prefix().len(), self.caller)
    }

    /// Returns the first route that matches, else the first that cannot be filled.
    fn first<'r>(
        &self,
        routes: &'r [RoutePattern],
        counts: impl Fn(&RoutePattern) -> bool,
    ) -> Option<(&'r RoutePattern, Result<(), Unfillable<'r>>)> {
        let mut unfillable = None;
        for route in routes {
            match self.fill(route) {
                Ok(filled) if filled.matches(&self.target) => return Some((route, Ok(()))),
                Err(error) if counts(route) => {
                    unfillable = unfillable.or(Some((route, Err(error))));
                }
                Ok(_) | Err(_) => {}
            }
        }
        unfillable
    }
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
            Self::Unfillable { route, claim } => {
                write!(
                    f,
                    "does not allow `{route}`: the claim `{claim}` is missing or can't stand in a \
                     path"
                )?;
                if is_like_parameter(claim) {
                    let wide = route.any_for(claim);
                    write!(f, "; if `{{{claim}}}` is a path parameter, write `{wide}`")?;
                }
                Ok(())
            }
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

/// A requirement that is unknown for a caller.
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
            Requirement::Credential | Requirement::Anonymous => {
                f.write_str("the request has no credential")
            }
            // Stage and issuer are always known.
            Requirement::Stages | Requirement::Issuers | Requirement::When => f.write_str(
                "`when` does not give true or false for this caller: a claim in it is missing, \
                     of another type, or kept elsewhere",
            ),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential => f.write_str("the request has no credential"),
            Self::Anonymous => f.write_str("it is for requests without a credential"),
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
