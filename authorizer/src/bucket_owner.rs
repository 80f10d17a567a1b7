//! The subject whose bucket is charged, and the plan that is named for it.

use serde_json::{Map, Value};
use throttle::{ApiKey, Clock, KeyLookup, PlanId, StoreError, Subject};

use crate::claims::{Claims, assumed_issuer};
use crate::config::{Config, ThrottleConfig};
use crate::event::Event;
use crate::refusal::{Code, Refusal};

/// The subject that a request is charged to, and its plan.
pub(crate) struct BucketOwner {
    pub(crate) subject: Subject,
    pub(crate) plan: Named,
}

/// The source that named a plan.
pub(crate) enum Named {
    /// The table, for the key or the subject.
    Assigned(PlanId),
    /// A claim. The table may have no such plan.
    Claimed(PlanId),
    /// A claim that cannot be a plan's name.
    Unusable,
    /// Nothing: the default plan applies.
    Nothing,
}

impl BucketOwner {
    /// Finds the subject by the configured claim or by the event's API key, and its plan.
    ///
    /// The plan is the key's own, else the subject's in the table, else the claim's, else the
    /// default.
    ///
    /// # Errors
    ///
    /// `claim` or `api_key` if the caller does not say who it is; `unavailable` or `config` if the
    /// table cannot be asked.
    pub(crate) async fn of<C: Clock>(
        event: &Event<'_>,
        claims: &Claims,
        config: &ThrottleConfig,
        lookup: Option<&KeyLookup<C>>,
    ) -> Result<Self, Refusal> {
        let lookup = match lookup {
            Some(lookup) => Some(lookup),
            None if config.looks_up() => return Err(Refusal::config("no table of keys and plans")),
            None => None,
        };
        let (subject, found) = match lookup {
            Some(lookup) if config.counts_by_api_key() => {
                let key = key(event, lookup).await?;
                let plan = lookup.plan_of_key(&key).await.map_err(|error| refused(&error))?;
                (key.subject.clone(), plan)
            }
            Some(lookup) if config.plan.assigned => {
                let subject = claimed(claims, config)?;
                let plan = lookup.plan_of(&subject).await.map_err(|error| refused(&error))?;
                (subject, plan)
            }
            _ => (claimed(claims, config)?, None),
        };
        let plan = match found {
            Some(plan) => Named::Assigned(plan),
            None => named(claims, config),
        };
        Ok(Self { subject, plan })
    }
}

/// Returns the subject that a claim names.
fn claimed(claims: &Claims, config: &ThrottleConfig) -> Result<Subject, Refusal> {
    subject(claims.members(), config, |text| claims.qualified(text))
}

fn subject(
    members: &Map<String, Value>,
    config: &ThrottleConfig,
    qualified: impl FnOnce(&str) -> String,
) -> Result<Subject, Refusal> {
    let text = config.subject.value(members).and_then(Value::as_str);
    text.and_then(|text| Subject::new(qualified(text)).ok())
        .ok_or(Refusal::claim("the claim of the limits' subject is missing"))
}

/// Returns the subject that a valid token with these claims would be charged to.
///
/// Nothing is verified: this is for operators who look for a caller, never for a request. Without
/// `iss` the only configured issuer is assumed.
///
/// # Errors
///
/// `claim` if the claims name no configured issuer, or no subject; `config` if no limits are
/// configured, or if they count by API key.
pub fn assumed_subject(members: &Map<String, Value>, config: &Config) -> Result<Subject, Refusal> {
    let issuer = assumed_issuer(members, &config.issuers)?;
    match &config.throttle {
        None => Err(Refusal::config("the configuration has no [throttle]")),
        Some(throttle) if throttle.counts_by_api_key() => {
            Err(Refusal::config("the limits count by API key, not by a claim"))
        }
        Some(throttle) => {
            let name = issuer.checks.stored_name(members);
            subject(members, throttle, |text| format!("{name}#{text}"))
        }
    }
}

/// Returns the plan that a claim names. Null counts as absent. A claim that is outside the token
/// (`_claim_names`) names no plan.
fn named(claims: &Claims, config: &ThrottleConfig) -> Named {
    let name = config.plan.claim.as_deref();
    if name.is_some_and(|name| policy::is_elsewhere(claims.members(), name)) {
        return Named::Unusable;
    }
    let claim = name.and_then(|name| claims.members().get(name));
    match claim.filter(|value| !value.is_null()) {
        None => Named::Nothing,
        Some(value) => {
            let plan = value.as_str().and_then(|text| PlanId::new(text).ok());
            plan.map_or(Named::Unusable, Named::Claimed)
        }
    }
}

/// Returns the event's API key from the table.
async fn key<C: Clock>(
    event: &Event<'_>,
    lookup: &KeyLookup<C>,
) -> Result<std::sync::Arc<ApiKey>, Refusal> {
    let refusal = |detail| Refusal::new(Code::ApiKey, detail);
    let sent = event.api_key().ok_or(refusal("the request does not have exactly one API key"))?;
    let found = lookup.key(sent).await.map_err(|error| refused(&error))?;
    // Does not reveal which of the three, so keys cannot be probed.
    found.ok_or(refusal("the API key is unknown, disabled or expired"))
}

/// Returns the refusal for a request whose key or plan cannot be looked up.
fn refused(error: &StoreError) -> Refusal {
    tracing::error!(%error, "keys and plans cannot be looked up");
    match error {
        StoreError::Failure(failure) if failure.may_pass() => {
            Refusal::unavailable("keys and plans cannot be looked up")
        }
        _ => Refusal::config("the table of keys and plans cannot be used"),
    }
}
