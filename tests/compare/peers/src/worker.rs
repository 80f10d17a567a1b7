//! One of the concurrent instances of Tollgate that `scenarios.py` drives.
//!
//! Reads an order in JSON from each line of standard input, and answers it by a line of JSON.
//! `zae_worker.py` does the same with zae-limiter.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use table::Connect;
use throttle::{
    Clock as _, DynamoStore, Level, Plan, PlanId, Plans, Request, Subject, SystemClock, Throttle,
};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use tokio::time::{Instant, sleep_until};

const TABLE: &str = "tollgate-scenarios";

type Limits = Throttle<DynamoStore, SystemClock>;
/// The rate and the burst of each meter.
type Rates = BTreeMap<String, (u64, u64)>;

#[derive(Deserialize)]
#[serde(untagged)]
enum Order {
    Prepare { prepare: Vec<Prepared> },
    Drive(Drive),
}

/// A subject and its limits, which become a plan of the subject's name.
#[derive(Deserialize)]
struct Prepared {
    subject: String,
    limits: Rates,
}

/// A crowd at once, and then one request after another for so many seconds, at least one.
#[derive(Deserialize)]
struct Drive {
    subject: String,
    parent: Option<String>,
    amounts: BTreeMap<String, u64>,
    seconds: f64,
    gap_ms: u64,
    offset_ms: u64,
    crowd: usize,
}

pub(crate) async fn run(url: &str) -> anyhow::Result<()> {
    let client = Connect::emulator(url).operation_timeout(Duration::from_secs(30)).client().await;
    let limits = Throttle::new(DynamoStore::new(client.clone(), TABLE), SystemClock::new());
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match serde_json::from_str(&line)? {
            Order::Prepare { prepare } => {
                table::create(&client, TABLE).await?;
                let plans = Plans::new(client.clone(), TABLE);
                for Prepared { subject, limits } in prepare {
                    let id = PlanId::new(&subject)?;
                    plans.put(&id, &plan(&limits)?, None, SystemClock::new().now()).await?;
                }
                Value::Null
            }
            Order::Drive(order) => drive(&limits, &order).await?,
        };
        println!("{answer}");
    }
    Ok(())
}

fn plan(limits: &Rates) -> anyhow::Result<Plan> {
    let mut plan = json!({});
    for (meter, (rate, burst)) in limits {
        let throttle = json!({"rateLimit": rate, "burstLimit": burst});
        if meter == "requests" {
            plan["throttle"] = throttle;
        } else {
            plan["meters"][meter]["throttle"] = throttle;
        }
    }
    Ok(Plan::from_json(&plan.to_string())?)
}

async fn drive(limits: &Limits, order: &Drive) -> anyhow::Result<Value> {
    let names = [Some(&order.subject), order.parent.as_ref()].into_iter().flatten();
    let levels: Vec<(Subject, PlanId)> = names
        .map(|name| Ok((Subject::new(name)?, PlanId::new(name)?)))
        .collect::<anyhow::Result<_>>()?;
    let [(subject, plan), parents @ ..] = &levels[..] else { anyhow::bail!("no subject") };
    let mut request = Request::new(subject, plan);
    for (meter, amount) in order.amounts.iter().filter(|(meter, _)| *meter != "requests") {
        request = request.meter(meter, *amount);
    }
    for (subject, plan) in parents {
        request = request.within(&Level::new(subject, plan));
    }
    let mut seen = join_all((0..order.crowd).map(|_| decide(limits, &request))).await;
    let started = Instant::now();
    let mut due = started + Duration::from_millis(order.offset_ms);
    while seen.is_empty() || started.elapsed().as_secs_f64() < order.seconds {
        sleep_until(due).await;
        seen.push(decide(limits, &request).await);
        due += Duration::from_millis(order.gap_ms);
    }
    Ok(Value::Array(seen))
}

/// `[sent, answered, outcome]` of one request, in nanoseconds since the epoch.
async fn decide(limits: &Limits, request: &Request<'_>) -> Value {
    let clock = SystemClock::new();
    let sent = clock.now().as_nanos();
    let outcome = match limits.decide(request).await {
        Ok(decision) if decision.is_allowed() => "admitted",
        Ok(_) => "refused",
        Err(error) => {
            eprintln!("tollgate: {error}");
            "failed"
        }
    };
    json!([sent, clock.now().as_nanos(), outcome])
}
