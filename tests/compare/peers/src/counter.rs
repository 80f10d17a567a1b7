//! A table that counts the calls of any client, and the capacity that they consume.
//!
//! Every call passes through here, and is answered by the embedded table. The counter asks the table
//! for the consumed capacity, whatever the client asked for. `GET /counted` tells the sums.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone)]
struct Counter {
    table: String,
    client: reqwest::Client,
    counted: Arc<Mutex<Counted>>,
}

/// The counts so far.
#[derive(Clone, Copy, Default, Deserialize, Serialize)]
pub(crate) struct Counted {
    pub(crate) calls: f64,
    pub(crate) write_units: f64,
    pub(crate) read_units: f64,
}

/// Serves the counter of the table at this address on a port of its own. Returns its address.
pub(crate) async fn serve(table: String) -> anyhow::Result<String> {
    let counter = Counter { table, client: reqwest::Client::new(), counted: Arc::default() };
    let counted = Arc::clone(&counter.counted);
    let sums =
        || async move { axum::Json(*counted.lock().unwrap_or_else(PoisonError::into_inner)) };
    let router =
        Router::new().route("/", post(pass)).route("/counted", get(sums)).with_state(counter);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}"))
}

async fn pass(
    State(counter): State<Counter>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, StatusCode> {
    let operation = headers.get("x-amz-target").and_then(|it| it.to_str().ok()?.split_once('.'));
    let operation = operation.map(|(_, name)| name.to_owned()).ok_or(StatusCode::BAD_REQUEST)?;
    let mut asked: Value = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    if is_read(&operation) || is_write(&operation) {
        asked["ReturnConsumedCapacity"] = "TOTAL".into();
    }
    let mut request = counter.client.post(&counter.table).body(asked.to_string());
    for (name, value) in &headers {
        if ![header::HOST, header::CONTENT_LENGTH].contains(name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let status = answer.status();
    // Its checksum is of the body, which passes unchanged.
    let mut fields = answer.headers().clone();
    fields.remove(header::TRANSFER_ENCODING);
    let body = answer.bytes().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let mut counted = counter.counted.lock().unwrap_or_else(PoisonError::into_inner);
    counted.add(&operation, &asked, &serde_json::from_slice(&body).unwrap_or_default());
    Ok((status, fields, body))
}

impl Counted {
    /// Reads the sums of the counter at this address.
    pub(crate) async fn read(counter: &str) -> anyhow::Result<Self> {
        let answer = reqwest::get(format!("{counter}/counted")).await?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }

    fn add(&mut self, operation: &str, asked: &Value, answer: &Value) {
        self.calls += 1.0;
        let consumed = match &answer["ConsumedCapacity"] {
            Value::Array(tables) => tables.iter().map(units).sum(),
            one => units(one),
        };
        if is_read(operation) {
            self.read_units += consumed;
        } else {
            self.write_units += consumed;
        }
        // A condition that fails costs a write as well, but its answer does not tell it: at least
        // a unit for each item, of which none here is above 1 KB.
        let error = answer["__type"].as_str().unwrap_or_default();
        if error.ends_with("ConditionalCheckFailedException") {
            self.write_units += 1.0;
        } else if error.ends_with("TransactionCanceledException") {
            self.write_units += asked["TransactItems"].as_array().map_or(0, Vec::len) as f64;
        }
    }
}

fn units(consumed: &Value) -> f64 {
    consumed["CapacityUnits"].as_f64().unwrap_or_default()
}

fn is_read(operation: &str) -> bool {
    ["GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"].contains(&operation)
}

fn is_write(operation: &str) -> bool {
    ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"]
        .contains(&operation)
}
