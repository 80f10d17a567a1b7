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
/// Days start at midnight UTC, weeks on Monday, months on the first.
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
/// As an attribute: `d20261121`, `w2026-47` or `m202611` for requests, `m202611.tokens` for
/// another meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    period: Period,
    /// Its digits: year, month and day; year and ISO week; year and month.
    number: u32,
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
        let (period, digits) = match name.split_at_checked(1)? {
            ("d", rest) => (Period::Day, rest.parse()),
            ("w", rest) => (Period::Week, rest.replacen('-', "", 1).parse()),
            ("m", rest) => (Period::Month, rest.parse()),
            _ => return None,
        };
        let counter = Self { period, number: digits.ok()?, meter };
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

    /// Returns true if both count periods of one kind, of any meter, and this one's came first.
    pub(crate) fn is_before(self, other: Self) -> bool {
        self.period == other.period && self.number < other.number
    }

    /// The last day of its period; `None` if the number is not a valid date.
    pub(crate) fn last_day(self) -> Option<Date> {
        let part = |number: u32| i8::try_from(number % 100).ok();
        let (rest, last) = (self.number / 100, part(self.number)?);
        match self.period {
            Period::Day => Date::new(i16::try_from(rest / 100).ok()?, part(rest)?, last).ok(),
            Period::Week => {
                let year = i16::try_from(rest).ok()?;
                Some(ISOWeekDate::new(year, last, Weekday::Sunday).ok()?.date())
            }
            Period::Month => {
                Some(Date::new(i16::try_from(rest).ok()?, last, 1).ok()?.last_of_month())
            }
        }
    }
}

impl Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.period {
            Period::Day => write!(f, "d{:08}", self.number),
            Period::Week => write!(f, "w{:04}-{:02}", self.number / 100, self.number % 100),
            Period::Month => write!(f, "m{:06}", self.number),
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
    /// The period that `now` is in.
    #[must_use]
    pub fn window(self, now: Timestamp) -> Window {
        let today = date(now);
        let (first, next) = match self {
            Self::Day => (today, today.saturating_add(1.day())),
            Self::Week => {
                let monday = today.saturating_sub(today.weekday().to_monday_zero_offset().days());
                (monday, monday.saturating_add(1.week()))
            }
            Self::Month => {
                let first = today.first_of_month();
                (first, first.saturating_add(1.month()))
            }
        };
        Window { counter: self.counter(today), start: midnight(first), end: midnight(next) }
    }

    /// The oldest counter of the history: 31 days, 12 weeks or 12 months before the current one.
    ///
    /// Older counters are removed. Counters of the history are removed too if the bucket's item
    /// would otherwise pass the kilobyte that one write unit pays for, the oldest first.
    #[must_use]
    pub fn oldest(self, now: Timestamp) -> Counter {
        self.back(now, if self == Self::Day { 31 } else { 12 })
    }

    /// The counter of the previous period, which a clock that is behind still counts in.
    pub(crate) fn previous(self, now: Timestamp) -> Counter {
        self.back(now, 1)
    }

    /// The counter this many periods before the current one.
    fn back(self, now: Timestamp, periods: i32) -> Counter {
        let today = date(now);
        self.counter(match self {
            Self::Day => today.saturating_sub(periods.days()),
            Self::Week => today.saturating_sub(periods.weeks()),
            Self::Month => today.first_of_month().saturating_sub(periods.months()),
        })
    }

    fn counter(self, date: Date) -> Counter {
        let digits = |number: i16| u32::try_from(number).unwrap_or_default();
        let (month, day) = (digits(date.month().into()), digits(date.day().into()));
        let number = match self {
            Self::Day => digits(date.year()) * 10_000 + month * 100 + day,
            Self::Week => {
                let week = date.iso_week_date();
                digits(week.year()) * 100 + digits(week.week().into())
            }
            Self::Month => digits(date.year()) * 100 + month,
        };
        Counter { period: self, number, meter: Meter::REQUESTS }
    }
}

fn date(now: Timestamp) -> Date {
    EPOCH.saturating_add(Duration::from_secs(now.as_secs()))
}

fn midnight(date: Date) -> Timestamp {
    let since = Duration::try_from(date.duration_since(EPOCH)).unwrap_or_default();
    Timestamp::EPOCH.saturating_add(since)
}

const EPOCH: Date = Date::constant(1970, 1, 1);

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
        let last_day = |name| Counter::parse(name).unwrap().last_day().map(|day| day.to_string());
        for (name, day) in [
            ("d20280229", Some("2028-02-29")),
            ("w2026-53", Some("2027-01-03")),
            ("m202602", Some("2026-02-28")),
            ("d20260229", None),
            ("w2027-53", None),
            ("m202600", None),
        ] {
            assert_eq!(last_day(name), day.map(str::to_owned), "{name}");
        }
    }

    #[test]
    fn only_a_counters_own_name_is_read() {
        for name in ["d20261121", "w2026-47", "w0000-53", "m202611", "m202611.tokens"] {
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
        fn periods_tile_the_time(nanos in 0..=u64::MAX / 2) {
            let now = Timestamp::from_nanos(nanos);
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
