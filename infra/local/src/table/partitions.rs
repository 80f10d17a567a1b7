//! The throughput of one partition key: 1,000 write units and 3,000 read units a second.
//!
//! The numbers are those of the developer guide's page on partition key design. How DynamoDB counts
//! within a second is not documented: here a key that was idle may use a second's units at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use throttle::Clock as _;

use crate::clock::Now;

const SECOND: u64 = 1_000_000_000;
/// Write units of a partition in a second.
const WRITES: u64 = 1_000;
/// Halves of a read unit in a second: an eventually consistent read takes one.
const HALF_READS: u64 = 6_000;
/// The number of keys at which idle ones are forgotten.
const CROWD: usize = 10_000;

/// A kind of throughput.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Throughput {
    Write,
    /// Counted in halves of a unit.
    Read,
}

impl Throughput {
    const fn interval(self) -> u64 {
        match self {
            Self::Write => SECOND.div_ceil(WRITES),
            Self::Read => SECOND.div_ceil(HALF_READS),
        }
    }
}

/// A table, and the value of its partition key as JSON.
pub(super) type Partition = (String, String);

/// The use of every partition key.
pub(super) struct Partitions {
    now: Now,
    /// The moments at which keys are idle again, in nanoseconds.
    idle_at: Mutex<HashMap<(Partition, Throughput), u64>>,
}

impl Partitions {
    pub(super) fn new(now: Now) -> Self {
        Self { now, idle_at: Mutex::default() }
    }

    /// Takes units from a key's second; false if the second has too few left.
    pub(super) fn take(&self, partition: &Partition, kind: Throughput, units: u64) -> bool {
        self.charge(partition, kind, units, SECOND)
    }

    /// Takes units whose use is known only now, after the request was served.
    pub(super) fn settle(&self, partition: &Partition, kind: Throughput, units: u64) {
        self.charge(partition, kind, units, u64::MAX);
    }

    fn charge(&self, partition: &Partition, kind: Throughput, units: u64, most: u64) -> bool {
        let now = u64::try_from(self.now.monotonic().as_nanos()).unwrap_or(u64::MAX);
        let mut all = self.idle_at.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CROWD {
            all.retain(|_, idle_at| *idle_at > now);
        }
        let idle_at = all.entry((partition.clone(), kind)).or_insert(now);
        let next = (*idle_at).max(now).saturating_add(kind.interval().saturating_mul(units));
        let fits = next.saturating_sub(now) <= most;
        if fits {
            *idle_at = next;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use throttle::ManualClock;

    use super::*;

    #[test]
    fn a_key_has_a_thousand_writes_and_six_thousand_small_reads_a_second() {
        let clock = ManualClock::default();
        let partitions = Partitions::new(Now::new(clock.clone()));
        let key = |name: &str| ("t".to_owned(), name.to_owned());
        let passed =
            |kind, units| (0..20_000).filter(|_| partitions.take(&key("hot"), kind, units)).count();
        assert_eq!(passed(Throughput::Write, 1), 1_000);
        assert_eq!(passed(Throughput::Read, 1), 5_999, "an interval is rounded up");
        assert!(partitions.take(&key("cold"), Throughput::Write, 1));
        clock.advance(Duration::from_millis(100));
        assert_eq!(passed(Throughput::Write, 1), 100);
        clock.advance(Duration::from_secs(60));
        assert_eq!(passed(Throughput::Write, 2), 500, "no more than a second is saved up");
        partitions.settle(&key("hot"), Throughput::Write, 500);
        clock.advance(Duration::from_millis(500));
        assert_eq!(passed(Throughput::Write, 1), 0);
    }
}
