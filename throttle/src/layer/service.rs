//! The service that the layer puts around another.

use std::any::Any;
use std::fmt::{self, Debug};
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::gate::{Gate, Later};
use super::settling::Settling;
use super::{Answer, MeteredBody, Problem, ReadsBody};

/// A service that requests reach only if they fit their limits.
///
/// It is ready when the inner service is, and passes a request to the same instance that was ready.
/// The instance waits while the request is decided, and is dropped if the request is refused. The
/// inner service must therefore be `Clone`.
///
/// If the response future is dropped while the request is decided, the request may have been
/// charged. If it is dropped later, the request stays charged, because a caller that hangs up has
/// used its tokens.
#[derive(Clone)]
pub struct Limited<S, A = Problem, M = ()> {
    inner: S,
    gate: Arc<Gate>,
    answer: A,
    /// `ReadsBody` if the bodies of responses are read.
    body: PhantomData<M>,
}

impl<S, A, M> Limited<S, A, M> {
    pub(super) fn new(inner: S, gate: Arc<Gate>, answer: A) -> Self {
        Self { inner, gate, answer, body: PhantomData }
    }
}

impl<S: Clone, A: Clone, M> Limited<S, A, M> {
    /// The instance that was polled ready takes this request, its clone the next one.
    fn take(&mut self) -> (S, Arc<Gate>, A) {
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        (ready, Arc::clone(&self.gate), self.answer.clone())
    }
}

/// Bodies pass unread, and may have any type.
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
    type Future = Later<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = respond(self.take(), request);
        Box::pin(async move { Ok(response.await?.0) })
    }
}

/// Bodies are read while they pass: see [`Limits::body_meter`](super::Limits::body_meter).
impl<S, A, B, R> Service<Request<B>> for Limited<S, A, ReadsBody>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Send,
    S::Future: Send,
    A: Answer<R> + Clone + Send + 'static,
    B: Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<MeteredBody<R>>;
    type Error = S::Error;
    type Future = Later<'static, Result<Response<MeteredBody<R>>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = respond(self.take(), request);
        Box::pin(async move {
            let (response, settling) = response.await?;
            Ok(response.map(|body| MeteredBody::new(body, settling)))
        })
    }
}

/// Decides a request, and calls the service if it passes.
///
/// Returns the response, and the settlement that waits for the end of its body, if any.
async fn respond<S, A, B, R>(
    (mut ready, gate, answer): (S, Arc<Gate>, A),
    request: Request<B>,
) -> Result<(Response<R>, Option<Settling>), S::Error>
where
    S: Service<Request<B>, Response = Response<R>>,
    A: Answer<R>,
{
    let (parts, body) = request.into_parts();
    let passed = match gate.admit(&parts).await {
        Ok(passed) => passed,
        Err(refusal) => return Ok((answer.answer(&refusal.refused, refusal.response), None)),
    };
    let request = Request::from_parts(parts, body);
    match caught(async move { ready.call(request).await }).await {
        Ok(Ok(response)) => {
            let (mut parts, body) = response.into_parts();
            let settling = gate.finish(passed, &mut parts).await;
            Ok((Response::from_parts(parts, body), settling))
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
}

/// Runs a future to its end, and catches a panic so that the request can be refunded before it
/// continues.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

impl<S: Debug, A, M> Debug for Limited<S, A, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited")
            .field("inner", &self.inner)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
