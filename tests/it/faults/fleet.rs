//! Execution environments: processes of the authorizer, each with a Runtime API of its own.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path as Segments, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tests::bound::{Outcome, Span};
use throttle::{Clock as _, SystemClock};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc, oneshot};

/// Far longer than any time-out of the authorizer's: what takes this long hangs.
const HANGS: Duration = Duration::from_secs(25);

/// One execution environment. A process that dies is replaced when the next event comes.
pub(crate) struct Environment {
    executable: PathBuf,
    variables: Vec<(&'static str, String)>,
    running: Mutex<Option<Running>>,
    /// The process, or zero.
    pid: AtomicI32,
}

struct Running {
    process: Child,
    api: Arc<Api>,
    events: mpsc::UnboundedSender<(String, String)>,
}

/// One call, and why it failed if it did.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) span: Span,
    pub(crate) error: Option<String>,
}

impl Call {
    pub(crate) fn took(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.span.received - self.span.sent).unwrap())
    }
}

struct Api {
    events: Mutex<mpsc::UnboundedReceiver<(String, String)>>,
    waiting: Mutex<Option<oneshot::Sender<(bool, Value)>>>,
}

impl Environment {
    pub(crate) fn of(executable: PathBuf, variables: Vec<(&'static str, String)>) -> Self {
        Self { executable, variables, running: Mutex::default(), pid: AtomicI32::new(0) }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid.load(Ordering::SeqCst)
    }

    /// Kills the process, whatever it does just now.
    pub(crate) fn kill(&self) {
        // Zero would be this test and everybody else in its group.
        let pid = self.pid.swap(0, Ordering::SeqCst);
        if pid > 0 {
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
    }

    /// Freezes the process, as Lambda does between two invocations.
    pub(crate) fn freeze(&self) {
        kill(Pid::from_raw(self.pid()), Signal::SIGSTOP).unwrap();
    }

    pub(crate) fn thaw(&self) {
        kill(Pid::from_raw(self.pid()), Signal::SIGCONT).unwrap();
    }

    /// Hands out one event, and says what became of it.
    pub(crate) async fn invoke(&self, event: &Value) -> Call {
        let mut place = self.running.lock().await;
        if place.is_none() {
            *place = Some(self.spawn().await);
        }
        let Running { process, api, events } = place.as_mut().unwrap();
        let (answer, answered) = oneshot::channel();
        *api.waiting.lock().await = Some(answer);
        let sent = now();
        let _ = events.send(("invocation".to_owned(), event.to_string()));
        let (outcome, error) = tokio::select! {
            answer = answered => outcome(answer.unwrap()),
            _ = process.wait() => {
                self.pid.store(0, Ordering::SeqCst);
                *place = None;
                (Outcome::Unknown, Some("killed".to_owned()))
            }
            () = tokio::time::sleep(HANGS) => (Outcome::Unknown, Some("hangs".to_owned())),
        };
        Call { span: Span { sent, received: now(), outcome }, error }
    }

    async fn spawn(&self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, queue) = mpsc::unbounded_channel();
        let api = Arc::new(Api { events: Mutex::new(queue), waiting: Mutex::default() });
        let invocation = "/2018-06-01/runtime/invocation";
        let router = Router::new()
            .route(&format!("{invocation}/next"), get(next))
            .route(&format!("{invocation}/{{id}}/{{outcome}}"), post(outcome_posted))
            .with_state(Arc::clone(&api));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let process = Command::new(&self.executable)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "f")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_LEVEL", "ERROR")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        self.pid.store(process.id().unwrap().try_into().unwrap(), Ordering::SeqCst);
        Running { process, api, events }
    }
}

/// The wall clock, in nanoseconds.
pub(crate) fn now() -> i128 {
    SystemClock::new().now().as_nanos().into()
}

/// The outcome of a response: a policy that allows, one that denies by the limit, or an error.
fn outcome((is_error, body): (bool, Value)) -> (Outcome, Option<String>) {
    let effect = body.pointer("/policyDocument/Statement/0/Effect").and_then(Value::as_str);
    let throttled = body.pointer("/context/throttled").is_some();
    match (is_error, effect, throttled) {
        (false, Some("Allow"), false) => (Outcome::Admitted, None),
        (false, Some("Deny"), true) => (Outcome::Refused, None),
        _ => {
            let kind = body.get("errorType").or(body.get("errorMessage"));
            (Outcome::Unknown, Some(kind.map_or(body.to_string(), ToString::to_string)))
        }
    }
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let Some((id, event)) = api.events.lock().await.recv().await else {
        return Err(StatusCode::GONE);
    };
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", id),
        ("Lambda-Runtime-Deadline-Ms", "4102444800000".to_owned()),
        (
            "Lambda-Runtime-Invoked-Function-Arn",
            "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(),
        ),
    ];
    Ok((headers, event))
}

async fn outcome_posted(
    State(api): State<Arc<Api>>,
    Segments((_, outcome)): Segments<(String, String)>,
    body: String,
) -> StatusCode {
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    if let Some(waiting) = api.waiting.lock().await.take() {
        // Nobody waits for what hung.
        let _ = waiting.send((outcome == "error", body));
    }
    StatusCode::ACCEPTED
}
