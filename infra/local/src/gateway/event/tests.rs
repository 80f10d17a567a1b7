use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequest, ApiGatewayCustomAuthorizerRequestTypeRequest,
    ApiGatewayV2CustomAuthorizerV1Request, ApiGatewayV2CustomAuthorizerV2Request,
};
use http::Request;

use super::*;
use crate::gateway::asked::Origin;
use crate::gateway::options::tests::options;
use crate::gateway::responses::RequestId;
use crate::gateway::wire::Sent;
use crate::gateway::{KeySource, Options};

mod backend;

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

fn with_variable(options: &mut Options) {
    options.stage_variables.insert("v".to_owned(), "stage value".to_owned());
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Members and more of them, in their order.
fn with<'a>(members: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let mut names = [members, more].concat();
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

/// The members of a function's event behind a REST API; others add to them.
const MEMBERS: [&str; 10] = [
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

/// The members of its `requestContext`; a REST API adds `deploymentId`.
const CONTEXT: [&str; 15] = [
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

/// The members of a function's event with payload 2.0.
const MEMBERS_2_0: [&str; 10] = [
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
    assert_eq!(names(&event), with(&MEMBERS, &["methodArn", "type"]));
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
    assert_eq!(names(context), with(&CONTEXT, &["deploymentId"]));
    let identity = &context["identity"];
    assert_eq!(names(identity), with(&IDENTITY, &["apiKey"]));
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
    assert_eq!(names(&event), with(&MEMBERS_2_0, &["identitySource", "routeArn", "type"]));
    assert_eq!(event["identitySource"], json!(["Bearer t", "a b,c"]));
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
