//! Records of requests in the log, through the real subscriber, at every level.

use std::collections::BTreeSet;

use super::*;
use crate::record::Captured;

const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// Texts in tokens, keys and claims of these tests that must not be in a log.
const SECRETS: [&str; 8] = [
    "alice@example",
    "staff-group",
    "secret-tenant",
    "secret-scope",
    "secret-plan",
    "a-key-of-twenty-chars",
    "sent-api-key",
    "panic-text",
];

fn told(token: &str) -> Vec<String> {
    // Each part of a token by itself, since a log might cut it.
    token.split('.').filter(|part| part.len() > 8).map(str::to_owned).collect()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The line of the last request.
fn last(text: &str) -> Value {
    let mut requests = lines(text).into_iter().filter(|line| line.get("request_id").is_some());
    requests.next_back().unwrap()
}

fn token_event(authorization: &str) -> Value {
    json!({"type": "TOKEN", "authorizationToken": authorization, "methodArn": ARN})
}

/// A store that panics with a text that must not be logged.
struct Faulty;

impl throttle::internal::Sealed for Faulty {}

impl Store for Faulty {
    async fn plan(&self, _: &PlanId) -> Result<Option<throttle::PlanRecord>, throttle::StoreError> {
        panic!("panic-text of {}", "alice@example");
    }

    async fn write(
        &self,
        _: &Subject,
        _: &throttle::internal::Write,
    ) -> Result<throttle::internal::Answer, throttle::StoreError> {
        panic!("panic-text");
    }

    fn consumed(&self) -> throttle::Consumed {
        throttle::Consumed::default()
    }
}

/// Events with the code that each ends with and the texts that its record must not have.
fn refusals(bench: &Bench) -> Vec<(&'static str, Value, Vec<String>)> {
    let rich = json!({
        "sub": "alice@example", "cognito:groups": ["staff-group"], "tenant": "secret-tenant",
        "scope": "orders/read secret-scope",
    });
    let token = |changes: Value| {
        let mut all = rich.clone();
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        bench.token(&all)
    };
    let payload = json!({"iss": bench.iss, "sub": "alice@example"});
    let good = token(json!({}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 256]));
    let tokens = [
        ("malformed", format!("{good}.more")),
        ("malformed", "garbage-that-is-no-token".to_owned()),
        ("header", sign(&json!({"kid": "k", "alg": "none"}), &payload)),
        ("header", sign(&json!({"kid": "k", "alg": "RS256", "jku": "https://evil"}), &payload)),
        ("key", sign(&json!({"kid": "secret-kid", "alg": "RS256"}), &payload)),
        ("signature", forged),
        ("claim", token(json!({"exp": NOW}))),
        ("claim", token(json!({"iss": "https://alice@example/"}))),
        ("claim", token(json!({"client_id": "secret-client-id"}))),
    ];
    let mut events = Vec::new();
    for (code, token) in tokens {
        let mut secrets = told(&token);
        secrets.extend(["secret-kid", "secret-client-id"].map(str::to_owned));
        events.push((code, token_event(&format!("Bearer {token}")), secrets.clone()));
        let authorization = format!("bearer {token}");
        events.push((
            code,
            json!({"type": "REQUEST", "methodArn": ARN,
                "headers": {"authorization": authorization, "x-api-key": "sent-api-key"}}),
            secrets.clone(),
        ));
        events.push((
            code,
            json!({"type": "REQUEST", "version": "2.0", "routeArn": ARN,
                "headers": {"authorization": authorization}}),
            secrets,
        ));
    }
    for event in [
        token_event(&good),
        token_event(&format!("Basic {good}")),
        token_event(&format!("Bearer {good} {good}")),
        json!({"type": "TOKEN", "authorizationToken": format!("Bearer {good}"), "methodArn": good}),
    ] {
        events.push(("malformed", event, told(&good)));
    }
    let planned = token(json!({"custom:plan": "secret-plan"}));
    events.push(("allowed", token_event(&format!("Bearer {planned}")), told(&planned)));
    events.push(("config", json!({"type": good}), told(&good)));
    events
}

#[tokio::test]
async fn no_refusal_at_any_level_tells_of_a_token_a_claim_or_a_key() {
    let mut seen = BTreeSet::new();
    for level in LEVELS {
        let captured = Captured::at(level);
        // Payload 2.0 can't be refused by a key, so these limits refuse by a Deny.
        let limits = THROTTLE
            .replace("unknown-key", "deny")
            .replace("api_key = \"a-key-of-twenty-chars\"", "");
        let bench = Bench::new(&limits).await;
        bench.authorizer.prepare().await;
        for (code, event, secrets) in refusals(&bench) {
            let _ = bench.authorizer.handle(&event, "request").await;
            let text = captured.text();
            assert_eq!(last(&text)["code"], code, "{level} {event}");
            seen.insert(code);
            for secret in secrets.iter().map(String::as_str).chain(SECRETS) {
                assert!(!text.contains(secret), "{level}: `{secret}` in {text}");
            }
            captured.clear();
        }
    }
    assert_eq!(seen.len(), 7, "{seen:?}");
}

#[tokio::test]
async fn no_outage_panic_or_decision_tells_of_a_caller_either() {
    for level in LEVELS {
        let captured = Captured::at(level);
        let bench = Bench::new(THROTTLE).await;
        let token = bench.token(&json!({
            "sub": "alice@example", "cognito:groups": ["staff-group"], "tenant": "secret-tenant",
        }));
        for code in ["allowed", "allowed", "throttled"] {
            bench.call(&token, ARN).await.unwrap();
            assert_eq!(last(&captured.text())["code"], code);
        }
        bench.call(&token, &ARN.replace("GET/orders", "POST/orders")).await.unwrap();
        assert_eq!(last(&captured.text())["code"], "forbidden");

        let event = token_event(&format!("Bearer {token}"));
        for failure in [
            throttle::Failure::TimedOut,
            throttle::Failure::Denied { code: "AccessDeniedException".into() },
        ] {
            let broken = Broken(failure);
            let config = with_limits(&bench.iss);
            let authorizer = Authorizer::new(config, Some(broken), bench.clock.clone()).unwrap();
            authorizer.prepare().await;
            assert!(authorizer.handle(&event, "request").await.is_err());
        }
        let text = captured.text();
        for secret in told(&token).iter().map(String::as_str).chain(SECRETS) {
            assert!(!text.contains(secret), "{level}: `{secret}` in {text}");
        }
    }
}

#[tokio::test]
async fn a_panic_costs_one_invocation_and_says_nothing_of_itself() {
    let captured = Captured::at("TRACE");
    let bench = Bench::new("").await;
    let event = token_event(&format!("Bearer {}", bench.token(&json!({}))));
    let config = with_limits(&bench.iss);
    let authorizer = Authorizer::new(config, Some(Faulty), bench.clock.clone()).unwrap();
    for _ in 0..2 {
        let failure = authorizer.handle(&event, "request").await.unwrap_err();
        assert_eq!(failure, Failure::Internal { code: "panic" });
        let diagnostic = lambda_runtime::Diagnostic::from(failure);
        assert_eq!(diagnostic.error_type, "panic");
        assert_eq!(diagnostic.error_message, "the authorizer failed: panic");
        assert_eq!(last(&captured.text())["code"], "panic");
        assert_eq!(last(&captured.text())["level"], "ERROR");
    }
    let malformed = authorizer.handle(&token_event("x"), "request").await;
    assert_eq!(malformed.unwrap_err(), Failure::Unauthorized, "it goes on");
    assert!(!captured.text().contains("panic-text"), "{}", captured.text());
}

#[tokio::test]
async fn a_request_has_one_line_with_its_metrics() {
    let captured = Captured::at("INFO");
    let bench = Bench::new(THROTTLE).await;
    bench.authorizer.prepare().await;
    captured.clear();
    let event = token_event(&format!("Bearer {}", bench.token(&json!({}))));
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let invocation = Invocation { request_id: "first", trace: Some(trace) };
    bench.authorizer.handle(&event, invocation).await.unwrap();
    let [line] = &lines(&captured.text())[..] else { panic!("{}", captured.text()) };
    assert_eq!(line["request_id"], "first");
    assert_eq!(line["trace"], "1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!(line["message"], "decided");
    assert_eq!(line["kind"], "rest-token");
    assert_eq!(line["code"], "allowed");
    assert_eq!(line["plan"], "free");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["kid"], *digest_of("k"));
    assert_eq!(line["sub"], *digest_of("user"));
    assert_eq!(line["timestamp"].as_str().unwrap().len(), 27, "{line}");
    assert_eq!(line["_aws"]["Timestamp"], NOW * 1000);
    assert_eq!(line["ColdStarts"], 1);
    assert_eq!(line["KeyFetches"], 1, "the one of the start");
    assert_eq!(line["KeyFetchFailures"], 0);
    assert_eq!((&line["CacheHits"], &line["CacheMisses"]), (&json!(0), &json!(1)));
    assert_eq!(line["KeyAge"], 0);
    assert_eq!(line["TableTime"], 0, "the clock stands still");
    assert_eq!(line["TableWrites"], 1);
    assert_eq!(line["Duration"], 0);

    captured.clear();
    bench.clock.advance(Duration::from_secs(5));
    bench.authorizer.handle(&event, "second").await.unwrap();
    let line = last(&captured.text());
    assert_eq!(line["KeyAge"], 5_000_000, "since the start");
    for name in ["trace", "detail", "ColdStarts", "KeyFetches", "KeyFetchTime"] {
        assert_eq!(line.get(name), None, "{name}: {line}");
    }
    assert_eq!(line["TableWrites"], 1, "those since the last line");
    assert_eq!(line["TableMilliunits"], 1_000);
    assert_eq!((&line["CacheHits"], &line["CacheMisses"]), (&json!(1), &json!(0)), "known now");

    captured.clear();
    bench.authorizer.handle(&token_event("Bearer x"), "third").await.unwrap_err();
    let line = last(&captured.text());
    assert_eq!((&line["message"], &line["code"]), (&json!("refused"), &json!("malformed")));
    assert_eq!(line["detail"], "the token has not three parts");
    for name in
        ["kid", "sub", "plan", "KeyAge", "TableTime", "TableWrites", "TableMilliunits", "Degraded"]
    {
        assert_eq!(line.get(name), None, "{name}: {line}");
    }
}

#[tokio::test]
async fn the_level_decides_where_there_are_no_metrics() {
    for (level, metrics, expected) in [
        ("INFO", true, 1),
        ("ERROR", true, 1),
        ("OFF", true, 1),
        ("INFO", false, 1),
        ("WARN", false, 0),
        ("ERROR", false, 0),
    ] {
        let bench = Bench::new(&format!("[metrics]\nenabled = {metrics}")).await;
        let captured = Captured::at(level);
        let event = token_event(&format!("Bearer {}", bench.token(&json!({"exp": NOW}))));
        bench.authorizer.handle(&event, "request").await.unwrap_err();
        let told = lines(&captured.text());
        let found = told.iter().filter(|line| line.get("request_id").is_some()).count();
        assert_eq!(found, expected, "{level} {metrics}: {told:?}");
        assert!(told.iter().all(|line| metrics || line.get("_aws").is_none()), "{told:?}");
        let captured = Captured::at(level);
        bench.authorizer.handle(&json!({}), "request").await.unwrap_err();
        let failed = captured.text().lines().count();
        assert_eq!(failed, 1, "a failure is told at every level: {level}");
    }
}

#[tokio::test]
async fn a_decision_without_the_table_is_told_to_be_one() {
    use throttle::testing::{Fault, Faulty};

    let captured = Captured::at("INFO");
    let bench = Bench::new("").await;
    let event = token_event(&format!("Bearer {}", bench.token(&json!({}))));
    let memory = MemoryStore::new();
    let open = r#"{"throttle":{"rateLimit":1,"burstLimit":5},"failure":"open"}"#;
    memory.put_plan(
        PlanId::new("free").unwrap(),
        Plan::from_json(open).unwrap(),
        bench.clock.now(),
    );
    let store = Faulty::new(memory);
    let config = with_limits(&bench.iss);
    let authorizer = Authorizer::new(config, Some(store.clone()), bench.clock.clone()).unwrap();
    authorizer.handle(&event, "request").await.unwrap();
    let line = last(&captured.text());
    assert_eq!((&line["code"], line.get("Degraded")), (&json!("allowed"), None));

    store.fail_with(Fault::Lost);
    authorizer.handle(&event, "request").await.unwrap();
    let line = last(&captured.text());
    assert_eq!((&line["code"], &line["Degraded"]), (&json!("allowed"), &json!(1)), "{line}");
    assert_eq!(line["plan"], "free");
}

#[tokio::test]
async fn the_table_is_asked_before_the_first_request() {
    let bench = Bench::new("").await;
    let store = Counting::new(MemoryStore::new());
    let config = with_limits(&bench.iss);
    let authorizer = Authorizer::new(config, Some(store), bench.clock.clone()).unwrap();
    assert_eq!(authorizer.store().plans(), 0);
    authorizer.prepare().await;
    assert_eq!(authorizer.store().plans(), 1);
}
