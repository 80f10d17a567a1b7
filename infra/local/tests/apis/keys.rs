//! Callers with an API key and no token, and callers without a credential, on every kind of API.

use local::gateway::Payload;
use local::stack::Stack;

use crate::own::{run, start, token};
use crate::socket::Socket;

/// Keys alone: there is no issuer.
const KEYS: &str = r#"
[keys]
table = "acme"

[[rule]]
name = "readers"
allow = ["GET /things", "$connect"]
any_scope = ["things/read"]

[throttle]
table = "acme"
subject = "api_key"
plan = { default = "basic" }
refuse = "unknown-key"
api_key = "the-usage-plans-api-key"
"#;

async fn status(url: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = reqwest::Client::new().get(format!("{url}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().status().as_u16()
}

/// Calls until the limit is met: the first status, and the last.
async fn until_limited(url: &str, key: &str) -> (u16, u16) {
    let headers = [("x-api-key", key)];
    let first = status(url, "/things", &headers).await;
    let mut last = first;
    for _ in 0..30 {
        last = status(url, "/things", &headers).await;
        if last != first {
            break;
        }
    }
    (first, last)
}

async fn connects(stack: &Stack, headers: &[(&str, &str)]) -> u16 {
    let url = stack.ready().websocket_api.unwrap();
    match Socket::connect(&url, headers).await {
        Ok(socket) => socket.handshake.status().as_u16(),
        Err((status, _)) => status,
    }
}

#[tokio::test]
async fn a_configuration_with_keys_alone_starts_and_its_commands_work() {
    let stack = start(KEYS, None, |_| {}).await;
    let ready = stack.ready();
    assert!(ready.issuers.is_empty() && ready.clients.is_empty());
    assert!(
        ready.notes.iter().any(|note| note.contains("REQUEST authorizer")),
        "{:?}",
        ready.notes
    );
    assert_eq!(run(&stack, "").await.0, [200, 401, 403, 429], "{ready}");
    let text = ready.to_string();
    assert!(!text.contains("TOKEN=") && text.contains("key    local-demo-caller-key"), "{text}");
    stack.shutdown().await;
}

#[tokio::test]
async fn a_key_alone_gets_200_and_429_on_all_three_kinds_of_api() {
    // A REST API says 429 by an unknown key.
    let stack = start(KEYS, None, |_| {}).await;
    let ready = stack.ready();
    let key = ready.caller_key.clone().unwrap();
    assert_eq!(until_limited(&ready.api, &key).await, (200, 429));
    for bad in ["", "short", "another-key-of-20-chars", &"x".repeat(200)] {
        assert_eq!(status(&ready.api, "/things", &[("x-api-key", bad)]).await, 401, "{bad}");
    }
    let two = [("x-api-key", key.as_str()), ("x-api-key", "another-key-of-20-chars")];
    assert_eq!(status(&ready.api, "/things", &two).await, 401);
    assert_eq!(status(&ready.api, "/others", &[("x-api-key", &key)]).await, 403);
    stack.shutdown().await;

    // The backends of the others do.
    let context = KEYS.replace("unknown-key", "context");
    let context = context.replace("api_key = \"the-usage-plans-api-key\"", "");
    for payload in [Payload::V1, Payload::V2, Payload::Simple] {
        let form = if payload == Payload::Simple { "simple" } else { "iam" };
        let text = format!("{context}\n[response]\nhttp = \"{form}\"\n");
        let stack = start(&text, None, |options| options.http = Some(payload)).await;
        let url = stack.ready().http_api.unwrap();
        assert_eq!(until_limited(&url, &key).await, (200, 429), "{payload:?}");
        stack.shutdown().await;
    }
    let stack = start(&context, None, |options| options.websocket = true).await;
    let headers = [("x-api-key", key.as_str())];
    assert_eq!(connects(&stack, &headers).await, 101);
    let mut last = 101;
    for _ in 0..30 {
        last = connects(&stack, &headers).await;
        if last != 101 {
            break;
        }
    }
    assert_eq!((last, connects(&stack, &[]).await), (429, 401));
    stack.shutdown().await;
}

#[tokio::test]
async fn a_token_or_a_key_or_nothing_where_the_configuration_says_so() {
    let text = r#"
[[issuer]]
user_pool = "us-east-1_abcDEF123"
clients = ["batch"]
token_use = "access"

[keys]
table = "acme"

[callers]
require = "either"

[[rule]]
name = "readers"
allow = ["GET /things"]
any_scope = ["things/read"]

[[rule]]
name = "public"
allow = ["GET /health"]
anonymous = true

[throttle]
table = "acme"
subject = "client_id"
plan = { default = "basic", anonymous = "public" }
refuse = "deny"
"#;
    let stack = start(text, None, |options| options.http = Some(Payload::V2)).await;
    let ready = stack.ready();
    assert!(ready.plans.contains(&"public".to_owned()), "{:?}", ready.plans);
    let banner = ready.to_string();
    assert!(banner.contains("# HTTP API, 200, 403, 403"), "{banner}");
    assert!(banner.contains("# 401: no token"), "{banner}");
    let bearer = format!("Bearer {}", token(&stack, 0, "client=batch").await);
    let key = ready.caller_key.clone().unwrap();
    let (key, token) = (("x-api-key", key.as_str()), ("authorization", bearer.as_str()));
    let refused = |is_rest: bool| if is_rest { 401 } else { 403 };
    for (url, is_rest) in [(ready.api.clone(), true), (ready.http_api.clone().unwrap(), false)] {
        assert_eq!(status(&url, "/things", &[token]).await, 200);
        assert_eq!(status(&url, "/things", &[key]).await, 200);
        assert_eq!(status(&url, "/health", &[]).await, 200);
        assert_eq!(status(&url, "/things", &[]).await, refused(is_rest));
        assert_eq!(status(&url, "/things", &[token, key]).await, refused(is_rest), "two");
        let bad = ("authorization", "Bearer a.b.c");
        assert_eq!(status(&url, "/health", &[bad]).await, refused(is_rest), "a bad token");
        assert_eq!(status(&url, "/health", &[token]).await, 403, "it is for others alone");
    }
    let mut last = 200;
    for _ in 0..30 {
        last = status(&ready.api, "/health", &[]).await;
        if last != 200 {
            break;
        }
    }
    assert_eq!(last, 403, "one address has the limits of the plan `public`");
    assert_eq!(status(&ready.api, "/things", &[token]).await, 200, "another bucket");
    stack.shutdown().await;
}
