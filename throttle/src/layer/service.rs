//! The service around a service.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::future::ResponseFuture;
use super::gate::{First, Gate};
use super::{Answer, Problem};

/// A service that requests reach only if they fit their limits.
///
/// It is ready when the service behind is, and hands a request to the very instance that was
/// ready: that waits while the request is decided, and is dropped uncalled if it is refused.
/// So the service behind must be `Clone`.
#[derive(Clone)]
pub struct Limited<S, A = Problem> {
    inner: S,
    gate: Arc<Gate>,
    answer: A,
}

impl<S, A> Limited<S, A> {
    pub(super) fn new(inner: S, gate: Arc<Gate>, answer: A) -> Self {
        Self { inner, gate, answer }
    }
}

impl<S, A, B, R> Service<Request<B>> for Limited<S, A>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    A: Answer<R> + Clone,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, A>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let first = self.gate.first(&parts);
        let request = Request::from_parts(parts, body);
        // The instance that was polled ready takes this request, its clone the next one.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let (gate, answer) = (Arc::clone(&self.gate), self.answer.clone());
        match first {
            First::Ask(deciding, counted) => {
                ResponseFuture::deciding(gate, answer, deciding, counted, ready, request)
            }
            First::Pass(passed) => ResponseFuture::calling(gate, answer, *passed, ready, request),
            First::Refuse(refusal) => ResponseFuture::refused(gate, answer, refusal),
        }
    }
}

impl<S: Debug, A> Debug for Limited<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited")
            .field("inner", &self.inner)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
