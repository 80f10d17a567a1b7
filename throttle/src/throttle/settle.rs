//! Refunds and settlements: a request's charge is corrected to its real cost.

use super::decide::MAX_CALLS;
use super::{Throttle, add};
use crate::bucket::{State, Write};
use crate::clock::Clock;
use crate::failure::{Failure, ThrottleError};
#[cfg(feature = "layer")]
use crate::limit::{Standing, Standings};
use crate::receipt::Receipt;
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
    /// Gives back the unused tokens of a request.
    ///
    /// Of each rate at most min(unused·T, mark − now, `tat` − now), with the mark for the `tat`
    /// that the request's charge left: giving back refilled tokens would give them twice. Of each
    /// quota the unused part, while its period lasts. Nothing if the plan has changed since. One
    /// conditional write, two or three if others write meanwhile; no call if nothing is left to
    /// give back.
    ///
    /// # Errors
    /// The store failed. The refund may have been made, and is not retried.
    pub async fn refund(&self, receipt: Receipt, unused: u32) -> Result<Refund, ThrottleError> {
        self.give_back(&receipt, unused).await
    }

    /// Corrects a request's charge to its real cost: by a refund, or by a charge of the rest.
    ///
    /// The rest is charged even if it does not fit, because it has been used: later requests wait
    /// until it is paid. So the bounds hold for the costs at the time of admission. A counter
    /// may show more than its quota afterwards, and `tat` may lie up to 366 days ahead.
    ///
    /// # Errors
    /// The store failed. The rest may have been charged, and is not retried.
    pub async fn settle(&self, receipt: Receipt, actual: u32) -> Result<(), ThrottleError> {
        self.settle_by(&receipt, actual).await
    }

    /// Settles, and leaves the receipt for the standings afterwards. To be called once.
    pub(crate) async fn settle_by(
        &self,
        receipt: &Receipt,
        actual: u32,
    ) -> Result<(), ThrottleError> {
        let cost = receipt.cost().get();
        if actual <= cost {
            self.give_back(receipt, cost.saturating_sub(actual)).await?;
            return Ok(());
        }
        let rest = actual.saturating_sub(cost);
        let mut state = self.last_state(receipt);
        for _ in 0..MAX_CALLS {
            let write = receipt.surcharge(rest, &state, self.now());
            let Some(kept) = self.amend(receipt, write).await? else { return Ok(()) };
            state = kept;
        }
        Err(ThrottleError::Unavailable(Failure::Contended { calls: MAX_CALLS }))
    }

    /// Returns the current standings of a receipt's limits, by the last known state.
    #[cfg(feature = "layer")]
    pub(crate) fn standings_now(&self, receipt: &Receipt, before: &[Standing]) -> Standings {
        receipt.standings(before, &self.last_state(receipt), self.now())
    }

    async fn give_back(&self, receipt: &Receipt, unused: u32) -> Result<Refund, ThrottleError> {
        let mut state = self.last_state(receipt);
        for _ in 0..MAX_CALLS {
            let Some(write) = receipt.refund(unused, &state, self.now()) else {
                return Ok(Refund::Nothing);
            };
            let Some(kept) = self.amend(receipt, Some(write)).await? else {
                add(&mut self.stats_mut().refunded);
                return Ok(Refund::Made);
            };
            state = kept;
        }
        Err(ThrottleError::Unavailable(Failure::Contended { calls: MAX_CALLS }))
    }

    /// Writes to a receipt's bucket. Returns the state that the write did not apply to, if any.
    async fn amend(
        &self,
        receipt: &Receipt,
        write: Option<Write>,
    ) -> Result<Option<State>, ThrottleError> {
        let Some(write) = write else { return Ok(None) };
        let answer = self.write(&receipt.subject, &write).await?;
        let (state, kept) = match answer {
            Answer::Applied(state) => (state, false),
            Answer::Kept(state) => (state, true),
        };
        self.predictor.note_refund(&receipt.subject, &state, self.clock.moment());
        Ok(kept.then_some(state))
    }

    /// The last known state of a receipt's bucket: at least the state that its charge left.
    fn last_state(&self, receipt: &Receipt) -> State {
        let last = self.predictor.last(&receipt.subject);
        let state = if last.state().stamp.is_some() { last.state() } else { &receipt.left };
        state.clone()
    }
}
