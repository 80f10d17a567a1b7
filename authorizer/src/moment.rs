//! Ages by both clocks.

use std::time::Duration;

use throttle::{Clock, Timestamp};

/// A moment on both clocks.
///
/// The wall clock can be set back, and the monotonic clock can stand still while the execution
/// environment is frozen. The larger of the two ages counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    wall: Timestamp,
    monotonic: Duration,
}

impl Moment {
    /// The current moment.
    pub(crate) fn now(clock: &impl Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }

    /// The time since this moment.
    pub(crate) fn age(self, clock: &impl Clock) -> Duration {
        let wall = clock.now().saturating_since(self.wall);
        wall.max(clock.monotonic().saturating_sub(self.monotonic))
    }
}
