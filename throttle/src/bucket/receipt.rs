//! Giving back what a request didn't use, or taking what it used beyond.
//!
//! The naive refund, `tat = tat − unused·T`, breaks the bound: part of what was charged has been
//! refilled meanwhile, and would be there twice. Think of a bucket's debt as a queue that is
//! served at the rate. A charge stands in it up to its *mark*, the `tat` that it left. What of it
//! has not been served yet is at most mark − now, and only that can be taken out again without
//! anybody having more than if the charge had never been made.
//!
//! An earlier refund moves everything behind it forward, and the marks of other receipts are
//! too late by as much. So the item notes how many tokens were `returned` in all; a receipt
//! notes how many had been at its time, and counts its mark earlier by the tokens returned since.
//! That may be too much (what was returned may have stood behind), which is against the caller.

use std::num::NonZeroU32;
use std::time::Duration;

use smallvec::SmallVec;

use super::write::MAX_COUNT;
use super::{Charge, Count, Counter, Meter, Move, Stamp, State, To, When, Write};
use crate::clock::Timestamp;
#[cfg(feature = "layer")]
use crate::limit::{Standing, Standings};
use crate::name::Subject;
#[cfg(feature = "layer")]
use crate::period::Today;
use crate::plan::MAX_REFILL;

/// What a request was charged, to be given back or settled once.
///
/// It can't be copied: what was charged once can be given back once.
#[derive(Debug, PartialEq, Eq)]
pub struct Receipt {
    pub(crate) subject: Subject,
    cost: NonZeroU32,
    meters: SmallVec<[Meter; 2]>,
    counters: SmallVec<[Counter; 2]>,
    /// The state that the charge left: its marks, and how many tokens had been returned.
    pub(crate) left: State,
}

impl Receipt {
    /// The receipt of a charge that left this state.
    pub(crate) fn new(subject: Subject, charge: &Charge, left: State) -> Self {
        Self {
            subject,
            cost: charge.cost,
            meters: charge.steps.iter().map(|step| step.meter).collect(),
            counters: charge.counts.iter().map(|count| count.counter).collect(),
            left,
        }
    }

    /// How many tokens were charged.
    #[must_use]
    pub fn cost(&self) -> NonZeroU32 {
        self.cost
    }

    /// The write that gives tokens back to this state; none if nothing can be given back.
    ///
    /// Of each rate, at most min(unused·T, mark − now, tat − now). Of a counter, only while its
    /// period lasts and where it shows as much. Nothing once the plan has changed,
    /// even to another and back.
    pub(crate) fn refund(&self, unused: u32, state: &State, now: Timestamp) -> Option<Write> {
        let stamp = state.stamp.as_ref()?;
        // Under another plan, from which it may have come back, the debt was paid at another rate.
        if self.left.stamp.as_ref() != Some(stamp) || self.left.changed != state.changed {
            return None;
        }
        let unused = unused.min(self.cost.get());
        let moves: SmallVec<_> =
            self.meters.iter().filter_map(|meter| self.back(*meter, unused, state, now)).collect();
        let given = i64::from(unused);
        let counts: SmallVec<_> = self
            .counters
            .iter()
            .filter(|counter| counter.period().window(now).counter == **counter)
            .map(|counter| (*counter, state.granted(*counter)))
            // What was used is in the counter, less what was granted; both only grow.
            .map(|(counter, granted)| (counter, granted, given.saturating_sub_unsigned(granted)))
            .filter(|(counter, _, least)| given > 0 && state.used(*counter) >= *least)
            .map(|(counter, granted, at_least)| Count {
                counter,
                at_least,
                at_most: MAX_COUNT,
                add: -given,
                granted,
            })
            .collect();
        if moves.is_empty() && counts.is_empty() {
            return None;
        }
        let returned = (!moves.is_empty()).then_some((state.returned, unused.into()));
        let unchanged = Some(state.changed);
        Some(Write { moves, counts, returned, unchanged, ..empty(stamp, now) })
    }

    /// The write that takes tokens beyond what was charged, whether they fit or not.
    ///
    /// Every rate goes on owing them, at most 366 days ahead, and every counter shows them, in
    /// the periods that the request was counted in. Whatever plan the state is under now: what
    /// is owed is owed in tokens. A bucket that was deleted or forgotten owes them from now on, under
    /// the plan of the charge.
    pub(crate) fn surcharge(&self, beyond: u32, state: &State, now: Timestamp) -> Option<Write> {
        let stamp = state.stamp.as_ref().or(self.left.stamp.as_ref())?;
        let owes = |meter: &Meter| {
            let (meter, tat) = match state.stamp {
                Some(_) => state.tats.iter().find(|(found, _)| found.scope == meter.scope)?,
                None => (meter, &Timestamp::EPOCH),
            };
            let advance = meter.interval.get().saturating_mul(beyond.into());
            let advance = Duration::from_nanos(advance);
            let latest = now.saturating_add(Duration::from_nanos(MAX_REFILL));
            let owed = (*tat).max(now).saturating_add(advance);
            let (when, to) = if *tat <= now {
                (When::AtMost(now), To::At(owed.min(latest)))
            } else if owed > latest {
                // Never earlier than it is, should it already be later than may be owed.
                (When::Is(*tat), To::At(latest.max(*tat)))
            } else {
                (When::Within(now, latest.saturating_sub(advance)), To::Forward(advance))
            };
            Some(Move { meter: *meter, when, to })
        };
        let count = |counter: &Counter| Count {
            counter: *counter,
            at_least: -MAX_COUNT,
            at_most: MAX_COUNT.saturating_sub(beyond.into()),
            add: beyond.into(),
            granted: 0,
        };
        let moves = self.meters.iter().filter_map(owes).collect();
        let counts = self.counters.iter().map(count).collect();
        Some(Write { moves, counts, ..empty(stamp, now) })
    }

    /// The standings of its limits in this state, where they stood so right after the charge.
    ///
    /// A state under another plan says nothing of these limits: then the state after the charge
    /// counts, and the time since.
    #[cfg(feature = "layer")]
    pub(crate) fn standings(
        &self,
        before: &[Standing],
        state: &State,
        now: Timestamp,
    ) -> Standings {
        let state = if state.stamp == self.left.stamp { state } else { &self.left };
        before.iter().map(|standing| self.standing(*standing, state, now)).collect()
    }

    #[cfg(feature = "layer")]
    fn standing(&self, before: Standing, state: &State, now: Timestamp) -> Standing {
        let limit = before.limit;
        if let Some(meter) = self.meters.iter().find(|meter| limit == meter.scope.into()) {
            let resets = state.tat(*meter).as_nanos().saturating_sub(now.as_nanos());
            let remaining = before.max.saturating_sub(resets.div_ceil(meter.interval.get()));
            return Standing { remaining, resets, ..before };
        }
        let Some(counter) = self.counters.iter().find(|it| limit == it.period().into()) else {
            return before;
        };
        let window = Today::at(now).of(counter.period()).window;
        let states = [state, &self.left];
        let used = states.iter().find_map(|state| state.counters.get(&window.counter));
        let granted = states.iter().find_map(|state| state.granted.get(&window.counter));
        let (used, granted) = (used.copied().unwrap_or_default(), granted.copied());
        let quota = before.max.saturating_sub(self.left.granted(*counter));
        Standing {
            max: quota.saturating_add(granted.unwrap_or_default()),
            remaining: quota.saturating_add_signed(used.saturating_neg()),
            resets: window.end.as_nanos().saturating_sub(now.as_nanos()),
            ..before
        }
    }

    /// The part of a charge that can be taken out of the queue again.
    fn back(&self, meter: Meter, unused: u32, state: &State, now: Timestamp) -> Option<Move> {
        let tat = *state.tats.get(&meter)?;
        let nanos = |tokens: u64| Duration::from_nanos(meter.interval.get().saturating_mul(tokens));
        let since = nanos(state.returned.saturating_sub(self.left.returned));
        let unserved = self.left.tat(meter).saturating_sub(since).saturating_since(now);
        let back = nanos(unused.into()).min(unserved).min(tat.saturating_since(now));
        // `tat` may have grown meanwhile, never less than it was unless tokens were returned.
        let when = When::Within(now.saturating_add(back).saturating_sub(TICK), END);
        (!back.is_zero()).then_some(Move { meter, when, to: To::Back(back) })
    }
}

fn empty(stamp: &Stamp, now: Timestamp) -> Write {
    Write {
        found: Some(stamp.clone()),
        stamp: stamp.clone(),
        moves: SmallVec::new(),
        counts: SmallVec::new(),
        forgotten: SmallVec::new(),
        returned: None,
        writes: None,
        unchanged: None,
        changed: None,
        now,
    }
}

const TICK: Duration = Duration::from_nanos(1);
const END: Timestamp = Timestamp::from_nanos(u64::MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::PlanId;
    use crate::plan::Plan;
    use crate::plan::PlanRecord;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// A receipt of five tokens, a second each, from a bucket that was full at `now`.
    fn receipt(now: Timestamp) -> (Receipt, State) {
        let plan = Plan::from_json(r#"{"throttle": {"rateLimit": 1, "burstLimit": 9}}"#).unwrap();
        let id = PlanId::new("plan").unwrap();
        let record = PlanRecord { id, plan, version: 1, created: now };
        let charge = Charge::new(&record, NonZeroU32::new(5).unwrap(), now);
        let mut state = State::default();
        charge.write(charge.forms(&state)).apply(&mut state);
        (Receipt::new(Subject::new("subject").unwrap(), &charge, state.clone()), state)
    }

    #[test]
    fn no_more_is_given_back_than_is_owed_to_a_bucket_that_was_reset() {
        let now = Timestamp::from_secs(1_000_000);
        let (receipt, mut state) = receipt(now);
        for tat in state.tats.values_mut() {
            *tat = now.saturating_add(secs(2));
        }
        let write = receipt.refund(4, &state, now).unwrap();
        assert_eq!(write.moves[0].to, To::Back(secs(2)));
        assert!(write.applies(&state));
        write.apply(&mut state);
        assert_eq!(state.tats.values().copied().collect::<Vec<_>>(), [now]);
    }

    #[test]
    fn what_was_granted_is_part_of_what_was_used() {
        let now = Timestamp::from_secs(1_000_000);
        let (receipt, mut state) = receipt(now);
        let later = now.saturating_add(secs(10));
        let counter = receipt.counters[0];
        state.counters.insert(counter, 2);
        assert_eq!(receipt.refund(3, &state, later), None, "it shows less than was used");
        state.granted.insert(counter, 1);
        let write = receipt.refund(3, &state, later).unwrap();
        assert!(write.applies(&state));
        // Granted away meanwhile, or reset: then it is looked at again.
        for (used, granted) in [(1, 1), (2, 0), (0, 0)] {
            state.counters.insert(counter, used);
            state.granted.insert(counter, granted);
            assert!(!write.applies(&state), "{used} {granted}");
        }
    }
}
