//! The tokens that one request takes from its subject's bucket, and whether they fit.

use std::num::NonZeroU64;
use std::time::Duration;

use super::state::MAX_COUNT;
use super::{Count, Counter, Move, RateId, Scope, Stamp, State, To, When, Write};
use crate::clock::Timestamp;
use crate::limit::{Limit, Standing, Standings};
use crate::meter::Meter;
use crate::period::{Period, Window};
use crate::plan::{MAX_REFILL, MeterLimits, MethodRate, Plan, PlanRecord, Quota, Throttling};

/// One of the two ways to move a `tat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// If `tat <= now`: `tat = now + cost`.
    Idle,
    /// If `now < tat <= ceiling`: `tat = tat + cost`.
    Busy,
}

/// The amounts that one request, or a lease of several, takes from its subject's bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The moment of the decision.
    pub now: Timestamp,
    /// The plan of the charge.
    pub stamp: Stamp,
    /// The plan of the bucket, if it is another one: see [`Charge::guest`].
    pub(crate) host: Option<Stamp>,
    /// The number of requests, taken from every rate and every quota of requests; 0 for a request
    /// that takes only from named meters. Its limits of requests then have no conditions and do not
    /// change, but have standings.
    pub cost: u32,
    /// The amounts of named meters.
    pub(crate) amounts: Vec<(Meter, NonZeroU64)>,
    /// The rates of requests, the method's, and those of named meters, without closed ones.
    pub steps: Vec<Step>,
    /// The rates that refuse every request.
    pub(crate) closed: Vec<Refusal>,
    /// The count of each period. Days are always counted: they are the history of use.
    pub(crate) counts: Vec<Tally>,
}

/// The step of a `tat` that a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rate that is moved.
    pub rate: RateId,
    /// The length of the step: the cost times the interval.
    pub advance: Duration,
    /// The latest `tat` with which the request still fits.
    pub ceiling: Timestamp,
    /// The latest `tat` that counts as idle: `now`, or later with slack.
    pub idle: Timestamp,
    amount: u64,
    burst: u64,
    /// True if the `tat` must exist already, because a guest may not add one.
    present: bool,
    enforced: bool,
    /// True if it does not fit, is not enforced, and is not charged.
    pub(crate) spared: bool,
}

/// The amount that a request adds to a period's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The counter of the current period.
    pub(crate) counter: Counter,
    /// The most that the counter may show afterwards, if the plan has a quota for it.
    pub(crate) quota: Option<u64>,
    amount: u64,
    window: Window,
    enforced: bool,
    /// True if it does not fit, is not enforced, and is not charged.
    pub(crate) spared: bool,
}

/// A limit that a request does not fit, and the time until it would; `None` if it never would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) limit: Limit,
    pub(crate) wait: Option<Duration>,
    /// False if the limit only reports.
    pub(crate) enforced: bool,
}

/// All limits that a request does not fit, also those that are not enforced.
pub(crate) type Refusals = Vec<Refusal>;

/// Returns true if one of the limits is enforced.
pub(super) fn refuse(refusals: &Refusals) -> bool {
    refusals.iter().any(|refusal| refusal.enforced)
}

/// The next step for a request.
#[derive(Debug)]
pub(crate) enum Next {
    /// Take this charge; it fits.
    Take(Charge),
    /// Change the bucket's plan by this write.
    Change {
        /// The write.
        write: Write,
        /// The charge that the write also takes; `None` if the charge does not fit after the
        /// change.
        takes: Option<Box<Charge>>,
    },
    /// Refuse.
    Refuse(Refused),
}

/// A charge that does not fit.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) charge: Charge,
    /// The state from which the standings are computed.
    pub(crate) state: State,
    pub(crate) refusals: Refusals,
}

impl Charge {
    /// The charge of a request of this cost under a plan.
    ///
    /// A cost above a burst never fits. That is the caller's mistake, which the throttle reports
    /// before it makes a charge.
    #[must_use]
    pub fn new(record: &PlanRecord, cost: u32, now: Timestamp) -> Self {
        let stamp = Stamp { plan: record.id.clone(), version: record.version };
        let (amounts, steps, closed, counts) = Default::default();
        let charge = Self { now, stamp, host: None, cost, amounts, steps, closed, counts };
        charge.meter(Meter::REQUESTS, record.plan.requests(), record.created, cost.into())
    }

    /// Takes this amount of a named meter too.
    #[must_use]
    pub(crate) fn named(mut self, record: &PlanRecord, meter: Meter, amount: NonZeroU64) -> Self {
        self.amounts.push((meter, amount));
        match record.plan.meters().get(&meter) {
            Some(limits) => self.meter(meter, limits, record.created, amount.get()),
            // The throttle has checked that the plan has the meter.
            None => self,
        }
    }

    /// Takes the tokens from this method's own rate too.
    #[must_use]
    pub(crate) fn method(mut self, method: MethodRate) -> Self {
        self.rate(method.scope, method.throttle, self.cost.into(), method.enforced);
        self
    }

    /// Takes an amount from a meter's rate and quotas.
    fn meter(
        mut self,
        meter: Meter,
        limits: &MeterLimits,
        created: Timestamp,
        amount: u64,
    ) -> Self {
        for period in [Period::Day, Period::Week, Period::Month] {
            let quota = limits.quotas().iter().copied().find(|it| it.period() == period);
            if quota.is_some() || period == Period::Day {
                let calendar = || period.window(self.now);
                let window = quota.map_or_else(calendar, |it| it.window(self.now)).of(meter);
                let tally = Tally::new(window, quota, created, amount);
                self.counts.push(Tally { enforced: limits.is_enforced(), ..tally });
            }
        }
        if let Some(throttle) = limits.throttle() {
            self.rate(Scope::Meter(meter), throttle, amount, limits.is_enforced());
        }
        self
    }

    fn rate(&mut self, scope: Scope, throttle: Throttling, amount: u64, enforced: bool) {
        match throttle.open_interval() {
            Some(interval) => {
                let rate = RateId { scope, interval };
                let step = Step::new(rate, throttle.burst(), amount, self.now);
                self.steps.push(Step { enforced, ..step });
            }
            None if amount == 0 => {}
            None => self.closed.push(Refusal { limit: scope.into(), wait: None, enforced }),
        }
    }

    /// The meters that it takes from, and the amounts.
    pub(crate) fn meters(&self) -> impl Iterator<Item = (Meter, u64)> {
        let named = self.amounts.iter().map(|(meter, amount)| (*meter, amount.get()));
        std::iter::once((Meter::REQUESTS, self.cost.into())).chain(named)
    }

    /// The amount that it takes of a meter.
    pub(crate) fn amount(&self, meter: Meter) -> u64 {
        self.meters().find(|(known, _)| *known == meter).map_or(0, |(_, amount)| amount)
    }

    /// Makes the idle form treat a bucket that owes up to this many tokens as idle.
    ///
    /// The charge then adds these tokens as debt, so in any state `tat` ends no earlier than
    /// without slack. Limits stay as strict, even if only some instances have slack. Each idle form
    /// loses up to this many tokens of the burst.
    #[must_use]
    pub(crate) fn slack(mut self, tokens: u32) -> Self {
        for step in &mut self.steps {
            let slack = step.rate.time_for(tokens.into());
            step.idle = step.idle.saturating_add(slack).min(step.ceiling);
        }
        self
    }

    /// The conditional write that takes this charge, in a form for each rate.
    ///
    /// It applies to a state only if the charge fits that state.
    #[must_use]
    pub fn write(&self, form: impl Fn(&Step) -> Form) -> Write {
        let mut write = Write::new(self.bucket_stamp(), self.now);
        write.moves = self.steps.iter().filter_map(|it| it.write(form(it), self.now)).collect();
        write.counts = self.counts.iter().map(Tally::write).collect();
        write
    }

    /// The write in the forms that apply to this state if the request fits.
    #[must_use]
    pub(crate) fn write_to(&self, state: &State) -> Write {
        self.write(|step| if state.tat(step.rate) > self.now { Form::Busy } else { Form::Idle })
    }

    /// The stamp of the bucket before and after this charge.
    pub(crate) fn bucket_stamp(&self) -> &Stamp {
        self.host.as_ref().unwrap_or(&self.stamp)
    }

    /// The limits that have no room in this state; empty if the request fits.
    ///
    /// The state must be under this charge's plan, or under its host.
    pub(crate) fn refusals(&self, state: &State) -> Refusals {
        self.refusals_of(state, |step| !step.fits(state), |count| !count.fits(state))
    }

    /// The limits that this charge did not charge because they are not enforced, by the state after
    /// it.
    pub(crate) fn spared(&self, state: &State) -> Refusals {
        self.refusals_of(state, |step| step.spared, |count| count.spared)
    }

    fn refusals_of(
        &self,
        state: &State,
        step_is_full: impl Fn(&&Step) -> bool,
        count_is_full: impl Fn(&&Tally) -> bool,
    ) -> Refusals {
        let mut refusals = self.closed.clone();
        for step in self.steps.iter().filter(step_is_full) {
            let wait = state.tat(step.rate).saturating_since(step.ceiling);
            let wait = (!step.never_fits()).then_some(wait);
            let Step { rate, enforced, .. } = *step;
            refusals.push(Refusal { limit: rate.scope.into(), wait, enforced });
        }
        for count in self.counts.iter().filter(count_is_full) {
            let left = count.window.end.saturating_since(self.now);
            let wait = (count.quota != Some(0)).then_some(left);
            refusals.push(Refusal { limit: count.limit(), wait, enforced: count.enforced });
        }
        refusals
    }

    /// This charge without the limits that are not enforced and have no room in this state.
    ///
    /// Its write applies only to states in which these limits have no room.
    #[must_use]
    pub(crate) fn sparing(mut self, state: &State) -> Self {
        for step in &mut self.steps {
            step.spared = !step.enforced && !step.fits(state);
        }
        for count in &mut self.counts {
            count.spared = !count.enforced && !count.fits(state);
        }
        self
    }

    /// The charge for this state's plan: a guest's charge if it is another plan.
    pub(crate) fn under(&self, state: &State) -> Self {
        let own = state.stamp.as_ref().is_none_or(|stamp| *stamp == self.stamp);
        if own { self.clone() } else { self.guest(state).unwrap_or_else(|| self.clone()) }
    }

    /// The version of the plan in this state, if it is later than the charge's.
    pub(crate) fn newer_version(&self, state: &State) -> Option<u64> {
        let stamp = state.stamp.as_ref().filter(|stamp| stamp.supersedes(&self.stamp));
        stamp.map(|stamp| stamp.version)
    }

    /// The next step for this request in a bucket in this state.
    ///
    /// `lost` is true if a change was just tried and another write came first.
    pub(crate) fn next(&self, plan: &Plan, state: &State, lost: bool) -> Next {
        if state.stamp.as_ref().is_some_and(|stamp| *stamp != self.stamp) {
            return self.foreign(plan, state, lost);
        }
        let refusals = self.refusals(state);
        if !refuse(&refusals) {
            Next::Take(self.clone().sparing(state))
        } else {
            Next::Refuse(self.refused(state, refusals))
        }
    }

    /// The refusal that this state proves, even if its use has grown since.
    pub(crate) fn refused_by(&self, plan: &Plan, state: &State, lost: bool) -> Option<Refused> {
        let refusals = self.refusals(state);
        // A limit of 0 refuses in every state.
        let is_closed = refusals.iter().any(|it| it.enforced && it.wait.is_none());
        let is_foreign = state.stamp.as_ref().is_some_and(|stamp| *stamp != self.stamp);
        if is_foreign && !is_closed && self.newer_version(state).is_none() {
            let Next::Refuse(refused) = self.foreign(plan, state, lost) else { return None };
            return Some(refused);
        }
        refuse(&refusals).then(|| self.refused(state, refusals))
    }

    pub(super) fn refused(&self, state: &State, refusals: Refusals) -> Refused {
        Refused { charge: self.clone(), state: state.clone(), refusals }
    }

    /// The standings of all limits in this state, the rates first.
    pub(crate) fn standings(&self, state: &State) -> Standings {
        let closed = self.closed.iter().map(|it| Standing::closed(it.limit, it.enforced));
        let mut standings: Standings = closed.collect();
        standings.extend(self.steps.iter().map(|step| step.standing(state, self.now)));
        standings.sort_by_key(Standing::limit);
        standings.extend(self.counts.iter().filter_map(|count| count.standing(state, self.now)));
        standings
    }

    /// The time until the first of its periods ends.
    pub(crate) fn period_left(&self) -> Duration {
        let left = self.counts.iter().map(|count| count.window.end.saturating_since(self.now));
        left.min().unwrap_or_default()
    }

    /// The rate with a `tat` that no plan can produce, if there is one.
    ///
    /// No bucket takes longer than 366 days to fill, so a later `tat` is damage. One day is added
    /// for clocks that differ.
    pub(crate) fn implausible(&self, state: &State) -> Option<RateId> {
        let longest = Duration::from_nanos(MAX_REFILL).saturating_add(DAY);
        let latest = self.now.saturating_add(longest);
        state.tats.iter().find(|(_, tat)| **tat > latest).map(|(rate, _)| *rate)
    }
}

impl Step {
    fn new(rate: RateId, burst: u64, amount: u64, now: Timestamp) -> Self {
        let (advance, present) = (Duration::ZERO, false);
        let (ceiling, idle, enforced, spared) = (now, now, true, false);
        let step = Self { rate, advance, ceiling, idle, amount, burst, present, enforced, spared };
        step.counted_by(rate, now)
    }

    /// The step that takes as many tokens from another rate.
    fn counted_by(mut self, rate: RateId, now: Timestamp) -> Self {
        let slack = self.idle.saturating_since(now).as_nanos();
        let slack = slack / u128::from(self.rate.interval.get());
        self.rate = rate;
        self.advance = self.rate.time_for(self.amount);
        let room = self.rate.time_for(self.burst.saturating_sub(self.amount));
        // Only for a guest of a slow plan can this be the smaller one.
        let most = Duration::from_nanos(MAX_REFILL).saturating_sub(self.advance);
        self.ceiling = now.saturating_add(room.min(most));
        let slack = self.rate.time_for(u64::try_from(slack).unwrap_or(u64::MAX));
        self.idle = now.saturating_add(slack).min(self.ceiling);
        self
    }

    /// The step of a guest: it moves the only rate that the state has for the scope.
    pub(super) fn guest(self, state: &State, charge: &Charge) -> Option<Self> {
        let mut rates = state.tats.keys().filter(|rate| rate.scope == self.rate.scope);
        let (Some(rate), None) = (rates.next().copied(), rates.next()) else {
            return (self.amount == 0).then_some(self);
        };
        let step = Self { present: true, ..self.counted_by(rate, charge.now) };
        (step.advance <= Duration::from_nanos(MAX_REFILL)).then_some(step)
    }

    fn fits(&self, state: &State) -> bool {
        self.amount == 0 || !self.never_fits() && state.tat(self.rate) <= self.ceiling
    }

    /// Returns true if the step is more than the burst. For enforced limits the caller has already
    /// returned an error, except if an instance decides alone by a share of the plan.
    fn never_fits(&self) -> bool {
        !self.enforced && self.amount > self.burst
    }

    /// The move of its `tat`; `None` if it takes nothing, or never fits and is not enforced.
    fn write(&self, form: Form, now: Timestamp) -> Option<Move> {
        let (when, to) = match form {
            _ if self.amount == 0 => return None,
            _ if self.spared && self.never_fits() => return None,
            _ if self.spared => (When::Within(self.ceiling, END), To::Same),
            Form::Idle => {
                let idle = if self.present {
                    When::Within(Timestamp::EPOCH, self.idle)
                } else {
                    When::AtMost(self.idle)
                };
                (idle, To::At(self.idle.saturating_add(self.advance)))
            }
            Form::Busy => (When::Within(now, self.ceiling), To::Forward(self.advance)),
        };
        Some(Move { rate: self.rate, when, to })
    }

    fn standing(&self, state: &State, now: Timestamp) -> Standing {
        let resets = state.tat(self.rate).as_nanos().saturating_sub(now.as_nanos());
        let interval = self.rate.interval.get();
        let debt = resets.div_ceil(interval);
        Standing {
            limit: self.rate.scope.into(),
            enforced: self.enforced,
            spared: self.spared,
            max: self.burst,
            remaining: self.burst.saturating_sub(debt),
            window: interval.saturating_mul(self.burst),
            resets,
        }
    }
}

impl Tally {
    fn new(window: Window, quota: Option<Quota>, created: Timestamp, amount: u64) -> Self {
        let quota = quota.map(|quota| {
            let offset = if window.contains(created) { quota.offset() } else { 0 };
            quota.limit().saturating_sub(offset)
        });
        Self { counter: window.counter, quota, amount, window, enforced: true, spared: false }
    }

    /// The most that the counter may show before the charge.
    fn room(&self) -> i64 {
        let quota = self.quota.and_then(|quota| i64::try_from(quota).ok()).unwrap_or(MAX_COUNT);
        quota.saturating_sub_unsigned(self.amount)
    }

    fn limit(&self) -> Limit {
        Limit::quota(self.counter.meter(), self.counter.period())
    }

    /// Returns true if there is room. A quota of 0 has none, even with granted requests.
    fn fits(&self, state: &State) -> bool {
        self.amount == 0 || self.quota != Some(0) && state.used(self.counter) <= self.room()
    }

    fn write(&self) -> Count {
        if self.amount == 0 {
            return Count::read(self.counter);
        }
        if self.spared {
            let full =
                if self.quota == Some(0) { -MAX_COUNT } else { self.room().saturating_add(1) };
            let (counter, at_most) = (self.counter, MAX_COUNT);
            return Count { counter, at_least: full, at_most, add: 0, granted: 0 };
        }
        Count {
            counter: self.counter,
            at_least: -MAX_COUNT,
            at_most: self.room(),
            add: i64::try_from(self.amount).unwrap_or(MAX_COUNT),
            granted: 0,
        }
    }

    fn standing(&self, state: &State, now: Timestamp) -> Option<Standing> {
        let quota = self.quota?;
        let left =
            i64::try_from(quota).unwrap_or(MAX_COUNT).saturating_sub(state.used(self.counter));
        let Window { start, end, .. } = self.window;
        Some(Standing {
            limit: self.limit(),
            enforced: self.enforced,
            spared: self.spared,
            max: quota.saturating_add(state.granted(self.counter)),
            remaining: u64::try_from(left).unwrap_or_default(),
            window: end.as_nanos().saturating_sub(start.as_nanos()),
            resets: end.as_nanos().saturating_sub(now.as_nanos()),
        })
    }
}

const DAY: Duration = Duration::from_secs(86_400);
const END: Timestamp = Timestamp::from_nanos(u64::MAX);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::PlanId;

    const PLAN: &str = r#"{"throttle": {"rateLimit": 1, "burstLimit": 9}, "apiStages": [
            {"apiId": "a", "stage": "s", "throttle": {"*/*": {"rateLimit": 1, "burstLimit": 9}}}],
        "meters": {"tokens": {"throttle": {"rateLimit": 1, "burstLimit": 9}}}, "enforce": ENFORCE}"#;

    proptest! {
        /// Of each rate, exactly one form applies to a state in which the request fits, and none to
        /// another, unless the limit is not enforced: then it is spared.
        #[test]
        fn exactly_one_form_of_each_rate_applies(
            tat in 0..40_u64, now in 0..40_u64, amount in 1..9_u32, nanos in -1..=1_i64,
            at in 0..3_usize, enforce: bool,
        ) {
            let plan = Plan::from_json(PLAN.replace("ENFORCE", &enforce.to_string())).unwrap();
            let id = PlanId::new("plan").unwrap();
            let record = PlanRecord { id, plan, version: 1, created: Timestamp::EPOCH };
            let (now, tokens) = (Timestamp::from_secs(100 + now), Meter::new("tokens").unwrap());
            let method = record.plan.method_rate("a", "s", "/x/GET").unwrap();
            let charge = Charge::new(&record, amount, now)
                .method(method)
                .named(&record, tokens, NonZeroU64::new(amount.into()).unwrap());
            let step = charge.steps[at];
            let tat = (100 + tat) * 1_000_000_000;
            let tat = Timestamp::from_nanos(tat.saturating_add_signed(nanos));
            let state = State { tats: [(step.rate, tat)].into(), ..State::default() };
            let fits = tat.max(now).saturating_add(step.advance)
                <= now.saturating_add(step.rate.time_for(9));
            let of = |charge: &Charge, form| {
                let is_other = |it: &Step| it.rate != step.rate;
                charge.write(|it| if is_other(it) { Form::Idle } else { form }).applies(&state)
            };
            let count = |charge: &Charge| {
                [Form::Idle, Form::Busy].into_iter().filter(|form| of(charge, *form)).count()
            };
            prop_assert_eq!(count(&charge), usize::from(fits));
            let sparing = charge.clone().sparing(&state);
            prop_assert_eq!(sparing.steps[at].spared, !fits && !enforce);
            prop_assert_eq!(count(&sparing) > 0, fits || !enforce);
            // A write that spares a limit which has room does not apply.
            let mut wrong = charge;
            wrong.steps[at].spared = true;
            prop_assert_eq!(of(&wrong, Form::Idle), !fits);
        }
    }
}
