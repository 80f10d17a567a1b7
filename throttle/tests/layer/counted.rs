//! Requests that cost nothing here: those that the authorizer has counted, and those of cost 0.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tollgate_throttle::layer::{Authorizer, By, Limits, Plans};
use tollgate_throttle::{Consumed, Store, Subject};
use tower::{Layer, ServiceExt, service_fn};

use crate::body::{by_json, tokens, used};
use crate::setting::{Setting, asked, field, plan, request, yes};

/// A burst of requests, and a quota of them.
fn setting(burst: u32, quota: u32) -> Setting {
    Setting::new(&format!(
        r#"{{"throttle": {{"rateLimit": 1, "burstLimit": {burst}}},
            "quota": {{"limit": {quota}, "period": "DAY"}}, "meters": {{
            "tokens": {{"throttle": {{"rateLimit": 10, "burstLimit": 1000}},
                "quota": {{"limit": 100000, "period": "MONTH"}}}}}}}}"#
    ))
}

fn authorizer() -> Authorizer {
    Authorizer::headers("x-authorizer-")
}

/// A request that the authorizer has counted, with this rest of its tightest limit.
fn counted(remaining: &str) -> Request<String> {
    let request = Request::get("/").header("x-client", "maria").header("x-tenant", "acme");
    let request = request.header("x-authorizer-limit", "9");
    request.header("x-authorizer-remaining", remaining).body(String::new()).unwrap()
}

async fn ask(limits: &Limits, request: Request<String>) -> Response<String> {
    limits.layer(service_fn(yes)).oneshot(request).await.unwrap()
}

/// The rest of one of maria's limits, by its name.
async fn left(it: &Setting, name: &str) -> u64 {
    let peeked = it.throttle.peek(&asked().cost(0).meter("tokens", 1)).await.unwrap();
    let standings = peeked.standings();
    standings.iter().find(|it| it.limit().to_string() == name).unwrap().remaining()
}

/// The calls and thousandths of write units so far.
fn units(it: &Setting) -> (u64, u64) {
    let Consumed { calls, milliunits, .. } = it.store.consumed();
    (calls, milliunits)
}

async fn uses_35(_: Request<String>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(r#"{"usage": {"total_tokens": 35}}"#.to_owned()))
}

#[tokio::test]
async fn the_last_request_of_a_burst_or_a_quota_still_takes_its_tokens() {
    for (burst, quota) in [(1, 50), (3, 1)] {
        let it = setting(burst, quota);
        // The authorizer's charge, in the same bucket.
        assert!(it.ask("maria").await.is_allowed());
        let before = units(&it);
        let service = by_json(&it).counted_by(authorizer()).layer(service_fn(uses_35));
        let response = service.oneshot(counted("0")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let shown = field(&response, "ratelimit").unwrap();
        // Only the authorizer's request is missing, also while the response is on its way.
        let (rate, day) = (burst - 1, quota - 1);
        assert!(shown.contains(&format!(r#""burst";r={rate}"#)), "{shown}");
        assert!(shown.contains(r#""tokens-burst";r=600"#), "{shown}");
        assert_eq!(units(&it), (before.0 + 1, before.1 + 1_000), "one write, of one unit");
        response.into_body().collect().await.unwrap();
        assert_eq!(units(&it), (before.0 + 2, before.1 + 2_000), "one settlement");
        assert_eq!(used(&it).await, 35);
        let rest = (left(&it, "burst").await, left(&it, "daily").await);
        assert_eq!(rest, (rate.into(), day.into()));
    }
}

#[tokio::test]
async fn a_counted_request_with_meters_or_a_settlement_takes_no_second_request() {
    for (name, tokens_left) in [("meter", 900), ("settled_meter", 950), ("settled", 1_000)] {
        let it = setting(1, 50);
        assert!(it.ask("maria").await.is_allowed());
        let limits = it.limits().counted_by(authorizer());
        let limits = match name {
            "meter" => limits.meter(tokens(), |_| 100),
            "settled_meter" => limits.settled_meter(tokens(), |_| 100, |_| Some(50)),
            _ => limits.settled(|_| 1),
        };
        let response = ask(&limits, counted("0")).await;
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        assert!(field(&response, "ratelimit").unwrap().starts_with(r#""burst";r=0;t=1"#));
        let rest = (left(&it, "burst").await, left(&it, "daily").await);
        assert_eq!(rest, (0, 49), "{name}");
        assert_eq!(left(&it, "tokens-burst").await, tokens_left - 1, "{name}");
    }
}

#[tokio::test]
async fn a_settlement_above_the_counted_request_is_debt_and_is_shown() {
    let it = setting(3, 50);
    // Another instance counts, so this one knows nothing of the bucket.
    let elsewhere = tollgate_throttle::Throttle::new(it.store.clone(), it.clock.clone());
    assert!(elsewhere.decide(&asked()).await.unwrap().is_allowed());
    let limits = it.limits().counted_by(authorizer());
    let before = units(&it).0;
    let response = ask(&limits.clone().settled(|_| 1), counted("2")).await;
    assert_eq!(units(&it).0, before, "nothing to correct, no call");
    assert_eq!(field(&response, "ratelimit"), Some(r#""default";r=2"#));
    let response = ask(&limits.settled(|_| 5), counted("2")).await;
    // The first write shows that the bucket is busy.
    assert_eq!((response.status(), units(&it).0), (StatusCode::OK, before + 2));
    assert_eq!(field(&response, "ratelimit"), Some(r#""burst";r=0;t=3, "daily";r=45;t=86400"#));
    // Five were taken of a burst of three: two seconds until none is owed, and one for the next.
    assert_eq!(it.ask("maria").await.retry_after(), Some(std::time::Duration::from_secs(3)));
}

#[tokio::test]
async fn a_request_of_cost_0_takes_its_meters_at_every_level() {
    let it = setting(1, 50);
    it.put(
        "tenant",
        r#"{"throttle": {"rateLimit": 1, "burstLimit": 4}, "meters": {
        "tokens": {"quota": {"limit": 250, "period": "MONTH"}}}}"#,
    );
    let costs = Arc::new(AtomicU32::new(9));
    let seen = Arc::clone(&costs);
    let free = it
        .limits()
        .cost(|_| 0)
        .report(move |report| seen.store(report.cost(), Ordering::Relaxed))
        .within("tenant", By::header("x-tenant"), Plans::fixed(plan("tenant")));
    let limits = free.clone().meter(tokens(), |_| 100);
    assert!(it.ask("maria").await.is_allowed(), "the only request of the burst");
    for rest in [150, 50] {
        let response = ask(&limits, counted("")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let shown = field(&response, "ratelimit").unwrap();
        assert!(shown.contains(&format!(r#""tenant-tokens-monthly";r={rest}"#)), "{shown}");
        assert!(shown.contains(r#""tenant-burst";r=4"#), "{shown}");
        assert!(shown.contains(r#""burst";r=0"#), "{shown}");
    }
    assert_eq!(costs.load(Ordering::Relaxed), 0);
    let refused = ask(&limits, counted("")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.body().contains(r#"["tenant-tokens-monthly"]"#), "{refused:?}");
    assert_eq!((left(&it, "burst").await, left(&it, "tokens-monthly").await), (0, 99_799));
    let tenant = Subject::new("#tenant#acme").unwrap();
    let id = plan("tenant");
    let tenant = tollgate_throttle::Request::new(&tenant, &id);
    assert_eq!(it.throttle.peek(&tenant).await.unwrap().remaining(), 3);

    // Without meters it makes no call, and is not settled either.
    let calls = it.store.asked();
    assert_eq!(ask(&free.settled(|_| 5), request()).await.status(), StatusCode::OK);
    assert_eq!(it.store.asked(), calls);
}
