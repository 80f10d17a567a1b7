//! Whatever is written: a table answers as the memory store does.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{TABLE, serve_table};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tollgate_throttle::internal::Answer;
use tollgate_throttle::internal::{Count, Move, RateId, Scope, Stamp, State, To, When, Write};
use tollgate_throttle::{
    Counter, DynamoStore, MemoryStore, Meter, PlanId, Store, Subject, Timestamp,
};

fn meter() -> impl Strategy<Value = Meter> {
    prop_oneof![Just(Meter::REQUESTS), Just(Meter::new("tokens").unwrap())]
}

fn stamp() -> impl Strategy<Value = Stamp> {
    let plan = prop_oneof![6 => Just("free"), 1 => Just("gold.er")];
    let version = prop_oneof![6 => Just(1), 1 => Just(2u64)];
    (plan, version).prop_map(|(plan, version)| Stamp { plan: PlanId::new(plan).unwrap(), version })
}

/// Few stamps, rates and moments, so that conditions hold about as often as not.
fn change(scope: Scope) -> impl Strategy<Value = Move> {
    let moment = || (0..8u64).prop_map(|at| Timestamp::from_nanos(at * 5));
    let by = |most: u64| (0..=most).prop_map(Duration::from_nanos);
    let rate = RateId { scope, interval: 1_000_000_007.try_into().unwrap() };
    let fixed = || prop_oneof![Just(To::Same), Just(To::Gone), moment().prop_map(To::At)];
    prop_oneof![
        fixed().prop_map(|to| (When::Absent, to)),
        (moment(), fixed()).prop_map(|(last, to)| (When::AtMost(last), to)),
        (moment(), fixed()).prop_map(|(at, to)| (When::Is(at), to)),
        (moment(), moment(), by(9)).prop_map(|(a, b, by)| (When::Within(a, b), To::Forward(by))),
        (moment(), moment()).prop_flat_map(move |(after, last)| {
            by(after.as_nanos()).prop_map(move |by| (When::Within(after, last), To::Back(by)))
        }),
    ]
    .prop_map(move |(when, to)| Move { rate, when, to })
}

fn count(name: &str) -> impl Strategy<Value = Count> + use<> {
    let counter = Counter::parse(name).unwrap();
    // Nothing is granted here, so no counter may fall below zero.
    let granted = prop_oneof![9 => Just(0), 1 => Just(1u64)];
    (-3..3i64, -1..9i64, -3..5i64, granted).prop_map(move |(at_least, more, add, granted)| Count {
        counter,
        at_least,
        at_most: at_least + more,
        add: add.max(-at_least.max(0)),
        granted,
    })
}

fn write() -> impl Strategy<Value = Write> {
    let found = prop_oneof![2 => Just(true), 1 => Just(false)];
    let moves = (
        prop::option::of(change(Scope::PLAN)),
        prop::option::weighted(0.2, change(Scope::method("api", "prod", "/pets/GET"))),
        prop::option::weighted(0.2, change(Scope::Meter(Meter::new("tokens").unwrap()))),
    );
    let counts = (
        prop::option::of(count("d20261121")),
        prop::option::weighted(0.2, count("w2026-47")),
        prop::option::weighted(0.2, count("m202611.tokens")),
    );
    let forgotten = prop::option::of(Just(Counter::parse("m202611").unwrap()));
    let returned = prop::option::weighted(0.2, (meter(), (0..2u64, 0..2u64)));
    let moment = || (0..2u64).prop_map(Timestamp::from_nanos);
    let history = (
        prop::option::weighted(0.1, 0..4u64),
        prop::option::weighted(0.2, moment()),
        prop::option::weighted(0.2, moment()),
    );
    (
        found,
        stamp(),
        prop::option::weighted(0.2, stamp()),
        moves,
        counts,
        (forgotten, returned),
        history,
    )
        .prop_map(|(same, stamp, found, moves, counts, (forgotten, returned), history)| {
            Write {
                found: if same { Some(stamp.clone()) } else { found },
                stamp,
                moves: [moves.0, moves.1, moves.2].into_iter().flatten().collect(),
                counts: [counts.0, counts.1, counts.2].into_iter().flatten().collect(),
                forgotten: forgotten.into_iter().collect(),
                returned: returned.into_iter().collect(),
                writes: history.0,
                unchanged: history.1,
                changed: history.2,
                now: Timestamp::from_secs(2_000_000_000),
            }
        })
}

/// An answer without the item's size, which memory doesn't tell.
fn sizeless(answer: Answer) -> Answer {
    let without = |state| State { size: 0, ..state };
    match answer {
        Answer::Applied(state) => Answer::Applied(without(state)),
        Answer::Kept(state) => Answer::Kept(without(state)),
    }
}

#[test]
fn a_table_answers_every_write_as_memory_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let served = runtime.block_on(serve_table());
    let (table, memory) = (DynamoStore::new(served.client, TABLE), MemoryStore::new());
    let cases = AtomicU64::new(0);
    let config = ProptestConfig {
        cases: 100,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource(
            "proptest-regressions",
        ))),
        ..ProptestConfig::default()
    };
    let outcome = proptest::test_runner::TestRunner::new(config).run(
        &prop::collection::vec(write(), 1..12),
        |writes| {
            let case = cases.fetch_add(1, Ordering::Relaxed);
            let subject = Subject::new(format!("subject {case}")).unwrap();
            for write in writes {
                let (told, expected) = runtime.block_on(async {
                    (table.write(&subject, &write).await, memory.write(&subject, &write).await)
                });
                prop_assert_eq!(told.map(sizeless), expected, "{:?}", write);
            }
            Ok(())
        },
    );
    outcome.unwrap();
    // A test whose conditions never held, or always, would say little.
    let consumed = memory.consumed();
    assert_eq!(table.consumed(), consumed);
    assert!(
        consumed.applied > consumed.calls / 10 && consumed.kept > consumed.calls / 10,
        "{consumed:?}"
    );
}
