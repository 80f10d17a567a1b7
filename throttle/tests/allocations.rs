//! Decisions from memory allocate nothing: a full bucket costs as little as can be.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use throttle::{
    Clock, Decision, Leases, ManualClock, MemoryStore, Plan, PlanId, Request, Subject, Throttle,
};

const PLAN: &str = r#"{"throttle": {"rateLimit": 1000, "burstLimit": 1000},
    "quota": {"limit": 1000000, "period": "MONTH"}}"#;
const NARROW: &str = r#"{"throttle": {"rateLimit": "1/d", "burstLimit": 1},
    "quota": {"limit": 1000000, "period": "MONTH"}}"#;

type Instance = Throttle<MemoryStore, ManualClock>;

fn instance(plan: &str) -> (Instance, Subject, PlanId) {
    let (store, clock) = (MemoryStore::new(), ManualClock::default());
    let id = PlanId::new("plan").unwrap();
    store.put_plan(id.clone(), Plan::from_json(plan).unwrap(), clock.now());
    (Throttle::new(store, clock), Subject::new("subject").unwrap(), id)
}

/// The result of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it waits"),
    }
}

fn decide(throttle: &Instance, request: &Request<'_>) -> Decision {
    now(throttle.decide(request)).unwrap()
}

/// How many allocations a decision makes; it is dropped within them.
fn allocations(throttle: &Instance, request: &Request<'_>, allowed: bool) -> u64 {
    let info = measure(|| assert_eq!(decide(throttle, request).is_allowed(), allowed));
    info.count_total
}

#[test]
fn a_decision_from_a_lease_allocates_nothing() {
    let (throttle, subject, plan) = instance(PLAN);
    let throttle = throttle.leases(Leases::adaptive());
    let request = Request::new(&subject, &plan);
    for _ in 0..40 {
        assert!(decide(&throttle, &request).is_allowed());
    }
    let leased = throttle.counts().leased;
    assert_eq!(allocations(&throttle, &request, true), 0);
    assert_eq!(throttle.counts().leased, leased + 1);
}

#[test]
fn a_remembered_refusal_allocates_nothing() {
    let (throttle, subject, plan) = instance(NARROW);
    let request = Request::new(&subject, &plan);
    assert!(decide(&throttle, &request).is_allowed());
    assert!(!decide(&throttle, &request).is_allowed());
    let remembered = throttle.counts().remembered;
    assert_eq!(allocations(&throttle, &request, false), 0);
    assert_eq!(throttle.counts().remembered, remembered + 1);
}

#[test]
fn a_decision_in_memory_allocates_its_receipt_alone() {
    let (throttle, subject, plan) = instance(PLAN);
    let request = Request::new(&subject, &plan).cost(NonZeroU32::MIN);
    for _ in 0..2 {
        decide(&throttle, &request);
    }
    assert_eq!(allocations(&throttle, &request, true), 1);
}
