//! Responses of a WebSocket API to a handshake that it refuses.
//!
//! The statuses 401 and 403 are from the developer guide's page on `$connect`, the 502 for a failed
//! function from reports of users; the body is that of errors on an open connection. Not confirmed:
//! that a handshake's refusal has this body, the 504, and the status of a request that is not a
//! handshake.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use serde_json::json;

use super::{Refusal, RequestId};

pub(super) fn respond(refusal: Refusal, id: &RequestId) -> Response<Full<Bytes>> {
    let (status, message) = match refusal {
        Refusal::Unauthorized => (401, "Unauthorized"),
        // No gateway response can be mapped, so a key that no plan knows is what it is.
        Refusal::AccessDenied { .. }
        | Refusal::InvalidApiKey { .. }
        | Refusal::Forbidden
        | Refusal::NoRoute => (403, "Forbidden"),
        Refusal::Throttled => (429, "Too Many Requests"),
        Refusal::QuotaExceeded => (429, "Limit Exceeded"),
        Refusal::AuthorizerFailure
        | Refusal::AuthorizerConfiguration
        | Refusal::ApiConfiguration => (500, "Internal server error"),
        Refusal::IntegrationFailure | Refusal::BadIntegration | Refusal::FunctionError => {
            (502, "Internal server error")
        }
        Refusal::TooManyBodies => (503, "Service Unavailable"),
        Refusal::IntegrationTimeout => (504, "Endpoint request timed out"),
        Refusal::UnsupportedMediaType
        | Refusal::BadRequest
        | Refusal::BodyTooLarge
        | Refusal::EventTooLarge
        | Refusal::HeadTooLarge
        | Refusal::ArnTooLong => (400, "Bad Request"),
        Refusal::UpgradeRequired => (426, "Upgrade Required"),
    };
    let body = format!(
        r#"{{"message":{},"connectionId":{},"requestId":{}}}"#,
        json!(message),
        json!(id.connection()),
        json!(id.as_str())
    );
    let mut response = super::json(status, body);
    if refusal == Refusal::UpgradeRequired {
        // RFC 9110, 15.5.22: what to upgrade to; RFC 6455, 4.4: and to which version of it.
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}
