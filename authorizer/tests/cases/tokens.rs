//! Tokens, key sets and requests from files, answered by the authorizer as it is configured there.
//!
//! Each file has a configuration, a key set that is served on the loopback, events, and the
//! expected outcome of each event. Nothing is replaced but the clock.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy::iam::{Outcome, Policy, Request};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use throttle::{ManualClock, MemoryStore, Timestamp};
use tokio::net::TcpListener;
use tollgate_authorizer::{Authorizer, Config, Failure, Response};

use crate::{files, stem};

/// The moment of every request. `G1-iat-3s-ahead` has a token that is issued 3 s later.
const NOW: u64 = 1_795_895_538;

/// Cases whose outcome is not the expected one: the outcome of today, and the reason.
///
/// Remove a line when its case passes.
const DIFFERENT: [(&str, &[&str], &str); 1] = [(
    "D4-anonymous-and-preflight",
    &["allow", "deny"],
    "the ARN of an HTTP API's route `$default` names no method and no path",
)];

/// A file, without the members that only people read.
#[derive(Deserialize)]
struct Case {
    config: String,
    jwks: Option<Value>,
    jwks_raw_base64: Option<String>,
    jwks_headers: Option<BTreeMap<String, String>>,
    jwks_status: u16,
    events: Vec<Value>,
    expect: Vec<String>,
    /// The principal of each answer, where it matters.
    principals: Option<Vec<Value>>,
    /// The context of each answer, where it matters.
    contexts: Option<Vec<Value>>,
}

impl Case {
    /// Serves the key set, and returns its address.
    async fn serve(&self) -> String {
        let body: Bytes = match (&self.jwks_raw_base64, &self.jwks) {
            (Some(raw), _) => STANDARD.decode(raw).unwrap().into(),
            (None, Some(set)) => set.to_string().into(),
            (None, None) => Bytes::new(),
        };
        let status = StatusCode::from_u16(self.jwks_status).unwrap();
        let headers: HeaderMap = self
            .jwks_headers
            .iter()
            .flatten()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let router = Router::new().fallback(move || {
            let answer = (status, headers.clone(), body.clone());
            async move { answer }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/keys", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    /// The outcome of each event.
    async fn outcomes(&self) -> Vec<&'static str> {
        let text = self.config.replace("{JWKS_URI}", &self.serve().await);
        let Ok(config) = Config::parse(&text, "case") else {
            // An authorizer that does not start answers nothing: API Gateway answers 500.
            return vec!["500"; self.events.len()];
        };
        let clock = ManualClock::at(Timestamp::from_secs(NOW));
        let authorizer = Authorizer::new(config, None::<MemoryStore>, clock).unwrap();
        let mut outcomes = Vec::new();
        for (at, event) in self.events.iter().enumerate() {
            let answer = authorizer.handle(event, "request").await;
            let told = answer.as_ref().map(|it| serde_json::to_value(it).unwrap());
            if let Some(principals) = &self.principals {
                assert_eq!(told.as_ref().unwrap()["principalId"], principals[at]);
            }
            if let Some(contexts) = &self.contexts {
                assert_eq!(told.as_ref().unwrap()["context"], contexts[at]);
            }
            outcomes.push(outcome(event, answer));
        }
        outcomes
    }
}

/// Returns API Gateway's reaction to a response.
fn outcome(event: &Value, answer: Result<Response, Failure>) -> &'static str {
    let answer = match answer {
        Ok(answer) => serde_json::to_value(answer).unwrap(),
        Err(Failure::Unauthorized) => return "401",
        Err(_) => return "500",
    };
    let arn = event.get("methodArn").or(event.get("routeArn")).and_then(Value::as_str).unwrap();
    let policy: Policy = serde_json::from_value(answer["policyDocument"].clone()).unwrap();
    match policy.evaluate(&Request::new(arn)) {
        Outcome::Allow => "allow",
        _ => "deny",
    }
}

#[tokio::test]
async fn each_case_has_its_outcome() {
    let files = files("tokens");
    assert_eq!(files.len(), 32);
    let (mut wrong, mut listed) = (Vec::new(), 0);
    for file in &files {
        let name = stem(file);
        let case: Case = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(case.events.len(), case.expect.len(), "{name}");
        let outcomes = case.outcomes().await;
        let different = DIFFERENT.iter().find(|(listed, ..)| *listed == name);
        let expected: Vec<&str> = match different {
            None => case.expect.iter().map(String::as_str).collect(),
            Some((_, today, reason)) => {
                listed += 1;
                assert_ne!(case.expect, *today, "{name} passes: remove it from the list");
                assert!(!reason.is_empty(), "{name}");
                today.to_vec()
            }
        };
        if outcomes != expected {
            wrong.push(format!("{name}: {outcomes:?}, expected {expected:?}"));
        }
    }
    assert_eq!(listed, DIFFERENT.len(), "each listed case is a file");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
