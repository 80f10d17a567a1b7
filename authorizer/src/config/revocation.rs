//! The `[revocation]` table: the DynamoDB table of revoked tokens.

use std::time::Duration;

use serde::Deserialize;
use table::connect::OPERATION_TIMEOUT;

use super::Mistake;
use super::throttle::{check_table, check_timeout};

/// Longest time that an answer may be cached, in seconds.
const MAX_CACHE: u64 = 3_600;

/// The `[revocation]` table. Without it, revocations are not looked up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationConfig {
    /// The DynamoDB table's name.
    pub table: String,
    /// Treatment of tokens while the table is unavailable.
    #[serde(default)]
    pub(crate) failure: RevocationFailure,
    /// Time for which an answer is cached, in seconds. Default 60; 0 caches none.
    cache_seconds: Option<u64>,
    /// Time-out of one call to the table, connecting included, in milliseconds. Default 500.
    timeout_ms: Option<u64>,
}

/// Treatment of tokens while the table is unavailable.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RevocationFailure {
    /// The request fails with 500.
    #[default]
    Closed,
    /// The token counts as not revoked.
    Open,
}

impl RevocationConfig {
    /// Time for which an answer is cached. A revocation takes effect in every environment within
    /// it.
    #[must_use]
    pub fn cache(&self) -> Duration {
        Duration::from_secs(self.cache_seconds.unwrap_or(60))
    }

    /// Time-out of one call to the table, connecting and one retry included.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout_ms.map_or(OPERATION_TIMEOUT, Duration::from_millis)
    }

    pub(super) fn check(&self) -> Result<(), Mistake> {
        check_table(&self.table, "revocation")?;
        if self.cache_seconds.is_some_and(|seconds| seconds > MAX_CACHE) {
            let message = format!(
                "`cache_seconds` must be at most {MAX_CACHE}: a revoked token passes for that time"
            );
            return Err(Mistake::of("cache_seconds", message));
        }
        check_timeout(self.timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RevocationConfig, String> {
        let read: RevocationConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        read.check().map(|()| read).map_err(|found| found.message)
    }

    #[test]
    fn is_closed_and_a_minute_unless_it_says_otherwise() {
        let read_one = read("table = \"tab\"").unwrap();
        assert_eq!(read_one.failure, RevocationFailure::Closed);
        assert_eq!(read_one.cache(), Duration::from_secs(60));
        assert_eq!(read_one.timeout(), Duration::from_millis(500));
        let other = "table = \"tab\"\nfailure = \"open\"\ncache_seconds = 0\ntimeout_ms = 5000";
        let other = read(other).unwrap();
        assert_eq!(other.failure, RevocationFailure::Open);
        assert_eq!((other.cache(), other.timeout()), (Duration::ZERO, Duration::from_secs(5)));
        assert!(read("table = \"tab\"\ncache_seconds = 3600\ntimeout_ms = 10").is_ok());
        for wrong in [
            "",
            "table = \"\"",
            "table = \"tab\"\ncache_seconds = 3601",
            "table = \"tab\"\ntimeout_ms = 9",
            "table = \"tab\"\ntimeout_ms = 5001",
            "table = \"tab\"\nfailure = \"ajar\"",
            "table = \"tab\"\nfail = \"open\"",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
