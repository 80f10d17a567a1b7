//! A server between the executable and the table: it counts calls, and fails those it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

/// Fate of a call: none for passing it on, else the status and the error's name.
type Fault = Option<(u16, &'static str)>;
/// Says so by the operation, `PutItem` say, and by how many of it there were, from 1.
type Judge = dyn Fn(&str, usize) -> Fault + Send + Sync;

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
}

#[derive(Clone)]
struct Way {
    to: String,
    client: reqwest::Client,
    judge: Arc<Judge>,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Proxy {
    pub(crate) fn before(
        to: &str,
        judge: impl Fn(&str, usize) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let calls = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let (to, judge, counted) = (to.to_owned(), Arc::new(judge), Arc::clone(&calls));
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.unwrap().block_on(async move {
                let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
                let way = Way { to, client: client.build().unwrap(), judge, calls: counted };
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                axum::serve(listener, Router::new().fallback(pass).with_state(way)).await.unwrap();
            });
        });
        Self { url: format!("http://{}", told.recv().unwrap()), calls }
    }

    /// The number of calls of an operation.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.calls.lock().unwrap().get(operation).copied().unwrap_or_default()
    }
}

async fn pass(State(way): State<Way>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").unwrap().to_str().unwrap();
    let operation = target.split_once('.').unwrap().1.to_owned();
    let nth = {
        let mut calls = way.calls.lock().unwrap();
        let calls = calls.entry(operation.clone()).or_default();
        *calls += 1;
        *calls
    };
    // A judge may wait for the test.
    let judge = Arc::clone(&way.judge);
    let fault = tokio::task::spawn_blocking(move || judge(&operation, nth)).await.unwrap();
    if let Some((status, name)) = fault {
        let body = format!(r#"{{"__type":"com.amazonaws.dynamodb#{name}","message":"no"}}"#);
        return (StatusCode::from_u16(status).unwrap(), body).into_response();
    }
    let mut headers = headers;
    headers.remove("host");
    let answer = way.client.post(&way.to).headers(headers).body(body).send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove("transfer-encoding");
    headers.remove("content-length");
    (status, headers, answer.bytes().await.unwrap()).into_response()
}
