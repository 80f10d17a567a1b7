//! The `[revocation]` table: where it is kept which tokens were taken back.

use std::time::Duration;

use serde::Deserialize;
use table::connect::OPERATION_TIMEOUT;

/// The longest time that an answer may be kept, in seconds.
const MAX_CACHE: u64 = 3_600;

/// What `timeout_ms` may be: less is never met, and more outlasts the caller's patience.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 10..=5_000;

/// The `[revocation]` table; where it is absent, nothing is looked up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationConfig {
    /// The DynamoDB table's name.
    pub table: String,
    /// What happens while the table can't be reached.
    #[serde(default)]
    pub failure: RevocationFailure,
    /// How long an answer is kept, revoked or not, in seconds. Default 60; 0 keeps none.
    cache_seconds: Option<u64>,
    /// How long one call to the table may take, and as long again to connect first; milliseconds.
    timeout_ms: Option<u64>,
}

/// What happens while the table can't be reached.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RevocationFailure {
    /// The request fails, and not as the caller's fault.
    #[default]
    Closed,
    /// The token counts as not revoked.
    Open,
}

impl RevocationConfig {
    /// How long an answer is kept: within this time every environment sees a revocation.
    #[must_use]
    pub fn cache(&self) -> Duration {
        Duration::from_secs(self.cache_seconds.unwrap_or(60))
    }

    /// How long one call to the table may take; making a connection may take as long.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout_ms.map_or(OPERATION_TIMEOUT, Duration::from_millis)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.table.is_empty() {
            return Err("`table` must not be empty".into());
        }
        if self.cache_seconds.is_some_and(|seconds| seconds > MAX_CACHE) {
            return Err(format!(
                "`cache_seconds` must be at most {MAX_CACHE}: so long a token \
                                that was taken back still passes"
            ));
        }
        if self.timeout_ms.is_some_and(|timeout| !TIMEOUT_MS.contains(&timeout)) {
            return Err("`timeout_ms` must be 10 to 5000: API Gateway itself waits for ten \
                        seconds"
                .into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RevocationConfig, String> {
        let read: RevocationConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        read.check().map(|()| read)
    }

    #[test]
    fn is_closed_and_a_minute_unless_it_says_otherwise() {
        let read_one = read("table = \"t\"").unwrap();
        assert_eq!(read_one.failure, RevocationFailure::Closed);
        assert_eq!(read_one.cache(), Duration::from_secs(60));
        assert_eq!(read_one.timeout(), Duration::from_millis(100));
        let other = "table = \"t\"\nfailure = \"open\"\ncache_seconds = 0\ntimeout_ms = 5000";
        let other = read(other).unwrap();
        assert_eq!(other.failure, RevocationFailure::Open);
        assert_eq!((other.cache(), other.timeout()), (Duration::ZERO, Duration::from_secs(5)));
        assert!(read("table = \"t\"\ncache_seconds = 3600\ntimeout_ms = 10").is_ok());
        for wrong in [
            "",
            "table = \"\"",
            "table = \"t\"\ncache_seconds = 3601",
            "table = \"t\"\ntimeout_ms = 9",
            "table = \"t\"\ntimeout_ms = 5001",
            "table = \"t\"\nfailure = \"ajar\"",
            "table = \"t\"\nfail = \"open\"",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
