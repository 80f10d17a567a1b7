use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequest, ApiGatewayCustomAuthorizerRequestTypeRequest,
    ApiGatewayV2CustomAuthorizerV1Request, ApiGatewayV2CustomAuthorizerV2Request,
};
use http::Request;

use super::*;
use crate::gateway::asked::Origin;
use crate::gateway::responses::RequestId;
use crate::gateway::tests::options;
use crate::gateway::wire::Sent;
use crate::gateway::{KeySource, Options};

/// Gives `see` one request with a bit of everything.
fn asked_of<T>(
    kind: Kind,
    target: &str,
    change: impl FnOnce(&mut Options),
    see: impl FnOnce(&Asked<'_>) -> T,
) -> T {
    let mut options = options(kind);
    change(&mut options);
    let request = Request::builder()
        .uri(target)
        .header("host", "id.example:9400")
        .header("authorization", "Bearer t")
        .header("x-one", "1")
        .header("x-one", "2")
        .header("cookie", "a=1; b=2")
        .header("x-api-key", "key")
        .header("connection", "te, upgrade")
        .header("te", "trailers")
        .header("expect", "100-continue")
        .header("upgrade", "h2c")
        .header("content-length", "0")
        .header("user-agent", "agent");
    let (head, ()) = request.body(()).unwrap().into_parts();
    let id = RequestId::new(kind);
    let peer = "192.0.2.1".parse().unwrap();
    let from = Origin { sent: Sent::default(), peer, id: &id };
    see(&Asked::new(&options, head, from).unwrap())
}

/// The event of the authorizer.
fn event_of(kind: Kind, target: &str, change: impl FnOnce(&mut Options)) -> Value {
    asked_of(kind, target, change, |asked| {
        let identity = crate::gateway::identity::values(asked).unwrap();
        serde_json::from_slice(&event(asked, &identity)).unwrap()
    })
}

/// The event of a function behind the API, without what `proxy` adds.
fn backend_event_of(kind: Kind, target: &str, is_v2: bool) -> Value {
    let change = |options: &mut Options| {
        with_variable(options);
        options.payload = if is_v2 { Payload::V2 } else { Payload::V1 };
    };
    asked_of(kind, target, change, of_backend)
}

fn with_variable(options: &mut Options) {
    options.stage_variables.insert("v".to_owned(), "stage value".to_owned());
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn sorted<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names
}

/// The members of `identity` that LocalStack's recordings of a deployed REST API have, and AWS's
/// documented samples of proxy integrations; those add `clientCert` for mutual TLS.
const IDENTITY: [&str; 12] = [
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "sourceIp",
    "user",
    "userAgent",
    "userArn",
];

const TARGET: &str = "/orders/1?q=a%20b&q=c&empty=";

#[test]
fn a_token_event_has_three_members() {
    let event = event_of(Kind::RestToken, TARGET, with_variable);
    assert_eq!(names(&event), ["authorizationToken", "methodArn", "type"]);
    let read: ApiGatewayCustomAuthorizerRequest = serde_json::from_value(event).unwrap();
    assert_eq!(read.authorization_token.as_deref(), Some("Bearer t"));
}

#[test]
fn a_request_event_of_a_rest_api() {
    let event = event_of(Kind::RestRequest, TARGET, |options| {
        with_variable(options);
        options.keys = Some(crate::gateway::Keys::one("another", None, &options.now));
        options.api_key_source = KeySource::Header;
    });
    let expected = [
        "headers",
        "httpMethod",
        "methodArn",
        "multiValueHeaders",
        "multiValueQueryStringParameters",
        "path",
        "pathParameters",
        "queryStringParameters",
        "requestContext",
        "resource",
        "stageVariables",
        "type",
    ];
    assert_eq!(names(&event), expected);
    assert_eq!(event["headers"]["x-one"], "2");
    assert_eq!(event["multiValueHeaders"]["x-one"], json!(["1", "2"]));
    assert_eq!(event["queryStringParameters"], json!({"q": "c", "empty": ""}));
    assert_eq!(event["multiValueQueryStringParameters"]["q"], json!(["a b", "c"]));
    assert_eq!(event["pathParameters"], json!({"proxy": "orders/1"}));
    assert_eq!(event["stageVariables"], json!({"v": "stage value"}));
    let expected = [
        "X-Amzn-Trace-Id",
        "X-Forwarded-For",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
        "authorization",
        "cookie",
        "host",
        "user-agent",
        "x-api-key",
        "x-one",
    ];
    assert_eq!(names(&event["headers"]), expected);
    assert_eq!(event["headers"]["X-Forwarded-For"], "192.0.2.1");
    assert_eq!(event["headers"]["X-Forwarded-Port"], "9400");
    let context = &event["requestContext"];
    let expected = [
        "accountId",
        "apiId",
        "deploymentId",
        "domainName",
        "domainPrefix",
        "extendedRequestId",
        "httpMethod",
        "identity",
        "path",
        "protocol",
        "requestId",
        "requestTime",
        "requestTimeEpoch",
        "resourceId",
        "resourcePath",
        "stage",
    ];
    assert_eq!(names(context), expected);
    let identity = &context["identity"];
    assert_eq!(names(identity), sorted(&[&IDENTITY[..], &["apiKey"]].concat()));
    assert_eq!(identity["apiKey"], "key");
    assert_eq!(identity["sourceIp"], "192.0.2.1");
    assert_eq!(identity["userAgent"], "agent");
    assert_eq!(identity["accountId"], Value::Null);
    assert_eq!(context["resourcePath"], "/{proxy+}");
    let read: ApiGatewayCustomAuthorizerRequestTypeRequest = serde_json::from_value(event).unwrap();
    assert_eq!(read.resource.as_deref(), Some("/{proxy+}"));
    assert_eq!(read.request_context.identity.unwrap().source_ip.as_deref(), Some("192.0.2.1"));

    let root = event_of(Kind::RestRequest, "/", |_| {});
    assert_eq!(root["resource"], "/");
    for empty in ["pathParameters", "queryStringParameters", "stageVariables"] {
        assert_eq!(root[empty], json!({}), "{empty}");
    }
    let identity = names(&root["requestContext"]["identity"]);
    assert_eq!(identity, IDENTITY, "no key where none counts");
    let _: ApiGatewayCustomAuthorizerRequestTypeRequest = serde_json::from_value(root).unwrap();
}

#[test]
fn paths_are_decoded_by_http_apis_and_their_slashes_dropped_by_rest_apis() {
    let target = "//a%2Fb/c%20d/";
    let rest = event_of(Kind::RestRequest, target, |_| {});
    assert_eq!(rest["path"], "/a%2Fb/c%20d/");
    assert_eq!(rest["pathParameters"]["proxy"], "a%2Fb/c%20d");
    assert_eq!(rest["requestContext"]["path"], target);
    let target = "/a%2Fb/c%20d/";
    let old = event_of(Kind::Http(Payload::V1), target, |_| {});
    assert_eq!((&old["path"], &old["requestContext"]["path"]), (&json!("/a/b/c d/"), &old["path"]));
    let new = event_of(Kind::Http(Payload::V2), target, |_| {});
    assert_eq!(new["rawPath"], "/a/b/c d/");
    assert_eq!(new["pathParameters"]["proxy"], "a/b/c d/");
    assert_eq!(new["requestContext"]["http"]["path"], new["rawPath"]);
    assert!(new["routeArn"].as_str().unwrap().ends_with("/GET/a%2Fb/c%20d/"), "unknown on AWS");
}

fn two_sources(options: &mut Options) {
    let texts = ["$request.header.Authorization", "$request.querystring.q"];
    options.identity_sources = texts.iter().map(|text| text.parse().unwrap()).collect();
    with_variable(options);
}

#[test]
fn payload_1_0_of_an_http_api() {
    let event = event_of(Kind::Http(Payload::V1), TARGET, two_sources);
    let expected = [
        "authorizationToken",
        "headers",
        "httpMethod",
        "identitySource",
        "methodArn",
        "path",
        "pathParameters",
        "queryStringParameters",
        "requestContext",
        "resource",
        "stageVariables",
        "type",
        "version",
    ];
    assert_eq!(names(&event), expected);
    assert_eq!(event["identitySource"], "Bearer t,c");
    assert_eq!(event["authorizationToken"], event["identitySource"]);
    let read: ApiGatewayV2CustomAuthorizerV1Request = serde_json::from_value(event).unwrap();
    assert_eq!(read.version.as_deref(), Some("1.0"));
    assert_eq!(read.request_context.http_method, http::Method::GET);
    let bare = event_of(Kind::Http(Payload::V1), "/", |options| options.identity_sources.clear());
    assert!(bare.get("identitySource").is_none() && bare.get("authorizationToken").is_none());
    let _: ApiGatewayV2CustomAuthorizerV1Request = serde_json::from_value(bare).unwrap();
}

#[test]
fn payload_2_0_of_an_http_api() {
    let event = event_of(Kind::Http(Payload::Simple), TARGET, two_sources);
    let expected = [
        "cookies",
        "headers",
        "identitySource",
        "pathParameters",
        "queryStringParameters",
        "rawPath",
        "rawQueryString",
        "requestContext",
        "routeArn",
        "routeKey",
        "stageVariables",
        "type",
        "version",
    ];
    assert_eq!(names(&event), expected);
    assert_eq!(event["identitySource"], json!(["Bearer t", "c"]));
    assert_eq!(event["rawQueryString"], "q=a%20b&q=c&empty=");
    assert_eq!(event["queryStringParameters"], json!({"q": "a b,c", "empty": ""}));
    assert_eq!(event["headers"]["x-one"], "1,2");
    assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
    assert_eq!(event["headers"].get("cookie"), None);
    let context = &event["requestContext"];
    assert_eq!(context["routeKey"], "ANY /{proxy+}");
    assert_eq!(
        (&context["domainName"], &context["domainPrefix"]),
        (&json!("id.example"), &json!("id"))
    );
    assert_eq!(context["http"]["protocol"], "HTTP/1.1");
    assert_eq!(
        (&context["time"], &context["timeEpoch"]),
        (&json!("21/Nov/2026:09:00:00 +0000"), &json!(1_795_251_600_000_u64))
    );
    let read: ApiGatewayV2CustomAuthorizerV2Request = serde_json::from_value(event).unwrap();
    assert_eq!(read.request_context.http.source_ip.as_deref(), Some("192.0.2.1"));
    assert_eq!(read.cookies, ["a=1", "b=2"]);
}

#[test]
fn payload_2_0_has_null_for_what_is_not_there() {
    let event = event_of(Kind::Http(Payload::V2), "/", |options| options.identity_sources.clear());
    for absent in ["pathParameters", "queryStringParameters", "stageVariables"] {
        assert_eq!(event[absent], Value::Null, "{absent}");
    }
    assert!(event.get("identitySource").is_none());
    let _: ApiGatewayV2CustomAuthorizerV2Request = serde_json::from_value(event).unwrap();
}

#[test]
fn the_event_of_a_connecting_web_socket() {
    let event = event_of(Kind::WebSocket, "/?token=x", with_variable);
    let expected = [
        "headers",
        "methodArn",
        "multiValueHeaders",
        "multiValueQueryStringParameters",
        "queryStringParameters",
        "requestContext",
        "stageVariables",
        "type",
    ];
    assert_eq!(names(&event), expected);
    assert!(event["methodArn"].as_str().unwrap().ends_with("/local/$connect"));
    let context = &event["requestContext"];
    let expected = [
        "apiId",
        "connectedAt",
        "connectionId",
        "domainName",
        "eventType",
        "extendedRequestId",
        "identity",
        "messageDirection",
        "requestId",
        "requestTime",
        "requestTimeEpoch",
        "routeKey",
        "stage",
    ];
    assert_eq!(names(context), expected);
    assert_eq!(context["identity"], json!({"sourceIp": "192.0.2.1", "userAgent": "agent"}));
    let read: ApiGatewayCustomAuthorizerRequestTypeRequest = serde_json::from_value(event).unwrap();
    assert_eq!(read.http_method, None);
    assert_eq!(read.query_string_parameters.first("token"), Some("x"));
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
        assert_eq!((&event["stageVariables"], &event["body"]), (&Value::Null, &json!("body")));
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
    let documented = [
        "headers",
        "httpMethod",
        "multiValueHeaders",
        "multiValueQueryStringParameters",
        "path",
        "pathParameters",
        "queryStringParameters",
        "requestContext",
        "resource",
        "stageVariables",
    ];
    assert_eq!(names(&event), documented);
    let documented = [
        "accountId",
        "apiId",
        "deploymentId",
        "domainName",
        "domainPrefix",
        "extendedRequestId",
        "httpMethod",
        "identity",
        "path",
        "protocol",
        "requestId",
        "requestTime",
        "requestTimeEpoch",
        "resourceId",
        "resourcePath",
        "stage",
    ];
    assert_eq!(names(&event["requestContext"]), documented);
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
    let documented = [
        "headers",
        "httpMethod",
        "multiValueHeaders",
        "multiValueQueryStringParameters",
        "path",
        "pathParameters",
        "queryStringParameters",
        "requestContext",
        "resource",
        "stageVariables",
        "version",
    ];
    assert_eq!(names(&event), documented);
    let documented = [
        "accountId",
        "apiId",
        "domainName",
        "domainPrefix",
        "extendedRequestId",
        "httpMethod",
        "identity",
        "path",
        "protocol",
        "requestId",
        "requestTime",
        "requestTimeEpoch",
        "resourceId",
        "resourcePath",
        "stage",
    ];
    let context = &event["requestContext"];
    assert_eq!(names(context), documented);
    assert_eq!(names(&context["identity"]), sorted(&[&IDENTITY[..], &["cognitoAmr"]].concat()));
    assert_eq!((&event["version"], &event["path"]), (&json!("1.0"), &json!("/a b")));
    assert_eq!(context["resourceId"], "ANY /{proxy+}");
}

/// The same page, format 2.0; `authentication` is for mutual TLS, `authorizer` and `body` are
/// added later.
#[test]
fn a_function_behind_an_http_api_gets_the_documented_members() {
    let event = backend_event_of(Kind::Http(Payload::V1), TARGET, true);
    let documented = [
        "cookies",
        "headers",
        "pathParameters",
        "queryStringParameters",
        "rawPath",
        "rawQueryString",
        "requestContext",
        "routeKey",
        "stageVariables",
        "version",
    ];
    assert_eq!(names(&event), documented);
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

/// Developer guide, "Control access to HTTP APIs with AWS Lambda authorizers", format 1.0; its
/// `identity` has an `apiKey` too, which HTTP APIs do not have, and `clientCert` for mutual TLS.
#[test]
fn the_context_of_payload_1_0_has_the_documented_members() {
    let event = event_of(Kind::Http(Payload::V1), TARGET, with_variable);
    let documented = [
        "accountId",
        "apiId",
        "httpMethod",
        "identity",
        "path",
        "requestId",
        "resourceId",
        "resourcePath",
        "stage",
    ];
    assert_eq!(names(&event["requestContext"]), documented);
    assert_eq!(names(&event["requestContext"]["identity"]), ["sourceIp"]);
}

/// Developer guide, "Control access to WebSocket APIs with AWS Lambda REQUEST authorizers".
#[test]
fn a_handshakes_own_headers_are_in_its_event() {
    let event = event_of(Kind::WebSocket, "/", |_| {});
    for name in ["connection", "upgrade", "content-length", "host"] {
        assert!(event["headers"].get(name).is_some(), "{name}");
        assert!(event["multiValueHeaders"].get(name).is_some(), "{name}");
    }
}
