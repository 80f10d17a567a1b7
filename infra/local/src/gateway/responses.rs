//! Gateway responses: what a caller sees when API Gateway itself answers.
//!
//! Each kind of API has its own statuses, bodies and headers, in a separate file. What is the
//! same is why a request is refused, and the ids under which a request is known.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use uuid::Uuid;

use super::Kind;

mod http_api;
mod rest;
mod web_socket;

/// The ids under which API Gateway knows a request.
#[derive(Debug)]
pub(super) struct RequestId {
    kind: Kind,
    uuid: Uuid,
    text: String,
}

impl RequestId {
    pub(super) fn new(kind: Kind) -> Self {
        let uuid = Uuid::new_v4();
        let text = if kind.is_rest() { uuid.to_string() } else { short(&uuid, 0) };
        Self { kind, uuid, text }
    }

    /// A UUID for REST APIs, the short form for the others.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The extended request id.
    pub(super) fn extended(&self) -> String {
        short(&self.uuid, 0)
    }

    /// The id of the connection that a WebSocket request asks for.
    pub(super) fn connection(&self) -> String {
        short(&self.uuid, 5)
    }

    /// The value of `X-Amzn-Trace-Id` for a request without one.
    pub(super) fn trace(&self, now_ms: u64) -> String {
        let id = self.uuid.simple().to_string();
        format!("Root=1-{:08x}-{}", now_ms / 1000, id.get(..24).unwrap_or_default())
    }

    /// Adds the headers that every answer of API Gateway has.
    pub(super) fn mark(&self, mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        let ids = if self.kind.is_http() {
            vec![("apigw-requestid", self.text.clone())]
        } else {
            vec![("x-amzn-requestid", self.text.clone()), ("x-amz-apigw-id", self.extended())]
        };
        for (name, value) in ids {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Eleven bytes in base64 for URLs, as API Gateway writes its shorter ids.
fn short(uuid: &Uuid, from: usize) -> String {
    let bytes = uuid.as_bytes().get(from..from.saturating_add(11));
    URL_SAFE.encode(bytes.unwrap_or_default())
}

/// Reasons why a request does not reach the backend, or its response does not reach the caller.
///
/// Names in capitals are those of REST APIs' gateway response types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `UNAUTHORIZED`: an identity source is missing, or the authorizer said so.
    Unauthorized,
    /// `ACCESS_DENIED`: the policy denies, or does not allow.
    AccessDenied { explicit: bool },
    /// `INVALID_API_KEY` where the authorizer names the key: mapped to 429, and so how an
    /// authorizer answers "too many requests".
    InvalidApiKey { retry_after: Option<u64> },
    /// `INVALID_API_KEY` where the caller brings the key: as it is by default.
    Forbidden,
    /// `THROTTLED`: the usage plan's rate.
    Throttled,
    /// `QUOTA_EXCEEDED`: the usage plan's quota.
    QuotaExceeded,
    /// `AUTHORIZER_FAILURE`: the function could not be run to an end.
    AuthorizerFailure,
    /// `AUTHORIZER_CONFIGURATION_ERROR`: a function error, or an output that can't be used.
    AuthorizerConfiguration,
    /// `API_CONFIGURATION_ERROR`: a mapping, or the context, can't be followed.
    ApiConfiguration,
    /// `MISSING_AUTHENTICATION_TOKEN`: no such method, no such route.
    NoRoute,
    /// `INTEGRATION_FAILURE`: the backend can't be reached.
    IntegrationFailure,
    /// `INTEGRATION_TIMEOUT`: the backend takes too long.
    IntegrationTimeout,
    /// The backend's answer can't be used: `DEFAULT_5XX`.
    BadIntegration,
    /// `UNSUPPORTED_MEDIA_TYPE`: no request template, and the body may not pass.
    UnsupportedMediaType,
    /// `INTEGRATION_FAILURE`: the function behind the API failed.
    FunctionError,
    /// The front's answer to a request that is none.
    BadRequest,
    /// The front's answer to a body over the limit; it is not JSON and carries no ids.
    BodyTooLarge,
    /// A body that finds no room beside those of other requests.
    TooManyBodies,
    /// `REQUEST_TOO_LARGE`: with the body, the event is too large for a function.
    EventTooLarge,
    /// The front's answer to a request line and headers over the limit.
    HeadTooLarge,
    /// The URL is too long, or the method's ARN with this path.
    ArnTooLong,
    /// A request that a WebSocket API can't upgrade.
    UpgradeRequired,
}

impl Refusal {
    /// The reason in the log. An authorizer's `Unauthorized` has none: its record has it.
    pub(super) const fn reason(self) -> Option<&'static str> {
        Some(match self {
            Self::Unauthorized => return None,
            Self::AccessDenied { explicit: true } => "the rules deny it",
            Self::AccessDenied { explicit: false } => "no rule allows it",
            Self::InvalidApiKey { .. } => "the authorizer's key is not the API's (see --api-key)",
            Self::Forbidden => "x-api-key is missing or not the API's key",
            Self::Throttled => "rate of the API's own usage plan",
            Self::QuotaExceeded => "quota of the API's own usage plan",
            Self::AuthorizerFailure => "the authorizer failed",
            Self::AuthorizerConfiguration => "the authorizer's result is not usable",
            Self::ApiConfiguration => "the API's definition cannot be followed",
            Self::NoRoute => "the API has no such route",
            Self::IntegrationFailure => "the upstream cannot be reached",
            Self::IntegrationTimeout => "the upstream took too long",
            Self::BadIntegration => "the upstream's response is not usable",
            Self::UnsupportedMediaType => "no request template is for the content type",
            Self::FunctionError => "the function failed",
            Self::BadRequest => "the request is not valid",
            Self::BodyTooLarge => "the body is larger than 10 MB",
            Self::TooManyBodies => "the bodies of other requests take 256 MB; try again",
            Self::EventTooLarge => "the function's event is larger than 6 MB",
            Self::HeadTooLarge => "request line and headers are larger than 10,240 bytes",
            Self::ArnTooLong => "the path is too long",
            Self::UpgradeRequired => "the request is not a WebSocket handshake",
        })
    }

    /// The type of a REST API's gateway response; `None` for an answer from before the API.
    pub(super) const fn response_type(self) -> Option<&'static str> {
        Some(match self {
            Self::Unauthorized => "UNAUTHORIZED",
            Self::AccessDenied { .. } => "ACCESS_DENIED",
            Self::InvalidApiKey { .. } | Self::Forbidden => "INVALID_API_KEY",
            Self::Throttled => "THROTTLED",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::AuthorizerFailure => "AUTHORIZER_FAILURE",
            Self::AuthorizerConfiguration => "AUTHORIZER_CONFIGURATION_ERROR",
            Self::ApiConfiguration => "API_CONFIGURATION_ERROR",
            Self::NoRoute => "MISSING_AUTHENTICATION_TOKEN",
            Self::IntegrationFailure | Self::FunctionError => "INTEGRATION_FAILURE",
            Self::IntegrationTimeout => "INTEGRATION_TIMEOUT",
            Self::BadIntegration => "DEFAULT_5XX",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::EventTooLarge => "REQUEST_TOO_LARGE",
            Self::BadRequest
            | Self::BodyTooLarge
            | Self::TooManyBodies
            | Self::HeadTooLarge
            | Self::ArnTooLong
            | Self::UpgradeRequired => return None,
        })
    }

    pub(super) fn respond(self, id: &RequestId) -> Response<Full<Bytes>> {
        match self {
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
            _ => {}
        }
        let mut response = match id.kind {
            Kind::RestToken | Kind::RestRequest => rest::respond(self),
            Kind::Http(_) => http_api::respond(self),
            Kind::WebSocket => web_socket::respond(self, id),
        };
        if let Self::InvalidApiKey { retry_after: Some(seconds) } = self
            && id.kind.is_rest()
        {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        id.mark(response)
    }
}

/// The reason why a status cannot be sent; `None` for one that ends a request.
///
/// HTTP takes the others for interim responses or for another protocol, or does not know them.
pub(crate) fn unsendable(status: u16) -> Option<String> {
    let is_final = (200..=599).contains(&status);
    (!is_final).then(|| format!("the status {status} cannot be sent: it is not from 200 to 599"))
}

/// A response in JSON.
fn json(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
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
mod tests;
