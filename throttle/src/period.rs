//! The calendar periods of quotas, all in UTC.

use std::fmt::{self, Display};
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::{Date, ISOWeekDate, Weekday};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::meter::Meter;

/// The period of a quota: one of API Gateway's three.
///
/// Days start at midnight UTC, weeks on Monday and months on the first, unless a quota has a
/// `startDay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Period {
    /// A calendar day.
    Day,
    /// A week as ISO 8601 numbers it, from Monday.
    Week,
    /// A calendar month.
    Month,
}

/// The counter of one meter in one particular period.
///
/// Its attribute is `d20261121`, `w2026-47` or `m202611` for requests, `m202611.tokens` for
/// another meter. Weeks and months that start on another day have that day in their names:
/// `w20261122`, `m20261115`. So two periods never have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    period: Period,
    /// The first day of the period.
    first: Date,
    meter: Meter,
}

/// One particular period: its counter, its start and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// The counter of its use.
    pub counter: Counter,
    /// The first moment inside.
    pub start: Timestamp,
    /// The first moment after.
    pub end: Timestamp,
}

impl Counter {
    /// Reads an attribute's name; `None` if it was not written by [`Display`].
    #[must_use]
    pub fn parse(attribute: &str) -> Option<Self> {
        let (name, meter) = Meter::of_attribute(attribute)?;
        let (kind, digits) = name.split_at_checked(1)?;
        let (period, first) = match (kind, digits.len()) {
            ("d", 8) => (Period::Day, day(digits)?),
            ("w", 7) => (Period::Week, week(digits)?),
            ("w", 8) => (Period::Week, day(digits)?),
            ("m", 6) => (Period::Month, day(&format!("{digits}01"))?),
            ("m", 8) => (Period::Month, day(digits).filter(|day| day.day() <= LAST_START)?),
            _ => return None,
        };
        let counter = Self { period, first, meter };
        (counter.to_string() == attribute).then_some(counter)
    }

    /// The kind of period.
    #[must_use]
    pub fn period(self) -> Period {
        self.period
    }

    /// The meter.
    #[must_use]
    pub fn meter(self) -> Meter {
        self.meter
    }

    /// The counter of the same period for this meter.
    #[must_use]
    pub fn of(self, meter: Meter) -> Self {
        Self { meter, ..self }
    }

    /// The period that `now` is in, of the same kind, start day and meter.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Window {
        let start = match self.period {
            Period::Day => 1,
            Period::Week => self.first.weekday().to_monday_one_offset(),
            Period::Month => self.first.day(),
        };
        self.period.window_from(start, now).of(self.meter)
    }

    /// Returns true if both count periods of the same kind, of any meter, and this one began first.
    pub(crate) fn is_before(self, other: Self) -> bool {
        self.period == other.period && self.first < other.first
    }

    /// The last day of its period.
    pub(crate) fn last_day(self) -> Date {
        self.period.after(self.first).saturating_sub(1.day())
    }

    /// Returns true if the period starts where the calendar's does.
    fn is_of_calendar(self) -> bool {
        match self.period {
            Period::Day => true,
            Period::Week => self.first.weekday() == Weekday::Monday,
            Period::Month => self.first.day() == 1,
        }
    }
}

impl Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.first.year(), self.first.month(), self.first.day());
        match self.period {
            Period::Day => write!(f, "d{year:04}{month:02}{day:02}"),
            Period::Week if self.is_of_calendar() => {
                let week = self.first.iso_week_date();
                write!(f, "w{:04}-{:02}", week.year(), week.week())
            }
            Period::Week => write!(f, "w{year:04}{month:02}{day:02}"),
            Period::Month if self.is_of_calendar() => write!(f, "m{year:04}{month:02}"),
            Period::Month => write!(f, "m{year:04}{month:02}{day:02}"),
        }?;
        self.meter.end_attribute(f)
    }
}

impl Window {
    /// The same period of this meter.
    #[must_use]
    pub fn of(self, meter: Meter) -> Self {
        Self { counter: self.counter.of(meter), ..self }
    }

    /// Returns true if `moment` is inside.
    #[must_use]
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.start <= moment && moment < self.end
    }
}

impl Period {
    /// The calendar period that `now` is in. For a quota with a start day, use
    /// [`Quota::window`](crate::Quota::window).
    #[must_use]
    pub fn window(self, now: Timestamp) -> Window {
        self.window_from(1, now)
    }

    /// The period that `now` is in, if periods start on this day: of the week, from 1 for Monday to
    /// 7, or of the month, 1 to 28.
    pub(crate) fn window_from(self, start: i8, now: Timestamp) -> Window {
        let today = date(now);
        let first = match self {
            Self::Day => today,
            Self::Week => {
                let since = today.weekday().to_monday_one_offset().saturating_sub(start);
                today.saturating_sub(since.rem_euclid(7).days())
            }
            Self::Month => {
                let month = today.first_of_month();
                let month =
                    if today.day() < start { month.saturating_sub(1.month()) } else { month };
                month.saturating_add(start.saturating_sub(1).days())
            }
        };
        self.starting(first)
    }

    /// The period that starts on this day.
    fn starting(self, first: Date) -> Window {
        let counter = Counter { period: self, first, meter: Meter::REQUESTS };
        Window { counter, start: midnight(first), end: midnight(self.after(first)) }
    }

    /// The first day after the period that starts on this day.
    fn after(self, first: Date) -> Date {
        match self {
            Self::Day => first.saturating_add(1.day()),
            Self::Week => first.saturating_add(1.week()),
            Self::Month => first.saturating_add(1.month()),
        }
    }

    /// The oldest counter of the history: 31 days, 12 weeks or 12 months before the current one.
    ///
    /// Older counters are removed. If the bucket's item would otherwise be larger than the kilobyte
    /// that one write unit pays for, the oldest counters of the history are removed too.
    #[must_use]
    pub fn oldest(self, now: Timestamp) -> Counter {
        self.back(now, if self == Self::Day { 31 } else { 12 })
    }

    /// The counter of the previous period, in which an instance whose clock is behind still counts.
    pub(crate) fn previous(self, now: Timestamp) -> Counter {
        self.back(now, 1)
    }

    /// The counter this many periods before the current one.
    fn back(self, now: Timestamp, periods: i32) -> Counter {
        let first = self.window(now).counter.first;
        let first = first.saturating_sub(match self {
            Self::Day => periods.days(),
            Self::Week => periods.weeks(),
            Self::Month => periods.months(),
        });
        self.starting(first).counter
    }
}

/// Reads a day, such as `20261121`.
fn day(digits: &str) -> Option<Date> {
    let number: u32 = digits.parse().ok()?;
    let part = |number: u32| i8::try_from(number % 100).ok();
    let year = i16::try_from(number / 10_000).ok()?;
    Date::new(year, part(number / 100)?, part(number)?).ok()
}

/// Reads the Monday of a week, such as `2026-47`.
fn week(digits: &str) -> Option<Date> {
    let (year, week) = digits.split_once('-')?;
    let monday = ISOWeekDate::new(year.parse().ok()?, week.parse().ok()?, Weekday::Monday);
    Some(monday.ok()?.date())
}

fn date(now: Timestamp) -> Date {
    EPOCH.saturating_add(Duration::from_secs(now.as_secs()))
}

fn midnight(date: Date) -> Timestamp {
    let since = Duration::try_from(date.duration_since(EPOCH)).unwrap_or_default();
    Timestamp::EPOCH.saturating_add(since)
}

const EPOCH: Date = Date::constant(1970, 1, 1);
/// The last day of a month on which a period may start, so that every month has it.
pub(crate) const LAST_START: i8 = 28;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Noon UTC of a date.
    fn noon(year: i16, month: i8, day: i8) -> Timestamp {
        midnight(Date::constant(year, month, day)).saturating_add(Duration::from_secs(43_200))
    }

    fn name(period: Period, year: i16, month: i8, day: i8) -> String {
        period.window(noon(year, month, day)).counter.to_string()
    }

    #[test]
    fn counters_are_named_by_their_period() {
        assert_eq!(name(Period::Day, 2026, 11, 21), "d20261121");
        assert_eq!(name(Period::Week, 2026, 11, 21), "w2026-47");
        assert_eq!(name(Period::Month, 2026, 11, 21), "m202611");
    }

    #[test]
    fn days_end_at_midnight_utc_leap_days_too() {
        let window = Period::Day.window(noon(2028, 2, 29));
        assert_eq!(window.counter.to_string(), "d20280229");
        assert_eq!(window.start, Timestamp::from_secs(1_835_395_200));
        assert_eq!(window.end, Timestamp::from_secs(1_835_481_600));
        assert_eq!(Period::Day.window(window.end).counter.to_string(), "d20280301");
        assert_eq!(name(Period::Day, 2027, 3, 1), "d20270301");
    }

    #[test]
    fn weeks_begin_on_monday() {
        let sunday = noon(2026, 11, 22);
        let window = Period::Week.window(sunday);
        assert_eq!(window.counter.to_string(), "w2026-47");
        assert_eq!(window.start, midnight(Date::constant(2026, 11, 16)));
        assert_eq!(window.end, midnight(Date::constant(2026, 11, 23)));
        assert_eq!(Period::Week.window(window.end).counter.to_string(), "w2026-48");
    }

    #[test]
    fn weeks_at_the_turn_of_the_year_belong_to_the_iso_year() {
        assert_eq!(name(Period::Week, 2024, 12, 30), "w2025-01");
        assert_eq!(name(Period::Week, 2027, 1, 3), "w2026-53");
        assert_eq!(name(Period::Week, 2027, 1, 4), "w2027-01");
        assert_eq!(name(Period::Week, 2022, 1, 1), "w2021-52");
    }

    #[test]
    fn months_have_their_own_lengths() {
        let days = |year, month| {
            let window = Period::Month.window(noon(year, month, 15));
            window.end.saturating_since(window.start).as_secs() / 86_400
        };
        assert_eq!((days(2026, 2), days(2028, 2), days(2100, 2)), (28, 29, 28));
        assert_eq!((days(2026, 4), days(2026, 12)), (30, 31));
        let december = Period::Month.window(noon(2026, 12, 31));
        assert_eq!(Period::Month.window(december.end).counter.to_string(), "m202701");
    }

    #[test]
    fn the_history_keeps_31_days_12_weeks_and_12_months() {
        assert_eq!(Period::Day.oldest(noon(2026, 11, 21)).to_string(), "d20261021");
        assert_eq!(Period::Week.oldest(noon(2026, 11, 21)).to_string(), "w2026-35");
        assert_eq!(Period::Month.oldest(noon(2026, 11, 30)).to_string(), "m202511");
        assert_eq!(Period::Month.oldest(noon(2026, 1, 31)).to_string(), "m202501");
    }

    #[test]
    fn a_counters_last_day_is_its_periods() {
        for (name, day) in [
            ("d20280229", "2028-02-29"),
            ("w2026-53", "2027-01-03"),
            ("w20261122", "2026-11-28"),
            ("m202602", "2026-02-28"),
            ("m20260128", "2026-02-27"),
        ] {
            assert_eq!(Counter::parse(name).unwrap().last_day().to_string(), day, "{name}");
        }
    }

    #[test]
    fn periods_with_a_start_day_are_named_by_their_first_day() {
        let window = |period: Period, start, day| period.window_from(start, noon(2026, 11, day));
        for (period, start, day, name, end) in [
            (Period::Month, 15, 14, "m20261015", (2026, 11, 15)),
            (Period::Month, 15, 15, "m20261115", (2026, 12, 15)),
            (Period::Month, 28, 27, "m20261028", (2026, 11, 28)),
            (Period::Month, 1, 30, "m202611", (2026, 12, 1)),
            // The 21st is a Saturday.
            (Period::Week, 7, 21, "w20261115", (2026, 11, 22)),
            (Period::Week, 7, 22, "w20261122", (2026, 11, 29)),
            (Period::Week, 6, 21, "w20261121", (2026, 11, 28)),
            (Period::Week, 1, 21, "w2026-47", (2026, 11, 23)),
        ] {
            let window = window(period, start, day);
            assert_eq!(window.counter.to_string(), name);
            assert_eq!(window.end, midnight(Date::constant(end.0, end.1, end.2)), "{name}");
            assert_eq!(Counter::parse(name), Some(window.counter));
            assert_eq!(window.counter.at(window.start).counter, window.counter);
            assert_eq!(window.counter.at(window.end).start, window.end);
        }
    }

    #[test]
    fn only_a_counters_own_name_is_read() {
        for name in [
            "d20261121",
            "w2026-47",
            "w2020-53",
            "w20261122",
            "m202611",
            "m20261115",
            "m202611.tokens",
        ] {
            assert_eq!(Counter::parse(name).unwrap().to_string(), name);
        }
        for name in [
            "",
            "d",
            "d2026112",
            "d+0261121",
            "w202647",
            "w2026-4-7",
            "m2026-11",
            "d20260229",
            "w2027-53",
            "w20261123",
            "m202600",
            "m20261101",
            "m20261129",
            "m2026115",
            "é1",
            "x1",
            "m202611.",
            "m202611.requests",
            "m202611.Tokens",
            ".tokens",
        ] {
            assert_eq!(Counter::parse(name), None, "{name}");
        }
    }

    #[test]
    fn periods_are_written_as_api_gateway_does() {
        assert_eq!(serde_json::to_string(&Period::Week).unwrap(), r#""WEEK""#);
    }

    proptest! {
        #[test]
        fn periods_tile_the_time(nanos in 0..=u64::MAX / 2, start in 1..=28_i8) {
            let now = Timestamp::from_nanos(nanos);
            let starts = [(Period::Day, 1), (Period::Week, start % 7 + 1), (Period::Month, start)];
            for (period, start) in starts {
                let window = period.window_from(start, now);
                prop_assert!(window.contains(now) && window.start < window.end);
                prop_assert_eq!(period.window_from(start, window.end).start, window.end);
                prop_assert_eq!(Counter::parse(&window.counter.to_string()), Some(window.counter));
                prop_assert_eq!(window.counter.at(now), window);
                // Neither it nor the one before it is ever removed to make room, near its start.
                prop_assert!(!window.counter.is_before(period.previous(now)));
                if let Some(before) = window.start.checked_sub(Duration::from_nanos(1)) {
                    let before = period.window_from(start, before).counter;
                    prop_assert!(before.is_before(window.counter));
                    prop_assert!(!before.is_before(period.previous(window.start)));
                }
            }
            for period in [Period::Day, Period::Week, Period::Month] {
                let window = period.window(now);
                prop_assert!(window.start < window.end);
                // The first week began before the epoch, where timestamps begin.
                prop_assert!(window.contains(now));
                if let Some(before) = window.start.checked_sub(Duration::from_nanos(1)) {
                    prop_assert_eq!(period.previous(now), period.window(before).counter);
                }
                let next = period.window(window.end);
                prop_assert_eq!(next.start, window.end);
                prop_assert_ne!(next.counter, window.counter);
                prop_assert_eq!(Counter::parse(&window.counter.to_string()), Some(window.counter));
                prop_assert_eq!(period.window(window.start).counter, window.counter);
            }
        }
    }
}
