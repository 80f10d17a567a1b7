//! The gateway responses of a REST API.
//!
//! Statuses are those of the developer guide's table of gateway response types. Bodies and
//! `x-amzn-ErrorType` are as reported from deployed APIs, spaces and capitals included. Not
//! confirmed: the error types of `AUTHORIZER_FAILURE`, `API_CONFIGURATION_ERROR` and the 414, the
//! status of an oversized head, and whether a mapped `INVALID_API_KEY` keeps its error type.

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body_util::Full;

use super::Refusal;

pub(super) fn respond(refusal: Refusal) -> Response<Full<Bytes>> {
    let (status, error_type, body) = parts(refusal);
    let mut response = super::json(status, body);
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(error_type));
    response
}

fn parts(refusal: Refusal) -> (u16, &'static str, &'static str) {
    match refusal {
        Refusal::Unauthorized => (401, "UnauthorizedException", r#"{"message":"Unauthorized"}"#),
        // The capital M is API Gateway's.
        Refusal::AccessDenied { explicit: true } => (
            403,
            "AccessDeniedException",
            r#"{"Message":"User is not authorized to access this resource with an explicit deny in an identity-based policy"}"#,
        ),
        Refusal::AccessDenied { explicit: false } => (
            403,
            "AccessDeniedException",
            r#"{"Message":"User is not authorized to access this resource"}"#,
        ),
        Refusal::InvalidApiKey { .. } => {
            (429, "ForbiddenException", r#"{"message":"Too Many Requests"}"#)
        }
        Refusal::Forbidden => (403, "ForbiddenException", r#"{"message":"Forbidden"}"#),
        Refusal::Throttled => {
            (429, "TooManyRequestsException", r#"{"message":"Too Many Requests"}"#)
        }
        Refusal::QuotaExceeded => {
            (429, "LimitExceededException", r#"{"message":"Limit Exceeded"}"#)
        }
        Refusal::AuthorizerFailure => (500, "AuthorizerFailureException", r#"{"message":null}"#),
        Refusal::AuthorizerConfiguration => {
            (500, "AuthorizerConfigurationException", r#"{"message":null}"#)
        }
        Refusal::ApiConfiguration => {
            (500, "ApiConfigurationException", r#"{"message": "Internal server error"}"#)
        }
        Refusal::NoRoute | Refusal::UpgradeRequired => (
            403,
            "MissingAuthenticationTokenException",
            r#"{"message":"Missing Authentication Token"}"#,
        ),
        Refusal::IntegrationFailure => (
            504,
            "InternalServerErrorException",
            r#"{"message": "Network error communicating with endpoint"}"#,
        ),
        Refusal::IntegrationTimeout => {
            (504, "InternalServerErrorException", r#"{"message": "Endpoint request timed out"}"#)
        }
        Refusal::BadIntegration | Refusal::FunctionError => {
            (502, "InternalServerErrorException", r#"{"message": "Internal server error"}"#)
        }
        Refusal::UnsupportedMediaType => {
            (415, "BadRequestException", r#"{"message": "Unsupported Media Type"}"#)
        }
        Refusal::BadRequest | Refusal::BodyTooLarge | Refusal::HeadTooLarge => {
            (400, "BadRequestException", r#"{"message":"Bad Request"}"#)
        }
        Refusal::TooManyBodies => {
            (503, "ServiceUnavailableException", r#"{"message":"Service Unavailable"}"#)
        }
        Refusal::EventTooLarge => {
            (413, "BadRequestException", r#"{"message": "Request Too Long"}"#)
        }
        Refusal::ArnTooLong => {
            (414, "BadRequestException", r#"{"message":"Request URI too long"}"#)
        }
    }
}
