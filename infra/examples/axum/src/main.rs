//! A service for EC2 or ECS, behind an HTTP integration of API Gateway and Tollgate's authorizer.
//!
//! The authorizer has charged each request, and `../http-api.yaml` maps its decision to headers.
//! The layer answers 429 from them, with the exact fields. It trusts these headers, so only API
//! Gateway may reach the service: use a VPC link and a security group.
//!
//! Settings: `TOLLGATE_TABLE`, `ADDRESS` (127.0.0.1:8080 by default), `TOLLGATE_PLAN` (`free`).
//! With the argument `health` it checks the running service, and exits with 1 if that is unhealthy.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::routing::get;
use table::Connect;
use throttle::layer::{Authorizer, By, Limits, Plans};
use throttle::{DynamoStore, PlanId, SystemClock, Throttle};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// The time-out of the health check, shorter than that of the Dockerfile's.
const HEALTH: Duration = Duration::from_secs(2);

/// The most bytes of the health check's answer that are read.
const ANSWER: u64 = 1024;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    if env::args().nth(1).as_deref() == Some("health") {
        return timeout(HEALTH, ask(&address)).await.context("the service does not answer")?;
    }
    // Shows why a request gets 503 or 403.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let name = env::var("TOLLGATE_TABLE").context("set `TOLLGATE_TABLE`")?;
    let plan = env::var("TOLLGATE_PLAN").unwrap_or_else(|_| "free".to_owned());

    // Region, credentials and endpoint as the AWS CLI finds them: on ECS, of the task's role.
    let store = DynamoStore::connect(&name, &Connect::new()).await;
    let throttle = Arc::new(Throttle::new(store, SystemClock::new()));
    let authorizer = || Authorizer::headers("x-authorizer-");
    let by = By::authorizer(authorizer(), "subject");
    let plans = Plans::authorizer(authorizer(), "plan", PlanId::new(plan)?);
    let limits = Limits::new(throttle, by, plans).counted_by(authorizer()).checked()?;

    let orders = Router::new().route("/orders", get(async || "[{\"id\": 1}]\n")).layer(limits);
    // Checks only that the process answers, because an outage of the table must not end every task.
    let service = orders.route("/health", get(async || "ok\n"));
    let listener = TcpListener::bind(&address).await.context(address)?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, service).with_graceful_shutdown(stopped()).await.context("it ended")
}

/// Waits for SIGTERM, which ECS sends 30 seconds before it kills a task. Requests in flight are
/// answered.
async fn stopped() {
    if let Ok(mut signals) = signal(SignalKind::terminate()) {
        signals.recv().await;
    }
}

/// Checks the health, because the image has no `curl`.
async fn ask(address: &str) -> anyhow::Result<()> {
    // The service listens on every address of a container, also on this one.
    let port = address.rsplit(':').next().unwrap_or_default();
    let stream = TcpStream::connect(format!("127.0.0.1:{port}")).await;
    let mut stream = stream.context("the service does not answer")?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: health\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.take(ANSWER).read_to_string(&mut answer).await?;
    if !answer.starts_with("HTTP/1.1 200 ") {
        bail!("the service is not healthy");
    }
    Ok(())
}
