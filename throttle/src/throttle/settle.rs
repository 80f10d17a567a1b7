//! Refunds and settlements: a request's charge is corrected to its real cost.

use std::borrow::Cow;

use super::decide::MAX_CALLS;
use super::{Throttle, add};
use crate::bucket::{Charge, State, Write};
use crate::charged::Charged;
use crate::clock::Clock;
use crate::failure::{Failure, ThrottleError};
#[cfg(feature = "layer")]
use crate::id::Subject;
use crate::lease::{Drawn, HeldLeases};
use crate::limit::{Standing, Standings};
use crate::meter::Meter;
use crate::receipt::Receipt;
use crate::settlement::Settlement;
use crate::store::{Answer, Store};

/// The outcome of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refund {
    /// Tokens were given back.
    Made,
    /// No tokens could be given back any more.
    Nothing,
}

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Gives back the unused part of a request's cost. Other meters keep what was charged.
    ///
    /// Each rate gets back at most min(unused·T, mark − now, `tat` − now), where the mark is the
    /// `tat` that the request's charge left: refilled tokens must not be given back again. Each
    /// quota gets back the unused part, while its period lasts. If the plan has changed since,
    /// nothing is given back. Makes one conditional write for each level, two or three if others
    /// write in between, and no call if nothing is left to give back.
    ///
    /// # Errors
    /// The store failed. The refund may have been made, and is not retried.
    pub async fn refund(&self, receipt: Receipt, unused: u32) -> Result<Refund, ThrottleError> {
        let rest = receipt.cost().saturating_sub(unused);
        let made = self.settle_by(&receipt, &rest.into()).await?;
        Ok(if made { Refund::Made } else { Refund::Nothing })
    }

    /// Corrects a request's charge to its real cost and amounts, in one write for each level. Each
    /// meter is refunded, or charged the rest. If `actual` is a number, it is the real cost, and
    /// other meters keep their charge.
    ///
    /// The rest is charged even if it does not fit, because it has been used: later requests wait
    /// until it is paid. So the bounds hold for the amounts at the time of admission. A counter
    /// may show more than its quota afterwards, and `tat` may lie up to 366 days ahead.
    ///
    /// # Errors
    /// A named meter is settled that the request did not reserve, or an amount is above the largest
    /// quota: nothing is changed. Or the store failed: the rest may have been charged, and is not
    /// retried.
    pub async fn settle(
        &self,
        receipt: Receipt,
        actual: impl Into<Settlement>,
    ) -> Result<(), ThrottleError> {
        self.settle_by(&receipt, &actual.into()).await?;
        Ok(())
    }

    /// Settles, and keeps the receipt for the standings afterwards. Call it only once.
    ///
    /// Returns true if a charge was changed. If one level fails, the others are still settled.
    pub(crate) async fn settle_by(
        &self,
        receipt: &Receipt,
        actual: &Settlement,
    ) -> Result<bool, ThrottleError> {
        receipt.check(actual)?;
        let mut outcome = Ok(false);
        for charged in &receipt.charges {
            match (self.correct(charged, actual).await, &mut outcome) {
                (Ok(changed), Ok(any)) => *any |= changed,
                (Err(error), Ok(_)) => outcome = Err(error),
                (_, Err(_)) => {}
            }
        }
        outcome
    }

    /// Corrects one level's charge. Returns true if it was changed.
    pub(super) async fn correct(
        &self,
        charged: &Charged,
        actual: &Settlement,
    ) -> Result<bool, ThrottleError> {
        let of_requests = actual.of(Meter::REQUESTS);
        let cost = charged.charge.cost;
        let real = of_requests.unwrap_or(cost.into());
        let mut actual = Cow::Borrowed(actual);
        if let Some(drawn) = &charged.drawn
            && let Some(held) = self.holder(drawn)
            && let Some(beyond) = held.settle(drawn, cost, real, self.clock.monotonic())
        {
            if beyond == 0 {
                return Ok(real != u64::from(cost));
            }
            let real = u64::from(cost).saturating_add(beyond);
            actual = Cow::Owned(Settlement::default().meter(Meter::REQUESTS, real));
        }
        let mut state = self.last_state(charged);
        for _ in 0..MAX_CALLS {
            let Some(write) = charged.correction(&actual, &state, self.now()) else {
                return Ok(false);
            };
            let Some(kept) = self.amend(charged, &write).await? else {
                if write.unchanged.is_some() {
                    add(&mut self.stats_mut().refunded);
                }
                return Ok(true);
            };
            state = kept;
        }
        Err(ThrottleError::Unavailable(Failure::Contended { calls: MAX_CALLS }))
    }

    /// Returns the leases that tokens were drawn from.
    fn holder(&self, drawn: &Drawn) -> Option<&HeldLeases> {
        if drawn.of_parent { Some(&self.parents) } else { self.leases.as_ref() }
    }

    /// Returns the current standings of a level's limits, by the last known state.
    #[cfg(feature = "layer")]
    pub(crate) fn standings_now(
        &self,
        receipt: &Receipt,
        level: &Subject,
        before: &[Standing],
    ) -> Standings {
        match receipt.charges.iter().find(|charged| charged.subject == *level) {
            Some(charged) => self.standings_of(charged, before),
            None => before.to_vec(),
        }
    }

    /// Returns the current standings of a charge's limits, by the last known state.
    pub(super) fn standings_of(&self, charged: &Charged, before: &[Standing]) -> Standings {
        let last = self.predictor.last(&charged.subject);
        if before.is_empty() && last.state().stamp == charged.left.stamp {
            // Nothing was known of the bucket until the settlement.
            let charge = Charge { now: self.now(), ..charged.charge.clone() };
            return charge.standings(last.state());
        }
        let mut standings = charged.standings(before, &self.last_state(charged), self.now());
        if let Some(drawn) = &charged.drawn
            && let Some(held) = self.holder(drawn)
        {
            let left = held.left(drawn, self.clock.monotonic());
            standings.iter_mut().for_each(|standing| standing.hold(left));
        }
        standings
    }

    /// Writes to a charge's bucket. Returns the state that the write did not apply to, if any.
    async fn amend(
        &self,
        charged: &Charged,
        write: &Write,
    ) -> Result<Option<State>, ThrottleError> {
        let answer = self.write(&charged.subject, write).await?;
        let (state, kept) = match answer {
            Answer::Applied(state) => (state, false),
            Answer::Kept(state) => (state, true),
        };
        self.predictor.note_refund(&charged.subject, &state, self.clock.moment());
        Ok(kept.then_some(state))
    }

    /// The last known state of a charge's bucket: at least the state that the charge left.
    ///
    /// Answers may arrive out of order. A state from before the charge would show too little use,
    /// and nothing would be given back. If the last answer was to a request without a meter, it
    /// lacks the meter's counters, so they are taken from the charge.
    fn last_state(&self, charged: &Charged) -> State {
        let (last, left) = (self.predictor.last(&charged.subject), &charged.left);
        let is_later = last.state().writes >= left.writes;
        let mut state = if is_later { last.state() } else { left }.clone();
        for (counter, used) in &left.counters {
            state.counters.entry(*counter).or_insert(*used);
        }
        for (counter, granted) in &left.granted {
            state.granted.entry(*counter).or_insert(*granted);
        }
        state
    }
}
