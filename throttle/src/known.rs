//! Plan cache: fresh for a minute, served for a day while the table is unavailable.

use std::future::Future;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use crate::clock::Moment;
use crate::failure::{StoreError, ThrottleError};
use crate::name::PlanId;
use crate::plan::PlanRecord;

/// The plans that a throttle knows, and those that it knows not to be there.
#[derive(Debug)]
pub(crate) struct KnownPlans {
    cached: crate::cache::Cache<Option<Arc<PlanRecord>>>,
    /// What was last told of each plan, for when it can't be looked up.
    told: Cache<PlanId, Told, UnitWeighter, RandomState>,
}

/// The answer to a look-up, and the moment it was asked for.
#[derive(Clone, Debug)]
struct Told {
    record: Option<Arc<PlanRecord>>,
    asked: Moment,
}

impl KnownPlans {
    pub(crate) fn new() -> Self {
        let (most, hasher) = (MAX_PLANS as u64, RandomState::new());
        Self {
            cached: crate::cache::Cache::new(most, KEEP),
            told: Cache::with(MAX_PLANS, most, UnitWeighter, hasher, DefaultLifecycle::default()),
        }
    }

    /// The plan as it was told within the last minute, if it was: without waiting for anybody.
    pub(crate) fn kept(
        &self,
        id: &PlanId,
        now: Moment,
    ) -> Option<Result<Arc<PlanRecord>, ThrottleError>> {
        Some(named(id, self.told(id, now, KEEP)?))
    }

    /// The plan, kept or fetched; where it can't be fetched, as it was last told.
    pub(crate) async fn get(
        &self,
        id: &PlanId,
        now: Moment,
        fetch: impl Future<Output = Result<Option<Arc<PlanRecord>>, StoreError>> + Send,
    ) -> Result<Arc<PlanRecord>, ThrottleError> {
        let fetch = self.noting(id, now, fetch);
        match self.cached.get(id.as_str(), now, fetch).await.map_err(ThrottleError::from) {
            Err(ThrottleError::Unavailable(failure)) => {
                let told = self.told(id, now, RECALL);
                named(id, told.ok_or(ThrottleError::Unavailable(failure))?)
            }
            record => named(id, record?),
        }
    }

    /// The plan in at least this version, fetched again if need be.
    ///
    /// What is remembered of an older version never takes the place of a failed look-up here. A
    /// table that keeps giving an older version is asked twice, and what it gave is the answer:
    /// the bucket that was under the newer one will say so, and the decision ends as damaged.
    pub(crate) async fn newer<F>(
        &self,
        id: &PlanId,
        version: u64,
        now: Moment,
        fetch: impl Fn() -> F,
    ) -> Result<Arc<PlanRecord>, ThrottleError>
    where
        F: Future<Output = Result<Option<Arc<PlanRecord>>, StoreError>> + Send,
    {
        let stale = |known: &Option<Arc<PlanRecord>>| {
            known.as_ref().is_none_or(|record| record.version < version)
        };
        named(
            id,
            self.cached.again(id.as_str(), now, stale, || self.noting(id, now, fetch())).await?,
        )
    }

    /// The plan as it was last told within a day, if it was there.
    pub(crate) fn last(&self, id: &PlanId, now: Moment) -> Option<Arc<PlanRecord>> {
        self.told(id, now, RECALL).flatten()
    }

    fn told(&self, id: &PlanId, now: Moment, most: Duration) -> Option<Option<Arc<PlanRecord>>> {
        let told = self.told.get(id)?;
        (now.since(told.asked) < most).then_some(told.record)
    }

    async fn noting(
        &self,
        id: &PlanId,
        asked: Moment,
        fetch: impl Future<Output = Result<Option<Arc<PlanRecord>>, StoreError>> + Send,
    ) -> Result<Option<Arc<PlanRecord>>, StoreError> {
        let record = fetch.await?;
        self.told.insert(id.clone(), Told { record: record.clone(), asked });
        Ok(record)
    }
}

fn named(id: &PlanId, record: Option<Arc<PlanRecord>>) -> Result<Arc<PlanRecord>, ThrottleError> {
    record.ok_or_else(|| ThrottleError::UnknownPlan { plan: id.clone() })
}

/// How long a plan is used without looking it up again.
const KEEP: Duration = Duration::from_secs(60);
/// How long a plan is remembered while it can't be looked up: an old one is better than none.
const RECALL: Duration = Duration::from_secs(86_400);
const MAX_PLANS: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;
    use crate::clock::{Clock, ManualClock, Timestamp};
    use crate::failure::{Damage, Failure};
    use crate::plan::Plan;

    type Fetched = Result<Option<Arc<PlanRecord>>, StoreError>;

    fn id() -> PlanId {
        PlanId::new("free").unwrap()
    }

    fn version(version: u64) -> Fetched {
        let plan = Plan::from_json(r#"{"quota": {"limit": 5, "period": "DAY"}}"#).unwrap();
        Ok(Some(Arc::new(PlanRecord { id: id(), plan, version, created: Timestamp::EPOCH })))
    }

    fn down() -> Fetched {
        Err(Failure::TimedOut.into())
    }

    /// A table that gives these answers, one after the other.
    struct Table(Mutex<VecDeque<Fetched>>);

    impl Table {
        fn of(answers: impl IntoIterator<Item = Fetched>) -> Self {
            Self(Mutex::new(answers.into_iter().collect()))
        }

        async fn fetch(&self) -> Fetched {
            self.0.lock().unwrap().pop_front().expect("asked once too often")
        }

        fn left(&self) -> usize {
            self.0.lock().unwrap().len()
        }
    }

    fn told(record: Result<Arc<PlanRecord>, ThrottleError>) -> Result<u64, ThrottleError> {
        record.map(|record| record.version)
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// The moment so long after the start, on both clocks.
    fn at(time: Duration) -> Moment {
        let clock = ManualClock::default();
        clock.advance(time);
        clock.moment()
    }

    fn unknown() -> Result<u64, ThrottleError> {
        Err(ThrottleError::UnknownPlan { plan: id() })
    }

    fn unavailable() -> Result<u64, ThrottleError> {
        Err(ThrottleError::Unavailable(Failure::TimedOut))
    }

    const MOMENT: Duration = Duration::from_nanos(1);

    #[tokio::test]
    async fn a_plan_is_recalled_for_a_day_after_it_was_told() {
        let (plans, start) = (KnownPlans::new(), secs(100));
        let table = Table::of([version(3), down(), version(4), down(), down(), down()]);
        let get = async |now| told(plans.get(&id(), at(now), table.fetch()).await);
        assert_eq!(get(start).await, Ok(3));
        assert_eq!(get(start + KEEP).await, Ok(3), "recalled");
        // An error isn't kept: the next one asks, and the day begins anew.
        let again = start + KEEP;
        assert_eq!(get(again).await, Ok(4));
        assert_eq!(get(again + KEEP - MOMENT).await, Ok(4));
        assert_eq!(table.left(), 3, "kept for a minute");
        assert_eq!(get(again + RECALL - MOMENT).await, Ok(4));
        assert!(plans.last(&id(), at(again + RECALL - MOMENT)).is_some());
        assert_eq!(get(again + RECALL).await, unavailable());
        assert!(plans.last(&id(), at(again + RECALL)).is_none());
        // A clock that hasn't come as far yet knows no less.
        assert_eq!(get(start).await, Ok(4));
    }

    #[tokio::test]
    async fn that_a_plan_is_not_there_is_recalled_too() {
        let plans = KnownPlans::new();
        let table = Table::of([Ok(None), down(), version(1)]);
        let get = async |now| told(plans.get(&id(), at(now), table.fetch()).await);
        assert_eq!(get(secs(0)).await, unknown());
        assert_eq!(get(secs(59)).await, unknown());
        assert_eq!(get(KEEP).await, unknown(), "recalled");
        assert!(plans.last(&id(), at(KEEP)).is_none());
        assert_eq!(get(KEEP).await, Ok(1));
    }

    #[tokio::test]
    async fn damage_is_told_whatever_is_remembered() {
        let plans = KnownPlans::new();
        let damage =
            Damage { item: "plan", attribute: "plan".to_owned(), problem: "is odd".to_owned() };
        let table = Table::of([version(1), Err(damage.clone().into())]);
        let get = async |now| told(plans.get(&id(), at(now), table.fetch()).await);
        assert_eq!(get(secs(0)).await, Ok(1));
        assert_eq!(get(KEEP).await, Err(ThrottleError::Damaged(damage)));
    }

    #[tokio::test]
    async fn a_newer_version_is_fetched_and_kept() {
        let plans = KnownPlans::new();
        let table = Table::of([version(1), version(3)]);
        let newer =
            async |least| told(plans.newer(&id(), least, at(secs(1)), || table.fetch()).await);
        assert_eq!(newer(1).await, Ok(1));
        assert_eq!(newer(1).await, Ok(1), "kept");
        assert_eq!(newer(2).await, Ok(3));
        assert_eq!(newer(3).await, Ok(3));
        assert_eq!(told(plans.get(&id(), at(secs(2)), table.fetch()).await), Ok(3));
        assert_eq!(table.left(), 0);
    }

    #[tokio::test]
    async fn a_table_that_keeps_giving_an_older_version_is_asked_twice() {
        let plans = KnownPlans::new();
        let table = Table::of([version(1), version(1), version(1), version(1), version(2)]);
        let newer = async || told(plans.newer(&id(), 2, at(secs(1)), || table.fetch()).await);
        assert_eq!(newer().await, Ok(1));
        assert_eq!(table.left(), 3);
        // Who learns the same again has it looked up again.
        assert_eq!(newer().await, Ok(1));
        assert_eq!(table.left(), 1);
        assert_eq!(newer().await, Ok(2));
    }

    #[tokio::test]
    async fn an_older_version_is_not_recalled_for_a_newer_one() {
        let plans = KnownPlans::new();
        let table = Table::of([version(1), down(), Ok(None), Ok(None), down()]);
        let newer =
            async |least| told(plans.newer(&id(), least, at(secs(1)), || table.fetch()).await);
        assert_eq!(newer(1).await, Ok(1));
        assert_eq!(newer(2).await, unavailable());
        assert_eq!(plans.last(&id(), at(secs(1))).map(|it| it.version), Some(1));
        // A plan that has been deleted is not there, whatever a bucket was under.
        assert_eq!(newer(2).await, unknown());
        assert_eq!(newer(2).await, unavailable());
    }

    #[tokio::test]
    async fn a_plan_ages_by_either_clock() {
        let plans = KnownPlans::new();
        let table = Table::of([version(1), version(2), version(3), down(), down()]);
        let clock = ManualClock::default();
        let get = async || told(plans.get(&id(), clock.moment(), table.fetch()).await);
        let kept = || plans.kept(&id(), clock.moment()).map(told);
        assert_eq!(get().await, Ok(1));
        // The environment was frozen.
        clock.advance_wall(KEEP - MOMENT);
        assert_eq!(kept(), Some(Ok(1)));
        clock.advance_wall(MOMENT);
        assert_eq!(kept(), None);
        assert_eq!(get().await, Ok(2));
        // The wall clock is set back.
        clock.set_wall_back(RECALL * 2);
        clock.advance(KEEP - MOMENT);
        assert_eq!(kept(), Some(Ok(2)));
        clock.advance(MOMENT);
        assert_eq!(kept(), None);
        assert_eq!(get().await, Ok(3));
        clock.advance_wall(RECALL - MOMENT);
        assert_eq!(get().await, Ok(3), "recalled");
        clock.advance_wall(MOMENT);
        assert_eq!(get().await, unavailable());
        assert!(plans.last(&id(), clock.moment()).is_none());
    }
}
