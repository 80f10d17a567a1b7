//! Limits in a table: what a request costs of it, what passes after an idle time, how many a second.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use table::Connect;
use throttle::{
    Clock as _, DynamoStore, Plan, PlanId, Plans, Request, Subject, SystemClock, Throttle,
};
use tokio::io::AsyncReadExt as _;
use tokio::time::{interval, sleep};

use crate::counter::{self, Counted};

const TABLE: &str = "tollgate";
/// The load of both limiters; `zae.py` has the same numbers.
const BURST: u64 = 100;
const RATE: u64 = 10;
const CROWD: usize = 300;
const WORKERS: usize = 8;
const KEYS: usize = 1_000;
const DRIVE: Duration = Duration::from_secs(3);
const PACED: Duration = Duration::from_secs(6);

type Limits = Throttle<DynamoStore, SystemClock>;

/// Serves an empty table, and a counter in front of it, until standard input ends; prints where.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let (tell, told) = std::sync::mpsc::channel();
    // SQLite blocks the threads that it runs on.
    std::thread::spawn(move || -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            tell.send(listener.local_addr()?)?;
            let database = dynoxide::Database::memory().map_err(|e| anyhow::anyhow!("{e}"))?;
            dynoxide::server::serve_on(listener, database).await;
            Ok(())
        })
    });
    let table = format!("http://{}", told.recv()?);
    let counter = counter::serve(table.clone()).await?;
    println!("{table} {counter}");
    let mut input = Vec::new();
    tokio::io::stdin().read_to_end(&mut input).await?;
    Ok(())
}

pub(crate) async fn run(url: &str, counter: &str) -> anyhow::Result<Value> {
    let connect = |url| Connect::emulator(url).operation_timeout(Duration::from_secs(30));
    let (client, counted) = (connect(url).client().await, connect(counter).client().await);
    table::create(&client, TABLE).await?;
    let plans = Plans::new(client.clone(), TABLE);
    let (narrow, wide) = (PlanId::new("narrow")?, PlanId::new("wide")?);
    let now = SystemClock::new().now();
    for (id, rate, burst) in [(&narrow, RATE, BURST), (&wide, 1_000_000, 1_000_000_000)] {
        let json = format!(r#"{{"throttle":{{"rateLimit":{rate},"burstLimit":{burst}}}}}"#);
        plans.put(id, &Plan::from_json(&json)?, None, now).await?;
    }
    let limits =
        || Arc::new(Throttle::new(DynamoStore::new(client.clone(), TABLE), SystemClock::new()));

    let (admitted, allowed) = idle(&limits(), &narrow).await?;
    let mut costs = json!({});
    for percent in [50, 90, 150] {
        let limits = Throttle::new(DynamoStore::new(counted.clone(), TABLE), SystemClock::new());
        costs[percent.to_string()] = cost(&limits, counter, &narrow, percent).await?;
    }
    let one = throughput(&limits(), &wide, 1).await?;
    let many = throughput(&limits(), &wide, KEYS).await?;
    Ok(json!({
        "admitted": admitted, "allowed": allowed, "cost": costs, "one": one, "many": many,
    }))
}

/// One request, a long pause, then a crowd: how many of it pass, and how many may.
async fn idle(limits: &Limits, plan: &PlanId) -> anyhow::Result<(usize, u64)> {
    let subject = Subject::new("idle")?;
    limits.decide(&Request::new(&subject, plan)).await?;
    sleep(Duration::from_secs(BURST / RATE + 1)).await;
    let clock = SystemClock::new();
    let crowd = (0..CROWD).map(|_| async {
        limits.decide(&Request::new(&subject, plan)).await.is_ok_and(|it| it.is_allowed())
    });
    let admitted = join_all(crowd).await.into_iter().filter(|allowed| *allowed).count();
    Ok((admitted, BURST + clock.monotonic().as_secs() * RATE + tenths(&clock)))
}

/// Tokens refilled within the last second, at ten a second.
fn tenths(clock: &SystemClock) -> u64 {
    u64::from(clock.monotonic().subsec_millis()) * RATE / 1_000
}

/// Calls and write units of a request, at so much of the rate; the burst is used up beforehand.
async fn cost(
    limits: &Limits,
    counter: &str,
    plan: &PlanId,
    percent: u64,
) -> anyhow::Result<Value> {
    let subject = Subject::new(format!("cost-{percent}"))?;
    for _ in 0..BURST {
        limits.decide(&Request::new(&subject, plan)).await?;
    }
    let before = Counted::read(counter).await?;
    let mut ticks = interval(Duration::from_micros(100_000_000 / (RATE * percent)));
    let (clock, mut requests) = (SystemClock::new(), 0);
    while clock.monotonic() < PACED {
        ticks.tick().await;
        limits.decide(&Request::new(&subject, plan)).await?;
        requests += 1;
    }
    let after = Counted::read(counter).await?;
    let requests = f64::from(requests);
    Ok(json!({
        "calls": (after.calls - before.calls) / requests,
        "writes": (after.write_units - before.write_units) / requests,
    }))
}

/// Requests a second, by several workers at once.
async fn throughput(limits: &Arc<Limits>, plan: &PlanId, keys: usize) -> anyhow::Result<u64> {
    let subjects: Vec<Subject> = (0..keys)
        .map(|key| Ok(Subject::new(format!("t-{keys}-{key}"))?))
        .collect::<anyhow::Result<_>>()?;
    let subjects = Arc::new(subjects);
    let clock = SystemClock::new();
    let workers = (0..WORKERS).map(|worker| {
        let (limits, subjects, plan) = (Arc::clone(limits), Arc::clone(&subjects), plan.clone());
        tokio::spawn(async move {
            let mut made = 0_u64;
            for subject in subjects.iter().cycle().skip(worker * keys / WORKERS) {
                if clock.monotonic() >= DRIVE {
                    break;
                }
                limits.decide(&Request::new(subject, &plan)).await?;
                made += 1;
            }
            anyhow::Ok(made)
        })
    });
    let mut made = 0;
    for worker in join_all(workers).await {
        made += worker??;
    }
    Ok(made / DRIVE.as_secs())
}
