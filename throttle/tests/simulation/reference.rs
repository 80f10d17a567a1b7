//! The limits once more, written as simply as can be: what all else is compared with.
//!
//! One subject, one thread, no store: max(tat, now) is just computed, and so are the quotas.

use std::collections::BTreeMap;

use throttle::bucket::State;
use throttle::{Limit, Period, Plan, Timestamp};

/// What a subject has taken, and the answers to what it asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) tat: u64,
    pub(crate) used: BTreeMap<String, u64>,
}

/// An answer: the limits that refuse, and how long until none does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) refused_by: Vec<Limit>,
    pub(crate) wait: u64,
}

impl Reference {
    /// What is written in a store's state.
    pub(crate) fn of(state: &State) -> Self {
        Self { tat: state.tat.as_nanos(), used: state.counters.clone() }
    }

    /// Whether a request fits.
    pub(crate) fn judge(&self, plan: &Plan, created: u64, now: u64, cost: u64) -> Verdict {
        let mut verdict = Verdict::default();
        if let Some(throttle) = plan.throttle() {
            let interval = interval(plan);
            let full = now + throttle.burst() * interval;
            let after = self.tat.max(now) + cost * interval;
            if after > full {
                verdict.refused_by.push(Limit::Burst);
                verdict.wait = after - full;
            }
        }
        for quota in plan.quotas() {
            let window = quota.period().window(Timestamp::from_nanos(now));
            let first = window.contains(Timestamp::from_nanos(created));
            let limit = quota.limit() - if first { quota.offset() } else { 0 };
            if self.used.get(&window.name).copied().unwrap_or(0) + cost > limit {
                verdict.refused_by.push(quota.period().into());
                verdict.wait = verdict.wait.max(window.end.as_nanos() - now);
            }
        }
        verdict
    }

    /// Takes what a request costs, whether it fits or not.
    pub(crate) fn take(&mut self, plan: &Plan, now: u64, cost: u64) {
        if plan.throttle().is_some() {
            self.tat = self.tat.max(now) + cost * interval(plan);
        }
        for quota in plan.quotas() {
            let window = quota.period().window(Timestamp::from_nanos(now));
            *self.used.entry(window.name).or_default() += cost;
        }
    }
}

/// Nanoseconds for a token; 0 where a plan has no rate.
pub(crate) fn interval(plan: &Plan) -> u64 {
    let interval = plan.throttle().map(|throttle| throttle.rate().interval().as_nanos());
    u64::try_from(interval.unwrap_or(0)).unwrap()
}

/// When the last period that a request at `now` counts in ends.
pub(crate) fn last_end(plan: &Plan, now: u64) -> u64 {
    let end = |period: Period| period.window(Timestamp::from_nanos(now)).end.as_nanos();
    plan.quotas().iter().map(|quota| end(quota.period())).max().unwrap_or(0)
}
