//! The tokens that an instance holds for one subject: pure, it receives the time.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Terms;
use super::demand::Demand;
use crate::limit::Limit;

/// The tokens that an instance holds for a subject under one plan and method.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(super) demand: Demand,
    /// The tokens that were charged and not used yet.
    pub(super) lot: Option<Grant>,
    /// A request is taking a lease; dropping this wakes all that wait for it.
    pub(super) asking: Option<watch::Sender<()>>,
    /// After a failed attempt, nothing is leased until then.
    pub(super) rests_until: Duration,
    /// The limits that made a parent's last grant too small.
    pub(super) limits: Vec<Limit>,
    /// The most that is asked of a parent at once, after a grant that was too small.
    pub(super) most: Option<NonZeroU32>,
}

/// A request that was served from a lease.
#[derive(Debug)]
pub(crate) struct Served {
    /// The tokens left in the lease.
    pub(crate) left: u32,
    /// The end of the lease's life, which identifies the lease.
    pub(crate) until: Duration,
    /// The limits when the lease was taken.
    pub(crate) terms: Arc<Terms>,
}

/// The next step of a request.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is served from held tokens.
    Served(Served),
    /// Another request is taking a lease: wait until this channel closes, and come again.
    Wait(watch::Receiver<()>),
    /// Take a lease of this many tokens.
    Ask(NonZeroU32),
    /// Charge this request alone.
    Alone,
    /// Refuse this request, because a parent's last grant was too small.
    Paused,
}

/// The tokens of a lease.
#[derive(Debug)]
pub(crate) struct Grant {
    /// The number of tokens that were charged and not used yet.
    pub(crate) tokens: u32,
    /// The end of their use.
    pub(crate) until: Duration,
    /// The version of the plan of the charge.
    pub(crate) version: u64,
    /// The limits.
    pub(crate) terms: Arc<Terms>,
}

impl Account {
    /// Serves a request from what is held, if that is enough.
    pub(super) fn serve(&mut self, cost: NonZeroU32, now: Duration) -> Option<Served> {
        let served = self.draw(cost, now)?;
        self.demand.add(cost, now);
        Some(served)
    }

    /// Takes the tokens of a request, if so many are held.
    pub(super) fn draw(&mut self, cost: NonZeroU32, now: Duration) -> Option<Served> {
        let lot = self.lot.as_mut().filter(|lot| now < lot.until)?;
        lot.tokens = lot.tokens.checked_sub(cost.get())?;
        let terms = Arc::clone(&lot.terms);
        Some(Served { left: lot.tokens, until: lot.until, terms })
    }

    /// Returns the lot that ends at `until`, if it has not ended.
    pub(super) fn lot(&mut self, until: Duration, now: Duration) -> Option<&mut Grant> {
        self.lot.as_mut().filter(|lot| lot.until == until && now < until)
    }

    /// The next step of a request; `size` returns the tokens that a lease may take of the wanted
    /// number.
    pub(crate) fn turn(
        &mut self,
        cost: NonZeroU32,
        version: u64,
        now: Duration,
        lasts: Duration,
        size: impl FnOnce(u32) -> u32,
    ) -> Turn {
        self.drop_older(version);
        if let Some(served) = self.serve(cost, now) {
            return Turn::Served(served);
        }
        if let Some(asking) = &self.asking {
            return Turn::Wait(asking.subscribe());
        }
        self.demand.add(cost, now);
        if now < self.rests_until {
            return Turn::Alone;
        }
        let wanted = self.demand.within(lasts / PART_OF_LIFE, now);
        if wanted < LEAST {
            return Turn::Alone;
        }
        match NonZeroU32::new(size(wanted)) {
            Some(tokens) if tokens.get() >= LEAST && tokens > cost => {
                self.asking = Some(watch::Sender::new(()));
                Turn::Ask(tokens)
            }
            _ => Turn::Alone,
        }
    }

    /// Drops tokens of another version of the plan, which has other limits.
    pub(super) fn drop_older(&mut self, version: u64) {
        if self.lot.as_ref().is_some_and(|lot| lot.version != version) {
            self.lot = None;
        }
    }

    /// Keeps the granted tokens, less the cost of the request that took them.
    pub(crate) fn keep(&mut self, cost: NonZeroU32, grant: Grant, now: Duration) {
        self.asking = None;
        let held = self.lot.take();
        let held = held.filter(|lot| now < lot.until && lot.version == grant.version);
        // The rest of an older lease was too small for this request, and is used first.
        let held = held.map_or(0, |lot| lot.tokens);
        let from_grant = cost.get().saturating_sub(held);
        // A lot without tokens is kept too: a refund may return some.
        let left = grant.tokens.checked_sub(from_grant);
        self.lot = left.map(|tokens| Grant { tokens, ..grant });
    }

    /// Gives up; nothing is leased for a while.
    pub(crate) fn rest(&mut self, now: Duration) {
        self.asking = None;
        self.rests_until = now.saturating_add(REST);
    }

    /// Lets the next request try, because the outcome of this attempt is unknown.
    pub(crate) fn pass_on(&mut self) {
        self.asking = None;
    }

    /// Returns true if the account can be dropped without an effect.
    pub(crate) fn is_spent(&self, now: Duration) -> bool {
        let holds = self.lot.as_ref().is_some_and(|lot| lot.tokens > 0 && now < lot.until);
        !holds && self.asking.is_none() && self.rests_until <= now && self.demand.is_over(now)
    }
}

/// A lease covers the demand of this part of its life, so most of it is used long before it ends.
const PART_OF_LIFE: u32 = 4;
/// Leases of fewer tokens are not taken.
pub(crate) const LEAST: u32 = 8;
/// The time without leases after a failed attempt.
pub(crate) const REST: Duration = Duration::from_secs(1);
