//! What a caller sees: the one place where a decision becomes an answer.
//!
//! A REST API knows three answers of an authorizer: the error `Unauthorized` (401), a policy
//! (the request goes on, or 403), and any other error (500). It can't be told 429 directly:
//! `Refuse` in the configuration says how that is done.

use std::fmt;

use lambda_runtime::Diagnostic;
use policy::{Document, DocumentError};
use serde::Serialize;
use throttle::Decision;

use crate::claims::Claims;
use crate::config::{Refuse, ThrottleConfig, UNKNOWN_KEY};
use crate::refusal::Refusal;

/// The answer to a TOKEN event, in API Gateway's form.
///
/// Members without a value are left out: API Gateway does not take `null` for "absent".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    principal_id: String,
    policy_document: Document,
    context: Context,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_identifier_key: Option<String>,
}

/// What the backend learns of the caller; strings, numbers and booleans alone.
///
/// A nested value makes API Gateway answer 500.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    groups: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    throttled: Option<bool>,
}

/// The principal and the context say who calls, and the usage key is a secret: none is shown.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("policy_document", &self.policy_document)
            .finish_non_exhaustive()
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

impl Response {
    /// The answer to a caller who is not throttled, or whose request is not counted.
    pub(crate) fn of(claims: &Claims, document: Document) -> Self {
        Self {
            principal_id: claims.subject().to_owned(),
            policy_document: document,
            context: Context {
                sub: claims.subject().to_owned(),
                client_id: claims.client().map(str::to_owned),
                scope: claims.scopes().join(" "),
                groups: claims.groups().join(" "),
                ..Context::default()
            },
            usage_identifier_key: None,
        }
    }

    /// Puts the caller on the usage plan of those who are let through.
    pub(crate) fn with_key(mut self, config: &ThrottleConfig) -> Self {
        self.usage_identifier_key = config.api_key().map(str::to_owned);
        self
    }

    /// Says what a plan decided, in the way that the configuration chose.
    ///
    /// `deny` makes the document that closes the whole API to this caller.
    ///
    /// # Errors
    ///
    /// Those of `deny`, where it is asked.
    pub(crate) fn with_decision(
        mut self,
        decision: &Decision,
        config: &ThrottleConfig,
        deny: impl FnOnce() -> Result<Document, DocumentError>,
    ) -> Result<Self, DocumentError> {
        self.context.plan = Some(decision.plan().to_string());
        self.context.limit = Some(decision.limit());
        self.context.remaining = Some(decision.remaining());
        if decision.is_allowed() {
            return Ok(self.with_key(config));
        }
        self.context.retry_after = decision.retry_after_seconds();
        self.context.throttled = Some(true);
        match config.refuse {
            Refuse::UnknownKey => self.usage_identifier_key = Some(UNKNOWN_KEY.to_owned()),
            Refuse::Deny => self.policy_document = deny()?,
            Refuse::Context => {}
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_s_fault_is_exactly_unauthorized() {
        for refusal in
            [Refusal::malformed("x"), Refusal::header("x"), Refusal::key("x"), Refusal::claim("x")]
        {
            let diagnostic = Diagnostic::from(Failure::from(refusal));
            assert_eq!(diagnostic.error_message, "Unauthorized");
        }
    }

    #[test]
    fn an_outage_is_anything_but_unauthorized() {
        for refusal in [Refusal::unavailable("x"), Refusal::config("x")] {
            let diagnostic = Diagnostic::from(Failure::from(refusal));
            assert!(!diagnostic.error_message.contains("Unauthorized"));
            assert_eq!(diagnostic.error_type, refusal.code().as_str());
        }
    }
}
