//! Gateway responses: what a caller sees when API Gateway itself answers.
//!
//! Statuses are those of the developer guide's table of gateway response types. Bodies and
//! `x-amzn-ErrorType` are as reported from deployed APIs, spaces and capitals included. Not
//! confirmed: the error types of `AUTHORIZER_FAILURE`, `API_CONFIGURATION_ERROR` and the 414, the
//! status of an oversized head, and whether a mapped `INVALID_API_KEY` keeps its error type.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use uuid::Uuid;

/// The ids under which API Gateway knows a request.
#[derive(Debug)]
pub(super) struct RequestId {
    uuid: Uuid,
    text: String,
}

impl RequestId {
    pub(super) fn new() -> Self {
        let uuid = Uuid::new_v4();
        Self { uuid, text: uuid.to_string() }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The extended request id: eleven bytes in base64.
    fn extended(&self) -> String {
        STANDARD.encode(self.uuid.as_bytes().get(..11).unwrap_or_default())
    }

    /// Adds the headers that every answer of API Gateway has.
    pub(super) fn mark(&self, mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        for (name, value) in
            [("x-amzn-requestid", self.text.clone()), ("x-amz-apigw-id", self.extended())]
        {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Why a request does not reach the backend, or its answer not the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `UNAUTHORIZED`: no token, or the authorizer said so.
    Unauthorized,
    /// `ACCESS_DENIED`: the policy denies, or does not allow.
    AccessDenied { explicit: bool },
    /// `INVALID_API_KEY`, mapped to 429: how an authorizer answers "too many requests".
    InvalidApiKey { retry_after: Option<u64> },
    /// `AUTHORIZER_FAILURE`: the function could not be run to an end.
    AuthorizerFailure,
    /// `AUTHORIZER_CONFIGURATION_ERROR`: a function error, or an output that can't be used.
    AuthorizerConfiguration,
    /// `API_CONFIGURATION_ERROR`: the context can't be passed on.
    ApiConfiguration,
    /// `MISSING_AUTHENTICATION_TOKEN`: no such method.
    MissingAuthenticationToken,
    /// `INTEGRATION_FAILURE`: the backend can't be reached.
    IntegrationFailure,
    /// `INTEGRATION_TIMEOUT`: the backend takes too long.
    IntegrationTimeout,
    /// The backend's answer can't be used: `DEFAULT_5XX`.
    BadIntegration,
    /// The front's answer to a request that is none.
    BadRequest,
    /// The front's answer to a body over the limit; it is not JSON and carries no ids.
    BodyTooLarge,
    /// The front's answer to a request line and headers over the limit.
    HeadTooLarge,
    /// The method's ARN with this path is too long.
    ArnTooLong,
}

impl Refusal {
    pub(super) fn respond(self, id: &RequestId) -> Response<Full<Bytes>> {
        let (status, error_type, body) = match self {
            Self::BodyTooLarge => {
                return front(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "HTTP content length exceeded 10485760 bytes.",
                );
            }
            Self::HeadTooLarge => {
                return front(
                    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    "HTTP header is larger than 10240 bytes.",
                );
            }
            Self::Unauthorized => (401, "UnauthorizedException", r#"{"message":"Unauthorized"}"#),
            // The capital M is API Gateway's.
            Self::AccessDenied { explicit: true } => (
                403,
                "AccessDeniedException",
                r#"{"Message":"User is not authorized to access this resource with an explicit deny in an identity-based policy"}"#,
            ),
            Self::AccessDenied { explicit: false } => (
                403,
                "AccessDeniedException",
                r#"{"Message":"User is not authorized to access this resource"}"#,
            ),
            Self::InvalidApiKey { .. } => {
                (429, "ForbiddenException", r#"{"message":"Too Many Requests"}"#)
            }
            Self::AuthorizerFailure => (500, "AuthorizerFailureException", r#"{"message":null}"#),
            Self::AuthorizerConfiguration => {
                (500, "AuthorizerConfigurationException", r#"{"message":null}"#)
            }
            Self::ApiConfiguration => {
                (500, "ApiConfigurationException", r#"{"message": "Internal server error"}"#)
            }
            Self::MissingAuthenticationToken => (
                403,
                "MissingAuthenticationTokenException",
                r#"{"message":"Missing Authentication Token"}"#,
            ),
            Self::IntegrationFailure => (
                504,
                "InternalServerErrorException",
                r#"{"message": "Network error communicating with endpoint"}"#,
            ),
            Self::IntegrationTimeout => (
                504,
                "InternalServerErrorException",
                r#"{"message": "Endpoint request timed out"}"#,
            ),
            Self::BadIntegration => {
                (502, "InternalServerErrorException", r#"{"message": "Internal server error"}"#)
            }
            Self::BadRequest => (400, "BadRequestException", r#"{"message":"Bad Request"}"#),
            Self::ArnTooLong => {
                (414, "BadRequestException", r#"{"message":"Request URI too long"}"#)
            }
        };
        let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-amzn-errortype", HeaderValue::from_static(error_type));
        if let Self::InvalidApiKey { retry_after: Some(seconds) } = self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        id.mark(response)
    }
}

/// An answer from before the API: plain text and no ids.
fn front(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn seen(refusal: Refusal) -> (u16, String, String) {
        let response = refusal.respond(&RequestId::new());
        let error_type = response
            .headers()
            .get("x-amzn-errortype")
            .map_or(String::new(), |value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, error_type, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_refusal_looks_like_api_gateways() {
        let table = [
            (Refusal::Unauthorized, 401, "UnauthorizedException", r#"{"message":"Unauthorized"}"#),
            (
                Refusal::AccessDenied { explicit: false },
                403,
                "AccessDeniedException",
                r#"{"Message":"User is not authorized to access this resource"}"#,
            ),
            (
                Refusal::InvalidApiKey { retry_after: None },
                429,
                "ForbiddenException",
                r#"{"message":"Too Many Requests"}"#,
            ),
            (
                Refusal::AuthorizerConfiguration,
                500,
                "AuthorizerConfigurationException",
                r#"{"message":null}"#,
            ),
            (
                Refusal::IntegrationTimeout,
                504,
                "InternalServerErrorException",
                r#"{"message": "Endpoint request timed out"}"#,
            ),
            (Refusal::BodyTooLarge, 413, "", "HTTP content length exceeded 10485760 bytes."),
        ];
        for (refusal, status, error_type, body) in table {
            assert_eq!(seen(refusal).await, (status, error_type.to_owned(), body.to_owned()));
        }
    }

    #[test]
    fn ids_have_api_gateways_form_and_differ() {
        let (one, other) = (RequestId::new(), RequestId::new());
        let first = Refusal::Unauthorized.respond(&one);
        let headers = first.headers();
        assert_eq!(headers["x-amzn-requestid"], one.as_str());
        let extended = headers["x-amz-apigw-id"].to_str().unwrap();
        assert_eq!((extended.len(), extended.ends_with('=')), (16, true));
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        assert_ne!(one.as_str(), other.as_str());
    }

    #[test]
    fn a_retry_after_is_whole_seconds() {
        let respond = |retry_after| {
            Refusal::InvalidApiKey { retry_after }.respond(&RequestId::new()).into_parts().0.headers
        };
        assert_eq!(respond(Some(3))[header::RETRY_AFTER], "3");
        assert!(!respond(None).contains_key(header::RETRY_AFTER));
    }
}
