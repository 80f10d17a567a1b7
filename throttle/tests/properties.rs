//! Invariants for every schedule of arrivals, by any number of instances.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tollgate_throttle::testing::Faulty;
use tollgate_throttle::{
    Clock, Decision, ManualClock, MemoryStore, Period, Plan, PlanId, Request, Store, Subject,
    Throttle, Timestamp,
};

/// One arrival: how long after the one before it, what it costs, which instance it meets.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    gap: u64,
    cost: u32,
    instance: usize,
}

/// Instances on one store, whose clocks are behind the true one by a fixed time each.
struct Fleet {
    memory: MemoryStore,
    /// Without a fault: the store of several machines, which go by their wall clocks.
    store: Faulty<MemoryStore>,
    truth: ManualClock,
    instances: Vec<(ManualClock, Throttle<Faulty<MemoryStore>, ManualClock>)>,
    plan: PlanId,
    subject: Subject,
}

impl Fleet {
    fn new(plan: &str, behind: &[u64]) -> Self {
        let (memory, truth) = (MemoryStore::new(), ManualClock::default());
        let id = PlanId::new("plan").unwrap();
        memory.put_plan(id.clone(), Plan::from_json(plan).unwrap(), Timestamp::EPOCH);
        let store = Faulty::new(memory.clone());
        let instance = |behind: &u64| {
            let start = truth.now().saturating_sub(Duration::from_nanos(*behind));
            let clock = ManualClock::at(start);
            (clock.clone(), Throttle::new(store.clone(), clock))
        };
        let instances = behind.iter().map(instance).collect();
        Self {
            memory,
            store,
            truth,
            instances,
            plan: id,
            subject: Subject::new("subject").unwrap(),
        }
    }

    fn slack(mut self, slacks: &[u32]) -> Self {
        for ((clock, throttle), slack) in self.instances.iter_mut().zip(slacks) {
            *throttle = Throttle::new(self.store.clone(), clock.clone()).slack(*slack);
        }
        self
    }

    fn advance(&self, nanos: u64) {
        let duration = Duration::from_nanos(nanos);
        self.truth.advance(duration);
        for (clock, _) in &self.instances {
            clock.advance(duration);
        }
    }

    fn decide(&self, instance: usize, cost: u32) -> Decision {
        let (_, throttle) = self.instances.get(instance % self.instances.len()).unwrap();
        let request = Request::new(&self.subject, &self.plan).cost(cost);
        block_on(throttle.decide(&request)).unwrap()
    }

    /// The moments at which a schedule is let through, and what each took.
    fn run(&self, schedule: &[Arrival]) -> Vec<(u64, u64)> {
        let mut admitted = Vec::new();
        for arrival in schedule {
            self.advance(arrival.gap);
            if self.decide(arrival.instance, arrival.cost).is_allowed() {
                admitted.push((self.truth.now().as_nanos(), u64::from(arrival.cost)));
            }
        }
        admitted
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Arrivals in crowds, at the rate, and after long idle times.
fn schedule(burst: u32) -> impl Strategy<Value = Vec<Arrival>> {
    let gap = prop_oneof![
        6 => Just(0),
        3 => 0..3_000_000_000u64,
        1 => 10_000_000_000..100_000_000_000_000u64,
    ];
    let cost = prop_oneof![5 => Just(1), 1 => 1..=burst];
    let arrival =
        (gap, cost, 0..8usize).prop_map(|(gap, cost, instance)| Arrival { gap, cost, instance });
    prop::collection::vec(arrival, 1..80)
}

fn plan(burst: u32, rate: &str) -> String {
    format!(r#"{{"throttle": {{"rateLimit": "{rate}", "burstLimit": {burst}}}}}"#)
}

fn rates() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["1000/s", "7/s", "3/s", "0.5/s", "100/min", "11/h"])
}

fn bursts_and_schedules() -> impl Strategy<Value = (u32, Vec<Arrival>)> {
    (1..20u32).prop_flat_map(|burst| (Just(burst), schedule(burst)))
}

/// Asserts that no window holds more than the burst and what the rate refills in it.
fn assert_bound(admitted: &[(u64, u64)], burst: u32, rate: &str, spread: u64) {
    let interval = tollgate_throttle::Rate::parse(rate).unwrap().interval().as_nanos();
    for (from, (start, _)) in admitted.iter().enumerate() {
        let mut taken = 0u128;
        for (end, cost) in admitted.iter().skip(from) {
            taken += u128::from(*cost);
            let window = u128::from(end - start + spread);
            assert!(
                taken <= u128::from(burst) + window / interval,
                "{taken} within {window} ns under a burst of {burst} at {rate}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    /// I1 with clocks that agree.
    #[test]
    fn no_window_admits_more_than_burst_and_refill(
        (burst, schedule) in bursts_and_schedules(),
        rate in rates(),
    ) {
        let fleet = Fleet::new(&plan(burst, rate), &[0, 0, 0]);
        assert_bound(&fleet.run(&schedule), burst, rate, 0);
    }

    /// I1 with slack, of as much as each instance likes: beyond the burst, too.
    #[test]
    fn slack_admits_no_more(
        (burst, schedule) in bursts_and_schedules(),
        rate in rates(),
        slacks in prop::collection::vec(prop_oneof![0..4u32, 0..100u32], 3),
    ) {
        let fleet = Fleet::new(&plan(burst, rate), &[0, 0, 0]).slack(&slacks);
        assert_bound(&fleet.run(&schedule), burst, rate, 0);
    }

    /// I1 with clocks that differ: what refills while they differ comes on top, no more.
    #[test]
    fn skewed_clocks_admit_at_most_what_refills_in_their_spread(
        (burst, schedule) in bursts_and_schedules(),
        rate in rates(),
        behind in prop::collection::vec(0..5_000_000_000u64, 1..8),
    ) {
        let spread = behind.iter().max().unwrap() - behind.iter().min().unwrap();
        let fleet = Fleet::new(&plan(burst, rate), &behind);
        assert_bound(&fleet.run(&schedule), burst, rate, spread);
    }

    /// I11: many instances decide as one does.
    #[test]
    fn many_instances_admit_what_one_does(
        (burst, schedule) in bursts_and_schedules(),
        rate in rates(),
    ) {
        let one = Fleet::new(&plan(burst, rate), &[0]).run(&schedule);
        let many = Fleet::new(&plan(burst, rate), &[0; 5]).run(&schedule);
        prop_assert_eq!(one, many);
    }

    /// I6: the promised moment is exact. One instance: what it remembers for a second is then
    /// all there is, and nobody else comes.
    #[test]
    fn waiting_as_told_succeeds_and_a_nanosecond_less_fails(
        (burst, schedule) in bursts_and_schedules(),
        rate in rates(),
        period in prop::sample::select(vec!["DAY", "WEEK", "MONTH"]),
        quota in 20..60u32,
    ) {
        let plan = format!(
            r#"{{"throttle": {{"rateLimit": "{rate}", "burstLimit": {burst}}},
                "quota": {{"limit": {quota}, "period": "{period}"}}}}"#
        );
        let fleet = Fleet::new(&plan, &[0]);
        for arrival in &schedule {
            fleet.advance(arrival.gap);
            let decision = fleet.decide(arrival.instance, arrival.cost);
            let Some(wait) = decision.retry_after() else { continue };
            prop_assert!(wait > Duration::ZERO);
            let seconds = decision.retry_after_seconds().unwrap();
            prop_assert!(Duration::from_secs(seconds) >= wait);
            prop_assert!(Duration::from_secs(seconds - 1) < wait);
            fleet.advance(u64::try_from(wait.as_nanos()).unwrap() - 1);
            prop_assert!(!fleet.decide(arrival.instance, arrival.cost).is_allowed());
            fleet.advance(1);
            prop_assert!(fleet.decide(arrival.instance, arrival.cost).is_allowed());
        }
    }

    /// I8: two plans that take turns admit no more than the larger of both would.
    #[test]
    fn plans_that_take_turns_admit_no_more_than_the_larger(
        turns in prop::collection::vec(
            (prop_oneof![3 => Just(0), 2 => 0..3_000_000_000u64], 1..4u32, 0..2usize, 0..3usize),
            1..80,
        ),
        bursts in (3..20u32, 3..20u32),
        rates in (rates(), rates()),
    ) {
        let fleet = Fleet::new(&plan(bursts.0, rates.0), &[0, 0, 0]);
        let other = PlanId::new("other").unwrap();
        let json = plan(bursts.1, rates.1);
        fleet.memory.put_plan(other.clone(), Plan::from_json(json).unwrap(), Timestamp::EPOCH);
        let plans = [fleet.plan.clone(), other];
        let mut admitted = Vec::new();
        for (gap, cost, of, instance) in turns {
            fleet.advance(gap);
            let (_, throttle) = fleet.instances.get(instance).unwrap();
            let request = Request::new(&fleet.subject, &plans[of]).cost(cost);
            let calls = fleet.store.calls();
            let decision = block_on(throttle.decide(&request)).unwrap();
            prop_assert!(fleet.store.calls() <= calls + 2);
            if decision.is_allowed() {
                admitted.push((fleet.truth.now().as_nanos(), u64::from(cost)));
            }
        }
        let interval = |rate| tollgate_throttle::Rate::parse(rate).unwrap().interval();
        let faster = if interval(rates.0) < interval(rates.1) { rates.0 } else { rates.1 };
        assert_bound(&admitted, bursts.0.max(bursts.1), faster, 0);
    }

    /// I3: no period admits more than its quota.
    #[test]
    fn no_period_admits_more_than_its_quota(
        gaps in prop::collection::vec(prop_oneof![
            4 => 0..10u64,
            2 => 3_600..90_000u64,
            1 => 86_400..3_000_000u64,
        ], 1..120),
        limits in (1..6u64, 2..12u64, 3..25u64),
    ) {
        let (day, week, month) = limits;
        let plan = format!(
            r#"{{"quota": [{{"limit": {day}, "period": "DAY"}},
                {{"limit": {week}, "period": "WEEK"}}, {{"limit": {month}, "period": "MONTH"}}]}}"#
        );
        let fleet = Fleet::new(&plan, &[0, 0]);
        let mut admitted = BTreeMap::<_, u64>::new();
        for (turn, gap) in gaps.iter().enumerate() {
            fleet.advance(gap * 1_000_000_000);
            let now = fleet.truth.now();
            let names = [Period::Day, Period::Week, Period::Month].map(|p| p.window(now).counter);
            let room = names.iter().zip([day, week, month]).all(|(name, limit)| {
                admitted.get(name).copied().unwrap_or_default() < limit
            });
            let decision = fleet.decide(turn, 1);
            // As strict as the quotas, and no stricter.
            prop_assert_eq!(decision.is_allowed(), room);
            if room {
                for name in names {
                    *admitted.entry(name).or_default() += 1;
                }
            }
        }
    }
}
