//! Responses that an HTTP API makes itself: a status and a fixed word or two.
//!
//! 401, 403 and 404 are in the developer guide's pages on troubleshooting; the others are as
//! reported from deployed APIs. Not confirmed: the 414, and what an HTTP API makes of an
//! authorizer's error `Unauthorized`, which is taken for a 401 here.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use super::Refusal;

pub(super) fn respond(refusal: Refusal) -> Response<Full<Bytes>> {
    let (status, message) = match refusal {
        Refusal::Unauthorized => (401, "Unauthorized"),
        Refusal::AccessDenied { .. } | Refusal::Forbidden => (403, "Forbidden"),
        Refusal::InvalidApiKey { .. } | Refusal::Throttled | Refusal::QuotaExceeded => {
            (429, "Too Many Requests")
        }
        Refusal::AuthorizerFailure
        | Refusal::AuthorizerConfiguration
        | Refusal::ApiConfiguration
        | Refusal::BadIntegration
        | Refusal::FunctionError => (500, "Internal Server Error"),
        Refusal::NoRoute | Refusal::UpgradeRequired => (404, "Not Found"),
        Refusal::IntegrationFailure | Refusal::IntegrationTimeout | Refusal::TooManyBodies => {
            (503, "Service Unavailable")
        }
        Refusal::UnsupportedMediaType => (415, "Unsupported Media Type"),
        Refusal::BadRequest | Refusal::BodyTooLarge | Refusal::HeadTooLarge => (400, "Bad Request"),
        Refusal::EventTooLarge => (413, "Request Entity Too Large"),
        Refusal::ArnTooLong => (414, "Request-URI Too Long"),
    };
    super::json(status, format!(r#"{{"message":"{message}"}}"#))
}
