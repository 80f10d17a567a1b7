//! Compares ways to decide two levels: leases, a write for each level, and `TransactWriteItems`.
//!
//! ```sh
//! cargo run --release -p tollgate-throttle --example levels
//! tests/scripts/dynamodb-local cargo run --release -p tollgate-throttle --example levels
//! ```
//!
//! 64 tasks ask at once, each for a user and at an instance of its own, all within one parent.
//! First the parent has room for all. Then it is used up, and each request meets an instance that
//! remembers nothing. The table is embedded, or at the URL in `DYNAMODB_ENDPOINT`.
//!
//! The transaction has the simplest conditions there are, and no second form: a counter below a
//! maximum in each item. `overlaps` counts transactions that were sent while another one was under
//! way, which DynamoDB may cancel for a conflict on the parent's item. Neither server does that.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "an experiment may fail loudly")]
#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the SDK has units as floats"
)]
#![allow(clippy::disallowed_methods, reason = "latencies are measured")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, ReturnConsumedCapacity, TransactWriteItem, Update,
};
use table::Client;
use tollgate_throttle::{
    Clock, DynamoStore, Level, Plan, PlanId, Plans, Request, Store, Subject, SystemClock, Throttle,
};

const TASKS: u64 = 64;
const REQUESTS: u64 = 50;
const TABLE: &str = "levels";

/// The results of one way.
#[derive(Default)]
struct Seen {
    admitted: AtomicU64,
    calls: AtomicU64,
    milliunits: AtomicU64,
    conflicts: AtomicU64,
    overlaps: AtomicU64,
    in_flight: AtomicU64,
    waits: std::sync::Mutex<Vec<Duration>>,
}

#[tokio::main]
async fn main() {
    let client = match std::env::var("DYNAMODB_ENDPOINT") {
        Ok(url) => common::connect(&url).client().await,
        Err(_) => common::serve().await.client,
    };
    table::create(&client, TABLE).await.unwrap();
    let (plans, now) = (Plans::new(client.clone(), TABLE), SystemClock::new().now());
    let tokens = || Plan::per_second(1_000_000).burst(1_000_000);
    for (name, day) in [("open", 1_000_000), ("full", 1)] {
        // A named meter: such a level has no leases.
        let plan = tokens().per_day(day).meter("tokens", tokens()).build().unwrap();
        plans.put(&PlanId::new(name).unwrap(), &plan, None, now).await.unwrap();
    }
    println!(
        "{:<32} {:>9} {:>6} {:>6} {:>10} {:>9} {:>8} {:>7}",
        format!("{} requests of {TASKS} tasks", TASKS * REQUESTS),
        "admitted",
        "calls",
        "units",
        "conflicts",
        "overlaps",
        "mean ms",
        "p99 ms",
    );
    for is_open in [true, false] {
        for leases in [true, false] {
            if is_open || !leases {
                let way = if leases { "leases of the parent" } else { "a write for each level" };
                show(way, is_open, &engine(&client, is_open, leases).await);
            }
        }
        show("a transaction", is_open, &transactions(&client, is_open).await);
    }
}

/// Requests by the throttle, with leases of the parent or with a named meter, which has none.
async fn engine(client: &Client, is_open: bool, leases: bool) -> Arc<Seen> {
    let seen = Arc::new(Seen::default());
    let store = DynamoStore::new(client.clone(), TABLE);
    let parent = format!("parent-{is_open}-{leases}");
    if !is_open {
        // Uses up the only request of the parent's day.
        decide(&Throttle::new(store.clone(), SystemClock::new()), "first", &parent, false, true)
            .await;
    }
    let (before, mut tasks) = (store.consumed(), Vec::new());
    for task in 0..TASKS {
        let (seen, store, parent) = (Arc::clone(&seen), store.clone(), parent.clone());
        tasks.push(tokio::spawn(async move {
            let user = format!("{parent}-{task}");
            let mut throttle = Throttle::new(store.clone(), SystemClock::new());
            for _ in 0..REQUESTS {
                if !is_open {
                    throttle = Throttle::new(store.clone(), SystemClock::new());
                }
                let began = Instant::now();
                let admitted = decide(&throttle, &user, &parent, is_open, !leases).await;
                seen.waits.lock().unwrap().push(began.elapsed());
                seen.admitted.fetch_add(u64::from(admitted), Relaxed);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let after = store.consumed();
    seen.calls.store(after.calls - before.calls, Relaxed);
    seen.milliunits.store(after.milliunits - before.milliunits, Relaxed);
    seen
}

async fn decide(
    throttle: &Throttle<DynamoStore, SystemClock>,
    user: &str,
    parent: &str,
    is_open: bool,
    tokens: bool,
) -> bool {
    let (user, parent) = (Subject::new(user).unwrap(), Subject::new(parent).unwrap());
    let (open, full) = (PlanId::new("open").unwrap(), PlanId::new("full").unwrap());
    let level = Level::new(&parent, if is_open { &open } else { &full });
    let request = Request::new(&user, &open).within(&level);
    let request = if tokens { request.meter("tokens", 1) } else { request };
    throttle.decide(&request).await.unwrap().is_allowed()
}

/// The same requests by transactions; one that meets a conflict is sent again, ten times at most.
async fn transactions(client: &Client, is_open: bool) -> Arc<Seen> {
    let (seen, mut tasks) = (Arc::new(Seen::default()), Vec::new());
    let most = if is_open { 1_000_000 } else { 0 };
    for task in 0..TASKS {
        let (seen, client) = (Arc::clone(&seen), client.clone());
        tasks.push(tokio::spawn(async move {
            let user = counted(&format!("TRY#user-{is_open}-{task}"), 1_000_000);
            let parent = counted(&format!("TRY#parent-{is_open}"), most);
            for _ in 0..REQUESTS {
                let began = Instant::now();
                for _ in 0..10 {
                    let overlaps = seen.in_flight.fetch_add(1, Relaxed) > 0;
                    seen.overlaps.fetch_add(u64::from(overlaps), Relaxed);
                    let call = client
                        .transact_write_items()
                        .transact_items(user.clone())
                        .transact_items(parent.clone())
                        .return_consumed_capacity(ReturnConsumedCapacity::Total)
                        .send();
                    let answer = call.await;
                    seen.in_flight.fetch_sub(1, Relaxed);
                    seen.calls.fetch_add(1, Relaxed);
                    match answer {
                        Ok(answer) => {
                            let units = answer.consumed_capacity().iter();
                            let units =
                                units.filter_map(ConsumedCapacity::capacity_units).sum::<f64>();
                            seen.milliunits.fetch_add((units * 1_000.0) as u64, Relaxed);
                            seen.admitted.fetch_add(1, Relaxed);
                            break;
                        }
                        Err(error) => {
                            let told = error.message().unwrap_or_default().to_owned();
                            let is_refused = told.contains("ConditionalCheckFailed");
                            let is_conflict = told.contains("TransactionConflict");
                            assert!(is_refused || is_conflict, "{error:?}");
                            // No units are reported: counted as one that succeeds.
                            seen.milliunits.fetch_add(4_000, Relaxed);
                            if !is_conflict {
                                break;
                            }
                            seen.conflicts.fetch_add(1, Relaxed);
                        }
                    }
                }
                seen.waits.lock().unwrap().push(began.elapsed());
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    seen
}

/// Adds one to an item's counter, if it is below a maximum.
fn counted(key: &str, most: u64) -> TransactWriteItem {
    let update = Update::builder()
        .table_name(TABLE)
        .key("pk", AttributeValue::S(key.to_owned()))
        .update_expression("ADD used :one")
        .condition_expression("(attribute_not_exists(used) AND :zero < :most) OR used < :most")
        .expression_attribute_values(":zero", AttributeValue::N("0".to_owned()))
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .expression_attribute_values(":most", AttributeValue::N(most.to_string()));
    TransactWriteItem::builder().update(update.build().unwrap()).build()
}

fn show(way: &str, is_open: bool, seen: &Arc<Seen>) {
    let mut waits = std::mem::take(&mut *seen.waits.lock().unwrap());
    waits.sort_unstable();
    let mean = waits.iter().sum::<Duration>() / u32::try_from(waits.len()).unwrap();
    let p99 = waits[waits.len() * 99 / 100];
    let tenths = |wait: Duration| format!("{}.{}", wait.as_millis(), wait.as_micros() / 100 % 10);
    println!(
        "{:<32} {:>9} {:>6} {:>6} {:>10} {:>9} {:>8} {:>7}",
        format!("{way}, {}", if is_open { "room" } else { "used up" }),
        seen.admitted.load(Relaxed),
        seen.calls.load(Relaxed),
        seen.milliunits.load(Relaxed) / 1_000,
        seen.conflicts.load(Relaxed),
        seen.overlaps.load(Relaxed),
        tenths(mean),
        tenths(p99),
    );
}
