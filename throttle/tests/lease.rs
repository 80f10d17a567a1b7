//! Leases through a throttle: what they save, and what they must not change.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tollgate_throttle::testing::{Fault, Faulty};
use tollgate_throttle::{
    Clock, Decision, Leases, Limit, ManualClock, MemoryStore, Plan, PlanId, Rate, Request, Store,
    Subject, Throttle, Timestamp,
};

type Shared = Faulty<MemoryStore>;

struct Setting {
    memory: MemoryStore,
    store: Shared,
    clock: ManualClock,
    plan: PlanId,
    subject: Subject,
}

impl Setting {
    fn new(plan: &str) -> Self {
        Self::at(plan, ManualClock::default())
    }

    fn at(plan: &str, clock: ManualClock) -> Self {
        let memory = MemoryStore::new();
        let store = Faulty::new(memory.clone());
        let id = PlanId::new("plan").unwrap();
        let it = Self { memory, store, clock, plan: id, subject: Subject::new("s").unwrap() };
        it.put(plan);
        it
    }

    fn put(&self, plan: &str) {
        self.memory.put_plan(self.plan.clone(), Plan::from_json(plan).unwrap(), self.clock.now());
    }

    fn instance(&self) -> Throttle<Shared, ManualClock> {
        Throttle::new(self.store.clone(), self.clock.clone())
    }

    fn leasing(&self) -> Throttle<Shared, ManualClock> {
        self.instance().leases(Leases::adaptive())
    }

    async fn decide(&self, throttle: &Throttle<Shared, ManualClock>) -> Decision {
        throttle.decide(&self.request()).await.unwrap()
    }

    fn request(&self) -> Request<'_> {
        Request::new(&self.subject, &self.plan)
    }

    /// Asks `times` times, a millisecond apart; how many were let through.
    async fn run(&self, throttle: &Throttle<Shared, ManualClock>, times: u32) -> u32 {
        let mut admitted = 0;
        for _ in 0..times {
            self.clock.advance(Duration::from_millis(1));
            admitted += u32::from(self.decide(throttle).await.is_allowed());
        }
        admitted
    }

    /// The use of the month's quota, as an instance without leases reports it.
    async fn used(&self, limit: u64) -> u64 {
        let decision = self.decide(&self.instance()).await;
        let month = decision.standings().iter().find(|it| it.limit() == Limit::MONTHLY).unwrap();
        limit - month.remaining() - 1
    }
}

fn rate(rate: u32, burst: u32) -> String {
    format!(r#"{{"throttle": {{"rateLimit": {rate}, "burstLimit": {burst}}}}}"#)
}

fn counted(rate: u32, burst: u32) -> String {
    format!(
        r#"{{"throttle": {{"rateLimit": {rate}, "burstLimit": {burst}}},
            "quota": {{"limit": 1000000, "period": "MONTH"}}}}"#
    )
}

/// Arrivals at random: in each of many small steps one comes, or none does.
struct Arrivals(u64);

impl Arrivals {
    fn come(&mut self, one_in: u64) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.is_multiple_of(one_in)
    }
}

/// Calls and decisions of an instance that is asked `a_second` times a second, for a while.
async fn calls_at(a_second: u64, secs: u64, plan: &str, leases: bool) -> (u64, u64) {
    let it = Setting::new(plan);
    let throttle = if leases { it.leasing() } else { it.instance() };
    let mut arrivals = Arrivals(0x9e37_79b9_7f4a_7c15);
    let mut decisions = 0;
    let step = Duration::from_micros(100_000 / a_second);
    for _ in 0..secs * a_second * 10 {
        it.clock.advance(step);
        if arrivals.come(10) {
            decisions += 1;
            it.decide(&throttle).await;
        }
    }
    (it.memory.calls(), decisions)
}

#[tokio::test]
async fn a_thousand_a_second_cost_a_twentieth_of_the_calls() {
    for plan in [rate(2_000, 2_000), rate(1_200, 200), rate(100_000, 1_000)] {
        let (calls, decisions) = calls_at(1_000, 10, &plan, true).await;
        assert!(calls * 20 <= decisions, "{calls} calls for {decisions} under {plan}");
    }
}

#[tokio::test]
async fn ten_a_second_cost_exactly_what_they_do_without() {
    for plan in [rate(20, 20), rate(10, 5), rate(2_000, 2_000), rate(8, 40)] {
        let with = calls_at(10, 200, &plan, true).await;
        let without = calls_at(10, 200, &plan, false).await;
        assert_eq!(with, without, "{plan}");
    }
}

#[tokio::test]
async fn a_lease_ends_while_the_monotonic_clock_stands_still() {
    let it = Setting::new(&rate(10_000, 10_000));
    let throttle = it.leasing();
    it.run(&throttle, 500).await;
    let (leased, calls) = (throttle.stats().leased, it.memory.calls());
    assert!(it.run(&throttle, 10).await == 10 && throttle.stats().leased > leased, "there is one");
    let (leased, frozen) = (throttle.stats().leased, it.memory.calls());
    assert!(frozen <= calls + 2);
    it.clock.advance_wall(Duration::from_millis(1_001));
    assert!(it.decide(&throttle).await.is_allowed());
    assert_eq!((throttle.stats().leased, it.memory.calls()), (leased, frozen + 1));
}

#[tokio::test]
async fn they_are_off_unless_asked_for() {
    let it = Setting::new(&rate(10_000, 10_000));
    let throttle = it.instance();
    assert_eq!(it.run(&throttle, 500).await, 500);
    assert_eq!(it.memory.calls(), 500);
    assert_eq!(throttle.stats().leased, 0);
}

#[tokio::test]
async fn a_leased_decision_counts_what_the_lease_holds() {
    let it = Setting::new(&rate(1_000, 1_000));
    let throttle = it.leasing();
    for n in 1..=300u64 {
        let decision = it.decide(&throttle).await;
        assert!(decision.is_allowed() && !decision.is_degraded());
        assert_eq!((decision.limit(), decision.remaining()), (1_000, 1_000 - n));
    }
    let counts = throttle.stats();
    assert!(counts.leased > 200);
    assert_eq!((counts.allowed, counts.leased + it.memory.calls()), (300, 300));
    // Leased requests have no receipt, nor does the one that took the lease.
    assert_eq!(it.decide(&throttle).await.into_receipt(), None);
    // Seven tokens refill, and the second request takes one.
    let before = it.decide(&throttle).await.reset_after();
    it.clock.advance(Duration::from_millis(7));
    assert_eq!(before - it.decide(&throttle).await.reset_after(), Duration::from_millis(6));
}

/// Two requests a millisecond at half that rate: the debt grows all the time, in fractions too.
#[tokio::test]
async fn a_leased_decision_shows_what_one_without_leases_shows() {
    for plan in [rate(1_000, 1_000), rate(999, 1_000), counted(1_000, 1_000)] {
        let (with, without) = (Setting::new(&plan), Setting::new(&plan));
        let (leasing, plain) = (with.leasing(), without.instance());
        for n in 0..600 {
            let (leased, charged) = (with.decide(&leasing).await, without.decide(&plain).await);
            assert_eq!(leased.standings(), charged.standings(), "request {n} under {plan}");
            for it in [&with, &without] {
                it.clock.advance(Duration::from_micros(500));
            }
        }
        assert!(leasing.stats().leased > 400, "{:?}", leasing.stats());
    }
}

/// The bucket refills while the rest of the lease is held: never beyond the burst.
#[tokio::test]
async fn a_lease_that_outlasts_its_debt_shows_a_whole_limit() {
    let it = Setting::new(&rate(10_000, 1_000));
    let throttle = it.leasing();
    for _ in 0..300 {
        it.decide(&throttle).await;
    }
    it.clock.advance(Duration::from_millis(900));
    let leased = throttle.stats().leased;
    let decision = it.decide(&throttle).await;
    assert_eq!(throttle.stats().leased, leased + 1);
    assert_eq!((decision.remaining(), decision.reset_after()), (1_000, Duration::ZERO));
}

#[tokio::test]
async fn the_end_of_a_burst_is_left_to_everybody() {
    // No refill to speak of: whoever comes takes what is left, and all of it can be had.
    let it = Setting::new(&rate(1, 400));
    let fleet = [it.leasing(), it.leasing(), it.leasing(), it.leasing()];
    let mut admitted = 0;
    for turn in 0..1_200 {
        let throttle = &fleet[turn % 4];
        admitted += u32::from(it.decide(throttle).await.is_allowed());
    }
    assert_eq!(admitted, 400);
}

#[tokio::test]
async fn the_end_of_a_quota_is_decided_one_by_one() {
    let it = Setting::new(r#"{"quota": {"limit": 2000, "period": "MONTH"}}"#);
    let throttle = it.leasing();
    // 64 · 8 = 512 are left for everybody.
    assert_eq!(it.run(&throttle, 1_400).await, 1_400);
    let leased = throttle.stats().leased;
    assert!(leased > 1_000);
    assert_eq!(it.run(&throttle, 200).await, 200);
    let leased = throttle.stats().leased;
    let calls = it.memory.calls();
    assert_eq!(it.run(&throttle, 300).await, 300);
    assert_eq!((throttle.stats().leased, it.memory.calls()), (leased, calls + 300));
    let other = it.instance();
    assert!(it.run(&other, 300).await >= 60, "the others find what is left");
}

#[tokio::test]
async fn what_is_left_when_the_life_ends_is_lost() {
    let it = Setting::new(&counted(100_000, 10_000));
    let throttle = it.leasing();
    let admitted = it.run(&throttle, 1_000).await;
    it.clock.advance(Duration::from_secs(1));
    let calls = it.memory.calls();
    assert!(it.decide(&throttle).await.is_allowed());
    assert_eq!(it.memory.calls(), calls + 1);
    let used = it.used(1_000_000).await;
    assert!(used > u64::from(admitted) && used < u64::from(admitted) + 260, "{used}");
}

#[tokio::test]
async fn no_token_outlives_its_period() {
    // Half a second before midnight.
    let midnight = Timestamp::from_secs(1_795_305_600);
    let it = Setting::at(
        r#"{"quota": {"limit": 100000, "period": "DAY"}}"#,
        ManualClock::at(midnight.saturating_sub(Duration::from_millis(500))),
    );
    let throttle = it.leasing();
    it.run(&throttle, 499).await;
    let leased = throttle.stats().leased;
    assert!(leased > 400);
    it.clock.set(midnight.saturating_sub(Duration::from_nanos(1)));
    while throttle.stats().leased == leased {
        it.decide(&throttle).await;
    }
    let leased = throttle.stats().leased;
    it.clock.advance(Duration::from_nanos(1));
    assert_eq!(it.decide(&throttle).await.remaining(), 99_999);
    assert_eq!(throttle.stats().leased, leased);
}

#[tokio::test]
async fn a_changed_plan_ends_its_leases() {
    let it = Setting::new(&rate(100_000, 10_000));
    let throttle = it.leasing();
    for turn in 0..59_900u32 {
        // Kept busy until the plan is looked up again.
        if turn % 10 == 0 {
            it.decide(&throttle).await;
        }
        it.clock.advance(Duration::from_millis(1));
    }
    it.put(&rate(1, 5));
    it.clock.advance(Duration::from_secs(2));
    for _ in 0..100 {
        it.decide(&throttle).await;
    }
    assert!(it.run(&throttle, 500).await <= 5);
}

#[tokio::test]
async fn an_instance_that_learns_of_a_change_drops_what_it_holds() {
    let it = Setting::new(&rate(1_000, 1_000));
    let throttle = it.leasing();
    it.run(&throttle, 400).await;
    let leased = throttle.stats().leased;
    it.put(&rate(1_000, 500));
    // Another instance brings the bucket under the new version.
    it.decide(&it.instance()).await;
    // What is held may still be used; what comes next is of the new plan.
    let mut decision = it.decide(&throttle).await;
    while decision.limit() == 1_000 {
        decision = it.decide(&throttle).await;
    }
    assert_eq!(decision.limit(), 500);
    assert!(throttle.stats().leased < leased + 260);
}

#[tokio::test]
async fn a_plan_that_shrinks_below_a_lease_refuses_no_cost() {
    let it = Setting::new(&rate(1_000, 1_000));
    let throttle = it.leasing();
    it.run(&throttle, 400).await;
    let refreshed = throttle.stats().refreshed;
    it.put(&rate(1_000, 5));
    it.decide(&it.instance()).await;
    // `run` fails on an error, such as one for the cost of a lease.
    assert!(it.run(&throttle, 500).await > 0);
    assert!(throttle.stats().refreshed > refreshed, "it learned of the new plan by a lease");
}

#[tokio::test]
async fn methods_have_leases_of_their_own() {
    let it = Setting::new(
        r#"{"throttle": {"rateLimit": 10000, "burstLimit": 10000}, "apiStages": [{
            "apiId": "api", "stage": "prod",
            "throttle": {"/a/GET": {"rateLimit": 1, "burstLimit": 100}}}]}"#,
    );
    let throttle = it.leasing();
    assert_eq!(it.run(&throttle, 200).await, 200);
    let mut admitted = 0;
    for _ in 0..300 {
        let request = it.request().method("api", "prod", "/a/GET");
        admitted += u32::from(throttle.decide(&request).await.unwrap().is_allowed());
    }
    assert_eq!(admitted, 100);
    // A method without a rate of its own takes from the plan's lease.
    let leased = throttle.stats().leased;
    for _ in 0..40 {
        let request = it.request().method("api", "prod", "/b/GET");
        assert!(throttle.decide(&request).await.unwrap().is_allowed());
    }
    assert!(throttle.stats().leased > leased + 30);
}

#[tokio::test]
async fn costs_are_taken_from_a_lease_too() {
    let it = Setting::new(&counted(100_000, 10_000));
    let throttle = it.leasing();
    let mut admitted = 0;
    for turn in 0..600u32 {
        it.clock.advance(Duration::from_millis(1));
        let cost = 1 + turn % 3;
        let decision = throttle.decide(&it.request().cost(cost)).await.unwrap();
        admitted += u64::from(cost) * u64::from(decision.is_allowed());
    }
    assert_eq!(admitted, 1_200);
    assert!(it.memory.calls() < 60);
    let used = it.used(1_000_000).await;
    assert!(used >= admitted && used < admitted + 600, "{used}");
}

#[tokio::test]
async fn a_lease_that_fails_is_not_tried_again_for_a_second() {
    let it = Setting::new(&rate(10_000, 10_000));
    let throttle = it.leasing();
    it.run(&throttle, 31).await;
    it.store.fail_once(Fault::AnswerLost);
    assert!(throttle.decide(&it.request()).await.is_err());
    let calls = it.memory.calls();
    assert_eq!(it.run(&throttle, 999).await, 999);
    assert_eq!(it.memory.calls(), calls + 999);
    assert_eq!(it.run(&throttle, 100).await, 100);
    assert!(it.memory.calls() < calls + 1_010);
}

#[tokio::test]
async fn a_lease_that_does_not_fit_costs_one_call_more() {
    let it = Setting::new(&rate(1, 500));
    let throttle = it.leasing();
    assert_eq!(it.run(&throttle, 31).await, 31);
    // Another instance takes nearly all of the rest in the meantime.
    let most = 465;
    assert!(it.instance().decide(&it.request().cost(most)).await.unwrap().is_allowed());
    let calls = it.memory.calls();
    assert!(it.decide(&throttle).await.is_allowed());
    assert_eq!(it.memory.calls(), calls + 2);
    assert!(it.decide(&throttle).await.is_allowed());
    assert_eq!(it.memory.calls(), calls + 3);
}

/// A clock that was ahead, and is set right between two of its readings.
struct Unsteady {
    clock: ManualClock,
    ahead: Mutex<VecDeque<Duration>>,
}

impl Clock for Unsteady {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead.lock().unwrap().pop_front().unwrap_or_default();
        self.clock.now().saturating_add(ahead)
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

/// A request that fits by itself is not refused since a lease, by a later reading, doesn't.
#[tokio::test]
async fn what_is_remembered_never_refuses_for_a_lease() {
    let it = Setting::new(&rate(1, 500));
    let clock = Arc::new(Unsteady { clock: it.clock.clone(), ahead: Mutex::default() });
    let throttle = Throttle::new(it.store.clone(), Arc::clone(&clock)).leases(Leases::adaptive());
    for cost in std::iter::repeat_n(1, 31).chain([465]) {
        let request = it.request().cost(cost);
        assert!(throttle.decide(&request).await.unwrap().is_allowed());
    }
    // Four are left, or four hundred by a clock that is so many seconds ahead.
    let calls = it.memory.calls();
    // The third reading is the one that the size of a lease goes by.
    clock.ahead.lock().unwrap().extend([0, 0, 400].map(Duration::from_secs));
    assert!(throttle.decide(&it.request()).await.unwrap().is_allowed());
    assert_eq!((it.memory.calls(), throttle.stats().remembered), (calls + 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_tasks_share_leases() {
    let it = Arc::new(Setting::new(&rate(1, 3_000)));
    let throttle = Arc::new(it.leasing());
    it.run(&throttle, 100).await;
    let calls = it.memory.calls();
    let task = |_| {
        let (it, throttle) = (Arc::clone(&it), Arc::clone(&throttle));
        tokio::spawn(async move {
            let mut admitted = 0;
            for _ in 0..10 {
                admitted += u32::from(it.decide(&throttle).await.is_allowed());
                tokio::task::yield_now().await;
            }
            admitted
        })
    };
    let tasks: Vec<_> = (0..400).map(task).collect();
    let mut admitted = 100;
    for task in tasks {
        admitted += task.await.unwrap();
    }
    assert_eq!(admitted, 3_000);
    let calls = it.memory.calls() - calls;
    assert!(calls < 400, "{calls} calls for 2900 admitted");
}

/// I2: no window admits more than the burst and what refills in it and in a lease's life.
fn assert_bound(admitted: &[u64], burst: u32, rate: &str, life: Duration) {
    let interval = Rate::parse(rate).unwrap().interval().as_nanos();
    for (from, start) in admitted.iter().enumerate() {
        for (to, end) in admitted.iter().enumerate().skip(from) {
            let taken = u128::try_from(to - from + 1).unwrap();
            let window = u128::from(end - start) + life.as_nanos();
            assert!(
                taken <= u128::from(burst) + window / interval,
                "{taken} within {window} ns under a burst of {burst} at {rate}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn i2_windows_hold_a_lease_more_and_nothing_beyond(
        steps in prop::collection::vec((0..40u64, 1..12u32, 0..3usize), 1..90),
        idle in prop::collection::vec(0..90usize, 0..4),
        rate in prop::sample::select(vec!["50/s", "200/s", "1000/s"]),
        burst in 20..400u32,
        life in prop::sample::select(vec![50u64, 1_000, 5_000]),
    ) {
        let life = Duration::from_millis(life);
        let plan = format!(
            r#"{{"throttle": {{"rateLimit": "{rate}", "burstLimit": {burst}}},
                "quota": {{"limit": 1000000, "period": "MONTH"}}}}"#
        );
        let it = Setting::new(&plan);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let fleet: Vec<_> =
                (0..3).map(|_| it.instance().leases(Leases::adaptive().life(life))).collect();
            let mut admitted = Vec::new();
            for (turn, (gap, times, which)) in steps.iter().enumerate() {
                let gap = if idle.contains(&turn) { 20_000 } else { *gap };
                it.clock.advance(Duration::from_millis(gap));
                for _ in 0..*times {
                    if it.decide(&fleet[*which]).await.is_allowed() {
                        admitted.push(it.clock.now().as_nanos());
                    }
                }
            }
            assert_bound(&admitted, burst, rate, life);
            it.clock.advance(Duration::from_secs(60));
            let used = it.used(1_000_000).await;
            assert!(u64::try_from(admitted.len()).unwrap() <= used, "admitted more than charged");
        });
    }
}
