//! Amounts that are known when a response's body ends, and their sources.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, StreamBody};
use tollgate_throttle::layer::{Limits, MeteredBody, Part, Problem, ReadsBody, json_amount};
use tollgate_throttle::{Consumed, Limit, LimitKind, Meter, Store};
use tower::{Layer, ServiceExt, service_fn};

use crate::setting::{Setting, asked, field, request};

const PLAN: &str = r#"{"throttle": {"rateLimit": 100, "burstLimit": 100}, "meters": {
    "tokens": {"throttle": {"rateLimit": 10, "burstLimit": 1000},
        "quota": {"limit": 100000, "period": "MONTH"}}}}"#;

/// The tokens that each request reserves.
pub(crate) const RESERVED: u64 = 400;

pub(crate) type Metered = Limits<Problem, ReadsBody>;
type Frames = Vec<Result<Frame<Bytes>, &'static str>>;

pub(crate) fn tokens() -> Meter {
    Meter::new("tokens").unwrap()
}

pub(crate) fn setting() -> Setting {
    Setting::new(PLAN)
}

/// Reads `usage.total_tokens`.
pub(crate) fn by_json(setting: &Setting) -> Metered {
    setting.limits().body_meter(
        tokens(),
        |_| RESERVED,
        |head| json_amount(head, |json| json.pointer("/usage/total_tokens")?.as_u64()),
    )
}

/// The tokens that maria has used, with what she reserved.
pub(crate) async fn used(setting: &Setting) -> u64 {
    let asked = asked().meter("tokens", 1);
    let decision = setting.throttle.peek(&asked).await.unwrap();
    let monthly = Limit::of(tokens(), LimitKind::Monthly);
    let standing = decision.standings().iter().find(|it| it.limit() == monthly).unwrap();
    // If it fits, it is shown with the one that it would take.
    standing.max() - standing.remaining() - u64::from(decision.is_allowed())
}

/// Waits until the settlement's task has run.
pub(crate) async fn comes_to(setting: &Setting, expected: u64) {
    for _ in 0..400 {
        if used(setting).await == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A second settlement would follow at once.
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(used(setting).await, expected);
    let Consumed { applied, milliunits, .. } = setting.store.consumed();
    assert!(applied <= 2 && milliunits <= 2_000, "one charge, one settlement: {applied}");
}

pub(crate) fn data(text: &str) -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes())))
}

pub(crate) fn event(total: u64) -> Result<Frame<Bytes>, &'static str> {
    data(&format!("data: {{\"usage\": {{\"total_tokens\": {total}}}}}\n\n"))
}

fn trailers(total: &'static str) -> Result<Frame<Bytes>, &'static str> {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-tokens", total.parse().unwrap());
    Ok(Frame::trailers(trailers))
}

/// The response of a service with these frames; a frame `panic` panics.
pub(crate) async fn respond(
    limits: &Metered,
    kind: &'static str,
    frames: Frames,
) -> Response<MeteredBody<Body>> {
    let frames = Arc::new(Mutex::new(Some(frames)));
    let service = limits.layer(service_fn(move |_: Request<String>| {
        let frames = stream::iter(frames.lock().unwrap().take().unwrap()).map(|frame| {
            assert!(!matches!(frame, Err("panic")), "broken");
            frame
        });
        async move {
            let response = Response::builder().header("content-type", kind);
            let body = Body::new(StreamBody::new(frames));
            Ok::<_, Infallible>(response.header("x-tokens", "123").body(body).unwrap())
        }
    }));
    service.oneshot(request()).await.unwrap()
}

pub(crate) const EVENTS: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";

#[tokio::test]
async fn an_amount_comes_from_the_head_the_whole_body_events_or_trailers() {
    let header = |map: &HeaderMap| map.get("x-tokens")?.to_str().ok()?.parse::<u64>().ok();
    for (kind, frames, by, expected) in [
        (JSON, vec![data("yes")], "head", 123),
        (JSON, vec![data(r#"{"usage": {"total_to"#), data(r#"kens": 77}}"#)], "json", 77),
        (EVENTS, vec![event(5), event(2_000), data("data: [DO"), data("NE]\n\n")], "json", 2_000),
        (EVENTS, vec![data("data: {\"usage\": {\"total_tokens\": 9}}")], "json", 9),
        ("application/grpc", vec![data("\0\0"), trailers("31")], "trailers", 31),
    ] {
        let it = setting();
        let limits = match by {
            "json" => by_json(&it),
            "head" => it.limits().body_meter(
                tokens(),
                |_| RESERVED,
                move |head| {
                    let used = header(&head.headers);
                    move |_: Part<'_>| used
                },
            ),
            _ => it.limits().body_meter(
                tokens(),
                |_| RESERVED,
                move |_| {
                    move |part: Part<'_>| match part {
                        Part::Trailers(trailers) => header(trailers),
                        _ => None,
                    }
                },
            ),
        };
        let sent: Vec<_> = frames.iter().map(|it| format!("{:?}", it.as_ref().unwrap())).collect();
        let mut body = respond(&limits, kind, frames).await.into_body();
        let mut passed = Vec::new();
        while let Some(frame) = body.frame().await {
            passed.push(format!("{:?}", frame.unwrap()));
        }
        assert_eq!(passed, sent, "frames pass as they are");
        // It is written when the body has ended: there is no task to wait for.
        assert_eq!(used(&it).await, expected, "{by}");
        drop(body);
        comes_to(&it, expected).await;
    }
}

#[tokio::test]
async fn the_fields_are_those_of_the_start_and_the_next_request_sees_the_settlement() {
    let it = setting();
    let response = respond(&by_json(&it), EVENTS, vec![event(1_100)]).await;
    let told = field(&response, "ratelimit").unwrap();
    let start = r#""burst";r=99;t=1, "tokens-burst";r=600;t=1, "tokens-monthly";r=99600"#;
    assert!(told.starts_with(start), "{told}");
    response.into_body().collect().await.unwrap();
    // Above the reservation it becomes debt: 1,100 are owed of a burst of 1,000, and 400 are asked.
    let refused = respond(&by_json(&it), EVENTS, Vec::new()).await;
    assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (429, Some("50")));
    let told = field(&refused, "ratelimit").unwrap();
    assert!(told.starts_with(r#""tokens-burst";r=0;t=11"#), "{told}");
    drop(refused);
    // Paid, and 1 token was used instead of 400: the rest comes back.
    it.clock.advance(Duration::from_secs(110));
    respond(&by_json(&it), EVENTS, vec![event(1)]).await.into_body().collect().await.unwrap();
    let response = respond(&by_json(&it), EVENTS, Vec::new()).await;
    let told = field(&response, "ratelimit").unwrap();
    assert!(told.contains(r#""tokens-burst";r=599;t=1, "tokens-monthly";r=98499"#), "{told}");
}

#[tokio::test]
async fn amounts_that_are_no_amounts_keep_the_reservation() {
    for (usage, expected) in [
        ("0", 0),
        ("1", 1),
        ("-1", RESERVED),
        ("12.5", RESERVED),
        ("12.0", RESERVED),
        ("\"12\"", RESERVED),
        ("null", RESERVED),
        ("1e3", RESERVED),
        ("18446744073709551615", RESERVED),
        ("18446744073709551616", RESERVED),
        ("1e999", RESERVED),
        ("{}", RESERVED),
    ] {
        let text = format!(r#"{{"usage": {{"total_tokens": {usage}}}}}"#);
        for (kind, text) in [(JSON, text.clone()), (EVENTS, format!("data:{text}\r\n\r\n"))] {
            let it = setting();
            let response = respond(&by_json(&it), kind, vec![data(&text)]).await;
            response.into_body().collect().await.unwrap();
            comes_to(&it, expected).await;
        }
    }
    for text in ["", "no JSON", "{\"usage\": {\"total_tokens\": 12}", "[]", "{}", "\u{fffd}"] {
        let it = setting();
        respond(&by_json(&it), JSON, vec![data(text)]).await.into_body().collect().await.unwrap();
        comes_to(&it, RESERVED).await;
    }
    // Of several amounts the last that is one.
    let it = setting();
    let frames = vec![event(5), event(70), data("data: {\"usage\": null}\n\n")];
    respond(&by_json(&it), EVENTS, frames).await.into_body().collect().await.unwrap();
    comes_to(&it, 70).await;
}

#[tokio::test]
async fn frames_pass_one_by_one_and_the_size_stays() {
    let it = setting();
    let service = by_json(&it).layer(service_fn(|_: Request<String>| async {
        let frames = stream::iter([event(5)]).chain(stream::pending());
        Ok::<_, Infallible>(Response::new(Body::new(StreamBody::new(frames))))
    }));
    let mut body = service.oneshot(request()).await.unwrap().into_body();
    assert!(body.frame().now_or_never().unwrap().is_some(), "nothing is held back");
    assert!(body.frame().now_or_never().is_none());

    let service = by_json(&it).layer(service_fn(|_: Request<String>| async {
        Ok::<_, Infallible>(Response::new("some text".to_owned()))
    }));
    let body = service.oneshot(request()).await.unwrap().into_body();
    assert_eq!(body.size_hint().exact(), Some(9));
    assert!(!body.is_end_stream(), "its end is still to be settled");
    let mut body = body;
    while body.frame().await.is_some() {}
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn cost_and_meters_are_settled_in_one_write() {
    let it = setting();
    let limits = by_json(&it).cost(|_| 3).settled(|_| 1);
    let response = respond(&limits, EVENTS, vec![event(5)]).await;
    assert!(field(&response, "ratelimit").unwrap().starts_with(r#""burst";r=97;t=1"#));
    response.into_body().collect().await.unwrap();
    comes_to(&it, 5).await;
    assert_eq!(it.left("maria").await, 99);
}

#[tokio::test]
async fn what_takes_no_tokens_is_not_settled() {
    let it = setting();
    let limits = it.limits().body_meter(tokens(), |_| 0, |_| |_: Part<'_>| Some(9));
    respond(&limits, EVENTS, vec![event(5)]).await.into_body().collect().await.unwrap();
    comes_to(&it, 0).await;
    assert_eq!(it.store.consumed().applied, 1);
}

#[tokio::test]
async fn layers_read_one_after_the_other() {
    let it = setting();
    it.put("tenant", PLAN);
    let by = tollgate_throttle::layer::By::function(|_| Some("acme".to_owned()));
    let plans = tollgate_throttle::layer::Plans::fixed(crate::setting::plan("tenant"));
    let tenant = Limits::new(Arc::clone(&it.throttle), by, plans).name("tenant").body_meter(
        tokens(),
        |_| RESERVED,
        |head| json_amount(head, |json| json.pointer("/usage/total_tokens")?.as_u64()),
    );
    let inner = by_json(&it).layer(service_fn(|_: Request<String>| async {
        let body = Body::from(r#"{"usage": {"total_tokens": 9}}"#);
        Ok::<_, Infallible>(Response::new(body))
    }));
    let response = tenant.layer(inner).oneshot(request()).await.unwrap();
    assert!(field(&response, "ratelimit").unwrap().contains(r#""tenant-tokens-burst";r=600"#));
    response.into_body().collect().await.unwrap();
    assert_eq!(used(&it).await, 9);
    assert_eq!(it.store.consumed().applied, 4);
}

#[tokio::test]
async fn a_grpc_service_states_its_amount_in_a_trailer() {
    let it = setting();
    let limits = it
        .limits()
        .answer(|_, response: Response<String>| response.map(|_| tonic::body::Body::empty()))
        .body_meter(
            tokens(),
            |_| RESERVED,
            |_| {
                |part: Part<'_>| match part {
                    Part::Trailers(trailers) => {
                        trailers.get("x-tokens")?.to_str().ok()?.parse().ok()
                    }
                    _ => None,
                }
            },
        );
    let service = limits.layer(service_fn(|_: Request<String>| async {
        let frames = StreamBody::new(stream::iter([data("\0"), trailers("31")]));
        Ok::<_, Infallible>(Response::new(tonic::body::Body::new(frames)))
    }));
    let body = service.oneshot(request()).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-tokens"], "31");
    assert_eq!(used(&it).await, 31);
}
