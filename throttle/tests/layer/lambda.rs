//! Events of API Gateway and load balancers, through `lambda_http`.
//!
//! The events have every member that AWS documents for their form, with names of our own: "Set up
//! Lambda proxy integrations" of the REST and HTTP APIs' guides, "Lambda functions as targets" of the
//! load balancers'.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use lambda_http::{Body, Error, Request, request};
use serde_json::{Value, json};
use tollgate_throttle::layer::{Authorizer, By, Limited, Limits, MethodKey, Plans};
use tower::{Layer, ServiceExt, service_fn};

use crate::setting::{Setting, field, plan};

const REST: &str = include_str!("events/rest.json");
const HTTP_1: &str = include_str!("events/http-1.0.json");
const HTTP_2: &str = include_str!("events/http-2.0.json");
const ALB: &str = include_str!("events/alb.json");

/// An event with what an authorizer says in its context besides.
fn event(text: &str, context: &Value) -> Request {
    let mut event: Value = serde_json::from_str(text).unwrap();
    let authorizer = &mut event["requestContext"]["authorizer"];
    let said = if text == HTTP_2 { &mut authorizer["lambda"] } else { authorizer };
    for (name, value) in context.as_object().unwrap() {
        // REST APIs and payload 1.0 make text of numbers and booleans.
        let text_of = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        said[name] = if text == HTTP_2 { value.clone() } else { text_of().into() };
    }
    request::from_str(&event.to_string()).unwrap()
}

async fn orders(_: Request) -> Result<Response<Body>, Error> {
    Ok(Response::new(Body::from("orders")))
}

async fn answer(limits: &Limits, event: Request) -> Response<Body> {
    limits.layer(service_fn(orders)).oneshot(event).await.unwrap()
}

fn caller() -> By {
    By::authorizer(Authorizer::event(), "clientId")
}

fn body(response: &Response<Body>) -> &str {
    std::str::from_utf8(response.body().as_ref()).unwrap()
}

#[tokio::test]
async fn the_authorizers_context_names_the_subject_and_the_plan() {
    for text in [REST, HTTP_1, HTTP_2] {
        let setting = Setting::burst(2);
        setting.put("gold", r#"{"throttle": {"rateLimit": 1, "burstLimit": 100}}"#);
        let plans = Plans::authorizer(Authorizer::event(), "plan", plan("gold"));
        let limits = Limits::new(Arc::clone(&setting.throttle), caller(), plans);
        let nothing = json!({});
        let response = answer(&limits, event(text, &nothing)).await;
        assert_eq!((response.status().as_u16(), body(&response)), (200, "orders"));
        assert_eq!(field(&response, "ratelimit-policy"), Some(r#""burst";q=2;w=2"#));
        assert_eq!(setting.left("orders-reader").await, 1);
        let refused = answer(&limits, event(text, &nothing)).await;
        assert_eq!(refused.status(), 429);
        assert_eq!(field(&refused, "retry-after"), Some("1"));
        let problem: Value = serde_json::from_str(body(&refused)).unwrap();
        assert_eq!(problem["violated-policies"], json!(["burst"]));

        let other = json!({"clientId": "orders-writer", "plan": "gold"});
        let response = answer(&limits, event(text, &other)).await;
        assert_eq!(field(&response, "ratelimit-policy"), Some(r#""burst";q=100;w=100"#));
        let none = json!({"clientId": "orders-writer", "plan": ""});
        let response = answer(&limits, event(text, &none)).await;
        assert_eq!(field(&response, "ratelimit-policy"), Some(r#""burst";q=100;w=100"#));
    }
}

#[tokio::test]
async fn without_an_authorizer_nobody_passes_but_by_a_named_fallback() {
    for text in [REST, HTTP_1, HTTP_2] {
        let setting = Setting::burst(2);
        let mut event: Value = serde_json::from_str(text).unwrap();
        event["requestContext"].as_object_mut().unwrap().remove("authorizer");
        let event = || request::from_str(&event.to_string()).unwrap();
        assert_eq!(answer(&setting.limits_by(caller()), event()).await.status(), 403);
        let limits = setting.limits_by(caller().or(By::source_address()));
        assert_eq!(answer(&limits, event()).await.status(), 200);
        assert_eq!(setting.left("address-203.0.113.7").await, 1);
    }
}

#[tokio::test]
async fn a_load_balancer_forwards_the_address() {
    let setting = Setting::burst(2);
    let event = || request::from_str(ALB).unwrap();
    let by = caller().or(By::source_address());
    assert_eq!(answer(&setting.limits_by(by.clone()), event()).await.status(), 403);
    let limits = setting.limits_by(by.or(By::forwarded_for(NonZeroUsize::MIN)));
    assert_eq!(answer(&limits, event()).await.status(), 200);
    assert_eq!(setting.left("address-203.0.113.7").await, 1);
}

#[tokio::test]
async fn claims_of_other_authorizers_name_subjects_and_count_nothing() {
    // As API Gateway's own Cognito authorizer says them in a REST API, and its JWT authorizer in
    // HTTP APIs. A token may claim anything.
    let claims = json!({"sub": "maria", "remaining": "9", "limit": "10"});
    let mut rest: Value = serde_json::from_str(REST).unwrap();
    rest["requestContext"]["authorizer"] = json!({"claims": claims});
    let mut http_1: Value = serde_json::from_str(HTTP_1).unwrap();
    http_1["requestContext"]["authorizer"] = json!({"claims": claims, "scopes": ["orders/read"]});
    let mut http_2: Value = serde_json::from_str(HTTP_2).unwrap();
    http_2["requestContext"]["authorizer"] = json!({"jwt": {"claims": claims, "scopes": null}});
    for event in [rest, http_1, http_2] {
        let setting = Setting::burst(5);
        let by = By::authorizer(Authorizer::event(), "sub");
        let limits = setting.limits_by(by).counted_by(Authorizer::event());
        let event = request::from_str(&event.to_string()).unwrap();
        assert_eq!(answer(&limits, event).await.status(), 200);
        assert_eq!(setting.left("maria").await, 4);
    }
}

#[tokio::test]
async fn what_the_authorizer_has_counted_is_not_counted_again() {
    for text in [REST, HTTP_1, HTTP_2] {
        let setting = Setting::burst(10);
        let limits = setting.limits_by(caller()).counted_by(Authorizer::event());
        let counted = json!({"limit": 10, "remaining": 4});
        let response = answer(&limits, event(text, &counted)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(field(&response, "ratelimit-policy"), Some(r#""default";q=10"#));
        assert_eq!(field(&response, "ratelimit"), Some(r#""default";r=4"#));
        assert_eq!(setting.store.asked(), 0);

        // Without its word the request is counted here.
        for context in [json!({}), json!({"remaining": "-1"}), json!({"throttled": "false"})] {
            answer(&limits, event(text, &context)).await;
        }
        // And without being told to, the layer doesn't believe it.
        answer(&setting.limits_by(caller()), event(text, &counted)).await;
        assert_eq!(setting.left("orders-reader").await, 6);
    }
}

#[tokio::test]
async fn what_the_authorizer_let_through_as_throttled_is_429() {
    for text in [REST, HTTP_1, HTTP_2] {
        let setting = Setting::burst(10);
        let limits = setting.limits_by(caller()).counted_by(Authorizer::event());
        let throttled = json!({"limit": 10, "remaining": 0, "throttled": true, "retryAfter": 7});
        let refused = answer(&limits, event(text, &throttled)).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(field(&refused, "retry-after"), Some("7"));
        assert_eq!(field(&refused, "ratelimit"), Some(r#""default";r=0"#));
        let problem: Value = serde_json::from_str(body(&refused)).unwrap();
        assert_eq!(problem["violated-policies"], json!(["default"]));
        assert_eq!(setting.store.asked(), 0);
        // A closed plan: waiting does not help.
        let closed = json!({"limit": 0, "remaining": 0, "throttled": true});
        let refused = answer(&limits, event(text, &closed)).await;
        assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (429, None));
        assert_eq!(field(&refused, "ratelimit-policy"), Some(r#""default";q=0"#));
        // An unlimited one, which the authorizer has counted; the second form is of older versions.
        for unlimited in [json!({"counted": true}), json!({"limit": 0, "remaining": 0})] {
            let response = answer(&limits, event(text, &unlimited)).await;
            assert_eq!((response.status().as_u16(), field(&response, "ratelimit")), (200, None));
        }
        assert_eq!(setting.store.asked(), 0);
        for odd in ["True", "1", "perhaps"] {
            let odd = json!({"limit": 10, "remaining": 5, "throttled": odd});
            assert_eq!(answer(&limits, event(text, &odd)).await.status(), 429, "{odd}");
        }
        let barely = answer(&limits, event(text, &json!({"throttled": true}))).await;
        assert_eq!((barely.status().as_u16(), field(&barely, "retry-after")), (429, Some("1")));
    }
}

#[tokio::test]
async fn of_a_costlier_request_the_rest_is_charged() {
    let counted = json!({"limit": 10, "remaining": 9});
    let setting = Setting::burst(10);
    // The authorizer's own charge.
    setting.ask("orders-reader").await;
    let limits = setting.limits_by(caller()).counted_by(Authorizer::event());
    answer(&limits.clone().cost(|_| 4), event(REST, &counted)).await;
    assert_eq!(setting.left("orders-reader").await, 6);

    for (used, left) in [(0, 9), (1, 9), (3, 7)] {
        let setting = Setting::burst(10);
        setting.ask("orders-reader").await;
        let limits = setting.limits_by(caller()).counted_by(Authorizer::event());
        answer(&limits.settled(move |_| used), event(REST, &counted)).await;
        assert_eq!(setting.left("orders-reader").await, left, "{used}");
    }
}

#[tokio::test]
async fn the_authorizer_and_the_layer_share_a_bucket() {
    let setting = Setting::burst(3);
    let issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123";
    // What the authorizer counts a caller by.
    setting.ask(&format!("{issuer}#orders-reader")).await;
    let limits = setting.limits_by(caller().of_issuer(issuer));
    let response = answer(&limits, event(REST, &json!({}))).await;
    assert_eq!(field(&response, "ratelimit"), Some(r#""burst";r=1;t=1"#));
}

#[tokio::test]
async fn an_event_says_which_method_is_called() {
    for (text, api_id, stage) in [
        (REST, "a1b2c3d4e5", "prod"),
        (HTTP_1, "h1t2t3p4", "$default"),
        (HTTP_2, "h1t2t3p4", "$default"),
    ] {
        let setting = Setting::new(&format!(
            r#"{{"throttle": {{"rateLimit": 1, "burstLimit": 10}}, "apiStages": [{{"apiId":
                "{api_id}", "stage": "{stage}", "throttle": {{"/orders/{{id}}/GET":
                {{"rateLimit": 1, "burstLimit": 2}}}}}}]}}"#
        ));
        let limits = setting.limits_by(caller()).method(MethodKey::by_event);
        let response = answer(&limits, event(text, &json!({}))).await;
        assert_eq!(field(&response, "ratelimit"), Some(r#""method";r=1;t=1, "burst";r=9;t=1"#));
    }
    let setting = Setting::burst(10);
    let limits =
        setting.limits_by(By::forwarded_for(NonZeroUsize::MIN)).method(MethodKey::by_event);
    assert_eq!(answer(&limits, request::from_str(ALB).unwrap()).await.status(), 200);
}

#[tokio::test]
async fn a_lambda_takes_it_and_waits_no_longer_than_it_must() {
    /// The bounds of `lambda_http::run` and `run_concurrent` on a handler.
    fn runs<S>(service: S) -> S
    where
        S: tower::Service<Request, Response = Response<Body>, Error = Error>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
    {
        service
    }
    let setting = Setting::burst(1);
    let service: Limited<_> = setting.limits_by(caller()).layer(service_fn(orders));
    let service = runs(service);
    for expected in [200, 429] {
        let response = service.clone().oneshot(event(REST, &json!({}))).await.unwrap();
        assert_eq!(response.status(), expected);
    }
    setting.clock.advance(Duration::from_secs(1));
    let response = service.oneshot(event(HTTP_2, &json!({}))).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_whole_answer_is_settled_before_it_is_sent() {
    use lambda_http::IntoResponse;
    let setting = crate::body::setting();
    let service =
        crate::body::by_json(&setting).layer(service_fn(|_: http::Request<String>| async {
            let body = Body::from(r#"{"usage": {"total_tokens": 11}}"#);
            Ok::<_, std::convert::Infallible>(Response::new(body))
        }));
    let response = service.oneshot(crate::setting::request()).await.unwrap();
    let sent = response.into_response().await;
    assert_eq!(body(&sent), r#"{"usage": {"total_tokens": 11}}"#);
    assert_eq!(crate::body::used(&setting).await, 11);
}
