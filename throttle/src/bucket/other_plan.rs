//! Requests to a bucket that is under another plan, or under an older version of the plan.
//!
//! # Change of plan
//! Debt is kept in tokens. If `tat` lies d nanoseconds ahead under a rate with T1 for a token, it
//! lies ⌈d·T2/T1⌉ ahead under a new rate with T2. That may be more than the new burst: then nothing
//! fits until enough has been paid back at the new rate. If the new plan lacks a rate, the debt
//! under that rate stays until it is paid, because another plan may have the rate. Counters belong
//! to periods, not to plans, and stay. So no change makes the debt smaller in tokens.
//!
//! The write is conditional on the plan and on the exact state that it was computed from, which the
//! number of writes identifies. If several try, one succeeds, and no write under the older plan
//! succeeds afterwards.
//!
//! Clocks differ, and an instance whose clock is ahead would repay tokens that are not refilled
//! yet. So the item records the moment of the change, and neither the next change nor any `tat` is
//! earlier than that. Otherwise a subject that changes back and forth would gain the refill of the
//! clocks' spread each time.
//!
//! # Guests
//! A change needs the exact state, but concurrent requests keep changing it. So an instance tries
//! the change only once, and a bucket changes its plan at most every ten seconds. Other requests
//! are charged as *guests*: the bucket stays under its plan, the host, and the request moves the
//! host's `tat`.
//!
//! A guest of cost c with a burst of b tokens, in a host whose tokens take T, fits if
//! max(tat, now) + cT <= now + bT, and moves `tat` to max(tat, now) + cT. That is the guest plan's
//! own step with the host's T. So guests and hosts never wait for each other, and no guest needs
//! the exact state. All plans share one debt in tokens, which shrinks at the host's rate. A request
//! is admitted only if the debt is then within the request's own burst. So in any window of w
//! seconds, admitted <= max burst + max rate·w.
//!
//! A guest moves a `tat` that exists, and adds none: two guests with different rates could
//! otherwise add two for one limit. If the bucket has no `tat` for a rate of the request, only a
//! change of plan helps.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use super::charge::{Refusal, Refusals, refuse};
use super::state::IDLE;
use super::{Charge, Count, Move, Next, RateId, State, To, When, Write};
use crate::limit::Limit;
use crate::plan::{MAX_REFILL, Plan};

/// A change of a bucket to another plan.
#[derive(Debug)]
struct Change {
    /// The write, which takes the charge too if that fits.
    ///
    /// `None` if a debt would take longer to pay back than any plan allows. The debt is not cut,
    /// because that would give tokens back to a subject that changes back and forth.
    write: Option<Write>,
    /// The state after the write, with no debt longer than a plan allows.
    after: State,
    /// The limits that the charge does not fit after the change.
    refusals: Refusals,
    /// The charge, if it is taken.
    takes: Option<Box<Charge>>,
}

impl Charge {
    /// This charge, taken from a bucket under another plan; `None` if the bucket lacks a `tat`.
    #[must_use]
    pub fn guest(&self, state: &State) -> Option<Self> {
        let steps = self.steps.iter().map(|step| step.guest(state, self)).collect::<Option<_>>()?;
        Some(Self { host: state.stamp.clone(), steps, ..self.clone() })
    }

    /// The next step in a bucket that is under another plan, or under an older version of this one.
    pub(super) fn foreign(&self, plan: &Plan, state: &State, lost: bool) -> Next {
        let guest = self.guest(state).map(|guest| {
            let refusals = guest.refusals(state);
            (guest, refusals)
        });
        let Change { write, after, refusals: later, takes } = self.change(plan, state);
        match (guest, write) {
            (None, None) => Next::Refuse(self.refused(&after, later)),
            (None, Some(write)) if takes.is_some() || !lost => Next::Change { write, takes },
            (None, Some(_)) => Next::Refuse(self.refused(&after, soon(later))),
            (Some((guest, refusals)), write) => {
                let helps = write.is_some() && wait(&later) < wait(&refusals);
                let is_outdated =
                    state.stamp.as_ref().is_some_and(|stamp| self.stamp.supersedes(stamp));
                let wanted = helps || is_outdated || takes.is_some() && self.may_change(state);
                match write.filter(|_| !lost && wanted) {
                    Some(write) => Next::Change { write, takes },
                    None if !refuse(&refusals) => Next::Take(guest.sparing(state)),
                    // The wait is shorter once the change succeeds.
                    None if helps => Next::Refuse(guest.refused(state, soon(refusals))),
                    None => Next::Refuse(guest.refused(state, refusals)),
                }
            }
        }
    }

    /// Returns true if the last change is long enough ago.
    ///
    /// Each change makes every request in flight try again. If the recorded moment is far ahead, a
    /// wrong clock wrote it, and it must not forbid changes until then.
    fn may_change(&self, state: &State) -> bool {
        let since = self.now.saturating_since(state.changed);
        let until = state.changed.saturating_since(self.now);
        since.max(until) >= SETTLED
    }
    /// The change of a state to this charge's plan, together with the charge if it fits.
    fn change(&self, plan: &Plan, state: &State) -> Change {
        // Changes back and forth by clocks that differ must not repay the same time twice.
        let now = self.now.max(state.changed.min(self.now.saturating_add(MOST_AHEAD)));
        let rates: BTreeMap<_, _> = plan.intervals().collect();
        let mut after = State { stamp: Some(self.stamp.clone()), ..state.clone() };
        after.tats.clear();
        let mut too_long = BTreeMap::new();
        for (rate, tat) in &state.tats {
            if *tat <= self.now.saturating_sub(IDLE) {
                continue;
            }
            let Some(interval) = rates.get(&rate.scope).copied() else {
                // Another plan has this rate. Its requests are guests while the `tat` is here.
                after.tats.insert(*rate, *tat);
                continue;
            };
            let debt = scaled(tat.saturating_since(now), rate.interval, interval, u128::div_ceil);
            // Each scope has one debt, unless an operator has edited the item: then all debts
            // count.
            let rate_after = RateId { scope: rate.scope, interval };
            let sum = after.tat(rate_after).saturating_since(now).saturating_add(debt);
            if sum > LONGEST {
                // The debt shrinks at its present rate until at most the allowed debt is left.
                let step = self.steps.iter().find(|step| step.rate.scope == rate.scope);
                let room = step.map_or(LONGEST, |step| step.ceiling.saturating_since(self.now));
                let room = scaled(room, interval, rate.interval, |debt, from| debt / from);
                let wait = tat.saturating_since(self.now.saturating_add(room));
                too_long.insert(Limit::from(rate.scope), Some(wait));
            }
            // A charge by a clock that is behind takes from a full bucket, not from a fuller one.
            after.tats.insert(rate_after, now.saturating_add(sum.min(LONGEST)));
        }
        let mut refusals = self.refusals(&after);
        refusals.retain(|refusal| !too_long.contains_key(&refusal.limit));
        let fits_time = too_long.is_empty();
        // Without a change nothing can be charged, so these limits refuse even if they are not
        // enforced.
        let too_long = too_long.into_iter();
        refusals.extend(too_long.map(|(limit, wait)| Refusal { limit, wait, enforced: true }));
        let taken = self.clone().sparing(&after);

        let mut write = Write {
            found: state.stamp.clone(),
            writes: Some(state.writes),
            changed: Some(now),
            ..taken.write_to(&after)
        };
        let takes = (!refuse(&refusals)).then(|| Box::new(taken));
        if takes.is_some() {
            write.apply(&mut after);
        } else {
            // These counters are named so that the answer contains them; they do not change.
            for count in &mut write.counts {
                *count = Count::read(count.counter);
            }
        }
        let full = write.full(&state.tats);
        write.moves = differences(state, &after);
        write.forget(state, full);
        Change { write: fits_time.then_some(write), after, refusals, takes }
    }
}

/// The time until none of these limits refuses. A limit of 0 refuses for ever.
fn wait(refusals: &Refusals) -> Duration {
    let enforced = refusals.iter().filter(|refusal| refusal.enforced);
    let waits = enforced.map(|refusal| refusal.wait.unwrap_or(Duration::MAX));
    waits.max().unwrap_or_default()
}

/// The same refusals, with a wait of at most a second.
fn soon(refusals: Refusals) -> Refusals {
    let soon = |it: Refusal| Refusal { wait: it.wait.map(|wait| wait.min(SOON)), ..it };
    refusals.into_iter().map(soon).collect()
}

/// The moves from one state to another, each on condition of what is there before.
fn differences(before: &State, after: &State) -> Vec<Move> {
    let gone = before.tats.keys().filter(|rate| !after.tats.contains_key(rate)).copied();
    after
        .tats
        .keys()
        .copied()
        .chain(gone)
        .map(|rate| Move {
            rate,
            when: before.tats.get(&rate).map_or(When::Absent, |tat| When::Is(*tat)),
            to: after.tats.get(&rate).map_or(To::Gone, |tat| To::At(*tat)),
        })
        .collect()
}

/// A debt at another interval, in as many tokens.
fn scaled(
    debt: Duration,
    from: NonZeroU64,
    to: NonZeroU64,
    divided: impl FnOnce(u128, u128) -> u128,
) -> Duration {
    let debt = divided(debt.as_nanos().saturating_mul(to.get().into()), from.get().into());
    Duration::from_nanos(u64::try_from(debt).unwrap_or(u64::MAX))
}

/// The time that a bucket stays under a plan before another takes it over.
const SETTLED: Duration = Duration::from_secs(10);
/// The longest wait of a request that was refused because others changed its item meanwhile.
pub(crate) const SOON: Duration = Duration::from_secs(1);
/// No clock is further ahead than this; a change recorded as later is damage.
const MOST_AHEAD: Duration = Duration::from_secs(86_400);
const LONGEST: Duration = Duration::from_nanos(MAX_REFILL);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::Stamp;
    use crate::clock::Timestamp;
    use crate::id::PlanId;
    use crate::plan::PlanRecord;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// The moment of a change by this clock, after a change at the moment `before`.
    fn changed(now: Timestamp, before: Timestamp) -> Option<Timestamp> {
        let plan = Plan::from_json(r#"{"throttle": {"rateLimit": 1, "burstLimit": 9}}"#).unwrap();
        let id = PlanId::new("plan").unwrap();
        let stamp = Some(Stamp { plan: id.clone(), version: 1 });
        let record = PlanRecord { id, plan: plan.clone(), version: 2, created: now };
        let state = State { stamp, changed: before, ..State::default() };
        let change = Charge::new(&record, 1, now).change(&plan, &state);
        change.write.and_then(|write| write.changed)
    }

    #[test]
    fn no_change_is_before_the_last_unless_that_was_noted_for_far_ahead() {
        let now = Timestamp::from_secs(1_000_000_000);
        assert_eq!(changed(now, now.saturating_sub(HOUR)), Some(now));
        let ahead = now.saturating_add(HOUR);
        assert_eq!(changed(now, ahead), Some(ahead));
        let a_year = now.saturating_add(HOUR * 24 * 365);
        assert_eq!(changed(now, a_year), Some(now.saturating_add(MOST_AHEAD)));
    }
}
