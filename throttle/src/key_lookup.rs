//! Look-ups of API keys and assigned plans.

mod budget;

use std::fmt::{self, Debug};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use table::{Assignment, Assignments, Client, Digest, Key, KeyRecord, Keys};

use crate::cache::Cache;
use crate::clock::Clock;
use crate::failure::{Damage, StoreError};
use crate::id::{NameError, PlanId, Subject};
use crate::request::MAX_PARENTS;
use budget::Budget;

/// Looks up the table's keys and assignments, and caches the answers for a stated time.
///
/// A change in the table takes effect in every instance within that time. A key's expiry is checked
/// at each use.
///
/// Unknown keys are cached apart from known ones, so that a flood of them evicts no known key. Reads
/// of unknown keys have a budget: ten a minute for each source address (IPv6 by /64), and after 600
/// in all one each (IPv6 by /48). A key that was found before, and one from an address that sent no
/// unknown key, is not affected. A key that this instance has not seen, from an address
/// whose budget is used up, is refused until the minute ends: the two cannot be told apart without
/// a read.
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
    cached_assignments: Cache<Assigned>,
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

/// A subject's assignment; both are `None` if it has none.
#[derive(Clone, Default)]
struct Assigned {
    plan: Option<PlanId>,
    parent: Option<Subject>,
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
    /// The text has no key's form, or the wrong checksum. It was not looked up.
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
        Ok(self.assigned(subject).await?.plan)
    }

    /// Returns the parents of a subject, nearest first: the parent that it is assigned, the parent
    /// of that one, and so on. Each has the plan of its own assignment.
    ///
    /// # Errors
    /// The table is unavailable, or an item is damaged. Parents that lead back to a subject before
    /// them, or of which there are more than [`MAX_PARENTS`], are damaged too. The caller must be
    /// refused.
    pub async fn parents_of(&self, subject: &Subject) -> Result<Vec<Parent>, StoreError> {
        let mut parents = Vec::new();
        let mut next = self.assigned(subject).await?.parent;
        while let Some(parent) = next {
            if parent == *subject || parents.iter().any(|it: &Parent| it.subject == parent) {
                return Err(parent_damage("leads back to a subject below it").into());
            }
            if parents.len() == MAX_PARENTS {
                return Err(parent_damage("makes more than four levels").into());
            }
            let assigned = self.assigned(&parent).await?;
            parents.push(Parent { subject: parent, plan: assigned.plan });
            next = assigned.parent;
        }
        Ok(parents)
    }

    /// Returns a subject's assignment, cached or read.
    async fn assigned(&self, subject: &Subject) -> Result<Assigned, StoreError> {
        let fetch = async {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let assignment = self.assignments.get(subject.as_str()).await?;
            Ok(assignment.map(Assigned::new).transpose()?.unwrap_or_default())
        };
        self.cached_assignments.get(subject.as_str(), self.clock.moment(), fetch).await
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

impl Assigned {
    fn new(assignment: Assignment) -> Result<Self, Damage> {
        let plan = assignment.plan.map(PlanId::new).transpose();
        let parent = assignment.parent.map(Subject::new).transpose();
        Ok(Self {
            plan: plan.map_err(|error| damage("assignment", "plan_id", error))?,
            parent: parent.map_err(|error| damage("assignment", PARENT, error))?,
        })
    }
}

/// The damage of an assignment whose parent cannot be followed.
fn parent_damage(problem: &str) -> Damage {
    Damage { item: "assignment", attribute: PARENT.to_owned(), problem: problem.to_owned() }
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

/// The attribute of an assignment that names the parent.
const PARENT: &str = "parent";

/// Bounds what random keys that are tried one after the other can fill.
const MAX_CACHED: u64 = 10_000;
