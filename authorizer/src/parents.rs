//! The parents of a request's subject, whose limits apply too: its tenant, and everyone.

use policy::is_elsewhere;
use serde_json::{Map, Value};
use table::ChainProblem;
use throttle::{Clock, KeyLookup, MAX_PARENTS, ParentsError, PlanId, StoreError, Subject};

use crate::claims::{Claims, assumed_issuer};
use crate::config::{Config, Require, ThrottleConfig};
use crate::refusal::Refusal;

/// The subject that all callers have as parent, by `*` in `parents`.
///
/// No caller's subject equals it: subjects from claims have a `#`, and those from addresses begin
/// with `address-`. `tollgate` refuses this subject for a key.
pub const EVERYONE: &str = "everyone";

/// Returns true for a subject that only configured parents have: `everyone`, or a text that begins
/// with `#`. No caller may have it, because its requests would be charged to a parent's bucket.
#[must_use]
pub fn is_of_parent(subject: &str) -> bool {
    subject == EVERYONE || subject.starts_with('#')
}

/// The name of parents that the table assigns, in records.
const ASSIGNED: &str = "assigned";

/// A parent of a request's subject.
pub(crate) struct Parent {
    pub(crate) subject: Subject,
    /// `None` if neither the table nor the configuration names one.
    pub(crate) plan: Option<PlanId>,
    /// The parent in records, without its subject: `assigned`, a claim, or `*`.
    pub(crate) name: String,
}

/// The parents of a request, nearest first; or the problem if they form a loop or are more than
/// three, so that the request is refused.
pub(crate) type Parents = Result<Vec<Parent>, &'static str>;

/// Finds the parents of a request: those that the table assigns to `assignee`, then the configured
/// ones. A subject that occurs twice counts once.
///
/// `claims` are those of the caller's token. Without a token, parents by a claim do not apply.
///
/// # Errors
///
/// `claim` if a configured claim is missing, not a text, empty, too long, or outside the token;
/// `unavailable` or `config` if the table cannot be read.
pub(crate) async fn find<C: Clock>(
    subject: &Subject,
    assignee: Option<&Subject>,
    claims: Option<&Claims>,
    config: &ThrottleConfig,
    lookup: Option<&KeyLookup<C>>,
) -> Result<Parents, Refusal> {
    let asked = || lookup.ok_or(Refusal::config("no table of keys and plans"));
    let mut parents = Vec::new();
    if let Some(assignee) = assignee {
        let assigned = match asked()?.parents_of(assignee).await {
            Ok(assigned) => assigned,
            Err(ParentsError::Chain(ChainProblem::Loop)) => return Ok(Err(LOOP)),
            Err(ParentsError::Chain(ChainProblem::TooLong)) => return Ok(Err(TOO_MANY)),
            Err(ParentsError::Store(error)) => return Err(refused(&error)),
        };
        parents.extend(assigned.into_iter().map(|it| Parent {
            subject: it.subject,
            plan: it.plan,
            name: ASSIGNED.to_owned(),
        }));
    }
    for entry in &config.parents {
        let subject = match (entry.claim(), claims) {
            (None, _) => everyone()?,
            (Some(_), None) => continue,
            (Some(claim), Some(claims)) => named(claim, claims.members(), claims.issuer())?,
        };
        if let Some(same) = parents.iter_mut().find(|parent| parent.subject == subject) {
            same.plan = same.plan.take().or_else(|| entry.plan.clone());
            continue;
        }
        let plan = match config.looks_up() {
            true => asked()?.plan_of(&subject).await.map_err(|error| refused(&error))?,
            false => None,
        };
        let plan = plan.or_else(|| entry.plan.clone());
        parents.push(Parent { subject, plan, name: entry.name().to_owned() });
    }
    if parents.iter().any(|parent| parent.subject == *subject) {
        return Ok(Err(OWN));
    }
    Ok(if parents.len() > MAX_PARENTS { Err(TOO_MANY) } else { Ok(parents) })
}

/// Returns the subject of the parent that a claim of a token names.
///
/// It begins with `#`, so it never equals a caller's subject, which begins with an issuer's name.
/// Names of issuers and claims have no `#`, so two claims never have the same subject.
fn named(claim: &str, members: &Map<String, Value>, issuer: &str) -> Result<Subject, Refusal> {
    let value = members.get(claim).filter(|value| !value.is_null());
    let value = value.filter(|_| !is_elsewhere(members, claim));
    let value =
        value.ok_or(Refusal::claim("the claim of a parent of the limits' subject is missing"))?;
    let text = value
        .as_str()
        .ok_or(Refusal::claim("the claim of a parent of the limits' subject is not a text"))?;
    let subject = Subject::new(format!("#{issuer}#{claim}#{text}")).ok();
    subject.filter(|_| !text.is_empty()).ok_or(Refusal::claim(
        "the claim of a parent of the limits' subject is empty, too long, or has a control \
         character",
    ))
}

fn everyone() -> Result<Subject, Refusal> {
    Subject::new(EVERYONE).map_err(|_| Refusal::config("no subject for all callers"))
}

/// A parent of a subject by `parents` in the configuration, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedParent {
    /// The subject; `None` if it depends on a claim and the token is unknown.
    pub subject: Option<Subject>,
    /// The entry as it is written: a claim, or `*`.
    pub name: String,
    /// The plan if the subject has no assigned plan.
    pub plan: Option<PlanId>,
}

/// Returns the parents that the configuration adds to the assigned parents of a subject.
///
/// `members` are the claims of the caller's token, if they are known. Without them, if callers may
/// have either credential, a subject is assumed to be a key's unless it begins with an issuer's
/// name. Verifies nothing: use it only for operators, never for a request.
///
/// # Errors
///
/// `claim` if the token lacks a claim of `parents`, or names no configured issuer.
pub fn assumed_parents(
    subject: &Subject,
    members: Option<&Map<String, Value>>,
    config: &Config,
) -> Result<Vec<AssumedParent>, Refusal> {
    let entries = config.throttle.iter().flat_map(|throttle| &throttle.parents);
    let of_issuer = |text: &str| config.issuers.iter().any(|it| it.stored_name(text).is_some());
    let has_token = members.is_some()
        || match config.callers.require {
            Require::Token | Require::Both => true,
            Require::Key => false,
            Require::Either => {
                subject.as_str().split_once('#').is_some_and(|(name, _)| of_issuer(name))
            }
        };
    let mut parents = Vec::new();
    for entry in entries {
        let subject = match (entry.claim(), members) {
            (None, _) => Some(everyone()?),
            (Some(_), None) if !has_token => continue,
            (Some(_), None) => None,
            (Some(claim), Some(members)) => {
                let issuer = assumed_issuer(members, &config.issuers)?;
                Some(named(claim, members, &issuer.checks.stored_name(members))?)
            }
        };
        let (name, plan) = (entry.name().to_owned(), entry.plan.clone());
        parents.push(AssumedParent { subject, name, plan });
    }
    Ok(parents)
}

/// Returns the refusal for a request whose keys, plans or parents cannot be looked up.
pub(crate) fn refused(error: &StoreError) -> Refusal {
    tracing::error!(%error, "keys and plans cannot be looked up");
    match error {
        StoreError::Failure(failure) if failure.may_pass() => {
            Refusal::unavailable("keys and plans cannot be looked up")
        }
        _ => Refusal::config("the table of keys and plans cannot be used"),
    }
}

/// The problems with assigned parents.
const LOOP: &str = "the assigned parents form a loop";
const TOO_MANY: &str = "the assigned and configured parents are more than three";
const OWN: &str = "the subject is its own parent, by assignment or configuration";
