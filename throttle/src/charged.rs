//! Charges that can be corrected: refunds of unused tokens, and charges of tokens used beyond the
//! first charge, for each meter of a request.
//!
//! The naive refund, `tat = tat − unused·T`, breaks the bound: part of the charge may have been
//! refilled already, and would then exist twice. Think of a bucket's debt as a queue that is served
//! at the rate. A charge reaches up to its *mark*, the `tat` that it left. At most mark − now of it
//! is not served yet. Only that part may be refunded, so that no more tokens exist than without the
//! charge.
//!
//! A refund moves everything behind it in the queue forward, so the marks of other charges are then
//! too late. The item counts all tokens `returned`. A charge remembers the count at its time, and
//! moves its mark back by the tokens returned since. If the refund stood behind the charge, that is
//! too much, to the caller's disadvantage.

use std::time::Duration;

use crate::bucket::{Charge, Count, MAX_COUNT, Move, RateId, State, To, When, Write};
use crate::clock::Timestamp;
use crate::id::Subject;
use crate::lease::Drawn;
use crate::limit::{Limit, Standing, Standings};
use crate::meter::Meter;
use crate::period::Counter;
use crate::plan::MAX_REFILL;
use crate::settlement::Settlement;

/// A charge of one level of a request, which can be corrected once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Charged {
    pub(crate) subject: Subject,
    pub(crate) charge: Charge,
    /// The state that the charge left: its marks, and the tokens returned before it.
    pub(crate) left: State,
    /// The lease that served it, if one did.
    pub(crate) drawn: Option<Drawn>,
}

impl Charged {
    /// The write that corrects the charge to the real amounts in this state; `None` if nothing
    /// needs to change or can change.
    ///
    /// Each meter is refunded or surcharged separately, but all in one write.
    pub(crate) fn correction(
        &self,
        actual: &Settlement,
        state: &State,
        now: Timestamp,
    ) -> Option<Write> {
        let stamp = state.stamp.as_ref().or(self.left.stamp.as_ref())?;
        let mut write = Write::new(stamp, now);
        for (meter, charged) in self.charge.meters() {
            let actual = actual.of(meter).unwrap_or(charged);
            if actual > charged {
                let beyond = actual.saturating_sub(charged);
                self.surcharge(&mut write, meter, beyond, state);
            } else {
                self.refund(&mut write, meter, charged.saturating_sub(actual), state);
            }
        }
        (!write.moves.is_empty() || !write.counts.is_empty()).then_some(write)
    }

    /// Gives back an amount of a meter, as far as that can be done.
    ///
    /// From each rate, it gives back at most min(unused·T, mark − now, tat − now). From a counter,
    /// only while its period lasts and if the counter shows as much. Once the plan has changed,
    /// even to another and back, it gives back nothing.
    fn refund(&self, write: &mut Write, meter: Meter, unused: u64, state: &State) {
        // If the plan changed in between, even back again, the debt was paid at another rate.
        let is_same = state.stamp.is_some() && self.left.stamp == state.stamp;
        if unused == 0 || !is_same || self.left.changed != state.changed {
            return;
        }
        let now = write.now;
        let moves: Vec<_> =
            self.rates(meter).filter_map(|it| self.back(it, unused, state, now)).collect();
        let given = i64::try_from(unused).unwrap_or(MAX_COUNT);
        let count = |counter: Counter| {
            // The counter shows the use, less what was granted; both only grow.
            let granted = state.granted(counter);
            let at_least = given.saturating_sub_unsigned(granted);
            let is_current = counter.at(now).counter == counter;
            (is_current && state.used(counter) >= at_least).then_some(Count {
                counter,
                at_least,
                at_most: MAX_COUNT,
                add: -given,
                granted,
            })
        };
        let counts: Vec<_> = self.counters(meter).filter_map(count).collect();
        if !moves.is_empty() {
            write.returned.insert(meter, (state.returned(meter), unused));
        }
        if !moves.is_empty() || !counts.is_empty() {
            write.unchanged = Some(state.changed);
        }
        write.moves.extend(moves);
        write.counts.extend(counts);
    }

    /// Takes an amount of a meter beyond the charge, even if it does not fit.
    ///
    /// It is added as debt to every rate, at most 366 days ahead, and to every counter of the
    /// periods in which the request was counted. The debt is in tokens, so the state may be under
    /// any plan. If the bucket or a rate was removed in the meantime, it is created again with this
    /// debt, under the plan of the charge.
    fn surcharge(&self, write: &mut Write, meter: Meter, beyond: u64, state: &State) {
        let now = write.now;
        let owes = |rate: RateId| {
            let found = state.tats.iter().find(|(found, _)| found.scope == rate.scope);
            let (rate, tat) = match found {
                Some((rate, tat)) => (*rate, *tat),
                // The `tat` was removed because it was idle, or with the whole bucket.
                None if state.stamp.is_none() || state.stamp == self.left.stamp => {
                    (rate, Timestamp::EPOCH)
                }
                None => return None,
            };
            let advance = rate.time_for(beyond);
            let latest = now.saturating_add(Duration::from_nanos(MAX_REFILL));
            let owed = tat.max(now).saturating_add(advance);
            let (when, to) = if tat <= now {
                (When::AtMost(now), To::At(owed.min(latest)))
            } else if owed > latest {
                // Never move `tat` back, even if it is already later than the largest debt.
                (When::Is(tat), To::At(latest.max(tat)))
            } else {
                (When::Within(now, latest.saturating_sub(advance)), To::Forward(advance))
            };
            Some(Move { rate, when, to })
        };
        let add = i64::try_from(beyond).unwrap_or(MAX_COUNT);
        let count = |counter| Count {
            counter,
            at_least: -MAX_COUNT,
            at_most: MAX_COUNT.saturating_sub(add),
            add,
            granted: 0,
        };
        write.moves.extend(self.rates(meter).filter_map(owes));
        write.counts.extend(self.counters(meter).map(count));
    }

    /// The standings of its limits in this state, from the standings right after the charge.
    ///
    /// If the state is under another plan, computes them from the state after the charge and the
    /// time since.
    pub(crate) fn standings(
        &self,
        before: &[Standing],
        state: &State,
        now: Timestamp,
    ) -> Standings {
        let state = if state.stamp == self.left.stamp { state } else { &self.left };
        before.iter().map(|standing| self.standing(*standing, state, now)).collect()
    }

    fn standing(&self, before: Standing, state: &State, now: Timestamp) -> Standing {
        let limit = before.limit;
        let mut rates = self.charge.steps.iter().map(|step| step.rate);
        if let Some(rate) = rates.find(|rate| limit == rate.scope.into()) {
            let resets = state.tat(rate).as_nanos().saturating_sub(now.as_nanos());
            let remaining = before.max.saturating_sub(resets.div_ceil(rate.interval.get()));
            return Standing { remaining, resets, ..before };
        }
        let mut counters = self.charge.counts.iter().map(|count| count.counter);
        let is_limit = |it: &Counter| limit == Limit::quota(it.meter(), it.period());
        let Some(counter) = counters.find(is_limit) else { return before };
        let window = counter.at(now);
        let states = [state, &self.left];
        let used = states.iter().find_map(|state| state.counters.get(&window.counter));
        let granted = states.iter().find_map(|state| state.granted.get(&window.counter));
        let (used, granted) = (used.copied().unwrap_or_default(), granted.copied());
        let quota = before.max.saturating_sub(self.left.granted(counter));
        Standing {
            max: quota.saturating_add(granted.unwrap_or_default()),
            remaining: quota.saturating_add_signed(used.saturating_neg()),
            resets: window.end.as_nanos().saturating_sub(now.as_nanos()),
            ..before
        }
    }

    /// The part of a charge that can be taken out of the queue again.
    fn back(&self, rate: RateId, unused: u64, state: &State, now: Timestamp) -> Option<Move> {
        let tat = *state.tats.get(&rate)?;
        let meter = rate.scope.meter();
        let returned = state.returned(meter).saturating_sub(self.left.returned(meter));
        let since = rate.time_for(returned);
        let unserved = self.left.tat(rate).saturating_sub(since).saturating_since(now);
        let back = rate.time_for(unused).min(unserved).min(tat.saturating_since(now));
        // `tat` may have grown meanwhile, never less than it was unless tokens were returned.
        let when = When::Within(now.saturating_add(back).saturating_sub(TICK), END);
        (!back.is_zero()).then_some(Move { rate, when, to: To::Back(back) })
    }

    fn rates(&self, meter: Meter) -> impl Iterator<Item = RateId> {
        let charged = self.charge.steps.iter().filter(|step| !step.spared);
        charged.map(|step| step.rate).filter(move |rate| rate.scope.meter() == meter)
    }

    fn counters(&self, meter: Meter) -> impl Iterator<Item = Counter> {
        let charged = self.charge.counts.iter().filter(|count| !count.spared);
        charged.map(|count| count.counter).filter(move |counter| counter.meter() == meter)
    }
}

const TICK: Duration = Duration::from_nanos(1);
const END: Timestamp = Timestamp::from_nanos(u64::MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PlanId;
    use crate::plan::Plan;
    use crate::plan::PlanRecord;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// A charge of five tokens, a second each, from a bucket that was full at `now`.
    fn charged(now: Timestamp) -> (Charged, State) {
        let plan = Plan::from_json(r#"{"throttle": {"rateLimit": 1, "burstLimit": 9}}"#).unwrap();
        let id = PlanId::new("plan").unwrap();
        let record = PlanRecord { id, plan, version: 1, created: now };
        let charge = Charge::new(&record, 5, now);
        let mut state = State::default();
        charge.write_to(&state).apply(&mut state);
        let subject = Subject::new("subject").unwrap();
        (Charged { subject, charge, left: state.clone(), drawn: None }, state)
    }

    #[test]
    fn no_more_is_given_back_than_is_owed_to_a_bucket_that_was_reset() {
        let now = Timestamp::from_secs(1_000_000);
        let (charged, mut state) = charged(now);
        for tat in state.tats.values_mut() {
            *tat = now.saturating_add(secs(2));
        }
        let write = charged.correction(&Settlement::from(1), &state, now).unwrap();
        assert_eq!(write.moves[0].to, To::Back(secs(2)));
        assert!(write.applies(&state));
        write.apply(&mut state);
        assert_eq!(state.tats.values().copied().collect::<Vec<_>>(), [now]);
    }

    #[test]
    fn what_was_granted_is_part_of_what_was_used() {
        let now = Timestamp::from_secs(1_000_000);
        let (charged, mut state) = charged(now);
        let later = now.saturating_add(secs(10));
        let counter = charged.charge.counts[0].counter;
        state.counters.insert(counter, 2);
        assert_eq!(
            charged.correction(&Settlement::from(2), &state, later),
            None,
            "it shows less than was used"
        );
        state.granted.insert(counter, 1);
        let write = charged.correction(&Settlement::from(2), &state, later).unwrap();
        assert!(write.applies(&state));
        // Granted away meanwhile, or reset: then it is looked at again.
        for (used, granted) in [(1, 1), (2, 0), (0, 0)] {
            state.counters.insert(counter, used);
            state.granted.insert(counter, granted);
            assert!(!write.applies(&state), "{used} {granted}");
        }
    }

    #[test]
    fn a_rate_that_was_removed_because_it_was_idle_owes_a_surcharge() {
        let now = Timestamp::from_secs(1_000_000);
        let (charged, mut state) = charged(now);
        let later = now.saturating_add(secs(7_200));
        let rate = charged.charge.steps[0].rate;
        state.tats.clear();
        let write = charged.correction(&Settlement::from(8), &state, later).unwrap();
        assert!(write.applies(&state));
        write.apply(&mut state);
        assert_eq!(state.tat(rate), later.saturating_add(secs(3)));
        // Another plan may have no such rate.
        state.tats.clear();
        state.stamp.as_mut().unwrap().version += 1;
        assert!(charged.correction(&Settlement::from(8), &state, later).unwrap().moves.is_empty());
    }
}
