//! Virtual time.

use std::time::Duration;

use tollgate_throttle::{Clock, Timestamp};

/// Tokio's clock, which a test lets pass as fast as nothing happens.
#[derive(Clone, Copy)]
pub(crate) struct TokioClock(tokio::time::Instant);

impl TokioClock {
    pub(crate) fn new() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_795_251_600).saturating_add(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}
