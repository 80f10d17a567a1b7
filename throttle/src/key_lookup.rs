//! Look-ups of API keys and assigned plans.

mod budget;

use std::fmt::{self, Debug};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use table::{Assignment, Assignments, Chain, ChainProblem, Client, Digest, Key, KeyRecord, Keys};

use crate::cache::Cache;
use crate::clock::Clock;
use crate::failure::{Damage, StoreError};
use crate::id::{NameError, PlanId, Subject};
use budget::Budget;

/// Looks up the table's keys and assignments, and caches the answers for a stated time.
///
/// A change in the table takes effect in every instance within that time. A key's expiry is checked
/// at each use.
///
/// Unknown keys are cached apart from known ones, so that a flood of them evicts no known key.
/// Reads of unknown keys have a budget: ten a minute for each source address (IPv6 by /64), and one
/// each after 600 in total (IPv6 by /48). It affects neither keys that were found before nor
/// addresses that sent no unknown key. If the budget of an address is used up, a key from it that
/// this instance has not seen is refused until the minute ends, because only a read could show that
/// it is valid.
///
/// ```
/// use std::time::Duration;
/// use tollgate_throttle::{KeyAnswer, KeyLookup, SystemClock};
///
/// # async fn example(client: table::Client, header: &str) -> Result<(), tollgate_throttle::StoreError> {
/// let lookup = KeyLookup::new(&client, "tollgate", SystemClock::new(), Duration::from_secs(60));
/// if let KeyAnswer::Valid(key) = lookup.key(header, None).await? {
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
    unknown_keys: Cache<()>,
    budget: Budget,
    cached_assignments: Cache<Assignment>,
    reads: AtomicU64,
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

/// A parent of a subject, such as the tenant of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The subject whose bucket is charged too.
    pub subject: Subject,
    /// The plan that it is assigned; `None` if it is assigned none.
    pub plan: Option<PlanId>,
}

/// Error of looking up the parents of a subject. The caller must be refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParentsError {
    /// The parents form a loop or are too many.
    #[error("the chain of assigned parents {0}")]
    Chain(ChainProblem),
    /// The table is unavailable, or an assignment is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The result of looking up a key. Only a valid one is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyAnswer {
    /// The key is stored, enabled and not expired.
    Valid(Arc<ApiKey>),
    /// The key is disabled.
    Disabled,
    /// The key has expired.
    Expired,
    /// The table has no such key.
    Unknown,
    /// The text does not have the form of a key, or its checksum is wrong. It was not looked up.
    Malformed,
    /// The key may be unknown, and the budget for look-ups of unknown keys is used up.
    OverBudget,
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
            unknown_keys: Cache::new(MAX_CACHED, cached),
            budget: Budget::default(),
            cached_assignments: Cache::new(MAX_CACHED, cached),
            reads: AtomicU64::default(),
        }
    }

    /// Looks up the key with this text, which came from this address.
    ///
    /// # Errors
    /// The table is unavailable, or the item is damaged. The caller must be refused.
    pub async fn key(&self, text: &str, from: Option<IpAddr>) -> Result<KeyAnswer, StoreError> {
        let Ok(key) = Key::parse(text) else { return Ok(KeyAnswer::Malformed) };
        let (digest, now) = (key.digest(), self.clock.moment());
        if self.cached_keys.peek(digest, now).await.is_some() {
            return Ok(self.judge(self.found(digest).await?));
        }
        if let Some(((), true)) = self.unknown_keys.peek(digest, now).await {
            return Ok(KeyAnswer::Unknown);
        }
        let Some(source) = self.budget.take(from, now) else { return Ok(KeyAnswer::OverBudget) };
        let found = self.found(digest).await;
        if !matches!(found, Ok(None)) {
            self.budget.put_back(source);
        }
        Ok(self.judge(found?))
    }

    /// Returns the stored key of this digest, cached or read.
    async fn found(&self, digest: Digest) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let now = self.clock.moment();
        let fetch = async {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let record = self.keys.get(&digest).await?;
            Ok::<_, StoreError>(record.map(ApiKey::new).transpose()?.map(Arc::new))
        };
        let found = self.cached_keys.get(digest, now, fetch).await?;
        if found.is_none() {
            self.unknown_keys.insert(digest, (), now).await;
            self.cached_keys.remove(digest).await;
        }
        Ok(found)
    }

    fn judge(&self, found: Option<Arc<ApiKey>>) -> KeyAnswer {
        match found {
            None => KeyAnswer::Unknown,
            Some(key) if !key.record.details.enabled => KeyAnswer::Disabled,
            Some(key) if key.record.details.is_valid(self.clock.now()) => KeyAnswer::Valid(key),
            Some(_) => KeyAnswer::Expired,
        }
    }

    /// The number of reads of the table since the start.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Returns the plan that a subject is assigned; `None` if it is assigned none.
    ///
    /// # Errors
    /// The table is unavailable, or the item is damaged. The caller must be refused.
    pub async fn plan_of(&self, subject: &Subject) -> Result<Option<PlanId>, StoreError> {
        Ok(plan(&self.assigned(subject.as_str()).await?)?)
    }

    /// Returns the parents of a subject, nearest first: the parent that it is assigned, the parent
    /// of that one, and so on. Each has the plan of its own assignment.
    ///
    /// # Errors
    /// The parents lead back to a subject before them, or are more than
    /// [`MAX_PARENTS`](crate::MAX_PARENTS); the table is unavailable, or an item is damaged.
    pub async fn parents_of(&self, subject: &Subject) -> Result<Vec<Parent>, ParentsError> {
        let own = self.assigned(subject.as_str()).await?;
        let read = |name: String| async move { self.assigned(&name).await.map(Some) };
        let chain = Chain::above(&own, read).await?;
        if let Some(problem) = chain.problem {
            return Err(ParentsError::Chain(problem));
        }
        let parents = chain.parents.iter().map(|it| {
            let subject = Subject::new(it.subject.as_str());
            let subject = subject.map_err(|error| damage("assignment", PARENT, error))?;
            Ok::<_, StoreError>(Parent { subject, plan: plan(it)? })
        });
        Ok(parents.collect::<Result<_, _>>()?)
    }

    /// Returns a subject's assignment, cached or read; of nothing if it has none.
    async fn assigned(&self, subject: &str) -> Result<Assignment, StoreError> {
        let fetch = async {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let assigned = self.assignments.get(subject).await?;
            let assigned = assigned.unwrap_or_else(|| Assignment::new(subject));
            // If this crate does not accept the name, each request gets an error, and nothing is
            // cached.
            plan(&assigned)?;
            let parent = assigned.parent.as_deref().map(Subject::new).transpose();
            parent.map_err(|error| damage("assignment", PARENT, error))?;
            Ok(assigned)
        };
        self.cached_assignments.get(subject, self.clock.moment(), fetch).await
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

/// The plan of an assignment.
fn plan(assigned: &Assignment) -> Result<Option<PlanId>, Damage> {
    let plan = assigned.plan.as_deref().map(PlanId::new).transpose();
    plan.map_err(|error| damage("assignment", "plan_id", error))
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

// The number must be the same with and without the feature `dynamodb`.
const _: () = assert!(table::MAX_PARENTS == crate::request::MAX_PARENTS, "one number of levels");

/// The attribute of an assignment that names the parent.
const PARENT: &str = "parent";

/// Bounds the memory that a series of random keys can fill.
const MAX_CACHED: u64 = 10_000;
