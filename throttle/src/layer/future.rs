//! A response on its way.

use std::any::Any;
use std::fmt::{self, Debug};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::Answer;
use super::gate::{Asking, Gate, Later, Passed, Refusal};
use crate::decision::Standings;

pin_project! {
    /// The response of a service, or the answer to a request that is refused.
    ///
    /// Dropped while the request is decided, the request may have been charged; dropped while the
    /// service answers, it stays charged: whoever hangs up has used what it has used.
    pub struct ResponseFuture<S, B, A>
    where
        S: Service<Request<B>>,
    {
        gate: Arc<Gate>,
        answer: A,
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = Now]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        /// The throttle is asked, and the service behind holds itself ready.
        Deciding { deciding: Asking, counted: u32, ready: S, request: Option<Request<B>> },
        /// The service behind answers.
        Calling { #[pin] call: S::Future, passed: Option<Passed> },
        /// It has answered, and the charge is corrected.
        Settling { settling: Later<Option<Standings>>, end: Option<End<S::Response, S::Error>> },
        /// Nothing is left to be done but this.
        Ending { end: Option<End<S::Response, S::Error>> },
        Refused { refusal: Box<Refusal> },
    }
}

/// How the service behind ended.
enum End<R, E> {
    Answered(Result<R, E>),
    Panicked(Box<dyn Any + Send>),
}

impl<S, B, A> ResponseFuture<S, B, A>
where
    S: Service<Request<B>>,
{
    pub(super) fn deciding(
        gate: Arc<Gate>,
        answer: A,
        deciding: Asking,
        counted: u32,
        ready: S,
        request: Request<B>,
    ) -> Self {
        let state = State::Deciding { deciding, counted, ready, request: Some(request) };
        Self { gate, answer, state }
    }

    pub(super) fn calling(
        gate: Arc<Gate>,
        answer: A,
        passed: Passed,
        mut ready: S,
        request: Request<B>,
    ) -> Self {
        // Nothing was charged here, so there is nothing to give back should it panic.
        let state = State::Calling { call: ready.call(request), passed: Some(passed) };
        Self { gate, answer, state }
    }

    pub(super) fn refused(gate: Arc<Gate>, answer: A, refusal: Box<Refusal>) -> Self {
        Self { gate, answer, state: State::Refused { refusal } }
    }
}

impl<S, B, A, R> Future for ResponseFuture<S, B, A>
where
    S: Service<Request<B>, Response = Response<R>>,
    A: Answer<R>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let gate: &Gate = this.gate;
        loop {
            let next = match this.state.as_mut().project() {
                Now::Deciding { deciding, counted, ready, request } => {
                    let decided = ready!(deciding.poll(gate, cx));
                    match (gate.then(decided, *counted), request.take()) {
                        (Ok(passed), Some(request)) => {
                            match caught(&passed, || ready.call(request)) {
                                Ok(call) => State::Calling { call, passed: Some(passed) },
                                Err(panic) => ended(gate, passed, End::Panicked(panic)),
                            }
                        }
                        (Err(refusal), _) => State::Refused { refusal },
                        (Ok(_), None) => return Poll::Pending,
                    }
                }
                Now::Calling { mut call, passed } => {
                    let polled = match passed {
                        Some(passed) => caught(passed, || call.as_mut().poll(cx)),
                        None => return Poll::Pending,
                    };
                    let end = match polled {
                        Ok(polled) => End::Answered(ready!(polled)),
                        Err(panic) => End::Panicked(panic),
                    };
                    ended(gate, passed.take().unwrap_or_default(), end)
                }
                Now::Settling { settling, end } => {
                    let standings = ready!(settling.as_mut().poll(cx));
                    let end = end.take().map(|end| match end {
                        End::Answered(Ok(response)) => {
                            let (mut parts, body) = response.into_parts();
                            gate.put(standings.as_ref(), &mut parts);
                            End::Answered(Ok(Response::from_parts(parts, body)))
                        }
                        end => end,
                    });
                    State::Ending { end }
                }
                Now::Ending { end } => {
                    return match end.take() {
                        Some(End::Answered(answer)) => Poll::Ready(answer),
                        Some(End::Panicked(panic)) => resume_unwind(panic),
                        None => Poll::Pending,
                    };
                }
                Now::Refused { refusal } => {
                    let response = refusal.response(&gate.style);
                    let response = this.answer.answer(&refusal.why, response);
                    this.state.set(State::Ending { end: None });
                    return Poll::Ready(Ok(response));
                }
            };
            this.state.set(next);
        }
    }
}

/// Does what may panic; the panic is held back while there may be something to give back first.
fn caught<T>(passed: &Passed, act: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    if passed.is_charged() { catch_unwind(AssertUnwindSafe(act)) } else { Ok(act()) }
}

/// Writes the limits into a response, once its request's charge is corrected.
fn ended<S, B, R>(gate: &Gate, passed: Passed, end: End<Response<R>, S::Error>) -> State<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    let (end, settling) = match end {
        End::Answered(Ok(response)) => {
            let (mut parts, body) = response.into_parts();
            let settling = gate.response(passed, &mut parts);
            (End::Answered(Ok(Response::from_parts(parts, body))), settling)
        }
        end => (end, gate.error(passed)),
    };
    match settling {
        Some(settling) => State::Settling { settling, end: Some(end) },
        None => State::Ending { end: Some(end) },
    }
}

impl<S, B, A> Debug for ResponseFuture<S, B, A>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
