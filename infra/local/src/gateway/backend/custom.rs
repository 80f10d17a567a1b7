//! A Lambda function that is not a proxy, behind a REST or WebSocket API: templates make its event and
//! the API's response. The pages are "Set up Lambda custom integrations in API Gateway" and "Handle custom
//! Lambda errors in API Gateway" of the developer guide.
//!
//! A pattern is for the message of an error alone, and no success matches one: seen in `LocalStack`'s
//! recording `test_lambda_selection_patterns`.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Call, Fault, Templates};
use crate::gateway::Invoke;
use crate::gateway::aside::aside;
use crate::gateway::expression::Values;
use crate::gateway::responses::Refusal;
use crate::lambda::{InvokeError, MAX_PAYLOAD};

/// The API's response to a request, by way of the function.
pub(super) async fn answer(
    invoke: &Invoke,
    templates: &Templates,
    call: &Call<'_>,
) -> Result<Response<Full<Bytes>>, Fault> {
    let Call { asked, body, grant } = call;
    let values = Values::new(asked, body, grant);
    let event = aside(body.len(), || templates.request(&values)).await?;
    let event = event.map_or_else(|| body.clone(), Bytes::from);
    let event = if event.is_empty() { Bytes::from_static(b"{}") } else { event };
    if event.len() > MAX_PAYLOAD {
        return Err(Refusal::EventTooLarge.into());
    }
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(&event) {
        return Ok(not_json(&error));
    }
    let id = Uuid::new_v4().to_string();
    let answer = invoke(id.clone(), event);
    let answer = tokio::time::timeout(asked.options.integration_timeout, answer).await;
    let (error, output) = output(&id, answer.map_err(|_| Refusal::IntegrationTimeout)?)?;
    let status = if error.is_some() { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
    let none = HeaderMap::new();
    let values = values.answered(status, &none, &output);
    aside(output.len(), || templates.respond(error.as_deref(), &values)).await
}

/// The answer to an event that is not JSON, as users report it: no function is called, and no
/// integration response selected. The end of the message is the parser's own.
fn not_json(error: &serde_json::Error) -> Response<Full<Bytes>> {
    let message = format!("Could not parse request body into json: {error}");
    let mut response = Response::new(Full::new(json!({ "message": message }).to_string().into()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The message of an error, and the function's output.
fn output(id: &str, answer: Result<Bytes, InvokeError>) -> Result<(Option<String>, Bytes), Fault> {
    let (kind, message) = match answer {
        Ok(output) => return Ok((None, output)),
        Err(InvokeError::Function { error_type, error_message }) => (error_type, error_message),
        Err(InvokeError::Timeout(limit)) => {
            let seconds = limit.as_secs_f64();
            let text = format!("RequestId: {id} Error: Task timed out after {seconds:.2} seconds");
            ("Sandbox.Timedout".to_owned(), text)
        }
        Err(InvokeError::Exit(why)) => {
            ("Runtime.ExitError".to_owned(), format!("RequestId: {id} Error: {why}"))
        }
        Err(error) => {
            let reason = Some(error.to_string());
            return Err(Fault { refusal: Refusal::FunctionError, reason });
        }
    };
    let output: Value = json!({ "errorMessage": message, "errorType": kind });
    Ok((Some(message), Bytes::from(output.to_string())))
}
