//! Buckets of one process: a clock that is set back locks nobody out, and memory stays bounded.
//!
//! Rebuilt from public bug reports: see `tests/cases/throttle` of the repository.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tollgate_throttle::testing::{Fault, Faulty};
use tollgate_throttle::{
    Clock, Decision, Leases, ManualClock, MemoryStore, Plan, PlanId, Request, Store, Subject,
    Throttle, Timestamp,
};

/// Two clocks that are set by hand; the wall clock goes back, too.
#[derive(Clone, Default)]
struct Steps {
    wall: Arc<Mutex<u64>>,
    monotonic: Arc<Mutex<u64>>,
}

impl Steps {
    fn at(wall: u64) -> Self {
        let steps = Self::default();
        *steps.wall.lock().unwrap() = wall;
        steps
    }

    fn set_back(&self, seconds: u64) {
        *self.wall.lock().unwrap() -= seconds;
    }

    /// Lets time pass.
    fn pass(&self, seconds: u64) {
        *self.wall.lock().unwrap() += seconds;
        *self.monotonic.lock().unwrap() += seconds;
    }

    /// Lets time pass while the process is frozen.
    fn freeze(&self, seconds: u64) {
        *self.wall.lock().unwrap() += seconds;
    }
}

impl Clock for Steps {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(*self.wall.lock().unwrap())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(*self.monotonic.lock().unwrap())
    }
}

const NOW: u64 = 1_795_251_600;
const PLAN: &str = r#"{"throttle": {"rateLimit": 5, "burstLimit": 10}, "failure": {"local": "1"}}"#;

fn plan() -> PlanId {
    PlanId::new("p").unwrap()
}

fn put(store: &MemoryStore, json: &str) {
    store.put_plan(plan(), Plan::from_json(json).unwrap(), Timestamp::from_secs(NOW));
}

async fn decide<S: Store, C: Clock>(throttle: &Throttle<S, C>, cost: u32) -> Decision {
    let (maria, plan) = (Subject::new("maria").unwrap(), plan());
    let request = Request::new(&maria, &plan).cost(cost);
    throttle.decide(&request).await.unwrap()
}

fn store() -> MemoryStore {
    let store = MemoryStore::new();
    put(&store, PLAN);
    store
}

#[tokio::test]
async fn a_clock_that_is_put_right_locks_nobody_out() {
    {
        let store = store();
        let clock = Steps::at(NOW + 3_600);
        let throttle = Throttle::new(store, clock.clone());
        assert!(decide(&throttle, 1).await.is_allowed());
        clock.set_back(3_600);
        for _ in 0..60 {
            clock.pass(1);
        }
        assert!(decide(&throttle, 10).await.is_allowed());
        // The bucket owes what it owes, neither more nor less.
        let refused = decide(&throttle, 10).await;
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(2)));
    }
}

#[tokio::test]
async fn a_step_back_gives_nothing_away() {
    {
        let store = store();
        let clock = Steps::at(NOW);
        let throttle = Throttle::new(store.clone(), clock.clone());
        assert!(decide(&throttle, 10).await.is_allowed());
        for seconds in [3_600, 1, 90 * 86_400] {
            clock.set_back(seconds);
            assert!(!decide(&throttle, 1).await.is_allowed());
        }
        // Nor is anybody locked out who asks a throttle that was made since.
        let younger = Throttle::new(store, clock.clone());
        assert!(!decide(&younger, 1).await.is_allowed());
        clock.pass(2);
        assert!(decide(&younger, 10).await.is_allowed());
        assert!(!decide(&throttle, 1).await.is_allowed());
    }
}

#[tokio::test]
async fn a_frozen_process_refills() {
    {
        let store = store();
        let clock = Steps::at(NOW);
        let throttle = Throttle::new(store, clock.clone());
        assert!(decide(&throttle, 10).await.is_allowed());
        clock.freeze(1);
        assert!(decide(&throttle, 5).await.is_allowed());
        clock.freeze(60);
        assert!(decide(&throttle, 10).await.is_allowed());
        assert!(!decide(&throttle, 1).await.is_allowed());
    }
}

#[tokio::test]
async fn quotas_and_leases_go_by_the_same_time() {
    let store = MemoryStore::new();
    put(&store, r#"{"quota": {"limit": 100000, "period": "DAY"}}"#);
    let clock = Steps::at(NOW);
    let throttle = Throttle::new(store, clock.clone()).leases(Leases::adaptive());
    for _ in 0..100 {
        assert!(decide(&throttle, 1).await.is_allowed());
    }
    let before = decide(&throttle, 1).await.reset_after();
    clock.set_back(86_400);
    clock.pass(5);
    assert_eq!(decide(&throttle, 1).await.reset_after(), before - Duration::from_secs(5));
}

#[tokio::test]
async fn an_instance_that_decides_alone_is_not_locked_out() {
    let memory = MemoryStore::new();
    put(&memory, PLAN);
    let (store, clock) = (Faulty::new(memory), Steps::at(NOW + 3_600));
    let throttle = Throttle::new(store.clone(), clock.clone());
    decide(&throttle, 1).await;
    clock.pass(2);
    store.fail_with(Fault::Outage);
    let alone = decide(&throttle, 10).await;
    assert!(alone.is_allowed() && alone.is_degraded());
    clock.set_back(3_600);
    clock.pass(1);
    assert!(decide(&throttle, 5).await.is_allowed());
    assert!(!decide(&throttle, 1).await.is_allowed());
}

#[tokio::test]
async fn buckets_that_are_full_again_take_no_room() {
    const MANY: u32 = 10_000;
    {
        let store = store();
        let clock = ManualClock::default();
        put(&store, r#"{"throttle": {"rateLimit": 1, "burstLimit": 5}}"#);
        let throttle = Throttle::new(store.clone(), clock.clone());
        let fill = async |from: u32| {
            let plan = plan();
            for i in from..from + MANY {
                let (high, low) = (i >> 16, i & 0xffff);
                let subject = format!("address-2001:db8:{high:x}:{low:x}::/64");
                let subject = Subject::new(subject).unwrap();
                throttle.decide(&Request::new(&subject, &plan)).await.unwrap();
            }
        };
        fill(0).await;
        let first = store.buckets();
        assert_eq!(first, 10_000);
        for round in 1..4 {
            clock.advance(Duration::from_secs(3_600));
            fill(round * MANY).await;
        }
        assert!(store.buckets() < first * 2, "{first}, then {}", store.buckets());
    }
}
