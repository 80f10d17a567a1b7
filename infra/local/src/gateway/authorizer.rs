//! The required form of an authorizer's output, and its meaning.
//!
//! A REST or WebSocket API takes a policy, and a context of strings, numbers and booleans, which
//! integrations see as text. An HTTP API takes a policy or a verdict, whichever it was set up for,
//! and any context, which its integrations see as it is.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::evaluate::{self, Decision, Policy};
use super::{Kind, Payload};
use crate::lambda::InvokeError;

/// The largest policy document, in bytes.
///
/// Documented for WebSocket APIs alone; held to everywhere here, because one function serves all.
const MAX_POLICY: usize = 8 * 1024;

/// An authorizer's result.
pub(super) struct Grant {
    /// A verdict has none, and a policy may come without one.
    pub(super) principal_id: Option<String>,
    verdict: Verdict,
    pub(super) context: Map<String, Value>,
    pub(super) usage_identifier_key: Option<String>,
}

enum Verdict {
    Policy(Policy),
    Simple {
        authorized: bool,
    },
    /// A route without an authorizer.
    Open,
}

impl Grant {
    /// The grant of a route without an authorizer.
    pub(super) fn open() -> Self {
        Self {
            principal_id: None,
            verdict: Verdict::Open,
            context: Map::new(),
            usage_identifier_key: None,
        }
    }

    /// Returns true for a route without an authorizer.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.verdict, Verdict::Open)
    }

    /// Decides one request: a policy is evaluated for it, a verdict applies to every request.
    pub(super) fn decide(&self, request: &evaluate::Request<'_>) -> Decision {
        match &self.verdict {
            Verdict::Policy(policy) => policy.evaluate(request),
            Verdict::Simple { authorized: true } | Verdict::Open => Decision::Allow,
            Verdict::Simple { authorized: false } => Decision::ExplicitDeny,
        }
    }

    /// The wait that the context asks for, in seconds: `gatewayresponse.header.Retry-After` set to
    /// `context.authorizer.retryAfter`.
    pub(super) fn retry_after(&self) -> Option<u64> {
        let value = self.context.get("retryAfter")?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    /// True if the authorizer allowed a throttled caller so that the backend refuses it.
    pub(super) fn is_throttled(&self) -> bool {
        match self.context.get("throttled") {
            Some(Value::Bool(throttled)) => *throttled,
            Some(Value::String(text)) => text == "true",
            _ => false,
        }
    }
}

/// Errors of calling the authorizer's function.
pub(super) enum Outcome {
    Grant(Grant),
    /// The error message was exactly `Unauthorized`.
    Unauthorized,
    /// The function did not come to an end.
    Failure(String),
    /// Any other error, or an output of the wrong form.
    Configuration(String),
}

/// Tells what the function's answer means to API Gateway.
pub(super) fn outcome(kind: Kind, answer: Result<Bytes, InvokeError>) -> Outcome {
    match answer {
        Ok(output) => match grant(kind, &output) {
            Ok(grant) => Outcome::Grant(grant),
            Err(reason) => Outcome::Configuration(reason),
        },
        Err(InvokeError::Function { error_message, .. }) if error_message == "Unauthorized" => {
            Outcome::Unauthorized
        }
        Err(error @ (InvokeError::Function { .. } | InvokeError::Payload)) => {
            Outcome::Configuration(error.to_string())
        }
        Err(error) => Outcome::Failure(error.to_string()),
    }
}

/// Reads an output. Reasons name members, never values: those may be claims.
fn grant(kind: Kind, output: &[u8]) -> Result<Grant, String> {
    if kind == Kind::Http(Payload::Simple) { simple(output) } else { with_policy(kind, output) }
}

fn with_policy(kind: Kind, output: &[u8]) -> Result<Grant, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Output {
        // One that is missing or a number is accepted, as users of deployed APIs report.
        principal_id: Option<Value>,
        policy_document: Value,
        // A serializer that writes null for what is not set is common; it means absent.
        context: Option<Map<String, Value>>,
        usage_identifier_key: Option<String>,
    }
    let output: Output = serde_json::from_slice(output).map_err(|error| place(&error))?;
    if output.policy_document.to_string().len() > MAX_POLICY {
        return Err(format!("`policyDocument` is larger than {MAX_POLICY} bytes"));
    }
    let policy = Policy::parse(&output.policy_document).map_err(|error| error.to_string())?;
    let context = output.context.unwrap_or_default();
    Ok(Grant {
        principal_id: output.principal_id.and_then(principal),
        verdict: Verdict::Policy(policy),
        context: if kind.is_http() { context } else { flat(context)? },
        usage_identifier_key: output.usage_identifier_key,
    })
}

/// A principal as text.
fn principal(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn simple(output: &[u8]) -> Result<Grant, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Output {
        is_authorized: bool,
        context: Option<Map<String, Value>>,
    }
    let output: Output = serde_json::from_slice(output).map_err(|error| place(&error))?;
    Ok(Grant {
        principal_id: None,
        verdict: Verdict::Simple { authorized: output.is_authorized },
        context: output.context.unwrap_or_default(),
        usage_identifier_key: None,
    })
}

/// The place of an error in an output, without serde's text, which may quote values.
fn place(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    format!("it is not an authorizer's output (line {line}, column {column})")
}

/// The context as text, which nothing nested has.
fn flat(context: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let text = |(name, value): (String, Value)| match value {
        Value::String(_) => Ok((name, value)),
        Value::Number(number) => Ok((name, number.to_string().into())),
        Value::Bool(bool) => Ok((name, bool.to_string().into())),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(format!("`context.{name}` is not a string, number or boolean"))
        }
    };
    context.into_iter().map(text).collect()
}

#[cfg(test)]
pub(super) mod tests;
