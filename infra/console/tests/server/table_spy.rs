//! A table that counts the calls it gets, and denies some as AWS does.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::bench::database;

/// An embedded table behind a server that counts and denies.
#[derive(Clone)]
pub(crate) struct TableSpy(Arc<Inner>);

struct Inner {
    endpoint: String,
    behind: String,
    client: Client,
    calls: Mutex<Vec<(String, Value)>>,
    denied: Mutex<Vec<&'static str>>,
}

impl TableSpy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let spy = Self(Arc::new(Inner {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            behind: database().await,
            client: Client::new(),
            calls: Mutex::default(),
            denied: Mutex::default(),
        }));
        let routes = Router::new().fallback(answer).with_state(spy.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        spy
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// Denies these actions from now on.
    pub(crate) fn deny(&self, actions: &[&'static str]) {
        *self.0.denied.lock().unwrap() = actions.to_vec();
    }

    /// The calls since this was read last: each action, and its request.
    pub(crate) fn take(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut *self.0.calls.lock().unwrap())
    }
}

async fn answer(State(spy): State<TableSpy>, request: Request) -> Response {
    let inner = &spy.0;
    let (head, body) = request.into_parts();
    let body: Bytes = to_bytes(body, usize::MAX).await.unwrap();
    let target = head.headers["x-amz-target"].to_str().unwrap();
    let action = target.split('.').next_back().unwrap().to_owned();
    let sent = serde_json::from_slice(&body).unwrap();
    inner.calls.lock().unwrap().push((action.clone(), sent));
    if inner.denied.lock().unwrap().iter().any(|denied| *denied == action) {
        return (StatusCode::BAD_REQUEST, denial(&action)).into_response();
    }
    let url = format!("{}{}", inner.behind, head.uri);
    let passed = inner.client.post(url).headers(head.headers).body(body).send().await.unwrap();
    (passed.status(), passed.bytes().await.unwrap()).into_response()
}

/// The answer of AWS to credentials without a permission.
fn denial(action: &str) -> String {
    format!(
        "{{\"__type\":\"com.amazon.coral.service#AccessDeniedException\",\"Message\":\"User: \
         arn:aws:iam::123456789012:user/maria is not authorized to perform: dynamodb:{action} on \
         resource: arn:aws:dynamodb:us-east-1:123456789012:table/tollgate because no \
         identity-based policy allows the dynamodb:{action} action\"}}"
    )
}
