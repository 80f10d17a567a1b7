//! Clocks that are wrong in ways that real ones are.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tollgate_throttle::{Clock, Moment, Timestamp};

use crate::world::World;

/// One instance's clock: ahead or behind, drifting, and now and then set right or wrong.
#[derive(Clone)]
pub(crate) struct SkewedClock {
    world: Arc<World>,
    skew: Arc<Mutex<Skew>>,
}

pub(crate) struct Skew {
    /// Nanoseconds ahead of the true time.
    offset: i64,
    /// Millionths by which it is too fast.
    drift: i64,
    started: u64,
    /// The readings, each with the task that read it.
    said: Vec<(usize, u64)>,
}

/// No clock is ever further from the truth than this: 3 s.
pub(crate) const MOST_SKEW: i64 = 3_000_000_000;

impl SkewedClock {
    pub(crate) fn new(world: &Arc<World>, offset: i64, drift: i64) -> Self {
        let skew = Skew { offset, drift, started: world.now(), said: Vec::new() };
        Self { world: Arc::clone(world), skew: Arc::new(Mutex::new(skew)) }
    }

    /// Sets the clock forward or back.
    pub(crate) fn jump(&self, by: i64) {
        self.skew.lock().unwrap().offset += by;
    }

    /// The time of the clock, without a reading by the instance.
    pub(crate) fn shows(&self) -> u64 {
        let (now, skew) = (self.world.now(), self.skew.lock().unwrap());
        let age = i128::from(now - skew.started);
        let drifted = i128::from(skew.offset) + age * i128::from(skew.drift) / 1_000_000;
        let most = i128::from(MOST_SKEW);
        u64::try_from(i128::from(now) + drifted.clamp(-most, most)).unwrap()
    }

    /// The last that a task was told.
    pub(crate) fn told(&self, task: usize) -> Option<u64> {
        let skew = self.skew.lock().unwrap();
        skew.said.iter().rev().find(|(to, _)| *to == task).map(|(_, reading)| *reading)
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        let reading = self.shows();
        self.skew.lock().unwrap().said.push((self.world.current(), reading));
        Timestamp::from_nanos(reading)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.world.now() - self.skew.lock().unwrap().started)
    }

    /// For ages alone: nothing is charged by this reading, so that it is not the last.
    fn moment(&self) -> Moment {
        Moment::new(Timestamp::from_nanos(self.shows()), self.monotonic())
    }
}
