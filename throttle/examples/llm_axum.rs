//! A service in front of a language model: `TOKENS.md` explains it.
//!
//! ```sh
//! cargo run -p tollgate-throttle --example llm_axum
//! curl -iN -X POST -H 'x-user: maria' -H 'x-tenant: acme' 'http://127.0.0.1:3000/chat?tokens=50'
//! ```
//!
//! The model is a stub, and the limits are in memory, or with `--table NAME` in a table that all
//! instances share. `tests/scripts/load tokens` drives it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::Query;
use axum::response::sse::{Event, Sse};
use axum::routing::post;
use clap::Parser;
use futures_util::{Stream, stream};
use http::{HeaderMap, response};
use serde::Deserialize;
use table::{Connect, WriteError};
use tollgate_throttle::layer::{By, Limits, Part, Plans, json_amount};
use tollgate_throttle::{
    Clock, DynamoStore, MemoryStore, Meter, Plan, PlanId, SystemClock, Throttle, Timestamp,
};

/// Each user: 5 requests a second; 6,000 tokens a minute, 2,000 at once; 15 dollars a month.
const USER: &str = r#"{"throttle": {"rateLimit": 5, "burstLimit": 10},
    "meters": {"tokens": {"throttle": {"rateLimit": "6000/min", "burstLimit": 2000}},
               "spend": {"quota": {"limit": 15000000, "period": "MONTH"}}}}"#;
/// Each tenant, all its users together: 50 dollars a month, in millionths of a dollar.
const TENANT: &str = r#"{"meters": {"spend": {"quota": {"limit": 50000000, "period": "MONTH"}}}}"#;
/// The price of a token, in millionths of a dollar.
const PRICE: u64 = 15;

/// A service in front of a stub of a language model, with limits of tokens and spend.
#[derive(Parser)]
#[command(name = "llm_axum", after_help = HELP)]
struct Cli {
    /// DynamoDB table of the limits; in memory unless given
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
}

const HELP: &str = "\
The table must exist. The plans `user` and `tenant` are stored there unless it has them already.
Region, credentials and endpoint are found as by the AWS CLI. PORT is the port, 3000 by default.

Example, on the table of `cargo run -p local`:
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1
  export AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:9402
  cargo run -p tollgate-throttle --example llm_axum -- --table tollgate";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    // Shows why a request gets 503 or 403.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let (user, tenant) = (PlanId::new("user")?, PlanId::new("tenant")?);
    let (by, plans) = (By::header("x-user"), Plans::fixed(user.clone()));
    let known = [(&user, Plan::from_json(USER)?), (&tenant, Plan::from_json(TENANT)?)];
    let limits = if let Some(name) = cli.table {
        let store = in_table(&name, known).await.with_context(|| format!("table `{name}`"))?;
        Limits::new(Arc::new(Throttle::new(store, SystemClock::new())), by, plans)
    } else {
        let store = MemoryStore::new();
        for (id, plan) in known {
            store.put_plan(id.clone(), plan, SystemClock::new().now());
        }
        Limits::new(Arc::new(Throttle::new(store, SystemClock::new())), by, plans)
    };

    let limits = limits
        .within("tenant", By::header("x-tenant"), Plans::fixed(tenant))
        .body_meter(
            Meter::new("tokens")?,
            |request| at_most(&request.headers),
            |response| used(response, 1),
        )
        .body_meter(
            Meter::new("spend")?,
            |request| at_most(&request.headers) * PRICE,
            |response| used(response, PRICE),
        )
        .checked()?;

    let chat = Router::new().route("/chat", post(chat)).layer(limits);
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, chat).await?)
}

/// The limits in a table. Stores each plan that the table does not have.
async fn in_table(name: &str, known: [(&PlanId, Plan); 2]) -> anyhow::Result<DynamoStore> {
    let client = Connect::new().operation_timeout(Duration::from_secs(1)).client().await;
    let plans = tollgate_throttle::Plans::new(client.clone(), name);
    for (id, plan) in known {
        if plans.get(id).await?.is_none() {
            match plans.put(id, &plan, None, SystemClock::new().now()).await {
                // Another instance was first.
                Ok(_) | Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(DynamoStore::new(client, name))
}

/// The tokens to reserve: as the caller says, but never none, which would not be charged at all.
fn at_most(headers: &HeaderMap) -> u64 {
    text(headers, "x-max-tokens").parse().unwrap_or(500).clamp(1, 2_000)
}

/// Reads the tokens of an answer, times the price of each, from the events of its stream.
fn used(
    response: &response::Parts,
    price: u64,
) -> impl FnMut(Part<'_>) -> Option<u64> + Send + use<> {
    json_amount(response, move |event| {
        let tokens = event.pointer("/usage/total_tokens")?.as_u64()?;
        Some(tokens.saturating_mul(price))
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
}

/// The tokens that the stub is to answer with, beside the 10 of the question.
#[derive(Deserialize)]
struct Asked {
    tokens: Option<u64>,
}

/// Streams the model's answer: an event for every 10 tokens, each with the usage so far.
async fn chat(
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let bill = Bill {
        user: text(&headers, "x-user").to_owned(),
        request: text(&headers, "x-request-id").to_owned(),
        started: SystemClock::new().now(),
        tokens: 0,
    };
    let total = asked.tokens.unwrap_or(100).min(4_000) + 10;
    Sse::new(stream::unfold(Some(bill), move |bill| async move {
        let mut bill = bill?;
        if bill.tokens == total {
            return Some((Ok(Event::default().data("[DONE]")), None));
        }
        if bill.tokens > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bill.tokens = total.min(bill.tokens + 10);
        let word = r#""choices": [{"delta": {"content": "word "}}]"#;
        let event = format!(r#"{{{word}, "usage": {{"total_tokens": {}}}}}"#, bill.tokens);
        Some((Ok(Event::default().data(event)), Some(bill)))
    }))
}

/// The model's own bill of an answer, printed when it ends or its client hangs up.
struct Bill {
    user: String,
    request: String,
    started: Timestamp,
    tokens: u64,
}

impl Drop for Bill {
    fn drop(&mut self) {
        let Self { user, request, started, tokens } = self;
        let (started, ended) = (started.as_nanos(), SystemClock::new().now().as_nanos());
        println!("bill,{user},{request},{started},{ended},{tokens}");
    }
}
