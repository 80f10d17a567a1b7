//! What one request takes from its subject's bucket, and whether it fits.

use std::num::NonZeroU32;
use std::time::Duration;

use smallvec::SmallVec;

use super::write::MAX_COUNT;
use super::{Count, Counter, Meter, Move, Scope, Stamp, State, To, When, Write};
use crate::clock::Timestamp;
use crate::limit::{Limit, Standing, Standings};
use crate::period::{Current, Period, Today};
use crate::plan::PlanRecord;
use crate::plan::{MAX_REFILL, MethodRate, Quota, Throttling};

/// Which of the two ways of moving a `tat` a write tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Where `tat <= now`: `tat = now + cost`.
    Idle,
    /// Where `now < tat <= ceiling`: `tat = tat + cost`.
    Busy,
}

/// A form for each rate of a charge: the plan's own, and the method's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    /// The form for the plan's own rate; of no effect where it has none.
    pub plan: Form,
    /// The form for the method's rate; of no effect where it has none.
    pub method: Form,
}

/// What one request, or a lease of several, takes from its subject's bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The moment of the decision.
    pub now: Timestamp,
    /// The plan that it is made under.
    pub stamp: Stamp,
    /// The stamp of the plan that the bucket is under, if that is another: see [`Charge::guest`].
    pub(crate) host: Option<Stamp>,
    /// How many tokens it takes, of every rate and of every quota.
    pub cost: NonZeroU32,
    /// The plan's own rate, and the method's, where there are any that are not closed.
    pub steps: SmallVec<[Step; 2]>,
    /// The rates that refuse every request: the plan's own, and the method's.
    pub closed: [Option<Limit>; 2],
    /// What is counted in each period. Days always are: they are the history of use.
    pub counts: SmallVec<[Tally; 2]>,
}

/// The step of a `tat` that a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whose `tat`.
    pub meter: Meter,
    /// How far it moves: the cost times the interval.
    pub advance: Duration,
    /// The latest `tat` with which the request still fits.
    pub ceiling: Timestamp,
    /// The latest `tat` that the idle form takes for idle: `now`, or later where there is slack.
    pub idle: Timestamp,
    burst: u64,
    /// True if the `tat` must be there already, because a guest may not add one.
    present: bool,
}

/// What a request adds to a period's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The counter of the current period.
    pub counter: Counter,
    /// The most that the counter may show afterwards, where the plan has a quota for it.
    pub quota: Option<u64>,
    cost: u32,
    ends: Timestamp,
    /// In nanoseconds.
    lasts: u64,
}

/// A limit that a request does not fit, and the time until it would; none if it never would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) limit: Limit,
    pub(crate) wait: Option<Duration>,
}

/// All limits that a request doesn't fit.
pub(crate) type Refusals = SmallVec<[Refusal; 2]>;

impl Forms {
    pub(crate) fn of(self, scope: Scope) -> Form {
        match scope {
            Scope::Plan => self.plan,
            Scope::Method(_) => self.method,
        }
    }
}

impl Charge {
    /// What a request of this cost takes under a plan.
    ///
    /// A cost above a burst never fits; asking for one is the caller's mistake and is looked for
    /// before this.
    #[must_use]
    #[inline]
    pub fn new(record: &PlanRecord, cost: NonZeroU32, now: Timestamp) -> Self {
        let mut counts = SmallVec::new();
        let today = Today::at(now);
        for period in [Period::Day, Period::Week, Period::Month] {
            let quotas = record.plan.quotas();
            let quota = quotas.iter().copied().find(|quota| quota.period() == period);
            if quota.is_some() || period == Period::Day {
                counts.push(Tally::new(today.of(period), quota, record.created, cost));
            }
        }
        let stamp = Stamp { plan: record.id.clone(), version: record.version };
        let steps = SmallVec::new();
        let charge = Self { now, stamp, host: None, cost, steps, closed: [None; 2], counts };
        match record.plan.throttle() {
            Some(throttle) => charge.rate(Scope::Plan, throttle),
            None => charge,
        }
    }

    fn rate(mut self, scope: Scope, throttle: Throttling) -> Self {
        match throttle.open_interval() {
            Some(interval) => {
                let meter = Meter { scope, interval };
                self.steps.push(Step::new(meter, throttle.burst(), self.cost, self.now));
            }
            None => {
                let [plan, method] = &mut self.closed;
                let place = if scope == Scope::Plan { plan } else { method };
                *place = Some(scope.into());
            }
        }
        self
    }

    /// Takes from this method's own rate too.
    #[must_use]
    pub fn method(self, method: MethodRate) -> Self {
        self.rate(method.scope, method.throttle)
    }

    /// Lets the idle form take a bucket for idle that owes up to so many tokens.
    ///
    /// It then pays for them as if they were owed: whatever it finds, `tat` ends no earlier than
    /// without slack. So what is admitted is as strict, even where only some instances have
    /// slack, and up to so many tokens of the burst are lost at each idle form.
    #[must_use]
    pub fn slack(mut self, tokens: u32) -> Self {
        for step in &mut self.steps {
            let slack = step.nanos(tokens.into());
            step.idle = step.idle.saturating_add(slack).min(step.ceiling);
        }
        self
    }

    /// The forms that apply to this state, if the request fits: of two, the busy one.
    #[must_use]
    pub fn forms(&self, state: &State) -> Forms {
        self.forms_by(|step| if state.tat(step.meter) > self.now { Form::Busy } else { Form::Idle })
    }

    pub(crate) fn forms_by(&self, mut choose: impl FnMut(&Step) -> Form) -> Forms {
        let mut forms = Forms { plan: Form::Idle, method: Form::Idle };
        for step in &self.steps {
            match step.meter.scope {
                Scope::Plan => forms.plan = choose(step),
                Scope::Method(_) => forms.method = choose(step),
            }
        }
        forms
    }

    /// The conditional write that takes this charge in these forms.
    ///
    /// It applies to a state only if the charge fits that state.
    #[must_use]
    pub fn write(&self, forms: Forms) -> Write {
        let step = |step: &Step| step.write(forms.of(step.meter.scope), self.now);
        Write {
            found: Some(self.bucket_stamp().clone()),
            moves: self.steps.iter().map(step).collect(),
            ..self.empty()
        }
    }

    /// Takes this charge from a state that it fits: what its write makes of it.
    pub(crate) fn take(&self, state: &mut State) {
        let usual = state.stamp.as_ref() == Some(self.bucket_stamp())
            && state.tats.len() <= self.steps.len();
        if !usual {
            let mut write = self.write(self.forms(state));
            self.tidy(&mut write, state);
            return write.apply(state);
        }
        for step in &self.steps {
            let tat = state.tat(step.meter);
            let from = if tat > self.now { tat } else { step.idle };
            state.tats.insert(step.meter, from.saturating_add(step.advance));
        }
        for count in &self.counts {
            let is_new = !state.counters.contains_key(&count.counter);
            let add = |used: &mut i64| *used = used.saturating_add(count.cost.into());
            state.counters.update(count.counter, add);
            if is_new {
                for counter in state.removable(self.now) {
                    state.forget(counter);
                }
            }
        }
        state.writes = state.writes.saturating_add(1);
    }

    /// The part of a state that an answer to this charge's write tells.
    pub(crate) fn part(&self, state: &State) -> State {
        state.part(self.counts.iter().map(|count| count.counter), self.now)
    }

    /// The stamp that the bucket has before and after this charge.
    pub(crate) fn bucket_stamp(&self) -> &Stamp {
        self.host.as_ref().unwrap_or(&self.stamp)
    }

    /// A `tat` no later than this has been of no use for an hour, and may go.
    pub(super) fn idle_since(&self) -> Timestamp {
        self.now.saturating_sub(HOUR)
    }

    /// A write that takes the quotas' part of this charge, and nothing of the rates.
    pub(super) fn empty(&self) -> Write {
        Write {
            found: None,
            stamp: self.bucket_stamp().clone(),
            moves: SmallVec::new(),
            counts: self.counts.iter().map(Tally::write).collect(),
            forgotten: SmallVec::new(),
            returned: None,
            writes: None,
            unchanged: None,
            changed: None,
            now: self.now,
        }
    }

    /// The limits that this state leaves no room in; none when the request fits.
    ///
    /// The state must be under this charge's plan, or under its host.
    pub(crate) fn refusals(&self, state: &State) -> Refusals {
        let closed = self.closed.into_iter().flatten();
        let closed = closed.map(|limit| Refusal { limit, wait: None });
        let mut refusals: Refusals = closed.collect();
        for step in &self.steps {
            let tat = state.tat(step.meter);
            if step.ceiling < tat {
                let wait = Some(tat.saturating_since(step.ceiling));
                refusals.push(Refusal { limit: step.meter.scope.into(), wait });
            }
        }
        for count in self.counts.iter().filter(|count| !count.fits(state)) {
            let wait = (count.quota != Some(0)).then(|| count.ends.saturating_since(self.now));
            refusals.push(Refusal { limit: count.counter.period().into(), wait });
        }
        refusals
    }

    /// How every limit stands in this state, the rates first.
    pub(crate) fn standings(&self, state: &State) -> Standings {
        let closed = self.closed.into_iter().flatten();
        let mut standings: Standings = closed.map(Standing::closed).collect();
        let is_closed = !standings.is_empty();
        for step in &self.steps {
            standings.push(step.standing(state, self.now));
        }
        if is_closed {
            standings.sort_by_key(Standing::limit);
        }
        for count in &self.counts {
            if let Some(standing) = count.standing(state, self.now) {
                standings.push(standing);
            }
        }
        standings
    }

    /// How long until the first of its periods ends.
    pub(crate) fn period_left(&self) -> Duration {
        let left = self.counts.iter().map(|count| count.ends.saturating_since(self.now));
        left.min().unwrap_or_default()
    }

    /// Whether any plan could have led to this state; if not, the `tat` that is damaged.
    ///
    /// No bucket takes longer than 366 days to fill, so a later `tat` is damage. A day is
    /// left for clocks that differ.
    pub(crate) fn implausible(&self, state: &State) -> Option<Meter> {
        let longest = Duration::from_nanos(MAX_REFILL).saturating_add(DAY);
        let latest = self.now.saturating_add(longest);
        state.tats.iter().find(|(_, tat)| **tat > latest).map(|(meter, _)| *meter)
    }
}

impl Step {
    fn new(meter: Meter, burst: u64, cost: NonZeroU32, now: Timestamp) -> Self {
        let (advance, present) = (Duration::ZERO, false);
        let step = Self { meter, advance, ceiling: now, idle: now, burst, present };
        step.counted_by(meter, cost, now)
    }

    /// The step that takes as many tokens from another meter.
    fn counted_by(mut self, meter: Meter, cost: NonZeroU32, now: Timestamp) -> Self {
        let slack = self.idle.saturating_since(now).as_nanos();
        let slack = slack / u128::from(self.meter.interval.get());
        self.meter = meter;
        self.advance = self.nanos(cost.get().into());
        let room = self.nanos(self.burst.saturating_sub(cost.get().into()));
        // Only for a guest of a slow plan can this be the smaller one.
        let most = Duration::from_nanos(MAX_REFILL).saturating_sub(self.advance);
        self.ceiling = now.saturating_add(room.min(most));
        let slack = self.nanos(u64::try_from(slack).unwrap_or(u64::MAX));
        self.idle = now.saturating_add(slack).min(self.ceiling);
        self
    }

    /// The step of a guest: it moves the only meter that the state has for the scope.
    pub(super) fn guest(self, state: &State, charge: &Charge) -> Option<Self> {
        let mut meters = state.tats.keys().filter(|meter| meter.scope == self.meter.scope);
        let (meter, None) = (*meters.next()?, meters.next()) else { return None };
        let step = Self { present: true, ..self.counted_by(meter, charge.cost, charge.now) };
        (step.advance <= Duration::from_nanos(MAX_REFILL)).then_some(step)
    }

    /// How long so many tokens take. No overflow for a burst, which takes at most 366 days.
    pub(super) fn nanos(&self, tokens: u64) -> Duration {
        Duration::from_nanos(self.meter.interval.get().saturating_mul(tokens))
    }

    fn write(&self, form: Form, now: Timestamp) -> Move {
        let (when, to) = match form {
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
        Move { meter: self.meter, when, to }
    }

    fn standing(&self, state: &State, now: Timestamp) -> Standing {
        let resets = state.tat(self.meter).as_nanos().saturating_sub(now.as_nanos());
        let interval = self.meter.interval.get();
        let debt = resets.div_ceil(interval);
        Standing {
            limit: self.meter.scope.into(),
            max: self.burst,
            remaining: self.burst.saturating_sub(debt),
            window: interval.saturating_mul(self.burst),
            resets,
        }
    }
}

impl Tally {
    fn new(current: &Current, quota: Option<Quota>, created: Timestamp, cost: NonZeroU32) -> Self {
        let window = current.window;
        let quota = quota.map(|quota| {
            let offset = if window.contains(created) { quota.offset() } else { 0 };
            quota.limit().saturating_sub(offset)
        });
        Self {
            counter: window.counter,
            quota,
            cost: cost.get(),
            ends: window.end,
            lasts: window.end.as_nanos().saturating_sub(window.start.as_nanos()),
        }
    }

    /// The most that the counter may show before.
    fn room(&self) -> i64 {
        let quota = self.quota.and_then(|quota| i64::try_from(quota).ok()).unwrap_or(MAX_COUNT);
        quota.saturating_sub(self.cost.into())
    }

    /// Returns whether there is room. A quota of 0 has none, even with granted requests.
    fn fits(&self, state: &State) -> bool {
        self.quota != Some(0) && state.used(self.counter) <= self.room()
    }

    fn write(&self) -> Count {
        Count {
            counter: self.counter,
            at_least: -MAX_COUNT,
            at_most: self.room(),
            add: self.cost.into(),
            granted: 0,
        }
    }

    fn standing(&self, state: &State, now: Timestamp) -> Option<Standing> {
        let quota = self.quota?;
        let left =
            i64::try_from(quota).unwrap_or(MAX_COUNT).saturating_sub(state.used(self.counter));
        Some(Standing {
            limit: self.counter.period().into(),
            max: quota.saturating_add(state.granted(self.counter)),
            remaining: u64::try_from(left).unwrap_or_default(),
            window: self.lasts,
            resets: self.ends.as_nanos().saturating_sub(now.as_nanos()),
        })
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
