//! Plan cache: fresh for a minute, served for a day while the table is unavailable.
//!
//! A missing plan is cached for five seconds, so that a new plan works soon.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::Cache;
use crate::clock::Moment;
use crate::failure::{StoreError, ThrottleError};
use crate::id::PlanId;
use crate::lock::{Mutex, lock};
use crate::plan::PlanRecord;
use crate::recent::Recent;

/// The result of a look-up: the plan, or `None` if it does not exist.
type Found = Option<Arc<PlanRecord>>;

/// The plans of a throttle, and the names without a plan.
#[derive(Debug)]
pub(crate) struct PlanCache {
    /// Joins look-ups of the same plan at the same time into one.
    fetched: Cache<Found>,
    /// The last answer for each plan, used if it cannot be looked up.
    last: Mutex<Recent<PlanId, Option<Answer>>>,
}

/// The answer to a look-up, and the moment of the question.
#[derive(Clone, Debug)]
struct Answer {
    found: Found,
    asked: Moment,
}

impl PlanCache {
    pub(crate) fn new() -> Self {
        Self {
            fetched: Cache::new(MAX_PLANS as u64, KEEP).briefly(Option::is_none, KEEP_MISSING),
            last: Mutex::new(Recent::new(MAX_PLANS)),
        }
    }

    /// Returns the cached plan, or fetches it. If it cannot be fetched, returns the last answer.
    pub(crate) async fn get(
        &self,
        id: &PlanId,
        now: Moment,
        fetch: impl Future<Output = Result<Found, StoreError>> + Send,
    ) -> Result<Arc<PlanRecord>, ThrottleError> {
        if let Some(found) = self.fresh(id, now) {
            return known(id, found);
        }
        let fetched = self.fetched.get(id.as_str(), now, self.noting(id, now, fetch)).await;
        match (fetched, self.last_within(id, now, RECALL)) {
            (Err(StoreError::Failure(_)), Some(found)) => known(id, found),
            (fetched, _) => known(id, fetched?),
        }
    }

    /// Returns the plan in at least this version, fetched again if need be.
    ///
    /// A failed look-up is an error here. If the table returns an older version twice, that version
    /// is returned. The decision then finds the bucket under the newer version again, and ends with
    /// the error for a damaged item.
    pub(crate) async fn newer<F>(
        &self,
        id: &PlanId,
        version: u64,
        now: Moment,
        fetch: impl Fn() -> F,
    ) -> Result<Arc<PlanRecord>, ThrottleError>
    where
        F: Future<Output = Result<Found, StoreError>> + Send,
    {
        let stale = |found: &Found| found.as_ref().is_none_or(|record| record.version < version);
        let fetch = || self.noting(id, now, fetch());
        known(id, self.fetched.again(id.as_str(), now, stale, fetch).await?)
    }

    /// Returns the last answer of the last day, if it was a plan.
    pub(crate) fn last(&self, id: &PlanId, now: Moment) -> Found {
        self.last_within(id, now, RECALL).flatten()
    }

    /// Returns the last answer if it needs no look-up yet.
    fn fresh(&self, id: &PlanId, now: Moment) -> Option<Found> {
        match self.last_within(id, now, KEEP) {
            Some(None) => self.last_within(id, now, KEEP_MISSING),
            found => found,
        }
    }

    fn last_within(&self, id: &PlanId, now: Moment, most: Duration) -> Option<Found> {
        let last = lock(&self.last);
        let answer = last.peek(id)?.as_ref()?;
        (now.since(answer.asked) < most).then(|| answer.found.clone())
    }

    async fn noting(
        &self,
        id: &PlanId,
        asked: Moment,
        fetch: impl Future<Output = Result<Found, StoreError>> + Send,
    ) -> Result<Found, StoreError> {
        let found = fetch.await?;
        *lock(&self.last).entry(id) = Some(Answer { found: found.clone(), asked });
        Ok(found)
    }
}

fn known(id: &PlanId, found: Found) -> Result<Arc<PlanRecord>, ThrottleError> {
    found.ok_or_else(|| ThrottleError::UnknownPlan { plan: id.clone() })
}

/// The age up to which a plan is used without a look-up.
const KEEP: Duration = Duration::from_secs(60);
/// The age up to which a plan counts as missing without a look-up.
const KEEP_MISSING: Duration = Duration::from_secs(5);
/// The age up to which a plan is used while look-ups fail: an old plan is better than none.
const RECALL: Duration = Duration::from_secs(86_400);
const MAX_PLANS: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicU32, Ordering};

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
            lock(&self.0).pop_front().expect("asked once too often")
        }

        fn left(&self) -> usize {
            lock(&self.0).len()
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
        let (plans, start) = (PlanCache::new(), secs(100));
        let table = Table::of([version(3), down(), version(4), down(), down(), down()]);
        let get = async |now| told(plans.get(&id(), at(now), table.fetch()).await);
        assert_eq!(get(start).await, Ok(3));
        assert_eq!(get(start + KEEP).await, Ok(3), "recalled");
        // An error is not kept: the next request asks again, and the day restarts.
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
        let plans = PlanCache::new();
        let table = Table::of([Ok(None), down(), version(1)]);
        let get = async |now| told(plans.get(&id(), at(now), table.fetch()).await);
        assert_eq!(get(secs(0)).await, unknown());
        assert_eq!(get(KEEP_MISSING - MOMENT).await, unknown());
        assert_eq!(table.left(), 2, "cached for five seconds");
        assert_eq!(get(KEEP_MISSING).await, unknown(), "recalled");
        assert!(plans.last(&id(), at(KEEP_MISSING)).is_none());
        assert_eq!(get(KEEP_MISSING).await, Ok(1));
        assert_eq!(get(KEEP_MISSING + KEEP - MOMENT).await, Ok(1), "a plan is kept for longer");
        assert_eq!(table.left(), 0);
    }

    #[tokio::test]
    async fn a_flood_for_a_missing_plan_makes_one_look_up_in_five_seconds() {
        let plans = PlanCache::new();
        let asked = AtomicU32::new(0);
        let fetch = async || {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(None)
        };
        for (round, now) in [0, 4, 5, 9, 10].into_iter().enumerate() {
            let id = id();
            let all = (0..50).map(|_| plans.get(&id, at(secs(now)), fetch()));
            let all = futures_util::future::join_all(all).await;
            assert!(all.into_iter().all(|found| told(found) == unknown()));
            assert_eq!(asked.load(Ordering::Relaxed), [1, 1, 2, 2, 3][round], "{now} s");
        }
    }

    #[tokio::test]
    async fn damage_is_told_whatever_is_remembered() {
        let plans = PlanCache::new();
        let damage =
            Damage { item: "plan", attribute: "plan".to_owned(), problem: "is odd".to_owned() };
        let table = Table::of([version(1), Err(damage.clone().into())]);
        let get = async |now| told(plans.get(&id(), at(now), table.fetch()).await);
        assert_eq!(get(secs(0)).await, Ok(1));
        assert_eq!(get(KEEP).await, Err(ThrottleError::Damaged(damage)));
    }

    #[tokio::test]
    async fn a_newer_version_is_fetched_and_kept() {
        let plans = PlanCache::new();
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
        let plans = PlanCache::new();
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
        let plans = PlanCache::new();
        let table = Table::of([version(1), down(), Ok(None), Ok(None), down()]);
        let newer =
            async |least| told(plans.newer(&id(), least, at(secs(1)), || table.fetch()).await);
        assert_eq!(newer(1).await, Ok(1));
        assert_eq!(newer(2).await, unavailable());
        assert_eq!(plans.last(&id(), at(secs(1))).map(|it| it.version), Some(1));
        // A deleted plan is unknown, even if a bucket was under it.
        assert_eq!(newer(2).await, unknown());
        assert_eq!(newer(2).await, unavailable());
    }

    #[tokio::test]
    async fn a_plan_ages_by_either_clock() {
        let plans = PlanCache::new();
        let table = Table::of([version(1), version(2), version(3), down(), down()]);
        let clock = ManualClock::default();
        let get = async || told(plans.get(&id(), clock.moment(), table.fetch()).await);
        let kept = || {
            let found = plans.last_within(&id(), clock.moment(), KEEP);
            found.map(|found| found.map(|record| record.version))
        };
        assert_eq!(get().await, Ok(1));
        // The environment was frozen.
        clock.advance_wall(KEEP - MOMENT);
        assert_eq!(kept(), Some(Some(1)));
        clock.advance_wall(MOMENT);
        assert_eq!(kept(), None);
        assert_eq!(get().await, Ok(2));
        // The wall clock is set back.
        clock.set_wall_back(RECALL * 2);
        clock.advance(KEEP - MOMENT);
        assert_eq!(kept(), Some(Some(2)));
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
