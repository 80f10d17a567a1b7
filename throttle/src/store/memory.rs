//! A store in this process: the reference that others are measured by.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::{Arc, Mutex};

use hashbrown::HashTable;

use crate::bucket::{State, Write};
use crate::clock::Timestamp;
use crate::failure::StoreError;
use crate::lock::Lock;
use crate::name::{PlanId, Subject};
use crate::plan::Plan;
use crate::store::{Answer, Consumed, ONE_UNIT, PlanRecord, Store, Tolls};
use crate::tag::{SHARDS, Sought, Tag};

/// Buckets and plans in memory. Clones share them.
///
/// For tests and for one process by itself. Nothing is ever removed from it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    inner: Arc<Inner>,
    in_place: bool,
}

#[derive(Debug)]
struct Inner {
    plans: Mutex<HashMap<PlanId, PlanRecord>>,
    hasher: RandomState,
    buckets: Vec<Mutex<HashTable<Bucket>>>,
    tolls: Tolls,
}

#[derive(Debug)]
struct Bucket {
    tag: Tag,
    state: State,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a throttle decide where the bucket is, rather than by conditional writes. Off unless set.
    ///
    /// It decides the same in a third of the time: one look-up a decision, and nothing
    /// remembered of it. What is decided so is no call, and [`consumed`](Store::consumed) doesn't
    /// count it. Throttles with leases go on to write.
    #[must_use]
    pub fn in_place(self) -> Self {
        Self { in_place: true, ..self }
    }

    /// Stores a plan, over an older one of the same name; `now` counts for a new one.
    pub fn put_plan(&self, id: PlanId, plan: Plan, now: Timestamp) {
        self.inner.plans.with(|plans| {
            let (version, created) =
                plans.get(&id).map_or((1, now), |old| (old.version.saturating_add(1), old.created));
            plans.insert(id.clone(), PlanRecord { id, plan, version, created });
        });
    }
}

impl Store for MemoryStore {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        Ok(self.inner.plans.with(|plans| plans.get(id).cloned()))
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        let answer = Ok(self.inner.written(subject, write));
        self.inner.tolls.count(&answer, ONE_UNIT);
        answer
    }

    fn is_in_place(&self) -> bool {
        self.in_place
    }

    fn change<R>(&self, subject: &Subject, change: impl FnOnce(&mut State) -> R) -> Option<R> {
        self.in_place.then(|| self.inner.with(subject, change))
    }

    fn consumed(&self) -> Consumed {
        self.inner.tolls.consumed()
    }
}

impl Inner {
    fn written(&self, subject: &Subject, write: &Write) -> Answer {
        self.with(subject, |state| {
            if !write.applies(state) {
                return Answer::Kept(write.part(state));
            }
            write.apply(state);
            Answer::Applied(write.part(state))
        })
    }

    /// Changes a subject's state, alone.
    fn with<R>(&self, subject: &Subject, change: impl FnOnce(&mut State) -> R) -> R {
        let sought = Sought::new(subject, &self.hasher);
        let Some(shard) = sought.shard(&self.buckets) else { return change(&mut State::default()) };
        shard.with(|shard| {
            let known = shard.find_mut(sought.hash, |bucket| bucket.tag.is(&sought));
            if let Some(bucket) = known {
                return change(&mut bucket.state);
            }
            let mut state = State::default();
            let result = change(&mut state);
            if state.stamp.is_some() {
                let bucket = Bucket { tag: Tag::from(&sought), state };
                shard.insert_unique(sought.hash, bucket, |bucket| bucket.tag.hash());
            }
            result
        })
    }
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            plans: Mutex::default(),
            hasher: RandomState::new(),
            buckets: (0..SHARDS).map(|_| Mutex::default()).collect(),
            tolls: Tolls::default(),
        }
    }
}
