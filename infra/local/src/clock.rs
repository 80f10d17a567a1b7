//! The wall clock, as a value that is passed in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use throttle::{Clock, Timestamp};

/// A clock that can be handed to several parts, each of which reads it in its own unit.
#[derive(Clone)]
pub struct Now(Arc<dyn Clock>);

impl Now {
    /// Reads the time from `clock`.
    #[must_use]
    pub fn new(clock: impl Clock) -> Self {
        Self(Arc::new(clock))
    }

    /// The moment itself.
    #[must_use]
    pub fn moment(&self) -> Timestamp {
        self.0.now()
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn millis(&self) -> u64 {
        self.moment().as_nanos() / 1_000_000
    }
}

impl Clock for Now {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Now").field(&self.moment()).finish()
    }
}
