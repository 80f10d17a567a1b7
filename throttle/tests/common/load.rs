//! Poisson arrivals at instances that share a subject, and what their decisions cost.

#![allow(dead_code, reason = "the example uses some of it")]

use std::time::Duration;

use tollgate_throttle::{
    ManualClock, MemoryStore, Plan, PlanId, Request, Store, Subject, Throttle, Timestamp,
};

/// The loads and the numbers of instances that are looked at.
pub(crate) const LOADS: [u32; 7] = [10, 30, 50, 70, 90, 100, 150];
pub(crate) const INSTANCES: [usize; 5] = [1, 2, 4, 10, 32];

/// One setting of the experiment.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// The load, in hundredths of the rate.
    pub percent: u32,
    pub instances: usize,
    pub burst: u32,
    pub slack: u32,
}

/// The results of a load.
pub(crate) struct Outcome {
    /// Calls to the store in thousandths a decision.
    pub calls: u64,
    /// Write units in thousandths a decision.
    pub units: u64,
    /// Requests let through in thousandths of what the rate refills.
    pub admitted: u64,
}

/// A small generator of numbers (xorshift), always started alike.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The time to the next arrival, in nanoseconds: exponentially distributed.
    #[allow(
        clippy::float_arithmetic,
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "chance, and nothing that is counted"
    )]
    fn pause(&mut self, mean: u64) -> u64 {
        let uniform = ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        (-uniform.ln() * mean as f64) as u64
    }
}

impl Load {
    /// Runs so many decisions, of which the first tenth isn't counted.
    pub(crate) async fn run(self, decisions: u64) -> Outcome {
        let (store, clock) = (MemoryStore::new(), ManualClock::default());
        let (id, subject) = (PlanId::new("plan").unwrap(), Subject::new("subject").unwrap());
        let plan =
            format!(r#"{{"throttle": {{"rateLimit": {RATE}, "burstLimit": {}}}}}"#, self.burst);
        store.put_plan(id.clone(), Plan::from_json(plan).unwrap(), Timestamp::EPOCH);
        let instance = || Throttle::new(store.clone(), clock.clone()).slack(self.slack);
        let instances: Vec<_> = (0..self.instances).map(|_| instance()).collect();
        let request = Request::new(&subject, &id);
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mean = 1_000_000_000 * 100 / (RATE * u64::from(self.percent));
        let warm = decisions / 10;
        let (mut before, mut elapsed, mut admitted) = (store.consumed(), 0, 0);
        for turn in 0..decisions + warm {
            if turn == warm {
                (before, elapsed, admitted) = (store.consumed(), 0, 0);
            }
            let pause = random.pause(mean);
            elapsed += pause;
            clock.advance(Duration::from_nanos(pause));
            let at = usize::try_from(random.next() >> 32).unwrap() % self.instances;
            let decision = instances[at].decide(&request).await.unwrap();
            admitted += u64::from(decision.is_allowed());
        }
        let consumed = store.consumed();
        Outcome {
            calls: (consumed.calls - before.calls) * 1_000 / decisions,
            units: (consumed.milliunits - before.milliunits) / decisions,
            admitted: admitted * 1_000 / (elapsed * RATE / 1_000_000_000),
        }
    }
}

/// Tokens a second.
const RATE: u64 = 10;
