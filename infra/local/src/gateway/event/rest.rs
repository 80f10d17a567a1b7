//! The events of REST APIs, and payload 1.0 of a function behind an HTTP API, which is like them.

use http::header;
use serde_json::{Value, json};

use super::parts::{headers, identity_of_caller, last, query, set, time};
use crate::gateway::asked::Asked;
use crate::lambda::ACCOUNT;

/// The id of the only deployment.
const DEPLOYMENT: &str = "dep100";

pub(super) fn rest_request(asked: &Asked<'_>) -> Value {
    let (headers, query) = (headers(asked, false), query(asked));
    let now_ms = asked.options.now.millis();
    let domain = asked.domain();
    json!({
        "type": "REQUEST",
        "methodArn": asked.arn,
        "resource": asked.route.resource,
        "path": asked.path(),
        "httpMethod": asked.head.method.as_str(),
        "headers": last(&headers),
        "multiValueHeaders": headers,
        "queryStringParameters": last(&query),
        "multiValueQueryStringParameters": query,
        "pathParameters": asked.route.parameters,
        "stageVariables": asked.stage_variables(),
        "requestContext": {
            // The path as it was sent, unlike above.
            "path": asked.head.uri.path(),
            "accountId": ACCOUNT,
            "resourceId": resource_id(asked),
            "stage": asked.options.stage(),
            "domainName": domain,
            "domainPrefix": domain.split('.').next(),
            "requestId": asked.id.as_str(),
            "extendedRequestId": asked.id.extended(),
            "requestTime": time(now_ms),
            "requestTimeEpoch": now_ms,
            "protocol": protocol(asked),
            "identity": rest_identity(asked),
            "resourcePath": asked.route.resource,
            "httpMethod": asked.head.method.as_str(),
            "apiId": asked.options.api_id(),
            "deploymentId": DEPLOYMENT,
        },
    })
}

pub(super) fn protocol(asked: &Asked<'_>) -> String {
    format!("{:?}", asked.head.version)
}

/// Payload 1.0 of an integration of an HTTP API: a REST API's event, with the path decoded.
pub(super) fn of_backend_v1(asked: &Asked<'_>) -> Value {
    let mut event = rest_request(asked);
    set(&mut event, "version", json!("1.0"));
    if let Some(context) = event.get_mut("requestContext") {
        set(context, "path", json!(asked.path()));
        set(context, "resourceId", json!(asked.route.key));
        if let Some(context) = context.as_object_mut() {
            context.remove("deploymentId");
        }
        if let Some(identity) = context.get_mut("identity") {
            set(identity, "cognitoAmr", Value::Null);
        }
    }
    event
}

/// Members of a REST API's `identity` that only other kinds of authorization give a value.
const OTHER_IDENTITY: [&str; 10] = [
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
];

/// The caller of a REST API, and of a function with payload 1.0 behind an HTTP API.
fn rest_identity(asked: &Asked<'_>) -> Value {
    let mut identity = identity_of_caller(asked);
    for name in OTHER_IDENTITY {
        set(&mut identity, name, Value::Null);
    }
    set(&mut identity, "userAgent", json!(asked.header(&header::USER_AGENT)));
    identity
}

/// Ten letters and digits, as API Gateway has them for a resource.
fn resource_id(asked: &Asked<'_>) -> &'static str {
    if asked.route.resource == "/" { "r00t000000" } else { "pr0xy00000" }
}
