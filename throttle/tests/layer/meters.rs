//! Meters of a request: charged, settled by the response, shown in its fields.

use http::{Request, Response, StatusCode};
use tollgate_throttle::Meter;
use tower::{Layer, ServiceExt, service_fn};

use crate::setting::Setting;

const PLAN: &str = r#"{"throttle": {"rateLimit": 1, "burstLimit": 5}, "meters": {
    "tokens": {"throttle": {"rateLimit": 10, "burstLimit": 1000},
        "quota": {"limit": 5000, "period": "MONTH"}}}}"#;

/// Asks for so many tokens, of which the response states what it used.
async fn ask(it: &Setting, most: &str, used: &'static str) -> Response<String> {
    let tokens = Meter::new("tokens").unwrap();
    let header = |headers: &http::HeaderMap| headers.get("x-tokens")?.to_str().ok()?.parse().ok();
    let limits = it.limits().settled_meter(
        tokens,
        move |parts| header(&parts.headers).unwrap_or_default(),
        move |parts| header(&parts.headers),
    );
    let service = limits.layer(service_fn(move |_: Request<String>| async move {
        let response = Response::builder().header("x-tokens", used).body(String::new()).unwrap();
        Ok::<_, std::convert::Infallible>(response)
    }));
    let request = Request::get("/").header("x-client", "maria").header("x-tokens", most);
    service.oneshot(request.body(String::new()).unwrap()).await.unwrap()
}

fn field<'a>(response: &'a Response<String>, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn meters_are_settled_by_the_response_and_shown() {
    let it = Setting::new(PLAN);
    let response = ask(&it, "800", "300").await;
    assert_eq!(
        field(&response, "ratelimit-policy"),
        r#""burst";q=5;w=5, "tokens-burst";q=1000;w=100, "tokens-monthly";q=5000;w=2678400"#
    );
    assert_eq!(
        field(&response, "ratelimit"),
        r#""burst";r=4;t=1, "tokens-burst";r=700;t=1, "tokens-monthly";r=4700;t=2592000"#
    );
    // Above the reservation: a debt of 300 tokens beyond the burst.
    ask(&it, "700", "1300").await;
    let refused = ask(&it, "100", "1").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    // 1,600 are owed of a burst of 1,000: 700 are refilled at 10 a second.
    assert_eq!(field(&refused, "retry-after"), "70");
    assert!(refused.body().contains(r#""violated-policies":["tokens-burst"]"#), "{refused:?}");
    // Requests that take none are not limited by it.
    assert_eq!(ask(&it, "0", "0").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_meter_that_is_tried_is_named_and_not_shown() {
    let plan = PLAN.replace("MONTH\"}", "MONTH\"}, \"enforce\": false");
    let it = Setting::new(&plan);
    let response = ask(&it, "800", "800").await;
    assert_eq!(field(&response, "ratelimit-policy"), r#""burst";q=5;w=5"#);
    assert_eq!(response.headers().get("would-throttle"), None);
    let response = ask(&it, "700", "700").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(field(&response, "would-throttle"), r#""tokens-burst""#);
    assert_eq!(field(&response, "ratelimit"), r#""burst";r=3;t=1"#);
    let response = ask(&it, "6000", "6000").await;
    assert_eq!(field(&response, "would-throttle"), r#""tokens-burst", "tokens-monthly""#);
}

#[tokio::test]
async fn an_amount_that_never_fits_is_a_422_and_a_missing_one_keeps_the_charge() {
    let it = Setting::new(PLAN);
    let refused = ask(&it, "1001", "1").await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body().contains(r#""violated-policies":["tokens-burst"]"#), "{refused:?}");
    let response = ask(&it, "800", "many").await;
    assert!(field(&response, "ratelimit").contains(r#""tokens-burst";r=200"#));
    // A settlement that no limit can hold keeps the charge, too.
    let response = ask(&it, "100", "18446744073709551615").await;
    assert!(field(&response, "ratelimit").contains(r#""tokens-burst";r=100"#));
}
