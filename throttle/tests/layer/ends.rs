//! The ways in which a response's body can end: each settles the request once.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tollgate_throttle::Store;
use tollgate_throttle::testing::Fault;
use tower::{Layer, ServiceExt, service_fn};

use crate::body::{EVENTS, RESERVED, by_json, comes_to, data, event, respond, setting, used};
use crate::setting::request;

#[tokio::test]
async fn a_body_that_fails_is_settled_by_what_has_passed() {
    for (frames, expected) in [
        (vec![event(5), Err("broken"), event(70)], 5),
        (vec![Err("broken"), event(70)], RESERVED),
        (vec![event(600), Err("broken")], 600),
    ] {
        let it = setting();
        let mut body = respond(&by_json(&it), EVENTS, frames).await.into_body();
        let failed = loop {
            match body.frame().await {
                Some(Ok(_)) => {}
                other => break other,
            }
        };
        assert!(failed.unwrap().unwrap_err().to_string().contains("broken"));
        assert_eq!(used(&it).await, expected);
        drop(body);
        comes_to(&it, expected).await;
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_is_settled_by_what_has_passed() {
    for (polled, expected) in [(0, RESERVED), (1, RESERVED), (2, 5), (3, 70), (4, 70), (5, 70)] {
        let it = setting();
        let frames = vec![data(": hello\n\n"), event(5), event(70), data("data: [DONE]\n\n")];
        let mut body = respond(&by_json(&it), EVENTS, frames).await.into_body();
        for _ in 0..polled {
            let _ = body.frame().await;
        }
        assert_eq!(it.store.consumed().applied, if polled == 5 { 2 } else { 1 });
        drop(body);
        comes_to(&it, expected).await;
    }
}

#[tokio::test]
async fn a_settlement_that_is_under_way_goes_on_when_the_body_is_dropped() {
    let it = setting();
    let mut body = respond(&by_json(&it), EVENTS, vec![event(5)]).await.into_body();
    body.frame().await.unwrap().unwrap();
    it.store.fail_once(Fault::Late(Duration::from_millis(50)));
    assert!(body.frame().now_or_never().is_none(), "the end waits for the write");
    assert_eq!(used(&it).await, RESERVED);
    drop(body);
    comes_to(&it, 5).await;
}

#[tokio::test]
async fn a_settlement_that_fails_keeps_the_reservation_and_the_body() {
    for fault in [Fault::Lost, Fault::Outage, Fault::NoTable] {
        let it = setting();
        let response = respond(&by_json(&it), EVENTS, vec![event(5)]).await;
        it.store.fail_once(fault);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.ends_with(b"5}}\n\n"));
        comes_to(&it, RESERVED).await;
    }
}

#[tokio::test]
async fn a_handler_that_panics_or_waits_keeps_the_reservation_or_refunds_it() {
    async fn panics(_: Request<String>) -> Result<Response<Body>, Infallible> {
        panic!("broken")
    }
    for (refunds, expected) in [(false, RESERVED), (true, 0)] {
        let it = setting();
        let limits = if refunds { by_json(&it).refund_on_error() } else { by_json(&it) };
        let call = limits.layer(service_fn(panics)).oneshot(request());
        assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
        comes_to(&it, expected).await;
        // While the body is made.
        let it = setting();
        let limits = if refunds { by_json(&it).refund_on_error() } else { by_json(&it) };
        let body = respond(&limits, EVENTS, vec![event(5), Err("panic")]).await.into_body();
        assert!(AssertUnwindSafe(body.collect()).catch_unwind().await.is_err());
        comes_to(&it, 5).await;
        // With an error of its own, there is a status.
        let it = setting();
        let limits = if refunds { by_json(&it).refund_on_error() } else { by_json(&it) };
        let service = limits.layer(service_fn(|_: Request<String>| async {
            let body = r#"{"usage": {"total_tokens": 9}}"#.to_owned();
            Ok::<_, Infallible>(Response::builder().status(502).body(body).unwrap())
        }));
        let response = service.oneshot(request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        response.into_body().collect().await.unwrap();
        comes_to(&it, if refunds { 0 } else { 9 }).await;
    }
    // The client hangs up before there is a response.
    let it = setting();
    let service = by_json(&it).refund_on_error().layer(service_fn(|_: Request<String>| {
        std::future::pending::<Result<Response<Body>, Infallible>>()
    }));
    let mut call = Box::pin(service.oneshot(request()));
    assert!(call.as_mut().now_or_never().is_none());
    drop(call);
    comes_to(&it, RESERVED).await;
}

#[test]
fn without_a_runtime_the_reservation_stays() {
    let it = setting();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let body = runtime.block_on(respond(&by_json(&it), EVENTS, vec![event(5)])).into_body();
    drop(body);
    runtime.block_on(comes_to(&it, RESERVED));
}
