//! Plans as they are known: looked up once a minute, remembered while they can't be.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::Cache;
use crate::failure::{StoreError, ThrottleError};
use crate::name::PlanId;
use crate::store::PlanRecord;

/// The plans that a throttle knows, and those that it knows not to be there.
#[derive(Debug)]
pub(crate) struct KnownPlans {
    cached: Cache<PlanId, Option<Arc<PlanRecord>>>,
    /// What was last told of each plan, for when it can't be looked up.
    told: moka::future::Cache<PlanId, Told>,
}

/// The answer to a look-up, and when it was asked for.
#[derive(Clone, Debug)]
struct Told {
    record: Option<Arc<PlanRecord>>,
    asked: Duration,
}

impl KnownPlans {
    pub(crate) fn new() -> Self {
        Self { cached: Cache::new(MAX_PLANS, KEEP), told: moka::future::Cache::new(MAX_PLANS) }
    }

    /// The plan, kept or fetched; where it can't be fetched, as it was last told.
    pub(crate) async fn get(
        &self,
        id: &PlanId,
        now: Duration,
        fetch: impl Future<Output = Result<Option<Arc<PlanRecord>>, StoreError>>,
    ) -> Result<Arc<PlanRecord>, ThrottleError> {
        let fetch = self.noting(id, now, fetch);
        match self.cached.get(id, now, fetch).await.map_err(ThrottleError::from) {
            Err(ThrottleError::Unavailable(failure)) => {
                let told = self.told(id, now).await;
                named(id, told.ok_or(ThrottleError::Unavailable(failure))?)
            }
            record => named(id, record?),
        }
    }

    /// The plan in at least this version, fetched again if need be, and never an older answer.
    pub(crate) async fn newer<F>(
        &self,
        id: &PlanId,
        version: u64,
        now: Duration,
        fetch: impl Fn() -> F,
    ) -> Result<Arc<PlanRecord>, ThrottleError>
    where
        F: Future<Output = Result<Option<Arc<PlanRecord>>, StoreError>>,
    {
        let stale = |known: &Option<Arc<PlanRecord>>| {
            known.as_ref().is_none_or(|record| record.version < version)
        };
        named(id, self.cached.again(id, now, stale, || self.noting(id, now, fetch())).await?)
    }

    /// The plan as it was last told within a day, if it was there.
    pub(crate) async fn last(&self, id: &PlanId, now: Duration) -> Option<Arc<PlanRecord>> {
        self.told(id, now).await.flatten()
    }

    async fn told(&self, id: &PlanId, now: Duration) -> Option<Option<Arc<PlanRecord>>> {
        let told = self.told.get(id).await?;
        (now.saturating_sub(told.asked) < RECALL).then_some(told.record)
    }

    async fn noting(
        &self,
        id: &PlanId,
        asked: Duration,
        fetch: impl Future<Output = Result<Option<Arc<PlanRecord>>, StoreError>>,
    ) -> Result<Option<Arc<PlanRecord>>, StoreError> {
        let record = fetch.await?;
        self.told.insert(id.clone(), Told { record: record.clone(), asked }).await;
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
const MAX_PLANS: u64 = 1_000;
