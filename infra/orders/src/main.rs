//! The Lambda: see the library.

use std::sync::Arc;

use lambda_http::{Error, Request, service_fn};
use orders::{Setting, answer};
use table::Connect;
use throttle::{DynamoStore, SystemClock, Throttle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().json().with_max_level(tracing::Level::WARN).init();
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
