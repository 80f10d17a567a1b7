//! The decision: which write to try, and what its answer means.

use std::fmt::{self, Debug};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::bucket::{Charge, Form, Refusal, State};
use crate::cache::Cache;
use crate::clock::Clock;
use crate::decision::Decision;
use crate::failure::{Damage, Failure, StoreError, ThrottleError};
use crate::name::{PlanId, Subject};
use crate::store::{Answer, PlanRecord, Store};

/// One request, to be counted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    subject: &'a Subject,
    plan: &'a PlanId,
    cost: NonZeroU32,
}

impl<'a> Request<'a> {
    /// A request of a subject under a plan; it costs 1.
    #[must_use]
    pub fn new(subject: &'a Subject, plan: &'a PlanId) -> Self {
        Self { subject, plan, cost: NonZeroU32::MIN }
    }

    /// Sets how many tokens the request takes, of the burst and of every quota.
    #[must_use]
    pub fn cost(self, cost: NonZeroU32) -> Self {
        Self { cost, ..self }
    }
}

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
    plans: Cache<PlanId, Option<Arc<PlanRecord>>>,
    seen: moka::future::Cache<Subject, Seen>,
}

/// The last state that the store told of a subject, and when.
#[derive(Clone)]
struct Seen {
    state: Arc<State>,
    at: Duration,
}

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Decides by this store and this clock.
    #[must_use]
    pub fn new(store: S, clock: C) -> Self {
        let plans = Cache::new(MAX_PLANS, KEEP_PLAN);
        let seen = moka::future::Cache::new(MAX_SUBJECTS);
        Self { store, clock, plans, seen }
    }

    /// The store, for its count of calls.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Decides one request, and counts it if it is allowed.
    ///
    /// Mostly one call to the store, at most two while no clock is ahead of this one, and never
    /// more than four. None where what the store said within the last second refuses already.
    ///
    /// # Errors
    /// There is no such plan, the cost never fits it, or the store failed: then the request
    /// may have been charged, and must not be let through.
    pub async fn decide(&self, request: &Request<'_>) -> Result<Decision, ThrottleError> {
        let record = self.plan(request.plan).await?;
        check_cost(&record, request.cost)?;
        let charge = Charge::new(&record.plan, record.created, request.cost, self.clock.now());
        let refused = |state: &State, refusals: &[Refusal]| {
            Decision::refused(record.id.clone(), &charge, state, refusals)
        };

        let seen = self.seen.get(request.subject).await;
        let empty = State::default();
        // What an empty bucket refuses, every bucket does; a remembered state only grows.
        let known = seen.as_ref().filter(|seen| self.age(seen.at) <= REMEMBER_REFUSAL);
        let known = known.map_or(&empty, |seen| seen.state.as_ref());
        let refusals = charge.refusals(known);
        if !refusals.is_empty() {
            return Ok(refused(known, &refusals));
        }

        let mut form = charge.form(seen.as_ref().map_or(&empty, |seen| seen.state.as_ref()));
        for _ in 0..MAX_CALLS {
            match self.ask(request.subject, &charge, form).await? {
                Answer::Taken(state) => {
                    return Ok(Decision::allowed(record.id.clone(), &charge, &state));
                }
                Answer::Kept(state) => {
                    let refusals = charge.refusals(&state);
                    if !refusals.is_empty() {
                        return Ok(refused(&state, &refusals));
                    }
                    // It fits in the other form, at the same `now`: `tat` only grows, so a
                    // busy bucket stays busy, and this ends.
                    form = charge.form(&state);
                }
            }
        }
        Err(ThrottleError::Unavailable(Failure::Contended { calls: MAX_CALLS }))
    }

    /// One call to the store; what it tells is remembered.
    async fn ask(
        &self,
        subject: &Subject,
        charge: &Charge,
        form: Form,
    ) -> Result<Answer, ThrottleError> {
        let answer = self.store.take(subject, charge, form).await?;
        let (Answer::Taken(state) | Answer::Kept(state)) = &answer;
        if !charge.is_plausible(state) {
            return Err(ThrottleError::Damaged(Damage {
                item: "bucket",
                attribute: "tat".to_owned(),
                problem: "is more than a year ahead".to_owned(),
            }));
        }
        self.remember(subject, state).await;
        Ok(answer)
    }

    /// Keeps the newest state; answers may overtake each other, and `tat` tells their order.
    async fn remember(&self, subject: &Subject, state: &State) {
        let at = self.clock.monotonic();
        if let Some(seen) = self.seen.get(subject).await
            && seen.state.tat > state.tat
            && self.age(seen.at) <= REMEMBER_REFUSAL
        {
            return;
        }
        self.seen.insert(subject.clone(), Seen { state: Arc::new(state.clone()), at }).await;
    }

    /// The plan, from the cache or with one look-up for all who wait for it.
    async fn plan(&self, id: &PlanId) -> Result<Arc<PlanRecord>, ThrottleError> {
        let record = self.plans.get(id, self.clock.monotonic(), self.fetch(id)).await?;
        record.ok_or_else(|| ThrottleError::UnknownPlan { plan: id.clone() })
    }

    async fn fetch(&self, id: &PlanId) -> Result<Option<Arc<PlanRecord>>, StoreError> {
        Ok(self.store.plan(id).await?.map(Arc::new))
    }

    fn age(&self, since: Duration) -> Duration {
        self.clock.monotonic().saturating_sub(since)
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

fn check_cost(record: &PlanRecord, cost: NonZeroU32) -> Result<(), ThrottleError> {
    let cost = cost.get();
    if let Some(throttle) = record.plan.throttle()
        && u64::from(cost) > throttle.burst()
    {
        return Err(ThrottleError::CostAboveBurst { cost, burst: throttle.burst() });
    }
    for quota in record.plan.quotas() {
        if u64::from(cost) > quota.limit() {
            let limit = quota.period().into();
            return Err(ThrottleError::CostAboveQuota { limit, cost, quota: quota.limit() });
        }
    }
    Ok(())
}

/// How long a plan is used without looking it up again.
const KEEP_PLAN: Duration = Duration::from_secs(60);
/// How long a remembered state may refuse without a call.
const REMEMBER_REFUSAL: Duration = Duration::from_secs(1);
/// One try, the other form, and once more for a clock that is ahead; one to spare.
const MAX_CALLS: u32 = 4;
const MAX_PLANS: u64 = 1_000;
const MAX_SUBJECTS: u64 = 100_000;
