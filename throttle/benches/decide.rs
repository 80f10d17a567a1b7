//! The cost of a decision in this process, compared with the best of its kind.
//!
//! - From memory: a remembered refusal, and a decision by the memory store, among 100,000 subjects,
//!   beside governor's keyed check of the same names.
//! - Through the SDK to an embedded server, beside the SDK's own UpdateItem with a condition of
//!   the same kind. Budget: a tenth more. Between them, an UpdateItem by hand in the very words
//!   that a decision has: what it costs more than the bare one is the server's work.
//!
//! Each reads the clock that it has in production. What is remembered of a refusal stays so for a
//! second; here for as long as it is measured. All are asked in the same order, which no cache
//! foresees, with names that are not those in the store's memory: a request brings its own.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may fail loudly")]

mod clock;
#[path = "../tests/common/mod.rs"]
mod common;

use std::future::Future;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use clock::Standing;
use criterion::{Criterion, criterion_group, criterion_main};
use governor::{Quota, RateLimiter};
use table::Client;
use tollgate_throttle::{
    Clock, DynamoStore, MemoryStore, Plan, PlanId, Plans, Request, Subject, SystemClock, Throttle,
    Timestamp,
};

const SUBJECTS: usize = 100_000;
const WIDE: &str = r#"{"throttle": {"rateLimit": 1000000, "burstLimit": 1000000000}}"#;
const NARROW: &str = r#"{"throttle": {"rateLimit": "1/d", "burstLimit": 1}}"#;

/// The result of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => now_or_fail(),
    }
}

#[allow(clippy::panic, reason = "a benchmark may fail loudly")]
fn now_or_fail<T>() -> T {
    panic!("it waits")
}

fn names() -> Vec<String> {
    (0..SUBJECTS).map(|at| format!("client-{:08x}", spread(at))).collect()
}

/// The same names, made anew, in another order.
fn asked() -> Vec<String> {
    let mut order: Vec<_> = (0..SUBJECTS).collect();
    order.sort_by_key(|at| spread(spread(*at)));
    let names = names();
    order.into_iter().filter_map(|at| names.get(at).cloned()).collect()
}

/// A number that is far from its neighbours'.
fn spread(number: usize) -> usize {
    number * 2_654_435_761 % 4_294_967_296
}

/// A throttle that has decided once for each of these subjects.
fn throttle<C: Clock>(
    plan: &str,
    store: MemoryStore,
    clock: C,
    subjects: &[Subject],
) -> Throttle<MemoryStore, C> {
    let id = PlanId::new("plan").unwrap();
    store.put_plan(id.clone(), Plan::from_json(plan).unwrap(), Timestamp::EPOCH);
    let throttle = Throttle::new(store, clock);
    for subject in subjects {
        assert!(now(throttle.decide(&Request::new(subject, &id))).unwrap().is_allowed());
    }
    throttle
}

fn in_memory(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("among 100000 subjects");
    let subjects = |names: Vec<String>| {
        names.into_iter().map(|name| Subject::new(name).unwrap()).collect::<Vec<_>>()
    };
    let asked_for = subjects(asked());
    let id = PlanId::new("plan").unwrap();
    let known = subjects(names());
    let narrow = throttle(NARROW, MemoryStore::new(), Standing(SystemClock::new()), &known);
    for subject in &known {
        assert!(!now(narrow.decide(&Request::new(subject, &id))).unwrap().is_allowed());
    }
    let mut turn = asked_for.iter().cycle();
    group.bench_function("remembered refusal", |bencher| {
        bencher.iter(|| {
            let request = Request::new(turn.next().unwrap(), &id);
            assert!(!black_box(now(narrow.decide(&request)).unwrap()).is_allowed());
        });
    });
    let wide = throttle(WIDE, MemoryStore::new(), SystemClock::new(), &known);
    let mut turn = asked_for.iter().cycle();
    group.bench_function("memory store", |bencher| {
        bencher.iter(|| {
            let request = Request::new(turn.next().unwrap(), &id);
            assert!(black_box(now(wide.decide(&request)).unwrap()).is_allowed());
        });
    });
    let fast = NonZeroU32::new(1_000_000).unwrap();
    let governor = RateLimiter::keyed(Quota::per_second(fast).allow_burst(NonZeroU32::MAX));
    let asked_for = asked();
    let mut turn = asked_for.iter().cycle();
    for name in &names() {
        governor.check_key(name).unwrap();
    }
    group.bench_function("governor, keyed", |bencher| {
        bencher.iter(|| black_box(governor.check_key(turn.next().unwrap())).unwrap());
    });
    group.finish();
}

fn through_the_sdk(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (client, plans) = runtime.block_on(async {
        let served = common::serve_table().await;
        let plans = Plans::new(served.client.clone(), common::TABLE);
        (served.client, plans)
    });
    let mut group = criterion.benchmark_group("through the SDK");
    group.bench_function("UpdateItem", |bencher| {
        bencher.iter(|| runtime.block_on(bare(&client)));
    });
    group.bench_function("UpdateItem, a decision's by hand", |bencher| {
        bencher.iter(|| runtime.block_on(by_hand(&client)));
    });
    let id = PlanId::new("plan").unwrap();
    let plan = Plan::from_json(WIDE).unwrap();
    runtime.block_on(plans.put(&id, &plan, None, Timestamp::EPOCH)).unwrap();
    let throttle =
        Throttle::new(DynamoStore::new(client.clone(), common::TABLE), SystemClock::new());
    let subject = Subject::new("client").unwrap();
    let request = Request::new(&subject, &id);
    group.bench_function("decision", |bencher| {
        bencher.iter(|| {
            assert!(runtime.block_on(throttle.decide(&request)).unwrap().is_allowed());
        });
    });
    group.finish();
}

/// An UpdateItem that asks for all that a decision does.
fn update_item(client: &Client, key: &str) -> UpdateItemFluentBuilder {
    client
        .update_item()
        .table_name(common::TABLE)
        .key("pk", AttributeValue::S(key.to_owned()))
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

fn number(text: &str) -> AttributeValue {
    AttributeValue::N(text.to_owned())
}

/// A token and a count taken by hand: one condition and one change each.
async fn bare(client: &Client) {
    update_item(client, "bare")
        .update_expression("SET #t = if_not_exists(#t, :z) + :a, #d = if_not_exists(#d, :z) + :o")
        .condition_expression(
            "(attribute_not_exists(#t) OR #t <= :m) AND (attribute_not_exists(#d) OR #d <= :m)",
        )
        .expression_attribute_names("#t", "tat")
        .expression_attribute_names("#d", "d20261121")
        .expression_attribute_values(":a", number("1000"))
        .expression_attribute_values(":o", number("1"))
        .expression_attribute_values(":z", number("0"))
        .expression_attribute_values(":m", number("1000000000000000000"))
        .send()
        .await
        .unwrap();
}

/// Exactly the write of a decision to an idle bucket.
async fn by_hand(client: &Client) {
    update_item(client, "BUCKET#hand")
        .update_expression(
            "SET pv = :v, t3e8 = :n1, d20261121 = if_not_exists(d20261121, :n2) + :n3, \
             wn = if_not_exists(wn, :n2) + :n3, #a0 = :n6 REMOVE d20261020",
        )
        .condition_expression(
            "(attribute_not_exists(pv) OR pv = :v) \
             AND (attribute_not_exists(t3e8) OR t3e8 <= :n0) \
             AND (attribute_not_exists(d20261121) OR d20261121 >= :n4 AND d20261121 <= :n5)",
        )
        .expression_attribute_names("#a0", "expires_at")
        .expression_attribute_values(":v", AttributeValue::S("1.plan".to_owned()))
        .expression_attribute_values(":n0", number("1795251600123456789"))
        .expression_attribute_values(":n1", number("1795251600123456789"))
        .expression_attribute_values(":n2", number("0"))
        .expression_attribute_values(":n3", number("1"))
        .expression_attribute_values(":n4", number("-4000000000000000"))
        .expression_attribute_values(":n5", number("3999999999999999"))
        .expression_attribute_values(":n6", number("1829811600"))
        .send()
        .await
        .unwrap();
}

criterion_group!(benches, in_memory, through_the_sdk);
criterion_main!(benches);
