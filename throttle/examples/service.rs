//! A service with limits in a shared table. `SERVICE.md` explains it.

use std::sync::Arc;
use std::time::Duration;

use axum::{Router, routing::get};
use table::Connect;
use tollgate_throttle::layer::{By, Limits, Plans};
use tollgate_throttle::{DynamoStore, PlanId, SystemClock, Throttle};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Shows why a request gets 503 or 403.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();

    // Region, credentials and endpoint as the AWS CLI finds them. The time-out is 500 ms by default,
    // enough for a table in the same Region.
    let connect = Connect::new().operation_timeout(Duration::from_secs(1));
    let store = DynamoStore::connect("tollgate", &connect).await;
    let throttle = Arc::new(Throttle::new(store, SystemClock::new()));

    // Each client, named by a header, has its own bucket under the plan `starter`.
    let plans = Plans::fixed(PlanId::new("starter")?);
    let limits =
        Limits::new(throttle, By::header("x-client"), plans).refund_on_error().checked()?;

    let orders = Router::new().route("/orders", get(|| async { "[]\n" })).layer(limits);
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, orders).await?)
}
