//! What every store must do, written once and run against each.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use throttle::bucket::{Charge, Form, Forms, State};
use throttle::store::Answer;
use throttle::{
    Clock, DynamoStore, Limit, ManualClock, MemoryStore, Plan, PlanId, PlanRecord, Plans, Request,
    Store, Subject, Throttle, ThrottleError, Timestamp,
};

/// A store under test, and how a plan gets into it.
trait Bench: Sync {
    type Store: Store + Clone;

    fn store(&self) -> Self::Store;

    fn put(&self, id: &PlanId, plan: Plan, now: Timestamp) -> impl Future<Output = ()> + Send;
}

struct Memory(MemoryStore);

impl Bench for Memory {
    type Store = MemoryStore;

    fn store(&self) -> MemoryStore {
        self.0.clone()
    }

    async fn put(&self, id: &PlanId, plan: Plan, now: Timestamp) {
        self.0.put_plan(id.clone(), plan, now);
    }
}

struct Dynamo {
    store: DynamoStore,
    plans: Plans,
}

impl Bench for Dynamo {
    type Store = DynamoStore;

    fn store(&self) -> DynamoStore {
        self.store.clone()
    }

    async fn put(&self, id: &PlanId, plan: Plan, now: Timestamp) {
        let old = self.plans.get(id).await.unwrap().map(|record| record.version);
        self.plans.put(id, &plan, old, now).await.unwrap();
    }
}

async fn memory() -> Memory {
    Memory(MemoryStore::new())
}

async fn dynamo() -> Dynamo {
    let served = common::serve_table().await;
    let plans = Plans::new(served.client.clone(), common::TABLE);
    Dynamo { store: DynamoStore::new(served.client, common::TABLE), plans }
}

/// Instantiates each check for each store.
macro_rules! suite {
    ($($check:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() { super::$check(&super::memory().await).await; })*
        }
        mod in_dynamo {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() { super::$check(&super::dynamo().await).await; })*
        }
    };
}

suite![
    an_idle_bucket_admits_its_burst_and_no_more,
    waiting_exactly_long_enough_succeeds,
    idle_for_long_then_all_at_once,
    concurrent_tasks_get_exactly_the_allowed_number,
    instances_share_one_limit,
    an_idle_or_remembered_bucket_costs_one_call,
    a_remembered_refusal_costs_no_call_for_a_second,
    a_clock_that_is_behind_refuses_rather_than_admits,
    quotas_count_and_start_afresh,
    several_limits_are_all_named,
    an_offset_counts_in_the_first_period_only,
    a_refused_request_is_not_counted,
    costs_count_as_that_many,
    what_never_fits_is_an_error,
    an_unknown_plan_is_an_error_and_remembered,
    subjects_do_not_share,
    take_follows_the_arithmetic,
];

// ---------------------------------------------------------------------------------- checks

async fn an_idle_bucket_admits_its_burst_and_no_more(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("10", 5)).await;
    for left in (0..5).rev() {
        let decision = it.decide().await;
        assert!(decision.is_allowed());
        assert_eq!((decision.limit(), decision.remaining()), (5, left));
        assert_eq!((decision.retry_after(), decision.retry_after_seconds()), (None, None));
    }
    let refused = it.decide().await;
    assert!(!refused.is_allowed());
    assert_eq!(refused.refused_by(), [Limit::Burst]);
    assert_eq!(refused.retry_after(), Some(Duration::from_millis(100)));
    assert_eq!(refused.retry_after_seconds(), Some(1));
    assert_eq!(refused.reset_after(), Duration::from_millis(500));
    assert_eq!(refused.plan(), &it.plan);
}

async fn waiting_exactly_long_enough_succeeds(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("3", 2)).await;
    while it.decide().await.is_allowed() {}
    for _ in 0..5 {
        let wait = it.decide().await.retry_after().unwrap();
        it.clock.advance(wait - Duration::from_nanos(1));
        let early = it.fresh().decide(&it.request()).await.unwrap();
        assert_eq!(early.retry_after(), Some(Duration::from_nanos(1)));
        assert_eq!(early.retry_after_seconds(), Some(1));
        it.clock.advance(Duration::from_nanos(1));
        assert!(it.decide().await.is_allowed());
    }
}

async fn idle_for_long_then_all_at_once(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("1", 100)).await;
    assert!(it.decide().await.is_allowed());
    for idle in [1, 50, 99, 100, 1_000, 100_000] {
        it.clock.advance(Duration::from_secs(idle));
        let mut admitted = 0;
        while it.decide().await.is_allowed() {
            admitted += 1;
        }
        assert!(admitted <= 100, "{admitted} of 100 after {idle} s");
        assert!(admitted >= idle.min(99), "{admitted} after {idle} s");
    }
}

async fn concurrent_tasks_get_exactly_the_allowed_number(bench: &impl Bench) {
    let it = Setting::new(bench, &rate_and_quota("1000", 120, 70, "DAY")).await;
    assert_eq!(it.storm(200).await, 70);
    it.clock.advance(Duration::from_secs(86_400));
    assert_eq!(it.storm(200).await, 70);

    let it = Setting::named(bench, "burst only", &rate("0.001", 150)).await;
    assert_eq!(it.storm(200).await, 150);
    it.clock.advance(Duration::from_secs(30_000));
    assert_eq!(it.storm(200).await, 30);
}

async fn instances_share_one_limit(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("1", 10)).await;
    let others = [it.fresh(), it.fresh()];
    let mut admitted = 0;
    for turn in 0..30 {
        let throttle = if turn % 3 == 0 { &it.throttle } else { &others[turn % 3 - 1] };
        admitted += u32::from(throttle.decide(&it.request()).await.unwrap().is_allowed());
    }
    assert_eq!(admitted, 10);
}

async fn an_idle_or_remembered_bucket_costs_one_call(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("1", 10)).await;
    for turn in 1..=5 {
        it.decide().await;
        assert_eq!(it.calls(), turn, "idle at first, then remembered as busy");
    }
    it.clock.advance(Duration::from_secs(1_000));
    it.decide().await;
    assert_eq!(it.calls(), 6, "remembered as idle by now");
    // An instance that knows nothing takes one call more, once.
    let other = it.fresh();
    other.decide(&it.request()).await.unwrap();
    assert_eq!(it.calls(), 8);
    other.decide(&it.request()).await.unwrap();
    assert_eq!(it.calls(), 9);
}

async fn a_remembered_refusal_costs_no_call_for_a_second(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("0.1", 1)).await;
    assert!(it.decide().await.is_allowed());
    let calls = it.calls();
    it.clock.advance(Duration::from_secs(1));
    let refused = it.decide().await;
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(9)));
    assert_eq!(it.calls(), calls);
    it.clock.advance(Duration::from_nanos(1));
    assert!(!it.decide().await.is_allowed());
    assert_eq!(it.calls(), calls + 1);
}

async fn a_clock_that_is_behind_refuses_rather_than_admits(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("1", 2)).await;
    let behind = ManualClock::at(it.clock.now().saturating_sub(Duration::from_secs(3)));
    let behind = Throttle::new(bench.store(), behind);
    assert!(it.decide().await.is_allowed());
    assert!(it.decide().await.is_allowed());
    let refused = behind.decide(&it.request()).await.unwrap();
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(4)));
}

async fn quotas_count_and_start_afresh(bench: &impl Bench) {
    for (period, limit, seconds_left) in [
        ("DAY", Limit::Daily, 15 * 3_600),
        ("WEEK", Limit::Weekly, 15 * 3_600 + 86_400),
        ("MONTH", Limit::Monthly, 15 * 3_600 + 9 * 86_400),
    ] {
        // From Saturday, 2026-11-21T09:00:00Z.
        let it = Setting::named(bench, period, &quota(3, period)).await;
        for left in (0..3).rev() {
            assert_eq!(it.decide().await.remaining(), left);
        }
        let refused = it.decide().await;
        assert_eq!(refused.refused_by(), [limit]);
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(seconds_left)));
        assert_eq!(refused.reset_after(), Duration::from_secs(seconds_left));
        it.clock.advance(Duration::from_secs(seconds_left) - Duration::from_nanos(1));
        assert!(!it.decide().await.is_allowed());
        it.clock.advance(Duration::from_nanos(1));
        assert_eq!(it.decide().await.remaining(), 2);
    }
}

async fn several_limits_are_all_named(bench: &impl Bench) {
    let plan = r#"{"throttle": {"rateLimit": 1, "burstLimit": 3}, "quota": [
        {"limit": 3, "period": "DAY"}, {"limit": 4, "period": "WEEK"}, {"limit": 3, "period": "MONTH"}]}"#;
    let it = Setting::new(bench, plan).await;
    for _ in 0..3 {
        assert!(it.decide().await.is_allowed());
    }
    let refused = it.decide().await;
    assert_eq!(refused.refused_by(), [Limit::Burst, Limit::Daily, Limit::Monthly]);
    assert_eq!(refused.retry_after().unwrap().as_secs(), 15 * 3_600 + 9 * 86_400);
    assert_eq!((refused.limit(), refused.remaining()), (3, 0));
    it.clock.advance(Duration::from_secs(10 * 86_400));
    assert!(it.decide().await.is_allowed());
}

async fn an_offset_counts_in_the_first_period_only(bench: &impl Bench) {
    let plan = r#"{"quota": {"limit": 5, "offset": 3, "period": "DAY"}}"#;
    let it = Setting::new(bench, plan).await;
    assert_eq!(it.decide().await.remaining(), 1);
    assert_eq!(it.decide_cost(4).await.refused_by(), [Limit::Daily]);
    assert!(it.decide().await.is_allowed());
    assert!(!it.decide().await.is_allowed());
    it.clock.advance(Duration::from_secs(15 * 3_600));
    assert_eq!(it.decide_cost(5).await.remaining(), 0);
}

async fn a_refused_request_is_not_counted(bench: &impl Bench) {
    let it = Setting::new(bench, &rate_and_quota("1", 1, 2, "DAY")).await;
    for _ in 0..2 {
        assert!(it.decide().await.is_allowed());
        for _ in 0..5 {
            assert!(!it.fresh().decide(&it.request()).await.unwrap().is_allowed());
        }
        it.clock.advance(Duration::from_secs(2));
    }
    assert_eq!(it.decide().await.refused_by(), [Limit::Daily]);
}

async fn costs_count_as_that_many(bench: &impl Bench) {
    let it = Setting::new(bench, &rate_and_quota("1", 10, 12, "DAY")).await;
    assert_eq!(it.decide_cost(7).await.remaining(), 3);
    let refused = it.decide_cost(4).await;
    assert_eq!(refused.refused_by(), [Limit::Burst]);
    assert_eq!((refused.remaining(), refused.retry_after_seconds()), (3, Some(1)));
    it.clock.advance(Duration::from_secs(7));
    assert_eq!(it.decide_cost(6).await.refused_by(), [Limit::Daily]);
    assert_eq!(it.decide_cost(5).await.remaining(), 0);
}

async fn what_never_fits_is_an_error(bench: &impl Bench) {
    let it = Setting::new(bench, &rate_and_quota("1", 10, 8, "WEEK")).await;
    let cost = |cost| it.request().cost(NonZeroU32::new(cost).unwrap());
    assert_eq!(
        it.throttle.decide(&cost(11)).await,
        Err(ThrottleError::CostAboveBurst { cost: 11, burst: 10 })
    );
    assert_eq!(
        it.throttle.decide(&cost(9)).await,
        Err(ThrottleError::CostAboveQuota { limit: Limit::Weekly, cost: 9, quota: 8 })
    );
    assert_eq!(it.calls(), 0);
}

async fn an_unknown_plan_is_an_error_and_remembered(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("1", 1)).await;
    let late = PlanId::new("late").unwrap();
    let request = Request::new(&it.subject, &late);
    let unknown = Err(ThrottleError::UnknownPlan { plan: late.clone() });
    assert_eq!(it.throttle.decide(&request).await, unknown);
    bench.put(&late, Plan::from_json(quota(9, "DAY")).unwrap(), it.clock.now()).await;
    it.clock.advance(Duration::from_secs(60) - Duration::from_nanos(1));
    assert_eq!(it.throttle.decide(&request).await, unknown);
    it.clock.advance(Duration::from_nanos(1));
    assert_eq!(it.throttle.decide(&request).await.unwrap().limit(), 9);
    // A plan that is there is kept as long, and then read again.
    bench.put(&late, Plan::from_json(quota(7, "DAY")).unwrap(), it.clock.now()).await;
    assert_eq!(it.throttle.decide(&request).await.unwrap().limit(), 9);
    it.clock.advance(Duration::from_secs(60));
    assert_eq!(it.throttle.decide(&request).await.unwrap().limit(), 7);
}

async fn subjects_do_not_share(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("1", 1)).await;
    let other = Subject::new("another").unwrap();
    assert!(it.decide().await.is_allowed());
    assert!(!it.decide().await.is_allowed());
    assert!(it.throttle.decide(&Request::new(&other, &it.plan)).await.unwrap().is_allowed());
}

/// The contract itself: at each step a store answers as the pure arithmetic does.
async fn take_follows_the_arithmetic(bench: &impl Bench) {
    let plan = r#"{"throttle": {"rateLimit": 2, "burstLimit": 6}, "quota": [
        {"limit": 30, "offset": 5, "period": "DAY"}, {"limit": 50, "period": "WEEK"}]}"#;
    let (plan, store) = (Plan::from_json(plan).unwrap(), bench.store());
    let mut random = Random(0x00c0_ffee);
    let subject = Subject::new("model").unwrap();
    let (clock, mut model) = (ManualClock::default(), State::default());
    let id = PlanId::new("model").unwrap();
    let record = PlanRecord { id, plan, version: 1, created: clock.now() };
    for step in 0..400 {
        let cost = u32::try_from(random.below(7)).unwrap() + 1;
        // Now and then a clock that is behind, and one that sleeps over the day's end.
        let behind = Duration::from_millis(if random.below(5) == 0 { 1_700 } else { 0 });
        let now = clock.now().saturating_sub(behind);
        let charge = Charge::new(&record, NonZeroU32::new(cost).unwrap(), now);
        let form = if random.below(2) == 0 { Form::Idle } else { Form::Busy };
        let write = charge.write(Forms { plan: form, method: form });
        let answer = store.write(&subject, &write).await.unwrap();
        let expected = if write.applies(&model) {
            write.apply(&mut model);
            Answer::Applied(write.part(&model))
        } else {
            Answer::Kept(write.part(&model))
        };
        assert_eq!(answer, expected, "step {step}: {form:?} of {charge:?}");
        let pause = if random.below(60) == 0 { 86_400_000 } else { random.below(900) };
        clock.advance(Duration::from_millis(pause));
    }
    let usage = store.usage();
    assert_eq!((usage.calls, usage.applied + usage.kept), (400, 400));
    assert_eq!(usage.milliunits, 400_000);
}

// --------------------------------------------------------------------------------- setting

/// One plan, one subject, one clock, on a store under test.
struct Setting<S> {
    store: S,
    clock: ManualClock,
    throttle: Arc<Throttle<S, ManualClock>>,
    plan: PlanId,
    subject: Subject,
    calls: u64,
}

impl<S: Store + Clone> Setting<S> {
    async fn new<B: Bench<Store = S>>(bench: &B, plan: &str) -> Self {
        Self::named(bench, "plan", plan).await
    }

    async fn named<B: Bench<Store = S>>(bench: &B, name: &str, plan: &str) -> Self {
        let (store, clock) = (bench.store(), ManualClock::default());
        let id = PlanId::new(name).unwrap();
        bench.put(&id, Plan::from_json(plan).unwrap(), clock.now()).await;
        Self {
            throttle: Arc::new(Throttle::new(store.clone(), clock.clone())),
            plan: id,
            subject: Subject::new(format!("subject of {name}")).unwrap(),
            calls: store.calls(),
            store,
            clock,
        }
    }

    /// Another instance on the same store and clock, that knows nothing yet.
    fn fresh(&self) -> Throttle<S, ManualClock> {
        Throttle::new(self.store.clone(), self.clock.clone())
    }

    fn request(&self) -> Request<'_> {
        Request::new(&self.subject, &self.plan)
    }

    async fn decide(&self) -> throttle::Decision {
        self.throttle.decide(&self.request()).await.unwrap()
    }

    async fn decide_cost(&self, cost: u32) -> throttle::Decision {
        let request = self.request().cost(NonZeroU32::new(cost).unwrap());
        self.throttle.decide(&request).await.unwrap()
    }

    /// How many of so many tasks at once are let through by two instances.
    async fn storm(&self, tasks: usize) -> usize {
        let other = Arc::new(self.fresh());
        let running: Vec<_> = (0..tasks)
            .map(|task| {
                let throttle = if task % 2 == 0 { &self.throttle } else { &other };
                let throttle = Arc::clone(throttle);
                let (subject, plan) = (self.subject.clone(), self.plan.clone());
                tokio::spawn(async move {
                    throttle.decide(&Request::new(&subject, &plan)).await.unwrap().is_allowed()
                })
            })
            .collect();
        let mut admitted = 0;
        for task in running {
            admitted += usize::from(task.await.unwrap());
        }
        admitted
    }

    fn calls(&self) -> u64 {
        self.store.calls() - self.calls
    }
}

fn rate(rate: &str, burst: u32) -> String {
    format!(r#"{{"throttle": {{"rateLimit": {rate}, "burstLimit": {burst}}}}}"#)
}

fn quota(limit: u32, period: &str) -> String {
    format!(r#"{{"quota": {{"limit": {limit}, "period": "{period}"}}}}"#)
}

fn rate_and_quota(rate: &str, burst: u32, limit: u32, period: &str) -> String {
    format!(
        r#"{{"throttle": {{"rateLimit": {rate}, "burstLimit": {burst}}},
            "quota": {{"limit": {limit}, "period": "{period}"}}}}"#
    )
}

/// A small generator of numbers (xorshift), so that a failing step can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
