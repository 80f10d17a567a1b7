//! The test that `SERVICE.md` shows.

use std::sync::Arc;
use std::time::Duration;

use axum::{Router, body::Body, http::Request, routing::get};
use tollgate_throttle::layer::{By, Limits, Plans};
use tollgate_throttle::{Clock, ManualClock, MemoryStore, Plan, PlanId, Throttle};
use tower::ServiceExt;

#[tokio::test]
async fn a_client_waits_as_long_as_it_is_told() {
    let (store, clock) = (MemoryStore::new(), ManualClock::default());
    let starter = PlanId::new("starter").unwrap();
    store.put_plan(starter.clone(), Plan::per_minute(1).build().unwrap(), clock.now());
    let throttle = Arc::new(Throttle::new(store, clock.clone()));
    let limits = Limits::new(throttle, By::header("x-client"), Plans::fixed(starter));
    let service = Router::new().route("/orders", get(|| async { "[]" })).layer(limits);

    let ask = || {
        let request = Request::get("/orders").header("x-client", "maria").body(Body::empty());
        service.clone().oneshot(request.unwrap())
    };
    assert_eq!(ask().await.unwrap().status(), 200);
    let refused = ask().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "60");
    clock.advance(Duration::from_secs(60));
    assert_eq!(ask().await.unwrap().status(), 200);
}
