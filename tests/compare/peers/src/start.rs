//! A function's start, and its memory after the first request.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::{Value, json};
use throttle::{Clock as _, SystemClock};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::time::timeout;

use crate::issuer::{CLIENT, ISSUER, Issuer, NO_KEYS};
use crate::median;

const PATIENCE: Duration = Duration::from_secs(30);

struct Api {
    event: String,
    polls: mpsc::UnboundedSender<()>,
    served: Mutex<bool>,
    answered: Notify,
}

/// Starts the executable again and again: to its first poll, to its first answer, and its memory.
pub(crate) async fn run(executable: &Path, runs: usize) -> anyhow::Result<Value> {
    let issuer = Issuer::new()?;
    let config = format!(
        "[[issuer]]\nurl = \"{ISSUER}\"\njwks_uri = \"{NO_KEYS}\"\n\
         clients = [\"{CLIENT}\"]\ntoken_use = \"access\"\n\
         jwks = '{}'\n[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n",
        issuer.set()
    );
    let event = json!({
        "type": "TOKEN", "authorizationToken": format!("Bearer {}", issuer.token(&json!({}))),
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abcdef123/prod/GET/orders",
    });
    let (mut ready, mut answered, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let (poll, answer, memory) = once(executable, &config, event.to_string()).await?;
        ready.push(micros(poll));
        answered.push(micros(answer));
        resident.push(memory);
    }
    Ok(json!({
        "ready": median(ready), "answered": median(answered), "resident": median(resident),
    }))
}

async fn once(
    executable: &Path,
    config: &str,
    event: String,
) -> anyhow::Result<(Duration, Duration, u64)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let (polls, mut polled) = mpsc::unbounded_channel();
    let api = Arc::new(Api { event, polls, served: Mutex::new(false), answered: Notify::new() });
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(answer))
        .with_state(Arc::clone(&api));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let clock = SystemClock::new();
    let mut process = Command::new(executable)
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "f")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AUTHORIZER_CONFIG", config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("can't start `{}`", executable.display()))?;
    timeout(PATIENCE, polled.recv()).await.context("it does not start")?;
    let ready = clock.monotonic();
    timeout(PATIENCE, api.answered.notified()).await.context("it does not answer")?;
    let answered = clock.monotonic();
    let pid = process.id().context("it has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|line| line.trim().strip_suffix(" kB")).context("no memory")?;
    process.kill().await?;
    server.abort();
    Ok((ready, answered, resident.trim().parse()?))
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let served = std::mem::replace(&mut *api.served.lock().await, true);
    if served {
        std::future::pending::<()>().await;
    }
    let _ = api.polls.send(());
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", "invocation"),
        ("Lambda-Runtime-Deadline-Ms", "4102444800000"),
        (
            "Lambda-Runtime-Invoked-Function-Arn",
            "arn:aws:lambda:us-east-1:123456789012:function:f",
        ),
    ];
    (headers, api.event.clone())
}

async fn answer(State(api): State<Arc<Api>>) -> StatusCode {
    api.answered.notify_one();
    StatusCode::ACCEPTED
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
