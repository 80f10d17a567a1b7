//! The TOKEN authorizer: what the function is asked, and what its output must look like.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::evaluate::Policy;
use crate::lambda::InvokeError;

/// The largest policy document, in bytes.
///
/// Documented for WebSocket APIs alone; held to everywhere here, because one function serves both.
const MAX_POLICY: usize = 8 * 1024;

/// What the authorizer grants.
pub(super) struct Grant {
    pub(super) principal_id: String,
    pub(super) policy: Policy,
    /// Strings, numbers and booleans alone, each as the text that an integration sees.
    pub(super) context: BTreeMap<String, String>,
    pub(super) usage_identifier_key: Option<String>,
}

impl Grant {
    /// The wait that the context asks for, in seconds: `gatewayresponse.header.Retry-After` set to
    /// `context.authorizer.retryAfter`.
    pub(super) fn retry_after(&self) -> Option<u64> {
        self.context.get("retryAfter")?.parse().ok()
    }
}

/// How asking the function ended.
pub(super) enum Outcome {
    Grant(Grant),
    /// The error message was exactly `Unauthorized`.
    Unauthorized,
    /// The function did not come to an end.
    Failure(String),
    /// Any other error, or an output of the wrong form.
    Configuration(String),
}

/// The event of a TOKEN authorizer: these three members and no others.
pub(super) fn event(token: &str, method_arn: &str) -> Bytes {
    let event = json!({ "type": "TOKEN", "authorizationToken": token, "methodArn": method_arn });
    Bytes::from(event.to_string())
}

/// Tells what the function's answer means to API Gateway.
pub(super) fn outcome(answer: Result<Bytes, InvokeError>) -> Outcome {
    match answer {
        Ok(output) => match grant(&output) {
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
fn grant(output: &[u8]) -> Result<Grant, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Output {
        principal_id: String,
        policy_document: Value,
        // A serializer that writes null for what is not set is common; it means absent.
        context: Option<BTreeMap<String, Value>>,
        usage_identifier_key: Option<String>,
    }
    let output: Output = serde_json::from_slice(output).map_err(|error| {
        // serde's own text may quote the output.
        format!(
            "it is not an authorizer's output (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    if output.policy_document.to_string().len() > MAX_POLICY {
        return Err(format!("`policyDocument` is larger than {MAX_POLICY} bytes"));
    }
    let policy = Policy::parse(&output.policy_document).map_err(|error| error.to_string())?;
    let mut context = BTreeMap::new();
    for (name, value) in output.context.unwrap_or_default() {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(bool) => bool.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(format!("`context.{name}` is not a string, number or boolean"));
            }
        };
        context.insert(name, text);
    }
    Ok(Grant {
        principal_id: output.principal_id,
        policy,
        context,
        usage_identifier_key: output.usage_identifier_key,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

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
        super::grant(&output(|_| {})).unwrap_or_else(|error| panic!("{error}"))
    }

    fn reason(change: impl FnOnce(&mut Value)) -> String {
        match outcome(Ok(output(change))) {
            Outcome::Configuration(reason) => reason,
            _ => panic!("a grant from a wrong output"),
        }
    }

    #[test]
    fn the_event_has_three_members() {
        let event: Value = serde_json::from_slice(&event("Bearer \"x", "arn")).unwrap();
        assert_eq!(
            event,
            json!({"type": "TOKEN", "authorizationToken": "Bearer \"x", "methodArn": "arn"})
        );
    }

    #[test]
    fn an_output_is_read_and_its_context_becomes_text() {
        let grant = grant();
        assert_eq!(grant.principal_id, "alice");
        assert_eq!(grant.usage_identifier_key.as_deref(), Some("the-key-of-this-stage"));
        let context: Vec<_> = grant.context.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(context, [("plan", "free"), ("retryAfter", "3"), ("trial", "false")]);
        assert_eq!(grant.retry_after(), Some(3));
    }

    #[test]
    fn members_that_are_null_are_absent() {
        let read = super::grant(&output(|output| {
            output["context"] = Value::Null;
            output["usageIdentifierKey"] = Value::Null;
        }));
        let grant = read.unwrap_or_else(|error| panic!("{error}"));
        assert!(grant.context.is_empty() && grant.usage_identifier_key.is_none());
        assert_eq!(grant.retry_after(), None);
    }

    #[test]
    fn a_wrong_output_is_a_configuration_error_that_tells_no_values() {
        for change in [
            |o: &mut Value| drop(o.as_object_mut().unwrap().remove("principalId")),
            |o: &mut Value| o["principalId"] = json!(1),
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
            outcome(Err(InvokeError::Function {
                error_type: "E".into(),
                error_message: message.into(),
            }))
        };
        assert!(matches!(error("Unauthorized"), Outcome::Unauthorized));
        for other in ["unauthorized", "Unauthorized: expired", " Unauthorized", ""] {
            assert!(matches!(error(other), Outcome::Configuration(_)), "{other}");
        }
        let late = outcome(Err(InvokeError::Exit("exit status 1".into())));
        assert!(matches!(late, Outcome::Failure(_)));
    }
}
