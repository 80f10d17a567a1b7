//! The responses that a caller sees, and the context that the backend gets.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::Stack;
use throttle::{Clock as _, SystemClock};

use crate::caller::{Caller, decode};

#[tokio::test]
async fn a_good_token_reaches_the_backend_with_its_context() {
    let stack = Stack::start(&[]).await;
    let caller = Caller::of(&stack);
    let token = caller.token("orders-reader").await;
    let response = caller.call("GET /orders/1?x=y", Some(&format!("Bearer {token}"))).await;
    assert_eq!(response.status(), 200);
    let echo: Value = response.json().await.unwrap();
    assert_eq!(echo["method"], "GET");
    assert_eq!(echo["path"], "/orders/1");
    let context = &echo["requestContext"]["authorizer"];
    assert_eq!(context["principalId"], "orders-reader");
    assert_eq!(context["clientId"], "orders-reader");
    assert_eq!(context["scope"], "orders/read");
    assert_eq!(context["plan"], "free");
    assert_eq!(context["limit"], "10", "context values are text when they arrive");
}

#[tokio::test]
async fn a_bad_token_is_401_whatever_is_bad_about_it_and_never_logged() {
    let stack = Stack::start(&["--token-lifetime", "1"]).await;
    let caller = Caller::of(&stack);
    let expired = caller.token("orders-reader").await;
    let (header, mut payload) = decode(&expired);
    payload["exp"] = json!(payload["exp"].as_u64().unwrap() + 3600);
    let wrong_key = sign_with_another_key(&header, &payload);
    tokio::time::sleep(Duration::from_secs(2)).await;

    for authorization in [
        None,
        Some(String::new()),
        Some("Bearer".into()),
        Some("Bearer garbage".into()),
        Some("Bearer a.b.c".into()),
        Some("Basic dXNlcjpwYXNz".into()),
        Some(wrong_key.clone()),
        Some(format!("Bearer {wrong_key}")),
        Some(format!("Bearer {wrong_key} {wrong_key}")),
        Some(format!("Bearer {expired}")),
    ] {
        let response = caller.call("GET /orders", authorization.as_deref()).await;
        assert_eq!(response.status(), 401, "{authorization:?}");
        assert_eq!(response.headers()["x-amzn-errortype"], "UnauthorizedException");
        assert_eq!(response.text().await.unwrap(), r#"{"message":"Unauthorized"}"#);
    }

    let logs = stack.end(Signal::SIGINT).await.logs;
    for (code, times) in [("malformed", 6), ("signature", 1), ("claim", 1)] {
        let found = logs.matches(&format!(r#""code":"{code}""#)).count();
        assert_eq!(found, times, "{code} in\n{logs}");
    }
    for secret in expired.split('.').chain(wrong_key.split('.')).chain(["orders-reader"]) {
        let lines: Vec<_> = logs.lines().filter(|line| line.contains(secret)).collect();
        assert!(lines.is_empty(), "{lines:?}");
    }
}

#[tokio::test]
async fn the_log_has_one_line_a_request_and_nothing_that_a_caller_sent() {
    let stack = Stack::start(&["--environments", "1"]).await;
    let caller = Caller::of(&stack);
    let token = caller.token("orders-reader").await;
    let (mut header, payload) = decode(&token);
    header["kid"] = json!("a-kid-of-nobody");
    let unknown = sign_with_another_key(&header, &payload);
    assert_eq!(caller.status("POST /orders", &token).await, 403);
    assert_eq!(caller.status("GET /orders", &unknown).await, 401);
    for _ in 0..50 {
        if caller.status("GET /orders", &token).await == 429 {
            break;
        }
    }

    let logs = stack.end(Signal::SIGINT).await.logs;
    let lines: Vec<&str> = logs.lines().filter(|line| line.contains("request_id")).collect();
    let code =
        |code: &str| lines.iter().filter(|l| l.contains(&format!(r#""code":"{code}""#))).count();
    assert_eq!((code("forbidden"), code("key"), code("throttled")), (1, 1, 1), "{logs}");
    assert!(code("allowed") >= 10 && code("allowed") + 3 == lines.len(), "{logs}");
    let sub = payload["sub"].as_str().unwrap();
    for secret in token.split('.').chain(unknown.split('.')).chain(["a-kid-of-nobody", sub]) {
        assert!(!logs.contains(secret), "{secret} is in\n{logs}");
    }
}

#[tokio::test]
async fn outside_the_caller_s_rights_is_403() {
    let stack = Stack::start(&[]).await;
    let caller = Caller::of(&stack);
    let reader = caller.token("orders-reader").await;
    for route in [
        "POST /orders",
        "DELETE /orders/1",
        "GET /admin/users",
        "GET /",
        "GET /order",
        "GET /ordersx",
        "GET /x/orders",
    ] {
        let response = caller.call(route, Some(&format!("Bearer {reader}"))).await;
        assert_eq!(response.status(), 403, "{route}");
        assert_eq!(response.headers()["x-amzn-errortype"], "AccessDeniedException");
        let body: Value = response.json().await.unwrap();
        let message = body["Message"].as_str().unwrap_or_default();
        assert!(message.starts_with("User is not authorized"), "{body}");
    }
    assert_eq!(caller.status("GET /orders", &reader).await, 200);
}

#[tokio::test]
async fn a_group_opens_what_it_should_and_a_colon_in_a_path_changes_nothing() {
    let stack = Stack::start(&[]).await;
    let caller = Caller::of(&stack);
    let (alice, bob) = (caller.sign_in("alice").await, caller.sign_in("bob").await);
    for route in ["GET /admin/users", "POST /admin/a:b/c", "DELETE /admin/x//y"] {
        assert_eq!(caller.status(route, &alice).await, 200, "{route}");
        assert_eq!(caller.status(route, &bob).await, 403, "{route}");
    }
}

#[tokio::test]
async fn over_the_limit_is_429_and_after_the_wait_200_again() {
    let stack = Stack::start(&[]).await;
    let caller = Caller::of(&stack);
    let token = caller.token("orders-reader").await;
    let clock = SystemClock::new();
    let bearer = format!("Bearer {token}");
    // At once, so that a slow machine does not give the bucket time to refill.
    let calls = (0..40).map(|_| caller.call("GET /orders", Some(&bearer)));
    let mut statuses = Vec::new();
    for response in futures_util::future::join_all(calls).await {
        statuses.push(response.status().as_u16());
        if response.status() == 429 {
            assert_eq!(response.headers()["retry-after"], "1", "at most the second of one token");
            assert_eq!(response.text().await.unwrap(), r#"{"message":"Too Many Requests"}"#);
        }
    }
    let bound = bound(clock.monotonic().as_millis());
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert!((10..=bound).contains(&count(200)), "of at most {bound}: {statuses:?}");
    assert_eq!(count(200) + count(429), 40, "{statuses:?}");
    assert!(count(429) > 0, "{statuses:?}");

    // Another subject is not touched by it.
    let writer = caller.token("orders-writer").await;
    assert_eq!(caller.status("POST /orders", &writer).await, 200);

    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(caller.status("GET /orders", &token).await, 200);
}

#[tokio::test]
async fn a_burst_over_many_environments_admits_exactly_the_burst_and_what_was_refilled() {
    let stack = Stack::start(&["--environments", "4"]).await;
    let caller = Caller::of(&stack);
    let token = caller.token("orders-reader").await;
    let clock = SystemClock::new();
    let calls = (0..100).map(|_| caller.status("GET /orders", &token));
    let statuses = futures_util::future::join_all(calls).await;
    let elapsed = clock.monotonic().as_millis();
    let admitted = statuses.iter().filter(|status| **status == 200).count();
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    let bound = bound(elapsed);
    assert!((10..=bound).contains(&admitted), "{admitted} admitted in {elapsed} ms");
}

#[tokio::test]
async fn a_cached_policy_is_right_for_every_route() {
    let stack = Stack::start(&["--authorizer-ttl", "60"]).await;
    let caller = Caller::of(&stack);
    let token = caller.token("orders-writer").await;
    for _ in 0..2 {
        assert_eq!(caller.status("GET /orders", &token).await, 200);
        assert_eq!(caller.status("POST /orders", &token).await, 200);
        assert_eq!(caller.status("GET /admin/x", &token).await, 403);
    }
    let logs = stack.end(Signal::SIGINT).await.logs;
    assert_eq!(logs.matches(r#""message":"decided""#).count(), 1, "one invocation:\n{logs}");
}

/// The most that the plan `free` lets through in so many milliseconds: its burst, and one a second.
fn bound(elapsed: u128) -> usize {
    10 + usize::try_from(elapsed / 1_000).unwrap()
}

fn sign_with_another_key(header: &Value, payload: &Value) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(payload.to_string())
    );
    let mut signature = vec![0; 256];
    KeyPair::generate(KeySize::Rsa2048)
        .unwrap()
        .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
