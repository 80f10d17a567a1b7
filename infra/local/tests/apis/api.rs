//! An API of some kind, and what its authorizer was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use local::clock::Now;
use local::gateway::{Gateway, Kind, Options};
use local::lambda::InvokeError;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use throttle::ManualClock;
use tokio::net::TcpListener;

pub(crate) struct Api {
    pub(crate) gateway: Gateway,
    pub(crate) clock: ManualClock,
    asked: Arc<Mutex<Vec<Value>>>,
    client: reqwest::Client,
}

pub(crate) type Answer = Result<Value, InvokeError>;

impl Api {
    pub(crate) async fn start(kind: Kind, answer: Answer) -> Self {
        Self::start_with(kind, answer, |_| {}).await
    }

    pub(crate) async fn start_with(
        kind: Kind,
        answer: Answer,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let function = {
            let asked = Arc::clone(&asked);
            Arc::new(move |_, event: Bytes| {
                asked.lock().unwrap().push(serde_json::from_slice(&event).unwrap());
                let answer = answer.clone().map(|output| Bytes::from(output.to_string()));
                Box::pin(std::future::ready(answer)) as _
            })
        };
        let clock = ManualClock::default();
        let mut options = Options::of(kind, function, Now::new(clock.clone()));
        change(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Gateway::start(listener, options).unwrap();
        Self { gateway, clock, asked, client: reqwest::Client::new() }
    }

    pub(crate) fn request(&self, route: &str) -> RequestBuilder {
        let (method, path) = route.split_once(' ').unwrap();
        self.client.request(method.parse().unwrap(), format!("{}{path}", self.gateway.url()))
    }

    pub(crate) async fn call(&self, route: &str) -> Response {
        self.request(route).bearer_auth("t").send().await.unwrap()
    }

    pub(crate) async fn status(&self, route: &str) -> u16 {
        self.call(route).await.status().as_u16()
    }

    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

/// Keeps results for five minutes.
pub(crate) fn caching(options: &mut Options) {
    options.cache_ttl = Duration::from_secs(300);
}

/// The identity sources of these texts.
pub(crate) fn sources(options: &mut Options, texts: &[&str]) {
    options.identity_sources = texts.iter().map(|text| text.parse().unwrap()).collect();
}

/// An output with one statement for each pair of an effect and what stands after the stage.
pub(crate) fn policy(kind: Kind, statements: &[(&str, &str)]) -> Value {
    let (id, stage) = (kind.api_id(), kind.stage());
    let statement = |(effect, resource): &(&str, &str)| {
        let resource =
            format!("arn:aws:execute-api:us-east-1:123456789012:{id}/{stage}/{resource}");
        json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource})
    };
    let statements: Vec<Value> = statements.iter().map(statement).collect();
    json!({
        "principalId": "alice",
        "policyDocument": {"Version": "2012-10-17", "Statement": statements},
    })
}

pub(crate) fn with(mut output: Value, member: &str, value: Value) -> Value {
    output[member] = value;
    output
}

pub(crate) fn error(message: &str) -> Answer {
    Err(InvokeError::Function { error_type: "E".into(), error_message: message.into() })
}

/// Status and body.
pub(crate) async fn seen(response: Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}

pub(crate) fn is(status: u16, body: &str) -> (u16, String) {
    (status, body.to_owned())
}
