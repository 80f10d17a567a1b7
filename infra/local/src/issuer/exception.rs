//! Answers of the user pool's API, in AWS JSON 1.1.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

/// An error in the form of AWS JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exception {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl Exception {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind, message: message.into() }
    }

    pub(super) fn parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub(super) fn not_authorized(message: impl Into<String>) -> Self {
        Self::new("NotAuthorizedException", message)
    }
}

impl From<super::Error> for Exception {
    /// A fault of this machine; the text holds no secret.
    fn from(error: super::Error) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::new("InternalErrorException", error.to_string())
        }
    }
}

/// Writes an answer with Cognito's headers: the request's id, and an error's type and text.
pub(super) fn respond(answer: Result<Value, Exception>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/x-amz-json-1.1".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::HeaderName::from_static("x-amzn-requestid"), Uuid::new_v4().to_string()),
    ];
    match answer {
        Ok(answer) => (headers, answer.to_string()).into_response(),
        Err(Exception { status, kind, message }) => {
            let body = json!({ "__type": kind, "message": message }).to_string();
            let mut response = (status, headers, body).into_response();
            let error =
                [("x-amzn-errortype", format!("{kind}:")), ("x-amzn-errormessage", message)];
            for (name, value) in error {
                if let Ok(value) = value.parse() {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
    }
}
