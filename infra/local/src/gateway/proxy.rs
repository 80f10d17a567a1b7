//! A Lambda proxy integration: the event of a function behind the API, and what its answer means.
//!
//! The forms of events are those of the developer guide's pages "Input format of a Lambda function
//! for proxy integration" (REST) and "Create AWS Lambda proxy integrations for HTTP APIs" (1.0 and
//! 2.0). A function that takes longer than its own time-out is a 502 of a REST API and a 500 of an
//! HTTP API, as users report; a 504 or 503 is for one that takes longer than the integration may.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, Response, header};
use http_body_util::Full;
use serde_json::Value;

use super::asked::Asked;
use super::authorizer::Grant;
use super::backend::Fault;
use super::event;
use super::responses::Refusal;
use crate::lambda::{InvokeError, MAX_PAYLOAD};

mod answer;

/// The media types besides `text/…` that an HTTP API takes for text.
const TEXTS: [&str; 3] = ["application/json", "application/javascript", "application/xml"];

/// The form of an integration's events and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Rest,
    /// Payload 1.0 of an HTTP API.
    V1,
    /// Payload 2.0 of an HTTP API.
    V2,
}

impl Form {
    fn of(asked: &Asked<'_>) -> Self {
        match asked.kind().is_http() {
            true if asked.is_v2() => Self::V2,
            true => Self::V1,
            false => Self::Rest,
        }
    }
}

/// The response that the function's answer stands for.
pub(super) fn response(
    asked: &Asked<'_>,
    answer: Result<Bytes, InvokeError>,
) -> Result<Response<Full<Bytes>>, Fault> {
    let form = Form::of(asked);
    let is_binary = form != Form::Rest || is_binary(asked, &header::ACCEPT);
    answer::response(form, is_binary, answer)
}

/// The response that a function behind a WebSocket API's route answers, in the form of REST APIs.
pub(super) fn response_of_socket(
    answer: Result<Bytes, InvokeError>,
) -> Result<Response<Full<Bytes>>, Fault> {
    answer::response(Form::Rest, false, answer)
}

/// The event for an allowed request.
pub(super) fn event(asked: &Asked<'_>, body: &Bytes, grant: &Grant) -> Result<Bytes, Fault> {
    let form = Form::of(asked);
    let mut event = event::of_backend(asked);
    let is_text = match form {
        // Without a binary media type a REST API takes every body for text.
        Form::Rest => !is_binary(asked, &header::CONTENT_TYPE),
        // AWS's answer to a text that is not UTF-8 is not known; this one loses no byte.
        Form::V1 | Form::V2 => is_text(asked) && std::str::from_utf8(body).is_ok(),
    };
    let text = match is_text {
        true => String::from_utf8_lossy(body).into_owned(),
        false => STANDARD.encode(body),
    };
    if let Some(event) = event.as_object_mut() {
        event.insert("isBase64Encoded".to_owned(), (!is_text && !text.is_empty()).into());
        if form != Form::V2 || !text.is_empty() {
            let body = if text.is_empty() { Value::Null } else { text.into() };
            event.insert("body".to_owned(), body);
        }
        let context = event.get_mut("requestContext").and_then(Value::as_object_mut);
        if let Some(context) = context.filter(|_| !grant.is_open()) {
            context.insert("authorizer".to_owned(), event::authorizer(asked, grant));
        }
    }
    let event = Bytes::from(event.to_string());
    if event.len() > MAX_PAYLOAD { Err(Refusal::EventTooLarge.into()) } else { Ok(event) }
}

/// Returns true if the first media type of a header is one of the API's binary ones.
///
/// A type must be equal, and `*/*` stands for all (developer guide, "Return binary media from a
/// Lambda proxy integration"; LocalStack's recording `test_aws_proxy_binary_response`).
fn is_binary(asked: &Asked<'_>, name: &HeaderName) -> bool {
    let types = &asked.options.binary_types;
    let given = asked.header(name).unwrap_or_default();
    let first = first_type(&given);
    types.iter().any(|known| known == "*/*" || known.eq_ignore_ascii_case(first))
}

/// Returns true if an HTTP API takes the body for text: every other type is binary to it, and so is
/// a body without one, as users report of deployed APIs.
fn is_text(asked: &Asked<'_>) -> bool {
    let given = asked.header(&header::CONTENT_TYPE).unwrap_or_default();
    let first = first_type(&given).to_ascii_lowercase();
    first.starts_with("text/") || TEXTS.contains(&first.as_str())
}

/// The first media type of a header, without parameters.
fn first_type(given: &str) -> &str {
    given.split([',', ';']).next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde_json::json;

    use super::*;
    use crate::gateway::asked::Origin;
    use crate::gateway::options::tests::options;
    use crate::gateway::responses::RequestId;
    use crate::gateway::wire::Sent;
    use crate::gateway::{Kind, Options, Payload};

    /// The event for a body, at an API that takes `image/png` and no other type in binary.
    fn event_of(kind: Kind, media_type: &str, body: &'static [u8]) -> Value {
        let mut options = Options { binary_types: vec!["image/png".to_owned()], ..options(kind) };
        if kind == Kind::Http(Payload::V1) {
            options.payload = Payload::V1;
        }
        let request = Request::post("/a").header("content-type", media_type);
        let (head, ()) = request.body(()).unwrap().into_parts();
        let id = RequestId::new(kind);
        let from = Origin { sent: Sent::default(), peer: [127, 0, 0, 1].into(), id: &id };
        let asked = Asked::new(&options, head, from).unwrap();
        let event = event(&asked, &Bytes::from_static(body), &Grant::open()).unwrap();
        serde_json::from_slice(&event).unwrap()
    }

    #[test]
    fn a_rest_apis_body_is_binary_by_its_settings_and_an_http_apis_by_its_media_type() {
        let seen = |kind, media_type, body| {
            let event = event_of(kind, media_type, body);
            (event["body"].clone(), event["isBase64Encoded"].clone())
        };
        let rest = |media_type, body| seen(Kind::RestToken, media_type, body);
        assert_eq!(rest("image/png; q=1", b"hi"), (json!("aGk="), json!(true)));
        assert_eq!(rest("image/jpeg", b"a\xff"), (json!("a\u{fffd}"), json!(false)));
        assert_eq!(rest("image/png", b""), (Value::Null, json!(false)));
        for payload in [Payload::V1, Payload::V2] {
            let http = |media_type, body| seen(Kind::Http(payload), media_type, body);
            for text in ["text/csv", "Application/JSON; charset=utf-8", "application/xml"] {
                assert_eq!(http(text, b"hi"), (json!("hi"), json!(false)), "{text}");
            }
            for other in
                ["application/x-www-form-urlencoded", "multipart/form-data; boundary=a", ""]
            {
                assert_eq!(http(other, b"hi"), (json!("aGk="), json!(true)), "{other}");
            }
            assert_eq!(http("text/plain", b"a\xff"), (json!("Yf8="), json!(true)));
        }
    }

    #[test]
    fn an_integration_has_the_payload_that_is_set_for_it() {
        assert_eq!(event_of(Kind::Http(Payload::V2), "a/b", b"")["version"], "2.0");
        let old = event_of(Kind::Http(Payload::V1), "a/b", b"");
        assert_eq!((&old["version"], &old["body"]), (&json!("1.0"), &Value::Null));
    }
}
