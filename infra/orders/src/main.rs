//! The Lambda: see the library.

use std::env;
use std::sync::Arc;

use lambda_http::{Error, Request, service_fn};
use orders::{Setting, answer};
use table::Connect;
use throttle::{DynamoStore, SystemClock, Throttle};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log();
    let setting = Setting::from_env().map_err(|error| {
        tracing::error!(%error, "the backend can't start");
        error
    })?;
    let store = DynamoStore::connect(&setting.table, &Connect::lambda()).await;
    let throttle = Arc::new(Throttle::new(store, SystemClock::new()));
    lambda_http::run(service_fn(move |request: Request| {
        answer(Arc::clone(&throttle), setting.clone(), request)
    }))
    .await
}

/// Sends logs to standard output as JSON: this crate's at `AWS_LAMBDA_LOG_LEVEL`, INFO unless set.
///
/// Other crates may log whole requests, so only their warnings are logged.
fn log() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| level.parse().ok());
    let level = level.unwrap_or(LevelFilter::INFO);
    let targets = Targets::new().with_default(LevelFilter::WARN).with_target("orders", level);
    registry().with(fmt::layer().json().with_filter(targets)).init();
}
