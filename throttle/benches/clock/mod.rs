//! A clock for what is measured as it is within its time.

use std::hint::black_box;
use std::time::Duration;

use tollgate_throttle::{Clock, SystemClock, Timestamp};

/// The machine's clocks are read, and a moment is told that nothing ends at: a lease, a memory.
pub(crate) struct Standing(pub(crate) SystemClock);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        black_box(self.0.monotonic());
        Duration::from_secs(10)
    }
}
