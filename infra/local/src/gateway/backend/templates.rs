//! Request templates and integration responses of REST and WebSocket APIs, for every integration that
//! is not a proxy.
//!
//! The rules are those of the developer guide's pages "Mock integrations for REST APIs" and "Map
//! request and response payloads". That a status without an integration response is an error, and
//! that a request template must give a number, is seen in `LocalStack`'s validated tests.
//!
//! A WebSocket API chooses a template by an expression, and has `$default` as a catch-all ("Data
//! transformations for WebSocket APIs"). Its integration responses have no status of their own.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;

use super::{FRAMING, Fault};
use crate::gateway::Pattern;
use crate::gateway::expression::{Expression, TooLong, Values};
use crate::gateway::responses::{Refusal, unsendable};

const JSON: &str = "application/json";
/// The start of a function's error that patterns are matched with, in bytes.
const MAX_MATCHED: usize = 1024;
/// The key of a WebSocket API's template for what no other one is for.
const DEFAULT: &str = "$default";

/// The request templates and integration responses of an integration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    /// The request templates, by content types or by the keys of a WebSocket API.
    pub requests: Vec<(String, Expression)>,
    /// The expression that selects one of them in a WebSocket API.
    pub selection: Option<Expression>,
    /// The rule for a request that has no template.
    pub passthrough: Passthrough,
    /// The integration responses, in the order of the definition.
    pub responses: Vec<IntegrationResponse>,
}

/// The rule for a request that has no template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passthrough {
    /// `WHEN_NO_MATCH`: the body passes as it is.
    #[default]
    NoMatch,
    /// `WHEN_NO_TEMPLATES`: the body passes if there is no template at all; else it is a 415.
    NoTemplates,
    /// `NEVER`: a 415.
    Never,
}

/// The response for some statuses of an integration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntegrationResponse {
    /// The expression that the integration's status must match; the default response has none.
    pub pattern: Option<Pattern>,
    /// The status of the API's response; `None` for the integration's own.
    pub status: Option<u16>,
    /// Names of headers, and their values.
    pub headers: Vec<(String, Expression)>,
    /// The body's templates, by content types or by the keys of a WebSocket API.
    pub bodies: Vec<(String, Expression)>,
    /// The expression that selects one of them in a WebSocket API.
    pub selection: Option<Expression>,
}

impl Templates {
    /// The response of a MOCK integration.
    pub(super) fn mock(
        &self,
        values: Values<'_>,
        body: &Bytes,
    ) -> Result<Response<Full<Bytes>>, Fault> {
        let given = match self.request(&values)? {
            Some(text) => {
                let status = status_of(&text);
                Some(status.ok_or_else(|| wrong("the request template gives no `statusCode`"))?)
            }
            None => status_of(&String::from_utf8_lossy(body)),
        };
        // Its own response has neither headers nor a body.
        let (none, nothing) = (HeaderMap::new(), Bytes::new());
        let code =
            |status| StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let status = given.map_or(StatusCode::OK, code);
        let given = given.map(|status| status.to_string());
        self.respond(given.as_deref(), &values.answered(status, &none, &nothing))
    }

    /// The body for the integration; `None` for the request's own.
    pub(super) fn request(&self, values: &Values<'_>) -> Result<Option<String>, Fault> {
        let key = key(self.selection.as_ref(), values, &header::CONTENT_TYPE)?;
        if let Some((_, template)) = find(&self.requests, &key) {
            // A request that is too long after it is filled is too long.
            let too_long = |TooLong| Fault { refusal: Refusal::EventTooLarge, ..TooLong.into() };
            return template.fill(values).map(Some).map_err(too_long);
        }
        match self.passthrough {
            Passthrough::NoMatch => Ok(None),
            Passthrough::NoTemplates if self.requests.is_empty() => Ok(None),
            _ => Err(Refusal::UnsupportedMediaType.into()),
        }
    }

    /// The API's response to one of the integration, which the values have.
    ///
    /// `selected` is what patterns are for: a status, or the message of a function's error.
    pub(super) fn respond(
        &self,
        selected: Option<&str>,
        values: &Values<'_>,
    ) -> Result<Response<Full<Bytes>>, Fault> {
        let is_of = |response: &&IntegrationResponse| {
            let pair = selected.zip(response.pattern.as_ref());
            pair.is_some_and(|(text, pattern)| pattern.is_match(start_of(text)))
        };
        let default = || self.responses.iter().find(|response| response.pattern.is_none());
        let found = self.responses.iter().find(is_of).or_else(default);
        let found = found.ok_or_else(|| {
            // A function's own text is not repeated.
            let what = match selected {
                Some(status) if status.parse::<u16>().is_ok() => status,
                Some(_) => "the function's error",
                None => "a success without a status",
            };
            wrong(&format!("no integration response matches {what}, and there is no default"))
        })?;

        let bodies = &found.bodies;
        let key = key(found.selection.as_ref(), values, &header::ACCEPT)?;
        let any = || find(bodies, JSON).or(bodies.first()).filter(|_| found.selection.is_none());
        let (kind, body) = match find(bodies, &key).or_else(any) {
            Some((kind, template)) => (kind.as_str(), template.fill(values)?.into()),
            None => (JSON, values.response_body()),
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = match found.status {
            Some(status) => StatusCode::from_u16(status).map_err(|_| Fault {
                refusal: Refusal::BadIntegration,
                reason: unsendable(status),
            })?,
            None => values.response_status(),
        };
        let headers = response.headers_mut();
        if let Ok(kind) = HeaderValue::from_str(kind) {
            headers.insert(header::CONTENT_TYPE, kind);
        }
        for (name, value) in &found.headers {
            let Some(value) = value.value(values)? else { continue };
            let header = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()));
            let (Ok(name), Ok(value)) = header else {
                return Err(wrong(&format!("the value of the header `{name}` cannot be sent")));
            };
            // The length of the body is the gateway's own matter.
            if !FRAMING.contains(&name) {
                headers.insert(name, value);
            }
        }
        Ok(response)
    }
}

/// The part of a text that patterns are matched with.
fn start_of(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_MATCHED)).unwrap_or(text)
}

/// An error of the definition.
fn wrong(reason: &str) -> Fault {
    Fault { refusal: Refusal::ApiConfiguration, reason: Some(reason.to_owned()) }
}

/// The key of a template: a WebSocket API's selection, or the media type that a header names.
fn key(
    selection: Option<&Expression>,
    values: &Values<'_>,
    header: &HeaderName,
) -> Result<String, TooLong> {
    selection.map_or_else(|| Ok(values.media_type(header)), |selection| selection.fill(values))
}

/// The template of this key, or that of a WebSocket API for every other one.
fn find<'a>(templates: &'a [(String, Expression)], key: &str) -> Option<&'a (String, Expression)> {
    let of = |key: &str| templates.iter().find(|(own, _)| own.eq_ignore_ascii_case(key));
    of(key).or_else(|| of(DEFAULT))
}

/// The number `statusCode`. API Gateway also takes names without quotes.
fn status_of(text: &str) -> Option<u16> {
    if let Ok(found) = serde_json::from_str::<Value>(text) {
        return found.get("statusCode")?.as_u64()?.try_into().ok();
    }
    let (_, after) = text.split_once("statusCode")?;
    let after = after.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?.trim_start();
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_number_in_json_or_nearly() {
        for (text, status) in [
            (r#"{"statusCode": 404}"#, Some(404)),
            ("{ statusCode: 200 }", Some(200)),
            ("{'statusCode':201,}", Some(201)),
            (r#"{"statusCode": "200"}"#, None),
            (r#"{"status": 200}"#, None),
            ("", None),
        ] {
            assert_eq!(status_of(text), status, "{text}");
        }
    }
}
