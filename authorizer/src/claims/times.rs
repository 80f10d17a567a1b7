//! The times of a token: whole seconds, compared without any that could wrap.

use serde_json::{Map, Value};

use crate::config::Checks;
use crate::refusal::Refusal;

/// The largest time that is taken for one, the end of the year 9999, in Unix seconds.
pub(super) const MAX_TIME: u64 = 253_402_300_799;

/// What a token says of time, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) exp: u64,
    pub(super) nbf: Option<u64>,
    pub(super) iat: Option<u64>,
    pub(super) auth_time: Option<u64>,
}

/// Reads the times of a payload; `exp` must be there.
pub(super) fn read(members: &Map<String, Value>) -> Result<Times, Refusal> {
    Ok(Times {
        exp: date(members, "exp")?.ok_or(Refusal::claim("`exp` is missing"))?,
        nbf: date(members, "nbf")?,
        iat: date(members, "iat")?,
        auth_time: date(members, "auth_time")?,
    })
}

/// A `NumericDate` (RFC 7519 section 2) as whole seconds.
///
/// The RFC allows fractions. They are refused, not rounded: no issuer known here writes them, and
/// two readers that round differently would disagree on whether a token has ended.
fn date(members: &Map<String, Value>, name: &str) -> Result<Option<u64>, Refusal> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(seconds) if seconds <= MAX_TIME => Ok(Some(seconds)),
            _ => Err(Refusal::claim("a time is not a whole number of seconds")),
        },
    }
}

impl Times {
    /// Checks all times against `now`, in Unix seconds.
    ///
    /// Leeway moves each bound that the clocks of two machines meet at, and no length: the
    /// lifetime is a difference of the issuer's own times.
    pub(super) fn check(self, checks: &Checks, now: u64) -> Result<(), Refusal> {
        if self.exp.saturating_add(checks.leeway) <= now {
            return Err(Refusal::claim("the token has expired"));
        }
        let latest = now.saturating_add(checks.leeway);
        let ahead = |time: Option<u64>| time.is_some_and(|time| time > latest);
        if ahead(self.nbf) {
            return Err(Refusal::claim("the token is not valid yet"));
        }
        if ahead(self.iat) {
            return Err(Refusal::claim("the token was issued in the future"));
        }
        if ahead(self.auth_time) {
            return Err(Refusal::claim("the user signed in in the future"));
        }
        if let Some(longest) = checks.max_lifetime {
            let iat = self.iat.ok_or(Refusal::claim("`iat` is missing"))?;
            if self.exp.saturating_sub(iat) > longest {
                return Err(Refusal::claim("the token lives longer than is allowed"));
            }
        }
        if let Some(oldest) = checks.max_age {
            let signed_in = self.auth_time.ok_or(Refusal::claim("`auth_time` is missing"))?;
            if now.saturating_sub(signed_in) > oldest.saturating_add(checks.leeway) {
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

    /// The same in arithmetic that can't wrap, as the RFC's sentences say it.
    fn model(times: Times, checks: &Checks, now: u64) -> bool {
        let wide = i128::from;
        let (now, leeway) = (wide(now), wide(checks.leeway));
        let started = |time: Option<u64>| time.is_none_or(|time| wide(time) - leeway <= now);
        wide(times.exp) + leeway > now
            && started(times.nbf)
            && started(times.iat)
            && started(times.auth_time)
            && checks.max_lifetime.is_none_or(|longest| {
                times.iat.is_some_and(|iat| wide(times.exp) - wide(iat) <= wide(longest))
            })
            && checks.max_age.is_none_or(|oldest| {
                times.auth_time.is_some_and(|at| now - wide(at) <= wide(oldest) + leeway)
            })
    }

    /// Times near `now`, where the bounds are, and anywhere.
    fn time(now: u64) -> impl Strategy<Value = u64> {
        prop_oneof![now.saturating_sub(12)..=now.saturating_add(12), 0..=MAX_TIME]
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
            (times, now, leeway, max_lifetime, max_age) in case()
        ) {
            let checks = Checks { leeway, max_lifetime, max_age, ..checks() };
            prop_assert_eq!(times.check(&checks, now).is_ok(), model(times, &checks, now));
        }

        #[test]
        fn no_time_panics(
            exp: u64, iat: Option<u64>, auth_time: Option<u64>, now: u64, leeway: u64,
            max_lifetime: Option<u64>, max_age: Option<u64>
        ) {
            let checks = Checks { leeway, max_lifetime, max_age, ..checks() };
            let _ = Times { exp, nbf: iat, iat, auth_time }.check(&checks, now);
        }

        #[test]
        fn a_token_that_has_ended_never_comes_back(
            (times, now, leeway, max_lifetime, max_age) in case(), ago in 0..30u64
        ) {
            let exp = now.saturating_sub(leeway).saturating_sub(ago);
            let checks = Checks { leeway, max_lifetime, max_age, ..checks() };
            let times = Times { exp, ..times };
            prop_assert!(exp + leeway > now || times.check(&checks, now).is_err());
        }
    }
}
