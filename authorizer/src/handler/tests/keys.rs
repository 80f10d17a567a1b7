//! Callers with an API key, and callers without a credential.

use table::{Key, KeyDetails, KeyRights};

use super::bucket_owners::Table;
use super::*;
use crate::record::Captured;

const KEYS: &str = r#"
    [keys]
    table = "tollgate"

    [[rule]]
    name = "readers"
    allow = ["GET /orders", "$connect"]
    any_scope = ["orders/read"]

    [[rule]]
    name = "partners"
    allow = ["GET /partners/{tenant}"]
    any_group = ["partners"]
    claims = { tier = "gold" }

    [throttle]
    table = "tollgate"
    subject = "api_key"
    plan = { default = "free" }
    refuse = "context"
"#;

/// Limits by a claim, and keys beside tokens.
const BOTH_KINDS: &str = r#"
    [throttle]
    table = "tollgate"
    subject = "client_id"
    plan = { default = "free" }
    refuse = "context"

    [keys]
    table = "tollgate"
"#;

const PUBLIC: &str = r#"
    [[rule]]
    name = "public"
    allow = ["GET /health", "OPTIONS /*"]
    anonymous = true

    [throttle]
    table = "tollgate"
    subject = "client_id"
    plan = { default = "free", anonymous = "public" }
    refuse = "context"
"#;

fn rights(scopes: &[&str], groups: &[&str], context: &[(&str, &str)]) -> KeyRights {
    let all = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let context = context.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    KeyRights {
        scopes: all(scopes),
        groups: all(groups),
        context: context.collect(),
        stages: vec![],
    }
}

fn reader(subject: &str) -> KeyDetails {
    KeyDetails { rights: rights(&["orders/read"], &[], &[]), ..KeyDetails::new(subject) }
}

async fn by_key() -> Table {
    Table::with(Bench::of(KEYS, String::new())).await
}

/// An event of each kind that carries headers, for this route.
fn events(target: &str, headers: &Value) -> [Value; 4] {
    let arn = ARN.replace("GET/orders", target);
    let connect = ARN.replace("GET/orders", "$connect");
    [
        json!({"type": "REQUEST", "methodArn": arn, "headers": headers}),
        json!({"type": "REQUEST", "version": "1.0", "methodArn": arn, "headers": headers}),
        json!({"type": "REQUEST", "version": "2.0", "routeArn": arn, "headers": headers}),
        json!({"type": "REQUEST", "methodArn": connect, "headers": headers}),
    ]
}

fn rest(target: &str, headers: &Value) -> Value {
    let [event, ..] = events(target, headers);
    event
}

/// The code and the detail of the last line.
fn said(captured: &Captured) -> (String, String) {
    let text = captured.text();
    let line: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let member = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    (member("code"), member("detail"))
}

fn effect(answer: &Value) -> &str {
    answer["policyDocument"]["Statement"][0]["Effect"].as_str().unwrap()
}

#[tokio::test]
async fn a_key_alone_is_a_caller_on_every_kind_of_api() {
    let table = by_key().await;
    let own = rights(&["orders/read", "orders/write"], &["a group"], &[("tenant", "acme")]);
    let key = table.key(KeyDetails { rights: own, ..KeyDetails::new("maria") }).await;
    let headers = json!({"X-Api-Key": key.expose()});
    for (event, throttled) in events("GET/orders", &headers).iter().zip([false, false, true, true])
    {
        let answer = table.bench.ask(event).await.unwrap();
        assert_eq!(answer["principalId"], "maria");
        assert_eq!(effect(&answer), "Allow");
        let context = &answer["context"];
        assert_eq!(context["keyId"], key.digest().to_string());
        assert_eq!(
            (&context["scope"], &context["tenant"]),
            (&json!("orders/read orders/write"), &json!("acme"))
        );
        assert_eq!(context.get("groups"), None, "a group with a space would be two");
        assert_eq!((&context["subject"], &context["plan"]), (&json!("maria"), &json!("free")));
        assert_eq!(context.get("throttled").is_some(), throttled, "{event}");
    }
    let token = json!({"type": "TOKEN", "authorizationToken": "Bearer x", "methodArn": ARN});
    assert_eq!(table.bench.ask(&token).await, Err(Failure::Internal { code: "config" }));
}

#[tokio::test]
async fn rules_apply_to_a_key_s_scopes_groups_and_context() {
    let table = by_key().await;
    let gold = [("tier", "gold"), ("tenant", "acme")];
    for (rights, orders, partners) in [
        (rights(&["orders/read"], &[], &[]), "Allow", false),
        (rights(&[], &["partners"], &gold), "Allow", true),
        (rights(&[], &["partners"], &[("tier", "iron"), ("tenant", "acme")]), "Deny", false),
        (rights(&[], &["partners"], &[("tier", "gold")]), "Deny", false),
        (KeyRights::default(), "Deny", false),
    ] {
        let key = table.key(KeyDetails { rights, ..KeyDetails::new("maria") }).await;
        let headers = json!({"x-api-key": key.expose()});
        let answer = table.bench.ask(&rest("GET/orders", &headers)).await.unwrap();
        assert_eq!(effect(&answer), orders, "{answer}");
        let allowed = answer["policyDocument"]["Statement"][0]["Resource"].to_string();
        assert_eq!(allowed.contains("partners/acme"), partners, "{answer}");
        table.bench.clock.advance(Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_bad_key_is_refused_with_its_reason() {
    let captured = Captured::at("INFO");
    let table = by_key().await;
    let soon = table.bench.clock.now().saturating_add(Duration::from_secs(5));
    let disabled = table.key(KeyDetails { enabled: false, ..reader("maria") }).await;
    let expired = table.key(KeyDetails { expires: Some(soon.into()), ..reader("maria") }).await;
    let mut staged = reader("maria");
    staged.rights.stages = vec!["test".to_owned()];
    let staged = table.key(staged).await;
    let unknown = Key::generate().unwrap();
    let mut mistyped = unknown.expose().to_owned();
    let last = if mistyped.pop() == Some('0') { '1' } else { '0' };
    mistyped.push(last);
    table.bench.clock.advance(Duration::from_secs(5));
    let two = json!({"x-api-key": "a-key-of-twenty-chars", "X-API-Key": "b-key-of-twenty-chars"});
    let long = "x".repeat(129);
    let one = |key: &str| json!({ "x-api-key": key });
    for (headers, detail, reads) in [
        (json!({}), "the request has no API key", 0),
        (one(""), "the API key is empty", 0),
        (one(&long), "the API key is too long", 0),
        (two, "more than one API key, or one that is not ASCII text", 0),
        (
            one("a-k\u{e9}y-of-twenty-chars"),
            "more than one API key, or one that is not ASCII text",
            0,
        ),
        (one("short"), "the API key is mistyped: it has no key's form", 0),
        (one(&mistyped), "the API key is mistyped: it has no key's form", 0),
        (one(unknown.expose()), "the API key is unknown", 1),
        (one(unknown.expose()), "the API key is unknown", 0),
        (one(disabled.expose()), "the API key is disabled", 1),
        (one(expired.expose()), "the API key has expired", 1),
        (one(staged.expose()), "the API key is for another stage", 1),
    ] {
        let before = table.bench.authorizer.key_lookup.as_ref().unwrap().reads();
        let outcome = table.bench.ask(&rest("GET/orders", &headers)).await;
        assert_eq!(outcome, Err(Failure::Unauthorized), "{detail}");
        assert_eq!(said(&captured), ("api_key".to_owned(), detail.to_owned()));
        let after = table.bench.authorizer.key_lookup.as_ref().unwrap().reads();
        assert_eq!(after - before, reads, "{detail}");
    }
    // The copy that API Gateway makes must be the same key.
    let mut event = rest("GET/orders", &one(unknown.expose()));
    event["requestContext"] = json!({"identity": {"apiKey": "another-key-of-twenty"}});
    assert_eq!(table.bench.ask(&event).await, Err(Failure::Unauthorized));
    assert_eq!(said(&captured).1, "two different API keys");
    // In its own stage it is accepted.
    let mut event = rest("GET/orders", &one(staged.expose()));
    event["methodArn"] = ARN.replace("/prod/", "/test/").into();
    assert_eq!(effect(&table.bench.ask(&event).await.unwrap()), "Allow");
    let text = captured.text();
    for secret in [unknown.expose(), disabled.expose(), expired.expose(), "another-key", "maria"] {
        assert!(!text.contains(secret), "`{secret}` in {text}");
    }
}

#[tokio::test]
async fn a_flood_of_unknown_keys_makes_few_reads_and_hinders_no_known_key() {
    let captured = Captured::at("INFO");
    let table = by_key().await;
    let key = table.key(reader("maria")).await;
    let from = |address: &str, key: &str| {
        let mut event = rest("GET/orders", &json!({ "x-api-key": key }));
        event["requestContext"] = json!({"identity": {"sourceIp": address}});
        event
    };
    assert!(table.bench.ask(&from("192.0.2.1", key.expose())).await.is_ok());
    let lookup = table.bench.authorizer.key_lookup.as_ref().unwrap();
    table.bench.clock.advance(Duration::from_secs(30));
    let before = lookup.reads();
    for number in 0..2_000 {
        let unknown = format!("an-unknown-key-{number:010}");
        let outcome = table.bench.ask(&from("192.0.2.1", &unknown)).await;
        assert_eq!(outcome, Err(Failure::Unauthorized));
    }
    assert_eq!(lookup.reads() - before, 10);
    assert_eq!(said(&captured).1, "too many unknown API keys: further ones are not looked up");
    // A known key from the same address, after its cached copy is old, and a new one from another.
    table.bench.clock.advance(Duration::from_secs(30));
    assert!(table.bench.ask(&from("192.0.2.1", key.expose())).await.is_ok());
    let other = table.key(reader("otto")).await;
    assert!(table.bench.ask(&from("192.0.2.2", other.expose())).await.is_ok());
    assert_eq!(lookup.reads() - before, 10 + 4, "each asks for its subject's plan too");
}

#[tokio::test]
async fn a_token_or_a_key_is_enough_where_either_is_required() {
    let captured = Captured::at("INFO");
    for prefer in [None, Some("token"), Some("key")] {
        let prefer_line = prefer.map(|one| format!("prefer = \"{one}\"")).unwrap_or_default();
        let text = format!("{BOTH_KINDS}\n[callers]\nrequire = \"either\"\n{prefer_line}\n");
        let table = Table::new(&text).await;
        let key = table.key(reader("maria")).await;
        let good = format!("Bearer {}", table.bench.token(&json!({})));
        let unknown = Key::generate().unwrap();
        let principal = async |headers: Value| {
            let outcome = table.bench.ask(&rest("GET/orders", &headers)).await;
            outcome.map(|answer| answer["principalId"].as_str().unwrap().to_owned())
        };
        let token = json!({"authorization": good});
        assert_eq!(principal(token).await.as_deref(), Ok("user"));
        assert_eq!(principal(json!({"x-api-key": key.expose()})).await.as_deref(), Ok("maria"));
        let both = json!({"authorization": good, "x-api-key": key.expose()});
        match prefer {
            None => {
                assert_eq!(principal(both).await, Err(Failure::Unauthorized));
                let detail = "a token and an API key: only one is accepted";
                assert_eq!(said(&captured), ("malformed".to_owned(), detail.to_owned()));
            }
            Some("token") => assert_eq!(principal(both).await.as_deref(), Ok("user")),
            Some(_) => assert_eq!(principal(both).await.as_deref(), Ok("maria")),
        }
        // A bad credential is a refusal even if the other one is good.
        for (authorization, key) in [
            (good.as_str(), unknown.expose()),
            (good.as_str(), ""),
            ("Bearer a.b.c", key.expose()),
            ("Basic abc", key.expose()),
            ("", key.expose()),
        ] {
            let headers = json!({"authorization": authorization, "x-api-key": key});
            assert_eq!(principal(headers).await, Err(Failure::Unauthorized), "{authorization}");
        }
        assert_eq!(principal(json!({})).await, Err(Failure::Unauthorized));
        let detail = "the event has neither a token nor an API key";
        assert_eq!(said(&captured), ("malformed".to_owned(), detail.to_owned()));
    }
}

#[tokio::test]
async fn a_key_is_not_looked_at_where_a_token_is_required() {
    let captured = Captured::at("INFO");
    let table = Table::new(BOTH_KINDS).await;
    let key = table.key(reader("maria")).await;
    let good = format!("Bearer {}", table.bench.token(&json!({})));
    for other in ["", "short", key.expose()] {
        let headers = json!({"authorization": good, "x-api-key": other});
        let answer = table.bench.ask(&rest("GET/orders", &headers)).await.unwrap();
        assert_eq!(answer["principalId"], "user");
    }
    let headers = json!({"x-api-key": key.expose()});
    let outcome = table.bench.ask(&rest("GET/orders", &headers)).await;
    assert_eq!(outcome, Err(Failure::Unauthorized));
    assert_eq!(said(&captured).1, "the event has no token");
    assert_eq!(table.bench.authorizer.key_lookup.as_ref().unwrap().reads(), 0);
}

#[tokio::test]
async fn both_are_needed_where_both_are_required_and_rules_see_the_token() {
    let table = Table::new(&format!("{BOTH_KINDS}\n[callers]\nrequire = \"both\"\n")).await;
    let key = table.key(KeyDetails::new("maria")).await;
    let good = format!("Bearer {}", table.bench.token(&json!({})));
    let headers = json!({"authorization": good, "x-api-key": key.expose()});
    let answer = table.bench.ask(&rest("GET/orders", &headers)).await.unwrap();
    assert_eq!((answer["principalId"].as_str(), effect(&answer)), (Some("user"), "Allow"));
    for headers in [json!({"authorization": good}), json!({"x-api-key": key.expose()}), json!({})] {
        let outcome = table.bench.ask(&rest("GET/orders", &headers)).await;
        assert_eq!(outcome, Err(Failure::Unauthorized), "{headers}");
    }
}

#[tokio::test]
async fn an_http_api_that_caches_by_one_of_two_credentials_is_misconfigured() {
    let table = Table::new(&format!("{BOTH_KINDS}\n[callers]\nrequire = \"both\"\n")).await;
    let key = table.key(reader("maria")).await;
    let good = format!("Bearer {}", table.bench.token(&json!({})));
    let headers = json!({"authorization": good, "x-api-key": key.expose()});
    for (source, is_right) in [
        (json!([good, key.expose()]), true),
        (json!([]), true),
        (json!([good]), false),
        (json!([key.expose()]), false),
    ] {
        let [_, _, mut event, _] = events("GET/orders", &headers);
        event["identitySource"] = source;
        let outcome = table.bench.ask(&event).await;
        match is_right {
            true => assert!(outcome.is_ok(), "{event}"),
            false => assert_eq!(outcome, Err(Failure::Internal { code: "config" }), "{event}"),
        }
    }
}

#[tokio::test]
async fn an_http_api_that_caches_serves_no_caller_without_a_credential() {
    let bench = Bench::with_keys(PUBLIC).await;
    for (source, is_right) in [
        (Value::Null, true),
        (json!([]), true),
        (json!(["GET /health"]), false),
        (json!(["", "GET /health"]), false),
    ] {
        let [_, _, mut event, _] = events("GET/health", &json!({}));
        event["requestContext"] = json!({"http": {"sourceIp": "192.0.2.1"}});
        event["identitySource"] = source;
        let answer = bench.ask(&event).await.unwrap();
        assert_eq!(effect(&answer), if is_right { "Allow" } else { "Deny" }, "{event}");
    }
}

#[tokio::test]
async fn a_key_s_own_scopes_and_groups_reach_the_backend_whatever_its_context_values() {
    let table = by_key().await;
    let own = rights(&["orders/read"], &["staff"], &[("scope", "admin"), ("groups", "root")]);
    let key = table.key(KeyDetails { rights: own, ..KeyDetails::new("maria") }).await;
    let headers = json!({"x-api-key": key.expose()});
    let answer = table.bench.ask(&rest("GET/orders", &headers)).await.unwrap();
    let context = &answer["context"];
    assert_eq!((&context["scope"], &context["groups"]), (&json!("orders/read"), &json!("staff")));
}

#[tokio::test]
async fn an_http_api_that_caches_by_another_header_is_misconfigured_for_keys() {
    let table = by_key().await;
    let key = table.key(reader("maria")).await;
    let [_, _, mut event, _] = events("GET/orders", &json!({"x-api-key": key.expose()}));
    event["identitySource"] = json!([key.expose()]);
    assert!(table.bench.ask(&event).await.is_ok());
    event["identitySource"] = json!(["something else"]);
    assert_eq!(table.bench.ask(&event).await, Err(Failure::Internal { code: "config" }));
}

#[tokio::test]
async fn a_public_route_needs_no_credential_and_is_limited_by_address() {
    let bench = Bench::with_keys(PUBLIC).await;
    let from = |target: &str, address: &str| {
        let mut event = rest(target, &json!({}));
        event["requestContext"] = json!({"identity": {"sourceIp": address}});
        event
    };
    for (address, remaining, throttled) in [
        ("192.0.2.1", 2, false),
        ("192.0.2.1", 1, false),
        ("192.0.2.2", 2, false),
        ("192.0.2.1", 0, false),
        ("192.0.2.1", 0, true),
        ("2001:db8::1", 2, false),
        ("2001:db8::2", 1, false),
        ("2001:db8:0:1::1", 2, false),
    ] {
        let answer = bench.ask(&from("GET/health", address)).await.unwrap();
        assert_eq!((answer["principalId"].as_str(), effect(&answer)), (Some("anonymous"), "Allow"));
        let context = &answer["context"];
        assert_eq!(context["plan"], "public");
        assert_eq!(
            (&context["remaining"], context.get("throttled").is_some()),
            (&json!(remaining), throttled),
            "{address}"
        );
        assert!(context["subject"].as_str().unwrap().starts_with("address-"), "{context}");
    }
    // Without an address there is no bucket to charge.
    assert_eq!(bench.ask(&rest("GET/health", &json!({}))).await, Err(Failure::Unauthorized));
    // A preflight is allowed whatever its path, and a simple response says so too.
    let answer = bench.ask(&from("OPTIONS/orders", "192.0.2.9")).await.unwrap();
    assert_eq!(effect(&answer), "Allow");
}

#[tokio::test]
async fn another_route_or_a_bad_token_is_a_401_and_a_good_token_is_not_public() {
    let captured = Captured::at("INFO");
    let either =
        format!("{PUBLIC}\n[keys]\ntable = \"tollgate\"\n[callers]\nrequire = \"either\"\n");
    for text in [PUBLIC, &either] {
        let table = Table::new(text).await;
        let good = format!("Bearer {}", table.bench.token(&json!({})));
        let ask = async |target: &str, headers: &Value| {
            let mut event = rest(target, headers);
            event["requestContext"] = json!({"identity": {"sourceIp": "192.0.2.1"}});
            table.bench.ask(&event).await.map(|answer| effect(&answer).to_owned())
        };
        assert_eq!(ask("GET/health", &json!({})).await.as_deref(), Ok("Allow"));
        assert_eq!(ask("GET/orders", &json!({})).await, Err(Failure::Unauthorized), "sign in");
        assert_eq!(said(&captured).0, "malformed");
        for bad in ["", "Bearer", "Basic abc", "Bearer a.b.c"] {
            let headers = json!({"authorization": bad});
            assert_eq!(ask("GET/health", &headers).await, Err(Failure::Unauthorized), "{bad}");
        }
        let mut answer = rest("GET/health", &json!({"authorization": good}));
        answer["requestContext"] = json!({"identity": {"sourceIp": "192.0.2.1"}});
        let answer = table.bench.ask(&answer).await.unwrap();
        let allowed = answer["policyDocument"]["Statement"][0]["Resource"].to_string();
        assert!(!allowed.contains("health"), "{allowed}");
        if text != PUBLIC {
            let key = json!({"x-api-key": ""});
            assert_eq!(ask("GET/health", &key).await, Err(Failure::Unauthorized), "an empty key");
        }
    }
    // Off unless a rule says so.
    let bench = Bench::with_keys("").await;
    let outcome = bench.ask(&rest("GET/health", &json!({}))).await;
    assert_eq!(outcome, Err(Failure::Unauthorized));
}

#[tokio::test]
async fn every_caller_is_counted_by_address_where_the_limits_say_so() {
    let limits = BOTH_KINDS.replace("\"client_id\"", "\"source_ip\"");
    let table = Table::new(&format!("{limits}\n[callers]\nrequire = \"either\"\n")).await;
    let key = table.key(reader("maria")).await;
    let good = format!("Bearer {}", table.bench.token(&json!({})));
    let mut throttled = Vec::new();
    for headers in [
        json!({"authorization": good}),
        json!({"x-api-key": key.expose()}),
        json!({"authorization": good}),
    ] {
        let mut event = rest("GET/orders", &headers);
        event["requestContext"] = json!({"identity": {"sourceIp": "192.0.2.1"}});
        let answer = table.bench.ask(&event).await.unwrap();
        assert_eq!(answer["context"]["subject"], "address-192.0.2.1");
        throttled.push(answer["context"].get("throttled").is_some());
    }
    assert_eq!(throttled, [false, false, true]);
    let authorization = json!({"type": "TOKEN", "authorizationToken": good, "methodArn": ARN});
    let outcome = table.bench.ask(&authorization).await;
    assert_eq!(outcome, Err(Failure::Internal { code: "config" }), "it has no address");
}
