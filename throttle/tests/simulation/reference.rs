//! The limits once more, written as simply as can be: what all else is compared with.
//!
//! One subject, one thread, no store: max(tat, now) is just computed, and so are the quotas.

use std::collections::BTreeMap;

use tollgate_throttle::internal::{RateId, Scope, State};
use tollgate_throttle::{Counter, Limit, Period, Plan, PlanRecord, Throttling, Timestamp};

/// The stage whose methods a scenario's plans have rates for.
pub(crate) const STAGE: (&str, &str) = ("api", "prod");

/// The tokens that a subject has taken, and the answers to its requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reference {
    stamp: Option<String>,
    pub(crate) tats: BTreeMap<RateId, u64>,
    used: BTreeMap<Counter, i64>,
    changed: u64,
}

/// A request: its plan, its method, its clock and its cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) record: &'a PlanRecord,
    pub(crate) method: Option<&'a str>,
    pub(crate) now: u64,
    pub(crate) cost: u64,
    /// True if the bucket stays under its plan, and counts by that plan's rates.
    pub(crate) guest: bool,
}

/// An answer: the limits that refuse, and how long until none does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) refused_by: Vec<Limit>,
    pub(crate) wait: u64,
}

impl Reference {
    /// The parts of a store's state.
    pub(crate) fn of(state: &State) -> Self {
        Self {
            stamp: state.stamp.as_ref().map(ToString::to_string),
            tats: state.tats.iter().map(|(rate, tat)| (*rate, tat.as_nanos())).collect(),
            used: state.counters.iter().map(|(counter, used)| (*counter, *used)).collect(),
            changed: state.changed.as_nanos(),
        }
    }

    /// Moves on to another plan, or another version: what is owed stays the same in tokens.
    pub(crate) fn change(&mut self, to: &PlanRecord, now: u64) {
        let stamp = format!("{}.{}", to.version, to.id);
        let before = self.stamp.replace(stamp.clone());
        if before.is_none() || before == Some(stamp) {
            return;
        }
        // An instance whose clock is behind the last change goes by that change.
        let useful = now - HOUR;
        let now = now.max(self.changed);
        self.changed = now;
        for (rate, tat) in std::mem::take(&mut self.tats) {
            if tat <= useful {
                continue;
            }
            let same = rates_of(&to.plan).find(|(scope, _)| *scope == rate.scope);
            let Some((_, throttle)) = same else {
                self.tats.insert(rate, tat);
                continue;
            };
            let interval = u64::try_from(throttle.rate().interval().as_nanos()).unwrap();
            let debt = u128::from(tat.saturating_sub(now)) * u128::from(interval);
            let debt = debt.div_ceil(u128::from(rate.interval.get()));
            let tat = now + u64::try_from(debt).unwrap();
            self.tats.insert(RateId { interval: interval.try_into().unwrap(), ..rate }, tat);
        }
    }

    /// Returns true if a request fits, once the plan is its own.
    pub(crate) fn judge(&self, ask: Ask<'_>) -> Verdict {
        let mut moved = self.clone();
        if !ask.guest {
            moved.change(ask.record, ask.now);
        }
        let mut verdict = Verdict::default();
        for (rate, burst) in ask.rates(&moved) {
            let interval = rate.interval.get();
            let full = ask.now + burst * interval;
            let tat = moved.tats.get(&rate).copied().unwrap_or(0);
            let after = tat.max(ask.now) + ask.cost * interval;
            if after > full {
                verdict.refused_by.push(rate.scope.into());
                verdict.wait = verdict.wait.max(after - full);
            }
        }
        for quota in ask.record.plan.quotas() {
            let window = quota.period().window(Timestamp::from_nanos(ask.now));
            let used = moved.used.get(&window.counter).copied().unwrap_or(0);
            if used + ask.cost as i64 > limit(ask.record, quota.period(), ask.now).unwrap() {
                verdict.refused_by.push(quota.period().into());
                verdict.wait = verdict.wait.max(window.end.as_nanos() - ask.now);
            }
        }
        verdict
    }

    /// Takes what a request costs, whether it fits or not.
    pub(crate) fn take(&mut self, ask: Ask<'_>) {
        if !ask.guest {
            self.change(ask.record, ask.now);
        }
        for (rate, _) in ask.rates(self) {
            let tat = self.tats.entry(rate).or_default();
            *tat = (*tat).max(ask.now) + ask.cost * rate.interval.get();
        }
        for counter in counters(&ask.record.plan, ask.now) {
            *self.used.entry(counter).or_default() += ask.cost as i64;
        }
    }

    /// The same without what no decision at `now` needs any more.
    pub(crate) fn without_the_past(mut self, now: u64) -> Self {
        let moment = Timestamp::from_nanos(now);
        self.tats.retain(|_, tat| *tat > now);
        self.used.retain(|counter, _| counter.period().window(moment).counter == *counter);
        self
    }
}

impl Ask<'_> {
    /// The rates that the request takes from, and their bursts.
    fn rates(&self, state: &Reference) -> Vec<(RateId, u64)> {
        let scope = self.method.map(|method| Scope::method(STAGE.0, STAGE.1, method));
        rates_of(&self.record.plan)
            .filter(|(of, _)| *of == Scope::PLAN || Some(*of) == scope)
            .map(|(scope, throttle)| {
                let interval = u64::try_from(throttle.rate().interval().as_nanos()).unwrap();
                let own = RateId { scope, interval: interval.try_into().unwrap() };
                let mut there = state.tats.keys().filter(|rate| rate.scope == scope);
                let host = there.next().filter(|_| self.guest).copied();
                (host.unwrap_or(own), throttle.burst())
            })
            .collect()
    }
}

/// All rates of a plan.
pub(crate) fn rates_of(plan: &Plan) -> impl Iterator<Item = (Scope, Throttling)> {
    let methods = plan.api_stages().iter().flat_map(|stage| {
        stage.throttle().iter().map(|(method, throttle)| {
            (Scope::method(stage.api_id(), stage.stage(), method), *throttle)
        })
    });
    plan.throttle().map(|throttle| (Scope::PLAN, throttle)).into_iter().chain(methods)
}

/// The counters that a request counts in: those of quotas, and the day, for the history.
pub(crate) fn counters(plan: &Plan, now: u64) -> Vec<Counter> {
    let has = |period| plan.quotas().iter().any(|quota| quota.period() == period);
    [Period::Day, Period::Week, Period::Month]
        .into_iter()
        .filter(|period| *period == Period::Day || has(*period))
        .map(|period| period.window(Timestamp::from_nanos(now)).counter)
        .collect()
}

/// The quota of the period that `now` is in, without what the first period starts with.
pub(crate) fn limit(record: &PlanRecord, period: Period, now: u64) -> Option<i64> {
    let quota = record.plan.quotas().iter().find(|quota| quota.period() == period)?;
    let first = period.window(Timestamp::from_nanos(now)).contains(record.created);
    Some((quota.limit() - if first { quota.offset() } else { 0 }) as i64)
}

/// A bucket that has been full for this long is full by any clock.
const HOUR: u64 = 3_600_000_000_000;

/// The end of the last period that a request at `now` may count in.
pub(crate) fn last_end(now: u64) -> u64 {
    let end = |period: Period| period.window(Timestamp::from_nanos(now)).end.as_nanos();
    end(Period::Week).max(end(Period::Month))
}
