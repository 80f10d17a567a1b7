//! The service that the layer puts around another.

use std::any::Any;
use std::fmt::{self, Debug};
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::gate::Gate;
use super::{Answer, Problem};

/// A service that requests reach only if they fit their limits.
///
/// It is ready when the service behind is, and passes a request to the very instance that was
/// ready. That instance waits while the request is decided, and is dropped uncalled if the request
/// is refused. So the service behind must be `Clone`.
///
/// A response future that is dropped while the request is decided may have charged it. Dropped
/// later, the request stays charged: a caller that hangs up has used its tokens.
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
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Send,
    S::Future: Send,
    A: Answer<R> + Clone + Send + 'static,
    B: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The instance that was polled ready takes this request, its clone the next one.
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        let (gate, answer) = (Arc::clone(&self.gate), self.answer.clone());
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let passed = match gate.admit(&parts).await {
                Ok(passed) => passed,
                Err(refusal) => return Ok(answer.answer(&refusal.refused, refusal.response)),
            };
            let request = Request::from_parts(parts, body);
            match caught(async move { ready.call(request).await }).await {
                Ok(Ok(response)) => {
                    let (mut parts, body) = response.into_parts();
                    gate.finish(passed, &mut parts).await;
                    Ok(Response::from_parts(parts, body))
                }
                Ok(Err(error)) => {
                    gate.fail(passed).await;
                    Err(error)
                }
                Err(panic) => {
                    gate.fail(passed).await;
                    resume_unwind(panic)
                }
            }
        })
    }
}

/// Runs a future to its end, and holds back a panic so that the request can be refunded first.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

impl<S: Debug, A> Debug for Limited<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited")
            .field("inner", &self.inner)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
