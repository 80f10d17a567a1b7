//! A store in this process: the reference that others are measured by.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bucket::{Charge, Form, State};
use crate::clock::Timestamp;
use crate::failure::StoreError;
use crate::name::{PlanId, Subject};
use crate::plan::Plan;
use crate::store::{Answer, PlanRecord, Store};

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
    calls: AtomicU64,
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

    async fn take(
        &self,
        subject: &Subject,
        charge: &Charge,
        form: Form,
    ) -> Result<Answer, StoreError> {
        self.inner.calls.fetch_add(1, Ordering::Relaxed);
        let mut buckets = unpoisoned(&self.inner.buckets);
        let state = buckets.get(subject).cloned().unwrap_or_default();
        let answer = if charge.applies(form, &state) {
            let mut after = state;
            charge.apply(form, &mut after);
            buckets.insert(subject.clone(), after.clone());
            Answer::Taken(after)
        } else {
            Answer::Kept(state)
        };
        Ok(answer)
    }

    fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::Relaxed)
    }
}

/// A lock whose holder panicked still guards whole values: they are replaced, not edited.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
