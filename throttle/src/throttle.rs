//! The throttle: its settings, and its state between decisions.

mod decide;
mod hierarchy;
mod leased;
mod parent;
mod peek;
mod settle;
mod unasked;
mod without_table;

use std::fmt::{self, Debug};

use crate::breaker::Breaker;
use crate::clock::Clock;
use crate::decision::Decision;
use crate::failure::ThrottleError;
use crate::failure_policy::FailurePolicy;
use crate::form_predictor::FormPredictor;
use crate::lease::{HeldLeases, Leases};
use crate::local_fallback::LocalFallback;
use crate::lock::{Mutex, MutexGuard, lock};
use crate::plan_cache::PlanCache;
use crate::store::{Steady, Store};

pub use settle::Refund;

/// Decides whether one more request fits its subject's plan.
///
/// Any number of throttles, in any number of processes, may share a store. In every window,
/// together they admit at most the burst and the refill of the window, plus the refill of the time
/// by which their clocks differ. Plans are cached for up to a minute, and missing plans for five
/// seconds.
///
/// ```
/// use tollgate_throttle::{ManualClock, Clock, MemoryStore, Plan, PlanId, Request, Subject, Throttle};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (store, clock) = (MemoryStore::new(), ManualClock::default());
/// let free = PlanId::new("free").unwrap();
/// let plan = Plan::from_json(r#"{"throttle": {"rateLimit": 1, "burstLimit": 2}}"#).unwrap();
/// store.put_plan(free.clone(), plan, clock.now());
/// let throttle = Throttle::new(store, clock.clone());
///
/// let client = Subject::new("client-1").unwrap();
/// let request = Request::new(&client, &free);
/// assert_eq!(throttle.decide(&request).await.unwrap().remaining(), 1);
/// assert_eq!(throttle.decide(&request).await.unwrap().remaining(), 0);
/// let refused = throttle.decide(&request).await.unwrap();
/// assert!(!refused.is_allowed());
///
/// clock.advance(refused.retry_after().unwrap());
/// assert!(throttle.decide(&request).await.unwrap().is_allowed());
/// # });
/// ```
pub struct Throttle<S, C> {
    store: S,
    clock: C,
    /// The clock of the store's buckets, if it has one.
    steady: Option<Steady>,
    slack: u32,
    default_failure: FailurePolicy,
    leases: Option<HeldLeases>,
    parents: HeldLeases,
    plans: PlanCache,
    predictor: FormPredictor,
    breaker: Breaker,
    local: LocalFallback,
    stats: Mutex<Stats>,
}

impl<S: Store, C: Clock> Throttle<S, C> {
    /// A throttle with this store and this clock.
    #[must_use]
    pub fn new(store: S, clock: C) -> Self {
        Self {
            steady: store.steady(),
            store,
            clock,
            slack: 0,
            default_failure: FailurePolicy::Closed,
            leases: None,
            parents: HeldLeases::of_parents(),
            plans: PlanCache::new(),
            predictor: FormPredictor::new(),
            breaker: Breaker::new(),
            local: LocalFallback::new(),
            stats: Mutex::default(),
        }
    }

    /// Turns leases of subjects on, which take tokens ahead of the requests that use them. Default:
    /// off. [Parents](crate::Request::within) always have leases.
    ///
    /// A leased request has no receipt: its unused tokens stay used. A request for a receipt
    /// ([`Request::with_receipt`](crate::Request::with_receipt)) is decided without leases of its
    /// subject.
    #[must_use]
    pub fn leases(self, leases: Leases) -> Self {
        Self { leases: Some(HeldLeases::new(leases)), ..self }
    }

    /// Sets the failure policy of plans that do not set one. Default: closed.
    ///
    /// A plan is usable for a day after its last look-up. If no plan is cached, `Local` has no
    /// limits to share, and means `Closed`.
    #[must_use]
    pub fn default_failure(self, policy: FailurePolicy) -> Self {
        Self { default_failure: policy, ..self }
    }

    /// Saves calls if many instances share a subject, at the price of some of its burst. Default: 0.
    ///
    /// A wrong prediction of an idle bucket costs one more call. With slack, a bucket that owes up
    /// to this many tokens is treated as idle and charged as if it owed all of them. That admits
    /// nothing more, even if other instances have no slack, but an idle bucket loses up to this many
    /// tokens of its burst. A twentieth of the burst is plenty.
    #[must_use]
    pub fn slack(self, tokens: u32) -> Self {
        Self { slack: tokens, ..self }
    }

    /// The store, for its count of calls.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The statistics of the decisions so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        *lock(&self.stats)
    }

    fn stats_mut(&self) -> MutexGuard<'_, Stats> {
        lock(&self.stats)
    }
}

impl<S: Debug, C: Debug> Debug for Throttle<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("store", &self.store)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// Statistics of a throttle's decisions since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Allowed requests.
    pub allowed: u64,
    /// Refused requests.
    pub refused: u64,
    /// Allowed requests that a limit with `"enforce": false` would have refused.
    pub would_refuse: u64,
    /// Refused requests that needed no call, because of a refusal remembered for any level.
    pub remembered: u64,
    /// Requests that ended with an error.
    pub failed: u64,
    /// Failed requests that found a damaged item.
    pub damaged: u64,
    /// Buckets changed to another plan, or another version.
    pub converted: u64,
    /// Plans looked up again because a bucket was under a later version.
    pub refreshed: u64,
    /// Refunds that gave something back to a bucket, each level by itself. Includes charges that
    /// were given back because another level refused.
    pub refunded: u64,
    /// Requests that were served from a lease of the subject, without a call for this level.
    pub leased: u64,
    /// Levels of parents that were served from a lease, without a call for this level.
    pub parents_leased: u64,
    /// Levels that were decided without the store, by the failure policy.
    pub degraded: u64,
}

impl Stats {
    /// Counts the outcome of one request.
    fn count(&mut self, outcome: &Result<Decision, ThrottleError>) {
        match outcome {
            Ok(decision) if decision.is_allowed() => {
                add(&mut self.allowed);
                if !decision.would_refuse().is_empty() {
                    add(&mut self.would_refuse);
                }
            }
            Ok(_) => add(&mut self.refused),
            Err(error) => {
                add(&mut self.failed);
                if matches!(error, ThrottleError::Damaged(_)) {
                    add(&mut self.damaged);
                }
            }
        }
    }
}

/// Adds one.
fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}
