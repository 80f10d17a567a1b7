//! Responses: the only place that decides what a caller sees.
//!
//! An authorizer cannot choose the status. API Gateway derives it from the response:
//!
//! | response | REST and WebSocket API | HTTP API |
//! |---|---|---|
//! | a policy or verdict that allows | the request goes on | the request goes on |
//! | a policy or verdict that denies | 403 | 403 |
//! | the error `Unauthorized` | 401 | not documented; reported to be 401 |
//! | any other error | 500 | 500 |
//!
//! For an invalid token, the authorizer returns an error if the API needs one for a 401. Otherwise
//! it returns a Deny, which Lambda does not count as an error. If the keys or the table are
//! unavailable, it returns an error for every API, because a Deny would blame the caller and could
//! be cached. No response gives 429 by itself; see [`Refuse`].

use std::fmt;

use lambda_runtime::Diagnostic;
use policy::{Document, MethodArn};
use serde::Serialize;
use serde_json::{Map, Value};
use throttle::{Decision, Standing};

use crate::caller::{NOBODY, VerifiedCaller};
use crate::charged::Charged;
use crate::config::{
    Config, HttpForm, HttpUnauthorized, Refuse, ResponseConfig, ThrottleConfig, UNKNOWN_KEY,
};
use crate::event::{Event, EventKind};
use crate::refusal::Refusal;

/// The response to an event, in API Gateway's form.
///
/// Members without a value are left out, because API Gateway does not accept `null`.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Response(Body);

#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    Policy(Policy),
    Verdict(Verdict),
}

/// A policy: all routes that the caller may call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    principal_id: String,
    policy_document: Document,
    #[serde(skip_serializing_if = "Context::is_empty")]
    context: Context,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_identifier_key: Option<String>,
}

/// The simple response to payload 2.0: a verdict on this request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    is_authorized: bool,
    #[serde(skip_serializing_if = "Context::is_empty")]
    context: Context,
}

/// Shows neither the principal nor the context, which identify the caller, nor the usage key, which
/// is a secret.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Response");
        match &self.0 {
            Body::Policy(policy) => shown.field("policy_document", &policy.policy_document),
            Body::Verdict(verdict) => shown.field("is_authorized", &verdict.is_authorized),
        };
        shown.finish_non_exhaustive()
    }
}

/// An error that API Gateway answers with 401 or 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 401: the message must be this word exactly.
    Unauthorized,
    /// 500: not the caller's fault.
    Internal {
        /// The stable code of the refusal.
        code: &'static str,
    },
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        if refusal.code().is_callers_fault() {
            Self::Unauthorized
        } else {
            Self::Internal { code: refusal.code().as_str() }
        }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unauthorized => Self {
                error_type: "Unauthorized".to_owned(),
                error_message: "Unauthorized".to_owned(),
            },
            Failure::Internal { code } => Self {
                error_type: code.to_owned(),
                error_message: format!("the authorizer failed: {code}"),
            },
        }
    }
}

/// The outcome for a verified caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Allowed,
    /// The rules do not allow the route.
    Forbidden,
    /// The caller is over its limit.
    Throttled,
    /// The caller has no plan, so it may call nothing.
    NoPlan,
    /// The assigned parents of the caller are a loop or too many, so it may call nothing.
    WrongParents,
    /// The caller's claims make its policy too long, so it may call nothing.
    LongPolicy,
}

impl Outcome {
    /// The outcome's code in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
            Self::Throttled => "throttled",
            Self::NoPlan => "no_plan",
            Self::WrongParents => "wrong_parents",
            Self::LongPolicy => "long_policy",
        }
    }
}

/// The decision on a request of a verified caller.
pub(crate) struct Decided<'a> {
    pub(crate) caller: &'a VerifiedCaller,
    pub(crate) outcome: Outcome,
    /// The policy from the rules; `None` if it is too long.
    pub(crate) policy: Option<Document>,
    /// The charge, if the request was charged.
    pub(crate) charged: Option<&'a Charged>,
}

impl Response {
    /// Returns true if the response to this kind of event has a policy. Only payload 2.0's simple
    /// form has none.
    pub(crate) fn has_policy(kind: EventKind, config: &ResponseConfig) -> bool {
        !(kind == EventKind::Http2 && config.http == HttpForm::Simple)
    }

    /// The response to a verified caller.
    pub(crate) fn decided(event: &Event<'_>, config: &Config, decided: Decided<'_>) -> Self {
        let Decided { caller, outcome, policy, charged } = decided;
        let context = Context::of(caller, charged);
        let throttle = config.throttle.as_ref();
        let refuse = throttle.map(|throttle| how(throttle.refuse, event.kind()));
        if !Self::has_policy(event.kind(), &config.response) {
            let is_authorized = match outcome {
                Outcome::Allowed => true,
                Outcome::Throttled => refuse == Some(Refuse::Context),
                Outcome::Forbidden
                | Outcome::NoPlan
                | Outcome::WrongParents
                | Outcome::LongPolicy => false,
            };
            return Self(Body::Verdict(Verdict { is_authorized, context }));
        }
        let policy = match outcome {
            // Also for a forbidden route, because the policy may be cached and used for another
            // route.
            Outcome::Allowed | Outcome::Forbidden => policy,
            Outcome::Throttled => policy.filter(|_| refuse != Some(Refuse::Deny)),
            Outcome::NoPlan | Outcome::WrongParents | Outcome::LongPolicy => None,
        };
        let usage_identifier_key = match outcome {
            _ if event.kind().is_http() => None,
            Outcome::NoPlan | Outcome::WrongParents | Outcome::LongPolicy => None,
            Outcome::Throttled if refuse == Some(Refuse::UnknownKey) => Some(UNKNOWN_KEY),
            Outcome::Allowed | Outcome::Forbidden | Outcome::Throttled => {
                throttle.and_then(ThrottleConfig::api_key)
            }
        };
        Self(Body::Policy(Policy {
            principal_id: caller.principal().to_owned(),
            policy_document: policy.unwrap_or_else(|| closed(Some(event.arn()))),
            context,
            usage_identifier_key: usage_identifier_key.map(str::to_owned),
        }))
    }

    /// The response to a request that is refused before its caller is verified, or that fails.
    ///
    /// # Errors
    ///
    /// The failures that API Gateway answers with 401 or 500.
    pub(crate) fn refused(
        kind: Option<EventKind>,
        arn: Option<&MethodArn<'_>>,
        refusal: Refusal,
        config: &ResponseConfig,
    ) -> Result<Self, Failure> {
        let denies = config.http_unauthorized == HttpUnauthorized::Deny;
        let Some(kind) = kind.filter(|kind| kind.is_http() && denies) else {
            return Err(refusal.into());
        };
        if !refusal.code().is_callers_fault() {
            return Err(refusal.into());
        }
        let context = Context::default();
        if !Self::has_policy(kind, config) {
            return Ok(Self(Body::Verdict(Verdict { is_authorized: false, context })));
        }
        Ok(Self(Body::Policy(Policy {
            principal_id: NOBODY.to_owned(),
            policy_document: closed(arn),
            context,
            usage_identifier_key: None,
        })))
    }
}

/// The context of a response: strings, numbers and booleans only.
///
/// A nested value or null makes API Gateway answer 500, so both are left out. A text with a control
/// character is left out too, because an integration that copies it into a header fails.
#[derive(Default, Serialize)]
#[serde(transparent)]
struct Context(Map<String, Value>);

impl Context {
    /// Makes the context from a caller and its charge. Missing values are left out.
    fn of(caller: &VerifiedCaller, charged: Option<&Charged>) -> Self {
        let mut context = Self::default();
        for (name, value) in caller.context() {
            context.put(name, Some(value));
        }
        if let Some(charged) = charged {
            let Charged { subject, decision, .. } = charged;
            // With these subjects, a backend that charges requests too can use the same buckets.
            context.put("subject", Some(subject.as_str()));
            context.put("parents", charged.parents_json());
            context.put("plan", Some(decision.plan().as_str()));
            // Not shown if the plan is unlimited, if it fails open while the table is unavailable,
            // or if its limits are not enforced.
            let parents = decision.parents().iter().map(|(_, decision)| decision);
            let mut standings =
                std::iter::once(decision).chain(parents).flat_map(Decision::standings);
            let limited = standings.any(Standing::is_enforced);
            context.put("limit", limited.then(|| decision.limit()));
            context.put("remaining", limited.then(|| decision.remaining()));
            context.put("limitOf", charged.tightest().filter(|_| limited));
            context.put("counted", (!limited && decision.is_allowed()).then_some(true));
            context.put("retryAfter", decision.retry_after_seconds());
            context.put("throttled", (!decision.is_allowed()).then_some(true));
            context.put("wouldThrottle", charged.would_throttle());
        }
        context
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        match value.map(Into::into) {
            Some(Value::String(text)) if text.contains(char::is_control) => {}
            Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => {
                self.0.insert(name.to_owned(), value);
            }
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => {}
        }
    }
}

/// Returns the way to refuse an event of this kind.
///
/// If API Gateway does not check keys, an unknown key would admit every request. HTTP APIs have no
/// keys, and WebSocket APIs check them only if the API and the route are configured for it, which
/// is not the default. So the response there is a Deny, which gives 403.
fn how(refuse: Refuse, kind: EventKind) -> Refuse {
    match (refuse, kind) {
        (Refuse::UnknownKey, EventKind::WebSocket | EventKind::Http1 | EventKind::Http2) => {
            Refuse::Deny
        }
        _ => refuse,
    }
}

/// Returns the policy that denies the whole stage, or everything if the ARN cannot be parsed,
/// because its path is the caller's text.
fn closed(arn: Option<&MethodArn<'_>>) -> Document {
    arn.and_then(|arn| Document::deny_all(arn).ok()).unwrap_or_else(Document::deny_everything)
}

#[cfg(test)]
mod tests;
