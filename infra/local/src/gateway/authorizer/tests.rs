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
    for (value, expected) in [(Value::Null, None), (json!(7), Some("7")), (json!("a"), Some("a"))] {
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
