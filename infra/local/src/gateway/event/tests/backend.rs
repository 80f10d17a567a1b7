//! Events of functions behind an API.

use super::*;

/// The event of a function behind the API, without what `proxy` adds.
fn backend_event_of(kind: Kind, target: &str, is_v2: bool) -> Value {
    let change = |options: &mut Options| {
        with_variable(options);
        options.payload = if is_v2 { Payload::V2 } else { Payload::V1 };
    };
    asked_of(kind, target, change, of_backend)
}

#[test]
fn a_function_behind_an_http_api_gets_the_payload_of_its_integration() {
    let grant = crate::gateway::authorizer::tests::grant();
    let backend = |payload, authorizer| {
        let change = |options: &mut Options| options.payload = payload;
        asked_of(Kind::Http(authorizer), "/a%20b?q=1&q=2", change, |asked| -> Value {
            let event = crate::gateway::proxy::event(asked, &"body".into(), &grant).unwrap();
            serde_json::from_slice(&event).unwrap()
        })
    };
    // Whatever payload the authorizer gets.
    for authorizer in [Payload::V1, Payload::V2, Payload::Simple] {
        let event = backend(Payload::V1, authorizer);
        assert_eq!((&event["version"], &event["httpMethod"]), (&json!("1.0"), &json!("GET")));
        assert_eq!((&event["path"], &event["resource"]), (&json!("/a b"), &json!("/{proxy+}")));
        assert_eq!(event["multiValueQueryStringParameters"], json!({"q": ["1", "2"]}));
        assert_eq!(event["queryStringParameters"], json!({"q": "2"}));
        assert_eq!(event["multiValueHeaders"]["x-one"], json!(["1", "2"]));
        assert_eq!(event["headers"]["X-Forwarded-For"], "192.0.2.1");
        // A body without a media type is binary.
        assert_eq!((&event["stageVariables"], &event["body"]), (&Value::Null, &json!("Ym9keQ==")));
        let context = &event["requestContext"];
        assert_eq!(context["authorizer"]["plan"], "free");
        assert_eq!(context["authorizer"]["principalId"], "alice");
        assert_eq!((&context["path"], &context["protocol"]), (&json!("/a b"), &json!("HTTP/1.1")));
        assert_eq!(context["identity"]["userAgent"], "agent");
        for gone in ["rawPath", "cookies", "routeKey", "type", "methodArn"] {
            assert!(event.get(gone).is_none(), "{gone}");
        }
        let event = backend(Payload::V2, authorizer);
        assert_eq!((&event["version"], &event["rawPath"]), (&json!("2.0"), &json!("/a b")));
        assert_eq!(event["requestContext"]["authorizer"]["lambda"]["plan"], "free");
        assert_eq!(event["headers"]["x-one"], "1,2");
        assert!(event.get("multiValueHeaders").is_none());
    }
}

/// Developer guide, "Input format of a Lambda function for proxy integration"; `body` and
/// `isBase64Encoded` are added with the body. `authorizer` is added with the result, and
/// `deploymentId` is from LocalStack's recording `test_lambda_aws_proxy_integration`.
#[test]
fn a_function_behind_a_rest_api_gets_the_documented_members() {
    let event = backend_event_of(Kind::RestToken, TARGET, false);
    assert_eq!(names(&event), MEMBERS);
    assert_eq!(names(&event["requestContext"]), with(&CONTEXT, &["deploymentId"]));
    assert_eq!(names(&event["requestContext"]["identity"]), IDENTITY);
    let trace = event["headers"]["X-Amzn-Trace-Id"].as_str().unwrap();
    assert_eq!((trace.len(), trace.get(..12)), (40, Some("Root=1-6b015")), "{trace}");
    assert!(event["headers"].get("content-length").is_none(), "as in the recordings");
    let root = backend_event_of(Kind::RestToken, "/", false);
    for name in ["pathParameters", "queryStringParameters", "multiValueQueryStringParameters"] {
        assert_eq!(root[name], Value::Null, "{name}");
    }
}

/// Developer guide, "Create AWS Lambda proxy integrations for HTTP APIs", format 1.0. `cognitoAmr`
/// is in every public recording of a deployed HTTP API.
#[test]
fn a_function_behind_an_http_api_with_payload_1_0_gets_the_documented_members() {
    let event = backend_event_of(Kind::Http(Payload::V2), "/a%20b?q=1", false);
    assert!(event["headers"].get("X-Forwarded-For").is_some(), "names as they were sent");
    assert_eq!(names(&event), with(&MEMBERS, &["version"]));
    let context = &event["requestContext"];
    assert_eq!(names(context), CONTEXT);
    assert_eq!(names(&context["identity"]), with(&IDENTITY, &["cognitoAmr"]));
    assert_eq!((&event["version"], &event["path"]), (&json!("1.0"), &json!("/a b")));
    assert_eq!(context["resourceId"], "ANY /{proxy+}");
}

/// The same page, format 2.0; `authentication` is for mutual TLS, `authorizer` and `body` are
/// added later.
#[test]
fn a_function_behind_an_http_api_gets_the_documented_members() {
    let event = backend_event_of(Kind::Http(Payload::V1), TARGET, true);
    assert_eq!(names(&event), MEMBERS_2_0);
    let documented = [
        "accountId",
        "apiId",
        "domainName",
        "domainPrefix",
        "http",
        "requestId",
        "routeKey",
        "stage",
        "time",
        "timeEpoch",
    ];
    assert_eq!(names(&event["requestContext"]), documented);
    let documented = ["method", "path", "protocol", "sourceIp", "userAgent"];
    assert_eq!(names(&event["requestContext"]["http"]), documented);
    assert!(event["headers"]["x-amzn-trace-id"].as_str().unwrap().starts_with("Root=1-"));
}
