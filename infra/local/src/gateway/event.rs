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

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::authorizer::Grant;
use super::{Kind, Payload};

mod http_api;
mod parts;
mod rest;
#[cfg(test)]
mod tests;
mod web_socket;

use http_api::{http_v1, http_v2};
use parts::set;
pub(super) use parts::{caller, time};
use rest::{of_backend_v1, rest_request};
use web_socket::web_socket;

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
    if let Some(context) = &asked.context {
        return context.clone();
    }
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
