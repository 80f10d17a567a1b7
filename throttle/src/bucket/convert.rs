//! The change of a bucket to another plan.
//!
//! Debt is kept in tokens. A rate that made `tat` lie d nanoseconds ahead at T1 for a
//! token is followed by one at T2 with `tat` ⌈d·T2/T1⌉ ahead, even if that is more than its
//! burst: then nothing fits until enough has been paid back, at the new rate. What is owed under
//! a rate that the new plan doesn't have stays as it is until it is paid, for another plan that
//! has it. Counters belong to periods, not to plans, and stay.
//!
//! So no change makes the debt smaller in tokens, and plans that take turns admit no more than
//! the largest of them would alone: see [`next`](super::next), which also says when a plan is
//! changed.
//!
//! The write is conditional on the very state that it was made from, and on that state's plan.
//! Of several that try, one succeeds, and no write under the older plan succeeds afterwards. That
//! it is the very state is told by the number of writes: a method's `tat` may have been added
//! that nobody could ask for by name.
//!
//! Clocks differ, and a change by one that is ahead repays what has not been refilled yet. So the
//! item notes when its plan was changed, the next change is no earlier than that, and no `tat`
//! is. Otherwise each change to and fro would give a subject what is refilled in the spread.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use super::charge::{Refusal, Refusals};
use super::write::MAX_COUNT;
use super::{Charge, Meter, Move, Scope, State, To, When, Write};
use crate::clock::Timestamp;
use crate::limit::Limit;
use crate::plan::{MAX_REFILL, Plan};

/// A change of a bucket's plan.
#[derive(Debug)]
pub(crate) struct Change {
    /// The write. It takes the charge too, if that fits.
    pub(crate) write: Write,
    /// The state after the write.
    pub(crate) after: State,
    /// The limits that the charge doesn't fit after the change; none if it is taken.
    pub(crate) refusals: Refusals,
}

/// A debt that takes longer to pay back under the new plan than any plan allows.
///
/// The plan can't be changed then. The debt is not cut, because that would give tokens back to a
/// subject that changes to and fro.
#[derive(Debug)]
pub(crate) struct TooLong {
    /// The state after the change, with the debt cut to what a plan allows.
    pub(crate) shown: State,
    /// The limits that refuse until the debt has sunk, at the rate that it has now.
    pub(crate) refusals: Refusals,
}

impl Charge {
    /// The change of a state to this charge's plan, together with the charge if it fits.
    pub(crate) fn convert(&self, plan: &Plan, state: &State) -> Result<Change, Box<TooLong>> {
        // Changes by clocks that differ, to and fro, must not repay the same stretch of time twice.
        let now = self.now.max(state.changed.min(self.now.saturating_add(MOST_AHEAD)));
        let rates: BTreeMap<_, _> = plan.intervals().collect();
        let mut after = state.clone();
        after.stamp = Some(self.stamp.clone());
        after.tats.clear();
        let mut too_long = BTreeMap::new();
        for (meter, tat) in &state.tats {
            if *tat <= self.idle_since() {
                continue;
            }
            let Some(interval) = rates.get(&meter.scope).copied() else {
                // Another plan has this rate. Its requests are guests while the `tat` is here.
                after.tats.insert(*meter, *tat);
                continue;
            };
            let debt = scaled(tat.saturating_since(now), meter.interval, interval);
            // There is one debt a scope, unless somebody has edited the item: then all count.
            let meter_after = Meter { scope: meter.scope, interval };
            let sum = after.tat(meter_after).saturating_since(now).saturating_add(debt);
            if sum > LONGEST {
                too_long.insert(meter.scope, (*meter, *tat));
            }
            // A charge by a clock that is behind takes from a full bucket, not from a fuller one.
            after.tats.insert(meter_after, now.saturating_add(sum.min(LONGEST)));
        }
        let refusals = self.refusals(&after);
        if !too_long.is_empty() {
            let refusals = self.until_paid(&rates, &too_long, refusals);
            return Err(Box::new(TooLong { shown: after, refusals }));
        }
        let fits = refusals.is_empty();
        if fits {
            let forms = self.forms(&after);
            for change in self.write(forms).moves {
                // Of the write's moves alone; the counters move by conditions of their own.
                let tat = match change.to {
                    To::At(tat) => tat,
                    To::Forward(by) => after.tat(change.meter).saturating_add(by),
                    To::Same | To::Back(_) | To::Gone => continue,
                };
                after.tats.insert(change.meter, tat);
            }
        }
        let mut write = Write {
            found: state.stamp.clone(),
            stamp: self.stamp.clone(),
            moves: differences(state, &after),
            writes: Some(state.writes),
            changed: Some(now),
            ..self.write(self.forms(&after))
        };
        if !fits {
            // Asked, so that the answer tells them, and not moved.
            for count in &mut write.counts {
                (count.at_most, count.add) = (MAX_COUNT, 0);
            }
        }
        Ok(Change { write, after, refusals })
    }

    /// The refusals while a debt is too long: it sinks at the rate that it has now.
    fn until_paid(
        &self,
        rates: &BTreeMap<Scope, NonZeroU64>,
        too_long: &BTreeMap<Scope, (Meter, Timestamp)>,
        mut refusals: Refusals,
    ) -> Refusals {
        for (scope, (meter, tat)) in too_long {
            let step = self.steps.iter().find(|step| step.meter.scope == *scope);
            let room = step.map_or(LONGEST, |step| step.ceiling.saturating_since(self.now));
            // The tokens that may be owed, at the older rate.
            let interval = rates.get(scope).copied().unwrap_or(meter.interval);
            let room = scaled_down(room, interval, meter.interval);
            let wait = tat.saturating_since(self.now.saturating_add(room));
            let limit = Limit::from(*scope);
            refusals.retain(|refusal| refusal.limit != limit);
            refusals.push(Refusal { limit, wait: Some(wait) });
        }
        refusals
    }
}

/// The moves from one state to another, each on condition of what is there before.
fn differences(before: &State, after: &State) -> Vec<Move> {
    let gone = before.tats.keys().filter(|meter| !after.tats.contains_key(meter)).copied();
    after
        .tats
        .keys()
        .copied()
        .chain(gone)
        .map(|meter| Move {
            meter,
            when: before.tats.get(&meter).map_or(When::Absent, |tat| When::Is(*tat)),
            to: after.tats.get(&meter).map_or(To::Gone, |tat| To::At(*tat)),
        })
        .collect()
}

/// So many nanoseconds' tokens at another interval, rounded up: against the caller.
fn scaled(debt: Duration, from: NonZeroU64, to: NonZeroU64) -> Duration {
    if from == to {
        return debt;
    }
    let debt = debt.as_nanos().saturating_mul(to.get().into()).div_ceil(from.get().into());
    Duration::from_nanos(u64::try_from(debt).unwrap_or(u64::MAX))
}

/// The most that scales to no more than so many nanoseconds: rounded down.
fn scaled_down(debt: Duration, from: NonZeroU64, to: NonZeroU64) -> Duration {
    let debt = debt.as_nanos().saturating_mul(to.get().into()) / u128::from(from.get());
    Duration::from_nanos(u64::try_from(debt).unwrap_or(u64::MAX))
}

/// No clock is further ahead than this; a change noted as later is damage.
const MOST_AHEAD: Duration = Duration::from_secs(86_400);
const LONGEST: Duration = Duration::from_nanos(MAX_REFILL);

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::bucket::Stamp;
    use crate::id::PlanId;
    use crate::plan::PlanRecord;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// When a plan is changed by this clock, where the last change was noted for that moment.
    fn changed(now: Timestamp, before: Timestamp) -> Option<Timestamp> {
        let plan = Plan::from_json(r#"{"throttle": {"rateLimit": 1, "burstLimit": 9}}"#).unwrap();
        let id = PlanId::new("plan").unwrap();
        let stamp = Some(Stamp { plan: id.clone(), version: 1 });
        let record = PlanRecord { id, plan: plan.clone(), version: 2, created: now };
        let state = State { stamp, changed: before, ..State::default() };
        let change = Charge::new(&record, NonZeroU32::MIN, now).convert(&plan, &state);
        change.ok().and_then(|change| change.write.changed)
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
