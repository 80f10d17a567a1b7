//! Payloads of events, read with the types of `aws_lambda_events`.
//!
//! These types refuse an event if any member has an unexpected type, and their header maps keep
//! only one of several spellings of a name. So this module passes them only the members and headers
//! that are used: members of the documented type, and headers with all their values.

use std::collections::BTreeMap;

use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequest, ApiGatewayCustomAuthorizerRequestTypeRequest,
    ApiGatewayV2CustomAuthorizerV2Request,
};
use serde_json::{Value, from_value, json};

use super::{API_KEY, COOKIE, EventKind, SUBPROTOCOLS};
use crate::config::TokenSource;
use crate::refusal::Refusal;

/// The used members of an event.
#[expect(clippy::large_enum_variant, reason = "one event is read at a time, and not moved often")]
pub(super) enum Payload {
    Token(ApiGatewayCustomAuthorizerRequest),
    /// REST REQUEST, WebSocket, and payload 1.0: the type of the latter lacks `multiValueHeaders`.
    Request(ApiGatewayCustomAuthorizerRequestTypeRequest),
    Http2(ApiGatewayV2CustomAuthorizerV2Request),
}

impl Payload {
    /// Reads an event of this kind.
    ///
    /// # Errors
    ///
    /// `malformed` if a used header or the method is invalid.
    pub(super) fn read(
        kind: EventKind,
        event: &Value,
        source: &TokenSource,
    ) -> Result<Self, Refusal> {
        let text = |path: &str| event.pointer(path).filter(|value| value.is_string());
        let headers = || {
            merged(event, "headers", "multiValueHeaders", |name| {
                let used = [source.header(), API_KEY, SUBPROTOCOLS];
                used.into_iter().find(|used| name.eq_ignore_ascii_case(used))
            })
        };
        let read = match kind {
            EventKind::RestToken => {
                from_value(json!({ "authorizationToken": text("/authorizationToken") }))
                    .map(Self::Token)
            }
            EventKind::RestRequest | EventKind::Http1 | EventKind::WebSocket => {
                let several = "multiValueQueryStringParameters";
                let parameters = merged(event, "queryStringParameters", several, |name| {
                    source.query.as_deref().filter(|used| name == *used)
                });
                from_value(json!({
                    "resource": text("/resource"),
                    "httpMethod": text("/httpMethod"),
                    "multiValueHeaders": headers(),
                    several: parameters,
                    "requestContext": {"identity": {
                        "apiKey": text("/requestContext/identity/apiKey"),
                        "sourceIp": text("/requestContext/identity/sourceIp"),
                    }},
                }))
                .map(Self::Request)
            }
            EventKind::Http2 => {
                from_value(json!({
                    "routeKey": text("/routeKey"),
                    "headers": headers(),
                    // The type requires a method, which is not used.
                    "requestContext": {"http": {
                        "method": "GET",
                        "sourceIp": text("/requestContext/http/sourceIp"),
                    }},
                }))
                .map(Self::Http2)
            }
        };
        read.map_err(|_| Refusal::malformed("the event has an invalid header or method"))
    }

    /// The value of a TOKEN event's header.
    pub(super) fn authorization_token(&self) -> Option<&str> {
        match self {
            Self::Token(event) => event.authorization_token.as_deref(),
            Self::Request(_) | Self::Http2(_) => None,
        }
    }

    /// Returns the one value of a header.
    ///
    /// # Errors
    ///
    /// `malformed` if it has several values, or a value that is not ASCII text.
    pub(super) fn header(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let headers = match self {
            Self::Token(_) => return Ok(None),
            Self::Request(event) => &event.multi_value_headers,
            Self::Http2(event) => &event.headers,
        };
        let values = headers.get_all(name).iter().map(|value| value.to_str().ok());
        at_most_one(values)
    }

    /// Returns the one value of a query parameter.
    ///
    /// # Errors
    ///
    /// `malformed` if it has several values.
    pub(super) fn parameter(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self {
            Self::Request(event) => {
                let values = event.multi_value_query_string_parameters.all(name);
                at_most_one(values.into_iter().flatten().map(Some))
            }
            Self::Token(_) | Self::Http2(_) => Ok(None),
        }
    }

    /// The caller's address as text.
    pub(super) fn source_ip(&self) -> Option<&str> {
        match self {
            Self::Token(_) => None,
            Self::Request(event) => event.request_context.identity.as_ref()?.source_ip.as_deref(),
            Self::Http2(event) => event.request_context.http.source_ip.as_deref(),
        }
    }

    /// The API key that API Gateway found.
    pub(super) fn api_key(&self) -> Option<&str> {
        match self {
            Self::Request(event) => event.request_context.identity.as_ref()?.api_key.as_deref(),
            Self::Token(_) | Self::Http2(_) => None,
        }
    }
}

/// Returns the texts that hold the request's cookies, each one or several.
///
/// Payload 2.0 has a separate list of cookies. Over HTTP/2 a browser may send several cookie
/// headers (RFC 9113 section 8.2.3).
pub(super) fn cookies(kind: EventKind, event: &Value) -> Vec<String> {
    let used = |name: &str| name.eq_ignore_ascii_case(COOKIE).then_some(COOKIE);
    let mut texts = match event.get("cookies").filter(|_| kind == EventKind::Http2) {
        Some(list @ Value::Array(_)) => values(Some(&json!({ COOKIE: list })), &used),
        _ => merged(event, "headers", "multiValueHeaders", used),
    };
    texts.remove(COOKIE).unwrap_or_default()
}

/// The values of each name.
type Values<'n> = BTreeMap<&'n str, Vec<String>>;

/// Returns all values of each used name in a map of values and a map of lists of values.
///
/// `used` returns the normal spelling of a name, and `None` if the name is not used. API Gateway
/// writes every name into both maps, with only the last value in the first map, so values that are
/// in both count once. All other values stay, also those of several spellings of one name.
fn merged<'n>(
    event: &Value,
    single: &str,
    several: &str,
    used: impl Fn(&str) -> Option<&'n str>,
) -> Values<'n> {
    let mut all = values(event.get(single), &used);
    for (name, values) in values(event.get(several), &used) {
        let known = all.entry(name).or_default();
        if known.len() <= values.len() && known.iter().all(|value| values.contains(value)) {
            *known = values;
        } else {
            known.extend(values);
        }
    }
    all
}

/// Returns the values of each used name in a map, without nulls.
///
/// A value of another type than text becomes its JSON text, so that it still counts as a value.
fn values<'n>(map: Option<&Value>, used: &impl Fn(&str) -> Option<&'n str>) -> Values<'n> {
    let mut all = Values::new();
    for (name, value) in map.and_then(Value::as_object).into_iter().flatten() {
        let Some(name) = used(name) else { continue };
        let list = match value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        let texts = list.iter().filter(|value| !value.is_null());
        let texts = texts.map(|value| value.as_str().map_or_else(|| value.to_string(), Into::into));
        all.entry(name).or_default().extend(texts);
    }
    all
}

fn at_most_one<'a>(
    mut values: impl Iterator<Item = Option<&'a str>>,
) -> Result<Option<&'a str>, Refusal> {
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(Some(one)), None) => Ok(Some(one)),
        (Some(None), None) => Err(Refusal::malformed("a value is not ASCII text")),
        (_, Some(_)) => Err(Refusal::malformed("a value is there more than once")),
    }
}
