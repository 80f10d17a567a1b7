//! Key sets under a manual clock, fetched from a real HTTP server that the test controls.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use throttle::{Clock, ManualClock, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::source::{BUNDLE_TRUST, DOUBT_AGE, HARD_AGE, LOST, PENALTY, SOFT_AGE, UNKNOWN_EVERY};
use super::*;
use crate::record::Captured;
use crate::refusal::{Code, Refusal};

fn client() -> Client {
    crate::http::client(true, false).unwrap()
}

/// Response of the key endpoint to the next requests.
#[derive(Clone)]
enum Behaviour {
    Keys(Vec<&'static str>),
    Status(u16),
    Body(Vec<u8>),
    Redirect(String),
    Drip,
    Hang,
    /// Answers once it is told to.
    Gate(Arc<Notify>, Vec<&'static str>),
    /// Another key under the same name.
    Changed(&'static str),
    Slow(Duration, Vec<&'static str>),
    Partial(Vec<&'static str>),
}

struct Endpoint {
    behaviour: Mutex<Behaviour>,
    fetches: AtomicUsize,
}

fn set_of(kids: &[&str]) -> String {
    let keys: Vec<_> = kids
        .iter()
        .map(|kid| {
            json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "e": "AQAB",
                "n": URL_SAFE_NO_PAD.encode([0xc5; 256])})
        })
        .collect();
    json!({ "keys": keys }).to_string()
}

async fn answer(State(endpoint): State<Arc<Endpoint>>) -> Response {
    endpoint.fetches.fetch_add(1, Ordering::SeqCst);
    let behaviour = endpoint.behaviour.lock().unwrap().clone();
    match behaviour {
        Behaviour::Keys(kids) => set_of(&kids).into_response(),
        Behaviour::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Behaviour::Body(body) => body.into_response(),
        Behaviour::Redirect(to) => Redirect::temporary(&to).into_response(),
        Behaviour::Partial(kids) => (StatusCode::PARTIAL_CONTENT, set_of(&kids)).into_response(),
        Behaviour::Hang => pending().await,
        Behaviour::Gate(gate, kids) => {
            gate.notified().await;
            set_of(&kids).into_response()
        }
        Behaviour::Changed(kid) => set_of(&[kid]).replace("xcXF", "x8fH").into_response(),
        Behaviour::Drip => {
            let bytes = futures_util::stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Some((Ok::<_, std::io::Error>(" "), ()))
            });
            axum::body::Body::from_stream(bytes).into_response()
        }
        Behaviour::Slow(delay, kids) => {
            tokio::time::sleep(delay).await;
            set_of(&kids).into_response()
        }
    }
}

/// Key sources of several issuers, as a verifier has them.
struct KeySets<C> {
    sources: Vec<Arc<KeySource<C>>>,
    fetches: Arc<Fetches>,
}

impl<C: Clock + Clone> KeySets<C> {
    fn new(identities: Vec<Identity>, clock: &C, client: Client) -> Self {
        let fetches = Arc::<Fetches>::default();
        let shared = Arc::clone(&fetches);
        let source = move |identity| {
            KeySource::new(identity, client.clone(), Arc::clone(&shared), clock.clone())
        };
        let sources = identities.into_iter().map(source).collect();
        Self { sources, fetches }
    }

    fn of(&self, iss: &str) -> &Arc<KeySource<C>> {
        self.sources.iter().find(|source| source.identity().iss == iss).unwrap()
    }

    async fn prefetch(&self) {
        join_all(self.sources.iter().map(KeySource::prefetch)).await;
    }

    async fn key(&self, iss: &str, kid: &str) -> Result<Arc<Keys>, Refusal> {
        self.of(iss).key(kid).await
    }

    async fn again(&self, iss: &str, kid: &str, failed: &Arc<Keys>) -> Option<Arc<Keys>> {
        self.of(iss).again(kid, failed).await
    }
}

/// Key sets of one issuer, its endpoint, and the clock.
struct Bench {
    keys: KeySets<ManualClock>,
    endpoint: Arc<Endpoint>,
    clock: ManualClock,
    iss: String,
}

impl Bench {
    async fn new(behaviour: Behaviour) -> Self {
        let endpoint =
            Arc::new(Endpoint { behaviour: Mutex::new(behaviour), fetches: AtomicUsize::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let iss = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&endpoint));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let identity = Identity {
            iss: iss.clone(),
            tenants: None,
            proxy: false,
            jwks_uri: Some(iss.parse().unwrap()),
            prefetch: true,
            bundle: None,
        };
        let clock = ManualClock::default();
        let keys = KeySets::new(vec![identity], &clock, client());
        Self { keys, endpoint, clock, iss }
    }

    fn becomes(&self, behaviour: Behaviour) {
        *self.endpoint.behaviour.lock().unwrap() = behaviour;
    }

    fn fetches(&self) -> usize {
        self.endpoint.fetches.load(Ordering::SeqCst)
    }

    async fn code(&self, kid: &str) -> Option<Code> {
        self.keys.key(&self.iss, kid).await.err().map(Refusal::code)
    }
}

#[tokio::test]
async fn a_set_is_fetched_once_and_served_while_it_is_fresh() {
    let bench = Bench::new(Behaviour::Keys(vec!["a", "b"])).await;
    bench.keys.prefetch().await;
    assert_eq!(bench.fetches(), 1);
    for _ in 0..10 {
        assert_eq!(bench.code("a").await, None);
        assert_eq!(bench.code("b").await, None);
        bench.clock.advance(Duration::from_secs(59));
    }
    assert_eq!(bench.fetches(), 1);
}

#[tokio::test]
async fn an_ageing_set_is_refreshed_by_the_request_that_meets_it() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    assert_eq!(bench.code("a").await, None);
    bench.becomes(Behaviour::Keys(vec!["b"]));
    bench.clock.advance(SOFT_AGE);
    assert_eq!(bench.code("b").await, None);
    assert_eq!(bench.code("a").await, Some(Code::Key), "a removed key is dropped");
    assert_eq!(bench.fetches(), 3, "the third for the kid that is not there any more");
}

#[tokio::test]
async fn an_old_set_is_served_while_the_endpoint_is_down_until_its_hard_age() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    assert_eq!(bench.code("a").await, None);
    bench.becomes(Behaviour::Status(503));
    bench.clock.advance(HARD_AGE - Duration::from_nanos(1));
    assert_eq!(bench.code("a").await, None);
    bench.clock.advance(Duration::from_nanos(1));
    assert_eq!(bench.code("a").await, Some(Code::Unavailable), "not a 401");
    bench.clock.advance(PENALTY);
    bench.becomes(Behaviour::Keys(vec!["a"]));
    assert_eq!(bench.code("a").await, None, "it recovers by itself");
}

#[tokio::test]
async fn a_dead_endpoint_is_not_hammered() {
    let bench = Bench::new(Behaviour::Status(500)).await;
    for _ in 0..50 {
        assert_eq!(bench.code("a").await, Some(Code::Unavailable));
    }
    assert_eq!(bench.fetches(), 1);
    bench.clock.advance(PENALTY);
    assert_eq!(bench.code("a").await, Some(Code::Unavailable));
    assert_eq!(bench.fetches(), 2);
}

#[tokio::test]
async fn a_rotation_is_seen_by_the_first_token_of_the_new_key() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    assert_eq!(bench.code("a").await, None);
    bench.becomes(Behaviour::Keys(vec!["a", "b"]));
    assert_eq!(bench.code("b").await, None);
    assert_eq!(bench.fetches(), 2);
}

#[tokio::test]
async fn a_kid_that_a_young_set_lacks_is_refused() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    assert_eq!(bench.code("a").await, None);
    bench.becomes(Behaviour::Status(503));
    for _ in 0..2 {
        assert_eq!(bench.code("random").await, Some(Code::Key), "no matter that a fetch fails");
        bench.clock.advance(UNKNOWN_EVERY / 2 - Duration::from_nanos(1));
    }
    bench.clock.advance(Duration::from_nanos(1));
    assert_eq!(bench.code("random").await, Some(Code::Key));
    bench.clock.advance(Duration::from_nanos(1));
    assert_eq!(bench.code("random").await, Some(Code::Unavailable), "the set cannot be fetched");
}

#[tokio::test]
async fn a_flood_of_random_kids_is_refused_and_hides_no_rotation() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    assert_eq!(bench.code("a").await, None);
    for kid in 0..600 {
        assert_eq!(bench.code(&format!("random-{kid}")).await, Some(Code::Key));
        bench.clock.advance(Duration::from_millis(100));
    }
    assert_eq!(bench.fetches(), 1 + 4 + 5, "the first, four at once, and one in ten seconds");
    // The keys rotate while the flood goes on: its next fetch brings the new key.
    bench.becomes(Behaviour::Keys(vec!["b"]));
    assert_eq!(bench.code("random").await, Some(Code::Key));
    bench.clock.advance(UNKNOWN_EVERY);
    assert_eq!(bench.code("b").await, None);
}

#[tokio::test]
async fn many_requests_at_once_make_one_fetch() {
    let slow = Behaviour::Slow(Duration::from_millis(50), vec!["a"]);
    let bench = Arc::new(Bench::new(slow).await);
    let requests: Vec<_> = (0..50)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.code("a").await })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), None);
    }
    assert_eq!(bench.fetches(), 1);
}

#[tokio::test]
async fn a_bad_answer_never_replaces_a_good_set() {
    let elsewhere = Bench::new(Behaviour::Keys(vec!["evil"])).await;
    for bad in [
        Behaviour::Status(403),
        Behaviour::Status(204),
        Behaviour::Body(b"<html>sign in</html>".to_vec()),
        Behaviour::Body(b"{\"keys\":[]}".to_vec()),
        Behaviour::Body([set_of(&["evil"]).into_bytes(), vec![b' '; 150_000]].concat()),
        Behaviour::Redirect(elsewhere.iss.clone()),
    ] {
        let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
        assert_eq!(bench.code("a").await, None);
        bench.becomes(bad);
        bench.clock.advance(SOFT_AGE);
        assert_eq!(bench.code("a").await, None, "the old set is served");
        assert_eq!(bench.code("evil").await, Some(Code::Unavailable), "not a 401");
    }
    assert_eq!(elsewhere.fetches(), 0, "no redirect was followed");
}

#[tokio::test]
async fn an_endpoint_that_never_comes_to_an_end_costs_a_bounded_time() {
    for behaviour in [Behaviour::Hang, Behaviour::Drip] {
        let bench = Bench::new(behaviour).await;
        let outcome = tokio::time::timeout(Duration::from_secs(30), bench.code("a")).await;
        assert_eq!(outcome.expect("bounded"), Some(Code::Unavailable));
    }
}

#[tokio::test]
async fn a_set_is_read_up_to_its_bound_and_no_further() {
    let padded = |length: usize| {
        let set = set_of(&["a"]).into_bytes();
        let padding = vec![b' '; length - set.len()];
        Behaviour::Body([set, padding].concat())
    };
    assert_eq!(Bench::new(padded(150_000)).await.code("a").await, None);
    assert_eq!(Bench::new(padded(150_001)).await.code("a").await, Some(Code::Unavailable));
}

#[tokio::test]
async fn while_an_old_set_is_served_a_dead_endpoint_costs_few_requests_their_time() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    assert_eq!(bench.code("a").await, None);
    bench.becomes(Behaviour::Status(503));
    bench.clock.advance(SOFT_AGE);
    for _ in 0..59 {
        assert_eq!(bench.code("a").await, None);
        bench.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(bench.fetches(), 1 + 2, "one in thirty seconds");
    bench.becomes(Behaviour::Keys(vec!["a", "b"]));
    assert_eq!(bench.code("b").await, None, "a rotation does not wait for that");
}

/// Two clocks that can be set apart from each other, and back.
#[derive(Clone, Default)]
struct LooseClock(Arc<Mutex<(u64, u64)>>);

impl LooseClock {
    fn set(&self, wall: u64, monotonic: u64) {
        *self.0.lock().unwrap() = (wall, monotonic);
    }
}

impl Clock for LooseClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0.lock().unwrap().0)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.lock().unwrap().1)
    }
}

const DAY: u64 = 86_400;

/// The bench's endpoint under a clock that can be set back.
async fn loose(behaviour: Behaviour) -> (Bench, KeySets<LooseClock>, LooseClock) {
    let bench = Bench::new(behaviour).await;
    let clock = LooseClock::default();
    clock.set(20_000 * DAY, 0);
    let identity = bench.keys.sources[0].identity().clone();
    let keys = KeySets::new(vec![identity], &clock, client());
    (bench, keys, clock)
}

#[tokio::test]
async fn a_clock_set_back_does_not_keep_fetches_away() {
    let (bench, keys, clock) = loose(Behaviour::Status(500)).await;
    assert!(keys.key(&bench.iss, "a").await.is_err());
    bench.becomes(Behaviour::Keys(vec!["a"]));
    clock.set(19_999 * DAY, 1);
    assert!(keys.key(&bench.iss, "a").await.is_ok(), "the penalty has passed");

    assert!(keys.key(&bench.iss, "x").await.is_err());
    clock.set(19_998 * DAY, 11);
    bench.becomes(Behaviour::Keys(vec!["b"]));
    assert!(keys.key(&bench.iss, "b").await.is_ok(), "the set is ten seconds old");
}

#[tokio::test]
async fn a_frozen_clock_does_not_keep_fetches_away() {
    let (bench, keys, clock) = loose(Behaviour::Keys(vec!["a"])).await;
    assert!(keys.key(&bench.iss, "a").await.is_ok());
    clock.set(20_000 * DAY + 10, 0);
    bench.becomes(Behaviour::Keys(vec!["b"]));
    assert!(keys.key(&bench.iss, "b").await.is_ok(), "the set is ten seconds old");
    bench.becomes(Behaviour::Status(500));
    clock.set(20_000 * DAY + 20, 0);
    for _ in 0..10 {
        assert!(keys.key(&bench.iss, "c").await.is_err());
    }
    bench.becomes(Behaviour::Keys(vec!["c"]));
    clock.set(20_000 * DAY + 21, 0);
    assert!(keys.key(&bench.iss, "c").await.is_ok(), "the penalty has passed");
}

#[tokio::test]
async fn neither_a_clock_set_back_nor_a_frozen_one_makes_a_set_eternal() {
    let (bench, keys, clock) = loose(Behaviour::Keys(vec!["a"])).await;
    assert!(keys.key(&bench.iss, "a").await.is_ok());
    bench.becomes(Behaviour::Status(500));
    clock.set(19_000 * DAY, HARD_AGE.as_secs());
    assert!(keys.key(&bench.iss, "a").await.is_err(), "set back");
    clock.set(20_000 * DAY + HARD_AGE.as_secs(), 1);
    assert!(keys.key(&bench.iss, "a").await.is_err(), "frozen");
}

#[tokio::test]
async fn an_issuer_s_second_name_without_keys_is_not_an_outage() {
    let bench = Bench::new(Behaviour::Status(403)).await;
    let first = bench.keys.sources[0].identity().clone();
    let second = Identity { iss: "https://second.example".into(), prefetch: false, ..first };
    let keys = KeySets::new(vec![second.clone()], &bench.clock, client());
    keys.prefetch().await;
    assert_eq!(bench.fetches(), 0, "only when a token names it");
    for _ in 0..50 {
        let refused = keys.key(&second.iss, "a").await.err().unwrap();
        assert_eq!(refused.code(), Code::Key, "anybody can send such a token");
    }
    assert_eq!(bench.fetches(), 1 + 4);
    assert_eq!(bench.code("a").await, Some(Code::Unavailable), "of the first name it is an outage");
    bench.becomes(Behaviour::Keys(vec!["a"]));
    bench.clock.advance(UNKNOWN_EVERY);
    assert!(keys.key(&second.iss, "a").await.is_ok(), "and the pool may switch later");
}

#[tokio::test]
async fn a_rotation_that_can_t_be_seen_is_not_a_401() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    assert_eq!(bench.code("a").await, None);
    bench.becomes(Behaviour::Status(503));
    bench.clock.advance(UNKNOWN_EVERY);
    for kid in 0..40 {
        for _ in 0..2 {
            assert_eq!(bench.code(&format!("new-{kid}")).await, Some(Code::Unavailable), "{kid}");
        }
        assert_eq!(bench.code("a").await, None, "the keys that are known go on");
        bench.clock.advance(PENALTY + Duration::from_millis(100));
    }
    assert_eq!(bench.fetches(), 1 + 4 + 3, "four at once, and one in ten seconds");
}

#[tokio::test]
async fn random_kids_cost_a_dead_endpoint_no_fetch_a_second_once_the_set_is_old() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    assert_eq!(bench.code("a").await, None);
    bench.becomes(Behaviour::Status(503));
    bench.clock.advance(SOFT_AGE);
    for kid in 0..60 {
        assert_eq!(bench.code(&format!("random-{kid}")).await, Some(Code::Unavailable));
        bench.clock.advance(PENALTY);
    }
    assert_eq!(bench.fetches(), 1 + 1 + 4 + 5, "the refresh, four at once, and one in ten seconds");
    bench.becomes(Behaviour::Keys(vec!["b"]));
    bench.clock.advance(UNKNOWN_EVERY);
    assert_eq!(bench.code("b").await, None, "it recovers by itself");
}

#[tokio::test]
async fn a_key_that_was_withdrawn_is_a_401_while_the_endpoint_is_down_too() {
    let bench = Bench::new(Behaviour::Keys(vec!["a", "b"])).await;
    assert_eq!(bench.code("a").await, None);
    bench.becomes(Behaviour::Keys(vec!["b"]));
    bench.clock.advance(SOFT_AGE);
    assert_eq!(bench.code("random").await, Some(Code::Key));
    bench.becomes(Behaviour::Status(503));
    bench.clock.advance(UNKNOWN_EVERY);
    assert_eq!(bench.code("random").await, Some(Code::Unavailable));
    assert_eq!(
        bench.code("a").await,
        Some(Code::Key),
        "its tokens are to be given up, not retried"
    );
    bench.becomes(Behaviour::Keys(vec!["a"]));
    bench.clock.advance(UNKNOWN_EVERY);
    assert_eq!(bench.code("a").await, None, "an issuer may publish it again");
}

#[tokio::test]
async fn requests_that_are_given_up_do_not_hammer_a_dead_endpoint() {
    let bench = Bench::new(Behaviour::Hang).await;
    for _ in 0..10 {
        let _ = tokio::time::timeout(Duration::from_millis(30), bench.code("a")).await;
    }
    assert_eq!(bench.fetches(), 1);
    bench.becomes(Behaviour::Keys(vec!["a"]));
    bench.clock.advance(LOST);
    assert_eq!(bench.code("a").await, None, "and the fetch that was left behind is begun again");
    assert_eq!(bench.fetches(), 2);
}

#[tokio::test]
async fn what_a_request_left_behind_is_taken_up_by_the_next() {
    let gate = Arc::new(Notify::new());
    let bench = Bench::new(Behaviour::Gate(Arc::clone(&gate), vec!["a"])).await;
    let given_up = tokio::time::timeout(Duration::from_millis(50), bench.code("a")).await;
    assert!(given_up.is_err());
    gate.notify_one();
    assert_eq!(bench.code("a").await, None);
    assert_eq!(bench.fetches(), 1);
}

#[tokio::test]
async fn a_request_that_has_its_key_does_not_wait_for_a_refresh_that_hangs() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    assert_eq!(bench.code("a").await, None);
    let gate = Arc::new(Notify::new());
    bench.becomes(Behaviour::Gate(Arc::clone(&gate), vec!["a", "b"]));
    bench.clock.advance(SOFT_AGE);
    // The endpoint answers only after the request has had its answer.
    for _ in 0..3 {
        assert_eq!(bench.code("a").await, None);
    }
    assert_eq!(bench.fetches(), 2, "the next ones take up the same fetch");
    gate.notify_one();
    assert_eq!(bench.code("b").await, None, "a kid that is missing waits for it");
    assert_eq!(bench.fetches(), 2);
}

#[tokio::test]
async fn a_fetch_that_froze_with_its_environment_is_begun_again() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    assert_eq!(bench.code("a").await, None);
    bench.becomes(Behaviour::Hang);
    bench.clock.advance(SOFT_AGE);
    assert_eq!(bench.code("a").await, None);
    bench.becomes(Behaviour::Keys(vec!["b"]));
    bench.clock.advance(LOST - Duration::from_nanos(1));
    assert_eq!(bench.code("a").await, None);
    assert_eq!(bench.fetches(), 2);
    bench.clock.advance(Duration::from_nanos(1));
    assert_eq!(bench.code("b").await, None);
    assert_eq!(bench.fetches(), 3);
    let told: Vec<bool> = bench.keys.fetches.take().iter().map(|one| one.succeeded).collect();
    assert_eq!(told, [true, false, true], "the lost one is told of");
}

#[tokio::test]
async fn what_a_lost_fetch_brings_at_last_does_not_replace_what_a_later_one_brings() {
    let (first, second) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let bench = Arc::new(Bench::new(Behaviour::Gate(Arc::clone(&first), vec!["old"])).await);
    let ask = |kid: &'static str| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.code(kid).await })
    };
    let fetched = async |count: usize| {
        while bench.fetches() < count {
            tokio::task::yield_now().await;
        }
    };
    let old = ask("old");
    fetched(1).await;
    bench.becomes(Behaviour::Gate(Arc::clone(&second), vec!["new"]));
    bench.clock.advance(LOST);
    let new = ask("new");
    fetched(2).await;
    first.notify_one();
    assert_eq!(old.await.unwrap(), Some(Code::Unavailable));
    second.notify_one();
    assert_eq!(new.await.unwrap(), None);
    assert_eq!(bench.fetches(), 2);
}

#[tokio::test]
async fn an_endpoint_that_has_recovered_is_no_outage() {
    let bench = Bench::new(Behaviour::Status(503)).await;
    assert_eq!(bench.code("a").await, Some(Code::Unavailable));
    bench.clock.advance(PENALTY);
    bench.becomes(Behaviour::Keys(vec!["a"]));
    assert_eq!(bench.code("a").await, None);
    assert_eq!(bench.code("x").await, Some(Code::Key));
}

#[tokio::test]
async fn a_key_that_changes_under_its_name_is_seen_when_a_signature_fails() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    let known = bench.keys.key(&bench.iss, "a").await.unwrap();
    bench.becomes(Behaviour::Changed("a"));
    bench.clock.advance(DOUBT_AGE - Duration::from_nanos(1));
    for _ in 0..50 {
        assert!(bench.keys.again(&bench.iss, "a", &known).await.is_none(), "the set is young");
    }
    assert_eq!(bench.fetches(), 1);
    bench.clock.advance(Duration::from_nanos(1));
    assert!(bench.keys.again(&bench.iss, "a", &known).await.is_some());
    for _ in 0..50 {
        assert!(bench.keys.again(&bench.iss, "a", &known).await.is_some(), "no fetch for each");
    }
    assert_eq!(bench.fetches(), 2);
}

#[tokio::test]
async fn forged_signatures_neither_hammer_a_dead_endpoint_nor_take_the_keys_away() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    let known = bench.keys.key(&bench.iss, "a").await.unwrap();
    bench.becomes(Behaviour::Status(503));
    bench.clock.advance(DOUBT_AGE);
    for _ in 0..29 {
        assert!(bench.keys.again(&bench.iss, "a", &known).await.is_none());
        bench.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(bench.fetches(), 2);
    assert_eq!(bench.code("a").await, None);
}

/// The bench's issuer with bundled keys.
fn bundled(bench: &Bench, kids: &[&str]) -> KeySets<ManualClock> {
    let identity = bench.keys.sources[0].identity().clone();
    let bundle = Some(Bundle::of_text(&set_of(kids)).unwrap());
    KeySets::new(vec![Identity { bundle, ..identity }], &bench.clock, client())
}

#[tokio::test]
async fn bundled_keys_need_no_network_and_give_way_to_fetched_ones() {
    let bench = Bench::new(Behaviour::Keys(vec!["b"])).await;
    let keys = bundled(&bench, &["a"]);
    keys.prefetch().await;
    assert!(keys.key(&bench.iss, "a").await.is_ok());
    bench.clock.advance(BUNDLE_TRUST - Duration::from_nanos(1));
    assert!(keys.key(&bench.iss, "a").await.is_ok());
    assert_eq!(bench.fetches(), 0);
    bench.clock.advance(Duration::from_nanos(1));
    let _ = keys.key(&bench.iss, "a").await;
    assert_eq!(bench.fetches(), 1);
    assert!(keys.key(&bench.iss, "b").await.is_ok());
    let refused = keys.key(&bench.iss, "a").await.err().map(Refusal::code);
    assert_eq!(refused, Some(Code::Key), "a key that was withdrawn");
}

#[tokio::test]
async fn bundled_keys_serve_while_the_endpoint_is_down_and_not_for_ever() {
    let bench = Bench::new(Behaviour::Status(503)).await;
    let keys = bundled(&bench, &["a"]);
    let served = HARD_AGE - SOFT_AGE + BUNDLE_TRUST;
    bench.clock.advance(served - Duration::from_nanos(1));
    assert!(keys.key(&bench.iss, "a").await.is_ok());
    bench.clock.advance(Duration::from_nanos(1));
    let refused = keys.key(&bench.iss, "a").await.err().map(Refusal::code);
    assert_eq!(refused, Some(Code::Unavailable));
}

#[tokio::test]
async fn a_kid_that_is_not_bundled_is_fetched_at_once() {
    let bench = Bench::new(Behaviour::Keys(vec!["a", "b"])).await;
    let keys = bundled(&bench, &["a"]);
    assert!(keys.key(&bench.iss, "b").await.is_ok());
    assert_eq!(bench.fetches(), 1);
}

#[tokio::test]
async fn bundled_keys_of_a_name_that_nobody_has_switched_to_are_dropped() {
    let bench = Bench::new(Behaviour::Status(403)).await;
    let identity = bench.keys.sources[0].identity().clone();
    let bundle = Some(Bundle::of_text(&set_of(&["a"])).unwrap());
    let second = Identity { prefetch: false, bundle, ..identity };
    let keys = KeySets::new(vec![second], &bench.clock, client());
    bench.clock.advance(HARD_AGE);
    let refused = keys.key(&bench.iss, "a").await.err().map(Refusal::code);
    assert_eq!(refused, Some(Code::Key), "no outage: anybody can send such a token");
}

#[tokio::test]
async fn an_issuer_that_had_keys_and_has_none_is_an_outage() {
    let bench = Bench::new(Behaviour::Keys(vec!["a"])).await;
    let identity = bench.keys.sources[0].identity().clone();
    let second = Identity { prefetch: false, ..identity };
    let keys = KeySets::new(vec![second], &bench.clock, client());
    assert!(keys.key(&bench.iss, "a").await.is_ok());
    bench.becomes(Behaviour::Status(403));
    bench.clock.advance(SOFT_AGE);
    assert!(keys.key(&bench.iss, "a").await.is_ok(), "the old set is served");
}

/// An endpoint that says these bytes to whoever connects, and closes.
async fn speaks(bytes: Vec<u8>) -> KeySets<ManualClock> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(&bytes).await;
        }
    });
    let jwks_uri = Some(address.parse().unwrap());
    let identity = Identity {
        iss: "i".into(),
        tenants: None,
        proxy: false,
        jwks_uri,
        prefetch: true,
        bundle: None,
    };
    KeySets::new(vec![identity], &ManualClock::default(), client())
}

#[tokio::test]
async fn an_endpoint_that_lies_of_its_answer_s_length_is_not_believed() {
    let set = set_of(&["a"]);
    let answer = |length: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{length}\r\n\r\n{body}");
    let exactly = answer(&format!("content-length: {}", set.len()), &set);
    assert!(speaks(exactly.into_bytes()).await.key("i", "a").await.is_ok());
    for lie in [
        answer(&format!("content-length: {}", set.len() + 1), &set),
        answer(&format!("content-length: {}", set.len() - 1), &set),
        answer("content-length: 99999999999", &set),
        answer("content-length: -1", &set),
        answer(&format!("content-length: {0}\r\ncontent-length: 1", set.len()), &set),
        answer("transfer-encoding: chunked", &format!("{:x}\r\n{set}\r\n", set.len())),
        answer("transfer-encoding: chunked", &format!("ffffffff\r\n{set}")),
        "not HTTP at all".to_owned(),
        String::new(),
    ] {
        let shown = lie.chars().take(60).collect::<String>();
        let refused = speaks(lie.into_bytes()).await.key("i", "a").await.err().map(Refusal::code);
        assert_eq!(refused, Some(Code::Unavailable), "{shown}");
    }
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let endless = "HTTP/1.1 200 OK\r\n\r\n".to_owned() + &" ".repeat(50_000_000);
    let refused = speaks(endless.into_bytes()).await.key("i", "a").await.err().map(Refusal::code);
    assert_eq!(refused, Some(Code::Unavailable));
}

#[tokio::test]
async fn every_issuer_s_keys_are_fetched_before_the_first_request() {
    let benches = [
        Bench::new(Behaviour::Keys(vec!["a"])).await,
        Bench::new(Behaviour::Keys(vec!["a"])).await,
        Bench::new(Behaviour::Keys(vec!["a"])).await,
    ];
    let identities = benches.iter().map(|bench| bench.keys.sources[0].identity().clone()).collect();
    let keys = KeySets::new(identities, &ManualClock::default(), client());
    keys.prefetch().await;
    assert_eq!(benches.each_ref().map(Bench::fetches), [1, 1, 1]);
}

#[tokio::test]
async fn a_part_of_an_answer_is_not_a_key_set() {
    let bench = Bench::new(Behaviour::Partial(vec!["a"])).await;
    assert_eq!(bench.code("a").await, Some(Code::Unavailable), "206");
}

#[tokio::test]
async fn a_key_set_is_asked_for_without_a_coding() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (heard, headers) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let length = socket.read(&mut request).await.unwrap();
        heard.send(String::from_utf8_lossy(&request[..length]).to_lowercase()).unwrap();
    });
    let jwks_uri = Some(address.parse().unwrap());
    let identity = Identity {
        iss: "i".into(),
        tenants: None,
        proxy: false,
        jwks_uri,
        prefetch: true,
        bundle: None,
    };
    let keys = KeySets::new(vec![identity], &ManualClock::default(), client());
    assert!(keys.key("i", "a").await.is_err(), "the connection is closed");
    let headers = headers.await.unwrap();
    assert!(headers.contains("\r\naccept-encoding: identity\r\n"), "{headers}");
}

#[tokio::test]
async fn a_skipped_key_is_logged_once() {
    let captured = Captured::at("INFO");
    let lines = || {
        let text = captured.text();
        text.lines().filter(|line| line.contains("key skipped")).count()
    };
    let mut set: Value = serde_json::from_str(&set_of(&["a"])).unwrap();
    let oct = json!({"kty": "oct", "kid": "secret-kid", "k": "c2VjcmV0LWtleQ"});
    let enc = json!({"kty": "RSA", "use": "enc", "kid": "enc"});
    set["keys"].as_array_mut().unwrap().extend([oct.clone(), enc]);
    let bench = Bench::new(Behaviour::Body(set.to_string().into_bytes())).await;
    assert_eq!(bench.code("a").await, None);
    assert_eq!(lines(), 2, "{}", captured.text());
    bench.clock.advance(SOFT_AGE);
    assert_eq!(bench.code("a").await, None);
    assert_eq!((bench.fetches(), lines()), (2, 2), "fetched again, and told before");

    // Also where no key is left, which replaces no set.
    let short = json!({"kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB"});
    bench.becomes(Behaviour::Body(json!({"keys": [oct, short]}).to_string().into_bytes()));
    for _ in 0..2 {
        bench.clock.advance(SOFT_AGE);
        assert_eq!(bench.code("a").await, None);
    }
    assert_eq!((bench.fetches(), lines()), (4, 3));
    let text = captured.text();
    assert!(text.contains("its numbers are missing, malformed"), "{text}");
    assert!(text.contains(&*crate::token::digest_of("secret-kid")), "{text}");
    assert!(!text.contains("secret-kid") && !text.contains("c2VjcmV0"), "{text}");
}

#[tokio::test]
async fn keys_of_the_configuration_alone_are_never_fetched_and_do_not_age() {
    let bundle = Some(Bundle::of_text(&set_of(&["a"])).unwrap());
    let identity = Identity {
        iss: "i".into(),
        tenants: None,
        proxy: false,
        jwks_uri: None,
        prefetch: false,
        bundle,
    };
    let clock = ManualClock::default();
    let keys = KeySets::new(vec![identity], &clock, client());
    keys.prefetch().await;
    for _ in 0..3 {
        assert!(keys.key("i", "a").await.is_ok());
        let unknown = keys.key("i", "b").await.err().map(Refusal::code);
        assert_eq!(unknown, Some(Code::Key), "nobody else could have it");
        let known = keys.key("i", "a").await.unwrap();
        assert!(keys.again("i", "a", &known).await.is_none());
        clock.advance(HARD_AGE);
    }
    assert_eq!(keys.of("i").age(), Some(Duration::ZERO));
}

#[test]
fn ages_and_budgets_are_as_documented() {
    assert_eq!(
        (SOFT_AGE.as_secs(), HARD_AGE.as_secs(), PENALTY.as_secs()),
        (600, 7_200, 1),
        "the design's numbers"
    );
}

#[test]
fn an_issuer_is_found_by_its_exact_text_alone() {
    let name = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc";
    let one = Identity {
        iss: name.into(),
        tenants: None,
        jwks_uri: None,
        proxy: false,
        prefetch: false,
        bundle: None,
    };
    assert!(one.is(name, None));
    for other in [
        format!("{name}/"),
        name.to_uppercase(),
        format!("{name}x"),
        "https://evil.example/us-east-1_abc".into(),
        name.replace("https://", "https://evil@"),
        String::new(),
    ] {
        assert!(!one.is(&other, None), "{other}");
    }
    let tid = "11111111-2222-3333-4444-555555555555";
    let many = |tenants| Identity {
        iss: "https://id.example/{tid}".into(),
        tenants: Some(tenants),
        ..one.clone()
    };
    let iss = format!("https://id.example/{tid}");
    let (these, any) = (many(Tenants::These(vec![tid.into()])), many(Tenants::Any));
    assert!(these.is(&iss, Some(tid)) && any.is(&iss, Some(tid)));
    let other = tid.replace('1', "9");
    let theirs = format!("https://id.example/{other}");
    assert!(!these.is(&theirs, Some(&other)), "not a listed tenant");
    assert!(any.is(&theirs, Some(&other)) && !any.is(&theirs, Some(tid)) && !any.is(&iss, None));
}
