//! HTTP APIs: payload 1.0 and 2.0, policies and simple responses.

use local::gateway::{Keys, Kind, Options, Payload, Route};
use local::lambda::InvokeError;
use serde_json::{Value, json};

use crate::api::{Answer, Api, caching, error, is, policy, seen, sources, with};

const V1: Kind = Kind::Http(Payload::V1);
const V2: Kind = Kind::Http(Payload::V2);
const SIMPLE: Kind = Kind::Http(Payload::Simple);

fn verdict(authorized: bool) -> Answer {
    Ok(json!({"isAuthorized": authorized, "context": {"plan": "free", "list": [1, 2]}}))
}

fn allow_all(kind: Kind) -> Answer {
    match kind {
        SIMPLE => verdict(true),
        _ => Ok(policy(kind, &[("Allow", "*")])),
    }
}

#[tokio::test]
async fn a_missing_identity_source_is_401_and_nobody_is_asked() {
    for kind in [V1, V2, SIMPLE] {
        let api = Api::start(kind, allow_all(kind)).await;
        let response = api.request("GET /orders").send().await.unwrap();
        assert!(response.headers().contains_key("apigw-requestid"));
        assert_eq!(seen(response).await, is(401, r#"{"message":"Unauthorized"}"#));
        assert!(api.asked().is_empty());
        assert_eq!(api.status("GET /orders").await, 200);
        let version = if kind == V1 { "1.0" } else { "2.0" };
        assert_eq!(api.asked()[0]["version"], version);
    }
}

#[tokio::test]
async fn a_refusal_is_403_and_a_failure_500() {
    let forbidden = is(403, r#"{"message":"Forbidden"}"#);
    let failed = is(500, r#"{"message":"Internal Server Error"}"#);
    let unauthorized = is(401, r#"{"message":"Unauthorized"}"#);
    for (kind, answer, expected) in [
        (V1, Ok(policy(V1, &[("Deny", "*")])), &forbidden),
        (V2, Ok(policy(V2, &[("Allow", "GET/elsewhere")])), &forbidden),
        (SIMPLE, verdict(false), &forbidden),
        (V2, error("Unauthorized"), &unauthorized),
        (V2, error("table away"), &failed),
        (SIMPLE, Err(InvokeError::Exit("signal 9".into())), &failed),
        // Each form is of use only where the API was set up for it.
        (V2, verdict(true), &failed),
        (V1, verdict(true), &failed),
        (SIMPLE, Ok(policy(SIMPLE, &[("Allow", "*")])), &failed),
        (SIMPLE, Ok(json!({"isAuthorized": "true"})), &failed),
        (V2, Ok(json!("text")), &failed),
    ] {
        let api = Api::start(kind, answer.clone()).await;
        assert_eq!(&seen(api.call("GET /orders").await).await, expected, "{kind:?} {answer:?}");
    }
}

#[tokio::test]
async fn the_integration_gets_the_context_as_it_is() {
    let context = json!({"plan": "free", "remaining": 3, "trial": true, "list": [{"a": null}]});
    let output = with(policy(V2, &[("Allow", "*")]), "context", context.clone());
    let api = Api::start(V2, Ok(output)).await;
    let echo: Value = api.call("PUT /orders/1").await.json().await.unwrap();
    assert_eq!(echo["requestContext"]["authorizer"], json!({"lambda": context}));
    assert_eq!(echo["requestContext"]["routeKey"], "ANY /{proxy+}");
    assert_eq!(echo["requestContext"]["stage"], "$default");
    assert!(!echo.to_string().contains("Bearer"), "{echo}");
}

#[tokio::test]
async fn the_backend_answers_429_for_an_api_that_can_t() {
    for kind in [V2, SIMPLE] {
        let context = json!({"throttled": true, "retryAfter": 7});
        let output = with(allow_all(kind).unwrap(), "context", context);
        let api = Api::start(kind, Ok(output)).await;
        let response = api.call("GET /orders").await;
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(seen(response).await, is(429, "{\"message\":\"Too Many Requests\"}\n"));
    }
}

fn two_routes(options: &mut Options) {
    let routes = ["GET /orders", "$default"];
    options.routes = routes.iter().map(|route| Route::parse(route).unwrap()).collect();
}

#[tokio::test]
async fn routes_are_in_the_event_and_its_arn() {
    let api = Api::start_with(V2, allow_all(V2), two_routes).await;
    for route in ["GET /orders", "POST /orders"] {
        assert_eq!(api.status(route).await, 200);
    }
    let prefix = "arn:aws:execute-api:us-east-1:123456789012:t0llgate01/$default/";
    let asked: Vec<_> =
        api.asked().iter().map(|e| (e["routeKey"].clone(), e["routeArn"].clone())).collect();
    let expected = [("GET /orders", "GET/orders"), ("$default", "$default")]
        .map(|(key, arn)| (json!(key), json!(format!("{prefix}{arn}"))));
    assert_eq!(asked, expected);
    let api = Api::start_with(V2, allow_all(V2), |options| {
        two_routes(options);
        options.routes.pop();
    })
    .await;
    assert_eq!(seen(api.call("GET /").await).await, is(404, r#"{"message":"Not Found"}"#));
    assert!(api.asked().is_empty());
}

#[tokio::test]
async fn a_policy_that_is_kept_is_evaluated_again() {
    for kind in [V1, V2] {
        let output = policy(kind, &[("Allow", "GET/orders")]);
        let api = Api::start_with(kind, Ok(output), caching).await;
        assert_eq!(api.status("GET /orders").await, 200);
        assert_eq!(api.status("GET /admin").await, 403);
        assert_eq!(api.asked().len(), 1);
        api.clock.advance(std::time::Duration::from_secs(300));
        assert_eq!(api.status("GET /orders").await, 200);
        assert_eq!(api.asked().len(), 2);
    }
}

#[tokio::test]
async fn a_verdict_that_is_kept_is_for_every_route_unless_the_route_is_a_source() {
    let api = Api::start_with(SIMPLE, verdict(true), |options| {
        caching(options);
        two_routes(options);
    })
    .await;
    assert_eq!(api.status("GET /orders").await, 200);
    assert_eq!(api.status("DELETE /admin").await, 200, "the verdict was on another route");
    assert_eq!(api.asked().len(), 1);

    let api = Api::start_with(SIMPLE, verdict(false), |options| {
        caching(options);
        two_routes(options);
        sources(options, &["$request.header.Authorization", "$context.routeKey"]);
    })
    .await;
    for route in ["GET /orders", "GET /orders", "DELETE /admin", "DELETE /other"] {
        assert_eq!(api.status(route).await, 403);
    }
    assert_eq!(api.asked().len(), 2, "one for each route key, denials kept");
    assert_eq!(api.asked()[1]["identitySource"], json!(["Bearer t", "$default"]));
}

#[tokio::test]
async fn no_api_key_is_looked_at() {
    let api = Api::start_with(V2, allow_all(V2), |options| {
        options.keys = Some(Keys::one("a-key-of-more-than-twenty-characters", None, &options.now));
    })
    .await;
    assert_eq!(api.status("GET /orders").await, 200);
}
