//! The calendar periods of quotas, all in UTC.

use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// How often a quota starts afresh: API Gateway's three periods.
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

/// One particular period: its counter's name, and from when to when it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The counter's attribute: `d20261121`, `w2026-47` or `m202611`.
    pub name: String,
    /// The first moment inside.
    pub start: Timestamp,
    /// The first moment after.
    pub end: Timestamp,
}

impl Window {
    /// Whether `moment` is inside.
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
        let (name, first, next) = match self {
            Self::Day => (day_name(today), today, today.saturating_add(1.day())),
            Self::Week => {
                let monday = today.saturating_sub(today.weekday().to_monday_zero_offset().days());
                (week_name(today), monday, monday.saturating_add(1.week()))
            }
            Self::Month => {
                let first = today.first_of_month();
                (month_name(today), first, first.saturating_add(1.month()))
            }
        };
        Window { name, start: midnight(first), end: midnight(next) }
    }

    /// The counter that leaves the kept history when `now`'s period begins.
    ///
    /// Kept are the current period and the 31 days, 12 weeks or 12 months before it,
    /// which together stay under the kilobyte that one write unit pays for.
    #[must_use]
    pub fn forgotten(self, now: Timestamp) -> String {
        let today = date(now);
        match self {
            Self::Day => day_name(today.saturating_sub(32.days())),
            Self::Week => week_name(today.saturating_sub(13.weeks())),
            Self::Month => month_name(today.first_of_month().saturating_sub(13.months())),
        }
    }
}

fn date(now: Timestamp) -> Date {
    EPOCH.saturating_add(Duration::from_secs(now.as_secs()))
}

fn midnight(date: Date) -> Timestamp {
    let since = Duration::try_from(date.duration_since(EPOCH)).unwrap_or_default();
    Timestamp::EPOCH.saturating_add(since)
}

fn day_name(date: Date) -> String {
    format!("d{:04}{:02}{:02}", date.year(), date.month(), date.day())
}

fn week_name(date: Date) -> String {
    let week = date.iso_week_date();
    format!("w{:04}-{:02}", week.year(), week.week())
}

fn month_name(date: Date) -> String {
    format!("m{:04}{:02}", date.year(), date.month())
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
        period.window(noon(year, month, day)).name
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
        assert_eq!(window.name, "d20280229");
        assert_eq!(window.start, Timestamp::from_secs(1_835_395_200));
        assert_eq!(window.end, Timestamp::from_secs(1_835_481_600));
        assert_eq!(Period::Day.window(window.end).name, "d20280301");
        assert_eq!(name(Period::Day, 2027, 3, 1), "d20270301");
    }

    #[test]
    fn weeks_begin_on_monday() {
        let sunday = noon(2026, 11, 22);
        let window = Period::Week.window(sunday);
        assert_eq!(window.name, "w2026-47");
        assert_eq!(window.start, midnight(Date::constant(2026, 11, 16)));
        assert_eq!(window.end, midnight(Date::constant(2026, 11, 23)));
        assert_eq!(Period::Week.window(window.end).name, "w2026-48");
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
        assert_eq!(Period::Month.window(december.end).name, "m202701");
    }

    #[test]
    fn the_history_keeps_31_days_12_weeks_and_12_months() {
        assert_eq!(Period::Day.forgotten(noon(2026, 11, 21)), "d20261020");
        assert_eq!(Period::Week.forgotten(noon(2026, 11, 21)), "w2026-34");
        assert_eq!(Period::Month.forgotten(noon(2026, 11, 30)), "m202510");
        assert_eq!(Period::Month.forgotten(noon(2026, 1, 31)), "m202412");
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
                let next = period.window(window.end);
                prop_assert_eq!(next.start, window.end);
                prop_assert_ne!(&next.name, &window.name);
                prop_assert_eq!(period.window(window.start).name, window.name);
            }
        }
    }
}
