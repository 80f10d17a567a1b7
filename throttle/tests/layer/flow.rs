//! The way of a request: readiness, cancellation, costs, refunds, several layers.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use tollgate_throttle::layer::{By, Limits, Plans};
use tollgate_throttle::testing::Fault;
use tollgate_throttle::{Leases, ManualClock, Throttle, Timestamp};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::setting::{Setting, answer, asked, field, plan, request, status, yes};

/// A service that counts its calls, and insists on being polled ready before each.
#[derive(Debug, Default)]
struct Strict {
    calls: Arc<AtomicU32>,
    open: Arc<AtomicBool>,
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        let (calls, open) = (Arc::clone(&self.calls), Arc::clone(&self.open));
        Self { calls, open, ready: false }
    }
}

impl Service<Request<String>> for Strict {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.open.load(Ordering::Relaxed) {
            self.ready = true;
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        self.calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(Response::new(request.into_body())))
    }
}

#[tokio::test]
async fn the_instance_that_was_ready_is_called() {
    let setting = Setting::burst(10);
    let inner = Strict::default();
    let mut service = setting.limits().layer(inner.clone());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_pending());
    inner.open.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        assert!(service.poll_ready(&mut cx).is_ready());
        assert_eq!(service.call(request()).await.unwrap().status(), StatusCode::OK);
    }
    // Several at once, each by its own instance.
    let first = service.ready().await.unwrap().call(request());
    let second = service.ready().await.unwrap().call(request());
    let _ = tokio::join!(first, second);
    assert_eq!(inner.calls.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_refused_request_never_reaches_the_service() {
    let setting = Setting::burst(2);
    let inner = Strict { open: Arc::new(true.into()), ..Strict::default() };
    let service = setting.limits().layer(inner.clone());
    for (nth, expected) in [(1, 200), (2, 200), (2, 429), (2, 429)] {
        assert_eq!(status(&service).await, expected);
        assert_eq!(inner.calls.load(Ordering::Relaxed), nth);
    }
    let nobody = Request::get("/").body(String::new()).unwrap();
    assert_eq!(answer(&service, nobody).await.status(), 403);
    setting.store.fail_with(Fault::Unreachable);
    setting.clock.advance(Duration::from_secs(2));
    assert_eq!(status(&service).await, 503);
    assert_eq!(inner.calls.load(Ordering::Relaxed), 2);
}

/// A body that can't be copied.
struct Whole(&'static str);

#[tokio::test]
async fn a_body_is_handed_on_as_it_is() {
    let setting = Setting::burst(1);
    let inner = service_fn(|request: Request<Whole>| async {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let limits = setting.limits().answer(|_, response| response.map(|_| Whole("refused")));
    let mut service = limits.layer(inner);
    for expected in ["order", "refused"] {
        let request = request().map(|_| Whole("order"));
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.into_body().0, expected);
    }
}

#[tokio::test]
async fn who_hangs_up_has_paid() {
    let setting = Setting::burst(10);
    let dropped = Arc::new(AtomicBool::default());
    let inner = {
        let dropped = Arc::clone(&dropped);
        service_fn(move |_: Request<String>| {
            struct Guard(Arc<AtomicBool>);
            impl Drop for Guard {
                fn drop(&mut self) {
                    self.0.store(true, Ordering::Relaxed);
                }
            }
            let guard = Guard(Arc::clone(&dropped));
            async move {
                let _guard = guard;
                std::future::pending::<Result<Response<String>, Infallible>>().await
            }
        })
    };
    let mut service = setting.limits().refund_on_error().layer(inner);
    let mut call = Box::pin(service.ready().await.unwrap().call(request()));
    assert!(call.as_mut().now_or_never().is_none());
    assert!(!dropped.load(Ordering::Relaxed));
    drop(call);
    assert!(dropped.load(Ordering::Relaxed), "the service's future is dropped with the layer's");
    assert_eq!(setting.left("maria").await, 9);
}

#[tokio::test]
async fn a_request_costs_what_the_closure_says() {
    let setting = Setting::burst(10);
    let cost = |parts: &http::request::Parts| match parts.uri.path() {
        "/health" => 0,
        "/export" => 7,
        "/everything" => 11,
        _ => 1,
    };
    let service = setting.limits().cost(cost).layer(service_fn(yes));
    let to =
        |path: &str| Request::get(path).header("x-client", "maria").body(String::new()).unwrap();
    let response = answer(&service, to("/health")).await;
    assert_eq!((response.status(), field(&response, "ratelimit")), (StatusCode::OK, None));
    let response = answer(&service, to("/export")).await;
    assert_eq!(field(&response, "ratelimit"), Some(r#""burst";r=3;t=1"#));
    let response = answer(&service, to("/export")).await;
    assert_eq!(response.status(), 429);
    // Four more are needed, one a second.
    assert_eq!(field(&response, "retry-after"), Some("4"));
    let response = answer(&service, to("/everything")).await;
    assert_eq!(
        (response.status(), field(&response, "retry-after")),
        (StatusCode::UNPROCESSABLE_ENTITY, None)
    );
    assert!(response.body().contains(r#""violated-policies":["burst"]"#), "{}", response.body());
    assert_eq!(setting.left("maria").await, 3);
}

/// A service that takes so many seconds, and says what it has used.
fn uses(
    clock: &ManualClock,
    seconds: u64,
    used: u32,
) -> impl Service<Request<String>, Response = Response<String>, Error = Infallible, Future: Send>
+ Clone
+ use<> {
    let clock = clock.clone();
    service_fn(move |_: Request<String>| {
        clock.advance(Duration::from_secs(seconds));
        async move {
            let response = Response::builder().header("x-used", used).body(String::new());
            Ok(response.unwrap())
        }
    })
}

fn used(parts: &http::response::Parts) -> u32 {
    parts.headers["x-used"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn fields_describe_the_state_after_a_settlement() {
    // A token every ten seconds; three are charged, and the service takes 15 seconds.
    for (actual, reset, expected) in [
        (0, "0", r#""burst";r=10, "daily";r=100"#),
        (1, "0", r#""burst";r=10, "daily";r=99;t=86385"#),
        (2, "5", r#""burst";r=9;t=5, "daily";r=98;t=86385"#),
        (3, "15", r#""burst";r=8;t=5, "daily";r=97;t=86385"#),
        (4, "25", r#""burst";r=7;t=5, "daily";r=96;t=86385"#),
        (8, "65", r#""burst";r=3;t=5, "daily";r=92;t=86385"#),
        (20, "185", r#""burst";r=0;t=95, "daily";r=80;t=86385"#),
    ] {
        let setting = Setting::new(
            r#"{"throttle": {"rateLimit": "6/min", "burstLimit": 10},
                "quota": {"limit": 100, "period": "DAY"}}"#,
        );
        let limits = setting.limits().cost(|_| 3).settled(used).legacy_fields();
        let service = limits.layer(uses(&setting.clock, 15, actual));
        let response = answer(&service, request()).await;
        let told = field(&response, "ratelimit").unwrap();
        assert_eq!(told, expected, "{actual}");
        assert_eq!(field(&response, "x-ratelimit-reset"), Some(reset), "{actual}");
        // And the throttle agrees.
        let now = setting.throttle.decide(&asked()).await.unwrap();
        let seen = match now.retry_after_seconds() {
            Some(seconds) => format!(r#""burst";r=0;t={seconds},"#),
            None => format!(r#""burst";r={}"#, now.remaining() + 1),
        };
        assert!(told.starts_with(&seen), "{told} {seen}");
    }
}

#[tokio::test]
async fn fields_describe_the_state_after_a_refund() {
    let setting = Setting::new(
        r#"{"throttle": {"rateLimit": "6/min", "burstLimit": 10},
            "quota": {"limit": 100, "period": "DAY"}}"#,
    );
    let limits = setting.limits().cost(|_| 5).refund_on_error().legacy_fields();
    let clock = setting.clock.clone();
    let fails = limits.layer(service_fn(move |_: Request<String>| {
        clock.advance(Duration::from_secs(15));
        async { Ok::<_, Infallible>(Response::builder().status(500).body(String::new()).unwrap()) }
    }));
    let response = answer(&fails, request()).await;
    assert_eq!(field(&response, "ratelimit"), Some(r#""burst";r=10, "daily";r=100"#));
    assert_eq!(field(&response, "x-ratelimit-reset"), Some("0"));
    // Of the second, what was charged by others meanwhile stays.
    let (clock, throttle) = (setting.clock.clone(), Arc::clone(&setting.throttle));
    let fails = limits.layer(service_fn(move |_: Request<String>| {
        let (clock, throttle) = (clock.clone(), Arc::clone(&throttle));
        async move {
            clock.advance(Duration::from_secs(15));
            for _ in 0..2 {
                assert!(throttle.decide(&asked()).await.unwrap().is_allowed());
            }
            Ok::<_, Infallible>(Response::builder().status(500).body(String::new()).unwrap())
        }
    }));
    let response = answer(&fails, request()).await;
    let told = field(&response, "ratelimit").unwrap();
    assert_eq!(told, r#""burst";r=8;t=10, "daily";r=98;t=86370"#);
    assert_eq!(field(&response, "x-ratelimit-reset"), Some("20"));
}

#[tokio::test]
async fn fields_describe_the_state_at_the_response_without_either() {
    let json = r#"{"throttle": {"rateLimit": 1, "burstLimit": 10},
        "quota": {"limit": 100, "period": "DAY"}}"#;
    let day = Timestamp::from_secs(86_400);
    for (start, seconds, burst, daily) in [
        (day, 0, r#""burst";r=6;t=1"#, r#""daily";r=96;t=86400"#),
        (day, 3, r#""burst";r=9;t=1"#, r#""daily";r=96;t=86397"#),
        (day, 9, r#""burst";r=10"#, r#""daily";r=96;t=86391"#),
        // Over midnight.
        (day.saturating_sub(Duration::from_secs(2)), 3, r#""burst";r=9;t=1"#, r#""daily";r=100"#),
    ] {
        let setting = Setting::at(json, start);
        let limits = setting.limits().cost(|_| 4);
        let response = answer(&limits.layer(uses(&setting.clock, seconds, 0)), request()).await;
        let told = field(&response, "ratelimit").unwrap();
        assert_eq!(told, format!("{burst}, {daily}"));
    }
}

#[tokio::test]
async fn a_settlement_that_can_not_be_written_leaves_the_fields_as_they_are() {
    let setting = Setting::burst(10);
    let store = setting.store.clone();
    let inner = service_fn(move |_: Request<String>| {
        store.fail_once(Fault::Outage);
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    });
    let service = setting.limits().cost(|_| 5).settled(|_| 1).layer(inner);
    let response = answer(&service, request()).await;
    assert_eq!(field(&response, "ratelimit"), Some(r#""burst";r=5;t=1"#));
    assert_eq!(setting.left("maria").await, 5);
}

#[tokio::test]
async fn more_than_fits_is_owed() {
    let setting = Setting::burst(10);
    let service = setting.limits().settled(|_| 15).layer(service_fn(yes));
    let response = answer(&service, request()).await;
    assert_eq!(field(&response, "ratelimit"), Some(r#""burst";r=0;t=6"#));
    let refused = answer(&service, request()).await;
    assert_eq!(field(&refused, "retry-after"), Some("6"));
}

#[tokio::test]
async fn a_refused_request_never_counts() {
    let setting = Setting::burst(2);
    let service = setting.limits().cost(|_| 1).settled(|_| 5).layer(service_fn(yes));
    let plain = setting.limits().layer(service_fn(yes));
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(status(&plain).await.as_u16());
    }
    assert_eq!(seen, [200, 200, 429, 429, 429, 429]);
    assert_eq!(status(&service).await, 429);
    // Nobody is kept out for longer than if the refused requests had not come.
    setting.clock.advance(Duration::from_secs(2));
    assert_eq!(setting.left("maria").await, 2);
}

/// Ends in each of the ways in which a service can fail.
async fn fail(request: Request<String>) -> Result<Response<String>, &'static str> {
    match request.uri().path() {
        "/error" => Err("broken"),
        "/panic" => panic!("broken"),
        path => {
            let status: u16 = path.trim_start_matches('/').parse().unwrap();
            Ok(Response::builder().status(status).body(String::new()).unwrap())
        }
    }
}

/// The rest of 10 tokens after a request to a service that fails.
async fn left_after(layer: impl Fn(Limits) -> Limits, path: &str) -> u64 {
    let setting = Setting::burst(10);
    let service = layer(setting.limits()).layer(service_fn(fail));
    let request = Request::get(path).header("x-client", "maria").body(String::new()).unwrap();
    let ended = AssertUnwindSafe(service.oneshot(request)).catch_unwind().await;
    match path {
        "/panic" => assert_eq!(ended.unwrap_err().downcast_ref(), Some(&"broken")),
        "/error" => assert_eq!(ended.unwrap().unwrap_err(), "broken"),
        _ => assert!(ended.unwrap().is_ok()),
    }
    setting.left("maria").await
}

#[tokio::test]
async fn what_fails_costs_nothing_where_it_is_refunded() {
    for path in ["/error", "/panic", "/500", "/503"] {
        assert_eq!(left_after(Limits::refund_on_error, path).await, 10, "{path}");
        assert_eq!(left_after(|limits| limits, path).await, 9, "{path}");
        assert_eq!(left_after(|limits| limits.refund_on_error().settled(|_| 5), path).await, 10);
    }
    for path in ["/200", "/404", "/429"] {
        assert_eq!(left_after(Limits::refund_on_error, path).await, 9, "{path}");
    }
    // Without a response nothing says what it came to.
    assert_eq!(left_after(|limits| limits.settled(|_| 5), "/error").await, 9);
    assert_eq!(left_after(|limits| limits.settled(|_| 5), "/panic").await, 9);
    assert_eq!(left_after(|limits| limits.settled(|_| 5), "/500").await, 5);
}

/// A service that panics before there is a future.
#[derive(Clone, Copy)]
struct Abrupt;

impl Service<Request<String>> for Abrupt {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        panic!("abrupt")
    }
}

#[tokio::test]
async fn a_panic_in_the_call_itself_is_refunded_too() {
    let setting = Setting::burst(10);
    let service = setting.limits().refund_on_error().layer(Abrupt);
    let ended = AssertUnwindSafe(service.oneshot(request())).catch_unwind().await;
    assert_eq!(ended.unwrap_err().downcast_ref(), Some(&"abrupt"));
    assert_eq!(setting.left("maria").await, 10);
}

#[tokio::test]
async fn a_refund_that_can_not_be_written_changes_no_answer() {
    let setting = Setting::burst(10);
    setting.left("maria").await;
    let store = setting.store.clone();
    let inner = service_fn(move |_: Request<String>| {
        store.fail_once(Fault::Lost);
        async {
            Ok::<_, Infallible>(Response::builder().status(500).body("no".to_owned()).unwrap())
        }
    });
    let service = setting.limits().refund_on_error().layer(inner);
    let response = answer(&service, request()).await;
    assert_eq!((response.status().as_u16(), response.body().as_str()), (500, "no"));
    assert_eq!(setting.left("maria").await, 8);
}

#[tokio::test]
async fn leases_do_not_keep_what_is_to_be_given_back() {
    let setting = Setting::new(r#"{"throttle": {"rateLimit": 1000, "burstLimit": 1000}}"#);
    let leased = Throttle::new(setting.store.clone(), setting.clock.clone());
    let throttle = Arc::new(leased.leases(Leases::adaptive()));
    let limits =
        |throttle| Limits::new(throttle, crate::setting::client(), Plans::fixed(plan("free")));
    let plain = limits(Arc::clone(&throttle)).layer(service_fn(yes));
    for _ in 0..200 {
        status(&plain).await;
    }
    assert!(throttle.stats().leased > 100, "{:?}", throttle.stats());
    let before = setting.left("maria").await;
    let leased = throttle.stats().leased;
    let refunding = limits(Arc::clone(&throttle)).refund_on_error().layer(service_fn(fail));
    for _ in 0..20 {
        let request = Request::get("/500").header("x-client", "maria").body(String::new());
        refunding.clone().oneshot(request.unwrap()).await.unwrap();
    }
    assert_eq!(setting.left("maria").await, before - 1);
    assert_eq!(throttle.stats().leased, leased, "a leased request has no receipt");
}

#[tokio::test]
async fn layers_compose() {
    let setting = Setting::burst(10);
    setting.put("search", r#"{"throttle": {"rateLimit": 1, "burstLimit": 2}}"#);
    let search = Limits::new(
        Arc::clone(&setting.throttle),
        By::function(|_| Some("search".to_owned())),
        Plans::fixed(plan("search")),
    );
    let inner = search.name("search").legacy_fields().layer(service_fn(yes));
    let service = setting.limits().refund_on_error().legacy_fields().layer(inner);
    let response = answer(&service, request()).await;
    assert_eq!(
        field(&response, "ratelimit-policy"),
        Some(r#""search-burst";q=2;w=2, "burst";q=10;w=10"#)
    );
    assert_eq!(field(&response, "ratelimit"), Some(r#""search-burst";r=1;t=1, "burst";r=9;t=1"#));
    assert_eq!(field(&response, "x-ratelimit-remaining"), Some("1"));
    answer(&service, request()).await;
    let refused = answer(&service, request()).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.body().contains(r#""violated-policies":["search-burst"]"#));
    // The outer layer gives back what it charged for what the inner one refused.
    assert_eq!(field(&refused, "ratelimit"), Some(r#""search-burst";r=0;t=1, "burst";r=8;t=1"#));
    assert_eq!(field(&refused, "x-ratelimit-remaining"), Some("0"));
    assert_eq!(setting.left("maria").await, 8);
}

#[tokio::test]
async fn plans_are_chosen_and_looked_up() {
    let setting = Setting::burst(10);
    setting.put("gold", r#"{"throttle": {"rateLimit": 1, "burstLimit": 100}}"#);
    let with = |plans| {
        let limits = Limits::new(Arc::clone(&setting.throttle), crate::setting::client(), plans);
        limits.layer(service_fn(yes))
    };
    let request =
        |plan: &str| Request::get(plan).header("x-client", "maria").body(String::new()).unwrap();
    let policy =
        |response: &Response<String>| field(response, "ratelimit-policy").map(str::to_owned);
    let of = |burst: u32| Some(format!(r#""burst";q={burst};w={burst}"#));

    let by_path = |parts: &http::request::Parts| parts.uri.path().strip_prefix("/of/").map(plan);
    let service = with(Plans::function(by_path, plan("free")));
    assert_eq!(policy(&answer(&service, request("/")).await), of(10));
    assert_eq!(policy(&answer(&service, request("/of/gold")).await), of(100));
    assert_eq!(answer(&service, request("/of/none")).await.status(), 503);

    let assigned = Plans::looked_up(
        |subject: tollgate_throttle::Subject| async move {
            tokio::task::yield_now().await;
            match subject.as_str() {
                "maria" => Ok(Some(plan("gold"))),
                "paul" => Ok(None),
                _ => Err(tollgate_throttle::StoreError::Failure(
                    tollgate_throttle::Failure::TimedOut,
                )),
            }
        },
        plan("free"),
    );
    let service = with(assigned);
    let of_client =
        |client: &str| Request::get("/").header("x-client", client).body(String::new()).unwrap();
    assert_eq!(policy(&answer(&service, of_client("maria")).await), of(100));
    assert_eq!(policy(&answer(&service, of_client("paul")).await), of(10));
    let response = answer(&service, of_client("else")).await;
    assert_eq!((response.status().as_u16(), field(&response, "retry-after")), (503, Some("1")));
}

#[tokio::test]
async fn methods_have_rates_of_their_own() {
    let setting = Setting::new(
        r#"{"throttle": {"rateLimit": 1, "burstLimit": 10}, "apiStages": [{"apiId": "a1", "stage":
            "prod", "throttle": {"/orders/GET": {"rateLimit": 1, "burstLimit": 2}}}]}"#,
    );
    let called = |parts: &http::request::Parts| {
        let key = format!("{}/{}", parts.uri.path(), parts.method);
        Some(tollgate_throttle::layer::MethodKey::new("a1", "prod", key))
    };
    let service = setting.limits().method(called).layer(service_fn(yes));
    let response = answer(&service, request()).await;
    assert_eq!(field(&response, "ratelimit"), Some(r#""method";r=1;t=1, "burst";r=9;t=1"#));
}
