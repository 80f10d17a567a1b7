//! A native usage plan: the rate, burst and quota that API Gateway itself holds a key to.
//!
//! It is here so that it can be compared: best effort is what its own documentation calls it. A
//! token bucket and counters in one process, which knows nothing of what other instances let pass.
//! The arithmetic is this crate's own; only the plan's JSON is read by `throttle`.
//!
//! Not confirmed on AWS: that the rate is looked at before the quota, that a request which the rate
//! refuses takes nothing off the quota, and that a WEEK begins on Monday.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use throttle::{Period, Plan, Quota, Throttling};

use super::responses::Refusal;
use crate::clock::Now;

const NANOS_IN_A_DAY: u64 = 86_400_000_000_000;

/// The API keys of a stage's usage plans, each with its use of its plan.
///
/// Without any key, every request that needs one is refused.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<String, Option<Arc<Meter>>>);

impl Keys {
    /// One key, on a plan that has limits if `plan` is given.
    #[must_use]
    pub fn one(key: &str, plan: Option<&Plan>, now: &Now) -> Self {
        let mut keys = Self::default();
        keys.insert(key.to_owned(), plan.map(|plan| Meter::start(plan, now)));
        keys
    }

    /// Adds a key. A meter that several APIs share counts the requests of all.
    pub(crate) fn insert(&mut self, key: String, meter: Option<Arc<Meter>>) {
        self.0.insert(key, meter);
    }

    /// Returns true if this is one of the keys.
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Any of the keys.
    pub(crate) fn first(&self) -> Option<&str> {
        self.0.keys().next().map(String::as_str)
    }

    /// Counts a request with this key; `None` if the key is not one of the stage's.
    pub(super) fn take(&self, key: Option<&str>, now_ns: u64) -> Option<Result<(), Refusal>> {
        let meter = self.0.get(key?)?;
        Some(meter.as_ref().map_or(Ok(()), |meter| meter.take(now_ns)))
    }
}

impl fmt::Debug for Keys {
    /// Tells how many there are, and shows none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.0.len()).finish()
    }
}

/// One key's use of its plan.
pub(crate) struct Meter {
    throttling: Option<Throttling>,
    quotas: Vec<Quota>,
    used: Mutex<Used>,
}

struct Used {
    /// The rest of the burst, in nanoseconds of refilling.
    credit: u64,
    /// The moment at which `credit` was computed.
    at: u64,
    counters: Vec<Counter>,
}

/// Requests of one period.
struct Counter {
    period: i64,
    count: u64,
}

impl Meter {
    /// A meter that begins now.
    pub(crate) fn start(plan: &Plan, now: &Now) -> Arc<Self> {
        Arc::new(Self::new(plan, now.moment().as_nanos()))
    }

    /// A meter with a full burst, in the first period of each quota.
    fn new(plan: &Plan, now_ns: u64) -> Self {
        let quotas = plan.quotas().to_vec();
        let counters = quotas
            .iter()
            // The offset is what is taken off the first period.
            .map(|quota| Counter { period: number(quota.period(), now_ns), count: quota.offset() })
            .collect();
        let credit = plan.throttle().map_or(0, full);
        let used = Mutex::new(Used { credit, at: now_ns, counters });
        Self { throttling: plan.throttle(), quotas, used }
    }

    /// Counts one request.
    fn take(&self, now_ns: u64) -> Result<(), Refusal> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = self.throttling.map_or(0, interval);
        if let Some(throttling) = self.throttling {
            if throttling.is_closed() {
                return Err(Refusal::Throttled);
            }
            let elapsed = now_ns.saturating_sub(used.at);
            used.credit = used.credit.saturating_add(elapsed).min(full(throttling));
            used.at = used.at.max(now_ns);
        }
        let Some(credit) = used.credit.checked_sub(cost) else { return Err(Refusal::Throttled) };
        for (quota, counter) in self.quotas.iter().zip(&mut used.counters) {
            let period = number(quota.period(), now_ns);
            if counter.period < period {
                *counter = Counter { period, count: 0 };
            }
            if counter.count >= quota.limit() {
                return Err(Refusal::QuotaExceeded);
            }
        }
        used.credit = credit;
        for counter in &mut used.counters {
            counter.count = counter.count.saturating_add(1);
        }
        Ok(())
    }
}

/// The nanoseconds in which one request is given back.
fn interval(throttling: Throttling) -> u64 {
    u64::try_from(throttling.rate().interval().as_nanos()).unwrap_or(u64::MAX)
}

fn full(throttling: Throttling) -> u64 {
    interval(throttling).saturating_mul(throttling.burst())
}

/// The number of the period that a moment is in; the next one is greater.
fn number(period: Period, now_ns: u64) -> i64 {
    let days = i64::try_from(now_ns / NANOS_IN_A_DAY).unwrap_or(i64::MAX);
    match period {
        Period::Day => days,
        // The epoch was a Thursday.
        Period::Week => days.saturating_add(3) / 7,
        Period::Month => {
            let moment = jiff::Timestamp::from_nanosecond(now_ns.into()).unwrap_or_default();
            let date = moment.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
            i64::from(date.year()) * 12 + i64::from(date.month())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    /// 2026-11-21T09:00:00Z, a Saturday.
    const NOW: u64 = 1_795_251_600 * SECOND;

    fn meter(json: &str) -> Meter {
        Meter::new(&Plan::from_json(json).unwrap(), NOW)
    }

    fn admitted(meter: &Meter, now: u64, asked: usize) -> usize {
        (0..asked).filter(|_| meter.take(now).is_ok()).count()
    }

    #[test]
    fn a_burst_passes_at_once_and_then_the_rate() {
        let meter = meter(r#"{"throttle":{"rateLimit":5,"burstLimit":10}}"#);
        assert_eq!(admitted(&meter, NOW, 20), 10);
        assert_eq!(meter.take(NOW), Err(Refusal::Throttled));
        assert_eq!(meter.take(NOW + SECOND / 5 - 1), Err(Refusal::Throttled));
        assert_eq!(meter.take(NOW + SECOND / 5), Ok(()));
        assert_eq!(admitted(&meter, NOW + SECOND / 5 + SECOND, 20), 5);
        assert_eq!(admitted(&meter, NOW + 3600 * SECOND, 20), 10, "never more than the burst");
        assert_eq!(meter.take(NOW), Err(Refusal::Throttled), "a clock that steps back gives none");
    }

    #[test]
    fn a_quota_is_counted_by_period_and_its_offset_is_for_the_first() {
        let meter = meter(r#"{"quota":{"limit":5,"period":"DAY","offset":2}}"#);
        assert_eq!(admitted(&meter, NOW, 9), 3);
        assert_eq!(meter.take(NOW), Err(Refusal::QuotaExceeded));
        let midnight = NOW + 15 * 3600 * SECOND;
        assert_eq!(meter.take(midnight - 1), Err(Refusal::QuotaExceeded));
        assert_eq!(admitted(&meter, midnight, 9), 5);
    }

    #[test]
    fn what_the_rate_refuses_is_not_taken_off_the_quota() {
        let meter = meter(
            r#"{"throttle":{"rateLimit":1,"burstLimit":1},"quota":{"limit":2,"period":"WEEK"}}"#,
        );
        assert_eq!(admitted(&meter, NOW, 9), 1);
        assert_eq!(meter.take(NOW + SECOND), Ok(()));
        assert_eq!(meter.take(NOW + 2 * SECOND), Err(Refusal::QuotaExceeded));
        // 2026-11-23 is a Monday.
        assert_eq!(meter.take(NOW + 39 * 3600 * SECOND - 1), Err(Refusal::QuotaExceeded));
        assert_eq!(meter.take(NOW + 39 * 3600 * SECOND), Ok(()));
    }

    #[test]
    fn a_rate_burst_or_quota_of_0_refuses_everything() {
        for (plan, refusal) in [
            (r#"{"throttle":{"rateLimit":0,"burstLimit":5}}"#, Refusal::Throttled),
            (r#"{"throttle":{"rateLimit":5,"burstLimit":0}}"#, Refusal::Throttled),
            (r#"{"quota":{"limit":0,"period":"DAY"}}"#, Refusal::QuotaExceeded),
        ] {
            let meter = meter(plan);
            for later in [0, SECOND, 86_400 * SECOND] {
                assert_eq!(meter.take(NOW + later), Err(refusal), "{plan}");
            }
        }
        let unlimited = meter(r#"{"unlimited":true}"#);
        assert_eq!(admitted(&unlimited, NOW, 1_000), 1_000);
    }

    #[test]
    fn months_are_the_calendars() {
        let november = number(Period::Month, NOW);
        assert_eq!(number(Period::Month, NOW + 9 * NANOS_IN_A_DAY), november);
        assert_eq!(number(Period::Month, NOW + 10 * NANOS_IN_A_DAY), november + 1);
        assert_eq!(number(Period::Month, NOW + 41 * NANOS_IN_A_DAY), november + 2);
    }
}
