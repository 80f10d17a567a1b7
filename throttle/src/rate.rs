//! Rates, as a whole interval between two tokens.

use std::fmt::{self, Display};
use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;
use std::time::Duration;

use crate::clock::NANOS_A_SECOND;
use crate::failure_policy::Share;

/// Tokens over time. No float is involved.
///
/// Written as API Gateway writes its `rateLimit` (any JSON number of requests a second, doubles
/// and exponents included), or as text with a unit: `"100/min"`, `"0.5/s"`, `"3/h"`, `"1000/d"`.
/// The interval between two tokens is a whole number of nanoseconds, rounded up, and at most
/// 366 days. A rate of 0 has no interval: its bucket never refills.
///
/// Two rates are equal if their intervals are, however they were written.
///
/// ```
/// use std::time::Duration;
/// use tollgate_throttle::Rate;
///
/// let rate = Rate::parse("100/min").unwrap();
/// assert_eq!(rate.interval(), Duration::from_millis(600));
/// assert_eq!(rate, Rate::parse("1.6666666666666667").unwrap());
/// // A third of a second is not a whole number of nanoseconds: rounded up, never down.
/// assert_eq!(Rate::parse("3").unwrap().interval(), Duration::from_nanos(333_333_334));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Nanoseconds for one token; `None` for a rate of 0.
    interval: Option<NonZeroU64>,
    /// The unit for writing it back.
    unit: Unit,
}

/// An error in the text of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateError {
    /// Neither a decimal number nor one with a unit.
    #[error("write a decimal number a second such as `10` or `0.5`, or one with a unit: `100/min`")]
    Malformed,
    /// A unit other than the four known ones.
    #[error("the unit must be `s`, `min`, `h` or `d`")]
    Unit,
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// Less than one in 366 days, and more than zero.
    #[error("must be 0, or at least one in 366 days")]
    TooSlow,
}

impl Rate {
    /// A rate of so many tokens a second.
    #[must_use]
    pub fn per_second(tokens: u64) -> Self {
        Self::of(tokens, Unit::Second)
    }

    /// A rate of so many tokens a minute.
    #[must_use]
    pub fn per_minute(tokens: u64) -> Self {
        Self::of(tokens, Unit::Minute)
    }

    /// A rate of so many tokens an hour.
    #[must_use]
    pub fn per_hour(tokens: u64) -> Self {
        Self::of(tokens, Unit::Hour)
    }

    /// A rate of so many tokens a day.
    #[must_use]
    pub fn per_day(tokens: u64) -> Self {
        Self::of(tokens, Unit::Day)
    }

    fn of(tokens: u64, unit: Unit) -> Self {
        let interval = unit.nanos().checked_div(tokens).map(|_| unit.nanos().div_ceil(tokens));
        Self { interval: interval.and_then(NonZeroU64::new), unit }
    }

    /// Reads a rate from its decimal text, with or without a unit.
    ///
    /// Digits beyond the 21st are ignored. A double has at most 17.
    ///
    /// # Errors
    /// The text is not a rate, or the interval is longer than 366 days.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        let (number, unit) = match text.split_once('/') {
            Some((number, unit)) => (number, Unit::parse(unit).ok_or(RateError::Unit)?),
            None => (text, Unit::Second),
        };
        let interval = Decimal::parse(number)?.interval(unit.nanos().into())?;
        Ok(Self { interval, unit })
    }

    /// The time for one token, rounded up, which is stricter. [`Duration::MAX`] for a rate of 0.
    #[must_use]
    pub fn interval(self) -> Duration {
        self.interval.map_or(Duration::MAX, |nanos| Duration::from_nanos(nanos.get()))
    }

    /// Returns true if the rate is 0.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.interval.is_none()
    }

    pub(crate) fn interval_nanos(self) -> Option<NonZeroU64> {
        self.interval
    }

    /// This share of the rate; one token in 366 days if that would be less.
    pub(crate) fn share(self, share: Share) -> Self {
        let shared = |interval: NonZeroU64| {
            let nanos = u128::from(interval.get()) * u128::from(share.whole());
            let nanos = u64::try_from(nanos.div_ceil(share.part().into())).unwrap_or(MAX_INTERVAL);
            NonZeroU64::new(nanos.min(MAX_INTERVAL))
        };
        Self { interval: self.interval.and_then(shared), unit: self.unit }
    }

    /// The number of tokens in the rate's own unit, as the shortest text that parses to the same
    /// rate.
    fn number(self) -> String {
        let Some(interval) = self.interval else { return "0".to_owned() };
        let interval = u128::from(interval.get());
        for places in 0..MAX_PLACES {
            let scaled = u128::from(self.unit.nanos()) * 10_u128.pow(places);
            let digits = scaled.div_ceil(interval);
            // This number rounds up to the same interval, not to a shorter one.
            if digits * (interval - 1) < scaled {
                return decimal(digits, places);
            }
        }
        // Not reached: 24 places distinguish the two longest intervals.
        "0".to_owned()
    }

    /// The number of tokens a second, if the rate was written as one: API Gateway's form.
    ///
    /// `None` if it needs more than the 15 digits that a double keeps for certain.
    pub(crate) fn per_second_text(self) -> Option<String> {
        let number = (self.unit == Unit::Second).then(|| self.number())?;
        let digits = number.replace('.', "");
        (digits.trim_start_matches('0').len() <= DOUBLE_DIGITS).then_some(number)
    }
}

impl PartialEq for Rate {
    fn eq(&self, other: &Self) -> bool {
        self.interval == other.interval
    }
}

impl Eq for Rate {}

impl Hash for Rate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.interval.hash(state);
    }
}

impl Display for Rate {
    /// Writes the rate in the unit that it was written in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number(), self.unit.name())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
}

impl Unit {
    fn parse(name: &str) -> Option<Self> {
        [Self::Second, Self::Minute, Self::Hour, Self::Day].into_iter().find(|it| it.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Day => "d",
        }
    }

    fn nanos(self) -> u64 {
        let seconds = match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        };
        NANOS_A_SECOND * seconds
    }
}

/// A decimal number that is not negative: `digits · 10^exponent`.
#[derive(Clone, Copy)]
struct Decimal {
    digits: u128,
    exponent: i64,
}

impl Decimal {
    /// Reads JSON's number syntax: digits, a fraction, an exponent.
    fn parse(text: &str) -> Result<Self, RateError> {
        if let Some(rest) = text.strip_prefix('-') {
            let zero = Self::parse(rest)?;
            return if zero.digits == 0 { Ok(zero) } else { Err(RateError::Negative) };
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, small_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(RateError::Malformed),
            None => (mantissa, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(RateError::Malformed);
        }
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        // Cutting digits off lowers the rate, which is stricter.
        let kept = significant.get(..MAX_DIGITS).unwrap_or(significant);
        let digits = if kept.is_empty() { 0 } else { parse_digits(kept)? };
        let cut = significant.len().saturating_sub(kept.len());
        let places = i64::try_from(fraction.len()).map_err(|_| RateError::Malformed)?;
        let cut = i64::try_from(cut).map_err(|_| RateError::Malformed)?;
        Ok(Self { digits, exponent: exponent.saturating_sub(places).saturating_add(cut) })
    }

    /// Nanoseconds for one of so many tokens in `unit` nanoseconds, rounded up; none for 0 tokens.
    fn interval(self, unit: u128) -> Result<Option<NonZeroU64>, RateError> {
        if self.digits == 0 {
            return Ok(None);
        }
        let power = u32::try_from(self.exponent.unsigned_abs()).ok();
        let power = power.and_then(|power| 10_u128.checked_pow(power));
        let times_power = |number: u128| power.and_then(|power| number.checked_mul(power));
        let interval = if self.exponent >= 0 {
            // More tokens than fit 128 bits still take a whole nanosecond each.
            unit.div_ceil(times_power(self.digits).unwrap_or(u128::MAX))
        } else {
            // With this few digits, an interval that does not fit 128 bits is longer than 366 days.
            times_power(unit).ok_or(RateError::TooSlow)?.div_ceil(self.digits)
        };
        match u64::try_from(interval) {
            Ok(nanos) if nanos <= MAX_INTERVAL => Ok(NonZeroU64::new(nanos)),
            _ => Err(RateError::TooSlow),
        }
    }
}

fn parse_digits(digits: &str) -> Result<u128, RateError> {
    digits.parse().map_err(|_| RateError::Malformed)
}

fn small_exponent(text: &str) -> Result<i64, RateError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(RateError::Malformed);
    }
    let size = digits.parse().unwrap_or(MAX_EXPONENT).min(MAX_EXPONENT);
    Ok(if text.starts_with('-') { -size } else { size })
}

/// Writes `digits / 10^places`.
fn decimal(digits: u128, places: u32) -> String {
    let width = usize::try_from(places).unwrap_or_default();
    let text = format!("{digits:0>width$}", width = width.saturating_add(1));
    match text.split_at_checked(text.len().saturating_sub(width)) {
        Some((whole, fraction)) if !fraction.is_empty() => format!("{whole}.{fraction}"),
        _ => text,
    }
}

/// 366 days.
const MAX_INTERVAL: u64 = 366 * 86_400 * NANOS_A_SECOND;
/// With this few digits, no valid rate overflows 128 bits.
const MAX_DIGITS: usize = 21;
const MAX_PLACES: u32 = 25;
/// A plan of at most 64 KiB does not have enough digits to balance a larger exponent.
const MAX_EXPONENT: i64 = 1_000_000_000;
const DOUBLE_DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nanos(text: &str) -> u64 {
        Rate::parse(text).unwrap().interval_nanos().unwrap().get()
    }

    #[test]
    fn a_share_of_a_rate_is_rounded_up() {
        let share = |rate: &str, share: &str| {
            let share = Rate::parse(rate).unwrap().share(share.parse().unwrap());
            share.interval_nanos().map(NonZeroU64::get)
        };
        assert_eq!(share("10", "1/10"), Some(1_000_000_000));
        assert_eq!(share("3", "1"), Some(333_333_334));
        assert_eq!(share("3", "2/3"), Some(500_000_001));
        assert_eq!(share("1/d", "1/366"), Some(MAX_INTERVAL));
        assert_eq!(share("1/d", "1/367"), Some(MAX_INTERVAL));
        assert_eq!(share("999999.999999999/s", "4294967290/4294967295"), Some(1_002));
        assert_eq!(share("0", "1/10"), None);
    }

    #[test]
    fn a_plain_number_is_a_second() {
        assert_eq!(nanos("1"), 1_000_000_000);
        assert_eq!(nanos("0.5"), 2_000_000_000);
        assert_eq!(nanos("10.0"), 100_000_000);
        assert_eq!(nanos("1e3"), 1_000_000);
        assert_eq!(nanos("25E-1"), 400_000_000);
        assert_eq!(nanos("1000000"), 1_000);
    }

    #[test]
    fn units_are_exact() {
        assert_eq!(nanos("0.5/s"), 2_000_000_000);
        assert_eq!(nanos("100/min"), 600_000_000);
        assert_eq!(nanos("1/h"), 3_600_000_000_000);
        assert_eq!(nanos("7/d"), 12_342_857_142_858);
    }

    #[test]
    fn a_decimal_that_no_float_holds_is_exact() {
        // 0.1 as a double is a little more than a tenth.
        assert_eq!(nanos("0.1"), 10_000_000_000);
        assert_eq!(Rate::parse("0.1").unwrap(), Rate::parse("6/min").unwrap());
    }

    #[test]
    fn any_number_that_is_not_negative_is_a_rate() {
        for (text, interval) in [
            // Doubles as `aws` prints them: 1000 and 10 a minute, a third of a second, 1 a day.
            ("16.666666666666668", 60_000_000),
            ("0.16666666666666666", 6_000_000_001),
            ("33.3333333333333", 30_000_001),
            ("33.33333333333", 30_000_001),
            ("1.1574074074074073e-05", 86_400_000_000_001),
            ("1.1574074074074075e-05", 86_400_000_000_000),
            ("0.30000000000000004", 3_333_333_334),
            ("1234567890.1234567", 1),
            ("1000000.1", 1_000),
            ("1e300", 1),
            ("1.7976931348623157e308", 1),
            ("1e999999999999999999999", 1),
            ("0.0000000001e11", 100_000_000),
            ("100000000000e-10", 100_000_000),
            // 366 days, as a double has it.
            ("3.1623153207852664e-08", 31_622_399_999_999_998),
        ] {
            assert_eq!(nanos(text), interval, "{text}");
        }
        assert_eq!(nanos(&"1".repeat(10_000)), 1);
        assert_eq!(nanos(&format!("0.{}", "3".repeat(10_000))), 3_000_000_001);
        assert_eq!(nanos(&format!("0.{}1e10001", "0".repeat(10_000))), 1_000_000_000);
        for zero in ["0", "0.000", "0e99999999999999", "-0", "-0.0", "0/d", "0.0e-5"] {
            assert!(Rate::parse(zero).unwrap().is_zero(), "{zero}");
        }
    }

    #[test]
    fn bad_rates_are_refused_for_a_reason() {
        for (text, why) in [
            ("", RateError::Malformed),
            ("ten", RateError::Malformed),
            ("1.", RateError::Malformed),
            (".5", RateError::Malformed),
            ("1 ", RateError::Malformed),
            ("+1", RateError::Malformed),
            ("NaN", RateError::Malformed),
            ("1e", RateError::Malformed),
            ("1e+-3", RateError::Malformed),
            ("١", RateError::Malformed),
            ("-", RateError::Malformed),
            ("--1", RateError::Negative),
            ("1/s/s", RateError::Unit),
            ("1/", RateError::Unit),
            ("1/year", RateError::Unit),
            ("-1", RateError::Negative),
            ("-1e-300", RateError::Negative),
            ("1e-300", RateError::TooSlow),
            ("1e-999999999999999999999", RateError::TooSlow),
            ("3.162315320785e-08", RateError::TooSlow),
            ("0.00000001", RateError::TooSlow),
            ("0.1/d/d", RateError::Unit),
            ("0.002/d", RateError::TooSlow),
        ] {
            assert_eq!(Rate::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_rate_is_written_in_its_own_unit_and_as_short_as_reads_back() {
        for (text, written) in [
            ("10.0", "10/s"),
            ("0.5/s", "0.5/s"),
            ("30/min", "30/min"),
            ("100/min", "100/min"),
            ("3", "3/s"),
            ("7/d", "7/d"),
            ("16.666666666666668", "16.6666667/s"),
            ("10.25", "10.25/s"),
            ("0.0001234", "0.0001234/s"),
            ("1e300", "1000000000/s"),
            ("0.0", "0/s"),
        ] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), written, "{text}");
        }
        assert_eq!(Rate::parse("7/d").unwrap().per_second_text(), None);
        assert_eq!(Rate::parse("0.50").unwrap().per_second_text().as_deref(), Some("0.5"));
        // A double may not tell this interval from the next.
        assert_eq!(Rate::parse("3.1623153207852669e-08").unwrap().per_second_text(), None);
    }

    proptest! {
        #[test]
        fn the_interval_is_the_shortest_that_is_long_enough(
            digits in 1u64..=999_999_999_999,
            places in 0u32..=8,
            unit in 0usize..4,
        ) {
            let unit = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day][unit];
            let text = format!("{}/{}", decimal(digits.into(), places), unit.name());
            if let Ok(rate) = Rate::parse(&text) {
                // interval · digits / 10^places >= unit, and one nanosecond less is too short.
                let interval = u128::from(rate.interval_nanos().unwrap().get());
                let (tokens, nanos) = (u128::from(digits), u128::from(unit.nanos()) * 10_u128.pow(places));
                prop_assert!(interval * tokens >= nanos);
                prop_assert!((interval - 1) * tokens < nanos);
            }
        }

        #[test]
        fn every_interval_is_written_so_that_it_reads_back(
            bits in 0u32..=54,
            fill: u64,
            unit in 0usize..4,
        ) {
            let unit = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day][unit];
            let interval = NonZeroU64::new((fill >> (63 - bits)).clamp(1, MAX_INTERVAL));
            let rate = Rate { interval, unit };
            prop_assert_eq!(Rate::parse(&rate.to_string()), Ok(rate), "{}", rate);
            if let Some(number) = rate.per_second_text() {
                // The same through a double, as most JSON readers have numbers.
                let double: f64 = number.parse().unwrap();
                prop_assert_eq!(Rate::parse(&format!("{double:e}")), Ok(rate), "{}", number);
            }
        }

        #[test]
        fn any_double_above_the_slowest_is_read(bits: u64) {
            let double = f64::from_bits(bits).abs();
            if double.is_finite() {
                let text = serde_json::to_string(&double).unwrap();
                let expected = double == 0.0 || double > 3.1624e-8;
                if expected || double < 3.1623e-8 {
                    prop_assert_eq!(Rate::parse(&text).is_ok(), expected, "{}", text);
                }
            }
        }

        #[test]
        fn no_text_ends_the_process(text in ".{0,50}") {
            let _ = Rate::parse(&text);
        }
    }
}
