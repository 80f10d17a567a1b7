//! Moments and lengths of time, as operators read and write them.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo};
use throttle::Timestamp;

use crate::error::Error;

/// A moment in UTC to the second, `2026-11-21T09:00:00Z`.
pub(crate) fn moment(moment: impl Into<Timestamp>) -> String {
    let secs = i64::try_from(seconds(moment)).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(secs).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// A moment in whole seconds since the Unix epoch.
pub(crate) fn seconds(moment: impl Into<Timestamp>) -> u64 {
    moment.into().as_secs()
}

/// A moment's day in UTC, `2026-11-21`.
pub(crate) fn day(of: Timestamp) -> String {
    moment(of).chars().take_while(|c| *c != 'T').collect()
}

/// A moment's day in UTC in this form, such as `21 Nov`.
pub(crate) fn human(of: Timestamp, form: &str) -> String {
    let secs = i64::try_from(of.as_secs()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_second(secs).unwrap_or(jiff::Timestamp::MAX);
    moment.strftime(form).to_string()
}

/// Reads a day, as its first moment in UTC.
pub(crate) fn parse_day(text: &str) -> Result<Timestamp, String> {
    let wrong = || "must be a day from 1970 on, `2026-11-21` say".to_owned();
    let date: Date = text.parse().map_err(|_| wrong())?;
    let start = date.to_zoned_datetime(TimeZone::UTC).map_err(|_| wrong())?;
    let secs = u64::try_from(start.timestamp().as_second()).map_err(|_| wrong())?;
    Ok(Timestamp::from_secs(secs))
}

/// Reads a length of time: `90d`, `12h`, `1h 30m`. Days have 24 hours.
pub(crate) fn parse_length(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a length of time, `90d`, `12h` or `30m` say, of 100 years at most";
    let span: Span = text.parse().map_err(|_| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let length = Duration::try_from(length).map_err(|_| wrong())?;
    if length > LONGEST { Err(wrong().to_owned()) } else { Ok(length) }
}

/// An end: a moment, or a length of time from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    At(Timestamp),
    In(Duration),
}

/// Reads a day or a length of time.
pub(crate) fn parse_until(text: &str) -> Result<Until, String> {
    parse_day(text)
        .map(Until::At)
        .or_else(|_| parse_length(text).map(Until::In))
        .map_err(|_| "must be a day, `2027-01-01` say, or a length of time, `90d` say".to_owned())
}

impl Until {
    /// The moment; one in the past is misuse.
    pub(crate) fn after(self, now: Timestamp) -> Result<Timestamp, Error> {
        let end = match self {
            Self::At(moment) => moment,
            Self::In(length) => now.saturating_add(length),
        };
        if end > now {
            Ok(end)
        } else {
            Err(Error::misuse(format!("{} is over: name a later moment", moment(end))))
        }
    }
}

const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_in_utc() {
        let noon = Timestamp::from_secs(1_795_251_600);
        assert_eq!(moment(noon), "2026-11-21T09:00:00Z");
        assert_eq!(day(noon), "2026-11-21");
        assert_eq!(moment(Timestamp::EPOCH), "1970-01-01T00:00:00Z");
        assert!(moment(Timestamp::from_nanos(u64::MAX)).starts_with("2554-"));
    }

    #[test]
    fn an_end_is_a_day_or_a_length_and_not_over() {
        let now = Timestamp::from_secs(1_795_251_600);
        let end = |text: &str| parse_until(text).unwrap().after(now);
        assert_eq!(moment(end("2027-01-01").unwrap()), "2027-01-01T00:00:00Z");
        assert_eq!(moment(end("1d").unwrap()), "2026-11-22T09:00:00Z");
        for over in ["2026-11-21", "0s"] {
            assert_eq!(end(over).unwrap_err().code(), 2);
        }
        assert!(parse_until("soon").is_err());
    }

    #[test]
    fn days_and_lengths_are_read() {
        let day = Timestamp::from_secs(1_795_219_200);
        assert_eq!(parse_day("2026-11-21"), Ok(day));
        for wrong in ["", "2026-02-30", "yesterday", "1969-12-31", "21.11.2026"] {
            assert!(parse_day(wrong).is_err(), "{wrong}");
        }
        for (text, secs) in [("90d", 7_776_000), ("12h", 43_200), ("1h 30m", 5_400), ("0s", 0)] {
            assert_eq!(parse_length(text), Ok(Duration::from_secs(secs)), "{text}");
        }
        for wrong in ["", "90", "-1d", "1 month", "1y", "101y", "99999d", "soon"] {
            assert!(parse_length(wrong).is_err(), "{wrong}");
        }
    }
}
