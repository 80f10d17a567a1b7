//! The Lambda: see the library.

use std::env;
use std::time::Duration;

use anyhow::Context as _;
use lambda_runtime::{LambdaEvent, service_fn};
use plans::{Event, Status, Wanted};
use serde_json::{Value, json};
use table::Connect;
use throttle::{Plans, SystemClock};

/// Number of tries, because AWS needs some seconds to distribute the rights of a new role.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| level.parse().ok());
    let level = level.unwrap_or(tracing::Level::INFO).min(tracing::Level::INFO);
    tracing_subscriber::fmt().json().with_max_level(level).init();
    let name = env::var("TOLLGATE_TABLE").context("set `TOLLGATE_TABLE`")?;
    table::check_name(&name).map_err(anyhow::Error::from)?;
    let connect = Connect::lambda().operation_timeout(Duration::from_secs(5));
    let table = Plans::new(connect.client().await, name);
    let table = &table;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let answered = answer(table, event.payload).await;
        answered.map_err(|error| lambda_runtime::Error::from(format!("{error:#}")))
    }))
    .await
}

async fn answer(table: &Plans, event: Value) -> anyhow::Result<Value> {
    let event = serde_json::from_value(event)
        .context("the event must be a custom resource's, or have `Plans`, a JSON text")?;
    match event {
        Event::Wanted(wanted) => Ok(json!({"changed": store(&wanted, table).await?})),
        Event::Resource(resource) => {
            let stored = match resource.wanted() {
                Some(wanted) => store(wanted, table).await.map(|changed| changed.join(", ")),
                None => Ok(String::new()),
            };
            let (status, reason) = match stored {
                Ok(changed) => (Status::Success, format!("changed: {changed}")),
                Err(error) => (Status::Failed, error.to_string()),
            };
            tracing::info!(?status, reason, "plans");
            resource.answer(status, reason).send().await?;
            Ok(Value::Null)
        }
    }
}

async fn store(wanted: &Wanted, table: &Plans) -> Result<Vec<String>, plans::Error> {
    let mut tries = 1;
    loop {
        match wanted.store(table, &SystemClock::new()).await {
            Err(error) if error.is_temporary() && tries < TRIES => {
                tracing::warn!(%error, "the table is unavailable; trying again");
                tries = tries.saturating_add(1);
                tokio::time::sleep(PAUSE).await;
            }
            stored => return stored,
        }
    }
}
