//! Leases: tokens that an instance takes from the store ahead of the requests that use them.
//!
//! An instance that is asked a thousand times a second for one subject need not write a
//! thousand times. It takes a few dozen tokens in one write, as if that were one request of
//! that cost, and serves requests from them without a call. So no more is ever admitted than was
//! charged. What is given up is *when*: a token may be used up to the lease's life after it was
//! charged, and what is left at the end of that is lost to the subject.

mod account;
mod demand;

use std::hash::RandomState;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::bucket::Scope;
use crate::limit::{Limit, Standing};
use crate::lock::Lock;
use crate::name::{PlanId, Subject};
use crate::tag::{SHARDS, Sought, Tag};
use account::Account;
pub(crate) use account::{Grant, Served};

/// How leases are taken. Without this, none are.
///
/// An instance measures what is asked of it for each subject, plan and method, over the last
/// second. Where a quarter of a lease's life asks for at least 8 tokens, it takes as many at
/// once; so with the life of a second that it has by default, nothing changes below 32 a
/// second. It takes no more than a quarter of what every rate has left, nor more than a 64th of
/// what every quota has left: near the ends of both, requests are decided one by one, and
/// the other instances find what is left.
///
/// In every window w, over any number of instances, admitted <= burst + rate·(w + L + S) with L
/// for the life and S for the spread of the clocks. What is left of a lease is lost when its life
/// ends, when one of its periods does, when the plan has changed, and with the instance. It
/// counts as used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leases {
    life: Duration,
}

impl Leases {
    /// Leases where the demand asks for them, which live for a second.
    #[must_use]
    pub fn adaptive() -> Self {
        Self { life: Duration::from_secs(1) }
    }

    /// Sets how long a lease lives: from 10 milliseconds to 10 seconds, the nearer if beyond.
    #[must_use]
    pub fn life(self, life: Duration) -> Self {
        Self { life: life.clamp(Duration::from_millis(10), Duration::from_secs(10)) }
    }

    /// How many tokens a lease may take of what is left, if so many are wanted.
    fn size(wanted: u32, standings: &[Standing]) -> u32 {
        let shares = standings.iter().map(|standing| match standing.limit() {
            Limit::Burst | Limit::Method => standing.remaining() / SHARE_OF_RATE,
            Limit::Daily | Limit::Weekly | Limit::Monthly => standing.remaining() / SHARE_OF_QUOTA,
            // It has no standing.
            Limit::Contention => 0,
        });
        let least = shares.min().unwrap_or_default();
        wanted.min(u32::try_from(least).unwrap_or(u32::MAX))
    }
}

/// What one instance holds, for all of its subjects.
#[derive(Debug)]
pub(crate) struct Held<T, L = Mutex<Shard<T>>> {
    life: Duration,
    hasher: RandomState,
    shards: Vec<L>,
    _terms: std::marker::PhantomData<fn() -> T>,
}

/// Some of the subjects. A name is hashed once, for the shard and for the place in it.
type Shard<T> = HashTable<Holder<T>>;

/// A subject with its accounts: mostly one, since mostly it has one plan.
#[derive(Clone, Debug)]
pub(crate) struct Holder<T> {
    tag: Tag,
    accounts: SmallVec<[(Under, Account<T>); 1]>,
}

/// What a subject's tokens are good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Under {
    pub(crate) plan: PlanId,
    pub(crate) scope: Scope,
}

/// One request that wants to be served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) plan: &'a PlanId,
    pub(crate) scope: Scope,
    pub(crate) cost: NonZeroU32,
}

/// What a request that no lease has served yet is to do.
#[derive(Debug)]
pub(crate) enum Turn<'a, T: Clone, L: Lock<Shard<T>> = Mutex<Shard<T>>> {
    /// It is served by tokens that have come in the meantime.
    Served(Served<T>),
    /// Another request is asking for tokens: wait for it, and come again.
    Wait(Waiting),
    /// Ask the store for tokens, and say what came of it.
    Ask(Asking<'a, T, L>),
    /// Ask the store for this request alone.
    Alone,
}

/// Waits for tokens that another request is asking for.
#[derive(Debug)]
pub(crate) struct Waiting(tokio::sync::watch::Receiver<()>);

/// The right to ask for tokens, which one request for an account has at a time.
///
/// Dropped without a word, as with a cancelled task, it passes to the next.
#[derive(Debug)]
pub(crate) struct Asking<'a, T: Clone, L: Lock<Shard<T>> = Mutex<Shard<T>>> {
    held: &'a Held<T, L>,
    want: Want<'a>,
    tokens: NonZeroU32,
    ended: bool,
}

impl<T: Clone, L: Lock<Shard<T>>> Held<T, L> {
    pub(crate) fn new(leases: Leases) -> Self {
        Self {
            life: leases.life,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| L::guarding(Shard::new())).collect(),
            _terms: std::marker::PhantomData,
        }
    }

    /// How long a token may be used, from the moment before it was asked for.
    pub(crate) fn life(&self) -> Duration {
        self.life
    }

    /// Serves a request from what is held, if that is enough.
    pub(crate) fn serve(&self, want: &Want<'_>, now: Duration) -> Option<Served<T>> {
        let sought = self.sought(want);
        let shard = sought.shard(&self.shards)?;
        shard.with(|shard| account(shard, &sought, want)?.serve(want.cost, now))
    }

    /// What a request is to do that was not served; `standings` is how the limits stand.
    pub(crate) fn turn<'a>(
        &'a self,
        want: Want<'a>,
        version: u64,
        now: Duration,
        standings: &[Standing],
    ) -> Turn<'a, T, L> {
        let sought = self.sought(&want);
        let Some(shard) = sought.shard(&self.shards) else { return Turn::Alone };
        let turn = shard.with(|shard| {
            let account = open(shard, &sought, &want, now)?;
            let size = |wanted| Leases::size(wanted, standings);
            Some(account.turn(want.cost, version, now, self.life, size))
        });
        match turn {
            None | Some(account::Turn::Alone) => Turn::Alone,
            Some(account::Turn::Served(served)) => Turn::Served(served),
            Some(account::Turn::Wait(closes)) => Turn::Wait(Waiting(closes)),
            Some(account::Turn::Ask(tokens)) => {
                Turn::Ask(Asking { held: self, want, tokens, ended: false })
            }
        }
    }

    fn sought<'a>(&self, want: &Want<'a>) -> Sought<'a> {
        Sought::new(want.subject, &self.hasher)
    }

    fn change(&self, want: &Want<'_>, change: impl FnOnce(&mut Account<T>)) {
        let sought = self.sought(want);
        if let Some(shard) = sought.shard(&self.shards) {
            shard.with(|shard| account(shard, &sought, want).map(change));
        }
    }
}

impl<T: Clone, L: Lock<Shard<T>>> Asking<'_, T, L> {
    /// How many tokens to ask for. They pay for the request that asks, too.
    pub(crate) fn tokens(&self) -> NonZeroU32 {
        self.tokens
    }

    /// Keeps what the store has granted. The request that asked has been served.
    pub(crate) fn keep(mut self, grant: Grant<T>, now: Duration) {
        self.ended = true;
        self.held.change(&self.want, |account| account.keep(self.want.cost, grant, now));
    }

    /// Gives up: the store refused so many, or failed. Nothing is leased for a second.
    pub(crate) fn rest(mut self, now: Duration) {
        self.ended = true;
        self.held.change(&self.want, |account| account.rest(now));
    }
}

impl<T: Clone, L: Lock<Shard<T>>> Drop for Asking<'_, T, L> {
    fn drop(&mut self) {
        if !self.ended {
            self.held.change(&self.want, Account::pass_on);
        }
    }
}

impl Waiting {
    /// Returns when the other request has its answer, or has gone away.
    pub(crate) async fn ended(mut self) {
        // Nothing is ever sent: the channel closes.
        let _ = self.0.changed().await;
    }
}

fn account<'a, T: Clone>(
    shard: &'a mut Shard<T>,
    sought: &Sought<'_>,
    want: &Want<'_>,
) -> Option<&'a mut Account<T>> {
    shard.find_mut(sought.hash, |holder| holder.tag.is(sought))?.account(want)
}

/// The account, opened if there is room for it.
fn open<'a, T: Clone>(
    shard: &'a mut Shard<T>,
    sought: &Sought<'_>,
    want: &Want<'_>,
    now: Duration,
) -> Option<&'a mut Account<T>> {
    let same = |holder: &Holder<T>| holder.tag.is(sought);
    if shard.find(sought.hash, same).is_none() {
        if shard.len() >= MAX_SUBJECTS_A_SHARD {
            shard.retain(|holder| holder.forget(now));
            if shard.len() >= MAX_SUBJECTS_A_SHARD {
                return None;
            }
        }
        let holder = Holder { tag: Tag::from(sought), accounts: SmallVec::new() };
        shard.insert_unique(sought.hash, holder, |holder| holder.tag.hash());
    }
    let holder = shard.find_mut(sought.hash, same)?;
    if holder.account(want).is_none() {
        holder.open(want, now);
    }
    holder.account(want)
}

impl<T: Clone> Holder<T> {
    fn account(&mut self, want: &Want<'_>) -> Option<&mut Account<T>> {
        let mut accounts = self.accounts.iter_mut();
        let found =
            accounts.find(|(under, _)| under.scope == want.scope && under.plan == *want.plan);
        found.map(|(_, account)| account)
    }

    /// Opens an account if there is room for one more.
    fn open(&mut self, want: &Want<'_>, now: Duration) {
        if self.accounts.len() >= MAX_ACCOUNTS {
            self.forget(now);
        }
        if self.accounts.len() < MAX_ACCOUNTS {
            let under = Under { plan: want.plan.clone(), scope: want.scope };
            self.accounts.push((under, Account::default()));
        }
    }

    /// Forgets accounts where that changes nothing; says whether any is left.
    fn forget(&mut self, now: Duration) -> bool {
        self.accounts.retain(|(_, account)| !account.is_spent(now));
        !self.accounts.is_empty()
    }
}

/// The share of what a rate has left that a lease may take: one in so many.
const SHARE_OF_RATE: u64 = 4;
/// The same of a quota, whose end nobody gets back.
const SHARE_OF_QUOTA: u64 = 64;
const MAX_SUBJECTS_A_SHARD: usize = 8_192;
/// Of one subject: by plan and method.
const MAX_ACCOUNTS: usize = 64;

#[cfg(test)]
mod tests;
