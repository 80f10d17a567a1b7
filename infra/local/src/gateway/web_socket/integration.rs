//! Calls of the functions behind a WebSocket API's routes.
//!
//! A function answers as one behind a REST API does. Another form of answer, such as one with other
//! members, and an error of the function are a 502 at `$connect`, and elsewhere API Gateway's own
//! message `Internal server error`. Both are reported by users of deployed APIs.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, header};
use http_body_util::{BodyExt as _, Collected};

use super::super::backend::Fault;
use super::super::responses::Refusal;
use super::super::{Invoke, proxy};

/// The answer of a function.
pub(super) struct Answer {
    pub(super) status: http::StatusCode,
    /// The subprotocol that `$connect` selects.
    pub(super) protocol: Option<HeaderValue>,
    pub(super) body: Bytes,
}

/// Calls a function.
pub(super) async fn call(invoke: &Invoke, event: Bytes, limit: Duration) -> Result<Answer, Fault> {
    let id = uuid::Uuid::new_v4().to_string();
    let called = tokio::time::timeout(limit, invoke(id, event)).await;
    let output = called.map_err(|_| Refusal::IntegrationTimeout)?;
    let (mut head, body) = proxy::response_of_socket(output)?.into_parts();
    let protocol = head.headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    // A body that is there already does not fail.
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    Ok(Answer { status: head.status, protocol, body })
}

/// The reason of a fault, for the log.
pub(super) fn reason(fault: &Fault) -> String {
    let usual = || fault.refusal.reason().unwrap_or("the function failed").to_owned();
    fault.reason.clone().unwrap_or_else(usual)
}
