//! The authorizer with a clock that is off by `CLOCK_OFFSET_MS` milliseconds, before or after.

use std::process::ExitCode;
use std::time::Duration;

use authorizer::{Authorizer, Config};
use table::Connect;
use throttle::{Clock, DynamoStore, SystemClock, Timestamp};

#[derive(Clone)]
struct Skewed {
    clock: SystemClock,
    /// In milliseconds; below zero for a clock that is behind.
    offset: i64,
}

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        let offset = Duration::from_millis(self.offset.unsigned_abs());
        if self.offset < 0 {
            self.clock.now().saturating_sub(offset)
        } else {
            self.clock.now().saturating_add(offset)
        }
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

fn main() -> ExitCode {
    authorizer::run(async {
        let config = Config::from_env()?;
        let offset = std::env::var("CLOCK_OFFSET_MS").ok().and_then(|text| text.parse().ok());
        let clock = Skewed { clock: SystemClock::new(), offset: offset.unwrap_or(0) };
        let store = match &config.throttle {
            Some(throttle) => {
                let connect = Connect::new().operation_timeout(throttle.timeout());
                Some(DynamoStore::new(connect.client().await, &throttle.table))
            }
            None => None,
        };
        Ok(Authorizer::new(config, store, clock)?)
    })
}
