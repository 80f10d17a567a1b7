//! The decision: which write to try, and what its answer means.

mod at_once;
mod in_place;
mod leased;
mod settle;

use std::fmt::{self, Debug};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::breaker::Breaker;
use crate::bucket::{Charge, Foreign, Forms, Receipt, State, Write};
use crate::clock::{Clock, Moment, Timestamp};
use crate::counts::{Counts, Tallies, tick};
use crate::decision::Decision;
use crate::failure::{Damage, Failure, StoreError, ThrottleError};
use crate::failure_policy::FailurePolicy;
use crate::hint::Memory;
use crate::known::KnownPlans;
use crate::lease::{Held, Leases};
use crate::limit::Limit;
use crate::local::Local;
use crate::name::{PlanId, Subject};
use crate::plan::MethodRate;
use crate::plan::PlanRecord;
use crate::request::Request;
use crate::store::{Answer, Steady, Store};
use crate::subjects::Subjects;
use at_once::Known;
use leased::{Ready, Start, Terms};

pub use settle::Refund;

/// Decides whether one more request fits its subject's plan.
///
/// Any number of these, in any number of processes, may share a store: together they admit
/// in every window no more than the burst and what the rate refills in it, plus what it refills
/// while their clocks differ. Plans are cached for up to a minute, and a plan that isn't
/// there is too.
///
/// ```
/// use throttle::{ManualClock, Clock, MemoryStore, Plan, PlanId, Request, Subject, Throttle};
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
    /// The clock of the store's buckets, if it has one of its own.
    steady: Option<Steady>,
    slack: u32,
    default_failure: FailurePolicy,
    leases: Option<Held<Terms>>,
    plans: KnownPlans,
    seen: Subjects<Memory>,
    breaker: Breaker,
    local: Local,
    tallies: Tallies,
}

/// A plan is outdated: the bucket is under this later version.
struct Behind(u64);

/// What to do about a state that is known.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment, and is mostly the larger one"
)]
enum Next {
    Write(Write, Taking),
    Refuse(Decision),
    Behind(u64),
}

/// What a write takes if it applies.
#[derive(Clone, Copy)]
enum Taking {
    /// The charge.
    Charge,
    /// The charge, with the change to its plan.
    Converted,
    /// Nothing: it changes the plan.
    Nothing,
}

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Decides by this store and this clock.
    #[must_use]
    pub fn new(store: S, clock: C) -> Self {
        Self {
            steady: store.steady(),
            store,
            clock,
            slack: 0,
            default_failure: FailurePolicy::Closed,
            leases: None,
            plans: KnownPlans::new(),
            seen: Subjects::new(MAX_SUBJECTS),
            breaker: Breaker::new(),
            local: Local::new(MAX_LOCAL),
            tallies: Tallies::default(),
        }
    }

    /// Lets tokens be taken ahead of the requests that use them. Off unless set.
    ///
    /// A leased request has no receipt: what it doesn't use stays used. One that is to have a
    /// receipt ([`Request::with_receipt`]) is decided without them.
    #[must_use]
    pub fn leases(self, leases: Leases) -> Self {
        Self { leases: Some(Held::new(leases)), ..self }
    }

    /// Sets what happens while the store fails where the plan doesn't say. Closed unless set.
    ///
    /// A plan is known for a day after it was last looked up. Where it isn't, there is no
    /// share to decide by: `Local` is then `Closed`.
    #[must_use]
    pub fn default_failure(self, policy: FailurePolicy) -> Self {
        Self { default_failure: policy, ..self }
    }

    /// Saves calls where many instances share a subject, at the price of some of its burst.
    ///
    /// Whether a bucket is idle is a guess that can be wrong, and then costs a call more. With
    /// slack, one that owes up to so many tokens is taken for idle and charged as if it owed all
    /// of them. Nothing more is admitted, ever, even if other instances have no slack; but up
    /// to so many tokens of the burst are lost each time that a bucket was idle. 0 unless set; a
    /// twentieth of the burst is plenty. Where buckets are changed in place nothing is guessed, and
    /// it does nothing.
    #[must_use]
    pub fn slack(self, tokens: u32) -> Self {
        Self { slack: tokens, ..self }
    }

    /// The store, for what was asked of it.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// What was decided so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.tallies.counts()
    }

    /// Decides one request, and counts it if it is allowed.
    ///
    /// Mostly one write to the store, and never more than six. It is at most two while no clock is
    /// ahead of this one, and no plan changes. The plan is looked up once a minute, or when it has
    /// changed. No call is made if the store's answer of the last second refuses already, if a lease
    /// has tokens left, or if the store's buckets can be changed in place.
    ///
    /// If the store fails, the plan's failure policy decides. If so many requests of one subject
    /// come at once that the calls are used up, or that DynamoDB throttles the subject's item, the
    /// request is refused by [`Limit::Contention`] under every policy.
    ///
    /// # Errors
    /// There is no such plan, the cost never fits it, or the store failed and the policy is
    /// closed: then the request may have been charged, and must not be let through.
    pub async fn decide(&self, request: &Request<'_>) -> Result<Decision, ThrottleError> {
        let known = match self.at_once(request) {
            Ok(decision) => return Ok(decision),
            Err(known) => known,
        };
        let decision = match self.decided(request, known).await {
            // The caller's own item is in too much demand: that opens no limit.
            Err(ThrottleError::Unavailable(Failure::Contended { .. } | Failure::HotKey)) => {
                Ok(Decision::contended(request.plan.clone()))
            }
            Err(ThrottleError::Unavailable(failure)) if failure.may_pass() => {
                // Boxed, as all that is rare: whoever moves the future moves every byte of it.
                Box::pin(self.degraded(request, failure)).await
            }
            decision => decision,
        };
        let tally = match &decision {
            Ok(decision) if decision.is_allowed() => &self.tallies.allowed,
            Ok(_) => &self.tallies.refused,
            Err(_) => &self.tallies.failed,
        };
        tick(tally);
        if matches!(decision, Err(ThrottleError::Damaged(_))) {
            tick(&self.tallies.damaged);
        }
        decision
    }

    async fn decided(
        &self,
        request: &Request<'_>,
        known: Known,
    ) -> Result<Decision, ThrottleError> {
        let Known { mut now, plan } = known;
        let mut record = match plan {
            Some(kept) => kept?,
            None => {
                let fetch = self.fetch(request.plan);
                let record =
                    Box::pin(self.plans.get(request.plan, self.clock.moment(), fetch)).await?;
                now = self.clock.monotonic();
                record
            }
        };
        if request.method.is_some()
            && let Some(served) = self.leased(request, request.scope(&record), now)
        {
            return Ok(served);
        }
        let mut calls = MAX_CALLS;
        for look_up in 0..MAX_REFRESHES {
            if let Some(decision) = self.in_place(request, &record) {
                return Ok(decision);
            }
            let known = (now, look_up == 0);
            match self.round(request, &record, known, &mut calls).await? {
                Ok(decision) => return Ok(decision),
                Err(Behind(version)) => {
                    tick(&self.tallies.refreshed);
                    record = Box::pin(self.refreshed(request.plan, version)).await?;
                    now = self.clock.monotonic();
                }
            }
        }
        Err(damaged("pv", "is of a later version than the plan in the table is"))
    }

    /// Decides without the store, as the plan's failure policy says.
    async fn degraded(
        &self,
        request: &Request<'_>,
        failure: Failure,
    ) -> Result<Decision, ThrottleError> {
        let record = self.plans.last(request.plan, self.clock.moment());
        let named = record.as_ref().and_then(|record| record.plan.failure());
        let decision = match (named.unwrap_or(self.default_failure), record) {
            (FailurePolicy::Open, _) => Decision::unknown(request.plan.clone()),
            (FailurePolicy::Local(share), Some(record)) => {
                let now = self.local.moment(self.clock.now(), self.clock.monotonic());
                let charge = |record: &PlanRecord| request.charge(record, now);
                self.local.decide(request.subject, &record, share, charge)
            }
            (FailurePolicy::Closed, _) | (FailurePolicy::Local(_), None) => {
                return Err(ThrottleError::Unavailable(failure));
            }
        };
        tick(&self.tallies.degraded);
        Ok(decision)
    }

    /// Decides under one version of the plan, by what is known at this moment of the monotonic clock.
    ///
    /// What is remembered may say that the plan is outdated only where it is `trusted`: an item
    /// that was deleted since must not keep its subject out for ever.
    async fn round(
        &self,
        request: &Request<'_>,
        record: &PlanRecord,
        (now, trusted): (Duration, bool),
        calls: &mut u32,
    ) -> Result<Result<Decision, Behind>, ThrottleError> {
        let Ready { began, mut charge, mut lease } = match self.ready(request, record, now).await? {
            Start::Ready(ready) => ready,
            Start::Served(decision) => return Ok(Ok(decision)),
        };
        let at = Moment::new(charge.now, began);
        let mut lost = false;
        let mut next = self.seen.with(request.subject, |memory| {
            let known = memory.recent(at, REMEMBER_REFUSAL);
            // What an empty bucket refuses, every bucket does; a remembered state only grows.
            let empty = State::default();
            let known = known.unwrap_or(&empty);
            let tried = |charge: &Charge| match refusal(charge, record, known, false) {
                Some(decision) => Next::Refuse(decision),
                None => first(charge, record, memory, trusted),
            };
            let mut next = tried(&charge);
            if self.gives_up(&mut lease, &next) {
                charge = self.charge(request, record, self.now())?;
                next = tried(&charge);
            }
            if matches!(next, Next::Refuse(..)) {
                tick(&self.tallies.remembered);
            }
            Ok::<_, ThrottleError>(next)
        })?;
        loop {
            // Borrowed, since whatever lives while the store is asked is part of the future.
            let (write, taking) = match next {
                Next::Write(ref write, taking) => (write, taking),
                Next::Behind(version) => return Ok(Err(Behind(version))),
                Next::Refuse(decision) => {
                    self.seen.with(request.subject, Memory::refuses);
                    return Ok(Ok(decision));
                }
            };
            let answer = match self.within(calls, request.subject, write).await {
                Ok(answer) => answer,
                Err(error) => {
                    if let Some(asking) = lease {
                        asking.rest(self.clock.monotonic());
                    }
                    return Err(error);
                }
            };
            let (state, applied) = match answer {
                Answer::Applied(state) => (state, true),
                Answer::Kept(state) => (state, false),
            };
            if let Some(meter) = charge.implausible(&state) {
                return Err(damaged(&meter.to_string(), "is more than a year ahead"));
            }
            // A change that others came before is tried once.
            lost |= !applied && !matches!(taking, Taking::Charge);
            let made = charge.clone().taken_from(&state);
            let own = match taking {
                Taking::Charge | Taking::Converted if applied => charge.cost.get(),
                _ => 0,
            };
            // From before the call: it may have been true no longer than since then.
            self.seen.with(request.subject, |memory| {
                memory.remember(&made, &state, own, at, REMEMBER_REFUSAL);
            });
            if applied {
                if !matches!(taking, Taking::Charge) {
                    tick(&self.tallies.converted);
                }
                if matches!(taking, Taking::Nothing) && made.refusals(&state).is_empty() {
                    // An operator has granted requests meanwhile: now the charge fits, so take it.
                    next = self::next(&charge, record, &state, |it| it.forms(&state), lost);
                    continue;
                }
                if let Some(sweep) = made.sweep(&state).filter(|_| *calls > 0) {
                    // The decision stands, whatever becomes of this.
                    let _ = self.within(calls, request.subject, &sweep).await;
                }
                let decision = match lease {
                    Some(asking) => self.keep(asking, request, &made, &state, began),
                    None => taken(request.subject, &made, state, taking),
                };
                return Ok(Ok(decision));
            }
            // It fits in the other form, at the same `now`: `tat` only grows, so a busy bucket
            // stays busy, and this ends.
            let forms = |charge: &Charge| charge.forms(&state);
            next = self::next(&charge, record, &state, forms, lost);
            if self.gives_up(&mut lease, &next) {
                charge = self.charge(request, record, self.now())?;
                next = self::next(&charge, record, &state, forms, lost);
            }
        }
    }

    /// One write to the store, if the decision has calls left.
    async fn within(
        &self,
        calls: &mut u32,
        subject: &Subject,
        write: &Write,
    ) -> Result<Answer, ThrottleError> {
        let contended = ThrottleError::Unavailable(Failure::Contended { calls: MAX_CALLS });
        *calls = calls.checked_sub(1).ok_or(contended)?;
        Ok(self.write(subject, write).await?)
    }

    /// One write to the store, unless it has just failed again and again.
    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        self.breaker.call(&self.clock, subject, self.store.write(subject, write)).await
    }

    /// What a request takes under a plan, at a moment of the wall clock.
    #[inline]
    fn charge(
        &self,
        request: &Request<'_>,
        record: &PlanRecord,
        now: Timestamp,
    ) -> Result<Charge, ThrottleError> {
        check_cost(record, request.method_rate(record), request.cost)?;
        let charge = request.charge(record, now);
        Ok(if self.slack > 0 { charge.slack(self.slack) } else { charge })
    }

    /// The moment that the store's buckets go by.
    fn now(&self) -> Timestamp {
        let wall = self.clock.now();
        self.steady.as_ref().map_or(wall, |steady| steady.moment(wall, self.clock.monotonic()))
    }

    /// The plan in at least this version, looked up again if need be.
    async fn refreshed(&self, id: &PlanId, version: u64) -> Result<Arc<PlanRecord>, ThrottleError> {
        self.plans.newer(id, version, self.clock.moment(), || self.fetch(id)).await
    }

    async fn fetch(&self, id: &PlanId) -> Result<Option<Arc<PlanRecord>>, StoreError> {
        let record = self.breaker.call(&self.clock, id, self.store.plan(id)).await?;
        Ok(record.map(Arc::new))
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

/// The first thing to try, by a state that may be long past: it refuses nothing.
fn first(charge: &Charge, record: &PlanRecord, memory: &Memory, trusted: bool) -> Next {
    let state = memory.state();
    match next(charge, record, state, |charge| memory.forms(charge), false) {
        Next::Behind(version) if trusted => Next::Behind(version),
        Next::Write(write, taking) => Next::Write(write, taking),
        Next::Behind(_) => Next::Write(charge.write(memory.forms(charge)), Taking::Charge),
        Next::Refuse(..) => {
            let charge = charge.clone().taken_from(state);
            Next::Write(charge.write(memory.forms(&charge)), Taking::Charge)
        }
    }
}

/// What to do about a bucket in this very state; `forms` chooses those of a charge that fits.
fn next(
    charge: &Charge,
    record: &PlanRecord,
    state: &State,
    forms: impl Fn(&Charge) -> Forms,
    lost: bool,
) -> Next {
    let take = |charge: &Charge| {
        let mut write = charge.write(forms(charge));
        charge.tidy(&mut write, state);
        Next::Write(write, Taking::Charge)
    };
    match &state.stamp {
        Some(stamp) if stamp.supersedes(&charge.stamp) => Next::Behind(stamp.version),
        Some(stamp) if *stamp != charge.stamp => match charge.foreign(&record.plan, state, lost) {
            Foreign::Guest(guest) => take(&guest),
            Foreign::Change { mut write, takes } => {
                charge.forget(&mut write, state);
                Next::Write(write, if takes { Taking::Converted } else { Taking::Nothing })
            }
            Foreign::Refuse(charge, shown, refusals) => {
                Next::Refuse(Decision::refused(&charge, &shown, refusals))
            }
        },
        _ => match charge.refusals(state) {
            refusals if refusals.is_empty() => take(charge),
            refusals => Next::Refuse(Decision::refused(charge, state, refusals)),
        },
    }
}

/// The refusal that a state of the last second already tells.
fn refusal(charge: &Charge, record: &PlanRecord, state: &State, lost: bool) -> Option<Decision> {
    let refusals = charge.refusals(state);
    if refusals.iter().any(|refusal| refusal.wait.is_none()) {
        // A limit of 0 refuses in every state.
        return Some(Decision::refused(charge, state, refusals));
    }
    match &state.stamp {
        Some(stamp) if *stamp != charge.stamp && !stamp.supersedes(&charge.stamp) => {
            match charge.foreign(&record.plan, state, lost) {
                Foreign::Refuse(charge, shown, refusals) => {
                    Some(Decision::refused(&charge, &shown, refusals))
                }
                Foreign::Guest(_) | Foreign::Change { .. } => None,
            }
        }
        _ => (!refusals.is_empty()).then(|| Decision::refused(charge, state, refusals)),
    }
}

/// The decision after a write that was applied.
fn taken(subject: &Subject, charge: &Charge, state: State, taking: Taking) -> Decision {
    match taking {
        Taking::Charge | Taking::Converted => {
            let mut decision = Decision::allowed(charge, &state);
            decision.give(Receipt::new(subject.clone(), charge, state));
            decision
        }
        Taking::Nothing => Decision::refused(charge, &state, charge.refusals(&state)),
    }
}

fn check_cost(
    record: &PlanRecord,
    method: Option<MethodRate>,
    cost: NonZeroU32,
) -> Result<(), ThrottleError> {
    let cost = cost.get();
    let rates = [record.plan.throttle(), method.map(|it| it.throttle)];
    // A closed limit refuses every cost: that is a decision, not an error.
    if record.plan.is_closed() || method.is_some_and(|it| it.throttle.is_closed()) {
        return Ok(());
    }
    for throttle in rates.into_iter().flatten() {
        if u64::from(cost) > throttle.burst() {
            return Err(ThrottleError::CostAboveBurst { cost, burst: throttle.burst() });
        }
    }
    for quota in record.plan.quotas() {
        if u64::from(cost) > quota.limit() {
            let limit = Limit::from(quota.period());
            return Err(ThrottleError::CostAboveQuota { limit, cost, quota: quota.limit() });
        }
    }
    Ok(())
}

fn damaged(attribute: &str, problem: &str) -> ThrottleError {
    ThrottleError::Damaged(Damage {
        item: "bucket",
        attribute: attribute.to_owned(),
        problem: problem.to_owned(),
    })
}

/// How long a remembered state may refuse without a call.
const REMEMBER_REFUSAL: Duration = Duration::from_secs(1);
/// One try, the other form, once more for a clock that is ahead; as many for a plan that changes.
const MAX_CALLS: u32 = 6;
/// Under the plan that is cached, under the one that is looked up, and once more should that
/// look-up have been under way before the plan was written.
const MAX_REFRESHES: u32 = 3;
/// More than a hundred thousand, since a shard of the cache may have more of them than another.
const MAX_SUBJECTS: usize = 131_072;
/// Of how many subjects this instance keeps a bucket of its own while the table fails.
const MAX_LOCAL: usize = 100_000;
