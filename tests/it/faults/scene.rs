//! A table, an issuer, proxies before both, and environments that are driven.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use table::{Client, Connect};
use tests::bound::{Account, Outcome, Promise, Span};
use tests::{authorizer, skewed};
use throttle::{Buckets, Clock as _, Period, Plan, PlanId, Plans, Rate, Subject, SystemClock};
use tokio::time::{sleep, timeout};

use super::fleet::{Call, Environment, now};
use super::proxy::Proxy;
use crate::runtime::issuer::Issuer;

const TABLE: &str = "tollgate";
const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/prod/GET/orders";
/// The plan: calls a second, and at once.
const RATE: u64 = 5;
const BURST: u64 = 10;
/// Time-out of one call to the table, and of a connection to it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);
/// Longest call of the authorizer: a connection and a call to the table, a key set's
/// 1.5 s, and a busy machine's pauses. A fault lasts far longer.
pub(crate) const CEILING: Duration = Duration::from_secs(10);
/// Within this time all is as before: the circuit's second, a key set's penalty, and pauses.
const RECOVERY: Duration = Duration::from_secs(20);

pub(crate) struct Scene {
    pub(crate) table: Proxy,
    pub(crate) keys: Proxy,
    pub(crate) fleet: Vec<Environment>,
    /// Straight to the table, whatever the proxy does.
    pub(crate) client: Client,
    event: Value,
    promise: Promise,
}

impl Scene {
    /// Starts one environment for each clock offset, in milliseconds.
    pub(crate) async fn start(offsets: &[i64]) -> Self {
        let issuer = Issuer::start().await;
        let url = serve();
        let client = Connect::emulator(&url).operation_timeout(RECOVERY).client().await;
        create(&client).await;
        let (table, keys) = (Proxy::before(&url).await, Proxy::before(&issuer.url).await);
        let config = format!(
            "[[issuer]]\nname = \"issuer\"\nurl = \"{url}\"\njwks_uri = \"{keys}/keys\"\n\
             clients = [\"secret-client\"]\ntoken_use = \"access\"\n\
             [[rule]]\nname = \"readers\"\nallow = [\"GET /orders\"]\neveryone = true\n\
             [throttle]\ntable = \"{TABLE}\"\nsubject = \"client_id\"\n\
             plan = {{ default = \"free\" }}\nrefuse = \"deny\"\nfailure = \"closed\"\n\
             timeout_ms = {timeout}\n",
            url = issuer.url,
            keys = keys.url,
            timeout = TIMEOUT.as_millis(),
        );
        let environment = |offset: &i64| {
            let variables = vec![
                ("AUTHORIZER_CONFIG", config.clone()),
                ("AWS_ENDPOINT_URL_DYNAMODB", table.url.clone()),
                ("AWS_ACCESS_KEY_ID", "emulator".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "emulator".to_owned()),
                ("AWS_REGION", "us-east-1".to_owned()),
                ("CLOCK_OFFSET_MS", offset.to_string()),
            ];
            let executable = if *offset == 0 { authorizer() } else { skewed() };
            Environment::of(executable.to_owned(), variables)
        };
        let spread = offsets.iter().max().unwrap() - offsets.iter().min().unwrap();
        let promise = Promise {
            interval: Rate::parse(&RATE.to_string()).unwrap().interval(),
            burst: BURST,
            spread: Duration::from_millis(spread.unsigned_abs()),
        };
        let token = format!("Bearer {}", issuer.token(&json!({})));
        let event = json!({"type": "TOKEN", "authorizationToken": token, "methodArn": ARN});
        let fleet = offsets.iter().map(environment).collect();
        let scene = Self { table, keys, fleet, client, event, promise };
        // Processes start and connect before anything is judged; the calls are given back.
        scene.recovered().await;
        Buckets::new(scene.client.clone(), TABLE).reset(&subject()).await.unwrap();
        // A refusal may be remembered for a second.
        sleep(Duration::from_millis(1_100)).await;
        scene
    }

    /// Drives all environments for so long, far over the plan's rate.
    pub(crate) async fn drive(&self, time: Duration) -> Vec<Call> {
        self.drive_some(0..self.fleet.len(), time).await
    }

    /// Drives some of them.
    pub(crate) async fn drive_some(
        &self,
        some: impl IntoIterator<Item = usize>,
        time: Duration,
    ) -> Vec<Call> {
        let until = now() + i128::try_from(time.as_nanos()).unwrap();
        let calls = some.into_iter().map(|environment| async move {
            let mut calls = Vec::new();
            while now() < until {
                calls.push(self.call(environment).await);
                sleep(Duration::from_millis(15)).await;
            }
            calls
        });
        join_all(calls).await.concat()
    }

    /// One call of one environment.
    pub(crate) async fn call(&self, environment: usize) -> Call {
        self.fleet[environment].invoke(&self.event).await
    }

    /// Waits until each environment decides again; its calls are handed back.
    pub(crate) async fn recovered(&self) -> Vec<Call> {
        let waits = self.fleet.iter().map(|environment| async move {
            let mut calls = Vec::new();
            loop {
                let call = environment.invoke(&self.event).await;
                let decided = call.span.outcome != Outcome::Unknown;
                calls.push(call);
                if decided {
                    return calls;
                }
                sleep(Duration::from_millis(100)).await;
            }
        });
        let calls = timeout(RECOVERY, join_all(waits)).await;
        calls.unwrap_or_else(|_| panic!("no recovery in {RECOVERY:?}")).concat()
    }

    pub(crate) fn pids(&self) -> Vec<i32> {
        self.fleet.iter().map(Environment::pid).collect()
    }

    pub(crate) fn account(&self, calls: &[Call]) -> Account {
        self.promise.account(&spans(calls))
    }

    /// The same, had all clocks been right.
    pub(crate) fn account_of_one_clock(&self, calls: &[Call]) -> Account {
        Promise { spread: Duration::ZERO, ..self.promise }.account(&spans(calls))
    }

    /// The requests that the table has charged this month.
    pub(crate) async fn charged(&self) -> i128 {
        let history = Buckets::new(self.client.clone(), TABLE).usage(&subject()).await.unwrap();
        history.used(&Period::Month.window(SystemClock::new().now())).into()
    }

    pub(crate) async fn delete_table(&self) {
        self.client.delete_table().table_name(TABLE).send().await.unwrap();
    }

    pub(crate) async fn create_table(&self) {
        create(&self.client).await;
    }
}

fn spans(calls: &[Call]) -> Vec<Span> {
    calls.iter().map(|call| call.span).collect()
}

fn subject() -> Subject {
    Subject::new("issuer#secret-client").unwrap()
}

async fn create(client: &Client) {
    table::create(client, TABLE).await.unwrap();
    // A quota that nobody meets makes the table count.
    let json = format!(
        r#"{{"throttle":{{"rateLimit":{RATE},"burstLimit":{BURST}}},
            "quota":{{"limit":1000000,"period":"MONTH"}}}}"#
    );
    let plan = Plan::from_json(&json).unwrap();
    let now = SystemClock::new().now();
    let plans = Plans::new(client.clone(), TABLE);
    plans.put(&PlanId::new("free").unwrap(), &plan, None, now).await.unwrap();
}

/// A table of one's own, on a thread of its own: SQLite blocks what it runs on.
fn serve() -> String {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
            dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()).await;
        });
    });
    told.recv().unwrap()
}
