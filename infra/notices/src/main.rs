//! The Lambda: see the library.

use std::env;

use anyhow::Context as _;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use notices::{Teller, Topic};
use serde_json::Value;
use table::Connect;
use throttle::SystemClock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().json().with_max_level(tracing::Level::WARN).init();
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
    let client = Connect::lambda().client().await;
    Ok(Teller::new(&client, &table, Topic::connect(topic).await, SystemClock::new()))
}
