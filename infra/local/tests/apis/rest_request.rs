//! REQUEST authorizers of REST APIs.

use local::gateway::Kind;
use serde_json::json;

use crate::api::{Api, caching, error, is, policy, seen, sources, with};

const KIND: Kind = Kind::RestRequest;
const UNAUTHORIZED: &str = r#"{"message":"Unauthorized"}"#;

#[tokio::test]
async fn a_missing_identity_source_is_401_and_nobody_is_asked() {
    let allow = policy(KIND, &[("Allow", "*")]);
    for source in
        ["method.request.header.X-Mine", "method.request.querystring.q", "stageVariables.absent"]
    {
        let api = Api::start_with(KIND, Ok(allow.clone()), |options| {
            sources(options, &["method.request.header.Authorization", source]);
        })
        .await;
        assert_eq!(seen(api.call("GET /orders").await).await, is(401, UNAUTHORIZED), "{source}");
        assert_eq!(seen(api.call("GET /orders?q=").await).await, is(401, UNAUTHORIZED), "{source}");
        assert!(api.asked().is_empty());
    }
}

#[tokio::test]
async fn without_identity_sources_the_authorizer_is_asked_about_everything() {
    let api = Api::start_with(KIND, error("Unauthorized"), |options| {
        options.identity_sources.clear();
        caching(options);
    })
    .await;
    let bare = api.request("GET /orders").send().await.unwrap();
    assert_eq!(seen(bare).await, is(401, UNAUTHORIZED));
    assert_eq!(api.status("GET /orders").await, 401);
    assert_eq!(api.asked().len(), 2);
}

#[tokio::test]
async fn the_event_has_the_request_and_the_stages_variables() {
    let api = Api::start_with(KIND, Ok(policy(KIND, &[("Allow", "*")])), |options| {
        options.stage_variables.insert("color".into(), "blue".into());
        sources(options, &["stageVariables.color", "method.request.querystring.q"]);
    })
    .await;
    assert_eq!(api.status("POST /orders/1?q=a&q=b").await, 200);
    let event = &api.asked()[0];
    assert_eq!(event["type"], "REQUEST");
    assert_eq!(event["httpMethod"], "POST");
    assert_eq!(event["path"], "/orders/1");
    assert_eq!(event["headers"]["authorization"], "Bearer t");
    assert_eq!(event["multiValueQueryStringParameters"], json!({"q": ["a", "b"]}));
    assert_eq!(event["stageVariables"], json!({"color": "blue"}));
    assert_eq!(event["requestContext"]["identity"]["sourceIp"], "127.0.0.1");
}

#[tokio::test]
async fn results_are_kept_by_all_sources_together_and_evaluated_again() {
    let output = policy(KIND, &[("Allow", "GET/orders")]);
    let api = Api::start_with(KIND, Ok(output), |options| {
        caching(options);
        sources(options, &["method.request.header.Authorization", "method.request.querystring.q"]);
    })
    .await;
    assert_eq!(api.status("GET /orders?q=1").await, 200);
    assert_eq!(api.status("GET /admin?q=1").await, 403, "kept, and held against another route");
    assert_eq!(api.asked().len(), 1);
    assert_eq!(api.status("GET /orders?q=2").await, 200);
    assert_eq!(api.asked().len(), 2, "another value of one source is another result");
    let other = api.request("GET /orders?q=1").bearer_auth("other");
    assert_eq!(other.send().await.unwrap().status(), 200);
    assert_eq!(api.asked().len(), 3);
    assert_eq!(api.status("GET /orders?q=1&more=x").await, 200);
    assert_eq!(api.asked().len(), 3, "what is no source makes no difference");
}

#[tokio::test]
async fn denials_are_kept_and_errors_are_not() {
    let denied = policy(KIND, &[("Deny", "*")]);
    let api = Api::start_with(KIND, Ok(denied), caching).await;
    for _ in 0..3 {
        assert_eq!(api.status("GET /orders").await, 403);
    }
    assert_eq!(api.asked().len(), 1);
    let api = Api::start_with(KIND, error("Unauthorized"), caching).await;
    for _ in 0..3 {
        assert_eq!(api.status("GET /orders").await, 401);
    }
    assert_eq!(api.asked().len(), 3);
}

#[tokio::test]
async fn what_the_authorizer_can_get_wrong_is_500() {
    let allow = policy(KIND, &[("Allow", "*")]);
    let null = is(500, r#"{"message":null}"#);
    for answer in [
        Ok(json!("text")),
        Ok(json!({"isAuthorized": true})),
        Ok(with(allow.clone(), "policyDocument", json!({}))),
        Ok(with(allow.clone(), "context", json!({"a": {"b": 1}}))),
        error("table away"),
    ] {
        let api = Api::start(KIND, answer.clone()).await;
        assert_eq!(seen(api.call("GET /orders").await).await, null, "{answer:?}");
    }
}
