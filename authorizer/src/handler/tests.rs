//! The authorizer as a whole: real keys, a real key endpoint, a store in memory, a set clock.

mod bucket_owners;
mod callers;
mod event_kinds;
mod issuers;
mod keys;
mod lines;
mod parents;
#[cfg(feature = "otel")]
mod spans;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use throttle::{ManualClock, MemoryStore, Plan, PlanId, Subject, Timestamp};
use tokio::net::TcpListener;

use super::*;

const NOW: u64 = 1_800_000_000;
const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/orders";

fn key_pair() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).unwrap())
}

fn sign(header: &Value, payload: &Value) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(payload.to_string())
    );
    let mut signature = vec![0; 256];
    key_pair()
        .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// An authorizer with its issuer and its clock.
struct Bench {
    authorizer: Authorizer<MemoryStore, ManualClock>,
    clock: ManualClock,
    iss: String,
}

impl Bench {
    /// Keys are fetched by the first request.
    async fn new(throttle: &str) -> Self {
        Self::made(throttle, false).await
    }

    /// Keys are bundled, so that a slow fetch cannot disturb tests of the table.
    async fn with_keys(throttle: &str) -> Self {
        Self::made(throttle, true).await
    }

    async fn made(throttle: &str, bundled: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let iss = format!("http://{}", listener.local_addr().unwrap());
        let public = key_pair().public_key();
        let set = json!({"keys": [{
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k",
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        }]})
        .to_string();
        let bundle = if bundled { format!("jwks = '{set}'") } else { String::new() };
        let router = Router::new().fallback(move || async move { set });
        tokio::spawn(async move { axum::serve(listener, router).await });

        let text = format!(
            r#"
            [[issuer]]
            url = "{iss}"
            {bundle}
            clients = ["client"]
            token_use = "access"

            [[rule]]
            name = "readers"
            allow = ["GET /orders", "GET /orders/*"]
            any_scope = ["orders/read"]

            [[rule]]
            name = "admins"
            allow = ["ANY /admin/*"]
            any_group = ["admins"]
            {throttle}
            "#
        );
        Self::of(&text, iss)
    }

    /// A bench of this configuration.
    fn of(text: &str, iss: String) -> Self {
        let config = Config::parse(text, "test").unwrap();
        let clock = ManualClock::at(Timestamp::from_secs(NOW));
        let store = MemoryStore::new();
        let plan = Plan::from_json(r#"{"throttle":{"rateLimit":1,"burstLimit":2}}"#).unwrap();
        store.put_plan(PlanId::new("free").unwrap(), plan, clock.now());
        let public = Plan::from_json(r#"{"throttle":{"rateLimit":1,"burstLimit":3}}"#).unwrap();
        store.put_plan(PlanId::new("public").unwrap(), public, clock.now());
        let store = config.throttle.is_some().then_some(store);
        let authorizer = Authorizer::new(config, store, clock.clone()).unwrap();
        Self { authorizer, clock, iss }
    }

    fn token(&self, changes: &Value) -> String {
        let mut payload = json!({
            "sub": "user", "iss": self.iss, "client_id": "client", "token_use": "access",
            "scope": "orders/read", "exp": NOW + 3600, "iat": NOW,
        });
        payload.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        sign(&json!({"kid": "k", "alg": "RS256"}), &payload)
    }

    async fn call(&self, token: &str, arn: &str) -> Result<Value, Failure> {
        let authorization = format!("Bearer {token}");
        self.ask(&json!({
            "type": "TOKEN", "authorizationToken": authorization, "methodArn": arn,
        }))
        .await
    }

    async fn ask(&self, event: &Value) -> Result<Value, Failure> {
        let response = self.authorizer.handle(event, "request").await?;
        Ok(serde_json::to_value(response).unwrap())
    }
}

const THROTTLE: &str = r#"
            [throttle]
            table = "tollgate"
            subject = "client_id"
            plan = { claim = "custom:plan", default = "free" }
            refuse = "unknown-key"
            failure = "closed"
            api_key = "a-key-of-twenty-chars"
"#;

#[tokio::test]
async fn answers_with_all_that_the_caller_may_call() {
    let bench = Bench::new("").await;
    let answer = bench.call(&bench.token(&json!({})), ARN).await.unwrap();
    assert_eq!(answer["principalId"], "user");
    assert_eq!(
        answer["policyDocument"]["Statement"][0],
        json!({
            "Action": "execute-api:Invoke",
            "Effect": "Allow",
            "Resource": [
                "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/orders",
                "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/orders/*",
            ],
        })
    );
    let issuer = answer["context"]["issuer"].as_str().unwrap();
    assert!(issuer.starts_with("http://127.0.0.1:"), "{issuer}");
    assert_eq!(
        answer["context"],
        json!({"issuer": issuer, "sub": "user", "clientId": "client", "scope": "orders/read"})
    );
    assert_eq!(answer.get("usageIdentifierKey"), None, "absent, not null");
}

#[tokio::test]
async fn the_answer_is_what_aws_s_own_types_read() {
    use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerResponse;
    use aws_lambda_events::iam::IamPolicyEffect;

    let bench = Bench::new(THROTTLE).await;
    let answer = bench.call(&bench.token(&json!({})), ARN).await.unwrap();
    let read: ApiGatewayCustomAuthorizerResponse = serde_json::from_value(answer).unwrap();
    assert_eq!(read.principal_id.as_deref(), Some("user"));
    assert_eq!(read.usage_identifier_key.as_deref(), Some("a-key-of-twenty-chars"));
    let [statement] = &read.policy_document.statement[..] else { panic!("one statement") };
    assert_eq!(statement.effect, IamPolicyEffect::Allow);
    assert_eq!(statement.action, ["execute-api:Invoke"]);
    assert_eq!(statement.resource.len(), 2);
    for (name, value) in read.context.as_object().unwrap() {
        assert!(!value.is_object() && !value.is_array() && !value.is_null(), "{name}");
    }
}

#[tokio::test]
async fn the_policy_does_not_depend_on_the_route_that_asked() {
    let bench = Bench::new("").await;
    let token = bench.token(&json!({"cognito:groups": ["admins"]}));
    let first = bench.call(&token, ARN).await.unwrap();
    for path in ["POST/orders", "DELETE/admin/a:b/c", "GET/", "GET//"] {
        let arn = ARN.replace("GET/orders", path);
        assert_eq!(bench.call(&token, &arn).await.unwrap(), first, "{path}");
    }
}

#[tokio::test]
async fn a_caller_without_rights_is_denied_explicitly() {
    let bench = Bench::new("").await;
    let answer = bench.call(&bench.token(&json!({"scope": "other"})), ARN).await.unwrap();
    let statements = answer["policyDocument"]["Statement"].as_array().unwrap();
    assert!(statements.iter().all(|statement| statement["Effect"] == "Deny"));
    assert!(!statements.is_empty());
}

#[tokio::test]
async fn a_token_that_is_not_good_is_unauthorized() {
    let bench = Bench::new("").await;
    let good = bench.token(&json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let more_rights = URL_SAFE_NO_PAD.encode(
        json!({"sub": "user", "iss": bench.iss, "client_id": "client", "token_use": "access",
            "scope": "orders/read orders/write", "exp": NOW + 3600})
        .to_string(),
    );
    for token in [
        "garbage".to_owned(),
        String::new(),
        format!("{signed}."),
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 256])),
        format!("{header}.{more_rights}.{signature}"),
        bench.token(&json!({"exp": NOW})),
        bench.token(&json!({"iss": "https://evil.example"})),
        bench.token(&json!({"client_id": "other"})),
        bench.token(&json!({"token_use": "id"})),
        sign(&json!({"kid": "other", "alg": "RS256"}), &json!({"iss": bench.iss})),
        sign(&json!({"kid": "k", "alg": "none"}), &json!({"iss": bench.iss})),
    ] {
        assert_eq!(bench.call(&token, ARN).await, Err(Failure::Unauthorized), "{token}");
    }
    assert!(bench.call(&good, ARN).await.is_ok(), "and the good one still is");
    bench.clock.advance(Duration::from_secs(3600));
    assert_eq!(bench.call(&good, ARN).await, Err(Failure::Unauthorized), "until it expires");
}

#[tokio::test]
async fn a_malformed_event_is_answered() {
    let bench = Bench::new("").await;
    let unauthorized = [
        json!({"type": "TOKEN", "methodArn": ARN}),
        json!({"type": "TOKEN", "authorizationToken": "Bearer x", "methodArn": "not an arn"}),
        json!({"type": "TOKEN", "authorizationToken": "Basic x", "methodArn": ARN}),
    ];
    for event in unauthorized {
        let outcome = bench.authorizer.handle(&event, "request").await.err();
        assert_eq!(outcome, Some(Failure::Unauthorized), "{event}");
    }
    let outcome = bench.authorizer.handle(&json!({"type": "OTHER"}), "request").await.err();
    assert_eq!(outcome, Some(Failure::Internal { code: "config" }));
}

#[tokio::test]
async fn keys_that_can_t_be_had_are_not_a_401() {
    let mut bench = Bench::new("").await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let text = format!(
        "[[issuer]]\nurl = \"{}\"\njwks_uri = \"http://{dead}\"\nclients = \"any\"\n\
         token_use = \"any\"\n[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n",
        bench.iss
    );
    let config = Config::parse(&text, "test").unwrap();
    bench.authorizer = Authorizer::new(config, None, bench.clock.clone()).unwrap();
    let outcome = bench.call(&bench.token(&json!({})), ARN).await;
    assert_eq!(outcome, Err(Failure::Internal { code: "unavailable" }));
}

#[tokio::test]
async fn over_the_limit_the_usage_key_is_one_that_nobody_knows() {
    let bench = Bench::new(THROTTLE).await;
    let token = bench.token(&json!({}));
    for remaining in [1, 0] {
        let answer = bench.call(&token, ARN).await.unwrap();
        assert_eq!(answer["usageIdentifierKey"], "a-key-of-twenty-chars");
        assert_eq!(answer["context"]["remaining"], remaining);
        assert_eq!(answer["context"]["plan"], "free");
    }
    let answer = bench.call(&token, ARN).await.unwrap();
    assert_eq!(answer["usageIdentifierKey"], crate::config::UNKNOWN_KEY);
    assert_eq!(answer["context"]["retryAfter"], 1);
    assert_eq!(answer["context"]["throttled"], true);
    assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Allow", "429, not 403");

    bench.clock.advance(Duration::from_secs(1));
    let answer = bench.call(&token, ARN).await.unwrap();
    assert_eq!(answer["usageIdentifierKey"], "a-key-of-twenty-chars");
}

#[tokio::test]
async fn a_closed_plan_throttles_without_a_time_to_wait() {
    let bench = Bench::new(THROTTLE).await;
    let plan = |json: &str| {
        let store = bench.authorizer.store();
        let plan = Plan::from_json(json).unwrap();
        store.put_plan(PlanId::new("free").unwrap(), plan, bench.clock.now());
    };
    let token = bench.token(&json!({}));
    plan(r#"{"throttle":{"rateLimit":0.0,"burstLimit":0}}"#);
    let answer = bench.call(&token, ARN).await.unwrap();
    assert_eq!(answer["usageIdentifierKey"], crate::config::UNKNOWN_KEY);
    let context = &answer["context"];
    assert_eq!((&context["limit"], &context["remaining"]), (&json!(0), &json!(0)));
    assert_eq!((&context["throttled"], context.get("retryAfter")), (&json!(true), None));

    plan(r#"{"unlimited":true}"#);
    bench.clock.advance(Duration::from_secs(61));
    for _ in 0..20 {
        let answer = bench.call(&token, ARN).await.unwrap();
        assert_eq!(answer["usageIdentifierKey"], "a-key-of-twenty-chars");
        let context = &answer["context"];
        assert_eq!((context.get("throttled"), &context["counted"]), (None, &json!(true)));
        assert_eq!((context.get("limit"), context.get("remaining")), (None, None));
    }
}

#[tokio::test]
async fn a_plan_that_is_tried_reports_and_refuses_nobody() {
    let bench = Bench::new(THROTTLE).await;
    let json = r#"{"throttle": {"rateLimit": 1, "burstLimit": 1}, "enforce": false,
        "quota": {"limit": 2, "period": "DAY"}}"#;
    let (store, plan) = (bench.authorizer.store(), Plan::from_json(json).unwrap());
    store.put_plan(PlanId::new("free").unwrap(), plan, bench.clock.now());
    let token = bench.token(&json!({}));
    for would in [None, Some("burst"), Some("burst,daily")] {
        let answer = bench.call(&token, ARN).await.unwrap();
        assert_eq!(answer["usageIdentifierKey"], "a-key-of-twenty-chars");
        let context = &answer["context"];
        assert_eq!(context.get("wouldThrottle"), would.map(|it| json!(it)).as_ref());
        assert_eq!((context.get("throttled"), context.get("limit")), (None, None));
        assert_eq!(context["counted"], true);
    }
}

#[tokio::test]
async fn a_throttled_caller_is_denied_or_told_where_that_was_chosen() {
    let without_key = |refuse: &str| {
        THROTTLE.replace("api_key = \"a-key-of-twenty-chars\"", "").replace("unknown-key", refuse)
    };
    for (refuse, effect) in [("deny", "Deny"), ("context", "Allow")] {
        let bench = Bench::new(&without_key(refuse)).await;
        let token = bench.token(&json!({}));
        for _ in 0..2 {
            bench.call(&token, ARN).await.unwrap();
        }
        let answer = bench.call(&token, ARN).await.unwrap();
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], effect);
        assert_eq!(answer["context"]["throttled"], true);
        assert_eq!(answer.get("usageIdentifierKey"), None);
    }
}

#[tokio::test]
async fn a_request_that_the_rules_forbid_is_not_charged() {
    let bench = Bench::new(THROTTLE).await;
    let token = bench.token(&json!({}));
    for _ in 0..10 {
        bench.call(&token, &ARN.replace("GET/orders", "POST/orders")).await.unwrap();
    }
    let answer = bench.call(&token, ARN).await.unwrap();
    assert_eq!(answer["context"]["remaining"], 1);
}

#[tokio::test]
async fn a_token_without_the_subject_of_the_limits_is_refused() {
    let bench = Bench::new(&THROTTLE.replace("\"client_id\"", "\"tenant\"")).await;
    assert_eq!(bench.call(&bench.token(&json!({})), ARN).await, Err(Failure::Unauthorized));
    assert!(bench.call(&bench.token(&json!({"tenant": "t"})), ARN).await.is_ok());
}

/// A store whose table is unavailable.
struct Broken(throttle::Failure);

impl throttle::internal::Sealed for Broken {}

impl Store for Broken {
    async fn plan(&self, _: &PlanId) -> Result<Option<throttle::PlanRecord>, throttle::StoreError> {
        Err(self.0.clone().into())
    }

    async fn write(
        &self,
        _: &Subject,
        _: &throttle::internal::Write,
    ) -> Result<throttle::internal::Answer, throttle::StoreError> {
        Err(self.0.clone().into())
    }

    fn consumed(&self) -> throttle::Consumed {
        throttle::Consumed::default()
    }
}

/// A store in memory that counts the plans that are read from it.
struct Counting {
    memory: MemoryStore,
    plans: AtomicUsize,
}

impl Counting {
    fn new(memory: MemoryStore) -> Self {
        Self { memory, plans: AtomicUsize::new(0) }
    }

    fn plans(&self) -> usize {
        self.plans.load(Ordering::Relaxed)
    }
}

impl throttle::internal::Sealed for Counting {}

impl Store for Counting {
    async fn plan(
        &self,
        id: &PlanId,
    ) -> Result<Option<throttle::PlanRecord>, throttle::StoreError> {
        self.plans.fetch_add(1, Ordering::Relaxed);
        self.memory.plan(id).await
    }

    async fn write(
        &self,
        subject: &Subject,
        write: &throttle::internal::Write,
    ) -> Result<throttle::internal::Answer, throttle::StoreError> {
        self.memory.write(subject, write).await
    }

    fn consumed(&self) -> throttle::Consumed {
        self.memory.consumed()
    }
}

impl<S: Store> Authorizer<S, ManualClock> {
    fn store(&self) -> &S {
        self.limits.as_ref().unwrap().throttle.as_ref().unwrap().store()
    }
}

fn with_limits(iss: &str) -> Config {
    with_these_limits(iss, THROTTLE)
}

fn with_these_limits(iss: &str, limits: &str) -> Config {
    let text = format!(
        "[[issuer]]\nurl = \"{iss}\"\nclients = \"any\"\ntoken_use = \"any\"\n\
         [[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n{limits}"
    );
    Config::parse(&text, "test").unwrap()
}

#[tokio::test]
async fn a_table_that_can_t_be_had_lets_nobody_through_and_is_not_a_401() {
    let bench = Bench::new("").await;
    let event = json!({"type": "TOKEN", "methodArn": ARN,
        "authorizationToken": format!("Bearer {}", bench.token(&json!({})))});
    for (failure, code) in [
        (throttle::Failure::TimedOut, "unavailable"),
        (throttle::Failure::Outage, "unavailable"),
        (throttle::Failure::NoTable, "config"),
        (throttle::Failure::Denied { code: "AccessDeniedException".into() }, "config"),
    ] {
        let config = with_limits(&bench.iss);
        let broken = Broken(failure);
        let authorizer = Authorizer::new(config, Some(broken), bench.clock.clone()).unwrap();
        let outcome = authorizer.handle(&event, "request").await.err();
        assert_eq!(outcome, Some(Failure::Internal { code }));
    }
}

#[tokio::test]
async fn while_the_table_fails_the_configured_policy_decides() {
    let bench = Bench::new("").await;
    let event = json!({"type": "TOKEN", "methodArn": ARN,
        "authorizationToken": format!("Bearer {}", bench.token(&json!({})))});
    // A share of a plan that was never seen is nothing.
    for (failure, passes) in
        [("\"closed\"", false), ("\"open\"", true), ("{ local = \"1/10\" }", false)]
    {
        for (fault, may_pass) in
            [(throttle::Failure::TimedOut, true), (throttle::Failure::NoTable, false)]
        {
            let limits = THROTTLE.replace("failure = \"closed\"", &format!("failure = {failure}"));
            let config = with_these_limits(&bench.iss, &limits);
            let authorizer =
                Authorizer::new(config, Some(Broken(fault)), bench.clock.clone()).unwrap();
            let outcome = authorizer.handle(&event, "request").await;
            assert_eq!(outcome.is_ok(), passes && may_pass, "{failure}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn limits_without_a_store_let_nobody_through() {
    let mut bench = Bench::new("").await;
    let config = with_limits(&bench.iss);
    bench.authorizer = Authorizer::new(config, None, bench.clock.clone()).unwrap();
    let outcome = bench.call(&bench.token(&json!({})), ARN).await;
    assert_eq!(outcome, Err(Failure::Internal { code: "config" }));
}

#[tokio::test]
async fn the_answer_s_debug_shows_neither_caller_nor_key() {
    let bench = Bench::new(THROTTLE).await;
    let token = bench.token(&json!({"sub": "alice", "cognito:groups": ["staff"]}));
    let event = json!({"type": "TOKEN", "methodArn": ARN,
        "authorizationToken": format!("Bearer {token}")});
    let response = bench.authorizer.handle(&event, "request").await.unwrap();
    let shown = format!("{response:?}");
    for secret in ["alice", "staff", "a-key-of-twenty-chars", "orders/read"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn the_context_keeps_one_group_one() {
    let bench = Bench::new("").await;
    let token = bench.token(&json!({"cognito:groups": ["a,admins", "b"], "client_id": "client"}));
    let answer = bench.call(&token, ARN).await.unwrap();
    assert_eq!(answer["context"]["groups"], "a,admins b");
}

#[tokio::test]
async fn a_forbidden_caller_keeps_its_key_since_the_policy_may_be_cached() {
    let bench = Bench::new(THROTTLE).await;
    let arn = ARN.replace("GET/orders", "POST/orders");
    let answer = bench.call(&bench.token(&json!({})), &arn).await.unwrap();
    assert_eq!(answer["usageIdentifierKey"], "a-key-of-twenty-chars");
}

#[tokio::test]
async fn an_audience_is_the_client_where_it_is_one_alone() {
    let bench = Bench::new("").await;
    let text = format!(
        "[[issuer]]\nurl = \"{}\"\nclients = [\"client\"]\ntoken_use = \"any\"\n\
         [[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n",
        bench.iss
    );
    let config = Config::parse(&text, "test").unwrap();
    let authorizer = Authorizer::<MemoryStore, _>::new(config, None, bench.clock.clone()).unwrap();
    let ask = async |aud: Value| {
        let token = bench.token(&json!({"token_use": "id", "aud": aud}));
        let event = json!({"type": "TOKEN", "methodArn": ARN,
            "authorizationToken": format!("Bearer {token}")});
        let answer = authorizer.handle(&event, "request").await;
        answer.map(|answer| serde_json::to_value(answer).unwrap())
    };
    assert_eq!(ask(json!(["client"])).await.unwrap()["context"]["clientId"], "client");
    let several = ask(json!(["client", "other"])).await;
    assert_eq!(several, Err(Failure::Unauthorized), "which one could be revoked?");
}

#[tokio::test]
async fn revocations_that_can_t_be_looked_up_let_nobody_through() {
    let mut bench = Bench::new("").await;
    let text = format!(
        "[[issuer]]\nurl = \"{}\"\nclients = \"any\"\ntoken_use = \"any\"\n\
         [[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n\
         [revocation]\ntable = \"tollgate\"\n",
        bench.iss
    );
    let config = Config::parse(&text, "test").unwrap();
    bench.authorizer = Authorizer::new(config, None, bench.clock.clone()).unwrap();
    let outcome = bench.call(&bench.token(&json!({})), ARN).await;
    assert_eq!(outcome, Err(Failure::Internal { code: "config" }));
}
