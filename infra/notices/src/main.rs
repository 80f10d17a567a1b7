//! The Lambda: see the library.

use std::env;

use anyhow::Context as _;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use notices::{Teller, Topic};
use serde_json::Value;
use table::Connect;
use throttle::SystemClock;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log();
    let started = start().await;
    let teller = started.inspect_err(|error| tracing::error!(%error, "notices can't start"))?;
    let teller = &teller;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        Ok::<_, Error>(teller.tell(&event.payload).await)
    }))
    .await
}

async fn start() -> anyhow::Result<Teller<SystemClock>> {
    let table = env::var("TOLLGATE_TABLE").context("set `TOLLGATE_TABLE`")?;
    let topic = env::var("NOTICES_TOPIC").context("set `NOTICES_TOPIC`")?;
    table::check_name(&table)?;
    anyhow::ensure!(is_topic(&topic), "`NOTICES_TOPIC` is not a topic's ARN, such as `{TOPIC}`");
    let client = Connect::lambda().client().await;
    Ok(Teller::new(&client, &table, Topic::connect(topic).await, SystemClock::new()))
}

/// Returns true for the ARN of an SNS topic.
fn is_topic(arn: &str) -> bool {
    let parts: Vec<_> = arn.split(':').collect();
    matches!(parts[..], ["arn", _, "sns", region, account, name]
        if [region, account, name].iter().all(|part| !part.is_empty()))
}

/// An example of a topic's ARN.
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:quotas";

/// Sends logs to standard output as JSON: this crate's at `AWS_LAMBDA_LOG_LEVEL`, INFO unless set.
///
/// Other crates may log whole requests, so only their warnings are logged.
fn log() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| level.parse().ok());
    let level = level.unwrap_or(LevelFilter::INFO);
    let targets = Targets::new().with_default(LevelFilter::WARN).with_target("notices", level);
    registry().with(fmt::layer().json().with_filter(targets)).init();
}
