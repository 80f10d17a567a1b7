//! What a caller sees: the one place where a decision becomes an answer.
//!
//! An authorizer can't choose a status. What it can say, and what becomes of it:
//!
//! | said | REST and WebSocket API | HTTP API |
//! |---|---|---|
//! | a policy or verdict that allows | the request goes on | the request goes on |
//! | a policy or verdict that refuses | 403 | 403 |
//! | the error `Unauthorized` | 401 | not documented; reported to be 401 |
//! | any other error | 500 | 500 |
//!
//! So a token that is not good is an error where a 401 can be had by one alone, and a refusal
//! elsewhere, which Lambda does not count among the function's errors. Keys or a table that can't
//! be had are an error everywhere: a refusal would blame the caller, and be cached. None of them
//! is a 429: `Refuse` in the configuration says how that is done.

mod context;

use std::fmt;

use lambda_runtime::Diagnostic;
use policy::{Document, MethodArn};
use serde::Serialize;
use throttle::{Decision, Subject};

use crate::claims::Claims;
use crate::config::{
    Config, HttpForm, HttpUnauthorized, Refuse, ResponseConfig, ThrottleConfig, UNKNOWN_KEY,
};
use crate::event::{Event, Form};
use crate::refusal::Refusal;
use context::Context;

/// The principal of an answer that refuses a caller who is not known.
const NOBODY: &str = "anonymous";

/// The answer to an event, in API Gateway's form.
///
/// Members without a value are left out: API Gateway does not take `null` for "absent".
#[derive(Serialize)]
#[serde(transparent)]
pub struct Response(Body);

#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    Policy(Policy),
    Verdict(Verdict),
}

/// The answer to all forms: all that the caller may call.
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

/// The simple answer to payload 2.0: whether this one request may go on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    is_authorized: bool,
    #[serde(skip_serializing_if = "Context::is_empty")]
    context: Context,
}

/// The principal and the context say who calls, and the usage key is a secret: none is shown.
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

/// The error that becomes API Gateway's 401 or 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 401: the message must be this very word, and nothing more.
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

/// What was decided about a caller who is known.
pub(crate) struct Decided<'a> {
    /// Who calls.
    pub(crate) claims: &'a Claims,
    /// Whether the rules allow the route that was asked for.
    pub(crate) allowed: bool,
    /// What the caller's plan says, where there are limits and the request was counted.
    pub(crate) charged: Option<&'a Charged>,
}

/// A request that was counted.
pub(crate) struct Charged {
    /// Whose bucket it was charged to.
    pub(crate) subject: Subject,
    /// What came of it.
    pub(crate) decision: Decision,
}

impl Decided<'_> {
    fn is_throttled(&self) -> bool {
        self.charged.is_some_and(|charged| !charged.decision.is_allowed())
    }
}

impl Response {
    /// Whether this kind of answer can be given to such an event at all.
    ///
    /// # Errors
    ///
    /// `config` for an HTTP API, which has no usage plans, where a refusal is to be said by a key.
    pub(crate) fn check(form: Form, throttle: &ThrottleConfig) -> Result<(), Refusal> {
        if form.is_http() && throttle.refuse == Refuse::UnknownKey {
            return Err(Refusal::config(
                "an HTTP API has no usage plans: set `refuse` to \"deny\" or \"context\"",
            ));
        }
        Ok(())
    }

    /// Returns whether the answer is a policy: all but payload 2.0's simple form.
    pub(crate) fn has_policy(form: Form, config: &ResponseConfig) -> bool {
        !(form == Form::Http2 && config.http == HttpForm::Simple)
    }

    /// The answer to a caller who is known; `policy` is all that the rules let it call, where the
    /// answer has one.
    pub(crate) fn decided(
        event: &Event<'_>,
        config: &Config,
        decided: &Decided<'_>,
        policy: Option<Document>,
    ) -> Self {
        let context = Context::of(decided.claims, decided.charged);
        let refuse = match &config.throttle {
            Some(throttle) if decided.is_throttled() => Some(how(throttle.refuse, event.form())),
            _ => None,
        };
        let Some(policy) = policy else {
            let is_authorized = decided.allowed && refuse.is_none_or(|how| how == Refuse::Context);
            return Self(Body::Verdict(Verdict { is_authorized, context }));
        };
        let policy_document = match refuse {
            Some(Refuse::Deny) => closed(Some(event.arn())),
            _ => policy,
        };
        // There for a route that is forbidden too: the policy may be cached for another.
        let usage_identifier_key = match &config.throttle {
            Some(throttle) if !event.form().is_http() => match refuse {
                Some(Refuse::UnknownKey) => Some(UNKNOWN_KEY),
                _ => throttle.api_key(),
            },
            _ => None,
        };
        Self(Body::Policy(Policy {
            principal_id: decided.claims.principal().to_owned(),
            policy_document,
            context,
            usage_identifier_key: usage_identifier_key.map(str::to_owned),
        }))
    }

    /// The answer to a caller who is known and may call nothing: 403 for every form.
    pub(crate) fn denied(event: &Event<'_>, config: &Config, claims: &Claims) -> Self {
        let context = Context::of(claims, None);
        if !Self::has_policy(event.form(), &config.response) {
            return Self(Body::Verdict(Verdict { is_authorized: false, context }));
        }
        Self(Body::Policy(Policy {
            principal_id: claims.principal().to_owned(),
            policy_document: closed(Some(event.arn())),
            context,
            usage_identifier_key: None,
        }))
    }

    /// The answer to a request that is refused before its caller is known, or that fails.
    ///
    /// # Errors
    ///
    /// What API Gateway makes a 401 or a 500 of.
    pub(crate) fn refused(
        form: Form,
        arn: Option<&MethodArn<'_>>,
        refusal: Refusal,
        config: &ResponseConfig,
    ) -> Result<Self, Failure> {
        let says_so = form.is_http() && config.http_unauthorized == HttpUnauthorized::Deny;
        if !refusal.code().is_callers_fault() || !says_so {
            return Err(refusal.into());
        }
        if !Self::has_policy(form, config) {
            let context = Context::default();
            return Ok(Self(Body::Verdict(Verdict { is_authorized: false, context })));
        }
        Ok(Self(Body::Policy(Policy {
            principal_id: NOBODY.to_owned(),
            policy_document: closed(arn),
            context: Context::default(),
            usage_identifier_key: None,
        })))
    }
}

/// Returns the way in which an event of this form is refused.
///
/// API Gateway checks the key of a WebSocket connection only if the API selects it and the route
/// requires it. Neither is the default, so an unknown key would let every connection through. A
/// Deny refuses with the same 403.
fn how(refuse: Refuse, form: Form) -> Refuse {
    match (refuse, form) {
        (Refuse::UnknownKey, Form::WebSocket) => Refuse::Deny,
        _ => refuse,
    }
}

/// The policy that denies the whole stage, or everything if the ARN cannot be read: the path in it
/// is the caller's.
fn closed(arn: Option<&MethodArn<'_>>) -> Document {
    arn.and_then(|arn| Document::deny_all(arn).ok()).unwrap_or_else(Document::deny_everything)
}

#[cfg(test)]
mod tests;
