//! The times of a token, exact to the last digit and rounded to the stricter side.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::Checks;
use crate::refusal::Refusal;

/// The latest time that is accepted, the end of the year 9999, in Unix seconds.
pub(super) const MAX_TIME: u64 = 253_402_300_799;

/// The longest text of a time, in bytes, and the largest exponent in one.
const MAX_TEXT: usize = 64;

/// The number of seconds by which `iat` and `auth_time` may be ahead of this clock.
///
/// They are times of past events, so a time in the future only shows that the issuer's clock is
/// ahead. Without this leeway, new tokens of such an issuer would sometimes be refused.
const MAX_AHEAD: u64 = 10;

/// A `NumericDate` (RFC 7519 section 2), which may have a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    /// The time since the Unix epoch; digits below a nanosecond are cut off.
    cut: Duration,
    /// True if one of the digits that were cut off is not zero.
    has_more: bool,
}

/// The times that a token states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    exp: Date,
    nbf: Option<Date>,
    iat: Option<Date>,
    auth_time: Option<Date>,
}

impl Date {
    /// Whole Unix seconds.
    #[cfg(test)]
    const fn of(seconds: u64) -> Self {
        Self { cut: Duration::from_secs(seconds), has_more: false }
    }

    /// Reads the text of a JSON number exactly; `None` if it is negative or out of bounds.
    fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        if usize::try_from(exponent.unsigned_abs()).ok()? > MAX_TEXT {
            return None;
        }
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = whole.chars().chain(fraction.chars()).map(|c| c.to_digit(10));
        let digits: Vec<u32> = digits.collect::<Option<_>>()?;
        let digit = |at: i32| {
            usize::try_from(at).ok().and_then(|at| digits.get(at)).copied().unwrap_or_default()
        };
        // The positions of the decimal point, of the last nanosecond, and after the last digit.
        let point = i32::try_from(whole.len()).ok()?.saturating_add(exponent);
        let (below, end) = (point.saturating_add(9), i32::try_from(digits.len()).ok()?);

        let mut seconds = 0;
        for at in 0..point {
            seconds = seconds * 10 + u64::from(digit(at));
            if seconds > MAX_TIME {
                return None;
            }
        }
        let nanos = (point..below).fold(0, |nanos, at| nanos * 10 + digit(at));
        let has_more = (below..end).any(|at| digit(at) != 0);
        Some(Self { cut: Duration::new(seconds, nanos), has_more })
    }

    /// Unix seconds, rounded down.
    pub(super) const fn floor(self) -> u64 {
        self.cut.as_secs()
    }

    /// Unix seconds, rounded up.
    fn ceil(self) -> u64 {
        let rest = self.has_more || self.cut.subsec_nanos() > 0;
        self.floor().saturating_add(u64::from(rest))
    }

    /// The time from `earlier` to this, to a nanosecond, rounded up.
    fn since(self, earlier: Self) -> Duration {
        let rest = Duration::from_nanos(u64::from(self.has_more));
        self.cut.saturating_add(rest).saturating_sub(earlier.cut)
    }
}

/// The times of a payload exactly as written. Null counts as absent.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    exp: Option<&'a RawValue>,
    nbf: Option<&'a RawValue>,
    iat: Option<&'a RawValue>,
    auth_time: Option<&'a RawValue>,
}

/// The number of seconds by which a time in a token's past may seem to be in the future.
fn ahead(checks: &Checks) -> u64 {
    checks.leeway.max(MAX_AHEAD)
}

impl Times {
    /// Reads the times from the text of a payload that was read before.
    ///
    /// # Errors
    ///
    /// `claim` if `exp` is missing, or a time is not a number from 1970 to 9999.
    pub(super) fn read(payload: &[u8]) -> Result<Self, Refusal> {
        let wrong = Refusal::claim("a time is not a number of seconds");
        let written: Written<'_> = serde_json::from_slice(payload).map_err(|_| wrong)?;
        let date = |time: Option<&RawValue>| match time {
            Some(text) => Date::parse(text.get()).map(Some).ok_or(wrong),
            None => Ok(None),
        };
        Ok(Self {
            exp: date(written.exp)?.ok_or(Refusal::claim("`exp` is missing"))?,
            nbf: date(written.nbf)?,
            iat: date(written.iat)?,
            auth_time: date(written.auth_time)?,
        })
    }

    /// The end of the token, in Unix seconds, rounded down.
    pub(super) const fn expires_at(self) -> u64 {
        self.exp.floor()
    }

    /// The moment that revocations compare, in Unix seconds; `None` if the token has no `iat`.
    ///
    /// It is the sign-in if the token states it, else `iat`, and never later than `iat`. It is
    /// moved back by the time that an issuer's clock may be ahead, so that a revocation covers a
    /// token that was issued just before it.
    pub(super) fn began(self, checks: &Checks) -> Option<u64> {
        let issued = self.iat?.floor();
        let began = self.auth_time.map_or(issued, |signed_in| signed_in.floor().min(issued));
        Some(began.saturating_sub(ahead(checks)))
    }

    /// Checks all times against `now`, the time since the Unix epoch.
    ///
    /// `exp`, `nbf` and `iat` are compared in whole seconds, rounded to the stricter side; a time
    /// equal to `exp` is too late (RFC 7519 section 4.1.4: "on or after"). Leeway applies to
    /// comparisons between two machines' clocks, but not to the lifetime, which is a difference of
    /// the issuer's own times.
    pub(super) fn check(self, checks: &Checks, now: Duration) -> Result<(), Refusal> {
        let seconds = now.as_secs();
        if self.exp.floor().saturating_add(checks.leeway) <= seconds {
            return Err(Refusal::claim("the token has expired"));
        }
        let after = |time: Option<Date>, leeway: u64| {
            time.is_some_and(|time| time.ceil() > seconds.saturating_add(leeway))
        };
        if after(self.nbf, checks.leeway) {
            return Err(Refusal::claim("the token is not valid yet"));
        }
        if after(self.iat, ahead(checks)) {
            return Err(Refusal::claim("the token was issued in the future"));
        }
        if after(self.auth_time, ahead(checks)) {
            return Err(Refusal::claim("the user signed in in the future"));
        }
        if let Some(longest) = checks.max_lifetime {
            let iat = self.iat.ok_or(Refusal::claim("`iat` is missing"))?;
            if self.exp.since(iat) > Duration::from_secs(longest) {
                return Err(Refusal::claim("the token lives longer than is allowed"));
            }
        }
        if let Some(oldest) = checks.max_age {
            let signed_in = self.auth_time.ok_or(Refusal::claim("`auth_time` is missing"))?;
            let oldest = Duration::from_secs(oldest.saturating_add(checks.leeway));
            if now.saturating_sub(signed_in.cut) > oldest {
                return Err(Refusal::claim("the user signed in too long ago"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::claims::tests::checks;

    const NANOS: i128 = 1_000_000_000;

    /// The same in wide arithmetic, as the RFC's sentences say it; times in nanoseconds.
    fn model(times: Times, checks: &Checks, now: Duration) -> bool {
        let wide = i128::from;
        let nanos = |time: Date| i128::try_from(time.cut.as_nanos()).unwrap();
        let down = |time: Date| nanos(time) / NANOS;
        let up = |time: Date| (nanos(time) + NANOS - 1) / NANOS;
        let (exact, leeway) = (i128::try_from(now.as_nanos()).unwrap(), wide(checks.leeway));
        let now = exact / NANOS;
        let started = |time: Option<Date>, by: i128| time.is_none_or(|time| up(time) - by <= now);
        down(times.exp) + leeway > now
            && started(times.nbf, leeway)
            && started(times.iat, leeway.max(10))
            && started(times.auth_time, leeway.max(10))
            && checks.max_lifetime.is_none_or(|longest| {
                let longest = wide(longest) * NANOS;
                times.iat.is_some_and(|iat| nanos(times.exp) - nanos(iat) <= longest)
            })
            && checks.max_age.is_none_or(|oldest| {
                let oldest = (wide(oldest) + leeway) * NANOS;
                times.auth_time.is_some_and(|at| exact - nanos(at) <= oldest)
            })
    }

    /// Times near `now`, where the bounds are, and anywhere; whole, or with a fraction.
    fn time(now: u64) -> impl Strategy<Value = Date> {
        let whole = prop_oneof![now.saturating_sub(12)..=now.saturating_add(12), 0..=MAX_TIME];
        let nanos = prop_oneof![Just(0), Just(1), Just(999_999_999), 0..1_000_000_000_u32];
        (whole, nanos)
            .prop_map(|(whole, nanos)| Date { cut: Duration::new(whole, nanos), has_more: false })
    }

    fn case() -> impl Strategy<Value = (Times, u64, u64, Option<u64>, Option<u64>)> {
        prop_oneof![Just(0), Just(20), 0..=MAX_TIME].prop_flat_map(|now| {
            let maybe = || proptest::option::of(time(now));
            let bound = || proptest::option::of(prop_oneof![0..30u64, 0..=u64::MAX]);
            let leeway = prop_oneof![Just(0u64), 0..10u64, 0..=300u64];
            (time(now), maybe(), maybe(), maybe(), leeway, bound(), bound()).prop_map(
                move |(exp, nbf, iat, auth_time, leeway, lifetime, age)| {
                    (Times { exp, nbf, iat, auth_time }, now, leeway, lifetime, age)
                },
            )
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_bounds_are_those_of_a_model_that_can_t_wrap(
            (times, now, leeway, max_lifetime, max_age) in case(), nanos in 0..1_000_000_000_u32
        ) {
            let now = Duration::new(now, nanos);
            let checks = Checks { leeway, max_lifetime, max_age, ..checks() };
            prop_assert_eq!(times.check(&checks, now).is_ok(), model(times, &checks, now));
        }

        #[test]
        fn no_time_panics(
            exp: u64, iat: Option<u64>, auth_time: Option<u64>, has_more: bool, now: u64,
            leeway: u64, max_lifetime: Option<u64>, max_age: Option<u64>
        ) {
            let checks = Checks { leeway, max_lifetime, max_age, ..checks() };
            let date = |seconds| Date { has_more, ..Date::of(seconds) };
            let (iat, auth_time) = (iat.map(date), auth_time.map(date));
            let times = Times { exp: date(exp), nbf: iat, iat, auth_time };
            let _ = (times.check(&checks, Duration::from_secs(now)), times.began(&checks), times.expires_at());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "-?[0-9]{1,14}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,12})?") {
            let _ = Date::parse(&text);
        }

        #[test]
        fn a_text_is_read_exactly(
            whole in 0..=MAX_TIME, nanos in 0..1_000_000_000_u32, has_more: bool, shift in 0..=20_u32
        ) {
            // The same number, its point moved to the left by `shift` digits.
            let digits = format!("{whole:020}{nanos:09}{}", if has_more { "5" } else { "0" });
            let (before, after) = digits.split_at(usize::try_from(20 - shift).unwrap());
            let before = match before.trim_start_matches('0') { "" => "0", rest => rest };
            let expected = Date { cut: Duration::new(whole, nanos), has_more };
            prop_assert_eq!(Date::parse(&format!("{before}.{after}e{shift}")), Some(expected));
        }

        #[test]
        fn a_token_that_has_ended_never_comes_back(
            (times, now, leeway, max_lifetime, max_age) in case(), ago in 0..30u64
        ) {
            let exp = now.saturating_sub(leeway).saturating_sub(ago);
            let checks = Checks { leeway, max_lifetime, max_age, ..checks() };
            let cut = Duration::new(exp, times.exp.cut.subsec_nanos());
            let times = Times { exp: Date { cut, has_more: true }, ..times };
            prop_assert!(exp + leeway > now || times.check(&checks, Duration::from_secs(now)).is_err());
        }
    }

    #[test]
    fn the_time_since_a_sign_in_is_exact() {
        let auth_time = Some(Date { cut: Duration::new(100, 500_000_000), has_more: false });
        let times = Times { exp: Date::of(1_000), nbf: None, iat: None, auth_time };
        let checks = Checks { max_age: Some(10), ..checks() };
        assert!(times.check(&checks, Duration::new(110, 500_000_000)).is_ok());
        assert!(times.check(&checks, Duration::new(110, 500_000_001)).is_err());
    }

    #[test]
    fn a_number_is_read_to_its_last_digit() {
        let date =
            |whole, nanos, has_more| Some(Date { cut: Duration::new(whole, nanos), has_more });
        for (text, read) in [
            ("0", date(0, 0, false)),
            ("1800000000.0", date(1_800_000_000, 0, false)),
            ("1800000000.5", date(1_800_000_000, 500_000_000, false)),
            ("1800000000.000000001", date(1_800_000_000, 1, false)),
            ("1800000000.0000000001", date(1_800_000_000, 0, true)),
            // As a float this would be the next second.
            ("1799999999.99999999999", date(1_799_999_999, 999_999_999, true)),
            ("1.8e9", date(1_800_000_000, 0, false)),
            ("1.8E+9", date(1_800_000_000, 0, false)),
            ("18000000005e-1", date(1_800_000_000, 500_000_000, false)),
            ("0.0018e12", date(1_800_000_000, 0, false)),
            ("5e-10", date(0, 0, true)),
            ("0e9", date(0, 0, false)),
            ("253402300799.999", date(253_402_300_799, 999_000_000, false)),
            ("253402300800", None),
            ("253402300800.0", None),
            ("1e12", None),
            ("1e64", None),
            ("0e65", None),
            ("1e19", None),
            ("1e300", None),
            ("1e-300", None),
            ("1e99999999999", None),
            ("-1", None),
            ("-0", None),
            ("-0.0", None),
            ("-1.5", None),
            ("NaN", None),
            (&format!("1.{}", "0".repeat(62)), date(1, 0, false)),
            (&format!("1.{}", "0".repeat(63)), None),
        ] {
            assert_eq!(Date::parse(text), read, "{text}");
        }
    }
}
