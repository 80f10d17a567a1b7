//! The parents of a request's subject, whose limits apply too: its tenant, and everyone.

use policy::is_elsewhere;
use serde_json::Value;
use throttle::{Clock, KeyLookup, PlanId, StoreError, Subject};

use crate::claims::Claims;
use crate::config::{ParentConfig, ThrottleConfig};
use crate::refusal::Refusal;

/// The subject that all callers have as parent, by `*` in `parents`.
///
/// No caller's subject equals it: one by a claim has a `#`, and one by an address begins with
/// `address-`. An operator may name a key's subject so; it is then its own parent, and refused.
pub const EVERYONE: &str = "everyone";

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

/// Finds the parents of a request, nearest first: those that the table assigns to `assignee`, then
/// the configured ones. A subject that is named twice is one parent.
///
/// `claims` are those of the caller's token. Without a token, parents by a claim do not apply.
///
/// # Errors
///
/// `claim` if a configured claim is missing, empty, not a text, too long, or outside the token;
/// `unavailable` or `config` if the table cannot be asked, or if the assigned parents form a loop
/// or are too many.
pub(crate) async fn find<C: Clock>(
    assignee: Option<&Subject>,
    claims: Option<&Claims>,
    config: &ThrottleConfig,
    lookup: Option<&KeyLookup<C>>,
) -> Result<Vec<Parent>, Refusal> {
    let asked = || lookup.ok_or(Refusal::config("no table of keys and plans"));
    let mut parents = Vec::new();
    if let Some(assignee) = assignee {
        let assigned = asked()?.parents_of(assignee).await.map_err(|error| refused(&error))?;
        parents.extend(assigned.into_iter().map(|it| Parent {
            subject: it.subject,
            plan: it.plan,
            name: ASSIGNED.to_owned(),
        }));
    }
    for entry in &config.parents {
        let Some(subject) = subject(entry, claims)? else { continue };
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
    Ok(parents)
}

/// Returns the subject of a configured parent; `None` for a claim of a caller without a token.
fn subject(entry: &ParentConfig, claims: Option<&Claims>) -> Result<Option<Subject>, Refusal> {
    let (text, missing) = match (entry.claim(), claims) {
        (None, _) => (Some(EVERYONE.to_owned()), ""),
        (Some(_), None) => return Ok(None),
        (Some(claim), Some(claims)) => {
            let members = claims.members();
            let value = members.get(claim).filter(|_| !is_elsewhere(members, claim));
            let text = value.and_then(Value::as_str).filter(|text| !text.is_empty());
            let text = text.map(|text| claims.parent(claim, text));
            (text, "the claim of a parent of the limits' subject is missing")
        }
    };
    let subject = text.and_then(|text| Subject::new(text).ok());
    subject.map(Some).ok_or(Refusal::claim(missing))
}

/// Returns the refusal for a request whose keys, plans or parents cannot be looked up.
pub(crate) fn refused(error: &StoreError) -> Refusal {
    tracing::error!(%error, "keys and plans cannot be looked up");
    match error {
        StoreError::Failure(failure) if failure.may_pass() => {
            Refusal::unavailable("keys and plans cannot be looked up")
        }
        StoreError::Damaged(damage) if damage.attribute() == "parent" => Refusal::config(
            "the assigned parents of a subject form a loop, are more than three, or are damaged",
        ),
        _ => Refusal::config("the table of keys and plans cannot be used"),
    }
}
