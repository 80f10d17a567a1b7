//! Refunds and settlements: a request's charge is corrected to its real cost.

use super::{MAX_CALLS, Throttle};
use crate::bucket::{Receipt, State, Write};
use crate::clock::{Clock, Timestamp};
use crate::counts::tick;
use crate::failure::{Failure, ThrottleError};
use crate::hint::Memory;
#[cfg(feature = "layer")]
use crate::limit::{Standing, Standings};
use crate::store::{Answer, Store};

/// Whether a refund gave anything back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refund {
    /// It gave back what could be given back.
    Made,
    /// There was nothing that could be given back any more.
    Nothing,
}

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Gives back the tokens of a request that it didn't use.
    ///
    /// Of each rate at most min(unused·T, mark − now, `tat` − now), where the mark is the `tat`
    /// that the request's charge left: what has been refilled meanwhile is there already, and
    /// giving it back would be giving it twice. Of each quota what is unused, while its period
    /// lasts. Nothing where the plan has changed since. One conditional write, twice or three
    /// times where others write meanwhile; no call where nothing is left to give back.
    ///
    /// # Errors
    /// The store failed. The refund may have been made, and is not tried again.
    pub async fn refund(&self, receipt: Receipt, unused: u32) -> Result<Refund, ThrottleError> {
        self.give_back(&receipt, unused).await
    }

    /// Makes a request cost what it came to in the end: a refund, or a charge of the rest.
    ///
    /// The rest is charged whether it fits or not, since it has been used: later requests wait
    /// until it is paid. So the bounds hold for what was let through, by what was asked for
    /// then; a counter may show more than its quota afterwards, and `tat` lie up to 366 days
    /// ahead, not more.
    ///
    /// # Errors
    /// The store failed. The rest may have been charged, and is not tried again.
    pub async fn settle(&self, receipt: Receipt, actual: u32) -> Result<(), ThrottleError> {
        self.settle_by(&receipt, actual).await
    }

    /// Settles, and leaves the receipt to tell the standings afterwards. To be called once.
    pub(crate) async fn settle_by(
        &self,
        receipt: &Receipt,
        actual: u32,
    ) -> Result<(), ThrottleError> {
        let charged = receipt.cost().get();
        match actual.checked_sub(charged) {
            None => self.give_back(receipt, charged.saturating_sub(actual)).await.map(|_| ()),
            Some(0) => Ok(()),
            Some(rest) => {
                self.amend(receipt, |state, now| receipt.surcharge(rest, state, now)).await?;
                Ok(())
            }
        }
    }

    /// Returns the standings of a receipt's limits now, by the last state that is known here.
    #[cfg(feature = "layer")]
    pub(crate) fn standings_now(&self, receipt: &Receipt, before: &[Standing]) -> Standings {
        let state = self.known(receipt);
        let state = state.as_ref().unwrap_or(&receipt.left);
        receipt.standings(before, state, self.now())
    }

    async fn give_back(&self, receipt: &Receipt, unused: u32) -> Result<Refund, ThrottleError> {
        let refund = self.amend(receipt, |state, now| receipt.refund(unused, state, now)).await?;
        if refund == Refund::Made {
            tick(&self.tallies.refunded);
        }
        Ok(refund)
    }

    /// Returns the last state of a receipt's bucket that is known without a call.
    fn known(&self, receipt: &Receipt) -> Option<State> {
        let current = self.store.change(&receipt.subject, |state| state.clone());
        let remembered =
            || self.seen.look(&receipt.subject, |memory: &Memory| Some(memory.state().clone()));
        current.or_else(remembered).filter(|state| state.stamp.is_some())
    }

    /// Writes what `draft` makes of a receipt's bucket; nothing when it makes nothing of it.
    async fn amend(
        &self,
        receipt: &Receipt,
        draft: impl Fn(&State, Timestamp) -> Option<Write>,
    ) -> Result<Refund, ThrottleError> {
        let mut state = self.known(receipt).unwrap_or_else(|| receipt.left.clone());
        for _ in 0..MAX_CALLS {
            let Some(write) = draft(&state, self.now()) else { return Ok(Refund::Nothing) };
            let answer = self.write(&receipt.subject, &write).await?;
            let (Answer::Applied(told) | Answer::Kept(told)) = &answer;
            // It may show less use than before, and is the newer one all the same.
            let now = self.clock.moment();
            self.seen.with(&receipt.subject, |memory| memory.amend(told, now));
            match answer {
                Answer::Applied(_) => return Ok(Refund::Made),
                Answer::Kept(told) => state = told,
            }
        }
        Err(ThrottleError::Unavailable(Failure::Contended { calls: MAX_CALLS }))
    }
}
