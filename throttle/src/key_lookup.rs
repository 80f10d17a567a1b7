//! Look-ups of API keys and assigned plans.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use table::{Assignments, Client, Key, KeyRecord, Keys};

use crate::cache::Cache;
use crate::clock::Clock;
use crate::failure::{Damage, StoreError};
use crate::id::{NameError, PlanId, Subject};

/// Looks up the table's keys and assignments, and caches the answers for a stated time.
///
/// A change in the table takes effect in every instance within that time. A key's expiry is checked
/// at each use.
///
/// ```
/// use std::time::Duration;
/// use tollgate_throttle::{KeyLookup, SystemClock};
///
/// # async fn example(client: table::Client, header: &str) -> Result<(), tollgate_throttle::StoreError> {
/// let lookup = KeyLookup::new(&client, "tollgate", SystemClock::new(), Duration::from_secs(60));
/// if let Some(key) = lookup.key(header).await? {
///     let plan = lookup.plan_of_key(&key).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct KeyLookup<C> {
    keys: Keys,
    assignments: Assignments,
    clock: C,
    cached_keys: Cache<Option<Arc<ApiKey>>>,
    cached_plans: Cache<Option<PlanId>>,
}

/// A key that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The subject whose bucket is charged.
    pub subject: Subject,
    /// The key's own plan; `None` if the subject's assignment applies.
    pub plan: Option<PlanId>,
    /// The key as it is stored.
    pub record: KeyRecord,
}

impl<C: Clock> KeyLookup<C> {
    /// Looks up this table, and caches each answer for `cached`.
    #[must_use]
    pub fn new(client: &Client, table: &str, clock: C, cached: Duration) -> Self {
        Self {
            keys: Keys::new(client.clone(), table),
            assignments: Assignments::new(client.clone(), table),
            clock,
            cached_keys: Cache::new(MAX_CACHED, cached),
            cached_plans: Cache::new(MAX_CACHED, cached),
        }
    }

    /// Returns the key with this text; `None` if it is unknown, disabled or expired.
    ///
    /// A text that cannot be a key is not looked up.
    ///
    /// # Errors
    /// The table is unavailable, or the item is damaged. The caller must be refused.
    pub async fn key(&self, text: &str) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let Ok(key) = Key::parse(text) else { return Ok(None) };
        let digest = key.digest();
        let fetch = async {
            let record = self.keys.get(&digest).await?;
            Ok::<_, StoreError>(record.map(ApiKey::new).transpose()?.map(Arc::new))
        };
        let found = self.cached_keys.get(&digest, self.clock.moment(), fetch).await?;
        Ok(found.filter(|key| key.record.details.is_valid(self.clock.now())))
    }

    /// Returns the plan that a subject is assigned; `None` if it is assigned none.
    ///
    /// # Errors
    /// The table is unavailable, or the item is damaged. The caller must be refused.
    pub async fn plan_of(&self, subject: &Subject) -> Result<Option<PlanId>, StoreError> {
        let fetch = async {
            let assignment = self.assignments.get(subject.as_str()).await?;
            let plan = assignment.map(|assignment| PlanId::new(assignment.plan)).transpose();
            Ok(plan.map_err(|error| damage("assignment", "plan_id", error))?)
        };
        self.cached_plans.get(subject.as_str(), self.clock.moment(), fetch).await
    }

    /// Returns the plan of a key: its own, or else its subject's.
    ///
    /// # Errors
    /// As of [`plan_of`](Self::plan_of).
    pub async fn plan_of_key(&self, key: &ApiKey) -> Result<Option<PlanId>, StoreError> {
        match &key.plan {
            Some(plan) => Ok(Some(plan.clone())),
            None => self.plan_of(&key.subject).await,
        }
    }
}

impl ApiKey {
    fn new(record: KeyRecord) -> Result<Self, Damage> {
        let subject = Subject::new(record.details.subject.as_str())
            .map_err(|error| damage("key", "subject", error))?;
        let plan = record.details.plan().map(PlanId::new).transpose();
        let plan = plan.map_err(|error| damage("key", "plan_id", error))?;
        Ok(Self { subject, plan, record })
    }
}

/// A name that the table accepted and this crate does not.
fn damage(item: &'static str, attribute: &str, error: NameError) -> Damage {
    Damage { item, attribute: attribute.to_owned(), problem: error.to_string() }
}

impl<C> Debug for KeyLookup<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLookup").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Bounds what random keys that are tried one after the other can fill.
const MAX_CACHED: u64 = 10_000;
