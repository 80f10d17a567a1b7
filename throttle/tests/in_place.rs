//! A store that lets its buckets be changed in place: decided the same, without a call.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail loudly"
)]

#[path = "common/shared.rs"]
mod shared;

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::measure;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use throttle::Receipt;
use throttle::internal::Answer;
use throttle::internal::{Charge, Meter, Move, Scope, State, To, When};
use throttle::{
    Clock, Decision, Leases, ManualClock, MemoryStore, Plan, PlanId, Request, Store, Subject,
    Throttle, ThrottleError, Timestamp,
};

use shared::Shared;

/// What is done with two stores alike.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Decide {
        plan: usize,
        method: bool,
        cost: u32,
    },
    /// Settles the receipt that has waited for longest.
    Settle(u32),
    /// A new version of a plan.
    Put {
        plan: usize,
        as_plan: usize,
    },
}

const PLANS: [&str; 4] = [
    r#"{"throttle": {"rateLimit": 1, "burstLimit": 6}}"#,
    r#"{"throttle": {"rateLimit": 7, "burstLimit": 9}, "quota": {"limit": 40, "period": "DAY"},
        "apiStages": [{"apiId": "a", "stage": "s",
            "throttle": {"/pets/GET": {"rateLimit": 2, "burstLimit": 6}}}]}"#,
    r#"{"quota": [{"limit": 9, "offset": 2, "period": "DAY"}, {"limit": 12, "period": "WEEK"},
        {"limit": 20, "period": "MONTH"}]}"#,
    r#"{"throttle": {"rateLimit": "1/h", "burstLimit": 7},
        "apiStages": [{"apiId": "a", "stage": "s",
            "throttle": {"/pets/GET": {"rateLimit": 5, "burstLimit": 8}}}]}"#,
];

/// One process with a store, a clock, and the receipts that it has.
struct Side {
    store: MemoryStore,
    clock: ManualClock,
    throttle: Throttle<Shared, ManualClock>,
    /// Whether nothing is remembered from one decision to the next: neither state nor refusal.
    forgets: bool,
    receipts: Vec<Receipt>,
}

impl Side {
    fn new(store: MemoryStore) -> Self {
        let clock = ManualClock::default();
        for (at, plan) in PLANS.iter().enumerate() {
            store.put_plan(id(at), Plan::from_json(plan).unwrap(), clock.now());
        }
        let throttle = Throttle::new(Shared(store.clone()), clock.clone());
        Self { store, clock, throttle, forgets: false, receipts: Vec::new() }
    }

    fn forgetful(self) -> Self {
        Self { forgets: true, ..self }
    }

    fn decide(&self, plan: usize, method: bool, cost: u32) -> Result<Decision, ThrottleError> {
        decide(&self.throttle, plan, method, cost)
    }

    /// What is in the bucket: as one is told who writes nothing to it.
    fn bucket(&self) -> State {
        let meter = Meter { scope: Scope::Plan, interval: 1.try_into().unwrap() };
        let never = Move { meter, when: When::Is(Timestamp::from_nanos(u64::MAX)), to: To::Same };
        let record = now(self.store.plan(&id(2))).unwrap().unwrap();
        let charge = Charge::new(&record, NonZeroU32::MIN, self.clock.now());
        let mut write = charge.write(charge.forms(&State::default()));
        write.moves.push(never);
        match now(self.store.write(&subject(), &write)).unwrap() {
            // What an hour ago was full again may be gone, or not yet.
            Answer::Kept(state) => {
                let since = self.clock.now().saturating_sub(Duration::from_secs(3_600));
                let tats = state.tats.iter().filter(|(_, tat)| **tat > since);
                let tats = tats.map(|(meter, tat)| (*meter, *tat)).collect();
                State { tats, ..state }
            }
            Answer::Applied(_) => panic!("it asks for what never is"),
        }
    }

    /// What the step comes to, in words that can be compared.
    fn make(&mut self, step: &Step) -> String {
        if self.forgets {
            self.throttle = Throttle::new(Shared(self.store.clone()), self.clock.clone());
        }
        match *step {
            Step::Wait(nanos) => {
                self.clock.advance(Duration::from_nanos(nanos));
                String::new()
            }
            Step::Decide { plan, method, cost } => match self.decide(plan, method, cost) {
                Ok(decision) => {
                    let refused = (decision.refused_by(), decision.retry_after());
                    let told = format!("{refused:?} {:?}", decision.standings());
                    self.receipts.extend(decision.into_receipt());
                    told
                }
                Err(error) => format!("{error:?}"),
            },
            Step::Settle(actual) if !self.receipts.is_empty() => {
                let receipt = self.receipts.remove(0);
                // What was used beyond is written in either case: nothing of it is in place.
                let actual = actual.min(receipt.cost().get());
                format!("{:?}", now(self.throttle.settle(receipt, actual)))
            }
            Step::Settle(_) => String::new(),
            Step::Put { plan, as_plan } => {
                let plan_now = Plan::from_json(PLANS[as_plan]).unwrap();
                self.store.put_plan(id(plan), plan_now, self.clock.now());
                // Until everybody knows of it.
                self.clock.advance(Duration::from_secs(60));
                String::new()
            }
        }
    }
}

fn id(at: usize) -> PlanId {
    PlanId::new(format!("plan-{at}")).unwrap()
}

fn subject() -> Subject {
    Subject::new("subject").unwrap()
}

fn decide<C: Clock>(
    throttle: &Throttle<Shared, C>,
    plan: usize,
    method: bool,
    cost: u32,
) -> Result<Decision, ThrottleError> {
    let (subject, plan) = (subject(), id(plan));
    let request = Request::new(&subject, &plan).cost(NonZeroU32::new(cost).unwrap());
    let request = if method { request.method("a", "s", "/pets/GET") } else { request };
    now(throttle.decide(&request))
}

/// The result of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it waits"),
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![
        0..2_000_000_000u64,
        Just(1_000_000_000),
        1_000_000_000..200_000_000_000u64,
        Just(86_400_000_000_000),
    ];
    let step = prop_oneof![
        4 => wait.prop_map(Step::Wait),
        9 => (0..4usize, any::<bool>(), prop_oneof![5 => Just(1), 1 => 1..7u32])
            .prop_map(|(plan, method, cost)| Step::Decide { plan, method, cost }),
        // The same plan over and over, as a subject has one.
        9 => prop_oneof![5 => Just(1), 1 => 1..7u32]
            .prop_map(|cost| Step::Decide { plan: 1, method: true, cost }),
        2 => (0..9u32).prop_map(Step::Settle),
        1 => (0..4usize, 0..4usize).prop_map(|(plan, as_plan)| Step::Put { plan, as_plan }),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    /// Whatever is asked for, settled and changed: the same as by conditional writes.
    #[test]
    fn what_is_decided_in_place_is_what_writes_decide(steps in steps()) {
        let mut written = Side::new(MemoryStore::new()).forgetful();
        let mut placed = Side::new(MemoryStore::new().in_place());
        for step in &steps {
            prop_assert_eq!(placed.make(step), written.make(step), "{:?}", step);
            prop_assert_eq!(placed.bucket(), written.bucket(), "{:?}", step);
        }
    }
}

#[test]
fn it_is_no_call_but_for_leases() {
    let side = Side::new(MemoryStore::new().in_place());
    for turn in 0..8 {
        assert_eq!(side.decide(0, false, 1).unwrap().is_allowed(), turn < 6);
    }
    assert_eq!(side.store.calls(), 0);
    let counts = side.throttle.counts();
    assert_eq!((counts.allowed, counts.refused, counts.remembered), (6, 2, 2));
    // Leases are taken by writes.
    let leasing =
        Throttle::new(Shared(side.store.clone()), side.clock.clone()).leases(Leases::adaptive());
    for _ in 0..2 {
        assert!(!decide(&leasing, 0, false, 1).unwrap().is_allowed());
    }
    assert_eq!(side.store.calls(), 1, "and a refusal is remembered");
}

#[test]
fn an_instance_with_an_older_plan_looks_it_up() {
    let side = Side::new(MemoryStore::new().in_place());
    let other = Throttle::new(Shared(side.store.clone()), side.clock.clone());
    for throttle in [&side.throttle, &other] {
        assert!(decide(throttle, 0, false, 1).unwrap().is_allowed());
    }
    side.store.put_plan(id(0), Plan::from_json(PLANS[1]).unwrap(), side.clock.now());
    let newer = Throttle::new(Shared(side.store.clone()), side.clock.clone());
    assert_eq!(decide(&newer, 0, false, 1).unwrap().limit(), 9);
    assert_eq!(decide(&other, 0, false, 1).unwrap().limit(), 9);
    assert_eq!(other.counts().refreshed, 1);
}

#[test]
fn a_damaged_bucket_is_told_and_stays() {
    let side = Side::new(MemoryStore::new().in_place());
    assert!(side.decide(0, false, 1).unwrap().is_allowed());
    let meter = Meter { scope: Scope::Method(7), interval: 9.try_into().unwrap() };
    let far = To::At(Timestamp::from_nanos(u64::MAX));
    let record = now(side.store.plan(&id(0))).unwrap().unwrap();
    let charge = Charge::new(&record, NonZeroU32::MIN, side.clock.now());
    let mut write = charge.write(charge.forms(&side.bucket()));
    write.moves.push(Move { meter, when: When::Absent, to: far });
    assert!(matches!(now(side.store.write(&subject(), &write)), Ok(Answer::Applied(_))));
    for _ in 0..2 {
        assert!(matches!(side.decide(0, false, 1), Err(ThrottleError::Damaged(_))));
    }
    assert_eq!(side.throttle.counts().damaged, 2);
}

#[test]
fn it_allocates_its_receipt_alone() {
    let side = Side::new(MemoryStore::new().in_place());
    let (subject, plan) = (subject(), id(0));
    let request = Request::new(&subject, &plan);
    let allocations = |allowed| {
        let decide = || now(side.throttle.decide(&request)).unwrap();
        measure(|| assert_eq!(decide().is_allowed(), allowed)).count_total
    };
    now(side.throttle.decide(&request)).unwrap();
    for _ in 1..6 {
        assert_eq!(allocations(true), 1);
    }
    assert_eq!(allocations(false), 0);
}
