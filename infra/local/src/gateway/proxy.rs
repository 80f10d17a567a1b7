//! A Lambda proxy integration: the event of a function behind the API, and what its answer means.
//!
//! The forms are those of the developer guide's pages "Input format of a Lambda function for proxy
//! integration" (REST) and "Create AWS Lambda proxy integrations for HTTP APIs" (1.0 and 2.0). A
//! function that takes longer than its own time-out is a 502 of a REST API and a 500 of an HTTP API,
//! as users report; a 504 or 503 is for one that takes longer than the integration may.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::authorizer::Grant;
use super::backend::Fault;
use super::event;
use super::responses::Refusal;
use crate::lambda::InvokeError;

/// The event for an allowed request.
pub(super) fn event(asked: &Asked<'_>, body: &Bytes, grant: &Grant) -> Bytes {
    let mut event = event::of_backend(asked);
    let (text, is_base64) = match std::str::from_utf8(body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (STANDARD.encode(body), true),
    };
    if let Some(event) = event.as_object_mut() {
        event.insert("isBase64Encoded".to_owned(), is_base64.into());
        if !asked.is_v2() || !text.is_empty() {
            let body = if text.is_empty() { Value::Null } else { text.into() };
            event.insert("body".to_owned(), body);
        }
        let context = event.get_mut("requestContext").and_then(Value::as_object_mut);
        if let Some(context) = context.filter(|_| !grant.is_open()) {
            context.insert("authorizer".to_owned(), event::authorizer(asked, grant));
        }
    }
    Bytes::from(event.to_string())
}

/// The response that the function's answer stands for; `is_v2` for the rules of payload 2.0.
pub(super) fn response(
    is_v2: bool,
    answer: Result<Bytes, InvokeError>,
) -> Result<Response<Full<Bytes>>, Fault> {
    let output = answer.map_err(|error| bad(&error.to_string()))?;
    let output: Value =
        serde_json::from_slice(&output).map_err(|_| bad("the function's answer is not JSON"))?;
    match &output {
        Value::Object(found) if found.contains_key("statusCode") => written(is_v2, found),
        // Payload 2.0 takes an answer without a status for the body of a 200.
        Value::String(text) if is_v2 => ok(Bytes::from(text.clone())),
        other if is_v2 => ok(Bytes::from(other.to_string())),
        _ => Err(bad("the function's answer has no `statusCode`")),
    }
}

/// An answer that cannot be used. Reasons name members, never values.
fn bad(reason: &str) -> Fault {
    Fault { refusal: Refusal::BadIntegration, reason: Some(reason.to_owned()) }
}

fn ok(body: Bytes) -> Result<Response<Full<Bytes>>, Fault> {
    let mut response = Response::new(Full::new(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

fn written(is_v2: bool, found: &Map<String, Value>) -> Result<Response<Full<Bytes>>, Fault> {
    let status = match found.get("statusCode") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let status = status.and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let body = match found.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) if found.get("isBase64Encoded") == Some(&json!(true)) => {
            let decoded = STANDARD.decode(text);
            Bytes::from(decoded.map_err(|_| bad("the function's `body` is not base64"))?)
        }
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(_) => return Err(bad("the function's `body` is not a text")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() =
        status.ok_or_else(|| bad("the function's `statusCode` is not a status"))?;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    let mut given = Vec::new();
    for (name, value) in members(found, "headers") {
        given.push((name.clone(), vec![value.clone()]));
    }
    // The one is of payload 1.0 and of REST APIs, the other of payload 2.0.
    for (name, values) in members(found, "multiValueHeaders").filter(|_| !is_v2) {
        given.push((name.clone(), values.as_array().cloned().unwrap_or_default()));
    }
    if let Some(Value::Array(cookies)) = found.get("cookies").filter(|_| is_v2) {
        given.push(("set-cookie".to_owned(), cookies.clone()));
    }
    for (name, values) in given {
        let wrong = || bad("a header of the function's answer cannot be sent");
        let name = HeaderName::try_from(name).map_err(|_| wrong())?;
        response.headers_mut().remove(&name);
        for value in values {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let value = HeaderValue::from_str(&text).map_err(|_| wrong())?;
            response.headers_mut().append(&name, value);
        }
    }
    // The connection to the caller has its own framing.
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        response.headers_mut().remove(name);
    }
    Ok(response)
}

fn members<'a>(
    found: &'a Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    found.get(name).and_then(Value::as_object).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn of(is_v2: bool, output: &Value) -> Result<Response<Full<Bytes>>, Refusal> {
        response(is_v2, Ok(Bytes::from(output.to_string()))).map_err(|fault| fault.refusal)
    }

    #[tokio::test]
    async fn an_answer_becomes_a_response() {
        let response = of(
            false,
            &json!({
                "statusCode": "201", "headers": {"X-One": 1, "Content-Type": "text/plain"},
                "multiValueHeaders": {"x-two": ["a", "b"]}, "body": "aGk=", "isBase64Encoded": true,
            }),
        )
        .unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["x-one"], "1");
        assert_eq!(response.headers()["content-type"], "text/plain");
        assert_eq!(response.headers().get_all("x-two").iter().count(), 2);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "hi");
        // Each payload has its own way to answer several cookies.
        let both = json!({
            "statusCode": 200, "cookies": ["a=1", "b=2"],
            "multiValueHeaders": {"Set-Cookie": ["c=3"]},
        });
        let cookies = |is_v2| {
            let response = of(is_v2, &both).unwrap();
            let all = response.headers().get_all("set-cookie").iter();
            all.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(cookies(true), ["a=1", "b=2"]);
        assert_eq!(cookies(false), ["c=3"]);
    }

    #[test]
    fn an_answer_of_another_form_is_a_502_but_the_body_of_payload_2_0() {
        for wrong in [
            json!({"body": "no status"}),
            json!({"statusCode": 99_999}),
            json!({"statusCode": 200, "body": {"not": "text"}}),
            json!({"statusCode": 200, "headers": {"a b": "x"}}),
            json!({"statusCode": 200, "body": "%", "isBase64Encoded": true}),
            json!("text"),
        ] {
            assert_eq!(of(false, &wrong).unwrap_err(), Refusal::BadIntegration, "{wrong}");
        }
        assert_eq!(of(true, &json!({"a": 1})).unwrap().status(), 200);
        // The function's own time-out is an error of the function, not of the integration.
        let late = response(false, Err(InvokeError::Timeout(std::time::Duration::from_secs(3))));
        let late = late.unwrap_err();
        assert_eq!(late.refusal, Refusal::BadIntegration);
        assert_eq!(late.reason.as_deref(), Some("the function took longer than 3s"));
    }
}
