//! The backend, event by event, over a store in memory.

#![expect(clippy::unwrap_used, reason = "tests fail loudly, in their helpers too")]

use std::process::Command;
use std::sync::Arc;

use http::HeaderValue;
use lambda_http::{Body, Request, Response, request};
use orders::{Setting, answer};
use serde_json::{Value, json};
use throttle::{Clock as _, ManualClock, MemoryStore, Plan, PlanId, Throttle};

const PLAN: &str = r#"{"throttle": {"rateLimit": 1, "burstLimit": 10}}"#;

struct Backend {
    throttle: Arc<Throttle<MemoryStore, ManualClock>>,
    setting: Setting,
}

impl Backend {
    fn new() -> Self {
        let (store, clock) = (MemoryStore::new(), ManualClock::default());
        let plan = PlanId::new("free").unwrap();
        store.put_plan(plan.clone(), Plan::from_json(PLAN).unwrap(), clock.now());
        let setting = Setting {
            table: "tollgate".to_owned(),
            issuer: "us-east-1_abcDEF123".to_owned(),
            plan,
            origin: HeaderValue::from_static("https://shop.example"),
        };
        Self { throttle: Arc::new(Throttle::new(store, clock)), setting }
    }

    async fn call(&self, event: Request) -> Response<Body> {
        answer(Arc::clone(&self.throttle), self.setting.clone(), event).await.unwrap()
    }
}

/// A REST API's event, with what the authorizer said.
fn event(method: &str, context: &Value) -> Request {
    let event = json!({
        "resource": "/orders", "path": "/orders", "httpMethod": method, "headers": {},
        "requestContext": {
            "stage": "v1", "httpMethod": method, "resourcePath": "/orders", "identity": {},
            "authorizer": context,
        },
        "isBase64Encoded": false,
    });
    request::from_str(&event.to_string()).unwrap()
}

fn field<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn what_the_authorizer_counted_is_not_counted_again_but_for_the_rest() {
    let backend = Backend::new();
    let counted = json!({"sub": "maria", "plan": "free", "limit": "10", "remaining": "9"});
    let listed = backend.call(event("GET", &counted)).await;
    assert_eq!(listed.status(), 200);
    assert_eq!(field(&listed, "access-control-allow-origin"), Some("https://shop.example"));
    let exposed = field(&listed, "access-control-expose-headers").unwrap();
    assert!(exposed.contains("retry-after"));
    let made = backend.call(event("POST", &counted)).await;
    assert_eq!(made.status(), 201);
    // One of five was the authorizer's, so four are gone. Nobody counts these.
    let uncounted = json!({"sub": "maria", "plan": "free"});
    for left in (0..6).rev() {
        let response = backend.call(event("GET", &uncounted)).await;
        assert_eq!(response.status(), 200, "{left}");
    }
    let refused = backend.call(event("GET", &uncounted)).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(field(&refused, "retry-after"), Some("1"));
}

#[tokio::test]
async fn whom_the_authorizer_found_over_the_limits_is_told_so() {
    let throttled = json!({"sub": "maria", "plan": "free", "limit": "10", "remaining": "0",
        "throttled": "true", "retryAfter": "7"});
    let refused = Backend::new().call(event("GET", &throttled)).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(field(&refused, "retry-after"), Some("7"));
    assert_eq!(field(&refused, "access-control-allow-origin"), Some("https://shop.example"));
}

/// A caller with an API key has no `sub`: the authorizer names its bucket.
#[tokio::test]
async fn a_caller_with_a_key_is_charged_to_the_bucket_that_the_authorizer_charged() {
    let backend = Backend::new();
    let subject = format!("key-{}", "0".repeat(64));
    let counted = json!({"subject": subject, "plan": "free", "limit": "10", "remaining": "9"});
    assert_eq!(backend.call(event("POST", &counted)).await.status(), 201);
    // One of five was the authorizer's, so four are gone.
    let uncounted = json!({"subject": subject, "plan": "free"});
    for left in (0..6).rev() {
        assert_eq!(backend.call(event("GET", &uncounted)).await.status(), 200, "{left}");
    }
    assert_eq!(backend.call(event("GET", &uncounted)).await.status(), 429);
}

#[tokio::test]
async fn nobody_passes_without_an_authorizer() {
    let refused = Backend::new().call(event("GET", &json!({}))).await;
    assert_eq!(refused.status(), 403);
}

/// A deployment with keys alone has no user pool, and so no issuer.
#[tokio::test]
async fn without_a_user_pool_a_key_has_a_bucket_all_the_same() {
    let mut backend = Backend::new();
    backend.setting.issuer = String::new();
    let key = json!({"subject": "key-a", "plan": "free", "limit": "10", "remaining": "9"});
    assert_eq!(backend.call(event("POST", &key)).await.status(), 201);
}

#[test]
fn a_wrong_variable_is_named_at_the_start() {
    let good = [
        ("TOLLGATE_TABLE", "tollgate"),
        ("TOLLGATE_ISSUER", ""),
        ("TOLLGATE_PLAN", "free"),
        ("ALLOWED_ORIGIN", "https://shop.example"),
    ];
    for (name, value, says) in [
        ("TOLLGATE_TABLE", "t", "`t` cannot name a table"),
        ("TOLLGATE_PLAN", "", "`TOLLGATE_PLAN` "),
        ("ALLOWED_ORIGIN", "a\nb", "`ALLOWED_ORIGIN` cannot be a header"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
        let ran = command.envs(good).env(name, value).output().unwrap();
        let logged = String::from_utf8(ran.stdout).unwrap();
        assert!(!ran.status.success() && logged.contains(says), "{logged}");
    }
}
