//! A Lambda proxy integration: the event of a function behind the API, and what its answer means.
//!
//! The forms are those of the developer guide's pages "Input format of a Lambda function for proxy
//! integration" (REST) and "Working with AWS Lambda proxy integrations for HTTP APIs" (2.0).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::authorizer::Grant;
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
    let is_http = asked.kind().is_http();
    let mut authorizer = grant.context.clone();
    if !is_http && let Some(principal) = &grant.principal_id {
        authorizer.insert("principalId".to_owned(), principal.as_str().into());
    }
    if let Some(event) = event.as_object_mut() {
        event.insert("isBase64Encoded".to_owned(), is_base64.into());
        if !is_http || !text.is_empty() {
            let body = if text.is_empty() { Value::Null } else { text.into() };
            event.insert("body".to_owned(), body);
        }
        let context = event.get_mut("requestContext").and_then(Value::as_object_mut);
        if let Some(context) = context.filter(|_| !grant.is_open()) {
            let authorizer = Value::Object(authorizer);
            let authorizer = if is_http { json!({ "lambda": authorizer }) } else { authorizer };
            context.insert("authorizer".to_owned(), authorizer);
        }
    }
    Bytes::from(event.to_string())
}

/// The response that the function's answer stands for.
pub(super) fn response(
    is_http: bool,
    answer: Result<Bytes, InvokeError>,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let output = answer.map_err(|error| match error {
        InvokeError::Timeout(_) => Refusal::IntegrationTimeout,
        _ => Refusal::BadIntegration,
    })?;
    let output: Value = serde_json::from_slice(&output).map_err(|_| Refusal::BadIntegration)?;
    match &output {
        Value::Object(found) if found.contains_key("statusCode") => written(found),
        // An HTTP API takes an answer without a status for the body of a 200.
        Value::String(text) if is_http => ok(Bytes::from(text.clone())),
        other if is_http => ok(Bytes::from(other.to_string())),
        _ => Err(Refusal::BadIntegration),
    }
}

fn ok(body: Bytes) -> Result<Response<Full<Bytes>>, Refusal> {
    let mut response = Response::new(Full::new(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

fn written(found: &Map<String, Value>) -> Result<Response<Full<Bytes>>, Refusal> {
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
            Bytes::from(STANDARD.decode(text).map_err(|_| Refusal::BadIntegration)?)
        }
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(_) => return Err(Refusal::BadIntegration),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status.ok_or(Refusal::BadIntegration)?;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    let mut given = Vec::new();
    for (name, value) in members(found, "headers") {
        given.push((name.clone(), vec![value.clone()]));
    }
    for (name, values) in members(found, "multiValueHeaders") {
        given.push((name.clone(), values.as_array().cloned().unwrap_or_default()));
    }
    if let Some(Value::Array(cookies)) = found.get("cookies") {
        given.push(("set-cookie".to_owned(), cookies.clone()));
    }
    for (name, values) in given {
        let name = HeaderName::try_from(name).map_err(|_| Refusal::BadIntegration)?;
        response.headers_mut().remove(&name);
        for value in values {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let value = HeaderValue::from_str(&text).map_err(|_| Refusal::BadIntegration)?;
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

    fn of(is_http: bool, output: &Value) -> Result<Response<Full<Bytes>>, Refusal> {
        response(is_http, Ok(Bytes::from(output.to_string())))
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
        let cookies = of(true, &json!({"statusCode": 200, "cookies": ["a=1", "b=2"]})).unwrap();
        assert_eq!(cookies.headers().get_all("set-cookie").iter().count(), 2);
    }

    #[test]
    fn an_answer_of_another_form_is_a_502_but_an_http_apis_body() {
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
        let late = response(false, Err(InvokeError::Timeout(std::time::Duration::ZERO)));
        assert_eq!(late.unwrap_err(), Refusal::IntegrationTimeout);
    }
}
