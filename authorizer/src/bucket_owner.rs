//! The subject whose bucket is charged, its plan, and its parents.

use std::sync::Arc;

use serde_json::{Map, Value};
use throttle::{ApiKey, Clock, KeyAnswer, KeyLookup, PlanId, Subject};

use crate::caller::{KeyCaller, VerifiedCaller};
use crate::claims::{Claims, assumed_issuer};
use crate::config::{Config, ThrottleConfig};
use crate::event::Event;
use crate::parents::{self, Parents, refused};
use crate::refusal::{Code, Refusal};

/// The subject that a request is charged to, its plan and its parents.
pub(crate) struct BucketOwner {
    pub(crate) subject: Subject,
    pub(crate) plan: Named,
    /// The subjects whose limits apply too, nearest first.
    pub(crate) parents: Parents,
}

/// The source that named a plan.
pub(crate) enum Named {
    /// The table, for the key or the subject.
    Assigned(PlanId),
    /// A claim. The table may have no such plan.
    Claimed(PlanId),
    /// A claim that cannot be a plan's name.
    Unusable,
    /// No source: the default plan applies.
    Nothing,
}

impl BucketOwner {
    /// Finds the subject by the configured claim, the API key or the address, its plan and parents.
    ///
    /// The plan is the key's own, else the subject's in the table, else the claim's, else the
    /// default. Callers without a credential get the plan `anonymous`, or the default. Assigned
    /// parents are those of the key's subject if the key identifies the caller, else those of the
    /// charged subject.
    ///
    /// # Errors
    ///
    /// `claim` or `malformed` if the request has no valid subject; `unavailable` or `config` if the
    /// table cannot be read.
    pub(crate) async fn of<C: Clock>(
        event: &Event<'_>,
        caller: &VerifiedCaller,
        config: &ThrottleConfig,
        table: Option<&KeyLookup<C>>,
    ) -> Result<Self, Refusal> {
        let lookup = || table.ok_or(Refusal::config("no table of keys and plans"));
        let key = caller.key.as_ref().map(KeyCaller::key);
        let (subject, found, assignee) = match (&caller.claims, key) {
            (None, None) => {
                let plan = config.plan.anonymous.clone();
                (address(event)?, Ok(plan), None)
            }
            (None, Some(key)) => {
                let by_address = config.counts_by_address();
                let subject = if by_address { address(event)? } else { key.subject.clone() };
                (subject, lookup()?.plan_of_key(key).await, Some(key.subject.clone()))
            }
            (Some(_), Some(key)) if config.counts_by_api_key() => {
                let subject = key.subject.clone();
                (subject, lookup()?.plan_of_key(key).await, Some(key.subject.clone()))
            }
            (Some(claims), _) => {
                let by_address = config.counts_by_address();
                let subject = if by_address { address(event)? } else { claimed(claims, config)? };
                let assignee = config.plan.assigned.then(|| subject.clone());
                let plan = match &assignee {
                    Some(assignee) => lookup()?.plan_of(assignee).await,
                    None => Ok(None),
                };
                (subject, plan, assignee)
            }
        };
        let plan = match (found.map_err(|error| refused(&error))?, &caller.claims) {
            (Some(plan), _) => Named::Assigned(plan),
            (None, Some(claims)) => named(claims, config),
            (None, None) => Named::Nothing,
        };
        let claims = caller.claims.as_deref();
        let parents = parents::find(&subject, assignee.as_ref(), claims, config, table).await?;
        Ok(Self { subject, plan, parents })
    }
}

/// Returns the subject of the caller's address.
fn address(event: &Event<'_>) -> Result<Subject, Refusal> {
    let address = event.source_ip().map(Subject::of_address);
    address.ok_or(Refusal::malformed("the event has no source address"))
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
        Some(throttle) if throttle.counts_by_address() => {
            Err(Refusal::config("the limits count by source address, not by a claim"))
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

/// Returns the API key with this text from the table, if it is accepted in the called stage.
///
/// # Errors
///
/// `api_key` if the key is not accepted; `unavailable` or `config` if the table cannot be read.
pub(crate) async fn look_up<C: Clock>(
    text: &str,
    event: &Event<'_>,
    lookup: &KeyLookup<C>,
) -> Result<Arc<ApiKey>, Refusal> {
    let found = lookup.key(text, event.source_ip()).await.map_err(|error| refused(&error))?;
    let detail = match found {
        KeyAnswer::Valid(key) if !is_for_stage(&key, event) => "the API key is for another stage",
        KeyAnswer::Valid(key) => return Ok(key),
        KeyAnswer::Disabled => "the API key is disabled",
        KeyAnswer::Expired => "the API key has expired",
        KeyAnswer::Unknown => "the API key is unknown",
        KeyAnswer::Malformed => "the API key is mistyped: it has no key's form",
        KeyAnswer::OverBudget => "too many unknown API keys: further ones are not looked up",
    };
    Err(Refusal::new(Code::ApiKey, detail))
}

fn is_for_stage(key: &ApiKey, event: &Event<'_>) -> bool {
    key.record.details.rights.is_for_stage(event.arn().stage())
}
