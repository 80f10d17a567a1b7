//! Giving back, and charging what it came to: neither may break the bound.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

#[path = "common/desk.rs"]
mod desk;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use desk::{Desk, rate};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tokio::sync::Notify;
use tollgate_throttle::internal::{Answer, Sealed, Write};
use tollgate_throttle::testing::Faulty;
use tollgate_throttle::{
    Clock, Consumed, Limit, ManualClock, MemoryStore, PlanId, PlanRecord, Refund, Request,
    Standing, Store, StoreError, Subject, Throttle,
};
use tollgate_throttle::{Receipt, Settlement};

const SECOND: u64 = 1_000_000_000;
const PLAN: &str = r#"{"throttle": {"rateLimit": 1, "burstLimit": 10},
    "quota": [{"limit": 20, "period": "DAY"}, {"limit": 30, "period": "WEEK"}]}"#;

#[tokio::test]
async fn a_refund_at_once_gives_all_of_it_back() {
    let desk = Desk::new();
    desk.put("plan", PLAN);
    let instance = desk.instance();
    let receipt = desk.charge(&instance, "plan", 10).await;
    assert!(!desk.decide(&instance, "plan", 1).await.is_allowed());
    assert_eq!(instance.refund(receipt, 8).await, Ok(Refund::Made));
    let decision = desk.decide(&instance, "plan", 8).await;
    let left: Vec<_> = decision.standings().iter().map(Standing::remaining).collect();
    assert_eq!(left, [0, 10, 20]);
    assert_eq!(instance.stats().refunded, 1);
}

#[tokio::test]
async fn what_has_been_refilled_is_not_given_back() {
    let desk = Desk::new();
    desk.put("plan", PLAN);
    let instance = desk.instance();
    let receipt = desk.charge(&instance, "plan", 10).await;
    desk.advance(10 * SECOND);
    // The bucket is full again, and another takes all of it: none of it is the first one's.
    desk.charge(&instance, "plan", 10).await;
    instance.refund(receipt, 10).await.unwrap();
    let refused = desk.decide(&instance, "plan", 1).await;
    assert_eq!(refused.refused_by(), [Limit::BURST]);
    let left: Vec<_> = refused.standings().iter().map(Standing::remaining).collect();
    assert_eq!(left, [0, 10, 20], "the quotas are given back");
}

#[tokio::test]
async fn what_others_had_returned_counts_against_a_later_refund() {
    let desk = Desk::new();
    desk.put("plan", &rate("1/s", 20));
    let instance = desk.instance();
    let first = desk.charge(&instance, "plan", 5).await;
    let second = desk.charge(&instance, "plan", 5).await;
    desk.advance(SECOND);
    instance.refund(first, 5).await.unwrap();
    desk.advance(5 * SECOND);
    // The second has been refilled by now; what is owed is the third's.
    desk.charge(&instance, "plan", 5).await;
    desk.advance(SECOND);
    instance.refund(second, 5).await.unwrap();
    assert_eq!(desk.decide(&desk.instance(), "plan", 1).await.remaining(), 20 - 4 - 1);
}

#[tokio::test]
async fn nothing_is_left_to_give_back_after_the_period_or_the_plan() {
    let desk = Desk::new();
    desk.put("plan", PLAN);
    let instance = desk.instance();
    let receipt = desk.charge(&instance, "plan", 5).await;
    desk.put("plan", PLAN);
    desk.decide(&desk.instance(), "plan", 1).await;
    assert_eq!(instance.refund(receipt, 5).await, Ok(Refund::Nothing));
    assert_eq!(desk.decide(&desk.instance(), "plan", 1).await.remaining(), 3);

    let receipt = desk.charge(&desk.instance(), "plan", 1).await;
    // Two days and a week later: nothing of the day, the week, or the rate.
    desk.clock.advance(Duration::from_secs(9 * 86_400));
    let calls = desk.store.calls();
    assert_eq!(desk.instance().refund(receipt, 1).await, Ok(Refund::Nothing));
    assert_eq!(desk.store.calls(), calls);
    assert_eq!(
        desk.instance().refund(desk.charge(&instance, "plan", 1).await, 0).await,
        Ok(Refund::Nothing)
    );
}

#[tokio::test]
async fn nothing_is_given_back_after_another_plan_though_it_is_the_first_again() {
    let desk = Desk::new();
    desk.put("plan", PLAN);
    desk.put("other", &rate("1/s", 9));
    let instance = desk.instance();
    let receipt = desk.charge(&instance, "plan", 5).await;
    desk.charge(&instance, "other", 1).await;
    desk.charge(&instance, "plan", 1).await;
    assert_eq!(instance.refund(receipt, 5).await, Ok(Refund::Nothing));
}

#[tokio::test]
async fn a_refund_asks_again_where_another_came_first() {
    let desk = Desk::new();
    desk.put("plan", PLAN);
    let (one, other) = (desk.instance(), desk.instance());
    let first = desk.charge(&one, "plan", 3).await;
    let second = desk.charge(&other, "plan", 3).await;
    assert_eq!(other.refund(second, 3).await, Ok(Refund::Made));
    let calls = desk.store.calls();
    assert_eq!(one.refund(first, 3).await, Ok(Refund::Made));
    assert_eq!(desk.store.calls(), calls + 2);
    // The mark of the first is taken to be three tokens earlier, which is where it began.
    assert_eq!(desk.decide(&desk.instance(), "plan", 1).await.standings()[1].remaining(), 19);
}

#[tokio::test]
async fn one_that_remembers_what_became_of_a_bucket_asks_once() {
    let desk = Desk::new();
    desk.put("plan", PLAN);
    let instance = desk.instance();
    let first = desk.charge(&instance, "plan", 3).await;
    let second = desk.charge(&instance, "plan", 3).await;
    let calls = desk.store.calls();
    assert_eq!(instance.refund(first, 1).await, Ok(Refund::Made));
    assert_eq!(instance.refund(second, 1).await, Ok(Refund::Made));
    assert_eq!(desk.store.calls(), calls + 2);
}

#[tokio::test]
async fn a_settlement_charges_what_it_came_to() {
    let desk = Desk::new();
    desk.put("plan", PLAN);
    let instance = desk.instance();
    let receipt = desk.charge(&instance, "plan", 4).await;
    instance.settle(receipt, 4).await.unwrap();
    assert_eq!(desk.store.calls(), 1);
    let receipt = desk.charge(&instance, "plan", 4).await;
    instance.settle(receipt, 1).await.unwrap();
    let decision = desk.decide(&instance, "plan", 1).await;
    assert_eq!(decision.remaining(), 4);
    // Beyond what fits: all limits show it, and later requests wait for it.
    instance.settle(decision.into_receipt().unwrap(), 21).await.unwrap();
    let refused = desk.decide(&instance, "plan", 1).await;
    assert_eq!(refused.refused_by(), [Limit::BURST, Limit::DAILY]);
    assert_eq!(refused.standings()[0].resets_after(), Duration::from_secs(26));
    assert_eq!(refused.standings()[2].remaining(), 4);
}

#[tokio::test]
async fn a_settlement_owes_a_year_at_most_and_survives_a_change_of_plans() {
    let desk = Desk::new();
    desk.put("plan", &rate("1/s", 10));
    let instance = desk.instance();
    let receipt = desk.charge(&instance, "plan", 1).await;
    instance.settle(receipt, u32::MAX).await.unwrap();
    let refused = desk.decide(&instance, "plan", 1).await;
    assert_eq!(refused.standings()[0].resets_after(), Duration::from_secs(366 * 86_400));

    // One whose clock is behind doesn't bring it forward.
    let desk = Desk::new();
    desk.put("plan", &rate("1/s", 10));
    let first = desk.charge(&desk.instance(), "plan", 1).await;
    let second = desk.charge(&desk.instance(), "plan", 1).await;
    desk.instance().settle(first, u32::MAX).await.unwrap();
    let behind = ManualClock::at(desk.clock.now().saturating_sub(Duration::from_secs(3_600)));
    // As on another machine, which shares the store and goes by its own wall clock.
    let other = Throttle::new(Faulty::new(desk.store.clone()), behind);
    other.settle(second, 9).await.unwrap();
    let refused = desk.decide(&desk.instance(), "plan", 1).await;
    assert_eq!(refused.standings()[0].resets_after(), Duration::from_secs(366 * 86_400));

    let desk = Desk::new();
    desk.put("plan", &rate("1/s", 10));
    let instance = desk.instance();
    let receipt = desk.charge(&instance, "plan", 1).await;
    desk.put("plan", &rate("2/s", 10));
    desk.charge(&desk.instance(), "plan", 1).await;
    instance.settle(receipt, 5).await.unwrap();
    assert_eq!(desk.decide(&desk.instance(), "plan", 1).await.remaining(), 3);
}

/// A store that holds one answer back until it is told to go on.
#[derive(Clone)]
struct Late {
    memory: MemoryStore,
    holds: Arc<AtomicBool>,
    goes_on: Arc<Notify>,
}

impl Sealed for Late {}

impl Store for Late {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        self.memory.plan(id).await
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        let answer = self.memory.write(subject, write).await;
        if self.holds.swap(false, Ordering::Relaxed) {
            self.goes_on.notified().await;
        }
        answer
    }

    fn consumed(&self) -> Consumed {
        self.memory.consumed()
    }
}

/// The answer to a refund arrives after that to a later charge, and shows the bucket without it.
#[tokio::test]
async fn a_state_from_before_a_charge_does_not_decide_its_refund() {
    let desk = Desk::new();
    desk.put(
        "plan",
        r#"{"throttle": {"rateLimit": 1, "burstLimit": 10}, "quota": {"limit": 20, "period": "DAY"},
            "meters": {"tokens": {"quota": {"limit": 90, "period": "DAY"}}}}"#,
    );
    let (memory, holds, goes_on) = (desk.store.clone(), Arc::default(), Arc::default());
    let store = Late { memory, holds, goes_on };
    let instance = Throttle::new(store.clone(), desk.clock.clone());
    let plan = PlanId::new("plan").unwrap();
    let request = Request::new(&desk.subject, &plan).cost(5).meter("tokens", 7);
    let charge = async || instance.decide(&request).await.unwrap().into_receipt().unwrap();
    let first = charge().await;
    store.holds.store(true, Ordering::Relaxed);
    let (settled, second) = tokio::join!(instance.settle(first, Settlement::nothing()), async {
        let second = charge().await;
        store.goes_on.notify_one();
        second
    });
    assert_eq!(settled, Ok(()));
    instance.settle(second, Settlement::nothing()).await.unwrap();
    let state = desk.state().await;
    assert!(state.counters.values().all(|used| *used == 0), "{state:?}");
    assert!(state.tats.values().all(|tat| *tat == desk.clock.now()), "{state:?}");
}

/// The next event: a request, or a refund of the oldest or newest open receipt.
#[derive(Clone, Copy, Debug)]
enum Event {
    Charge(u32),
    Refund { which: usize, unused: u32 },
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (1..=8u32).prop_map(Event::Charge),
        3 => (0..6usize, 0..=8u32).prop_map(|(which, unused)| Event::Refund { which, unused }),
        3 => (0..8_000u64).prop_map(|millis| Event::Wait(millis * 1_000_000)),
    ];
    prop::collection::vec(event, 1..60)
}

/// A request that was let through: when, and what of it is taken to be used.
struct Use {
    at: u64,
    used: u64,
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    /// I7: by what is used of each request, no window holds more than burst and refill.
    #[test]
    fn no_schedule_of_refunds_raises_the_bound(events in events(), instances in 1..4usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let desk = Desk::new();
            desk.put("plan", &rate("1/s", 8));
            let instances: Vec<_> = (0..instances).map(|_| desk.instance()).collect();
            let mut uses: Vec<Use> = Vec::new();
            let mut open: Vec<(usize, Receipt)> = Vec::new();
            for (turn, event) in events.into_iter().enumerate() {
                let instance = instances.get(turn % instances.len()).unwrap();
                match event {
                    Event::Wait(nanos) => desk.advance(nanos),
                    Event::Charge(cost) => {
                        let decision = desk.decide(instance, "plan", cost).await;
                        if let Some(receipt) = decision.into_receipt() {
                            open.push((uses.len(), receipt));
                            uses.push(Use { at: desk.clock.now().as_nanos(), used: cost.into() });
                        }
                    }
                    Event::Refund { which, unused } if !open.is_empty() => {
                        let (index, receipt) = open.remove(which % open.len());
                        let unused = unused.min(receipt.cost());
                        instance.refund(receipt, unused).await.unwrap();
                        uses.get_mut(index).unwrap().used -= u64::from(unused);
                    }
                    Event::Refund { .. } => {}
                }
                let now = desk.clock.now().as_nanos();
                let mut used = 0;
                for it in uses.iter().rev() {
                    used += it.used;
                    let refilled = (now - it.at) / SECOND;
                    assert!(used <= 8 + refilled, "{used} used within {} ns", now - it.at);
                }
            }
        });
    }
}
