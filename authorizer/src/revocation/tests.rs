//! Revocations in an embedded DynamoDB-compatible server, under a set clock.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use table::{Client, Connect};
use throttle::ManualClock;

use super::*;
use crate::claims::checks_for_tests;
use crate::refusal::Code;
use crate::token::Payload;

pub(crate) const TABLE: &str = "tollgate";
const KEEP: Duration = Duration::from_secs(60);

/// A server in memory with a table in it; it ends with the test's process.
pub(crate) async fn serve() -> Client {
    let (tell, told) = mpsc::channel();
    // SQLite blocks the threads that it runs on, so it gets its own.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()).await;
        });
    });
    let client = connect(&format!("http://{}", told.recv().unwrap())).await;
    assert!(table::create(&client, TABLE).await.unwrap());
    client
}

/// Patient: a busy test machine is no outage.
pub(crate) async fn connect(url: &str) -> Client {
    let patience = Duration::from_secs(30);
    Connect::emulator(url).operation_timeout(patience).connect_timeout(patience).client().await
}

/// The table, as an operator writes it, and as the authorizer reads it.
struct Bench {
    client: Client,
    written: table::Revocations,
    read: Revocations<ManualClock>,
    clock: ManualClock,
}

fn config(more: &str) -> RevocationConfig {
    toml::from_str(&format!("table = \"{TABLE}\"\n{more}")).unwrap()
}

impl Bench {
    async fn new(more: &str) -> Self {
        Self::at(serve().await, more)
    }

    fn at(client: Client, more: &str) -> Self {
        let clock = ManualClock::default();
        let written = table::Revocations::new(client.clone(), TABLE);
        let read = Revocations::new(written.clone(), config(more), clock.clone());
        Self { client, written, read, clock }
    }

    /// A token of the pool, issued ten seconds before the clock's start.
    fn claims(&self, changes: &Value) -> Claims {
        let now = ManualClock::default().now().as_secs();
        let mut members = json!({
            "sub": "user", "iss": "i", "client_id": "client", "token_use": "access",
            "iat": now - 10, "exp": now + 3_600, "jti": "token", "origin_jti": "session",
        });
        members.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let Value::Object(mut members) = members else { panic!("an object") };
        members.retain(|_, value| !value.is_null());
        let payload = Payload::of(members);
        Claims::check(payload, false, &[&Arc::new(checks_for_tests())], Duration::from_secs(now))
            .unwrap()
    }

    async fn check(&self, claims: &Claims) -> Result<Option<RevocationKind>, Code> {
        self.read.check(claims).await.outcome.map_err(Refusal::code)
    }

    async fn revoke(&self, target: Revocable) {
        let now = self.clock.now();
        let expires = now.saturating_add(Duration::from_secs(7_200));
        self.written.put(&Revocation::new(target, now, expires)).await.unwrap();
    }
}

const POOL: &str = "us-east-1_abc";

#[tokio::test]
async fn a_token_is_revoked_by_each_of_its_names() {
    let bench = Bench::new("cache_seconds = 0").await;
    let claims = bench.claims(&json!({}));
    for (target, kind) in [
        (Revocable::token(POOL, "token"), RevocationKind::Token),
        (Revocable::session(POOL, "session"), RevocationKind::Session),
        (Revocable::user(POOL, "user"), RevocationKind::User),
        (Revocable::client(POOL, "client"), RevocationKind::Client),
    ] {
        assert_eq!(bench.check(&claims).await, Ok(None), "{kind:?}");
        bench.revoke(target).await;
        assert_eq!(bench.check(&claims).await, Ok(Some(kind)));
        bench.written.delete(&target).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_else_is_revoked_with_it() {
    let bench = Bench::new("cache_seconds = 0").await;
    for target in [
        Revocable::user("another-issuer", "user"),
        Revocable::user(POOL, "client"),
        Revocable::token(POOL, "session"),
        Revocable::client(POOL, "other"),
    ] {
        bench.revoke(target).await;
    }
    assert_eq!(bench.check(&bench.claims(&json!({}))).await, Ok(None));
}

#[tokio::test]
async fn a_user_who_signs_in_again_is_let_in_again() {
    let bench = Bench::new("cache_seconds = 0").await;
    let now = bench.clock.now().as_secs();
    bench.revoke(Revocable::user(POOL, "user")).await;
    let later = bench.claims(&json!({"iat": now + 10}));
    assert_eq!(bench.check(&later).await, Ok(None));
    let old = bench.claims(&json!({"iat": now - 1}));
    assert_eq!(bench.check(&old).await, Ok(Some(RevocationKind::User)));
    bench.clock.advance(Duration::from_secs(7_200));
    assert_eq!(bench.check(&old).await, Ok(None), "expired, and not deleted yet");
}

/// A token with a time ahead was issued before it says, perhaps before the revocation.
#[tokio::test]
async fn a_revocation_reaches_tokens_of_an_issuer_whose_clock_is_ahead() {
    let bench = Bench::new("cache_seconds = 0").await;
    let now = bench.clock.now().as_secs();
    bench.revoke(Revocable::user(POOL, "user")).await;
    bench.clock.advance(Duration::from_secs(1));
    let fraction =
        |seconds: u64, rest: &str| -> Value { format!("{seconds}.{rest}").parse().unwrap() };
    for (changes, is_revoked) in [
        (json!({"iat": now + 9}), true),
        (json!({"iat": fraction(now + 9, "999")}), true),
        (json!({"iat": now + 10}), false),
        (json!({"iat": now + 10, "auth_time": fraction(now + 9, "5")}), true),
        (json!({"iat": now + 10, "auth_time": now + 10}), false),
        // A refresh keeps the time of the sign-in.
        (json!({"iat": now + 10, "auth_time": fraction(now - 101, "75")}), true),
    ] {
        let expected = is_revoked.then_some(RevocationKind::User);
        assert_eq!(bench.check(&bench.claims(&changes)).await, Ok(expected), "{changes}");
    }
    let mut checks = checks_for_tests();
    checks.leeway = 30;
    let lenient = |iat: u64| {
        let members = json!({"sub": "user", "iss": "i", "client_id": "client",
            "token_use": "access", "iat": iat, "exp": now + 3_600});
        let payload = Payload::of(members.as_object().unwrap().clone());
        Claims::check(payload, false, &[&Arc::new(checks.clone())], Duration::from_secs(now))
            .unwrap()
    };
    assert_eq!(bench.check(&lenient(now + 29)).await, Ok(Some(RevocationKind::User)));
    assert_eq!(bench.check(&lenient(now + 30)).await, Ok(None));
}

#[tokio::test]
async fn an_answer_is_kept_for_the_stated_time_and_no_longer() {
    let bench = Bench::new("").await;
    let claims = bench.claims(&json!({}));
    assert_eq!(bench.check(&claims).await, Ok(None));
    let target = Revocable::token(POOL, "token");
    bench.revoke(target).await;
    bench.clock.advance(KEEP - Duration::from_nanos(1));
    assert_eq!(bench.check(&claims).await, Ok(None), "kept");
    assert_eq!(
        bench.check(&bench.claims(&json!({"origin_jti": "x"}))).await,
        Ok(Some(RevocationKind::Token)),
        "another token's answer is its own"
    );
    bench.clock.advance(Duration::from_nanos(1));
    assert_eq!(bench.check(&claims).await, Ok(Some(RevocationKind::Token)));
    bench.written.delete(&target).await.unwrap();
    assert_eq!(bench.check(&claims).await, Ok(Some(RevocationKind::Token)), "kept too");
    bench.clock.advance(KEEP);
    assert_eq!(bench.check(&claims).await, Ok(None));
}

/// Two clocks that can be set apart from each other; in seconds.
#[derive(Clone)]
struct LooseClock(Arc<Mutex<(u64, u64)>>);

impl Clock for LooseClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0.lock().unwrap().0)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.lock().unwrap().1)
    }
}

#[tokio::test]
async fn neither_a_frozen_clock_nor_one_set_back_keeps_an_answer_longer() {
    let bench = Bench::new("").await;
    let start = bench.clock.now().as_secs();
    for (wall, monotonic, fresh) in [
        (start + 59, 0, false),
        (start + 60, 0, true),
        (start - 1_000, 59, false),
        (start - 1_000, 60, true),
    ] {
        let clock = LooseClock(Arc::new(Mutex::new((start, 0))));
        let read = Revocations::new(bench.written.clone(), config(""), clock.clone());
        let claims = bench.claims(&json!({}));
        assert_eq!(read.check(&claims).await.outcome, Ok(None));
        let target = Revocable::token(POOL, "token");
        bench.revoke(target).await;
        *clock.0.lock().unwrap() = (wall, monotonic);
        let expected = fresh.then_some(RevocationKind::Token);
        assert_eq!(read.check(&claims).await.outcome, Ok(expected), "{wall} {monotonic}");
        bench.written.delete(&target).await.unwrap();
    }
}

#[tokio::test]
async fn a_refresh_does_not_bring_back_who_was_revoked() {
    let bench = Bench::new("cache_seconds = 0").await;
    let now = bench.clock.now().as_secs();
    let refreshed = bench.claims(&json!({"iat": now, "auth_time": now - 100}));
    let signed_in = bench.claims(&json!({"iat": now + 10, "auth_time": now + 10}));
    for (target, kind) in [
        (Revocable::user(POOL, "user"), RevocationKind::User),
        (Revocable::client(POOL, "client"), RevocationKind::Client),
    ] {
        bench.revoke(target).await;
        assert_eq!(bench.check(&refreshed).await, Ok(Some(kind)), "signed in before");
        assert_eq!(bench.check(&signed_in).await, Ok(None), "signed in again");
        bench.written.delete(&target).await.unwrap();
    }
    bench.revoke(Revocable::user(POOL, "user")).await;
    let unsaid = bench.claims(&json!({"iat": null, "auth_time": now}));
    assert_eq!(bench.check(&unsaid).await, Ok(Some(RevocationKind::User)), "issued when?");
}

#[tokio::test]
async fn a_client_named_as_the_only_audience_is_revoked() {
    let bench = Bench::new("cache_seconds = 0").await;
    let mut checks = checks_for_tests();
    checks.token_use = crate::config::TokenUse::Id;
    let now = bench.clock.now().as_secs();
    let Value::Object(members) = json!({
        "sub": "user", "iss": "i", "aud": ["client"], "token_use": "id",
        "iat": now - 10, "exp": now + 3_600,
    }) else {
        panic!("an object")
    };
    let claims =
        Claims::check(Payload::of(members), false, &[&Arc::new(checks)], Duration::from_secs(now))
            .unwrap();
    assert_eq!(bench.check(&claims).await, Ok(None));
    bench.revoke(Revocable::client(POOL, "client")).await;
    assert_eq!(bench.check(&claims).await, Ok(Some(RevocationKind::Client)));
}

/// A client of an address where nobody is.
async fn dead() -> Client {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    connect(&url).await
}

#[tokio::test]
async fn while_the_table_is_out_it_closes_unless_the_configuration_says_open() {
    let closed = Bench::at(dead().await, "");
    assert_eq!(closed.check(&closed.claims(&json!({}))).await, Err(Code::Unavailable));
    assert!(!Code::Unavailable.is_callers_fault() && Code::Revoked.is_callers_fault());
    let open = Bench::at(dead().await, "failure = \"open\"");
    assert_eq!(open.check(&open.claims(&json!({}))).await, Ok(None));
}

#[tokio::test]
async fn a_table_that_is_not_there_closes_whatever_the_configuration_says() {
    let client = serve().await;
    for failure in ["closed", "open"] {
        let mut config = config(&format!("failure = \"{failure}\""));
        config.table = "other".into();
        let bench = Bench::at(client.clone(), "");
        let table = table::Revocations::new(client.clone(), "other");
        let read = Revocations::new(table, config, bench.clock.clone());
        let refused = read.check(&bench.claims(&json!({}))).await.outcome.map_err(Refusal::code);
        assert_eq!(refused, Err(Code::Config), "{failure}");
    }
}

#[tokio::test]
async fn a_check_says_whether_the_table_was_asked_for_it() {
    let bench = Bench::new("").await;
    let claims = bench.claims(&json!({}));
    assert_eq!(
        bench.read.check(&claims).await.asked,
        Some(Duration::ZERO),
        "on a clock that stands"
    );
    assert_eq!(bench.read.check(&claims).await.asked, None, "kept");
    bench.clock.advance(KEEP);
    assert!(bench.read.check(&claims).await.asked.is_some());
    let never = Bench::at(bench.client.clone(), "cache_seconds = 0");
    for _ in 0..2 {
        assert!(never.read.check(&claims).await.asked.is_some());
    }
    let out = Bench::at(dead().await, "failure = \"open\"");
    let check = out.read.check(&claims).await;
    assert!(check.outcome.is_ok() && check.asked.is_some(), "in vain, and it took its time");
}

#[tokio::test]
async fn the_table_can_be_asked_ahead() {
    let bench = Bench::new("").await;
    assert_eq!(bench.read.warm().await, Ok(()));
    let claims = bench.claims(&json!({}));
    assert!(bench.read.check(&claims).await.asked.is_some(), "no token's answer is known by that");
    assert!(Bench::at(dead().await, "").read.warm().await.is_err());
    let missing = table::Revocations::new(bench.client.clone(), "other");
    let read = Revocations::new(missing, config(""), bench.clock.clone());
    assert!(read.warm().await.is_err(), "it really asked");
}

#[test]
fn debug_shows_no_name() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bench = Bench::at(dead().await, "");
        assert!(!format!("{:?}", bench.read).contains("user"));
    });
}
