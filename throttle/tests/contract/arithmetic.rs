//! The contract of `write` itself, step by step beside the pure arithmetic.

use std::num::NonZeroU32;
use std::time::Duration;

use throttle::bucket::{Charge, Form, Forms, State};
use throttle::store::Answer;
use throttle::{Clock, ManualClock, Plan, PlanId, PlanRecord, Store, Subject};

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
    let consumed = store.consumed();
    assert_eq!((consumed.calls, consumed.applied + consumed.kept), (400, 400));
    assert_eq!(consumed.milliunits, 400_000);
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
