//! Look-ups of API keys and assigned plans.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use crate::cache::Cache;
use crate::clock::Clock;
use crate::failure::StoreError;
use crate::key::Key;
use crate::name::{PlanId, Subject};
use crate::table::{Assignments, KeyRecord, Keys};

/// Looks up the table's keys and assignments, and keeps the answers for a stated time.
///
/// What was disabled, deleted or assigned takes effect within that time in every instance.
/// Whether a key has expired is looked at each time it is used.
///
/// ```
/// use std::time::Duration;
/// use throttle::{Directory, SystemClock};
///
/// # async fn example(client: throttle::dynamo::Client, header: &str) -> Result<(), throttle::StoreError> {
/// let directory = Directory::new(&client, "tollgate", SystemClock::new(), Duration::from_secs(60));
/// if let Some(key) = directory.key(header).await? {
///     let plan = directory.plan_of_key(&key).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct Directory<C> {
    keys: Keys,
    assignments: Assignments,
    clock: C,
    kept_keys: Cache<Option<Arc<KeyRecord>>>,
    kept_plans: Cache<Option<PlanId>>,
}

impl<C: Clock> Directory<C> {
    /// Looks up this table, and keeps each answer for `keep`.
    #[must_use]
    pub fn new(client: &crate::dynamo::Client, table: &str, clock: C, keep: Duration) -> Self {
        Self {
            keys: Keys::new(client.clone(), table),
            assignments: Assignments::new(client.clone(), table),
            clock,
            kept_keys: Cache::new(MAX_KEPT, keep),
            kept_plans: Cache::new(MAX_KEPT, keep),
        }
    }

    /// The key with this text; none if there is none, or it is disabled, or has expired.
    ///
    /// A text that can't be a key isn't looked up.
    ///
    /// # Errors
    /// The table has no answer, or the item is damaged. The caller must not be let through.
    pub async fn key(&self, text: &str) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let Ok(key) = Key::parse(text) else { return Ok(None) };
        let digest = key.digest();
        let fetch = async { Ok::<_, StoreError>(self.keys.get(&digest).await?.map(Arc::new)) };
        let found = self.kept_keys.get(&digest, self.clock.moment(), fetch).await?;
        Ok(found.filter(|record| record.details.is_valid(self.clock.now())))
    }

    /// The plan that a subject is assigned; none if it is assigned none.
    ///
    /// # Errors
    /// The table has no answer, or the item is damaged. The caller must not be let through.
    pub async fn plan_of(&self, subject: &Subject) -> Result<Option<PlanId>, StoreError> {
        let fetch = async {
            let assignment = self.assignments.get(subject).await?;
            Ok(assignment.map(|assignment| assignment.plan))
        };
        self.kept_plans.get(subject.as_str(), self.clock.moment(), fetch).await
    }

    /// The plan of a key: its own, or else its subject's.
    ///
    /// # Errors
    /// The same as of [`plan_of`](Self::plan_of).
    pub async fn plan_of_key(&self, key: &KeyRecord) -> Result<Option<PlanId>, StoreError> {
        match key.details.plan() {
            Some(plan) => Ok(Some(plan.clone())),
            None => self.plan_of(key.details.subject()).await,
        }
    }
}

impl<C> Debug for Directory<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Random keys that are tried one after the other push others out, and no more.
const MAX_KEPT: u64 = 10_000;
