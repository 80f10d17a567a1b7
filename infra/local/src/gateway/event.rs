//! The events that authorizers get, member by member as API Gateway's developer guide shows them.
//!
//! The pages are "Input to an API Gateway Lambda authorizer" (REST), "Control access to HTTP APIs
//! with AWS Lambda authorizers" and "Control access to WebSocket APIs with AWS Lambda REQUEST
//! authorizers". What a request does not have is an empty map in the older forms, and null or absent
//! in payload 2.0. Names of headers are as they were sent, in payload 2.0 in lower case. That, the
//! members that the guide does not show, and what becomes of paths is from recordings of deployed
//! APIs (LocalStack's validated tests for REST APIs, hotsock and voker for HTTP APIs).
//!
//! A function behind an HTTP API gets payload 1.0 or 2.0, whichever its integration says, whatever
//! the authorizer gets ("Create AWS Lambda proxy integrations for HTTP APIs").

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::authorizer::Grant;
use super::backend::forwarded_for;
use super::{KeySource, Kind, Payload};
use crate::lambda::ACCOUNT;

/// The event for a request whose identity sources have these values.
pub(super) fn event(asked: &Asked<'_>, identity: &[String]) -> Bytes {
    let event = match asked.kind() {
        Kind::RestToken => json!({
            "type": "TOKEN",
            "authorizationToken": identity.first(),
            "methodArn": asked.arn,
        }),
        Kind::RestRequest => rest_request(asked),
        Kind::Http(Payload::V1) => http_v1(asked, identity),
        Kind::Http(Payload::V2 | Payload::Simple) => http_v2(asked, identity),
        Kind::WebSocket => web_socket(asked),
    };
    Bytes::from(event.to_string())
}

/// The members that a backend's event shares with an authorizer's.
pub(super) fn of_backend(asked: &Asked<'_>) -> Value {
    let is_v2 = asked.is_v2();
    let event = match asked.kind().is_http() {
        true if is_v2 => http_v2(asked, &[]),
        true => of_backend_v1(asked),
        false => rest_request(asked),
    };
    let Value::Object(mut event) = event else { return event };
    for name in ["type", "methodArn", "routeArn"] {
        event.remove(name);
    }
    if is_v2 {
        event.retain(|_, value| !value.is_null());
    } else {
        for value in event.values_mut() {
            if value.as_object().is_some_and(Map::is_empty) {
                *value = Value::Null;
            }
        }
    }
    Value::Object(event)
}

/// The authorizer's part of the context that a function behind the API gets.
///
/// Payload 1.0 has it as a REST API does, and not under `lambda`: reported by users.
pub(super) fn authorizer(asked: &Asked<'_>, grant: &Grant) -> Value {
    let mut context = grant.context.clone();
    if asked.is_v2() {
        return json!({ "lambda": context });
    }
    if let Some(principal) = &grant.principal_id {
        context.insert("principalId".to_owned(), principal.as_str().into());
    }
    Value::Object(context)
}

/// The variables of a request's context, as templates and mappings name them.
pub(super) fn context(asked: &Asked<'_>, grant: &Grant) -> Value {
    let mut event = if asked.kind().is_http() { of_backend_v1(asked) } else { rest_request(asked) };
    let mut context = event.get_mut("requestContext").map(Value::take).unwrap_or_default();
    let mut authorizer = grant.context.clone();
    authorizer.extend(grant.principal_id.iter().map(|id| ("principalId".to_owned(), json!(id))));
    set(&mut context, "authorizer", Value::Object(authorizer));
    if asked.kind().is_http() {
        set(&mut context, "routeKey", json!(asked.route.key));
    }
    context
}

/// Payload 1.0 of an integration: a REST API's event, with the path decoded.
fn of_backend_v1(asked: &Asked<'_>) -> Value {
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

fn rest_request(asked: &Asked<'_>) -> Value {
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

fn protocol(asked: &Asked<'_>) -> String {
    format!("{:?}", asked.head.version)
}

fn http_v1(asked: &Asked<'_>, identity: &[String]) -> Value {
    let path = asked.path();
    let mut event = json!({
        "version": "1.0",
        "type": "REQUEST",
        "methodArn": asked.arn,
        "resource": asked.route.resource,
        "path": path,
        "httpMethod": asked.head.method.as_str(),
        "headers": last(&headers(asked, false)),
        "queryStringParameters": last(&query(asked)),
        "pathParameters": asked.route.parameters,
        "stageVariables": asked.stage_variables(),
        "requestContext": {
            "path": path,
            "accountId": ACCOUNT,
            "resourceId": asked.route.key,
            "stage": asked.options.stage(),
            "requestId": asked.id.as_str(),
            "identity": identity_of_caller(asked),
            "resourcePath": asked.route.resource,
            "httpMethod": asked.head.method.as_str(),
            "apiId": asked.options.api_id(),
        },
    });
    if !identity.is_empty() {
        let joined = identity.join(",");
        set(&mut event, "identitySource", json!(joined));
        set(&mut event, "authorizationToken", json!(joined));
    }
    event
}

fn http_v2(asked: &Asked<'_>, identity: &[String]) -> Value {
    let mut headers = headers(asked, true);
    let cookies = headers.remove(header::COOKIE.as_str()).unwrap_or_default();
    let now_ms = asked.options.now.millis();
    let domain = asked.domain();
    let path = asked.path();
    let mut event = json!({
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": asked.arn,
        "routeKey": asked.route.key,
        "rawPath": path,
        "rawQueryString": asked.head.uri.query().unwrap_or_default(),
        "headers": joined(&headers),
        "queryStringParameters": or_null(&joined(&query(asked))),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": asked.options.api_id(),
            "domainName": domain,
            "domainPrefix": domain.split('.').next(),
            "http": {
                "method": asked.head.method.as_str(),
                "path": path,
                "protocol": protocol(asked),
                "sourceIp": asked.peer,
                "userAgent": asked.header(&header::USER_AGENT).unwrap_or_default(),
            },
            "requestId": asked.id.as_str(),
            "routeKey": asked.route.key,
            "stage": asked.options.stage(),
            "time": time(now_ms),
            "timeEpoch": now_ms,
        },
        "pathParameters": or_null(&asked.route.parameters),
        "stageVariables": or_null(asked.stage_variables()),
    });
    if !identity.is_empty() {
        set(&mut event, "identitySource", json!(identity));
    }
    if !cookies.is_empty() {
        let cookies = cookies.iter().flat_map(|header| header.split(';')).map(str::trim);
        set(&mut event, "cookies", cookies.collect());
    }
    event
}

fn web_socket(asked: &Asked<'_>) -> Value {
    let (headers, query) = (headers(asked, false), query(asked));
    let now_ms = asked.options.now.millis();
    json!({
        "type": "REQUEST",
        "methodArn": asked.arn,
        "headers": last(&headers),
        "multiValueHeaders": headers,
        "queryStringParameters": last(&query),
        "multiValueQueryStringParameters": query,
        "stageVariables": asked.stage_variables(),
        "requestContext": {
            "routeKey": asked.route.key,
            "eventType": "CONNECT",
            "extendedRequestId": asked.id.extended(),
            "requestTime": time(now_ms),
            "messageDirection": "IN",
            "stage": asked.options.stage(),
            "connectedAt": now_ms,
            "requestTimeEpoch": now_ms,
            "identity": identity_of_caller(asked),
            "requestId": asked.id.as_str(),
            "domainName": asked.domain(),
            "connectionId": asked.id.connection(),
            "apiId": asked.options.api_id(),
        },
    })
}

fn set(event: &mut Value, name: &str, value: Value) {
    if let Some(event) = event.as_object_mut() {
        event.insert(name.to_owned(), value);
    }
}

type Multi = BTreeMap<String, Vec<String>>;

/// The id of the only deployment.
const DEPLOYMENT: &str = "dep100";
/// Headers that are for API Gateway, and in no event but that of a handshake.
const DROPPED: [HeaderName; 5] =
    [header::CONNECTION, header::EXPECT, header::TE, header::TRANSFER_ENCODING, header::UPGRADE];
/// The names of the headers that API Gateway adds, as it writes them.
const ADDED: [&str; 4] =
    ["X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"];

/// The headers with those that API Gateway adds, under names as sent or in lower case.
fn headers(asked: &Asked<'_>, is_lower: bool) -> Multi {
    let mut headers: HeaderMap = asked.head.headers.clone();
    if asked.kind() == Kind::WebSocket {
        headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
    } else {
        for name in DROPPED {
            headers.remove(name);
        }
    }
    if asked.kind().is_rest() {
        headers.remove(header::CONTENT_LENGTH);
    }
    forwarded_for(&mut headers, asked.peer);
    if let Ok(trace) = HeaderValue::from_str(&asked.id.trace(asked.options.now.millis())) {
        headers.entry("x-amzn-trace-id").or_insert(trace);
    }
    let port = asked.port().to_string();
    if let Ok(port) = HeaderValue::from_str(&port) {
        headers.insert("x-forwarded-port", port);
    }
    let written = |name: &HeaderName| {
        let lower = name.as_str();
        let added = ADDED.into_iter().find(|added| added.eq_ignore_ascii_case(lower));
        let sent = || asked.sent.name(lower);
        if is_lower { lower.to_owned() } else { added.unwrap_or_else(sent).to_owned() }
    };
    let mut all = Multi::new();
    for (name, value) in &headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        all.entry(written(name)).or_default().push(value);
    }
    all
}

fn query(asked: &Asked<'_>) -> Multi {
    let mut all = Multi::new();
    for (name, value) in asked.query() {
        all.entry(name).or_default().push(value);
    }
    all
}

fn last(all: &Multi) -> BTreeMap<&str, &str> {
    all.iter().filter_map(|(name, values)| Some((name.as_str(), values.last()?.as_str()))).collect()
}

fn joined(all: &Multi) -> BTreeMap<&str, String> {
    all.iter().map(|(name, values)| (name.as_str(), values.join(","))).collect()
}

fn or_null<K: serde::Serialize, V: serde::Serialize>(map: &BTreeMap<K, V>) -> Value {
    if map.is_empty() { Value::Null } else { json!(map) }
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

/// The caller's address and user agent; the API key where a header brings it.
fn identity_of_caller(asked: &Asked<'_>) -> Value {
    let mut identity = caller(asked);
    if asked.options.keys.is_some()
        && asked.options.api_key_source == KeySource::Header
        && let Some(key) = asked.header(&super::X_API_KEY)
    {
        set(&mut identity, "apiKey", json!(key));
    }
    identity
}

/// The caller's address, and its user agent but for HTTP APIs.
pub(super) fn caller(asked: &Asked<'_>) -> Value {
    let mut caller = json!({ "sourceIp": asked.peer });
    if !asked.kind().is_http()
        && let Some(agent) = asked.header(&header::USER_AGENT)
    {
        set(&mut caller, "userAgent", json!(agent));
    }
    caller
}

/// Ten letters and digits, as API Gateway has them for a resource.
fn resource_id(asked: &Asked<'_>) -> &'static str {
    if asked.route.resource == "/" { "r00t000000" } else { "pr0xy00000" }
}

/// A moment as the common log format writes it: `12/Mar/2020:19:03:58 +0000`.
pub(super) fn time(millis: u64) -> String {
    let moment =
        i64::try_from(millis).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(String::new, |moment| moment.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string())
}

#[cfg(test)]
mod tests;
