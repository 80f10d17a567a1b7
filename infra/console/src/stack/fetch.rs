//! A small HTTP client for the stack's own addresses.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::problem::Problem;

/// Longer than the gateway's own time-outs.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of a body that are read.
const MOST: usize = 64 * 1024;

/// Sends requests on the loopback.
pub(crate) struct Fetch(Client<HttpConnector, Full<Bytes>>);

/// A response, its body as text.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Fetch {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(String, String)],
    ) -> Result<Answer, Problem> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::default())
            .map_err(|error| Problem::wrong(format!("the request can't be sent: {error}")))?;
        match tokio::time::timeout(PATIENCE, self.read(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Problem::wrong("no answer came within a minute")),
        }
    }

    async fn read(&self, request: Request<Full<Bytes>>) -> Result<Answer, Problem> {
        let failed = |what: String| Problem::wrong(format!("no answer: {what}"));
        let response = self.0.request(request).await.map_err(|error| failed(error.to_string()))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MOST).collect().await;
        let body = body.map_err(|error| failed(error.to_string()))?.to_bytes();
        let text =
            |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
        Ok(Answer {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}
