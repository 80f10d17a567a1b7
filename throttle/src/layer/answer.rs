//! The answer to a request that is refused.

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::Unidentified;
use crate::failure::{StoreError, ThrottleError};

/// A refused request: the cause, and the parts of its answer.
///
/// It is in the extensions of the answer, for layers further out.
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
    /// It costs more than a limit ever holds: 422. Waiting doesn't help.
    TooCostly,
    /// It has no subject: 403.
    Unidentified(Unidentified),
    /// There is no decision, and the failure policy is closed: 503.
    Failed(ThrottleError),
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
            // Not 429: clients repeat that by themselves.
            Cause::TooCostly => StatusCode::UNPROCESSABLE_ENTITY,
            Cause::Unidentified(_) => StatusCode::FORBIDDEN,
            Cause::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The limits that the request doesn't fit, by their names in `RateLimit-Policy`.
    #[must_use]
    pub fn violated(&self) -> &[String] {
        &self.violated
    }

    /// The seconds after which it may fit; `None` where waiting alone doesn't help.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    pub(super) fn exhausted(violated: Vec<String>, retry_after: Option<u64>) -> Self {
        Self { cause: Cause::Exhausted, violated, retry_after }
    }

    pub(super) fn unidentified(why: Unidentified) -> Self {
        Self { cause: Cause::Unidentified(why), violated: Vec::new(), retry_after: None }
    }

    /// The answer where there is no decision; `named` gives a limit's name on the wire.
    pub(super) fn failed(error: ThrottleError, named: impl Fn(&str) -> String) -> Self {
        let too_costly = |limit: &str| {
            let violated = vec![named(limit)];
            Self { cause: Cause::TooCostly, violated, retry_after: None }
        };
        match error {
            // The rate of the plan or of the method: the error doesn't say.
            ThrottleError::CostAboveBurst { .. } => too_costly("burst"),
            ThrottleError::CostAboveQuota { limit, .. } => too_costly(limit.name()),
            error => {
                let passes =
                    matches!(&error, ThrottleError::Unavailable(failure) if failure.may_pass());
                let retry_after = passes.then_some(1);
                Self { cause: Cause::Failed(error), violated: Vec::new(), retry_after }
            }
        }
    }

    pub(super) fn not_looked_up(error: StoreError) -> Self {
        Self::failed(error.into(), str::to_owned)
    }

    /// Logs the refusal, without anything that the caller sent.
    ///
    /// A caller can't cause more than a line at INFO.
    pub(super) fn log(&self) {
        match &self.cause {
            Cause::Exhausted => {}
            Cause::TooCostly => tracing::info!(
                violated = ?self.violated,
                "a request costs more than a limit ever holds"
            ),
            Cause::Unidentified(why) => tracing::info!(%why, "a request has no subject"),
            // Not with its name: that can be a caller's text.
            Cause::Failed(ThrottleError::UnknownPlan { .. }) => {
                tracing::error!("a request's plan is not in the table: put it there");
            }
            Cause::Failed(error) => tracing::error!(%error, "there is no decision"),
        }
    }

    /// The answer: an RFC 9457 problem with its status, and `Retry-After` where waiting helps.
    pub(super) fn response(&self) -> Response<String> {
        let status = self.status();
        let mut body = match self.cause {
            Cause::Exhausted => json!({
                "type": QUOTA_EXCEEDED,
                "title": "Quota Exceeded",
                "violated-policies": self.violated,
            }),
            Cause::TooCostly => json!({
                "type": "about:blank",
                "title": "Unprocessable Content",
                "code": COST_ABOVE_LIMIT,
                "violated-policies": self.violated,
            }),
            Cause::Failed(_) => json!({
                "type": REDUCED_CAPACITY,
                "title": "Temporary Reduced Capacity",
                "violated-policies": self.violated,
            }),
            Cause::Unidentified(_) => json!({"type": "about:blank", "title": "Forbidden"}),
        };
        if let Some(body) = body.as_object_mut() {
            body.insert("status".to_owned(), status.as_u16().into());
            body.insert("detail".to_owned(), self.detail().into());
        }
        let mut response = Response::new(body.to_string());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self.clone());
        response
    }

    fn detail(&self) -> String {
        match (&self.cause, self.retry_after) {
            (Cause::Exhausted, Some(1)) => "The same request may be made in 1 second.".to_owned(),
            (Cause::Exhausted, Some(seconds)) => {
                format!("The same request may be made in {seconds} seconds.")
            }
            (Cause::Exhausted, None) => "A limit is exhausted.".to_owned(),
            (Cause::TooCostly, _) => {
                "The request costs more than a limit ever allows: ask for less.".to_owned()
            }
            (Cause::Unidentified(_), _) => {
                "The request doesn't say whose it is, or not in the expected form.".to_owned()
            }
            (Cause::Failed(_), _) => "The limits can't be looked up at the moment.".to_owned(),
        }
    }
}

/// Makes an answer's body of the kind that a service has.
pub trait Answer<B> {
    /// Returns the answer: `response` has all of it already, its body as text.
    fn answer(&self, refused: &Refused, response: Response<String>) -> Response<B>;
}

/// Answers with an RFC 9457 problem, as JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct Problem;

impl<B: From<String>> Answer<B> for Problem {
    fn answer(&self, _: &Refused, response: Response<String>) -> Response<B> {
        response.map(B::from)
    }
}

/// Answers with a function's result for the problem.
#[derive(Clone, Copy)]
pub struct Shaped<F>(pub(super) F);

impl<F> std::fmt::Debug for Shaped<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shaped")
    }
}

impl<B, F: Fn(&Refused, Response<String>) -> Response<B>> Answer<B> for Shaped<F> {
    fn answer(&self, refused: &Refused, response: Response<String>) -> Response<B> {
        (self.0)(refused, response)
    }
}

/// "Quota Exceeded" of draft-ietf-httpapi-ratelimit-headers-10.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
/// The `code` of a problem for which there is no registered type.
const COST_ABOVE_LIMIT: &str = "cost-above-limit";
/// "Temporary Reduced Capacity" of the same draft.
const REDUCED_CAPACITY: &str =
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
