//! An orders API in axum, behind the local gateway and its authorizer.
//!
//! ```sh
//! cargo run -p local -- --upstream http://127.0.0.1:3000
//! cargo run -p tollgate-throttle --example orders_axum
//! ```
//!
//! Then the commands that `local` prints. The authorizer counts each request once; an export costs
//! 4 tokens, so 3 more are charged here, to the same bucket. Try `POST /orders` with the token of
//! `orders-writer`, whose plan is `gold`.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use http::request::Parts;
use http::{Method, StatusCode};
use table::Connect;
use tollgate_throttle::layer::{Authorizer, By, Limits, Plans};
use tollgate_throttle::{DynamoStore, PlanId, SystemClock, Throttle};

const TABLE_URL: &str = "http://127.0.0.1:9402";
const ISSUER: &str = "http://127.0.0.1:9401/us-east-1_LocalDemo";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Shows why a request gets 503 or 403.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let store = DynamoStore::connect("tollgate", &Connect::emulator(TABLE_URL)).await;
    let throttle = Arc::new(Throttle::new(store, SystemClock::new()));

    // The local gateway removes such headers from what callers send.
    let authorizer = || Authorizer::headers("x-authorizer-");
    let by = By::authorizer(authorizer(), "clientId").of_issuer(ISSUER);
    let plans = Plans::authorizer(authorizer(), "plan", PlanId::new("free")?);
    let limits = Limits::new(throttle, by, plans)
        .counted_by(authorizer())
        .cost(cost)
        .refund_on_error()
        .legacy_fields()
        .checked()?;

    let orders = Router::new()
        .route("/orders", get(list).post(export))
        .route("/orders/{id}", get(show))
        .layer(limits);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 3000))
        .await
        .context("another service listens on port 3000: end it")?;
    axum::serve(listener, orders).await.context("the service ended")
}

fn cost(parts: &Parts) -> u32 {
    if parts.method == Method::POST { 4 } else { 1 }
}

async fn list() -> &'static str {
    "[{\"id\": 1}]\n"
}

async fn show(axum::extract::Path(id): axum::extract::Path<u64>) -> String {
    format!("{{\"id\": {id}}}\n")
}

async fn export() -> (StatusCode, &'static str) {
    (StatusCode::ACCEPTED, "exporting\n")
}
