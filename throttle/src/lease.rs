//! Leases: tokens that an instance takes from the store ahead of the requests that use them.
//!
//! An instance that gets a thousand requests a second of one subject does not need a thousand
//! writes. It takes a few dozen tokens in one write, as if for one request of that cost, and serves
//! requests from them without a call. So it never admits more than was charged. The price is
//! timing: a token may be used up to the lease's life after its charge, and the tokens that are
//! left then are lost to the subject.
//!
//! Held tokens are state: they are dropped only when they have expired.
//!
//! Leases of a subject are off by default. Leases of parents are on, see `parent`.

mod account;
mod demand;
mod drawn;
mod parent;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::bucket::{Charge, Scope, State};
use crate::clock::Moment;
use crate::id::{PlanId, Subject};
use crate::limit::{Limit, Standing, Standings};
use crate::lock::{Mutex, lock};
use account::Account;
pub(crate) use account::{Grant, Served};
pub(crate) use drawn::{Drawn, Look};
pub(crate) use parent::Parent;

/// Settings of leases, which are off by default.
///
/// An instance measures the demand for each subject, plan and method over the last second. If the
/// demand in a quarter of a lease's life is at least 8 tokens, the instance takes that number at
/// once. So with the default life of 1 second, no lease is taken below 32 tokens a second. A lease
/// takes at most a quarter of the rest of every rate, and a 64th of the rest of every quota. Near
/// the end of either, requests are decided one by one, so that other instances can use the rest.
///
/// A lease holds requests only. A request that takes a [named meter](crate::Request::meter) of its
/// plan is charged by a write of its own, as is every request if the plan has a limit that is not
/// enforced. A decision from a lease counts the tokens that it holds and those that have refilled
/// since as remaining. It does not know what other instances have charged since.
///
/// In every window w, over any number of instances, admitted <= burst + rate·(w + L + S), with L
/// for the life and S for the spread of the clocks. When the lease's life, one of its periods or
/// the instance ends, or when the plan changes, the rest of the lease is lost. It counts as used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leases {
    life: Duration,
}

impl Leases {
    /// Leases by demand, with a life of 1 second.
    #[must_use]
    pub fn adaptive() -> Self {
        Self { life: Duration::from_secs(1) }
    }

    /// Sets the life of a lease, clamped to 10 milliseconds to 10 seconds.
    #[must_use]
    pub fn life(self, life: Duration) -> Self {
        Self { life: life.clamp(Duration::from_millis(10), Duration::from_secs(10)) }
    }

    /// The number of tokens that a lease may take, if so many are wanted.
    fn size(wanted: u32, standings: &[Standing]) -> u32 {
        let shares = standings.iter().map(|standing| {
            let share = if standing.limit().is_rate() { SHARE_OF_RATE } else { SHARE_OF_QUOTA };
            standing.remaining() / share
        });
        let least = shares.min().unwrap_or_default();
        wanted.min(u32::try_from(least).unwrap_or(u32::MAX))
    }
}

/// The tokens that one instance holds, for all of its subjects.
#[derive(Debug)]
pub(crate) struct HeldLeases {
    life: Duration,
    of_parents: bool,
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    accounts: HashMap<Key, Account>,
    /// The moment at which expired accounts were removed last.
    swept: Duration,
}

/// The requests that held tokens serve: those of a subject under one plan and method.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    subject: Subject,
    plan: PlanId,
    scope: Scope,
}

/// The circumstances in which a lease was taken.
#[derive(Debug)]
pub(crate) struct Terms {
    /// The charge, and the state that it left.
    pub(crate) charge: Charge,
    pub(crate) state: State,
    pub(crate) standings: Standings,
    pub(crate) at: Moment,
    pub(crate) lasts: Duration,
}

/// One request to serve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) plan: &'a PlanId,
    pub(crate) scope: Scope,
    pub(crate) cost: NonZeroU32,
}

/// The next step of a request.
#[derive(Debug)]
pub(crate) enum Turn<'a> {
    /// It is served from held tokens.
    Served(Served),
    /// Another request is taking a lease: wait for it, and come again.
    Wait(Waiting),
    /// Take a lease of this many tokens, and report the outcome.
    Ask(Asking<'a>),
    /// Charge this request alone.
    Alone,
    /// Refuse this request of a parent: [`HeldLeases::look`] returns the time to wait.
    Paused,
}

/// Waits for a lease that another request is taking.
#[derive(Debug)]
pub(crate) struct Waiting(tokio::sync::watch::Receiver<()>);

/// The right to take a lease, which one request per account has at a time.
///
/// If it is dropped without an outcome, as in a cancelled task, it passes to the next request.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    held: &'a HeldLeases,
    key: Key,
    cost: NonZeroU32,
    tokens: NonZeroU32,
    ended: bool,
}

impl HeldLeases {
    pub(crate) fn new(leases: Leases) -> Self {
        Self { life: leases.life, of_parents: false, accounts: Mutex::default() }
    }

    /// Leases of parents, with a life of 1 second.
    pub(crate) fn of_parents() -> Self {
        Self { of_parents: true, ..Self::new(Leases::adaptive()) }
    }

    /// The time for which a token may be used, from the moment before its charge.
    pub(crate) fn life(&self) -> Duration {
        self.life
    }

    /// The next step of a request, whose limits have these standings.
    pub(crate) fn turn<'a>(
        &'a self,
        want: Want<'_>,
        version: u64,
        now: Duration,
        standings: &[Standing],
    ) -> Turn<'a> {
        let (key, cost) = (want.key(), want.cost);
        let mut accounts = lock(&self.accounts);
        let Some(account) = accounts.open(&key, now) else { return Turn::Alone };
        let turn =
            account.turn(cost, version, now, self.life, |wanted| Leases::size(wanted, standings));
        self.next(turn, key, cost)
    }

    /// The next step of a request of a parent.
    pub(crate) fn parent_turn<'a>(
        &'a self,
        want: Want<'_>,
        version: u64,
        now: Duration,
        parent: Parent<'_>,
    ) -> Turn<'a> {
        let (key, cost) = (want.key(), want.cost);
        let mut accounts = lock(&self.accounts);
        let Some(account) = accounts.open(&key, now) else { return Turn::Alone };
        let turn = account.parent_turn(cost, version, now, parent);
        self.next(turn, key, cost)
    }

    fn next(&self, turn: account::Turn, key: Key, cost: NonZeroU32) -> Turn<'_> {
        match turn {
            account::Turn::Alone => Turn::Alone,
            account::Turn::Paused => Turn::Paused,
            account::Turn::Served(served) => Turn::Served(served),
            account::Turn::Wait(closes) => Turn::Wait(Waiting(closes)),
            account::Turn::Ask(tokens) => {
                Turn::Ask(Asking { held: self, key, cost, tokens, ended: false })
            }
        }
    }
}

impl Accounts {
    /// Returns the account, opened if there is room for it.
    fn open(&mut self, key: &Key, now: Duration) -> Option<&mut Account> {
        if self.accounts.len() >= MAX_ACCOUNTS && !self.accounts.contains_key(key) {
            if now.saturating_sub(self.swept) < SWEEP {
                return None;
            }
            self.swept = now;
            self.accounts.retain(|_, account| !account.is_spent(now));
            if self.accounts.len() >= MAX_ACCOUNTS {
                return None;
            }
        }
        Some(self.accounts.entry(key.clone()).or_default())
    }
}

impl Want<'_> {
    fn key(&self) -> Key {
        Key { subject: self.subject.clone(), plan: self.plan.clone(), scope: self.scope }
    }
}

impl Asking<'_> {
    /// The number of tokens to take. They pay for this request too.
    pub(crate) fn tokens(&self) -> NonZeroU32 {
        self.tokens
    }

    /// Keeps the granted tokens, less the cost of this request.
    pub(crate) fn keep(mut self, grant: Grant, now: Duration) {
        let cost = self.cost;
        self.end(|account| account.keep(cost, grant, now));
    }

    /// Keeps a parent's grant, less the cost of this request.
    ///
    /// `limits` are those that refused a first try for more.
    pub(crate) fn keep_of_parent(mut self, grant: Grant, limits: Vec<Limit>, now: Duration) {
        let cost = self.cost;
        self.end(|account| account.keep_of_parent(cost, grant, limits, now));
    }

    /// Gives up, because a parent's limits have no room. Its requests are refused for a while.
    pub(crate) fn pause(mut self, limits: Vec<Limit>, now: Duration) {
        self.end(|account| account.pause(limits, now));
    }

    /// Gives up, because the store refused or failed. Nothing is leased for a second.
    pub(crate) fn rest(mut self, now: Duration) {
        self.end(|account| account.rest(now));
    }

    fn end(&mut self, outcome: impl FnOnce(&mut Account)) {
        self.ended = true;
        lock(&self.held.accounts).accounts.get_mut(&self.key).map(outcome);
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Account::pass_on);
        }
    }
}

impl Waiting {
    /// Returns when the other request has its answer or was dropped.
    pub(crate) async fn ended(mut self) {
        // Nothing is ever sent: the channel closes.
        let _ = self.0.changed().await;
    }
}

/// A lease may take one in this many of the tokens that a rate has left.
const SHARE_OF_RATE: u64 = 4;
/// The same for a quota, because its lost tokens are not refilled.
pub(crate) const SHARE_OF_QUOTA: u64 = 64;
const MAX_ACCOUNTS: usize = 65_536;
/// The least time between two searches for expired accounts.
const SWEEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
