//! A REST API's proxy integration, and the Lambda Runtime API behind it, for one function.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{self, Body};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use lambda_http::Error;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};
use tollgate_throttle::{Clock, SystemClock};

/// The gateway between callers and the function.
struct Gateway {
    events: mpsc::Sender<(u64, Value)>,
    due: Mutex<mpsc::Receiver<(u64, Value)>>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    count: AtomicU64,
    clock: SystemClock,
}

/// Serves on port 3000, and runs this program once more as the function.
pub(crate) async fn run() -> Result<(), Error> {
    let (events, due) = mpsc::channel(100);
    let gateway = Arc::new(Gateway {
        events,
        due: Mutex::new(due),
        waiting: Mutex::default(),
        count: AtomicU64::default(),
        clock: SystemClock::new(),
    });
    let runtime_api = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
        .with_state(Arc::clone(&gateway));
    let api = Router::new().fallback(invoke).with_state(gateway);
    let inside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let outside = TcpListener::bind((Ipv4Addr::LOCALHOST, 3000)).await?;

    let mut function = Command::new(std::env::current_exe()?)
        .env("AWS_LAMBDA_RUNTIME_API", inside.local_addr()?.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "orders")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("ORDERS_EMULATOR", "http://127.0.0.1:9402")
        .spawn()?;
    let ended = tokio::select! {
        ended = axum::serve(inside, runtime_api) => ended,
        ended = axum::serve(outside, api) => ended,
    };
    function.kill()?;
    Ok(ended?)
}

/// A caller's request becomes an event, and the function's answer its response.
async fn invoke(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = body::to_bytes(body, 1 << 20).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let (mut headers, mut context) = (Map::new(), Map::new());
    for (name, value) in &parts.headers {
        let value = Value::from(String::from_utf8_lossy(value.as_bytes()));
        match name.as_str().strip_prefix("x-authorizer-") {
            // A header's name has no case; the context's names do.
            Some("clientid") => context.insert("clientId".to_owned(), value),
            Some("retryafter") => context.insert("retryAfter".to_owned(), value),
            Some(name) => context.insert(name.to_owned(), value),
            None => headers.insert(name.to_string(), value),
        };
    }
    let event = json!({
        "resource": "/{proxy+}",
        "path": parts.uri.path(),
        "httpMethod": parts.method.as_str(),
        "headers": headers,
        "requestContext": {
            "stage": "$default",
            "httpMethod": parts.method.as_str(),
            "resourcePath": "/{proxy+}",
            "identity": {},
            "authorizer": context,
        },
        "body": String::from_utf8_lossy(&body),
        "isBase64Encoded": false,
    });
    let id = gateway.count.fetch_add(1, Ordering::Relaxed);
    let (tell, told) = oneshot::channel();
    gateway.waiting.lock().await.insert(id, tell);
    if gateway.events.send((id, event)).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    told.await.ok().and_then(|answer| response(&answer)).unwrap_or_else(|| {
        (StatusCode::BAD_GATEWAY, "{\"message\":\"Internal server error\"}").into_response()
    })
}

/// The response that a function's answer describes; `None` if it has another form.
fn response(answer: &Value) -> Option<Response> {
    let status = u16::try_from(answer.get("statusCode")?.as_u64()?).ok()?;
    let mut response = Response::builder().status(status);
    for (name, values) in answer.get("multiValueHeaders")?.as_object()? {
        for value in values.as_array()? {
            response = response.header(name, value.as_str()?);
        }
    }
    let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
    response.body(Body::from(body.to_owned())).ok()
}

async fn next(State(gateway): State<Arc<Gateway>>) -> Response {
    let Some((id, event)) = gateway.due.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = gateway.clock.now().as_nanos() / 1_000_000 + 30_000;
    let headers = [
        ("lambda-runtime-aws-request-id", id.to_string()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:123456789012:function:orders".to_owned(),
        ),
    ];
    (headers, event.to_string()).into_response()
}

async fn answered(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<u64>,
    body: String,
) -> StatusCode {
    let answer = serde_json::from_str(&body).unwrap_or(Value::Null);
    end(&gateway, id, answer).await
}

async fn failed(State(gateway): State<Arc<Gateway>>, Path(id): Path<u64>) -> StatusCode {
    end(&gateway, id, Value::Null).await
}

async fn end(gateway: &Gateway, id: u64, answer: Value) -> StatusCode {
    match gateway.waiting.lock().await.remove(&id) {
        // The caller may have hung up.
        Some(tell) => {
            let _ = tell.send(answer);
            StatusCode::ACCEPTED
        }
        None => StatusCode::BAD_REQUEST,
    }
}
