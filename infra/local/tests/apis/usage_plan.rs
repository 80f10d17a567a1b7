//! API keys and native usage plans.

use std::time::Duration;

use local::gateway::{KeySource, Keys, Kind, Options};
use serde_json::json;
use throttle::Plan;

use crate::api::{Answer, Api, is, policy, seen, with};

const KIND: Kind = Kind::RestToken;
const KEY: &str = "a-key-of-more-than-twenty-characters";

fn keyed() -> Answer {
    Ok(with(policy(KIND, &[("Allow", "*")]), "usageIdentifierKey", json!(KEY)))
}

fn plan(json: &'static str) -> impl FnOnce(&mut Options) {
    move |options| {
        let plan = Plan::from_json(json).unwrap();
        options.keys = Some(Keys::one(KEY, Some(&plan), &options.now));
    }
}

#[tokio::test]
async fn a_plans_rate_is_429_and_gives_no_retry_after() {
    let limits = plan(r#"{"throttle":{"rateLimit":2,"burstLimit":3}}"#);
    let api = Api::start_with(KIND, keyed(), limits).await;
    for expected in [200, 200, 200, 429] {
        assert_eq!(api.status("GET /orders").await, expected);
    }
    let response = api.call("GET /orders").await;
    assert_eq!(response.headers()["x-amzn-errortype"], "TooManyRequestsException");
    assert!(!response.headers().contains_key("retry-after"));
    assert_eq!(seen(response).await, is(429, r#"{"message":"Too Many Requests"}"#));
    api.clock.advance(Duration::from_millis(500));
    assert_eq!(api.status("GET /orders").await, 200);
    assert_eq!(api.status("GET /orders").await, 429);
}

#[tokio::test]
async fn a_plans_quota_is_429_with_another_message() {
    let limits = plan(r#"{"quota":{"limit":2,"period":"DAY"}}"#);
    let api = Api::start_with(KIND, keyed(), limits).await;
    for expected in [200, 200, 429] {
        assert_eq!(api.status("GET /orders").await, expected);
    }
    let response = api.call("GET /orders").await;
    assert_eq!(response.headers()["x-amzn-errortype"], "LimitExceededException");
    assert_eq!(seen(response).await, is(429, r#"{"message":"Limit Exceeded"}"#));
    api.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(api.status("GET /orders").await, 200);
}

#[tokio::test]
async fn what_is_refused_before_is_not_counted() {
    let limits = plan(r#"{"quota":{"limit":1,"period":"MONTH"}}"#);
    let api = Api::start_with(KIND, keyed(), limits).await;
    assert_eq!(api.request("GET /orders").send().await.unwrap().status(), 401);
    assert_eq!(api.status("GET /orders").await, 200);
    let limits = plan(r#"{"quota":{"limit":1,"period":"MONTH"}}"#);
    let unknown = with(policy(KIND, &[("Allow", "*")]), "usageIdentifierKey", json!("unknown"));
    let api = Api::start_with(KIND, Ok(unknown), limits).await;
    for _ in 0..3 {
        let response = api.call("GET /orders").await;
        assert_eq!(response.headers()["x-amzn-errortype"], "ForbiddenException", "not the plan's");
        assert_eq!(response.status(), 429);
    }
}

#[tokio::test]
async fn a_key_from_the_header_is_the_callers_own() {
    let kind = Kind::RestRequest;
    let api = Api::start_with(kind, Ok(policy(kind, &[("Allow", "*")])), |options| {
        plan(r#"{"quota":{"limit":2,"period":"DAY"}}"#)(options);
        options.api_key_source = KeySource::Header;
    })
    .await;
    let with_key = |key: &str| {
        let request = api.request("GET /orders").bearer_auth("t").header("x-api-key", key);
        request.send()
    };
    let forbidden = is(403, r#"{"message":"Forbidden"}"#);
    assert_eq!(seen(api.call("GET /orders").await).await, forbidden);
    assert_eq!(seen(with_key("wrong").await.unwrap()).await, forbidden);
    let (status, echo) = seen(with_key(KEY).await.unwrap()).await;
    assert_eq!(status, 200);
    assert!(!echo.contains(KEY), "{echo}");
    assert_eq!(with_key(KEY).await.unwrap().status(), 200);
    let over = seen(with_key(KEY).await.unwrap()).await;
    assert_eq!(over, is(429, r#"{"message":"Limit Exceeded"}"#));
    assert_eq!(api.asked()[1]["requestContext"]["identity"]["apiKey"], "wrong");
}
