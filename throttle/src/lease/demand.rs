//! The demand for tokens per second, counted in whole numbers.

use std::num::NonZeroU32;
use std::time::Duration;

/// The tokens of this second and of the one before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demand {
    began: Duration,
    current: u32,
    before: u32,
}

impl Demand {
    /// Counts a request.
    pub(crate) fn add(&mut self, cost: NonZeroU32, now: Duration) {
        self.roll(now);
        self.current = self.current.saturating_add(cost.get());
    }

    /// The likely demand in a time of this length, at most a second's.
    ///
    /// The previous second counts in proportion to the part of it that lies within the last second.
    pub(crate) fn within(&mut self, time: Duration, now: Duration) -> u32 {
        self.roll(now);
        let second = SECOND.as_nanos();
        let gone = now.saturating_sub(self.began).as_nanos().min(second);
        let before = u128::from(self.before) * (second - gone) / second;
        let a_second = before + u128::from(self.current);
        u32::try_from(a_second * time.min(SECOND).as_nanos() / second).unwrap_or(u32::MAX)
    }

    /// Takes a request back that was counted a moment ago.
    pub(crate) fn remove(&mut self, cost: NonZeroU32) {
        self.current = self.current.saturating_sub(cost.get());
    }

    /// Like `within`, for a demand that may just have begun and is assumed to have lasted at least
    /// `least`.
    pub(crate) fn begun(&mut self, time: Duration, least: Duration, now: Duration) -> u32 {
        self.roll(now);
        let known = self.within(time, now);
        if self.before > 0 {
            return known;
        }
        let gone = now.saturating_sub(self.began).max(least).min(SECOND);
        let likely = u128::from(self.current) * time.min(SECOND).as_nanos() / gone.as_nanos();
        u32::try_from(likely).unwrap_or(u32::MAX).max(known)
    }

    /// Returns true if there was no demand in the last second or two.
    pub(crate) fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.began) >= SECOND * 2
    }

    fn roll(&mut self, now: Duration) {
        let age = now.saturating_sub(self.began);
        if age >= SECOND * 2 {
            *self = Self { began: now, current: 0, before: 0 };
        } else if age >= SECOND {
            let began = self.began.saturating_add(SECOND);
            *self = Self { began, current: 0, before: self.current };
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn one() -> NonZeroU32 {
        NonZeroU32::MIN
    }

    #[test]
    fn a_steady_demand_is_known_after_a_second() {
        let mut demand = Demand::default();
        for at in 0..3_000 {
            demand.add(one(), millis(7_000 + at));
        }
        let now = millis(9_999);
        let wanted = demand.within(millis(250), now);
        assert!((249..=250).contains(&wanted), "{wanted}");
        assert!((999..=1_001).contains(&demand.within(SECOND * 5, now)));
    }

    #[test]
    fn before_a_second_has_passed_only_what_came_counts() {
        let mut demand = Demand::default();
        for _ in 0..40 {
            demand.add(one(), millis(500));
        }
        assert_eq!(demand.within(millis(250), millis(500)), 10);
        assert_eq!(demand.within(SECOND, millis(500)), 40);
    }

    #[test]
    fn it_fades_within_two_seconds() {
        let mut demand = Demand::default();
        demand.add(NonZeroU32::new(100).unwrap(), millis(10_000));
        assert_eq!(demand.within(SECOND, millis(10_999)), 100);
        assert_eq!(demand.within(SECOND, millis(11_500)), 50);
        assert!(!demand.is_over(millis(11_999)));
        assert_eq!(demand.within(SECOND, millis(12_000)), 0);
        assert!(Demand { began: millis(10_000), current: 9, before: 9 }.is_over(millis(12_000)));
    }

    #[test]
    fn no_count_overflows() {
        let mut demand = Demand::default();
        for _ in 0..3 {
            demand.add(NonZeroU32::MAX, millis(10_000));
        }
        assert_eq!(demand.within(SECOND, millis(10_000)), u32::MAX);
    }
}
