//! The events of HTTP APIs: payload 1.0 of authorizers, and payload 2.0.

use http::header;
use serde_json::{Value, json};

use super::parts::{headers, identity_of_caller, joined, last, or_null, query, set, time};
use super::rest::protocol;
use crate::gateway::asked::Asked;
use crate::lambda::ACCOUNT;

pub(super) fn http_v1(asked: &Asked<'_>, identity: &[String]) -> Value {
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

pub(super) fn http_v2(asked: &Asked<'_>, identity: &[String]) -> Value {
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
