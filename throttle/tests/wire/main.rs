//! Connections to the table that break: failure class, policy, count, and the one repetition.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

#[path = "../common/mod.rs"]
mod common;
mod server;
mod tls;

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use common::{TABLE, serve_table};
use server::{Act, Break, Server};
use table::connect::{Moment, Transport};
use table::{Client, Connect};
use tollgate_throttle::{
    Buckets, Clock as _, Decision, DynamoStore, Failure, FailurePolicy, ManualClock, Period, Plan,
    PlanId, Plans, Request, Store, Subject, SystemClock, Throttle, ThrottleError,
};

/// Long enough for a busy machine; a silent server costs it.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// The time in which a client notices that an idle connection was closed.
const A_MOMENT: Duration = Duration::from_millis(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Http {
    /// The crate's own transport.
    Own,
    /// The SDK's own client.
    Sdk,
}

impl Http {
    async fn client(self, url: &str) -> Client {
        match self {
            Self::Own => connect(url).client().await,
            Self::Sdk => sdk(Some(url), true),
        }
    }
}

fn connect(url: &str) -> Connect {
    Connect::emulator(url).operation_timeout(PATIENCE).connect_timeout(PATIENCE)
}

/// A client that was made without this crate.
fn sdk(url: Option<&str>, credentials: bool) -> Client {
    let timeouts = TimeoutConfig::builder();
    let timeouts = timeouts.operation_timeout(PATIENCE).connect_timeout(PATIENCE).build();
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .region(Region::new("us-east-1"));
    if credentials {
        config = config.credentials_provider(Credentials::new("a", "b", None, None, "test"));
    }
    config.set_endpoint_url(url.map(str::to_owned));
    Client::from_conf(config.build())
}

/// A table behind a server that breaks connections, and throttles on it, closed and open.
struct Bench {
    server: Server,
    direct: Client,
    closed: Limits,
    open: Limits,
    plan: PlanId,
    subject: Subject,
}

type Limits = Throttle<DynamoStore, SystemClock>;

impl Bench {
    async fn new(http: Http) -> Self {
        let served = serve_table().await;
        let server = Server::before(&served.url);
        let client = http.client(&server.url()).await;
        Self::with(served.client, server, client).await
    }

    async fn with(direct: Client, server: Server, client: Client) -> Self {
        let json = r#"{"throttle": {"rateLimit": 1, "burstLimit": 1000},
            "quota": {"limit": 1000000, "period": "MONTH"}}"#;
        let (plan, now) = (PlanId::new("plan").unwrap(), SystemClock::new().now());
        let plans = Plans::new(direct.clone(), TABLE);
        plans.put(&plan, &Plan::from_json(json).unwrap(), None, now).await.unwrap();
        let store = DynamoStore::new(client, TABLE);
        let closed = Throttle::new(store.clone(), SystemClock::new());
        let open = Throttle::new(store, SystemClock::new()).default_failure(FailurePolicy::Open);
        let subject = Subject::new("maria").unwrap();
        let bench = Self { server, direct, closed, open, plan, subject };
        // The plan is cached from here on.
        bench.decide(&bench.closed).await.unwrap();
        bench.decide(&bench.open).await.unwrap();
        bench
    }

    async fn decide(&self, limits: &Limits) -> Result<Decision, ThrottleError> {
        limits.decide(&Request::new(&self.subject, &self.plan)).await
    }

    /// Makes the next request go over a new connection.
    async fn fresh(&self) {
        self.server.next([Act::PassThenClose]);
        self.decide(&self.closed).await.unwrap();
        self.server.wait_for_ends(1);
        tokio::time::sleep(A_MOMENT).await;
        self.settle();
    }

    /// Makes the next request go over a connection that has answered before.
    async fn reused(&self) {
        self.server.next([]);
        self.decide(&self.closed).await.unwrap();
        self.decide(&self.closed).await.unwrap();
        self.settle();
    }

    fn settle(&self) {
        self.server.requests();
        self.server.connections();
    }

    fn store(&self) -> &DynamoStore {
        self.closed.store()
    }

    async fn charged(&self) -> u64 {
        let history = Buckets::new(self.direct.clone(), TABLE).usage(&self.subject).await.unwrap();
        history.used(&Period::Month.window(SystemClock::new().now()))
    }
}

/// The class of a connection that breaks like this after the request has left.
fn class(http: Http, how: Break) -> Failure {
    let reset = matches!(how, Break::Reset | Break::PartHeadThenReset);
    match how {
        Break::Silence => Failure::TimedOut,
        // The SDK's own client does not tell a reset from a refused connection.
        _ if reset && http == Http::Sdk => Failure::Unreachable,
        _ => Failure::Outage,
    }
}

#[tokio::test]
async fn a_broken_connection_is_an_outage_that_may_have_charged() {
    for http in [Http::Own, Http::Sdk] {
        let bench = Bench::new(http).await;
        for how in Break::ALL {
            let name = format!("{http:?} {how:?}");
            let failure = class(http, how);
            assert!(failure.may_have_charged() && failure.may_pass());
            bench.fresh().await;
            let (before, charged) = (bench.store().consumed(), bench.charged().await);
            bench.server.next([Act::Applied(how)]);
            let decided = bench.decide(&bench.closed).await;
            assert_eq!(decided, Err(ThrottleError::Unavailable(failure.clone())), "{name}");
            assert_eq!(
                bench.server.requests(),
                ["UpdateItem"],
                "{name}: never on a new connection"
            );
            let after = bench.store().consumed();
            assert_eq!(
                (after.calls, after.failed),
                (before.calls + 1, before.failed + 1),
                "{name}"
            );
            assert_eq!(bench.charged().await, charged + 1, "{name}");

            // Or else the circuit breaker opens.
            bench.decide(&bench.open).await.unwrap();
            bench.fresh().await;
            let degraded = bench.open.stats().degraded;
            bench.server.next([Act::Lost(how)]);
            let decision = bench.decide(&bench.open).await.unwrap();
            assert!(decision.is_allowed() && decision.is_degraded(), "{name}");
            assert_eq!(bench.open.stats().degraded, degraded + 1, "{name}");
            assert_eq!(bench.server.requests(), ["UpdateItem"], "{name}");
        }
    }
}

#[tokio::test]
async fn a_look_up_has_the_same_classes() {
    for http in [Http::Own, Http::Sdk] {
        let bench = Bench::new(http).await;
        for how in Break::ALL {
            bench.fresh().await;
            bench.server.next([Act::Lost(how)]);
            let looked_up = bench.store().plan(&bench.plan).await;
            assert_eq!(looked_up, Err(class(http, how).into()), "{http:?} {how:?}");
            assert_eq!(bench.server.requests(), ["GetItem"]);
        }
    }
}

#[tokio::test]
async fn without_a_connection_the_table_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let served = serve_table().await;
    let server = Server::before(&served.url);
    // TLS is asked of a server that has none: it breaks off, resets, or says something else.
    for (url, how) in [
        (format!("http://{closed}"), Break::Close),
        (format!("https://{closed}"), Break::Close),
        (format!("https://{}", server.address), Break::Close),
        (format!("https://{}", server.address), Break::Reset),
        (format!("https://{}", server.address), Break::HalfClose),
        (format!("https://{}", server.address), Break::Garbage),
    ] {
        server.raw(Some(how));
        for http in [Http::Own, Http::Sdk] {
            let store = DynamoStore::new(http.client(&url).await, TABLE);
            let looked_up = store.plan(&PlanId::new("plan").unwrap()).await;
            assert_eq!(looked_up, Err(Failure::Unreachable.into()), "{http:?} {url} {how:?}");
        }
    }
    server.raw(Some(Break::Silence));
    for http in [Http::Own, Http::Sdk] {
        let client = http.client(&format!("https://{}", server.address)).await;
        let looked_up = DynamoStore::new(client, TABLE).plan(&PlanId::new("plan").unwrap()).await;
        assert_eq!(looked_up, Err(Failure::TimedOut.into()), "{http:?}");
    }
}

/// Has no credentials, for this reason.
#[derive(Debug)]
struct Without(std::sync::Mutex<Option<CredentialsError>>);

impl ProvideCredentials for Without {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(self.0.lock().unwrap().take().unwrap()))
    }
}

#[tokio::test]
async fn what_cannot_have_left_is_unconfigured() {
    let served = serve_table().await;
    let server = Server::before(&served.url);
    let unsigned = sdk(Some(&server.url()), false);
    let nowhere = |url: &str| {
        let connect = connect(url);
        async move { connect.client().await }
    };
    let mut clients = vec![unsigned];
    for url in ["no url", "localhost:8000", "127.0.0.1", "http://", "http://[::1"] {
        clients.push(sdk(Some(url), true));
        clients.push(nowhere(url).await);
    }
    let mut config = sdk(None, true).config().to_builder();
    config.set_region(None);
    clients.push(Client::from_conf(config.build()));
    for error in [
        CredentialsError::not_loaded_no_source(),
        CredentialsError::invalid_configuration("no such profile"),
        CredentialsError::provider_timed_out(PATIENCE),
        CredentialsError::provider_error("no answer"),
    ] {
        let config = sdk(Some(&server.url()), true).config().to_builder();
        let error = std::sync::Mutex::new(Some(error));
        let config = config.credentials_provider(Without(error));
        clients.push(Client::from_conf(config.build()));
    }
    for client in clients {
        let endpoint = format!("{:?}", client.config());
        let store = DynamoStore::new(client, TABLE);
        let looked_up = store.plan(&PlanId::new("plan").unwrap()).await;
        assert_eq!(looked_up, Err(Failure::Unconfigured.into()), "{endpoint}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_reused_connection_that_breaks_before_an_answer_is_tried_once_more() {
    let bench = Bench::new(Http::Own).await;
    for how in Break::ALL.into_iter().filter(|how| how.is_before_answer()) {
        for act in [Act::Lost(how), Act::Applied(how)] {
            bench.reused().await;
            let (before, charged) = (bench.store().consumed(), bench.charged().await);
            bench.server.next([act]);
            let decision = bench.decide(&bench.closed).await.unwrap();
            assert!(decision.is_allowed() && !decision.is_degraded(), "{act:?}");
            assert_eq!(bench.server.connections(), 1, "{act:?}: a new connection");
            // The bucket may be found busy by the first, lost answer: that is one call more.
            let calls = bench.server.requests().len() as u64;
            let after = bench.store().consumed();
            assert_eq!(after.calls - before.calls, calls, "{act:?}: each is counted");
            assert_eq!(after.failed - before.failed, 1, "{act:?}: it may have charged");
            assert_eq!(after.applied - before.applied, 1, "{act:?}");
            assert!(after.milliunits - before.milliunits >= 2_000, "{act:?}");
            let twice = u64::from(act == Act::Applied(how));
            assert_eq!(bench.charged().await - charged, 1 + twice, "{act:?}");
        }
        // A look-up too.
        bench.reused().await;
        bench.server.next([Act::Lost(how)]);
        assert!(bench.store().plan(&bench.plan).await.unwrap().is_some(), "{how:?}");
        assert_eq!(bench.server.requests(), ["GetItem", "GetItem"], "{how:?}");
    }
}

#[tokio::test]
async fn a_refund_is_never_tried_again() {
    let bench = Bench::new(Http::Own).await;
    for how in Break::ALL.into_iter().filter(|how| how.is_before_answer()) {
        bench.reused().await;
        let receipt = bench.decide(&bench.closed).await.unwrap().into_receipt().unwrap();
        let charged = bench.charged().await;
        bench.server.next([Act::Applied(how)]);
        let refunded = bench.closed.refund(receipt, 1).await;
        let failure = class(Http::Own, how);
        assert_eq!(refunded, Err(ThrottleError::Unavailable(failure)), "{how:?}");
        assert_eq!(charged - bench.charged().await, 1, "{how:?}: given back once");
    }
}

#[tokio::test]
async fn it_is_never_tried_a_third_time() {
    let bench = Bench::new(Http::Own).await;
    for how in [Break::Close, Break::Reset, Break::HalfClose] {
        bench.reused().await;
        let before = bench.store().consumed();
        bench.server.script(move |_| Act::Applied(how));
        let decided = bench.decide(&bench.closed).await;
        assert_eq!(decided, Err(ThrottleError::Unavailable(Failure::Outage)), "{how:?}");
        assert_eq!(bench.server.requests(), ["UpdateItem", "UpdateItem"], "{how:?}");
        let after = bench.store().consumed();
        assert_eq!((after.calls, after.failed), (before.calls + 2, before.failed + 2), "{how:?}");
    }
}

#[tokio::test]
async fn after_a_byte_of_the_answer_nothing_is_tried_again() {
    let bench = Bench::new(Http::Own).await;
    for how in Break::ALL.into_iter().filter(|how| !how.is_before_answer()) {
        bench.reused().await;
        bench.server.next([Act::Applied(how)]);
        let decided = bench.decide(&bench.closed).await;
        let failure = class(Http::Own, how);
        assert_eq!(decided, Err(ThrottleError::Unavailable(failure)), "{how:?}");
        assert_eq!(bench.server.requests(), ["UpdateItem"], "{how:?}");
        assert_eq!(bench.server.connections(), 0, "{how:?}: it was reused");
    }
}

/// The runtime is blocked while the connection is reset, as a frozen environment is.
#[tokio::test]
async fn a_connection_that_was_reset_during_a_freeze_costs_no_decision() {
    let bench = Bench::new(Http::Own).await;
    for round in 0..15 {
        bench.server.next([Act::PassThenReset]);
        bench.decide(&bench.closed).await.unwrap();
        bench.settle();
        bench.server.wait_for_ends(1);
        let decision = bench.decide(&bench.closed).await.unwrap();
        assert!(decision.is_allowed() && !decision.is_degraded(), "{round}");
        assert_eq!(bench.server.connections(), 1, "{round}");
    }
}

/// The cause that breaks one idle connection breaks all: the repetition uses none of them.
#[tokio::test]
async fn several_connections_that_were_reset_during_a_freeze_cost_no_decision() {
    let bench = Bench::new(Http::Own).await;
    let look_ups = |count| {
        let look_ups = (0..count).map(|_| bench.store().plan(&bench.plan));
        futures_util::future::join_all(look_ups)
    };
    for _ in 0..5 {
        bench.server.script(|_| Act::PassThenReset);
        let found = look_ups(4).await;
        assert!(found.iter().all(|found| found.as_ref().unwrap().is_some()));
        bench.server.wait_for_ends(4);
        bench.server.next([]);
        let found = look_ups(4).await;
        assert!(found.iter().all(|found| found.as_ref().unwrap().is_some()), "{found:?}");
    }
}

#[tokio::test]
async fn a_connection_is_idle_for_fifteen_seconds_at_most_by_either_clock() {
    const IDLE: Duration = Duration::from_secs(15);
    const LESS: Duration = Duration::from_millis(14_999);
    const HOUR: Duration = Duration::from_secs(3_600);
    type Step = fn(&ManualClock);
    let served = serve_table().await;
    let server = Server::before(&served.url);
    let clock = ManualClock::default();
    let clocks = clock.clone();
    let now = move || Moment { wall: clocks.now().into(), monotonic: clocks.monotonic() };
    let transport = Transport::with_clock(PATIENCE, now);
    let client = connect(&server.url()).http_client(transport).client().await;
    let store = DynamoStore::new(client, TABLE);
    let steps: [(&str, Step, usize); 9] = [
        ("the first", |_| (), 1),
        ("both", |clock| clock.advance(LESS), 0),
        ("both", |clock| clock.advance(IDLE), 1),
        ("the wall clock alone", |clock| clock.advance_wall(LESS), 0),
        ("the wall clock alone", |clock| clock.advance_wall(IDLE), 1),
        ("set back", |clock| clock.set_wall_back(HOUR), 0),
        ("set back, later", |clock| clock.advance(LESS), 0),
        (
            "the monotonic clock alone",
            |clock| (clock.advance(IDLE), clock.set_wall_back(IDLE)).0,
            1,
        ),
        ("right after", |_| (), 0),
    ];
    for (name, step, connections) in steps {
        step(&clock);
        assert!(store.plan(&PlanId::new("none").unwrap()).await.unwrap().is_none());
        assert_eq!(server.connections(), connections, "{name}");
    }
}

/// A runtime that ends takes its connections along, with what they were asked.
#[test]
fn a_connection_whose_runtime_has_ended_is_an_outage() {
    for (http, failure) in [(Http::Own, None), (Http::Sdk, Some(Failure::Outage))] {
        let decided = (0..20).find_map(|_| decided_as_a_runtime_ends(http)).unwrap();
        let decided = decided.map(|decision| decision.is_allowed());
        // The crate's own transport tries it once more.
        let expected = failure.map_or(Ok(true), |it| Err(ThrottleError::Unavailable(it)));
        assert_eq!(decided, expected, "{http:?}");
    }
}

/// Asks over a connection of a runtime that then ends; `None` if a new connection was made.
///
/// On a busy machine the first runtime may still hold the connection when the second one asks.
fn decided_as_a_runtime_ends(http: Http) -> Option<Result<Decision, ThrottleError>> {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let bench = first.block_on(Bench::new(http));
    bench.settle();
    bench.server.next([Act::Lost(Break::Silence)]);
    std::thread::scope(|scope| {
        let decided = scope.spawn(|| second.block_on(bench.decide(&bench.closed)));
        bench.server.wait_for_request();
        let is_reused = bench.server.connections() == 0;
        first.shutdown_background();
        let decided = decided.join().unwrap();
        is_reused.then_some(decided)
    })
}
