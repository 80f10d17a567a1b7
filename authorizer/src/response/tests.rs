use super::*;
use crate::refusal::Code;

const CALLERS: [Code; 7] = [
    Code::Malformed,
    Code::Header,
    Code::Key,
    Code::Signature,
    Code::Claim,
    Code::Revoked,
    Code::ApiKey,
];
const OURS: [Code; 3] = [Code::Unavailable, Code::Config, Code::Panic];
const KINDS: [EventKind; 5] = [
    EventKind::RestToken,
    EventKind::RestRequest,
    EventKind::Http1,
    EventKind::Http2,
    EventKind::WebSocket,
];

fn arn() -> MethodArn<'static> {
    MethodArn::parse("arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/x").unwrap()
}

fn refused(kind: EventKind, code: Code, text: &str) -> Result<serde_json::Value, Failure> {
    let config: ResponseConfig = toml::from_str(text).unwrap();
    let refusal = Refusal::new(code, "x");
    let response = Response::refused(Some(kind), Some(&arn()), refusal, &config)?;
    Ok(serde_json::to_value(response).unwrap())
}

#[test]
fn a_caller_s_fault_is_exactly_unauthorized_where_it_is_an_error() {
    for code in CALLERS {
        for kind in [EventKind::RestToken, EventKind::RestRequest, EventKind::WebSocket] {
            assert_eq!(refused(kind, code, ""), Err(Failure::Unauthorized), "{kind:?}");
        }
        for kind in [EventKind::Http1, EventKind::Http2] {
            let outcome = refused(kind, code, "http_unauthorized = \"error\"");
            assert_eq!(outcome, Err(Failure::Unauthorized), "{kind:?}");
        }
    }
    let diagnostic = Diagnostic::from(Failure::Unauthorized);
    assert_eq!(diagnostic.error_message, "Unauthorized", "this word alone");
}

#[test]
fn an_http_api_s_caller_is_denied_in_the_form_that_the_api_wants() {
    let denial = serde_json::json!({
        "principalId": "anonymous",
        "policyDocument": {"Version": "2012-10-17", "Statement": [{
            "Action": "execute-api:Invoke", "Effect": "Deny",
            "Resource": ["arn:aws:execute-api:us-east-1:123456789012:abc/prod/*"],
        }]},
    });
    for code in CALLERS {
        for (kind, config) in [
            (EventKind::Http1, ""),
            (EventKind::Http2, ""),
            (EventKind::Http1, "http = \"simple\""),
        ] {
            assert_eq!(refused(kind, code, config).unwrap(), denial, "{kind:?} {config}");
        }
        let simple = refused(EventKind::Http2, code, "http = \"simple\"").unwrap();
        assert_eq!(simple, serde_json::json!({"isAuthorized": false}));
    }
}

#[test]
fn an_answer_is_one_text_in_this_order() {
    let refusal = Refusal::new(Code::Claim, "x");
    let config = ResponseConfig::default();
    let response =
        Response::refused(Some(EventKind::Http2), Some(&arn()), refusal, &config).unwrap();
    assert_eq!(
        serde_json::to_string(&response).unwrap(),
        concat!(
            r#"{"principalId":"anonymous","policyDocument":{"Version":"2012-10-17","Statement":["#,
            r#"{"Action":"execute-api:Invoke","Effect":"Deny","Resource":["#,
            r#""arn:aws:execute-api:us-east-1:123456789012:abc/prod/*"]}]}}"#,
        )
    );
}

#[test]
fn an_outage_or_fault_is_an_error_on_every_form_and_no_401() {
    for code in OURS {
        for kind in KINDS {
            for config in ["", "http = \"simple\"", "http_unauthorized = \"error\""] {
                let failure = refused(kind, code, config).unwrap_err();
                assert_eq!(failure, Failure::Internal { code: code.as_str() }, "{kind:?}");
            }
        }
        let diagnostic = Diagnostic::from(Failure::from(Refusal::new(code, "x")));
        assert!(!diagnostic.error_message.contains("Unauthorized"));
        assert_eq!(diagnostic.error_type, code.as_str());
    }
}

#[test]
fn without_an_arn_everything_is_denied() {
    let refusal = Refusal::malformed("x");
    let config = ResponseConfig::default();
    for kind in [EventKind::Http1, EventKind::Http2] {
        let answer = Response::refused(Some(kind), None, refusal, &config).unwrap();
        let answer = serde_json::to_value(answer).unwrap();
        let statement = &answer["policyDocument"]["Statement"][0];
        assert_eq!(
            (&statement["Effect"], &statement["Resource"][0]),
            (&"Deny".into(), &"*".into())
        );
    }
    let config = toml::from_str("http = \"simple\"").unwrap();
    let outcome = Response::refused(Some(EventKind::Http2), None, refusal, &config).unwrap();
    assert_eq!(serde_json::to_value(outcome).unwrap(), serde_json::json!({"isAuthorized": false}));
}
