//! Clocks: the only place that reads the time. All other code receives `now`.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment: nanoseconds since the Unix epoch, on the wall clock.
///
/// Holds moments until the year 2554. Arithmetic stops at the edge (`saturating_…`) or returns
/// `None` (`checked_…`); it never wraps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The Unix epoch, 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// A moment from nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A moment from whole seconds since the epoch; the last moment if that is too late.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(NANOS_A_SECOND))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / NANOS_A_SECOND
    }

    /// This moment plus a duration; `None` if that is too late.
    fn checked_add(self, duration: Duration) -> Option<Self> {
        u64::try_from(duration.as_nanos()).ok().and_then(|n| self.0.checked_add(n)).map(Self)
    }

    /// This moment minus a duration; `None` if that is before the epoch.
    #[must_use]
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        u64::try_from(duration.as_nanos()).ok().and_then(|n| self.0.checked_sub(n)).map(Self)
    }

    /// This moment plus a duration, or the last moment there is.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self(u64::MAX))
    }

    /// This moment minus a duration, or the epoch.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        self.checked_sub(duration).unwrap_or(Self::EPOCH)
    }

    /// The time since `earlier`; `None` if this is before it.
    fn checked_since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_nanos)
    }

    /// The time since `earlier`; zero if this is before it.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_nanos(timestamp.0)
    }
}

/// A time before the epoch becomes the epoch, one after 2554 the last moment.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self::EPOCH.saturating_add(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}s", self.as_secs(), self.0 % NANOS_A_SECOND)
    }
}

pub(crate) const NANOS_A_SECOND: u64 = 1_000_000_000;

/// A moment on both clocks, for ages.
///
/// The wall clock can be set back. The monotonic clock can stand still while a Lambda's execution
/// environment is frozen. An age is therefore the larger of the two clocks' differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    wall: Timestamp,
    monotonic: Duration,
}

impl Moment {
    /// A moment from a reading of each clock.
    #[must_use]
    pub const fn new(wall: Timestamp, monotonic: Duration) -> Self {
        Self { wall, monotonic }
    }

    pub(crate) const fn monotonic(self) -> Duration {
        self.monotonic
    }

    /// Returns the time since `earlier`: the larger of both clocks' differences.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let monotonic = self.monotonic.saturating_sub(earlier.monotonic);
        self.wall.saturating_since(earlier.wall).max(monotonic)
    }
}

/// A source of time that can be replaced in a test.
///
/// `now` may jump, as wall clocks do; `monotonic` never goes back.
pub trait Clock: Send + Sync + 'static {
    /// The moment on the wall clock, for everything that other machines must agree on.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment of this process, for latencies and for ages of a few seconds.
    fn monotonic(&self) -> Duration;

    /// The moment on both clocks, for the age of anything that is cached.
    fn moment(&self) -> Moment {
        Moment::new(self.now(), self.monotonic())
    }
}

impl<C: Clock> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        C::now(self)
    }

    fn monotonic(&self) -> Duration {
        C::monotonic(self)
    }
}

/// The machine's clocks: the only place of the workspace that reads them.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// The machine's clocks; `monotonic` counts from here.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
    fn now(&self) -> Timestamp {
        // A clock before 1970 reads as the epoch: every bucket then appears to be in debt, so
        // requests are refused.
        SystemTime::now().into()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that is moved by hand, for tests.
///
/// Clones share the time. `monotonic` starts at zero and moves with `now`, unless only the wall
/// clock is moved.
///
/// ```
/// use std::time::Duration;
/// use tollgate_throttle::{Clock, ManualClock, Timestamp};
///
/// let clock = ManualClock::at(Timestamp::from_secs(1_000));
/// let other = clock.clone();
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(other.now(), Timestamp::from_secs(1_005));
/// assert_eq!(other.monotonic(), Duration::from_secs(5));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    start: Timestamp,
    hands: Arc<Mutex<Hands>>,
}

/// Time since the start, and the extra time by which only the wall clock was moved.
#[derive(Clone, Copy, Debug, Default)]
struct Hands {
    elapsed: Duration,
    ahead: Duration,
    behind: Duration,
}

impl Hands {
    fn wall(self, start: Timestamp) -> Timestamp {
        let ahead = start.saturating_add(self.elapsed).saturating_add(self.ahead);
        ahead.saturating_sub(self.behind)
    }
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self { start, hands: Arc::default() }
    }

    /// Moves the time on by `duration`, for all clones.
    pub fn advance(&self, duration: Duration) {
        self.with(|hands| hands.elapsed = hands.elapsed.saturating_add(duration));
    }

    /// Moves only the wall clock, as while a Lambda's execution environment is frozen.
    pub fn advance_wall(&self, duration: Duration) {
        self.with(|hands| hands.ahead = hands.ahead.saturating_add(duration));
    }

    /// Sets the wall clock back; the monotonic clock does not move.
    pub fn set_wall_back(&self, duration: Duration) {
        self.with(|hands| hands.behind = hands.behind.saturating_add(duration));
    }

    /// Moves the time to `moment`, for all clones.
    ///
    /// # Panics
    /// If `moment` is earlier than now: a test that does so has a mistake in it.
    #[expect(clippy::panic, reason = "a fake for tests, and the mistake is the test's")]
    pub fn set(&self, moment: Timestamp) {
        self.with(|hands| match moment.checked_since(hands.wall(self.start)) {
            Some(forward) => hands.elapsed = hands.elapsed.saturating_add(forward),
            None => panic!("a manual clock can't move backwards to {moment:?}"),
        });
    }

    fn with<R>(&self, change: impl FnOnce(&mut Hands) -> R) -> R {
        change(&mut self.hands.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for ManualClock {
    /// A clock at a plain moment: 2026-11-21T09:00:00Z, a Saturday.
    fn default() -> Self {
        Self::at(Timestamp::from_secs(1_795_251_600))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.with(|hands| hands.wall(self.start))
    }

    fn monotonic(&self) -> Duration {
        self.with(|hands| hands.elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_the_edges() {
        let last = Timestamp::from_nanos(u64::MAX);
        assert_eq!(last.checked_add(Duration::from_nanos(1)), None);
        assert_eq!(last.saturating_add(Duration::MAX), last);
        assert_eq!(Timestamp::EPOCH.checked_sub(Duration::from_nanos(1)), None);
        assert_eq!(Timestamp::EPOCH.saturating_sub(Duration::from_secs(9)), Timestamp::EPOCH);
        assert_eq!(Timestamp::EPOCH.checked_since(last), None);
        assert_eq!(Timestamp::from_secs(u64::MAX), last);
    }

    #[test]
    fn clones_of_a_manual_clock_share_the_time() {
        let clock = ManualClock::default();
        let before = clock.now();
        clock.clone().set(before.saturating_add(Duration::from_nanos(3)));
        assert_eq!(clock.now().saturating_since(before), Duration::from_nanos(3));
    }

    #[test]
    #[should_panic(expected = "can't move backwards")]
    fn a_manual_clock_refuses_to_go_back() {
        let clock = ManualClock::default();
        clock.advance(Duration::from_secs(2));
        clock.set(Timestamp::from_secs(1_795_251_601));
    }

    #[test]
    fn an_age_is_the_larger_of_both_clocks_differences() {
        const HOUR: Duration = Duration::from_secs(3_600);
        const MINUTE: Duration = Duration::from_secs(60);
        let clock = ManualClock::default();
        let start = clock.moment();
        clock.advance(MINUTE);
        assert_eq!(clock.moment().since(start), MINUTE);
        clock.advance_wall(HOUR);
        assert_eq!(clock.moment().since(start), HOUR + MINUTE, "frozen for an hour");
        clock.set_wall_back(HOUR * 2);
        assert_eq!(clock.moment().since(start), MINUTE, "the wall clock is before the start");
        let later = clock.moment();
        clock.advance(MINUTE);
        assert_eq!(clock.moment().since(later), MINUTE);
        assert_eq!(start.since(clock.moment()), HOUR - MINUTE * 2, "the later wall clock");
        assert_eq!(later.since(clock.moment()), Duration::ZERO);
    }

    #[test]
    fn the_system_clock_is_past_this_source_file() {
        let clock = SystemClock::new();
        assert!(clock.now() > Timestamp::from_secs(1_700_000_000));
        assert!(clock.monotonic() >= Duration::ZERO);
    }
}
