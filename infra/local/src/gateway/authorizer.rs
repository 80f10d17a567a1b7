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
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    const REST: Kind = Kind::RestToken;

    fn output(change: impl FnOnce(&mut Value)) -> Bytes {
        let mut output = json!({
            "principalId": "alice",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": "arn:aws:execute-api:us-east-1:123456789012:t0llgate00/local/*",
                }],
            },
            "context": {"plan": "free", "retryAfter": 3, "trial": false},
            "usageIdentifierKey": "the-key-of-this-stage",
        });
        change(&mut output);
        Bytes::from(output.to_string())
    }

    /// A grant for other modules' tests.
    pub(in crate::gateway) fn grant() -> Grant {
        super::grant(REST, &output(|_| {})).unwrap_or_else(|error| panic!("{error}"))
    }

    fn reason(change: impl FnOnce(&mut Value)) -> String {
        match outcome(REST, Ok(output(change))) {
            Outcome::Configuration(reason) => reason,
            _ => panic!("a grant from a wrong output"),
        }
    }

    #[test]
    fn an_output_is_read_and_its_context_becomes_text() {
        let grant = grant();
        assert_eq!(grant.principal_id.as_deref(), Some("alice"));
        assert_eq!(grant.usage_identifier_key.as_deref(), Some("the-key-of-this-stage"));
        let expected = json!({"plan": "free", "retryAfter": "3", "trial": "false"});
        assert_eq!(Value::Object(grant.context.clone()), expected);
        assert_eq!(grant.retry_after(), Some(3));
    }

    #[test]
    fn a_principal_may_be_missing_or_a_number() {
        for (value, expected) in
            [(Value::Null, None), (json!(7), Some("7")), (json!("a"), Some("a"))]
        {
            let read = super::grant(REST, &output(|output| output["principalId"] = value.clone()));
            let grant = read.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(grant.principal_id.as_deref(), expected, "{value}");
        }
        let without = output(|o| drop(o.as_object_mut().unwrap().remove("principalId")));
        assert!(super::grant(REST, &without).is_ok());
    }

    #[test]
    fn members_that_are_null_are_absent() {
        let read = super::grant(
            REST,
            &output(|output| {
                output["context"] = Value::Null;
                output["usageIdentifierKey"] = Value::Null;
            }),
        );
        let grant = read.unwrap_or_else(|error| panic!("{error}"));
        assert!(grant.context.is_empty() && grant.usage_identifier_key.is_none());
        assert_eq!(grant.retry_after(), None);
    }

    #[test]
    fn a_wrong_output_is_a_configuration_error_that_tells_no_values() {
        for change in [
            |o: &mut Value| drop(o.as_object_mut().unwrap().remove("policyDocument")),
            |o: &mut Value| o["context"] = json!(["free"]),
            |o: &mut Value| *o = json!("secret"),
        ] {
            assert!(reason(change).starts_with("it is not an authorizer's output"));
        }
        assert_eq!(
            reason(|o| o["context"]["nested"] = json!({"secret": 1})),
            "`context.nested` is not a string, number or boolean"
        );
        assert!(reason(|o| o["context"]["nothing"] = Value::Null).contains("nothing"));
        assert_eq!(
            reason(|o| o["policyDocument"]["Id"] = json!("x".repeat(MAX_POLICY))),
            "`policyDocument` is larger than 8192 bytes"
        );
    }

    #[test]
    fn only_the_exact_word_is_a_401() {
        let error = |message: &str| {
            let (error_type, error_message) = ("E".into(), message.into());
            outcome(REST, Err(InvokeError::Function { error_type, error_message }))
        };
        assert!(matches!(error("Unauthorized"), Outcome::Unauthorized));
        for other in ["unauthorized", "Unauthorized: expired", " Unauthorized", ""] {
            assert!(matches!(error(other), Outcome::Configuration(_)), "{other}");
        }
        let late = outcome(REST, Err(InvokeError::Exit("exit status 1".into())));
        assert!(matches!(late, Outcome::Failure(_)));
    }

    #[test]
    fn an_http_api_keeps_the_context_as_it_is() {
        let read = super::grant(
            Kind::Http(Payload::V2),
            &output(|output| output["context"]["list"] = json!([1, {"a": null}])),
        );
        let grant = read.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(grant.context["list"], json!([1, {"a": null}]));
        assert_eq!(grant.context["trial"], false);
        assert_eq!(grant.retry_after(), Some(3));
    }

    #[test]
    fn a_verdict_is_for_all_and_only_where_it_was_asked_for() {
        let request = evaluate::Request { arn: "any", source: [127, 0, 0, 1].into(), now_ms: 0 };
        let simple = Kind::Http(Payload::Simple);
        for (authorized, expected) in [(true, Decision::Allow), (false, Decision::ExplicitDeny)] {
            let output = json!({"isAuthorized": authorized, "context": null}).to_string();
            let grant = super::grant(simple, output.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(grant.decide(&request), expected);
            assert!(grant.principal_id.is_none() && grant.context.is_empty());
            assert!(super::grant(Kind::Http(Payload::V2), output.as_bytes()).is_err());
        }
        assert!(super::grant(simple, &output(|_| {})).is_err(), "a policy is not a verdict");
        assert!(super::grant(simple, br#"{"isAuthorized":"true"}"#).is_err());
    }
}
