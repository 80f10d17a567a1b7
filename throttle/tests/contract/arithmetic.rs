//! The contract of `write` itself, step by step beside the pure arithmetic.

use std::time::Duration;

use tollgate_throttle::internal::Answer;
use tollgate_throttle::internal::{Charge, Form, Stamp, State};
use tollgate_throttle::{Clock, ManualClock, Period, Plan, PlanId, PlanRecord, Store, Subject};

use crate::bench::Bench;

pub(crate) async fn write_follows_the_arithmetic(bench: &impl Bench) {
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
        let charge = Charge::new(&record, cost, now);
        let form = if random.below(2) == 0 { Form::Idle } else { Form::Busy };
        let write = charge.write(|_| form);
        let answer = match store.write(&subject, &write).await.unwrap() {
            // A model has no size.
            Answer::Applied(state) => Answer::Applied(State { size: 0, ..state }),
            Answer::Kept(state) => Answer::Kept(State { size: 0, ..state }),
        };
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
    let consumed = store.consumed();
    assert_eq!((consumed.calls, consumed.applied + consumed.kept), (400, 400));
    assert_eq!(consumed.milliunits, 400_000);
}

/// Guests' writes, changes to another plan, and the removal of counters.
pub(crate) async fn guests_and_sweeps_follow_the_arithmetic(bench: &impl Bench) {
    let store = bench.store();
    let mut random = Random(0x0bad_cafe);
    let subject = Subject::new("hosts and guests").unwrap();
    let (clock, mut model) = (ManualClock::default(), State::default());
    let record = |name: &str, plan: &str| {
        let id = PlanId::new(name).unwrap();
        PlanRecord { id, plan: Plan::from_json(plan).unwrap(), version: 1, created: clock.now() }
    };
    let plans = [
        record("host", r#"{"throttle": {"rateLimit": 2, "burstLimit": 6}}"#),
        record("guest", r#"{"throttle": {"rateLimit": 5, "burstLimit": 9}}"#),
        record("free", r#"{"quota": {"limit": 30, "period": "WEEK"}}"#),
    ];
    let mut applied = 0;
    for step in 0..400 {
        let cost = u32::try_from(random.below(5)).unwrap() + 1;
        let record = &plans[usize::try_from(random.below(3)).unwrap()];
        let charge = Charge::new(record, cost, clock.now());
        let charge = charge.guest(&model).unwrap_or(charge);
        let form = if random.below(2) == 0 { Form::Idle } else { Form::Busy };
        let mut write = charge.write(|_| form);
        // As if it had been told of them: those that are there, and some that aren't.
        if random.below(4) == 0 {
            let old = clock.now().saturating_sub(Duration::from_secs(86_400 * random.below(9)));
            write.forgotten.push(Period::Week.window(old).counter);
            write.forgotten.retain(|counter| write.counts.iter().all(|it| it.counter != *counter));
        }
        if random.below(40) == 0 {
            let stamp = model.stamp.clone();
            write.found = stamp;
            write.stamp = Stamp { plan: record.id.clone(), version: 1 };
            write.writes = Some(model.writes);
        }
        let answer = match store.write(&subject, &write).await.unwrap() {
            Answer::Applied(state) => Answer::Applied(State { size: 0, ..state }),
            Answer::Kept(state) => Answer::Kept(State { size: 0, ..state }),
        };
        let expected = if write.applies(&model) {
            write.apply(&mut model);
            applied += 1;
            Answer::Applied(write.part(&model))
        } else {
            Answer::Kept(write.part(&model))
        };
        assert_eq!(answer, expected, "step {step}: {form:?} of {charge:?}");
        let pause = if random.below(60) == 0 { 86_400_000 } else { random.below(900) };
        clock.advance(Duration::from_millis(pause));
    }
    assert!((50..350).contains(&applied), "{applied} of 400");
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
