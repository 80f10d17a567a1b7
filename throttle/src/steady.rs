//! The clock of buckets that one process does not share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::lock::{Mutex, lock};

/// The wall clock without its steps back, so that setting the clock back adds no debt to buckets.
///
/// It follows the monotonic clock, which cannot be set but may stand still while a process is
/// frozen or a machine sleeps. So if the wall clock has advanced at least a second more, the wall
/// clock is used. A wall clock that is set forward has the same effect: buckets refill early, once.
#[derive(Debug, Default)]
pub struct Steady {
    base: Mutex<Option<Base>>,
    latest: Latest,
}

/// The latest moment of all clocks of a store. No clock returns an earlier one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latest(Arc<AtomicU64>);

/// Readings of both clocks at a moment of this clock.
#[derive(Clone, Copy, Debug)]
struct Base {
    wall: Timestamp,
    monotonic: Duration,
    moment: Timestamp,
}

impl Steady {
    pub(crate) fn new(latest: Latest) -> Self {
        Self { base: Mutex::default(), latest }
    }

    /// Returns the moment of this clock.
    ///
    /// A thread may stall between reading the two clocks. That would look like a step of the wall
    /// clock, so the clocks are read again.
    pub(crate) fn moment(&self, clock: &impl Clock) -> Timestamp {
        let mut before = clock.monotonic();
        let (mut wall, mut after) = (clock.now(), clock.monotonic());
        for _ in 0..MAX_STALLS {
            if after.saturating_sub(before) < STEP / 2 {
                break;
            }
            before = after;
            (wall, after) = (clock.now(), clock.monotonic());
        }
        self.at(wall, after)
    }

    /// Returns the moment for readings of both clocks. The first moment is the wall clock's.
    fn at(&self, wall: Timestamp, monotonic: Duration) -> Timestamp {
        let mut base = lock(&self.base);
        let start = Base { wall, monotonic, moment: wall.max(self.latest.get()) };
        let base = base.get_or_insert(start);
        let ran = monotonic.saturating_sub(base.monotonic);
        let expected = base.wall.saturating_add(ran);
        let (ahead, behind) = (wall.saturating_since(expected), expected.saturating_since(wall));
        let mut moment = base.moment.saturating_add(ran);
        if ahead >= STEP {
            moment = moment.saturating_add(ahead);
        }
        if ahead >= STEP || behind >= STEP {
            *base = Base { wall, monotonic, moment };
        }
        let latest = self.latest.0.fetch_max(moment.as_nanos(), Ordering::Relaxed);
        moment.max(Timestamp::from_nanos(latest))
    }
}

impl Latest {
    /// Returns the moment; the epoch if no clock has been read.
    pub(crate) fn get(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// A smaller difference may be the time between two readings.
const STEP: Duration = Duration::from_secs(1);
const MAX_STALLS: u32 = 3;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Seconds of the steady clock for readings of the wall clock and the monotonic one.
    fn moments(readings: &[(u64, u64)]) -> Vec<u64> {
        let steady = Steady::default();
        let moment = |(wall, monotonic): &(u64, u64)| {
            let millis = Duration::from_millis;
            let wall = Timestamp::EPOCH.saturating_add(millis(*wall));
            steady.at(wall, millis(*monotonic)).as_nanos() / 1_000_000
        };
        readings.iter().map(moment).collect()
    }

    #[test]
    fn it_goes_with_clocks_that_agree() {
        assert_eq!(moments(&[(5_000, 70), (5_010, 80), (9_000, 4_070)]), [5_000, 5_010, 9_000]);
    }

    #[test]
    fn it_does_not_go_back_with_the_wall_clock() {
        let readings = [(9_000_000, 0), (9_001_000, 1_000), (5_401_500, 1_500), (5_403_500, 3_500)];
        assert_eq!(moments(&readings), [9_000_000, 9_001_000, 9_001_500, 9_003_500]);
    }

    #[test]
    fn it_goes_on_while_the_process_is_frozen() {
        // A minute at once, then a third of a second at a time; after a step back, too.
        let readings = [(0, 0), (60_000, 0), (60_400, 0), (60_800, 0), (61_200, 0), (61_300, 100)];
        assert_eq!(moments(&readings), [0, 60_000, 60_000, 60_000, 61_200, 61_300]);
        let readings = [(9_000_000, 0), (5_000_000, 0), (5_060_000, 0)];
        assert_eq!(moments(&readings), [9_000_000, 9_000_000, 9_060_000]);
    }

    #[test]
    fn clocks_of_one_store_agree() {
        let (latest, secs) = (Latest::default(), Timestamp::from_secs);
        let (first, second) = (Steady::new(latest.clone()), Steady::new(latest));
        assert_eq!(first.at(secs(9_000), Duration::ZERO), secs(9_000));
        assert_eq!(second.at(secs(5_400), Duration::from_secs(70)), secs(9_000));
        assert_eq!(second.at(secs(5_401), Duration::from_secs(71)), secs(9_001));
        assert_eq!(first.at(secs(5_400), Duration::ZERO), secs(9_001));
    }

    /// The machine's clocks for a thread that stalls for two seconds now and then.
    struct Stalling(std::sync::Mutex<(Duration, VecDeque<u64>)>);

    impl Stalling {
        fn time(&self) -> Duration {
            let (time, stalls) = &mut *self.0.lock().unwrap();
            *time += Duration::from_secs(stalls.pop_front().unwrap_or_default());
            *time
        }
    }

    impl Clock for Stalling {
        fn now(&self) -> Timestamp {
            Timestamp::EPOCH.saturating_add(self.time())
        }

        fn monotonic(&self) -> Duration {
            self.time()
        }
    }

    #[test]
    fn a_thread_that_stalls_between_the_readings_gains_no_time() {
        for stalls in
            [[0, 2, 0, 0, 0, 0], [0, 0, 2, 0, 0, 0], [0, 0, 0, 0, 2, 0], [0, 2, 0, 0, 0, 2]]
        {
            let clock = Stalling(std::sync::Mutex::new((Duration::ZERO, stalls.into())));
            let steady = Steady::default();
            for _ in 0..5 {
                let moment = steady.moment(&clock);
                assert!(moment <= clock.now(), "{stalls:?}");
            }
            assert_eq!(steady.moment(&clock), clock.now(), "{stalls:?}");
        }
    }

    #[test]
    fn readings_that_are_a_moment_apart_add_up_to_nothing() {
        let readings: Vec<_> = (1..1_000).map(|n| (n * 100 + n % 7 * 140, n * 100)).collect();
        let last = *moments(&readings).last().unwrap();
        assert!((99_900..=101_000).contains(&last), "{last}");
    }
}
