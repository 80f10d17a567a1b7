//! Subjects by API key and by claim, and their plans in the table.

use table::{Assignment, Assignments, Key, KeyDetails, Keys};
use throttle::KeyLookup;

use super::*;
use crate::revocation::tests::{TABLE, connect, serve};

pub(super) const KEEP: Duration = Duration::from_secs(60);

/// A bench whose authorizer looks up a real table, and the items in it.
pub(super) struct Table {
    pub(super) bench: Bench,
    pub(super) keys: Keys,
    pub(super) assignments: Assignments,
}

impl Table {
    pub(super) async fn new(throttle: &str) -> Self {
        Self::with(Bench::with_keys(throttle).await).await
    }

    /// A table for this bench.
    pub(super) async fn with(mut bench: Bench) -> Self {
        let client = serve().await;
        let lookup = KeyLookup::new(&client, TABLE, bench.clock.clone(), KEEP);
        bench.authorizer = bench.authorizer.with_key_lookup(lookup);
        let store = bench.authorizer.store();
        let plan = Plan::from_json(r#"{"throttle":{"rateLimit":1,"burstLimit":7}}"#).unwrap();
        for id in ["gold", "silver"] {
            store.put_plan(PlanId::new(id).unwrap(), plan.clone(), bench.clock.now());
        }
        let assignments = Assignments::new(client.clone(), TABLE);
        Self { bench, keys: Keys::new(client, TABLE), assignments }
    }

    /// Limits by the API key, which refuse by a Deny: no form but TOKEN is without a key.
    async fn by_key() -> Self {
        let limits = THROTTLE
            .replace("\"client_id\"", "\"api_key\"")
            .replace("unknown-key", "deny")
            .replace("api_key = \"a-key-of-twenty-chars\"", "");
        Self::new(&limits).await
    }

    pub(super) async fn key(&self, details: KeyDetails) -> Key {
        let key = Key::generate().unwrap();
        self.keys.put(&key, details, self.bench.clock.now()).await.unwrap();
        key
    }

    async fn assign(&self, subject: &str, plan: &str) {
        self.assignments.put(Assignment::new(subject).with_plan(plan)).await.unwrap();
    }

    async fn call(&self, arn: &str, key: Option<&str>) -> Result<Value, Failure> {
        let token = self.bench.token(&json!({}));
        self.bench.ask(&event(&token, arn, key)).await
    }
}

pub(super) fn event(token: &str, arn: &str, key: Option<&str>) -> Value {
    let mut headers = json!({"authorization": format!("Bearer {token}")});
    if let Some(key) = key {
        headers["x-api-key"] = key.into();
    }
    json!({"type": "REQUEST", "methodArn": arn, "headers": headers})
}

fn details(subject: &str) -> KeyDetails {
    KeyDetails::new(subject)
}

#[tokio::test]
async fn a_key_says_whose_bucket_counts_and_on_which_plan() {
    let table = Table::by_key().await;
    let gold = PlanId::new("gold").unwrap();
    let [one, other, silver, free] = [
        table.key(details("tenant").with_plan(gold.as_str())).await,
        table.key(details("tenant").with_plan(gold.as_str())).await,
        table.key(details("assigned")).await,
        table.key(details("nobody's")).await,
    ];
    table.assign("assigned", "silver").await;
    // What the subject is assigned is not asked for a key that has a plan of its own.
    table.assign("tenant", "silver").await;
    for (key, plan, remaining) in [
        (&one, "gold", 6),
        (&other, "gold", 5),
        (&one, "gold", 4),
        (&silver, "silver", 6),
        (&free, "free", 1),
    ] {
        let answer = table.call(ARN, Some(key.expose())).await.unwrap();
        assert_eq!(answer["context"]["plan"], plan);
        assert_eq!(answer["context"]["remaining"], remaining, "one bucket a subject: {plan}");
    }
    for status in ["Allow", "Deny"] {
        let answer = table.call(ARN, Some(free.expose())).await.unwrap();
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], status);
    }
}

#[tokio::test]
async fn each_form_that_has_headers_is_counted_by_its_key() {
    let table = Table::by_key().await;
    let key = table.key(details("tenant").with_plan("gold")).await;
    let authorization = format!("Bearer {}", table.bench.token(&json!({})));
    let headers = json!({"authorization": authorization, "X-Api-Key": key.expose()});
    let identity = json!({"identity": {"apiKey": key.expose()}});
    for (event, remaining) in [
        (json!({"type": "REQUEST", "methodArn": ARN, "headers": headers}), 6),
        (json!({"type": "REQUEST", "version": "1.0", "methodArn": ARN, "headers": headers}), 5),
        (json!({"type": "REQUEST", "version": "2.0", "routeArn": ARN, "headers": headers}), 4),
        (
            json!({"type": "REQUEST", "methodArn": ARN, "requestContext": identity,
                "headers": {"authorization": authorization}}),
            3,
        ),
    ] {
        let answer = table.bench.ask(&event).await.unwrap();
        assert_eq!(answer["context"]["remaining"], remaining, "{event}");
    }
    let token = json!({"type": "TOKEN", "authorizationToken": authorization, "methodArn": ARN});
    let outcome = table.bench.ask(&token).await;
    assert_eq!(outcome, Err(Failure::Internal { code: "config" }), "it can bring no key");
}

#[tokio::test]
async fn a_key_that_is_not_good_is_refused_as_a_bad_token_is() {
    let captured = crate::record::Captured::at("TRACE");
    let table = Table::by_key().await;
    let expiry = table.bench.clock.now().saturating_add(Duration::from_secs(30));
    let good = table.key(KeyDetails { expires: Some(expiry.into()), ..details("tenant") }).await;
    let disabled = table.key(KeyDetails { enabled: false, ..details("tenant") }).await;
    let unknown = Key::generate().unwrap();
    let forbidden = ARN.replace("GET/orders", "POST/orders");
    for key in [
        None,
        Some(""),
        Some("short"),
        Some("a-key-of-twenty-chars-\u{e9}"),
        Some(disabled.expose()),
        Some(unknown.expose()),
    ] {
        for arn in [ARN, &forbidden] {
            assert_eq!(table.call(arn, key).await, Err(Failure::Unauthorized), "{arn}");
        }
    }
    assert!(table.call(ARN, Some(good.expose())).await.is_ok());
    let answer = table.call(&forbidden, Some(good.expose())).await.unwrap();
    assert_eq!(answer["context"].get("remaining"), None, "not charged");
    table.bench.clock.advance(Duration::from_secs(30));
    let outcome = table.call(ARN, Some(good.expose())).await;
    assert_eq!(outcome, Err(Failure::Unauthorized), "it expires while it is known");

    let text = captured.text();
    let codes = text.matches(r#""code":"api_key""#).count();
    assert_eq!(codes, 13, "{text}");
    for secret in [good.expose(), disabled.expose(), unknown.expose(), "short", "tenant"] {
        assert!(!text.contains(secret), "`{secret}` in {text}");
    }
    // An HTTP API is refused in its own form.
    let headers = json!({"authorization": format!("Bearer {}", table.bench.token(&json!({})))});
    let event = json!({"type": "REQUEST", "version": "2.0", "routeArn": ARN, "headers": headers});
    let answer = table.bench.ask(&event).await.unwrap();
    assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny");
    assert_eq!(answer["principalId"], "anonymous");
}

#[tokio::test]
async fn a_method_s_own_rate_counts_where_the_event_names_the_method() {
    let limits = THROTTLE
        .replace("unknown-key", "context")
        .replace("api_key = \"a-key-of-twenty-chars\"", "");
    let bench = Bench::with_keys(&limits).await;
    let plan = r#"{"throttle": {"rateLimit": 100, "burstLimit": 100}, "apiStages": [{
        "apiId": "abcdef1234", "stage": "prod",
        "throttle": {"/orders/{id}/GET": {"rateLimit": 1, "burstLimit": 1}}
    }]}"#;
    let store = bench.authorizer.store();
    let plan = Plan::from_json(plan).unwrap();
    store.put_plan(PlanId::new("free").unwrap(), plan, bench.clock.now());
    let authorization = format!("Bearer {}", bench.token(&json!({})));
    let headers = json!({"authorization": authorization});
    let rest = |path: &str, resource: &str| {
        let arn = ARN.replace("/orders", path);
        json!({"type": "REQUEST", "methodArn": arn, "resource": resource, "path": path,
            "httpMethod": "GET", "headers": headers})
    };
    let http = |path: &str, route: &str| {
        let arn = ARN.replace("/orders", path);
        json!({"type": "REQUEST", "version": "2.0", "routeArn": arn, "routeKey": route,
            "headers": headers})
    };
    let token = json!({"type": "TOKEN", "authorizationToken": authorization,
        "methodArn": ARN.replace("/orders", "/orders/5")});
    for (event, throttled) in [
        (rest("/orders/1", "/orders/{id}"), false),
        (rest("/orders/2", "/orders/{id}"), true),
        (http("/orders/3", "GET /orders/{id}"), true),
        (http("/orders/3", "$default"), false),
        (rest("/orders", "/orders"), false),
        // Of a TOKEN event the resource is not known, and the path is none of the plan's.
        (token, false),
    ] {
        let answer = bench.ask(&event).await.unwrap();
        let told = answer["context"].get("throttled").is_some();
        assert_eq!(told, throttled, "{event}");
    }
}

#[tokio::test]
async fn the_backend_is_told_whose_bucket_was_charged() {
    let bench = Bench::with_keys(THROTTLE).await;
    let answer = bench.call(&bench.token(&json!({})), ARN).await.unwrap();
    let issuer = bench.iss.strip_prefix("http://").unwrap();
    assert_eq!(answer["context"]["subject"], format!("{issuer}#client"));
    // Nobody was: the layer must not take this for somebody.
    let forbidden = ARN.replace("GET/orders", "POST/orders");
    let answer = bench.call(&bench.token(&json!({})), &forbidden).await.unwrap();
    assert_eq!(answer["context"].get("subject"), None);
}

#[tokio::test]
async fn what_is_said_of_a_key_is_seen_within_the_stated_time() {
    let table = Table::by_key().await;
    let key = table.key(details("tenant")).await;
    let unknown = Key::generate().unwrap();
    assert!(table.call(ARN, Some(key.expose())).await.is_ok());
    assert!(table.call(ARN, Some(unknown.expose())).await.is_err());
    table.keys.set_enabled(&key.digest(), false).await.unwrap();
    table.keys.put(&unknown, details("tenant"), table.bench.clock.now()).await.unwrap();
    table.bench.clock.advance(KEEP - Duration::from_secs(1));
    assert!(table.call(ARN, Some(key.expose())).await.is_ok(), "known, so not asked for");
    assert!(table.call(ARN, Some(unknown.expose())).await.is_err(), "nor one known to be none");
    table.bench.clock.advance(Duration::from_secs(1));
    assert_eq!(table.call(ARN, Some(key.expose())).await, Err(Failure::Unauthorized));
    assert!(table.call(ARN, Some(unknown.expose())).await.is_ok());
}

#[tokio::test]
async fn an_assigned_plan_goes_before_the_claim_where_that_was_chosen() {
    let plan = "plan = { assigned = true, claim = \"custom:plan\", default = \"free\" }";
    let limits = |plan: &str| {
        THROTTLE.replace("plan = { claim = \"custom:plan\", default = \"free\" }", plan)
    };
    let table = Table::new(&limits(plan)).await;
    let call = async |changes: Value| {
        let token = table.bench.token(&changes);
        let answer = table.bench.ask(&event(&token, ARN, None)).await.unwrap();
        answer["context"]["plan"].as_str().unwrap().to_owned()
    };
    let issuer = table.bench.iss.strip_prefix("http://").unwrap();
    assert_eq!(call(json!({})).await, "free");
    assert_eq!(call(json!({"custom:plan": "silver"})).await, "silver");
    table.assign(&format!("{issuer}#client"), "gold").await;
    assert_eq!(call(json!({"custom:plan": "silver"})).await, "silver", "within a minute");
    table.bench.clock.advance(KEEP);
    assert_eq!(call(json!({"custom:plan": "silver"})).await, "gold");
    assert_eq!(call(json!({})).await, "gold");

    // Not asked for, the table is not asked.
    let table = Table::new(THROTTLE).await;
    let issuer = table.bench.iss.strip_prefix("http://").unwrap();
    table.assign(&format!("{issuer}#client"), "gold").await;
    let token = table.bench.token(&json!({}));
    let answer = table.bench.ask(&event(&token, ARN, None)).await.unwrap();
    assert_eq!(answer["context"]["plan"], "free");
}

#[tokio::test]
async fn a_table_without_an_answer_is_no_401() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let unreachable = connect(&format!("http://{dead}")).await;
    let known = "a-key-that-nobody-can-look-up";
    let assigned = THROTTLE.replace("plan = {", "plan = { assigned = true,");
    for (mut table, event) in
        [(Table::by_key().await, Some(known)), (Table::new(&assigned).await, None)]
    {
        let clock = table.bench.clock.clone();
        for (client, name, code) in
            [(unreachable.clone(), TABLE, "unavailable"), (serve().await, "another", "config")]
        {
            let lookup = KeyLookup::new(&client, name, clock.clone(), KEEP);
            table.bench.authorizer = table.bench.authorizer.with_key_lookup(lookup);
            let outcome = table.call(ARN, event).await;
            assert_eq!(outcome, Err(Failure::Internal { code }), "{name}");
        }
        table.bench.authorizer.key_lookup = None;
        let outcome = table.call(ARN, event).await;
        assert_eq!(outcome, Err(Failure::Internal { code: "config" }), "without a table");
    }
}
