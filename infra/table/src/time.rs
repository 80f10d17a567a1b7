//! Times in items: nanoseconds or seconds since the Unix epoch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the epoch: 0 for a time before it, the largest number for a time after 2554.
pub(crate) fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Seconds since the epoch, rounded down.
pub(crate) fn secs(time: SystemTime) -> u64 {
    nanos(time) / NANOS_PER_SECOND
}

/// Seconds since the epoch, rounded up.
pub(crate) fn secs_rounded_up(time: SystemTime) -> u64 {
    nanos(time).div_ceil(NANOS_PER_SECOND)
}

/// A time from nanoseconds since the epoch.
pub(crate) fn from_nanos(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

/// A time from seconds since the epoch; the last nanosecond that fits if it is after 2554.
pub(crate) fn from_secs(secs: u64) -> SystemTime {
    from_nanos(secs.saturating_mul(NANOS_PER_SECOND))
}

/// A time plus a duration, at most the last nanosecond that fits.
pub(crate) fn later(time: SystemTime, duration: Duration) -> SystemTime {
    let duration = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    from_nanos(nanos(time).saturating_add(duration))
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
