//! Hostile requests: 401, 403 or 429 at INFO, and never a 500.

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use table::{Assignment, Assignments, Key, KeyDetails, KeyRights, Keys};
use throttle::KeyLookup;

use super::*;
use crate::config::Require;
use crate::record::Captured;
use crate::revocation::tests::{TABLE, serve};

const SOCKET: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/$connect";

/// Limits with a plan claim that refuse by a Deny, which every form can say.
fn denying(plan: &str) -> String {
    let limits =
        THROTTLE.replace("unknown-key", "deny").replace("api_key = \"a-key-of-twenty-chars\"", "");
    limits.replace("plan = { claim = \"custom:plan\", default = \"free\" }", plan)
}

fn last(captured: &Captured) -> Value {
    let text = captured.text();
    serde_json::from_str(text.lines().next_back().unwrap()).unwrap()
}

#[tokio::test]
async fn a_comma_in_authorization_is_the_caller_s_fault() {
    let captured = Captured::at("INFO");
    let case = include_str!("../../../../tests/cases/tokens/A1-comma-in-authorization-is-500.json");
    let case: Value = serde_json::from_str(case).unwrap();
    let jwks = case["jwks"].to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(move || async move { jwks });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = case["config"].as_str().unwrap().replace("{JWKS_URI}", &uri);
    let config = Config::parse(&config, "case").unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(NOW));
    let authorizer = Authorizer::<MemoryStore, _>::new(config, None, clock).unwrap();
    for event in case["events"].as_array().unwrap() {
        let answer = authorizer.handle(event, "request").await.unwrap();
        let answer = serde_json::to_value(answer).unwrap();
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny", "{event}");
        let line = last(&captured);
        assert_eq!((&line["code"], &line["level"]), (&json!("malformed"), &json!("INFO")));
    }
}

#[tokio::test]
async fn a_wrong_identity_source_is_told_by_good_tokens_alone() {
    let bench = Bench::with_keys("").await;
    let (good, bad) = (bench.token(&json!({})), bench.token(&json!({"exp": NOW})));
    for (token, fails) in [(good, true), (bad, false), ("x".to_owned(), false)] {
        let event = json!({"type": "REQUEST", "version": "2.0", "routeArn": ARN,
            "headers": {"authorization": format!("Bearer {token}")}, "identitySource": ["tenant-1"]});
        assert_eq!(bench.ask(&event).await.is_err(), fails, "{event}");
    }
}

#[tokio::test]
async fn a_path_that_no_arn_holds_is_denied() {
    let bench = Bench::with_keys("").await;
    let authorization = format!("Bearer {}", bench.token(&json!({})));
    for path in ["/a\nb", "/\u{7f}", &format!("/{}", "a".repeat(1_600))] {
        let arn = ARN.replace("/orders", path);
        for (version, name) in [("1.0", "methodArn"), ("2.0", "routeArn")] {
            let event = json!({"type": "REQUEST", "version": version, name: arn,
                "headers": {"authorization": authorization}});
            let answer = bench.ask(&event).await.unwrap();
            assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny", "{event}");
        }
        assert_eq!(bench.call("x", &arn).await, Err(Failure::Unauthorized), "{path}");
    }
}

#[tokio::test]
async fn a_claim_that_names_no_plan_is_the_default_plan_and_counted() {
    let captured = Captured::at("INFO");
    let bench =
        Bench::with_keys(&THROTTLE.replace("subject = \"client_id\"", "subject = \"sub\"")).await;
    let store = bench.authorizer.store();
    let gold = Plan::from_json(r#"{"throttle":{"rateLimit":1,"burstLimit":9}}"#).unwrap();
    store.put_plan(PlanId::new("gold").unwrap(), gold, bench.clock.now());
    for (user, (claim, plan, is_unknown)) in [
        (json!("gold"), "gold", false),
        (json!("free"), "free", false),
        (json!(null), "free", false),
        (json!("silver"), "free", true),
        (json!("silver"), "free", true),
        (json!(""), "free", true),
        (json!(1), "free", true),
        (json!(["gold"]), "free", true),
        (json!("a\nb"), "free", true),
        (json!("a".repeat(129)), "free", true),
    ]
    .into_iter()
    .enumerate()
    {
        let token = bench.token(&json!({"custom:plan": claim, "sub": format!("u{user}")}));
        let answer = bench.call(&token, ARN).await.unwrap();
        assert_eq!(answer["context"]["plan"], plan, "{claim}");
        let line = last(&captured);
        assert_eq!(line["plan"], plan, "{claim}");
        assert_eq!(line.get("UnknownPlans").is_some(), is_unknown, "{claim}");
        assert_eq!(line["level"], "INFO");
    }
}

#[tokio::test]
async fn without_a_default_plan_a_caller_without_a_plan_is_forbidden() {
    let captured = Captured::at("INFO");
    let bench = Bench::with_keys(&denying("plan = { claim = \"custom:plan\" }")).await;
    for (claim, code) in
        [(json!("free"), "allowed"), (json!("other"), "no_plan"), (json!(null), "no_plan")]
    {
        let token = bench.token(&json!({"custom:plan": claim}));
        let answer = bench.call(&token, ARN).await.unwrap();
        let effect = if code == "allowed" { "Allow" } else { "Deny" };
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], effect, "{claim}");
        let line = last(&captured);
        assert_eq!((&line["code"], &line["level"]), (&json!(code), &json!("INFO")), "{claim}");
    }
}

#[tokio::test]
async fn random_plan_names_cost_a_bounded_number_of_look_ups() {
    let bench = Bench::with_keys("").await;
    let memory = MemoryStore::new();
    let plan = Plan::from_json(r#"{"throttle":{"rateLimit":1,"burstLimit":2}}"#).unwrap();
    for id in ["free", "gold"] {
        memory.put_plan(PlanId::new(id).unwrap(), plan.clone(), bench.clock.now());
    }
    let config = with_limits(&bench.iss);
    let store = Counting::new(memory);
    let authorizer = Authorizer::new(config, Some(store), bench.clock.clone()).unwrap();
    let call = async |plan: &str| {
        let token = bench.token(&json!({"custom:plan": plan}));
        let event = json!({"type": "TOKEN", "methodArn": ARN,
            "authorizationToken": format!("Bearer {token}")});
        let answer = authorizer.handle(&event, "request").await.unwrap();
        serde_json::to_value(answer).unwrap()["context"]["plan"].as_str().unwrap().to_owned()
    };
    assert_eq!(call("gold").await, "gold");
    for number in 0..200 {
        assert_eq!(call(&format!("random-{number}")).await, "free");
    }
    assert_eq!(call("gold").await, "gold", "a plan that was seen is still used");
    assert_eq!(
        authorizer.store().plans(),
        2 + 3,
        "two plans, and the subject's budget of a minute"
    );
}

#[tokio::test]
async fn a_plan_that_the_operator_names_and_the_table_lacks_is_an_error() {
    let captured = Captured::at("INFO");
    let bench = Bench::with_keys(&denying("plan = { default = \"gone\" }")).await;
    let outcome = bench.call(&bench.token(&json!({})), ARN).await;
    assert_eq!(outcome, Err(Failure::Internal { code: "config" }));
    assert_eq!(last(&captured)["detail"], "the default plan is not in the table: create it");

    let client = serve().await;
    let mut bench =
        Bench::with_keys(&denying("plan = { assigned = true, default = \"free\" }")).await;
    let lookup = KeyLookup::new(&client, TABLE, bench.clock.clone(), Duration::from_secs(60));
    bench.authorizer = bench.authorizer.with_key_lookup(lookup);
    let subject = format!("{}#client", bench.iss.trim_start_matches("http://"));
    let (subject, gone) = (Subject::new(subject).unwrap(), PlanId::new("gone").unwrap());
    let assignment = Assignment::new(subject.as_str()).with_plan(gone.as_str());
    Assignments::new(client, TABLE).put(assignment).await.unwrap();
    let outcome = bench.call(&bench.token(&json!({})), ARN).await;
    assert_eq!(outcome, Err(Failure::Internal { code: "config" }));
    let detail = last(&captured)["detail"].clone();
    assert_eq!(detail, "the plan of the key or the subject is not in the table: create it");
}

/// The lines of a log about the configuration that are not records of requests.
fn other_lines(captured: &Captured) -> Vec<Value> {
    let text = captured.text();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line.get("request_id").is_none() && line["code"] == "config").collect()
}

#[tokio::test]
async fn a_missing_plan_is_one_line_a_minute_and_one_look_up_in_five_seconds() {
    let captured = Captured::at("INFO");
    let bench = Bench::with_keys("").await;
    let store = Counting::new(MemoryStore::new());
    let config = with_limits(&bench.iss);
    let authorizer = Authorizer::new(config, Some(store), bench.clock.clone()).unwrap();
    authorizer.prepare().await;
    let lines = other_lines(&captured);
    assert_eq!(lines.len(), 1, "before the first request: {lines:?}");
    assert_eq!(
        lines[0]["message"],
        "no plan `free` in table `tollgate`; create it with `tollgate plan put free FILE`"
    );
    assert_eq!((&lines[0]["level"], &lines[0]["code"]), (&json!("ERROR"), &json!("config")));
    captured.clear();
    let event = json!({"type": "TOKEN", "methodArn": ARN,
        "authorizationToken": format!("Bearer {}", bench.token(&json!({})))});
    let call = async || authorizer.handle(&event, "request").await.map(|_| ());
    let missing = Err(Failure::Internal { code: "config" });

    let many = futures_util::future::join_all((0..50).map(|_| call())).await;
    assert!(many.iter().all(|outcome| *outcome == missing));
    assert_eq!(authorizer.store().plans(), 1 + 1, "at the start, and for all of these");
    assert_eq!(other_lines(&captured), [json!(null); 0], "each request has its own record only");
    assert_eq!(last(&captured)["code"], "config");
    for (seconds, look_ups) in [(4, 2), (1, 3), (4, 3), (1, 4)] {
        bench.clock.advance(Duration::from_secs(seconds));
        assert_eq!(call().await, missing);
        assert_eq!(authorizer.store().plans(), look_ups);
    }
    assert_eq!(other_lines(&captured), [json!(null); 0], "ten seconds later");
    bench.clock.advance(Duration::from_secs(50));
    for _ in 0..3 {
        assert_eq!(call().await, missing);
    }
    assert_eq!(other_lines(&captured).len(), 1, "a minute later");

    let plan = Plan::from_json(r#"{"throttle":{"rateLimit":1,"burstLimit":2}}"#).unwrap();
    authorizer.store().memory.put_plan(PlanId::new("free").unwrap(), plan, bench.clock.now());
    bench.clock.advance(Duration::from_secs(5));
    assert_eq!(call().await, Ok(()), "five seconds after it is created");
}

#[tokio::test]
async fn the_line_about_a_missing_plan_names_the_command_for_its_table() {
    let captured = Captured::at("INFO");
    let limits = denying("plan = { default = \"a plan\" }").replace("\"tollgate\"", "\"limits\"");
    let bench = Bench::with_keys(&limits).await;
    bench.call(&bench.token(&json!({})), ARN).await.unwrap_err();
    assert_eq!(
        other_lines(&captured)[0]["message"],
        "no plan `a plan` in table `limits`; create it with `tollgate plan put 'a plan' FILE \
         --table limits`"
    );
}

#[tokio::test]
async fn a_policy_that_claims_make_too_long_is_a_403_and_not_charged() {
    let captured = Captured::at("INFO");
    let bench = Bench::with_keys(&format!(
        "[[rule]]\nname = \"own\"\neveryone = true\nallow = [\"GET /a/{{tenant}}\", \"GET /b/{{tenant}}\", \
         \"GET /c/{{tenant}}\"]\n[policy]\ndocument_limit = 900\n{}",
        denying("plan = { default = \"free\" }")
    ))
    .await;
    let long = bench.token(&json!({"tenant": "t".repeat(200)}));
    for (kind, arn) in [("1.0", "methodArn"), ("2.0", "routeArn"), ("", "methodArn")] {
        let event = json!({"type": "REQUEST", "version": kind, arn: ARN,
            "headers": {"authorization": format!("Bearer {long}")}});
        let answer = bench.ask(&event).await.unwrap();
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny", "{event}");
        let line = last(&captured);
        assert_eq!((&line["code"], &line["level"]), (&json!("long_policy"), &json!("INFO")));
    }
    let answer = bench.call(&bench.token(&json!({"tenant": "t"})), ARN).await.unwrap();
    assert_eq!(answer["context"]["remaining"], 1, "nothing was charged before");
    assert!(!captured.text().contains("ERROR"), "{}", captured.text());
}

#[tokio::test]
async fn a_claim_with_a_control_character_is_not_passed_on() {
    let bench = Bench::with_keys("").await;
    for (scope, is_there) in [("orders/read", true), ("orders/read a\nb", false)] {
        let answer = bench.call(&bench.token(&json!({"scope": scope})), ARN).await.unwrap();
        assert_eq!(answer["context"].get("scope").is_some(), is_there, "{scope:?}");
        assert_eq!(answer["context"]["sub"], "user", "the others are");
    }
}

#[tokio::test]
async fn a_plan_that_only_a_token_names_is_not_logged() {
    let captured = Captured::at("INFO");
    let bench = Bench::with_keys("").await;
    let limits = THROTTLE.replace("failure = \"closed\"", "failure = \"open\"");
    let config = with_these_limits(&bench.iss, &limits);
    let broken = Broken(throttle::Failure::TimedOut);
    let authorizer = Authorizer::new(config, Some(broken), bench.clock.clone()).unwrap();
    for (claim, logged) in [(json!("secret-plan"), Value::Null), (json!(null), json!("free"))] {
        let token = bench.token(&json!({"custom:plan": claim}));
        let event = json!({"type": "TOKEN", "methodArn": ARN,
            "authorizationToken": format!("Bearer {token}")});
        authorizer.handle(&event, "request").await.unwrap();
        let line = last(&captured);
        assert_eq!((&line["code"], &line["Degraded"]), (&json!("allowed"), &json!(1)), "{line}");
        assert_eq!(line["plan"], logged, "{line}");
    }
    assert!(!captured.text().contains("secret-plan"), "{}", captured.text());
}

#[tokio::test]
async fn a_flood_of_random_kids_is_a_flood_of_401s_at_info() {
    let captured = Captured::at("INFO");
    let bench = Bench::new("").await;
    for kid in 0..200 {
        let header = json!({"kid": format!("random-{kid}"), "alg": "RS256"});
        let token = sign(&header, &json!({"iss": bench.iss}));
        assert_eq!(bench.call(&token, ARN).await, Err(Failure::Unauthorized));
        bench.clock.advance(Duration::from_millis(100));
    }
    assert!(!captured.text().contains("ERROR"), "{}", captured.text());
}

/// A text that a caller might send.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "",
            " ",
            ",",
            "*",
            "..",
            "a,b",
            "a\nb",
            "${x}",
            "\u{0}",
            "\u{7f}",
            "\u{202e}x",
            "é",
            "user",
            "admins",
            "free",
            "gold",
            "orders/read",
            "client",
            "a/../b",
            "[x]",
            "null",
        ])
        .prop_map(str::to_owned),
        (1_usize..3_000).prop_map(|length| "x".repeat(length)),
    ]
}

/// A value that a claim might have.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![json!(0), json!(u64::MAX), json!(1e300), json!(-1), json!(NOW)]),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..40).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The members of a token that a caller might get its issuer to write, or send unsigned.
const CLAIMS: [&str; 20] = [
    "sub",
    "iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "origin_jti",
    "auth_time",
    "client_id",
    "token_use",
    "scope",
    "cognito:groups",
    "username",
    "custom:plan",
    "tenant",
    "cnf",
    "_claim_names",
    "hasgroups",
    "email",
];

#[derive(Debug)]
struct Sent {
    header: Vec<(String, Value)>,
    claims: Vec<(&'static str, Value)>,
    is_signed: bool,
    /// The whole header's value instead of a token.
    raw: Option<String>,
    path: String,
    verb: String,
    key: Option<String>,
    more: Vec<(String, Value)>,
    kind: usize,
}

fn sent() -> impl Strategy<Value = Sent> {
    let header = prop::sample::select(vec!["kid", "alg", "typ", "crit", "jku", "b64"]);
    let header = prop::collection::vec((header.prop_map(str::to_owned), value()), 0..2);
    let claims = prop::collection::vec((prop::sample::select(CLAIMS.to_vec()), value()), 0..4);
    let raw = prop::option::weighted(0.1, text());
    let path = prop_oneof![Just("/orders".to_owned()), text().prop_map(|text| format!("/{text}"))];
    let verb = prop_oneof![3 => Just("GET".to_owned()), 1 => text()];
    let key = prop::option::of(prop_oneof![text(), Just("a-known-key-of-the-table".to_owned())]);
    let more = prop::collection::vec(
        (
            prop::sample::select(vec![
                "headers",
                "multiValueHeaders",
                "queryStringParameters",
                "requestContext",
                "resource",
                "httpMethod",
                "routeKey",
                "cookies",
                "pathParameters",
            ])
            .prop_map(str::to_owned),
            value(),
        ),
        0..2,
    );
    (header, claims, prop::bool::weighted(0.9), raw, path, verb, key, more, 0_usize..5).prop_map(
        |(header, claims, is_signed, raw, path, verb, key, more, kind)| Sent {
            header,
            claims,
            is_signed,
            raw,
            path,
            verb,
            key,
            more,
            kind,
        },
    )
}

impl Sent {
    /// The event that API Gateway would make of it, as far as is known; it hides nothing.
    fn event(&self, bench: &Bench) -> Value {
        let mut header = json!({"kid": "k", "alg": "RS256"});
        header.as_object_mut().unwrap().extend(self.header.iter().cloned());
        let mut payload = json!({
            "sub": "user", "iss": bench.iss, "client_id": "client", "token_use": "access",
            "scope": "orders/read", "exp": NOW + 3600, "iat": NOW,
        });
        let claims = self.claims.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        payload.as_object_mut().unwrap().extend(claims);
        let mut token = sign(&header, &payload);
        if !self.is_signed {
            token.push('A');
        }
        let authorization = self.raw.clone().unwrap_or_else(|| format!("Bearer {token}"));
        let arn = match self.kind {
            4 => SOCKET.to_owned(),
            _ => ARN.replace("GET/orders", &format!("{}{}", self.verb, self.path)),
        };
        let config = &bench.authorizer.config;
        let mut headers = json!({"authorization": authorization});
        // Some requests have no token where they may have none.
        if config.rules.has_anonymous() && self.path.len().is_multiple_of(2) {
            headers = json!({});
        }
        if let Some(key) = &self.key {
            headers["x-api-key"] = key.as_str().into();
        }
        let token = headers.get("authorization").map(|_| authorization.as_str());
        let key = self.key.as_deref();
        let sources: Vec<&str> = match config.callers.require {
            Require::Key => key.into_iter().collect(),
            Require::Both => token.into_iter().chain(key).collect(),
            Require::Token | Require::Either => token.into_iter().collect(),
        };
        let sources = Some(sources).filter(|sources| !sources.is_empty());
        let mut event = match self.kind {
            0 => json!({"type": "TOKEN", "authorizationToken": authorization, "methodArn": arn}),
            1 | 4 => json!({"type": "REQUEST", "methodArn": arn, "headers": headers}),
            2 => json!({"type": "REQUEST", "version": "1.0", "methodArn": arn, "headers": headers,
                "identitySource": sources.map(|sources| sources.join(","))}),
            _ => json!({"type": "REQUEST", "version": "2.0", "routeArn": arn, "headers": headers,
                "identitySource": sources}),
        };
        event.as_object_mut().unwrap().extend(self.more.iter().cloned());
        event
    }
}

/// The limits under which hostile requests are sent, each with what else the configuration has.
fn configurations() -> [String; 6] {
    let own = "[[rule]]\nname = \"own\"\neveryone = true\n\
               allow = [\"GET /users/{sub}/*\", \"GET /tenants/{tenant}/*\"]\n\
               [[rule]]\nname = \"not these\"\nany_group = [\"blocked\"]\ndeny = [\"GET /x\"]\n";
    let revocation = "[revocation]\ntable = \"tollgate\"\ncache_seconds = 0\n";
    let by_claim =
        denying("plan = { assigned = true, claim = \"custom:plan\", default = \"free\" }");
    let by_key = denying("plan = { default = \"free\" }").replace("\"client_id\"", "\"api_key\"");
    let without = denying("plan = { claim = \"custom:plan\" }").replace("client_id", "tenant");
    [
        format!("{own}{by_claim}{revocation}"),
        format!("{own}{by_key}"),
        format!("{own}{without}"),
        format!("{own}{by_claim}[response]\nhttp = \"simple\"\n"),
        format!("{own}{by_key}[keys]\ntable = \"tollgate\"\n[callers]\nrequire = \"key\"\n"),
        format!(
            "{own}{by_claim}[keys]\ntable = \"tollgate\"\n[callers]\nrequire = \"either\"\n\
             prefer = \"token\"\n[[rule]]\nname = \"public\"\nanonymous = true\n\
             allow = [\"GET /orders\", \"OPTIONS /*\"]\n"
        ),
    ]
}

/// A bench of this configuration with a table for all that it looks up.
async fn hostile_bench(text: &str) -> Bench {
    let client = serve().await;
    let mut bench = Bench::new(text).await;
    let lookup = KeyLookup::new(&client, TABLE, bench.clock.clone(), Duration::from_secs(60));
    let key = Key::parse("a-known-key-of-the-table").unwrap();
    let scopes = vec!["orders/read".to_owned()];
    let rights = KeyRights { scopes, ..KeyRights::default() };
    let details = KeyDetails { rights, ..KeyDetails::new("tenant") };
    Keys::new(client.clone(), TABLE).put(&key, details, bench.clock.now()).await.unwrap();
    bench.authorizer = bench.authorizer.with_key_lookup(lookup);
    if let Some(asked) = bench.authorizer.config.revocation.clone() {
        let table = table::Revocations::new(client, TABLE);
        let read = Revocations::new(table, asked, bench.clock.clone());
        bench.authorizer = bench.authorizer.with_revocations(read);
    }
    bench
}

#[test]
fn nothing_that_a_caller_sends_is_a_500_or_an_error_line() {
    for text in configurations() {
        // By the API key a TOKEN event is a mistake of the deployment's.
        let by_key = text.contains("\"api_key\"");
        let captured = Captured::at("INFO");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bench = runtime.block_on(hostile_bench(&text));
        let mut runner = TestRunner::new(Cases { cases: 200, ..Cases::default() });
        let outcome = runner.run(&sent(), |sent| {
            if by_key && sent.kind == 0 {
                return Ok(());
            }
            captured.clear();
            let event = sent.event(&bench);
            match runtime.block_on(bench.ask(&event)) {
                Ok(answer) => {
                    let context = answer["context"].as_object().into_iter().flatten();
                    for (name, value) in context {
                        let is_text =
                            value.as_str().is_some_and(|text| !text.contains(char::is_control));
                        let is_flat = is_text || value.is_number() || value.is_boolean();
                        prop_assert!(is_flat, "{name}: {value}");
                    }
                }
                Err(failure) => prop_assert_eq!(failure, Failure::Unauthorized, "{}", event),
            }
            let text = captured.text();
            prop_assert!(!text.contains("\"level\":\"ERROR\""), "{}", text);
            Ok(())
        });
        outcome.unwrap();
    }
}
