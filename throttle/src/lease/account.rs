//! What an instance holds for one subject: pure, it receives the time.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::demand::{Demand, nanos};

/// The tokens that an instance holds for a subject under one plan and method.
///
/// `T` is what was decided with them, for the requests that they serve.
#[derive(Clone, Debug)]
pub(crate) struct Account<T> {
    demand: Demand,
    lot: Option<Lot<T>>,
    /// Somebody is asking the store for tokens; dropping it wakes all who wait for them.
    asking: Option<Arc<watch::Sender<()>>>,
    /// Until when nothing is leased, after an attempt that failed: in nanoseconds.
    rests_until: u64,
}

/// Tokens that have been taken from the store and not been used yet.
#[derive(Clone, Debug)]
struct Lot<T> {
    left: u32,
    /// In nanoseconds.
    until: u64,
    version: u64,
    terms: T,
}

/// A request that was served from a lease.
#[derive(Debug)]
pub(crate) struct Served<T> {
    /// How many tokens are left in the lease.
    pub(crate) left: u32,
    /// What was decided when they were taken from the store.
    pub(crate) terms: T,
}

/// What a request that no lease has served yet is to do.
#[derive(Debug)]
pub(crate) enum Turn<T> {
    /// It is served by tokens that have come in the meantime.
    Served(Served<T>),
    /// Another request is asking for tokens: wait until this channel closes, and come again.
    Wait(watch::Receiver<()>),
    /// Ask the store for this many tokens, and say what came of it.
    Ask(NonZeroU32),
    /// Ask the store for this request alone.
    Alone,
}

/// Tokens as the store has granted them.
#[derive(Debug)]
pub(crate) struct Grant<T> {
    /// How many were charged.
    pub(crate) tokens: u32,
    /// Until when they may be used.
    pub(crate) until: Duration,
    /// The version of the plan that they were charged under.
    pub(crate) version: u64,
    /// What was decided.
    pub(crate) terms: T,
}

impl<T> Default for Account<T> {
    fn default() -> Self {
        Self { demand: Demand::default(), lot: None, asking: None, rests_until: 0 }
    }
}

impl<T: Clone> Account<T> {
    /// Serves a request from what is held, if that is enough.
    pub(crate) fn serve(&mut self, cost: NonZeroU32, now: Duration) -> Option<Served<T>> {
        let lot = self.lot.as_mut().filter(|lot| nanos(now) < lot.until)?;
        lot.left = lot.left.checked_sub(cost.get())?;
        self.demand.add(cost, now);
        Some(Served { left: lot.left, terms: lot.terms.clone() })
    }

    /// What a request is to do that was not served; `size` says how many tokens may be taken
    /// from the store where so many are wanted.
    pub(crate) fn turn(
        &mut self,
        cost: NonZeroU32,
        version: u64,
        now: Duration,
        lasts: Duration,
        size: impl FnOnce(u32) -> u32,
    ) -> Turn<T> {
        // A plan that was changed has other limits: what was taken under the older is let go.
        if self.lot.as_ref().is_some_and(|lot| lot.version != version) {
            self.lot = None;
        }
        if let Some(served) = self.serve(cost, now) {
            return Turn::Served(served);
        }
        if let Some(asking) = &self.asking {
            return Turn::Wait(asking.subscribe());
        }
        self.demand.add(cost, now);
        if nanos(now) < self.rests_until {
            return Turn::Alone;
        }
        let wanted = self.demand.within(lasts / PART_OF_LIFE, now);
        if wanted < LEAST {
            return Turn::Alone;
        }
        match NonZeroU32::new(size(wanted)) {
            Some(tokens) if tokens.get() >= LEAST && tokens > cost => {
                self.asking = Some(Arc::new(watch::Sender::new(())));
                Turn::Ask(tokens)
            }
            _ => Turn::Alone,
        }
    }

    /// Keeps what the store has granted, but for what the request that asked for it costs.
    pub(crate) fn keep(&mut self, cost: NonZeroU32, grant: Grant<T>, now: Duration) {
        self.asking = None;
        let version = grant.version;
        let held = self.lot.take().filter(|lot| nanos(now) < lot.until && lot.version == version);
        // What is left of an older lot was not enough for this request: it is used up first.
        let held = held.map_or(0, |lot| lot.left);
        let from_grant = cost.get().saturating_sub(held);
        if let Some(left) = grant.tokens.checked_sub(from_grant).filter(|left| *left > 0) {
            let (until, terms) = (nanos(grant.until), grant.terms);
            self.lot = Some(Lot { left, until, version, terms });
        }
    }

    /// Gives up asking; nothing is leased for a while.
    pub(crate) fn rest(&mut self, now: Duration) {
        self.asking = None;
        self.rests_until = nanos(now.saturating_add(REST));
    }

    /// Leaves asking to the next, as nothing is known of what came of it.
    pub(crate) fn pass_on(&mut self) {
        self.asking = None;
    }

    /// Whether forgetting it changes nothing.
    pub(crate) fn is_spent(&self, now: Duration) -> bool {
        let holds = self.lot.as_ref().is_some_and(|lot| lot.left > 0 && nanos(now) < lot.until);
        !holds
            && self.asking.is_none()
            && self.rests_until <= nanos(now)
            && self.demand.is_over(now)
    }
}

/// A lease is for the demand of this part of its life: most is used long before it ends.
const PART_OF_LIFE: u32 = 4;
/// Leases of fewer tokens are not taken.
pub(crate) const LEAST: u32 = 8;
/// How long nothing is leased after an attempt that failed.
pub(crate) const REST: Duration = Duration::from_secs(1);
