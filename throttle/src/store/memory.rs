//! A store in this process: the reference that others are measured by.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bucket::{State, Write};
use crate::clock::Timestamp;
use crate::failure::StoreError;
use crate::name::{PlanId, Subject};
use crate::plan::Plan;
use crate::store::{Answer, Consumed, ONE_UNIT, PlanRecord, Store, Tolls};

/// Buckets and plans in memory. Clones share them.
///
/// For tests and for one process by itself. Nothing is ever removed from it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    plans: Mutex<HashMap<PlanId, PlanRecord>>,
    buckets: Mutex<HashMap<Subject, State>>,
    tolls: Tolls,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores a plan, over an older one of the same name; `now` counts for a new one.
    pub fn put_plan(&self, id: PlanId, plan: Plan, now: Timestamp) {
        let mut plans = unpoisoned(&self.inner.plans);
        let (version, created) =
            plans.get(&id).map_or((1, now), |old| (old.version.saturating_add(1), old.created));
        plans.insert(id.clone(), PlanRecord { id, plan, version, created });
    }
}

impl Store for MemoryStore {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        Ok(unpoisoned(&self.inner.plans).get(id).cloned())
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        let answer = Ok(self.written(subject, write));
        self.inner.tolls.count(&answer, ONE_UNIT);
        answer
    }

    fn consumed(&self) -> Consumed {
        self.inner.tolls.consumed()
    }
}

impl MemoryStore {
    fn written(&self, subject: &Subject, write: &Write) -> Answer {
        let mut buckets = unpoisoned(&self.inner.buckets);
        if let Some(state) = buckets.get_mut(subject) {
            if !write.applies(state) {
                return Answer::Kept(write.part(state));
            }
            write.apply(state);
            return Answer::Applied(write.part(state));
        }
        let mut state = State::default();
        if !write.applies(&state) {
            return Answer::Kept(state);
        }
        write.apply(&mut state);
        let answer = Answer::Applied(write.part(&state));
        buckets.insert(subject.clone(), state);
        answer
    }
}

/// A lock whose holder panicked still guards whole values: nothing in between can panic.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
