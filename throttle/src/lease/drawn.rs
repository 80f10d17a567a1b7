//! Tokens that a request has drawn from a lease, and their return.

use std::time::Duration;

use super::{HeldLeases, Key, Want};
use crate::limit::Limit;
use crate::lock::lock;

/// Tokens of one request that were taken from a lease: its account, and the end of its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drawn {
    key: Key,
    until: Duration,
    /// True if it is the account of a parent.
    pub(crate) of_parent: bool,
}

/// The next step for a request, as far as the account shows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It can be served from held tokens.
    Holds,
    /// It is refused for this time, because these limits had no room.
    Paused(Duration, Vec<Limit>),
    /// The table has to be asked.
    Unknown,
}

impl HeldLeases {
    /// Returns what is held for a request, without taking it.
    pub(crate) fn look(&self, want: Want<'_>, version: u64, now: Duration) -> Look {
        let accounts = lock(&self.accounts);
        let Some(account) = accounts.accounts.get(&want.key()) else { return Look::Unknown };
        let lot = account.lot.as_ref().filter(|lot| lot.version == version && now < lot.until);
        if lot.is_some_and(|lot| lot.tokens >= want.cost.get()) {
            return Look::Holds;
        }
        let left = account.rests_until.saturating_sub(now);
        if !self.of_parents || left.is_zero() || account.asking.is_some() {
            return Look::Unknown;
        }
        Look::Paused(left, account.limits.clone())
    }

    /// Counts a request that a pause refuses, because the next lease must cover such requests too.
    pub(crate) fn count(&self, want: Want<'_>, now: Duration) {
        if let Some(account) = lock(&self.accounts).accounts.get_mut(&want.key()) {
            account.demand.add(want.cost, now);
        }
    }

    /// The name of a request's tokens, from the lease that ends then.
    pub(crate) fn drawn(&self, want: Want<'_>, until: Duration) -> Drawn {
        Drawn { key: want.key(), until, of_parent: self.of_parents }
    }

    /// Corrects a request's tokens to the real number, while their lease lasts.
    ///
    /// Returns the number that the lease lacks, which must be charged. `None` if it has ended.
    pub(crate) fn settle(
        &self,
        drawn: &Drawn,
        cost: u32,
        actual: u64,
        now: Duration,
    ) -> Option<u64> {
        let mut accounts = lock(&self.accounts);
        let account = accounts.accounts.get_mut(&drawn.key)?;
        let lot = account.lot(drawn.until, now)?;
        let Some(beyond) = actual.checked_sub(cost.into()) else {
            let unused = u64::from(cost).saturating_sub(actual);
            lot.tokens = lot.tokens.saturating_add(u32::try_from(unused).unwrap_or(u32::MAX));
            return Some(0);
        };
        let held = u32::try_from(beyond).unwrap_or(u32::MAX).min(lot.tokens);
        lot.tokens = lot.tokens.saturating_sub(held);
        Some(beyond.saturating_sub(held.into()))
    }

    /// Returns the tokens left in a request's lease; 0 once it has ended.
    pub(crate) fn left(&self, drawn: &Drawn, now: Duration) -> u32 {
        let mut accounts = lock(&self.accounts);
        let account = accounts.accounts.get_mut(&drawn.key);
        account.and_then(|it| it.lot(drawn.until, now)).map_or(0, |lot| lot.tokens)
    }

    /// Removes a counted request from the demand, because it was not admitted.
    pub(crate) fn uncount(&self, want: Want<'_>) {
        if let Some(account) = lock(&self.accounts).accounts.get_mut(&want.key()) {
            account.demand.remove(want.cost);
        }
    }
}
