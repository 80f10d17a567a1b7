//! A front for the embedded server: it does what DynamoDB does and the server does not.
//!
//! - The throughput of one partition key, with DynamoDB's own error.
//! - Time to live: no second change within an hour, no change to what is so already.
//! - `DescribeLimits`, `DescribeEndpoints` and `DescribeContinuousBackups`.
//! - ARNs with the Region and the account of everything else here.
//!
//! Nothing here asks for a signature, so a page of another site is refused: it could read and
//! write every item. Pages of this machine (`http://localhost:…`) may call the table.
//!
//! Only operations on one item are held to a partition's throughput: no `Query`, `Scan`, batch or
//! transaction. A write counts by the size of what is sent, an update as one unit.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dynoxide::Database;
use dynoxide::streams::{LOCAL_ACCOUNT, LOCAL_REGION};
use http::{StatusCode, Uri, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;

use super::Options;
use super::partitions::{Partition, Partitions, Throughput};
use super::sweep::key_names;
use crate::clock::Now;
use crate::issuer::is_own;
use crate::json;
use crate::lambda::{ACCOUNT, REGION};

const PREFIX: &str = "DynamoDB_20120810.";
/// The largest request and the largest response, in bytes; DynamoDB takes 16 MB.
const MAX_BODY: usize = 17 * 1024 * 1024;
/// The time in which time to live may change once.
const HOUR_MS: u64 = 3_600_000;
/// The text of a throttled request, as tables on demand have it.
const THROTTLED: &str = "Throughput exceeds the current capacity of your table or index. DynamoDB \
    is automatically scaling your table or index so please try again shortly. If exceptions \
    persist, check if you have a hot key: https://docs.aws.amazon.com/amazondynamodb/latest/\
    developerguide/bp-partition-key-design.html";

/// Serves DynamoDB's protocol, with the server at `inner` behind it.
pub(super) fn router(inner: SocketAddr, database: Database, options: &Options) -> Router {
    let partitions = options.has_partition_limit.then(|| Partitions::new(options.now.clone()));
    let front = Front {
        inner,
        client: Client::builder(TokioExecutor::new()).build_http(),
        database,
        partitions,
        now: options.now.clone(),
        hash_keys: Mutex::default(),
        ttl_changes: Mutex::default(),
    };
    Router::new().fallback(answer).with_state(Arc::new(front))
}

struct Front {
    inner: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    database: Database,
    partitions: Option<Partitions>,
    now: Now,
    /// The partition key's name of each table.
    hash_keys: Mutex<HashMap<String, String>>,
    /// The last change of each table's time to live, in milliseconds.
    ttl_changes: Mutex<HashMap<String, u64>>,
}

/// The members that are looked at, of any request.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Asked {
    table_name: String,
    key: Map<String, Value>,
    item: Map<String, Value>,
    consistent_read: bool,
    time_to_live_specification: Lifetime,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Lifetime {
    enabled: bool,
    attribute_name: String,
}

async fn answer(State(front): State<Arc<Front>>, request: Request) -> Response {
    let origin = request.headers().get(header::ORIGIN);
    if origin.is_some_and(|origin| !origin.to_str().is_ok_and(is_own)) {
        let why = "a page of another site may not use this table";
        return exception("AccessDeniedException", why, StatusCode::FORBIDDEN);
    }
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix(PREFIX)).map(str::to_owned);
    let (mut head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return exception(
            "SerializationException",
            "the request is too large",
            StatusCode::PAYLOAD_TOO_LARGE,
        );
    };
    // The server refuses an unreadable request in DynamoDB's words.
    let read = || {
        let read = json::whole(&body).ok().and_then(|value| Asked::deserialize(value).ok());
        read.unwrap_or_default()
    };
    match operation.as_deref() {
        Some("GetItem" | "PutItem" | "UpdateItem" | "DeleteItem") if front.partitions.is_some() => {
            let operation = operation.unwrap_or_default();
            front.limited(&operation, &read(), head, body.clone()).await
        }
        Some("GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query" | "Scan") => {
            front.pass(head, body.clone()).await
        }
        Some("UpdateTimeToLive") => front.update_time_to_live(read(), head, body.clone()).await,
        Some("DescribeLimits") => ok(&json!({
            "AccountMaxReadCapacityUnits": 80_000, "AccountMaxWriteCapacityUnits": 80_000,
            "TableMaxReadCapacityUnits": 40_000, "TableMaxWriteCapacityUnits": 40_000,
        })),
        Some("DescribeEndpoints") => {
            let host = head.headers.remove(header::HOST);
            let address = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
            ok(&json!({"Endpoints": [{"Address": address, "CachePeriodInMinutes": 1440}]}))
        }
        Some("DescribeContinuousBackups") => front.backups(read()).await,
        other => {
            front.hash_keys.lock().unwrap_or_else(PoisonError::into_inner).clear();
            if other == Some("DeleteTable") {
                // A new table of the name has not changed anything yet.
                let mut changes = front.ttl_changes.lock().unwrap_or_else(PoisonError::into_inner);
                changes.remove(&read().table_name);
            }
            let body = replaced(&body, &ours(), &theirs());
            let response = front.pass(head, body).await;
            with_our_arns(response).await
        }
    }
}

impl Front {
    /// Sends a request on as it is.
    async fn pass(&self, head: http::request::Parts, body: Bytes) -> Response {
        let path = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let uri = Uri::builder().scheme("http").authority(self.inner.to_string());
        let Ok(uri) = uri.path_and_query(path).build() else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        let mut request = http::Request::new(Full::new(body));
        *request.method_mut() = head.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = head.headers;
        for name in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            request.headers_mut().remove(name);
        }
        match self.client.request(request).await {
            Ok(response) => response.map(Body::new).into_response(),
            // The server is ending.
            Err(_) => exception(
                "InternalServerError",
                "the table's server does not answer",
                StatusCode::INTERNAL_SERVER_ERROR,
            ),
        }
    }

    /// Sends a request on if its partition key has units left.
    async fn limited(
        &self,
        operation: &str,
        asked: &Asked,
        head: http::request::Parts,
        body: Bytes,
    ) -> Response {
        let partition = self.partition(asked).await;
        let (Some(partitions), Some(partition)) = (&self.partitions, partition) else {
            return self.pass(head, body).await;
        };
        if operation == "GetItem" {
            let each = if asked.consistent_read { 2 } else { 1 };
            if !partitions.take(&partition, Throughput::Read, each) {
                return throttled("Read", &asked.table_name);
            }
            let response = self.pass(head, body).await;
            let length = response.headers().get(header::CONTENT_LENGTH);
            let length =
                length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0u64);
            let more = length.saturating_sub(1) / 4096;
            partitions.settle(&partition, Throughput::Read, more.saturating_mul(each));
            return response;
        }
        let bytes: usize = asked.item.iter().map(|(name, value)| name.len() + size(value)).sum();
        let units = u64::try_from(bytes.div_ceil(1024)).unwrap_or(u64::MAX).max(1);
        if !partitions.take(&partition, Throughput::Write, units) {
            return throttled("Write", &asked.table_name);
        }
        self.pass(head, body).await
    }

    /// The partition key of a request for one item.
    async fn partition(&self, asked: &Asked) -> Option<Partition> {
        let name = self.hash_key(&asked.table_name).await?;
        let value = asked.key.get(&name).or_else(|| asked.item.get(&name))?;
        Some((asked.table_name.clone(), value.to_string()))
    }

    async fn hash_key(&self, table: &str) -> Option<String> {
        let known = self.known_hash_key(table);
        if known.is_some() {
            return known;
        }
        let (database, owned) = (self.database.clone(), table.to_owned());
        let names = spawn_blocking(move || key_names(&database, &owned)).await.ok()?.ok()?;
        let name = names.into_iter().next();
        if let Some(name) = &name {
            let mut known = self.hash_keys.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(table.to_owned(), name.clone());
        }
        name
    }

    fn known_hash_key(&self, table: &str) -> Option<String> {
        self.hash_keys.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned()
    }

    async fn update_time_to_live(
        &self,
        asked: Asked,
        head: http::request::Parts,
        body: Bytes,
    ) -> Response {
        let Asked { table_name, time_to_live_specification, .. } = asked;
        let Lifetime { enabled, attribute_name } = time_to_live_specification;
        let (database, table) = (self.database.clone(), table_name.clone());
        let meta = spawn_blocking(move || database.get_table_metadata(&table)).await;
        let meta = meta.ok().and_then(Result::ok).flatten();
        let current = meta.as_ref().filter(|meta| meta.ttl_enabled);
        let current = current.and_then(|meta| meta.ttl_attribute.as_deref());
        let refusal = match (current, enabled) {
            (Some(current), _) if current != attribute_name => Some(format!(
                "TimeToLive is active on a different AttributeName: current AttributeName is \
                 {current}"
            )),
            (Some(_), true) => Some("TimeToLive is already enabled".to_owned()),
            (None, false) if meta.is_some() => Some("TimeToLive is already disabled".to_owned()),
            _ => None,
        };
        if let Some(text) = refusal {
            return exception("ValidationException", &text, StatusCode::BAD_REQUEST);
        }
        let now = self.now.millis();
        let last = {
            let changes = self.ttl_changes.lock().unwrap_or_else(PoisonError::into_inner);
            changes.get(&table_name).copied()
        };
        if last.is_some_and(|last| now < last.saturating_add(HOUR_MS)) {
            let text = "Time to live has been modified multiple times within a fixed interval";
            return exception("ValidationException", text, StatusCode::BAD_REQUEST);
        }
        let response = self.pass(head, body).await;
        if response.status() == StatusCode::OK {
            let mut changes = self.ttl_changes.lock().unwrap_or_else(PoisonError::into_inner);
            changes.insert(table_name, now);
        }
        response
    }

    async fn backups(&self, asked: Asked) -> Response {
        let (database, table) = (self.database.clone(), asked.table_name.clone());
        match spawn_blocking(move || database.get_table_metadata(&table)).await {
            Ok(Ok(Some(_))) => ok(&json!({"ContinuousBackupsDescription": {
                "ContinuousBackupsStatus": "ENABLED",
                "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"},
            }})),
            _ => exception(
                "TableNotFoundException",
                &format!("Table not found: {}", asked.table_name),
                StatusCode::BAD_REQUEST,
            ),
        }
    }
}

/// The size of a value in DynamoDB's JSON, in bytes: its texts and names.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(all) => all.iter().map(size).sum(),
        // The one member of a typed value is its type's name, which is not stored.
        Value::Object(typed) => typed.values().map(size).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

fn throttled(direction: &str, table: &str) -> Response {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException",
        "message": THROTTLED,
        "throttlingReasons": [{
            "reason": format!("Table{direction}KeyRangeThroughputExceeded"),
            "resource": format!("{}table/{table}", ours()),
        }],
    });
    respond(StatusCode::BAD_REQUEST, &body)
}

fn exception(name: &str, message: &str, status: StatusCode) -> Response {
    let name = match name {
        "ValidationException" | "SerializationException" => {
            format!("com.amazon.coral.validate#{name}")
        }
        _ => format!("com.amazonaws.dynamodb.v20120810#{name}"),
    };
    respond(status, &json!({"__type": name, "message": message}))
}

fn ok(body: &Value) -> Response {
    respond(StatusCode::OK, body)
}

fn respond(status: StatusCode, body: &Value) -> Response {
    let id = uuid::Uuid::new_v4().simple().to_string().to_ascii_uppercase();
    let headers =
        [("content-type", "application/x-amz-json-1.0".to_owned()), ("x-amzn-requestid", id)];
    (status, headers, body.to_string()).into_response()
}

/// The beginning of every ARN here.
fn ours() -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:")
}

/// The beginning of the server's ARNs.
fn theirs() -> String {
    format!("arn:aws:dynamodb:{LOCAL_REGION}:{LOCAL_ACCOUNT}:")
}

fn replaced(body: &Bytes, from: &str, to: &str) -> Bytes {
    match std::str::from_utf8(body) {
        Ok(text) if text.contains(from) => Bytes::from(text.replace(from, to)),
        _ => body.clone(),
    }
}

/// The response with our ARNs in place of the server's; a changed one loses its checksum.
async fn with_our_arns(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let changed = replaced(&body, &theirs(), &ours());
    if changed != body {
        head.headers.remove("x-amz-crc32");
        head.headers.remove(header::CONTENT_LENGTH);
    }
    Response::from_parts(head, Body::from(changed))
}
