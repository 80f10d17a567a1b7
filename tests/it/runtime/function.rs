//! One process of a function, and the Runtime API that it speaks.

use std::collections::HashMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex as Shared};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path as Segments, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Barrier, Mutex, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far longer than anything should take: a hang fails, a slow machine doesn't.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running function; killed when dropped.
pub(crate) struct Function {
    process: Child,
    api: Arc<Api>,
    events: mpsc::UnboundedSender<(String, String)>,
    output: [JoinHandle<String>; 2],
}

/// The process's post for one invocation.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Value,
    pub(crate) is_error: bool,
}

/// The remains of a function that has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Standard output and standard error.
    pub(crate) text: String,
}

/// The Runtime API's state.
struct Api {
    events: Mutex<mpsc::UnboundedReceiver<(String, String)>>,
    waiting: Shared<HashMap<String, oneshot::Sender<Answer>>>,
    polls: Semaphore,
    /// So many invocations must be in progress at once before any of their answers is taken.
    together: Barrier,
}

impl Function {
    /// Starts it and waits until it has asked for as many events as it takes at once.
    pub(crate) async fn start(
        executable: &Path,
        variables: &[(&str, String)],
        concurrency: u32,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, queue) = mpsc::unbounded_channel();
        let api = Arc::new(Api {
            events: Mutex::new(queue),
            waiting: Shared::default(),
            polls: Semaphore::new(0),
            together: Barrier::new(usize::try_from(concurrency).unwrap()),
        });
        let invocation = "/2018-06-01/runtime/invocation";
        let router = Router::new()
            .route(&format!("{invocation}/next"), get(next))
            .route(&format!("{invocation}/{{id}}/{{outcome}}"), post(outcome))
            .with_state(Arc::clone(&api));
        tokio::spawn(async move { axum::serve(listener, router).await });

        let mut process = Command::new(executable)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "f")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_MAX_CONCURRENCY", concurrency.to_string())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = [read(process.stdout.take().unwrap()), read(process.stderr.take().unwrap())];
        let function = Self { process, api, events, output };
        let polled = timeout(PATIENCE, function.api.polls.acquire_many(concurrency)).await;
        polled.unwrap_or_else(|_| panic!("fewer than {concurrency} polls")).unwrap().forget();
        function
    }

    /// Hands one event out under this id, and waits for its answer.
    pub(crate) async fn invoke(&self, id: &str, event: &Value) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.api.waiting.lock().unwrap().insert(id.to_owned(), answer);
        self.events.send((id.to_owned(), event.to_string())).unwrap();
        let answered = timeout(PATIENCE, answered).await;
        answered.unwrap_or_else(|_| panic!("no answer to `{id}`")).unwrap()
    }

    /// Its resident memory, in kilobytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// Ends it by a signal.
    pub(crate) async fn end(mut self, signal: Signal) -> Ended {
        kill(Pid::from_raw(self.process.id().unwrap().try_into().unwrap()), signal).unwrap();
        let status = timeout(PATIENCE, self.process.wait()).await.unwrap().unwrap();
        let mut text = String::new();
        for output in self.output {
            text += &timeout(PATIENCE, output).await.unwrap().unwrap();
        }
        Ended { status, text }
    }
}

impl Ended {
    /// The lines that invocations have in the log.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let lines = self.text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line.get("request_id").is_some()).collect()
    }
}

fn read(mut output: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<String> {
    tokio::spawn(async move {
        let mut text = Vec::new();
        let _ = output.read_to_end(&mut text).await;
        String::from_utf8_lossy(&text).into_owned()
    })
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    api.polls.add_permits(1);
    let Some((id, event)) = api.events.lock().await.recv().await else {
        return Err(StatusCode::GONE);
    };
    let headers = [
        // Longer than X-Ray's, so that it shows in the memory where one is kept.
        ("Lambda-Runtime-Trace-Id", format!("Root={id};Lineage={}", "0".repeat(4_000))),
        ("Lambda-Runtime-Aws-Request-Id", id),
        ("Lambda-Runtime-Deadline-Ms", "4102444800000".to_owned()),
        (
            "Lambda-Runtime-Invoked-Function-Arn",
            "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(),
        ),
    ];
    Ok((headers, event))
}

async fn outcome(
    State(api): State<Arc<Api>>,
    Segments((id, outcome)): Segments<(String, String)>,
    body: String,
) -> StatusCode {
    api.together.wait().await;
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    let waiting = api.waiting.lock().unwrap().remove(&id);
    let answer = Answer { body, is_error: outcome == "error" };
    match waiting.map(|waiting| waiting.send(answer)) {
        Some(Ok(())) => StatusCode::ACCEPTED,
        Some(Err(_)) | None => StatusCode::BAD_REQUEST,
    }
}
