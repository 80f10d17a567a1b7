//! Errors that the page shows, as `{"error": "…"}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;
use table::{Failure, ParentError, WriteError};
use throttle::{GrantError, PlanError};

/// A status, and a message for a person.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    message: String,
    denied: Option<Denied>,
}

/// The permission that is missing, if AWS named it. An extension of the response.
#[derive(Clone, Debug)]
pub(crate) struct Denied(pub(crate) Option<String>);

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), denied: None }
    }

    /// The input is wrong.
    pub(crate) fn wrong(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The object does not exist.
    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// Someone else wrote the item meanwhile.
    pub(crate) fn conflict(item: &str) -> Self {
        let message = format!(
            "somebody changed or deleted this {item} meanwhile: nothing was written; load it again \
             and repeat your change"
        );
        Self::new(StatusCode::CONFLICT, message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Json(json!({"error": self.message}));
        let mut response = (self.status, body).into_response();
        if let Some(denied) = self.denied {
            response.extensions_mut().insert(denied);
        }
        response
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let status = match &failure {
            Failure::NoTable => StatusCode::NOT_FOUND,
            Failure::Denied { .. } => StatusCode::FORBIDDEN,
            failure if failure.may_pass() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        };
        let mut problem = Self::new(status, failure.to_string());
        if let Failure::Denied { code, action } = failure
            && code == "AccessDeniedException"
        {
            problem.denied = Some(Denied(action));
        }
        problem
    }
}

impl From<table::Error> for Problem {
    fn from(error: table::Error) -> Self {
        match error {
            table::Error::Failure(failure) => failure.into(),
            error => Self::new(StatusCode::BAD_GATEWAY, error.to_string()),
        }
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict { item } => Self::conflict(item),
            WriteError::Missing { item } => {
                Self::missing(format!("there is no such {item}: load the list again"))
            }
            WriteError::Failure(failure) => failure.into(),
            error => Self::wrong(error.to_string()),
        }
    }
}

impl From<ParentError> for Problem {
    fn from(error: ParentError) -> Self {
        match error {
            ParentError::Write(error) => error.into(),
            error => Self::new(StatusCode::CONFLICT, error.to_string()),
        }
    }
}

impl From<GrantError> for Problem {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Table(error) => error.into(),
            error => Self::wrong(error.to_string()),
        }
    }
}

impl From<PlanError> for Problem {
    fn from(error: PlanError) -> Self {
        Self::wrong(error.to_string())
    }
}
