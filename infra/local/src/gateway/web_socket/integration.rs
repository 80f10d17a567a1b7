//! The answers of integrations behind a WebSocket API's routes, and calls of functions.
//!
//! A function that is a proxy answers as one behind a REST API does. Another form of answer, such as one with other
//! members, and an error of the function are a 502 at `$connect`, and elsewhere API Gateway's own
//! message `Internal server error`. Both are reported by users of deployed APIs.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt as _, Collected, Full};

use super::super::backend::Fault;
use super::super::responses::Refusal;
use super::super::{Invoke, proxy};

/// The start of a body that is looked at for the log, in bytes.
const MAX_START: usize = 4096;
/// The characters of its first line that are shown.
const MAX_LINE: usize = 200;
/// Texts of the errors that a function gets if it calls a management API that is not here.
const UNREACHED: [&str; 4] =
    ["execute-api", "EPROTO", "wrong version number", "WRONG_VERSION_NUMBER"];
const HINT: &str = " (its clients are at `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI`: the function \
                    must not name another endpoint)";

/// The answer of an integration.
pub(super) struct Answer {
    pub(super) status: http::StatusCode,
    /// The subprotocol that `$connect` selects.
    pub(super) protocol: Option<HeaderValue>,
    pub(super) body: Bytes,
}

impl Answer {
    /// The answer that a response is.
    pub(super) async fn of(response: Response<Full<Bytes>>) -> Self {
        let (mut head, body) = response.into_parts();
        let protocol = head.headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
        // A body that is there already does not fail.
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        Self { status: head.status, protocol, body }
    }

    /// The status, the first line of the body, and a hint at what it says of a failed call.
    pub(super) fn shown(&self) -> String {
        let start = self.body.get(..MAX_START).unwrap_or(&self.body);
        let text = String::from_utf8_lossy(start);
        let line: String = text.lines().next().unwrap_or_default().chars().take(MAX_LINE).collect();
        let line = if line.is_empty() { line } else { format!(": {line}") };
        let hint = if UNREACHED.iter().any(|part| text.contains(part)) { HINT } else { "" };
        format!("{}{line}{hint}", self.status.as_u16())
    }
}

/// Calls a function.
pub(super) async fn call(invoke: &Invoke, event: Bytes, limit: Duration) -> Result<Answer, Fault> {
    let id = uuid::Uuid::new_v4().to_string();
    let called = tokio::time::timeout(limit, invoke(id, event)).await;
    let output = called.map_err(|_| Refusal::IntegrationTimeout)?;
    Ok(Answer::of(proxy::response_of_socket(output)?).await)
}

/// The reason of a fault, for the log.
pub(super) fn reason(fault: &Fault) -> String {
    let usual = || fault.refusal.reason().unwrap_or("the integration failed").to_owned();
    fault.reason.clone().unwrap_or_else(usual)
}
