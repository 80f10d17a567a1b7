//! An orders API as a Lambda, behind the local gateway and its authorizer.
//!
//! ```sh
//! cargo run -p local -- --upstream http://127.0.0.1:3000
//! cargo run -p tollgate-throttle --example orders_lambda
//! ```
//!
//! Then the commands that `local` prints. In Lambda the program is the function and nothing else;
//! on a desk it starts itself behind a gateway of its own, that speaks the Lambda Runtime API and
//! makes the events of a REST API, with the authorizer's context in them.
//!
//! The authorizer counts each request once. What an order costs in the end is known when it is
//! done, and is in its response: the rest is charged then, to the same bucket.

mod gateway;

use std::env;
use std::sync::Arc;

use http::{Response, StatusCode, response};
use lambda_http::{Body, Error, Request};
use table::Connect;
use tollgate_throttle::layer::{Authorizer, By, Limits, Plans};
use tollgate_throttle::{DynamoStore, PlanId, SystemClock, Throttle};
use tower::ServiceBuilder;

const ISSUER: &str = "http://127.0.0.1:9401/us-east-1_LocalDemo";

#[tokio::main]
async fn main() -> Result<(), Error> {
    if env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return gateway::run().await;
    }
    // Shows why a request gets 503 or 403.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let connect = env::var("ORDERS_EMULATOR").map_or_else(|_| Connect::new(), Connect::emulator);
    let store = DynamoStore::connect("tollgate", &connect).await;
    let throttle = Arc::new(Throttle::new(store, SystemClock::new()));

    let by = By::authorizer(Authorizer::event(), "clientId").of_issuer(ISSUER);
    let plans = Plans::authorizer(Authorizer::event(), "plan", PlanId::new("free")?);
    let limits =
        Limits::new(throttle, by, plans).counted_by(Authorizer::event()).settled(used).checked()?;
    lambda_http::run(ServiceBuilder::new().layer(limits).service_fn(orders)).await
}

/// The tokens that a request has used, in its response's extensions.
#[derive(Clone, Copy)]
struct Used(u32);

fn used(response: &response::Parts) -> u32 {
    response.extensions.get().map_or(1, |Used(tokens)| *tokens)
}

async fn orders(request: Request) -> Result<Response<Body>, Error> {
    let (status, body, used) = match request.method().as_str() {
        "GET" => (StatusCode::OK, "[{\"id\": 1}]\n", 1),
        "POST" => (StatusCode::CREATED, "{\"id\": 2}\n", 4),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "", 1),
    };
    Ok(Response::builder().status(status).extension(Used(used)).body(body.into())?)
}
