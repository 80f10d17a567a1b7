//! The Runtime API as one execution environment sees it.
//!
//! Each process gets its own listener, which identifies the environment: the
//! protocol has no field for it. The handlers keep no state. They turn each request into a
//! [`Call`], and the environment, which holds the state, answers it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use console::Hosts;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::MAX_PAYLOAD;

/// One request of the process to its environment.
#[derive(Debug)]
pub(super) enum Call {
    /// A request for the next event.
    Next(oneshot::Sender<Result<Event, Refusal>>),
    /// The handler's response; an error where it was too large.
    Response { id: String, body: Result<Bytes, TooLarge>, answer: Answer },
    /// The handler's error.
    Error { id: String, error: Diagnostic, answer: Answer },
    /// The function could not be initialised.
    InitError { error: Diagnostic, answer: Answer },
}

/// The receiver of a call's outcome.
pub(super) type Answer = oneshot::Sender<Result<(), Refusal>>;

impl Call {
    /// Tells the process that this call does not fit the `state` that it is in.
    pub(super) fn refuse(self, state: &'static str) {
        // If the receiver is gone, so is the process.
        match self {
            Self::Next(answer) => {
                let _ = answer.send(Err(Refusal::State { from: state, to: "Ready" }));
            }
            Self::Response { answer, .. } => {
                let _ = answer.send(Err(Refusal::State { from: state, to: "InvocationResponse" }));
            }
            Self::Error { answer, .. } => {
                let _ =
                    answer.send(Err(Refusal::State { from: state, to: "InvocationErrorResponse" }));
            }
            Self::InitError { answer, .. } => {
                let _ = answer.send(Err(Refusal::State { from: state, to: "InitError" }));
            }
        }
    }
}

/// One event on its way to the process.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) deadline_ms: u64,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) body: Bytes,
}

/// The response was larger than a payload may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct TooLarge;

/// The function's description of its error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Diagnostic {
    pub(super) error_type: String,
    pub(super) error_message: String,
}

/// Reasons why a call is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The request id is not that of the invocation in progress.
    Id,
    /// The call does not fit the environment's state.
    State { from: &'static str, to: &'static str },
    /// The payload is over the limit.
    Payload,
    /// The environment is being taken down.
    Gone,
}

impl IntoResponse for Refusal {
    /// Statuses, types and texts as in the runtime interface emulator (`rendering/render_error.go`).
    fn into_response(self) -> Response {
        let (status, error_type, message) = match self {
            Self::Id => {
                (StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID".to_owned())
            }
            Self::State { from, to } => (
                StatusCode::FORBIDDEN,
                "InvalidStateTransition",
                format!(
                    "State transition from {from} to {to} failed for runtime. \
                     Error: State transition is not allowed"
                ),
            ),
            Self::Payload => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                format!("Exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes)."),
            ),
            Self::Gone => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServerError",
                "Internal Server Error".to_owned(),
            ),
        };
        json_response(status, &json!({ "errorMessage": message, "errorType": error_type }))
    }
}

/// A Runtime API for one process; it stops listening when dropped.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    pub(super) address: SocketAddr,
    has_extension: Arc<AtomicBool>,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    /// Listens on a free port of the loopback address.
    pub(super) async fn start() -> std::io::Result<(Self, mpsc::Receiver<Call>)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (calls, received) = mpsc::channel(16);
        let app = Router::new()
            .route("/2018-06-01/ping", get(|| async { "pong" }))
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(calls);
        let has_extension = Arc::new(AtomicBool::new(false));
        let extensions = Router::new()
            .route("/2020-01-01/extension/register", post(register))
            .route("/2020-01-01/extension/event/next", get(std::future::pending::<()>))
            .with_state(Arc::clone(&has_extension));
        let hosts = Hosts::new(address.port());
        let app = app.merge(extensions).layer(from_fn_with_state(hosts, own));
        let server = tokio::spawn(async move {
            // `serve` ends only when this task is aborted.
            let _ = axum::serve(listener, app).await;
        });
        Ok((Self { address, has_extension, server }, received))
    }

    /// Returns true if the process registered an extension: it is told before it ends.
    pub(super) fn has_extension(&self) -> bool {
        self.has_extension.load(Ordering::Acquire)
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Refuses what a page in a browser sends: it could take events and give answers.
async fn own(State(hosts): State<Hosts>, request: Request<Body>, next: Next) -> Response {
    match hosts.check(request.headers(), false) {
        Ok(()) => next.run(request).await,
        Err(_) => StatusCode::FORBIDDEN.into_response(),
    }
}

/// Registers an extension, which gets no events here.
async fn register(State(has_extension): State<Arc<AtomicBool>>, headers: HeaderMap) -> Response {
    if !headers.contains_key("Lambda-Extension-Name") {
        let error = json!({
            "errorType": "Extension.InvalidExtensionName", "errorMessage": "Empty extension name",
        });
        return json_response(StatusCode::FORBIDDEN, &error);
    }
    has_extension.store(true, Ordering::Release);
    let id = [("Lambda-Extension-Identifier", uuid::Uuid::new_v4().to_string())];
    let function =
        json!({"functionName": "local", "functionVersion": "$LATEST", "handler": "bootstrap"});
    (id, json_response(StatusCode::OK, &function)).into_response()
}

type Calls = State<mpsc::Sender<Call>>;

async fn next(State(calls): Calls) -> Response {
    let (answer, event) = oneshot::channel();
    let outcome = ask(&calls, Call::Next(answer), event).await;
    let event = match outcome {
        Ok(event) => event,
        Err(refusal) => return refusal.into_response(),
    };
    let built = Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", event.id)
        .header("Lambda-Runtime-Deadline-Ms", event.deadline_ms)
        .header("Lambda-Runtime-Invoked-Function-Arn", event.function_arn)
        .header("Lambda-Runtime-Trace-Id", event.trace_id)
        .body(Body::from(event.body));
    built.unwrap_or_else(|_| Refusal::Gone.into_response())
}

async fn response(State(calls): Calls, Path(id): Path<String>, request: Request<Body>) -> Response {
    let body = axum::body::to_bytes(request.into_body(), MAX_PAYLOAD).await.map_err(|_| TooLarge);
    let (answer, accepted) = oneshot::channel();
    acknowledge(ask(&calls, Call::Response { id, body, answer }, accepted).await)
}

async fn error(State(calls): Calls, Path(id): Path<String>, request: Request<Body>) -> Response {
    let error = diagnostic(request).await;
    let (answer, accepted) = oneshot::channel();
    acknowledge(ask(&calls, Call::Error { id, error, answer }, accepted).await)
}

async fn init_error(State(calls): Calls, request: Request<Body>) -> Response {
    let error = diagnostic(request).await;
    let (answer, accepted) = oneshot::channel();
    acknowledge(ask(&calls, Call::InitError { error, answer }, accepted).await)
}

/// Hands a call to the environment and waits for what it says.
async fn ask<T>(
    calls: &mpsc::Sender<Call>,
    call: Call,
    answer: oneshot::Receiver<Result<T, Refusal>>,
) -> Result<T, Refusal> {
    calls.send(call).await.map_err(|_| Refusal::Gone)?;
    answer.await.map_err(|_| Refusal::Gone)?
}

fn acknowledge(outcome: Result<(), Refusal>) -> Response {
    match outcome {
        Ok(()) => json_response(StatusCode::ACCEPTED, &json!({ "status": "OK" })),
        Err(refusal) => refusal.into_response(),
    }
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Reads the function's description of its error; what can't be read gets a name of ours.
async fn diagnostic(request: Request<Body>) -> Diagnostic {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_PAYLOAD).await.unwrap_or_default();
    parse_diagnostic(&parts.headers, &body)
}

fn parse_diagnostic(headers: &HeaderMap, body: &[u8]) -> Diagnostic {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        error_type: Option<String>,
        error_message: Option<String>,
    }
    let wire =
        serde_json::from_slice(body).unwrap_or(Wire { error_type: None, error_message: None });
    let from_header = || {
        let value = headers.get("Lambda-Runtime-Function-Error-Type")?;
        Some(value.to_str().ok()?.to_owned())
    };
    Diagnostic {
        error_type: wire.error_type.or_else(from_header).unwrap_or_else(|| "Unknown".to_owned()),
        error_message: wire.error_message.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_from_the_body_and_then_from_the_header() {
        let mut headers = HeaderMap::new();
        headers.insert("Lambda-Runtime-Function-Error-Type", "unhandled".parse().unwrap());
        let read = |body: &str| parse_diagnostic(&headers, body.as_bytes());
        let given = read(r#"{"errorType":"Mine","errorMessage":"text","stackTrace":[]}"#);
        assert_eq!(given, Diagnostic { error_type: "Mine".into(), error_message: "text".into() });
        let fallback = Diagnostic { error_type: "unhandled".into(), error_message: String::new() };
        assert_eq!(read("not json"), fallback);
        assert_eq!(read("[1]"), fallback);
        assert_eq!(parse_diagnostic(&HeaderMap::new(), b"").error_type, "Unknown");
    }
}
