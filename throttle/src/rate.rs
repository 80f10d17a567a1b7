//! How fast a bucket refills, as an exact fraction.

use std::fmt::{self, Display};
use std::num::NonZeroU64;
use std::time::Duration;

use crate::clock::NANOS_A_SECOND;
use crate::policy::Share;

/// Tokens over time, exactly: `0.5/s` is one token in two seconds, and no float is involved.
///
/// Between one a year and a million a second. Written as API Gateway writes its
/// `rateLimit` (a decimal number of requests a second), or with a unit:
/// `"100/min"`, `"0.5/s"`, `"3/h"`, `"1000/d"`.
///
/// ```
/// use std::time::Duration;
/// use throttle::Rate;
///
/// let rate = Rate::parse("100/min").unwrap();
/// assert_eq!(rate.interval(), Duration::from_millis(600));
/// assert_eq!(rate, Rate::parse("100.0/min").unwrap());
/// // A third of a second has no exact number of nanoseconds: rounded up, never down.
/// assert_eq!(Rate::parse("3").unwrap().interval(), Duration::from_nanos(333_333_334));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// With `nanos` in lowest terms: so many tokens …
    tokens: u64,
    /// … in so many nanoseconds.
    nanos: u64,
}

/// Why a text is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateError {
    /// Neither a decimal number nor one with a unit.
    #[error("write a decimal number a second such as `10` or `0.5`, or one with a unit: `100/min`")]
    Malformed,
    /// A unit other than the four known ones.
    #[error("the unit must be `s`, `min`, `h` or `d`")]
    Unit,
    /// Zero: nothing would ever be let through.
    #[error("must be above zero")]
    Zero,
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// More digits than can be kept exactly.
    #[error("has more digits than can be kept exactly: use at most 15")]
    Digits,
    /// More than a million a second.
    #[error("must be at most 1000000 a second")]
    TooFast,
    /// Less than one a year.
    #[error("must be at least one in 366 days")]
    TooSlow,
}

impl Rate {
    /// Reads a rate from its decimal text, with or without a unit.
    ///
    /// # Errors
    /// The text is no rate, or it is out of range.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        if text.len() > MAX_TEXT {
            return Err(RateError::Digits);
        }
        let (number, unit) = match text.split_once('/') {
            Some((number, unit)) => (number, unit_secs(unit).ok_or(RateError::Unit)?),
            None => (text, 1),
        };
        let decimal = Decimal::parse(number)?;
        Self::from_decimal(decimal, unit)
    }

    /// Nanoseconds for one token, rounded up: against the caller, never for it.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_nanos(self.interval_nanos().get())
    }

    pub(crate) fn interval_nanos(self) -> NonZeroU64 {
        NonZeroU64::new(self.nanos.div_ceil(self.tokens)).unwrap_or(NonZeroU64::MIN)
    }

    /// This share of the rate; one token in 366 days if that would be less.
    pub(crate) fn share(self, share: Share) -> Self {
        let tokens = u128::from(self.tokens) * u128::from(share.part());
        let nanos = u128::from(self.nanos) * u128::from(share.whole());
        let divisor = greatest_common_divisor(tokens, nanos);
        let exact = u64::try_from(tokens / divisor).ok().zip(u64::try_from(nanos / divisor).ok());
        let (tokens, nanos) = exact.unwrap_or_else(|| {
            // No smaller terms: the interval alone, rounded up as every interval is.
            (1, u64::try_from(nanos.div_ceil(tokens)).unwrap_or(MAX_INTERVAL))
        });
        if nanos.div_ceil(tokens) > MAX_INTERVAL {
            return Self { tokens: 1, nanos: MAX_INTERVAL };
        }
        Self { tokens, nanos }
    }

    fn from_decimal(decimal: Decimal, unit_secs: u64) -> Result<Self, RateError> {
        let mut tokens = u128::from(decimal.digits);
        let mut nanos = u128::from(unit_secs) * u128::from(NANOS_A_SECOND);
        let power = 10u128.pow(decimal.exponent.unsigned_abs());
        if decimal.exponent >= 0 {
            tokens *= power;
        } else {
            nanos *= power;
        }
        if tokens * u128::from(MIN_INTERVAL) > nanos {
            return Err(RateError::TooFast);
        }
        if nanos > tokens * u128::from(MAX_INTERVAL) {
            return Err(RateError::TooSlow);
        }
        let divisor = greatest_common_divisor(tokens, nanos);
        let reduced = |n: u128| u64::try_from(n / divisor).map_err(|_| RateError::Digits);
        Ok(Self { tokens: reduced(tokens)?, nanos: reduced(nanos)? })
    }

    /// The number of tokens in so many seconds as a decimal, if it has a short one.
    fn decimal(self, unit_secs: u64) -> Option<String> {
        let tokens = u128::from(self.tokens) * u128::from(unit_secs) * u128::from(NANOS_A_SECOND);
        let nanos = u128::from(self.nanos);
        let whole = tokens / nanos;
        let mut rest = tokens % nanos;
        let mut fraction = String::new();
        while rest != 0 {
            if fraction.len() >= MAX_TEXT {
                return None;
            }
            rest *= 10;
            fraction.push(char::from_digit(u32::try_from(rest / nanos).ok()?, 10)?);
            rest %= nanos;
        }
        let text =
            if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") };
        // Another unit than the one it was given in can need more digits than are read back.
        Decimal::parse(&text).is_ok().then_some(text)
    }

    /// The decimal number of tokens a second, where it has a finite one: API Gateway's form.
    pub(crate) fn per_second(self) -> Option<String> {
        self.decimal(1)
    }
}

impl Display for Rate {
    /// Writes the rate with the first unit in which it is a finite decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, secs) in UNITS {
            if let Some(number) = self.decimal(secs) {
                return write!(f, "{number}/{unit}");
            }
        }
        write!(f, "{}/{}ns", self.tokens, self.nanos)
    }
}

/// A decimal number without its sign: `digits · 10^exponent`, not zero.
#[derive(Clone, Copy)]
struct Decimal {
    digits: u64,
    exponent: i32,
}

impl Decimal {
    /// Reads JSON's number syntax: digits, a fraction, an exponent.
    fn parse(text: &str) -> Result<Self, RateError> {
        if let Some(rest) = text.strip_prefix('-') {
            return Err(Self::parse(rest).map_or_else(|error| error, |_| RateError::Negative));
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
        let fraction = fraction.trim_end_matches('0');
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        if significant.is_empty() {
            return Err(RateError::Zero);
        }
        if significant.len() > MAX_DIGITS {
            return Err(RateError::Digits);
        }
        let digits = significant.parse().map_err(|_| RateError::Malformed)?;
        let places = i32::try_from(fraction.len()).map_err(|_| RateError::Digits)?;
        let exponent = exponent - places;
        // Beyond these no number of so few digits is in range, and powers stay within 128 bits.
        match exponent {
            ..=-19 => Err(if digits < 1_000 { RateError::TooSlow } else { RateError::Digits }),
            -18..=12 => Ok(Self { digits, exponent }),
            13.. => Err(RateError::TooFast),
        }
    }
}

fn small_exponent(text: &str) -> Result<i32, RateError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(RateError::Malformed);
    }
    let size: i32 = digits.parse().unwrap_or(MAX_EXPONENT).min(MAX_EXPONENT);
    Ok(if text.starts_with('-') { -size } else { size })
}

fn unit_secs(unit: &str) -> Option<u64> {
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, secs)| *secs)
}

fn greatest_common_divisor(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

const UNITS: [(&str, u64); 4] = [("s", 1), ("min", 60), ("h", 3_600), ("d", 86_400)];
/// A million a second. One item of DynamoDB takes a thousand writes a second, so this is ample,
/// and at a microsecond the rounding up of an interval costs the caller at most 0.1 %.
const MIN_INTERVAL: u64 = 1_000;
/// One token in 366 days.
const MAX_INTERVAL: u64 = 366 * 86_400 * NANOS_A_SECOND;
const MAX_DIGITS: usize = 15;
const MAX_EXPONENT: i32 = 100;
const MAX_TEXT: usize = 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nanos(text: &str) -> u64 {
        Rate::parse(text).unwrap().interval_nanos().get()
    }

    #[test]
    fn a_share_of_a_rate_is_exact_where_it_can_be() {
        let share = |rate: &str, share: &str| {
            Rate::parse(rate).unwrap().share(share.parse().unwrap()).interval_nanos().get()
        };
        assert_eq!(share("10", "1/10"), 1_000_000_000);
        assert_eq!(share("3", "1/3"), 1_000_000_000);
        assert_eq!(share("3", "1"), 333_333_334);
        assert_eq!(share("3", "2/3"), 500_000_000);
        assert_eq!(share("1/d", "1/366"), MAX_INTERVAL);
        assert_eq!(share("1/d", "1/367"), MAX_INTERVAL);
        // No terms of 64 bits: the interval is rounded up.
        let interval = share("999999.999999999/s", "4294967290/4294967295");
        assert_eq!(interval, 1_001);
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
    fn a_decimal_that_no_float_holds_is_kept() {
        // 0.1 as a double is a little more than a tenth.
        assert_eq!(nanos("0.1"), 10_000_000_000);
        assert_eq!(Rate::parse("0.1").unwrap(), Rate::parse("6/min").unwrap());
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
            ("1/s/s", RateError::Unit),
            ("1/", RateError::Unit),
            ("1/year", RateError::Unit),
            ("0", RateError::Zero),
            ("0.000", RateError::Zero),
            ("0e99999999999999", RateError::Zero),
            ("-1", RateError::Negative),
            ("-0", RateError::Zero),
            ("1234567890.1234567", RateError::Digits),
            ("1000000.1", RateError::TooFast),
            ("1e300", RateError::TooFast),
            ("1e999999999999", RateError::TooFast),
            ("1e-300", RateError::TooSlow),
            ("0.00000001", RateError::TooSlow),
            ("0.1/d/d", RateError::Unit),
            ("0.002/d", RateError::TooSlow),
        ] {
            assert_eq!(Rate::parse(text), Err(why), "{text}");
        }
        assert_eq!(Rate::parse(&"1".repeat(10_000)), Err(RateError::Digits));
    }

    #[test]
    fn rates_are_written_with_the_first_unit_that_is_exact() {
        for (text, written) in
            [("10.0", "10/s"), ("0.5/s", "0.5/s"), ("30/min", "0.5/s"), ("100/min", "100/min")]
        {
            assert_eq!(Rate::parse(text).unwrap().to_string(), written);
        }
        assert_eq!(Rate::parse("7/d").unwrap().to_string(), "7/d");
        assert_eq!(Rate::parse("7/d").unwrap().per_second(), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            digits in 1u64..=999_999_999_999,
            places in 0usize..=8,
            unit in 0usize..4,
        ) {
            let (unit, _) = UNITS[unit];
            let number = format!("{digits:09}");
            let (whole, fraction) = number.split_at(number.len() - places);
            let text = if places == 0 { format!("{whole}/{unit}") } else { format!("{whole}.{fraction}/{unit}") };
            if let Ok(rate) = Rate::parse(&text) {
                prop_assert_eq!(Rate::parse(&rate.to_string()), Ok(rate), "{}", rate);
                // The interval is the smallest number of nanoseconds that is not too short.
                let interval = u128::from(rate.interval_nanos().get());
                let (tokens, nanos) = (u128::from(rate.tokens), u128::from(rate.nanos));
                prop_assert!(interval * tokens >= nanos);
                prop_assert!((interval - 1) * tokens < nanos);
            }
        }

        #[test]
        fn no_text_ends_the_process(text in ".{0,50}") {
            let _ = Rate::parse(&text);
        }
    }
}
