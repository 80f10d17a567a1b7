//! The answer of a function behind a proxy integration, and the response that it stands for.
//!
//! A REST API takes an object with five members and no other. `statusCode` may be missing, a
//! header may be a boolean, and a body is decoded from base64 only where the API has a binary
//! media type for it. That is from recordings of a deployed API (LocalStack's validated tests
//! `test_aws_proxy_response_payload_format_validation` and `test_aws_proxy_binary_response`).
//!
//! An HTTP API with payload 2.0 infers a response from an answer without `statusCode`, as the
//! developer guide's page "Create AWS Lambda proxy integrations for HTTP APIs" says. An answer with
//! one and without a `content-type` is a text there, and JSON of a REST API.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value};

use super::Form;
use crate::gateway::backend::Fault;
use crate::gateway::responses::{Refusal, unsendable};
use crate::json::{self, Step, Unread};
use crate::lambda::InvokeError;

/// The members of an answer of REST APIs and of payload 1.0.
const MEMBERS: [&str; 5] =
    ["statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"];

/// The most headers of an answer.
const MAX_HEADERS: usize = 4096;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain;charset=UTF-8";

/// The response that the function's answer stands for; `is_binary` if bodies may be binary.
pub(super) fn response(
    form: Form,
    is_binary: bool,
    answer: Result<Bytes, InvokeError>,
) -> Result<Response<Full<Bytes>>, Fault> {
    let output = answer
        .map_err(|error| Fault { refusal: Refusal::FunctionError, reason: Some(error.said()) })?;
    read(form, is_binary, &output).map_err(|what| Fault {
        refusal: Refusal::BadIntegration,
        reason: Some(format!("Malformed Lambda proxy response: {what}")),
    })
}

fn read(form: Form, is_binary: bool, output: &Bytes) -> Result<Response<Full<Bytes>>, String> {
    let unread = |why| match why {
        Unread::NotJson => "it is not JSON".to_owned(),
        Unread::TooLarge => "its values take more than 64 MB in memory".to_owned(),
    };
    let status = Step::Member("statusCode".to_owned());
    if form == Form::V2
        && !output.trim_ascii_start().starts_with(b"\"")
        && json::find(output, &[status]).map_err(unread)?.is_none()
    {
        return Ok(typed(JSON, output.clone()));
    }
    let answer = json::whole(output).map_err(unread)?;
    match (form, &answer) {
        (Form::V2, Value::Object(found)) => written(form, is_binary, found),
        (Form::V2, Value::String(text)) => Ok(typed(JSON, Bytes::from(text.clone()))),
        (Form::V2, _) => Ok(typed(JSON, output.clone())),
        (Form::Rest | Form::V1, Value::Object(found)) => {
            let other = found.keys().find(|name| !MEMBERS.contains(&name.as_str()));
            match other {
                Some(other) => Err(format!(
                    "`{}` is not one of its members, which are {}",
                    other.chars().take(64).collect::<String>(),
                    MEMBERS.map(|name| format!("`{name}`")).join(", ")
                )),
                None => written(form, is_binary, found),
            }
        }
        (Form::Rest | Form::V1, _) => Err("it is not an object".to_owned()),
    }
}

/// A 200 of this media type.
fn typed(media_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

fn written(
    form: Form,
    is_binary: bool,
    found: &Map<String, Value>,
) -> Result<Response<Full<Bytes>>, String> {
    let media_type = if form == Form::Rest { JSON } else { TEXT };
    let mut response = typed(media_type, body(is_binary, found)?);
    *response.status_mut() = status(form, found)?;
    // A name in `multiValueHeaders` goes before the same one in `headers`.
    let mut given = Vec::new();
    if form != Form::V2 {
        for (name, values) in members(found, "multiValueHeaders")? {
            let values = values.as_array().ok_or_else(|| not("multiValueHeaders", "of lists"))?;
            given.extend(values.iter().map(|value| (name.as_str(), value)));
        }
    }
    given.extend(members(found, "headers")?.map(|(name, value)| (name.as_str(), value)));
    if given.len() > MAX_HEADERS {
        return Err(format!("it has more than {MAX_HEADERS} headers"));
    }
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (name, value) in given {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => return Err(not("headers", "of texts")),
        };
        let pair = (HeaderName::try_from(name), HeaderValue::from_str(&text));
        let (Ok(name), Ok(value)) = pair else {
            return Err("a member of `headers` is not a valid header".to_owned());
        };
        if !headers.contains(&(name.clone(), value.clone())) {
            headers.push((name, value));
        }
    }
    if form == Form::V2 {
        for cookie in cookies(found)? {
            let cookie = HeaderValue::from_str(cookie)
                .map_err(|_| "one of `cookies` is not a valid header".to_owned())?;
            headers.push((header::SET_COOKIE, cookie));
        }
    }
    if headers.iter().any(|(name, _)| name == header::CONTENT_TYPE) {
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    for (name, value) in headers {
        response.headers_mut().append(name, value);
    }
    // The connection to the caller has its own framing.
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        response.headers_mut().remove(name);
    }
    Ok(response)
}

fn status(form: Form, found: &Map<String, Value>) -> Result<StatusCode, String> {
    let status = match found.get("statusCode") {
        None | Some(Value::Null) if form == Form::Rest => Some(200),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let status = status.and_then(|status| u16::try_from(status).ok());
    let status = status.filter(|status| unsendable(*status).is_none());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    status.ok_or_else(|| not("statusCode", "a number from 200 to 599"))
}

fn body(is_binary: bool, found: &Map<String, Value>) -> Result<Bytes, String> {
    let is_base64 = match found.get("isBase64Encoded") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(is_base64)) => *is_base64,
        Some(_) => return Err(not("isBase64Encoded", "a boolean")),
    };
    match found.get("body") {
        None | Some(Value::Null) => Ok(Bytes::new()),
        Some(Value::String(text)) if is_base64 && is_binary => {
            STANDARD.decode(text).map(Bytes::from).map_err(|_| not("body", "base64"))
        }
        Some(Value::String(text)) => Ok(Bytes::from(text.clone())),
        Some(_) => Err(not("body", "a text")),
    }
}

fn cookies(found: &Map<String, Value>) -> Result<impl Iterator<Item = &str>, String> {
    let cookies = match found.get("cookies") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(cookies)) if cookies.iter().all(Value::is_string) => cookies.as_slice(),
        Some(_) => return Err(not("cookies", "a list of texts")),
    };
    Ok(cookies.iter().filter_map(Value::as_str))
}

/// The members of an object; none where it is missing or null.
fn members<'a>(
    found: &'a Map<String, Value>,
    name: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, String> {
    match found.get(name) {
        None | Some(Value::Null) => Ok(None.into_iter().flatten()),
        Some(Value::Object(members)) => Ok(Some(members).into_iter().flatten()),
        Some(_) => Err(not(name, "an object")),
    }
}

fn not(name: &str, what: &str) -> String {
    format!("`{name}` is not {what}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt as _;
    use serde_json::json;

    use super::*;

    fn of(form: Form, output: &Value) -> Result<Response<Full<Bytes>>, Fault> {
        response(form, form != Form::Rest, Ok(Bytes::from(output.to_string())))
    }

    async fn text(response: Response<Full<Bytes>>) -> String {
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    fn all<'a>(response: &'a Response<Full<Bytes>>, name: &str) -> Vec<&'a str> {
        response.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// LocalStack's recordings of a deployed REST API, each with its name there.
    #[tokio::test]
    async fn a_rest_apis_answers_are_those_of_recordings() {
        let no_body = of(Form::Rest, &json!({"statusCode": 200})).unwrap();
        assert_eq!(all(&no_body, "content-type"), ["application/json"]);
        assert_eq!(text(no_body).await, "");
        let headers = json!({"test-header": "value", "header-bool": true});
        let headers = of(Form::Rest, &json!({"statusCode": 200, "headers": headers})).unwrap();
        assert_eq!(
            (all(&headers, "test-header"), all(&headers, "header-bool")),
            (vec!["value"], vec!["true"])
        );
        assert!(of(Form::Rest, &json!({"statusCode": 200, "headers": null})).is_ok());
        let b64 = json!({"statusCode": 200, "body": "dGVzdC1kYXRh", "isBase64Encoded": true});
        assert_eq!(text(of(Form::Rest, &b64).unwrap()).await, "dGVzdC1kYXRh");
        let valid = json!({"statusCode": 200, "multiValueHeaders": {"test-multi": ["1", "2"]}});
        assert_eq!(all(&of(Form::Rest, &valid).unwrap(), "test-multi"), ["1", "2"]);
        let overwrite = json!({
            "statusCode": 200, "multiValueHeaders": {"tesT-Multi": ["value-multi"]},
            "headers": {"test-multi": "value-solo"},
        });
        let overwrite = of(Form::Rest, &overwrite).unwrap();
        assert_eq!(all(&overwrite, "test-multi"), ["value-multi", "value-solo"]);
        assert_eq!(of(Form::Rest, &json!({"statusCode": "201"})).unwrap().status(), 201);
        for without_status in [json!({}), json!({"headers": {"test-header": "value"}})] {
            assert_eq!(of(Form::Rest, &without_status).unwrap().status(), 200);
        }
        for (wrong, what) in [
            (json!({"statusCode": 200, "wrongValue": "value"}), "`wrongValue` is not one of"),
            (json!({"statusCode": 200, "cookies": ["a=1"]}), "`cookies` is not one of"),
            (json!({"statusCode": 200, "multiValueHeaders": {"a": "1"}}), "`multiValueHeaders`"),
            (json!({"statusCode": "test"}), "`statusCode` is not a number"),
            (json!("justAString"), "it is not an object"),
            (json!({"statusCode": 200, "body": {"not": "text"}}), "`body` is not a text"),
        ] {
            let fault = of(Form::Rest, &wrong).unwrap_err();
            assert_eq!(fault.refusal, Refusal::BadIntegration, "{wrong}");
            let reason = fault.reason.unwrap();
            assert!(reason.starts_with("Malformed Lambda proxy response: "), "{reason}");
            assert!(reason.contains(what), "{reason}");
        }
    }

    #[test]
    fn the_same_pair_in_both_members_of_headers_is_sent_once() {
        let both = json!({
            "multiValueHeaders": {"a": ["1", "2"]}, "headers": {"A": "1", "content-type": "b/c"},
        });
        let response = of(Form::Rest, &both).unwrap();
        assert_eq!(all(&response, "a"), ["1", "2"]);
        assert_eq!(all(&response, "content-type"), ["b/c"]);
    }

    #[tokio::test]
    async fn an_http_api_infers_a_response_where_no_status_is_given() {
        for (answer, body) in [
            (json!("Hello from Lambda!"), "Hello from Lambda!"),
            (json!({"message": "Hello"}), r#"{"message":"Hello"}"#),
            (json!([1]), "[1]"),
            (Value::Null, "null"),
        ] {
            let response = of(Form::V2, &answer).unwrap();
            assert_eq!(
                (response.status().as_u16(), all(&response, "content-type")),
                (200, vec!["application/json"])
            );
            assert_eq!(text(response).await, body);
        }
        let spaces = response(Form::V2, true, Ok(Bytes::from_static(b"{\"b\": 1, \"a\": 2}")));
        assert_eq!(text(spaces.unwrap()).await, "{\"b\": 1, \"a\": 2}", "as it was written");
        let whole = json!({
            "statusCode": 201, "cookies": ["a=1", "b=2"], "body": "aGk=", "isBase64Encoded": true,
            "headers": {"x-one": 1}, "multiValueHeaders": {"x-two": ["no"]}, "more": "ignored",
        });
        let response = of(Form::V2, &whole).unwrap();
        assert_eq!(
            (all(&response, "set-cookie"), all(&response, "x-one")),
            (vec!["a=1", "b=2"], vec!["1"])
        );
        assert!(all(&response, "x-two").is_empty(), "payload 2.0 has no such member");
        assert_eq!(text(response).await, "hi");
    }

    #[tokio::test]
    async fn a_large_answer_is_read_as_far_as_it_is_needed() {
        let list = format!("[{}0]", r#"{"":0},"#.repeat(120_000));
        let response_to = |answer: String| response(Form::V2, true, Ok(Bytes::from(answer)));
        for inferred in [list.clone(), format!(r#"{{"a": {list}}}"#)] {
            assert!(text(response_to(inferred.clone()).unwrap()).await == inferred);
        }
        let fault = response_to(format!(r#"{{"statusCode": 200, "a": {list}}}"#)).unwrap_err();
        assert!(fault.reason.unwrap().ends_with("its values take more than 64 MB in memory"));
    }

    #[test]
    fn the_headers_of_an_answer_are_bounded() {
        let of_headers = |count: usize| {
            let all: Map<String, Value> =
                (0..count).map(|at| (format!("a-{at}"), json!("b"))).collect();
            of(Form::V2, &json!({"statusCode": 200, "headers": all}))
        };
        assert_eq!(of_headers(MAX_HEADERS).unwrap().headers().len(), MAX_HEADERS + 1);
        assert!(of_headers(MAX_HEADERS + 1).is_err());
    }

    #[test]
    fn an_answer_without_a_type_is_a_text_of_an_http_api() {
        let own = json!({"statusCode": 200, "headers": {"Content-Type": "a/b"}});
        for form in [Form::V1, Form::V2] {
            let answer = of(form, &json!({"statusCode": 200, "body": "{}"})).unwrap();
            assert_eq!(all(&answer, "content-type"), ["text/plain;charset=UTF-8"]);
            assert_eq!(all(&of(form, &own).unwrap(), "content-type"), ["a/b"]);
        }
    }

    #[test]
    fn an_http_api_refuses_what_has_a_status_and_another_form() {
        for wrong in [
            json!({"statusCode": 200, "headers": {"set-cookie": ["a=1"]}}),
            json!({"statusCode": 200, "cookies": "a=1"}),
            json!({"statusCode": 200, "body": "%", "isBase64Encoded": true}),
            json!({"statusCode": 200, "headers": {"a b": "x"}}),
            json!({"statusCode": 99_999}),
            json!({"statusCode": null}),
        ] {
            let refusal = of(Form::V2, &wrong).unwrap_err().refusal;
            assert_eq!(refusal, Refusal::BadIntegration, "{wrong}");
        }
        let not_json = response(Form::V2, true, Ok(Bytes::from_static(b"{")));
        assert_eq!(not_json.unwrap_err().refusal, Refusal::BadIntegration);
    }

    #[test]
    fn payload_1_0_has_the_members_of_a_rest_api_and_needs_a_status() {
        let lists = json!({"statusCode": 200, "multiValueHeaders": {"a": ["1", "2"]}});
        assert_eq!(all(&of(Form::V1, &lists).unwrap(), "a"), ["1", "2"]);
        for wrong in [json!({}), json!({"statusCode": 200, "cookies": []}), json!("text")] {
            assert!(of(Form::V1, &wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_function_that_fails_is_not_a_late_integration() {
        for error in [InvokeError::Timeout(Duration::ZERO), InvokeError::Exit("7".into())] {
            let fault = response(Form::Rest, false, Err(error)).unwrap_err();
            assert_eq!(fault.refusal, Refusal::FunctionError);
        }
    }
}
