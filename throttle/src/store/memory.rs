//! A store in this process: the reference that others are measured by.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hashbrown::HashTable;

use crate::bucket::{State, Write};
use crate::clock::Timestamp;
use crate::failure::StoreError;
use crate::lock::Lock;
use crate::name::{PlanId, Subject};
use crate::period::{Period, Today};
use crate::plan::Plan;
use crate::plan::PlanRecord;
use crate::steady::Latest;
use crate::store::{Answer, Consumed, ONE_UNIT, Steady, Store, Tolls};
use crate::tag::{SHARDS, Sought, Tag};

/// Buckets and plans in memory, for tests and for one process by itself. Clones share them.
///
/// **Time.** Its buckets go by the monotonic clock, so a wall clock that is set back locks nobody
/// out. The first throttle's wall clock tells where to begin. From then on a step back has no
/// effect, neither on rates nor on when a quota's period begins; a step forward, or a time in which
/// the process was frozen, counts in full. All throttles of a store go by one time.
///
/// **Memory.** A bucket is forgotten a minute after it is full again, unless it counts a running
/// period that some plan has a quota for. Use under plans without such a quota is forgotten with it,
/// and is not counted if a plan gets a quota later in the same period. Each request looks at a few
/// buckets, so there is neither a thread nor a long pause; no request, no forgetting.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    inner: Arc<Inner>,
    in_place: bool,
}

#[derive(Debug)]
struct Inner {
    plans: Mutex<Plans>,
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    latest: Latest,
    tolls: Tolls,
}

#[derive(Debug, Default)]
struct Plans {
    records: HashMap<PlanId, PlanRecord>,
    /// The kinds of periods that a plan has a quota for, or once had.
    quotas: Vec<Period>,
}

#[derive(Debug, Default)]
struct Shard {
    buckets: HashTable<Bucket>,
    /// The state of a new bucket: empty, but later than all that were forgotten.
    ///
    /// So no receipt for a forgotten bucket is taken for one for the bucket that came after it.
    new: State,
    /// The number of requests, and the place that the next look begins at.
    turns: u64,
    next: usize,
}

#[derive(Debug)]
struct Bucket {
    tag: Tag,
    state: State,
}

impl MemoryStore {
    /// Returns an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a throttle decide where the bucket is, rather than by conditional writes. Off unless set.
    ///
    /// The decisions are the same, in a third of the time: one look-up each, and nothing is
    /// cached. They are not calls, and [`consumed`](Store::consumed) doesn't count them. Throttles
    /// with leases go on to write.
    #[must_use]
    pub fn in_place(self) -> Self {
        Self { in_place: true, ..self }
    }

    /// Stores a plan, over an older one of the same name; `now` counts for a new one.
    pub fn put_plan(&self, id: PlanId, plan: Plan, now: Timestamp) {
        self.inner.plans.with(|Plans { records, quotas }| {
            let periods = plan.quotas().iter().map(|quota| quota.period());
            quotas.extend(periods);
            quotas.sort_unstable();
            quotas.dedup();
            let old = records.get(&id);
            let (version, created) =
                old.map_or((1, now), |old| (old.version.saturating_add(1), old.created));
            records.insert(id.clone(), PlanRecord { id, plan, version, created });
        });
    }

    /// Returns the number of buckets in memory.
    #[must_use]
    pub fn buckets(&self) -> usize {
        self.inner.shards.iter().map(|shard| shard.with(|shard| shard.buckets.len())).sum()
    }
}

impl crate::store::Sealed for MemoryStore {}

impl Store for MemoryStore {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        Ok(self.inner.plans.with(|plans| plans.records.get(id).cloned()))
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

    fn steady(&self) -> Option<Steady> {
        Some(Steady::new(self.inner.latest.clone()))
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
        let Some(shard) = sought.shard(&self.shards) else { return change(&mut State::default()) };
        shard.with(|shard| {
            shard.turns = shard.turns.wrapping_add(1);
            if shard.turns.is_multiple_of(TURNS) {
                self.forget(shard);
            }
            let known = shard.buckets.find_mut(sought.hash, |bucket| bucket.tag.is(&sought));
            if let Some(bucket) = known {
                return change(&mut bucket.state);
            }
            let mut state = shard.new.clone();
            let result = change(&mut state);
            if state.stamp.is_some() {
                let bucket = Bucket { tag: Tag::from(&sought), state };
                shard.buckets.insert_unique(sought.hash, bucket, |bucket| bucket.tag.hash());
            }
            result
        })
    }

    /// Looks at the next buckets of a shard, and forgets those that no decision needs.
    fn forget(&self, shard: &mut Shard) {
        // Where no throttle has told the time, nothing is forgotten.
        let Some(now) = self.latest.get().checked_sub(GRACE) else { return };
        let (today, quotas) = (Today::at(now), self.plans.with(|plans| plans.quotas.clone()));
        let end = shard.next.saturating_add(LOOKS).min(shard.buckets.num_buckets());
        for at in shard.next..end {
            if let Ok(bucket) = shard.buckets.get_bucket_entry(at)
                && is_full(&bucket.get().state, now, &today, &quotas)
            {
                let (Bucket { state, .. }, _) = bucket.remove();
                shard.new.returned = shard.new.returned.max(state.returned);
                shard.new.writes = shard.new.writes.max(state.writes);
                shard.new.changed = shard.new.changed.max(state.changed);
            }
        }
        shard.next = if end < shard.buckets.num_buckets() { end } else { 0 };
        let room = shard.buckets.len().saturating_mul(2).max(FEW);
        if shard.buckets.capacity() > room.saturating_mul(2) {
            shard.buckets.shrink_to(room, |bucket| bucket.tag.hash());
        }
    }
}

/// Whether a new bucket would decide the same: nothing is owed, and no quota counts it.
fn is_full(state: &State, now: Timestamp, today: &Today, quotas: &[Period]) -> bool {
    let mut counters = state.counters.keys().chain(state.granted.keys());
    state.tats.values().all(|tat| *tat <= now)
        && counters.all(|counter| {
            let period = counter.period();
            !quotas.contains(&period) || *counter < today.of(period).window.counter
        })
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            plans: Mutex::default(),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            latest: Latest::default(),
            tolls: Tolls::default(),
        }
    }
}

/// A request that was delayed for longer than this finds a full bucket where it was charged.
const GRACE: Duration = Duration::from_secs(60);
/// Each so many requests of a shard look at so many places: 16 a request.
const TURNS: u64 = 64;
const LOOKS: usize = 1_024;
/// A shard keeps the room for so many buckets.
const FEW: usize = 64;

#[cfg(test)]
mod tests;
