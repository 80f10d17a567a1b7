//! The arithmetic of a bucket: what a request costs, and whether it fits.
//!
//! Pure: `now` is handed in. The rate is a GCRA (generic cell rate algorithm, ITU-T I.371):
//! `tat`, the moment at which the bucket will be full again, is all of its state. With T for
//! the time that one token takes, a request of cost c fits when
//! max(tat, now) + cT <= now + burst·T, and moves `tat` to max(tat, now) + cT.
//!
//! A store can't write max(tat, now) in one conditional write, so there are two [`Form`]s of
//! the same step, of which exactly one can apply to a given state. Their lower bounds matter:
//! a busy form without `tat > now` would carry unused time over from long ago, and admit up
//! to twice the burst after an idle time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::clock::{NANOS_A_SECOND, Timestamp};
use crate::decision::Limit;
use crate::period::Period;
use crate::plan::{MAX_REFILL, Plan, Quota, Throttling};

/// What a store keeps for one subject.
///
/// Everything in it only grows. What is not there counts as nothing used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// When the bucket will be full again; the epoch, if it never was used.
    pub tat: Timestamp,
    /// How much was used, by the period's name.
    pub counters: BTreeMap<String, u64>,
}

/// Which of the two ways of moving `tat` a write tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Where `tat <= now`: `tat = now + cost`.
    Idle,
    /// Where `now < tat <= ceiling`: `tat = tat + cost`.
    Busy,
}

/// What one request takes from its subject's bucket, and under which conditions.
///
/// Everything that a store needs for its one conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The moment of the decision.
    pub now: Timestamp,
    /// The step of `tat`, where the plan has a rate.
    pub step: Option<Step>,
    /// The steps of the counters, one for each quota of the plan.
    pub counts: Vec<Count>,
    /// The second from which the item holds nothing any more that a decision needs.
    pub expires_at: u64,
}

/// The step of `tat` that a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How far `tat` moves: the cost times the interval.
    pub advance: Duration,
    /// The latest `tat` with which the request still fits.
    pub ceiling: Timestamp,
    interval: u64,
    burst: u64,
}

/// The step of a quota's counter that a request takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The counter of the current period.
    pub name: String,
    /// The counter of a period so long past that the write removes it.
    pub forgotten: String,
    /// How far the counter moves.
    pub cost: u64,
    /// The most that the counter may show afterwards.
    pub at_most: u64,
    limit: Limit,
    ends: Timestamp,
}

/// A limit that a request doesn't fit, and how long until it would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) limit: Limit,
    pub(crate) wait: Duration,
}

/// How one limit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) at_most: u64,
    pub(crate) remaining: u64,
    pub(crate) reset: Duration,
}

impl State {
    /// How much of a period was used.
    #[must_use]
    pub fn used(&self, counter: &str) -> u64 {
        self.counters.get(counter).copied().unwrap_or_default()
    }
}

impl Charge {
    /// What a request of this cost takes under a plan that exists since `created`.
    ///
    /// A cost above the burst never fits; asking for one is the caller's mistake and is
    /// looked for before this.
    #[must_use]
    pub fn new(plan: &Plan, created: Timestamp, cost: NonZeroU32, now: Timestamp) -> Self {
        let step = plan.throttle().map(|throttle| Step::new(throttle, cost, now));
        let counts: Vec<_> =
            plan.quotas().iter().map(|quota| Count::new(*quota, created, cost, now)).collect();
        Self { now, step, counts, expires_at: expiry(step.as_ref(), now) }
    }

    /// The only form that can apply to this state.
    #[must_use]
    pub fn form(&self, state: &State) -> Form {
        if state.tat > self.now { Form::Busy } else { Form::Idle }
    }

    /// Whether a write in this form applies: what a store's condition says.
    #[must_use]
    pub fn applies(&self, form: Form, state: &State) -> bool {
        let step = self.step.is_none_or(|step| match form {
            Form::Idle => state.tat <= self.now,
            Form::Busy => self.now < state.tat && state.tat <= step.ceiling,
        });
        step && self.counts.iter().all(|count| count.fits(state))
    }

    /// The state after a write in this form: what a store's update says.
    pub fn apply(&self, form: Form, state: &mut State) {
        if let Some(step) = self.step {
            let from = match form {
                Form::Idle => self.now,
                Form::Busy => state.tat,
            };
            state.tat = from.saturating_add(step.advance);
        }
        for count in &self.counts {
            let counter = state.counters.entry(count.name.clone()).or_default();
            *counter = counter.saturating_add(count.cost);
            state.counters.remove(&count.forgotten);
        }
    }

    /// The limits that this state leaves no room in; none when the request fits.
    pub(crate) fn refusals(&self, state: &State) -> Vec<Refusal> {
        let step = self.step.filter(|step| step.ceiling < state.tat).map(|step| Refusal {
            limit: Limit::Burst,
            wait: state.tat.saturating_since(step.ceiling),
        });
        let counts = self.counts.iter().filter(|count| !count.fits(state)).map(|count| Refusal {
            limit: count.limit,
            wait: count.ends.saturating_since(self.now),
        });
        step.into_iter().chain(counts).collect()
    }

    /// The limit with the least room in this state; of two, the one that resets later.
    pub(crate) fn tightest(&self, state: &State) -> Standing {
        let step = self.step.map(|step| step.standing(state, self.now));
        let counts = self.counts.iter().map(|count| count.standing(state, self.now));
        step.into_iter()
            .chain(counts)
            .min_by_key(|standing| (standing.remaining, Reverse(standing.reset)))
            // No plan is without a limit; if one were, nothing would remain.
            .unwrap_or(Standing { at_most: 0, remaining: 0, reset: Duration::ZERO })
    }

    /// Whether any plan could have led to this state.
    ///
    /// No bucket takes longer than 366 days to fill, so a later `tat` is damage. A day is
    /// left for clocks that differ.
    pub(crate) fn is_plausible(&self, state: &State) -> bool {
        let longest = Duration::from_nanos(MAX_REFILL).saturating_add(DAY);
        state.tat <= self.now.saturating_add(longest)
    }
}

impl Step {
    fn new(throttle: Throttling, cost: NonZeroU32, now: Timestamp) -> Self {
        // Neither product overflows: a plan's burst takes at most 366 days to refill.
        let interval = throttle.rate().interval_nanos().get();
        let advance = interval.saturating_mul(cost.get().into());
        let room = throttle.burst().saturating_sub(cost.get().into());
        let ceiling = now.saturating_add(Duration::from_nanos(interval.saturating_mul(room)));
        let advance = Duration::from_nanos(advance);
        Self { advance, ceiling, interval, burst: throttle.burst() }
    }

    fn standing(&self, state: &State, now: Timestamp) -> Standing {
        let reset = state.tat.saturating_since(now);
        let debt = u64::try_from(reset.as_nanos()).unwrap_or(u64::MAX).div_ceil(self.interval);
        Standing { at_most: self.burst, remaining: self.burst.saturating_sub(debt), reset }
    }
}

impl Count {
    fn new(quota: Quota, created: Timestamp, cost: NonZeroU32, now: Timestamp) -> Self {
        let window = quota.period().window(now);
        let offset = if window.contains(created) { quota.offset() } else { 0 };
        Self {
            forgotten: quota.period().forgotten(now),
            cost: cost.get().into(),
            at_most: quota.limit().saturating_sub(offset),
            limit: quota.period().into(),
            ends: window.end,
            name: window.name,
        }
    }

    /// The most that the counter may show before, or none if not even zero would do.
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        self.at_most.checked_sub(self.cost)
    }

    fn fits(&self, state: &State) -> bool {
        self.room().is_some_and(|room| state.used(&self.name) <= room)
    }

    fn standing(&self, state: &State, now: Timestamp) -> Standing {
        let remaining = self.at_most.saturating_sub(state.used(&self.name));
        Standing { at_most: self.at_most, remaining, reset: self.ends.saturating_since(now) }
    }
}

/// The second after which deleting the item changes no decision.
///
/// The month's and the week's ends count for every plan, so that a subject that is moved to a
/// plan without quotas and back doesn't lose what it used. A day is left for clocks that differ.
fn expiry(step: Option<&Step>, now: Timestamp) -> u64 {
    let full = step.map_or(now, |step| step.ceiling.saturating_add(step.advance));
    let month = Period::Month.window(now).end;
    let week = Period::Week.window(now).end;
    let last = full.max(month).max(week).saturating_add(DAY);
    last.as_nanos().div_ceil(NANOS_A_SECOND)
}

const DAY: Duration = Duration::from_secs(86_400);
