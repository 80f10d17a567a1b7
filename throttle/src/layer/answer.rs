//! The response to a refused request.

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::fields::Style;
use super::{LimitsError, Unidentified};
use crate::failure::ThrottleError;
use crate::id::PlanId;

/// A refused request: the cause, and the parts of its response.
///
/// Outer layers find it in the response's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    cause: Cause,
    violated: Vec<String>,
    retry_after: Option<u64>,
}

/// The cause of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A limit is exhausted: 429.
    Exhausted,
    /// It costs more than a limit ever holds: 422. Waiting does not help.
    TooCostly,
    /// It has no subject: 403.
    Unidentified(Unidentified),
    /// The decision failed, and the failure policy is closed: 503.
    Failed(ThrottleError),
    /// The layer's settings have a mistake: 503. See [`Limits::checked`](super::Limits::checked).
    Misconfigured(LimitsError),
}

/// A refused request and its response, before it gets the body type of a service.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) refused: Refused,
    pub(super) response: Response<String>,
}

impl Refused {
    /// The cause.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The status: 429, 422, 403 or 503.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.cause {
            Cause::Exhausted => StatusCode::TOO_MANY_REQUESTS,
            // Not 429, because clients retry that automatically.
            Cause::TooCostly => StatusCode::UNPROCESSABLE_ENTITY,
            Cause::Unidentified(_) => StatusCode::FORBIDDEN,
            Cause::Failed(_) | Cause::Misconfigured(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The limits that the request does not fit, by their names in `RateLimit-Policy`.
    #[must_use]
    pub fn violated(&self) -> &[String] {
        &self.violated
    }

    /// The seconds after which it may fit; `None` if waiting alone does not help.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    pub(super) fn exhausted(violated: Vec<String>, retry_after: Option<u64>) -> Self {
        Self { cause: Cause::Exhausted, violated, retry_after }
    }

    pub(super) fn unidentified(reason: Unidentified) -> Self {
        Self { cause: Cause::Unidentified(reason), violated: Vec::new(), retry_after: None }
    }

    /// A request without a decision.
    pub(super) fn failed(error: ThrottleError, style: &Style) -> Self {
        let limit = match &error {
            ThrottleError::CostAboveBurst { limit, .. }
            | ThrottleError::CostAboveQuota { limit, .. } => limit.to_string(),
            _ => {
                let retry_after = error.may_pass().then_some(1);
                let cause = Cause::Failed(error);
                return Self { cause, violated: Vec::new(), retry_after };
            }
        };
        Self { cause: Cause::TooCostly, violated: vec![style.named(&limit)], retry_after: None }
    }

    /// A request that a layer with a mistake in its settings refuses.
    pub(super) fn misconfigured(mistake: LimitsError) -> Self {
        let cause = Cause::Misconfigured(mistake);
        Self { cause, violated: Vec::new(), retry_after: None }
    }

    /// Logs the refusal, without anything that the caller sent.
    ///
    /// A caller cannot cause more than a line at INFO. `is_own` returns true for a plan that the
    /// service itself names: any other name can be a caller's text.
    pub(super) fn log(&self, is_own: impl Fn(&PlanId) -> bool) {
        match &self.cause {
            Cause::Exhausted => {}
            Cause::TooCostly => tracing::info!(
                violated = ?self.violated,
                "a request costs more than a limit ever holds"
            ),
            Cause::Unidentified(why) => tracing::info!(%why, "a request has no subject"),
            Cause::Failed(ThrottleError::UnknownPlan { plan }) => {
                let plan = is_own(plan).then_some(plan).map(tracing::field::display);
                tracing::error!(
                    plan,
                    "a request's plan is not in the table: store it with `tollgate plan put`"
                );
            }
            Cause::Misconfigured(mistake) => tracing::error!(%mistake, "{MISCONFIGURED}"),
            Cause::Failed(error) => {
                tracing::error!(%error, "the limits could not decide a request");
            }
        }
    }

    /// The response: an RFC 9457 problem with its status, and `Retry-After` if waiting helps.
    pub(super) fn response(&self) -> Response<String> {
        let status = self.status();
        let (kind, title, detail) = self.problem();
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(kind));
        body.insert("title".to_owned(), json!(title));
        body.insert("status".to_owned(), json!(status.as_u16()));
        body.insert("detail".to_owned(), json!(detail));
        if !matches!(self.cause, Cause::Unidentified(_)) {
            body.insert("violated-policies".to_owned(), json!(self.violated));
        }
        if self.cause == Cause::TooCostly {
            body.insert("code".to_owned(), json!(COST_ABOVE_LIMIT));
        }
        let mut response = Response::new(Value::Object(body).to_string());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self.clone());
        response
    }

    /// The problem's type, title and detail.
    fn problem(&self) -> (&'static str, &'static str, String) {
        match &self.cause {
            Cause::Exhausted => {
                let detail = match self.retry_after {
                    Some(1) => "Retry the request in 1 second.".to_owned(),
                    Some(seconds) => format!("Retry the request in {seconds} seconds."),
                    None => "A limit is exhausted.".to_owned(),
                };
                (QUOTA_EXCEEDED, "Quota Exceeded", detail)
            }
            Cause::TooCostly => {
                let detail = "The request costs more than a limit ever allows: ask for less.";
                (UNREGISTERED, "Unprocessable Content", detail.to_owned())
            }
            Cause::Unidentified(_) => {
                let detail = "The request does not name its caller in the expected form.";
                (UNREGISTERED, "Forbidden", detail.to_owned())
            }
            Cause::Failed(_) | Cause::Misconfigured(_) => {
                let detail = "The limits can't be looked up at the moment.";
                (REDUCED_CAPACITY, "Temporary Reduced Capacity", detail.to_owned())
            }
        }
    }
}

/// Turns a refusal's response into one with the body type of a service.
///
/// Functions of these arguments implement it; [`Limits::answer`](super::Limits::answer) takes one.
pub trait Answer<B> {
    /// Returns the response. `response` is complete, with its body as text.
    fn answer(&self, refused: &Refused, response: Response<String>) -> Response<B>;
}

/// Answers with an RFC 9457 problem, in JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct Problem;

impl<B: From<String>> Answer<B> for Problem {
    fn answer(&self, _: &Refused, response: Response<String>) -> Response<B> {
        response.map(B::from)
    }
}

impl<B, F: Fn(&Refused, Response<String>) -> Response<B>> Answer<B> for F {
    fn answer(&self, refused: &Refused, response: Response<String>) -> Response<B> {
        self(refused, response)
    }
}

/// Logged when a layer with a mistake is built, and for each request that it refuses.
pub(super) const MISCONFIGURED: &str =
    "the limits refuse every request: correct the layer's settings";
/// "Quota Exceeded" of draft-ietf-httpapi-ratelimit-headers-11.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
/// "Temporary Reduced Capacity" of the same draft.
const REDUCED_CAPACITY: &str =
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
const UNREGISTERED: &str = "about:blank";
/// The `code` of a problem for which there is no registered type.
const COST_ABOVE_LIMIT: &str = "cost-above-limit";
