//! Layers with names: each has buckets of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, Response, StatusCode};
use tollgate_throttle::Subject;
use tollgate_throttle::layer::{By, Limits, Plans};
use tower::{Layer, ServiceExt, service_fn};

use crate::setting::{Setting, answer, client, plan, request, yes};

const FAST: &str = r#"{"throttle": {"rateLimit": 100, "burstLimit": 100}}"#;
const SLOW: &str = r#"{"throttle": {"rateLimit": "1/min", "burstLimit": 2}}"#;

/// A layer that is named like its plan.
fn layer(it: &Setting, name: &str) -> Limits {
    Limits::new(Arc::clone(&it.throttle), client(), Plans::fixed(plan(name))).name(name)
}

/// `/search` under the plan `search`, and `/export` under `export`.
fn two_routes(it: &Setting) -> Router {
    Router::new()
        .route("/search", get(|| async { "[]" }).layer(layer(it, "search")))
        .route("/export", get(|| async { "[]" }).layer(layer(it, "export")))
}

async fn ask(router: &Router, path: &str) -> Response<Body> {
    let request = Request::get(path).header("x-client", "maria").body(Body::empty());
    router.clone().oneshot(request.unwrap()).await.unwrap()
}

fn setting(search: &str, export: &str) -> Setting {
    let it = Setting::burst(1);
    it.put("search", search);
    it.put("export", export);
    it
}

#[tokio::test]
async fn a_slow_route_does_not_get_a_fast_routes_rate() {
    let it = setting(FAST, SLOW);
    let router = two_routes(&it);
    let mut exports = 0;
    for _ in 0..600 {
        it.clock.advance(Duration::from_secs(1));
        assert_eq!(ask(&router, "/search").await.status(), 200);
        exports += u32::from(ask(&router, "/export").await.status() == 200);
    }
    // Two of the burst, and one a minute.
    assert_eq!(exports, 11);
    let after: u64 = seconds(&ask(&router, "/export").await);
    it.clock.advance(Duration::from_secs(after - 1));
    assert_eq!(ask(&router, "/export").await.status(), 429);
    it.clock.advance(Duration::from_secs(1));
    assert_eq!(ask(&router, "/export").await.status(), 200);
}

#[tokio::test]
async fn each_layer_has_a_quota_of_its_own() {
    let quota = |limit: u32| format!(r#"{{"quota": {{"limit": {limit}, "period": "DAY"}}}}"#);
    let it = setting(&quota(1_000), &quota(10));
    let router = two_routes(&it);
    for _ in 0..20 {
        assert_eq!(ask(&router, "/search").await.status(), 200);
    }
    let mut exports = 0;
    while ask(&router, "/export").await.status() == 200 {
        exports += 1;
    }
    assert_eq!(exports, 10);
}

#[tokio::test]
async fn both_layers_of_one_route_hold_and_state_the_exact_wait() {
    let it = setting(FAST, SLOW);
    let handler = || async { "[]" };
    let router = Router::new().route("/", get(handler)).layer(layer(&it, "export"));
    let router = router.layer(layer(&it, "search"));
    for _ in 0..2 {
        assert_eq!(ask(&router, "/").await.status(), 200);
    }
    for _ in 0..3 {
        for _ in 0..3 {
            let refused = ask(&router, "/").await;
            assert_eq!((refused.status(), seconds(&refused)), (StatusCode::TOO_MANY_REQUESTS, 60));
        }
        it.clock.advance(Duration::from_secs(60));
        assert_eq!(ask(&router, "/").await.status(), 200);
    }
}

fn seconds(refused: &Response<Body>) -> u64 {
    refused.headers()["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_name_begins_the_subject_for_plans_and_reports() {
    let it = Setting::burst(9);
    it.put("gold", r#"{"throttle": {"rateLimit": 1, "burstLimit": 50}}"#);
    let by_name = |subject: Subject| async move {
        Ok((subject.as_str() == "#search#maria").then(|| plan("gold")))
    };
    let plans = Plans::looked_up(by_name, plan("free"));
    let limits = Limits::new(Arc::clone(&it.throttle), client(), plans).name("search");
    let limits = limits.report(|report| {
        assert_eq!(report.subject().unwrap().as_str(), "#search#maria");
    });
    let response = answer(&limits.layer(service_fn(yes)), request()).await;
    assert_eq!(response.headers()["ratelimit"], r#""search-burst";r=49;t=1"#);
    assert_eq!(it.left("maria").await, 9, "the bucket of the layers without a name");
}

#[tokio::test]
async fn named_layers_share_the_buckets_of_parents() {
    let it = setting(FAST, FAST);
    let in_tenant = |name| {
        let by = By::header("x-client");
        layer(&it, name).within("tenant", by, Plans::fixed(plan("free"))).layer(service_fn(yes))
    };
    assert_eq!(answer(&in_tenant("search"), request()).await.status(), 200);
    assert_eq!(answer(&in_tenant("export"), request()).await.status(), 429);
}

#[tokio::test]
async fn a_caller_named_like_a_parent_spends_nothing_of_it() {
    let it = Setting::burst(3);
    it.put("tenant", r#"{"throttle": {"rateLimit": 1, "burstLimit": 2}}"#);
    // Neither layer has parents itself.
    let plain = it.limits().layer(service_fn(yes));
    let named = it.limits().name("tenant").layer(service_fn(yes));
    for name in ["#tenant#acme", "#", "everyone", "~#tenant#acme", "#tenant#~acme"] {
        let request = || Request::get("/").header("x-client", name).body(String::new()).unwrap();
        assert_eq!(answer(&plain, request()).await.status(), 200, "{name}");
        assert_eq!(answer(&named, request()).await.status(), 200, "{name}");
    }
    for parent in ["#tenant#acme", "#", "everyone", "#tenant##tenant#acme"] {
        assert_eq!(it.left(parent).await, 3, "{parent}");
    }
}
