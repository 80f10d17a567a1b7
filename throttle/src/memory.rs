//! A store in this process: the reference for other stores.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::bucket::{Counter, State, Write};
use crate::clock::Timestamp;
use crate::failure::StoreError;
use crate::id::{PlanId, Subject};
use crate::lock::{Mutex, lock};
use crate::period::{Period, Window};
use crate::plan::{Plan, PlanRecord};
use crate::steady::Latest;
use crate::store::{Answer, Consumed, ONE_UNIT, Steady, Store};

/// Buckets and plans in memory, for tests and for a single process. Clones share them.
///
/// **Time.** Its buckets follow the monotonic clock, so a wall clock that is set back does not lock
/// subjects out. They start at the first throttle's wall clock. Later steps back change neither
/// rates nor the start of a quota's period. Steps forward, and times in which the process was
/// frozen, count in full. All throttles of a store share this time.
///
/// **Memory.** A bucket is dropped a minute after it is full again (or was created), unless it
/// counts a current period of some plan's quota. Its use under plans without such a quota is
/// dropped too, and is not counted if a plan gets a quota later in the same period. Each write
/// checks a few buckets, so no thread and no long pause is needed; without writes, nothing is
/// dropped.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    plans: Arc<Mutex<Plans>>,
    buckets: Arc<Mutex<Buckets>>,
    latest: Latest,
    consumed: Arc<Mutex<Consumed>>,
}

#[derive(Debug, Default)]
struct Plans {
    records: HashMap<PlanId, PlanRecord>,
    /// The kinds of periods that a plan has a quota for, or once had.
    quotas: Vec<(Period, u8)>,
}

#[derive(Debug, Default)]
struct Buckets {
    states: HashMap<Subject, State>,
    /// All subjects with a bucket and the time of its creation, in the order in which they are
    /// checked.
    queue: VecDeque<(Subject, Timestamp)>,
    /// The state of a new bucket: empty, but later than all dropped ones.
    ///
    /// So a receipt for a dropped bucket is never used on the bucket that came after it.
    new: State,
}

impl MemoryStore {
    /// Returns an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores a plan, over an older one of the same name; `now` counts for a new one.
    pub fn put_plan(&self, id: PlanId, plan: Plan, now: Timestamp) {
        let Plans { records, quotas } = &mut *lock(&self.plans);
        let all = plan.every_meter().flat_map(|(_, limits)| limits.quotas());
        quotas.extend(all.map(|quota| (quota.period(), quota.start_day())));
        quotas.sort_unstable();
        quotas.dedup();
        let old = records.get(&id);
        let (version, created) =
            old.map_or((1, now), |old| (old.version.saturating_add(1), old.created));
        records.insert(id.clone(), PlanRecord { id, plan, version, created });
    }

    /// Grants a subject requests on top of its quota, for the period that `now` is in.
    ///
    /// Unused ones lapse when the period ends. Without a bucket, nothing is granted.
    pub fn grant(&self, subject: &Subject, period: Period, extra: u32, now: Timestamp) {
        self.grant_of(subject, &period.window(now), extra);
    }

    /// Grants a subject an amount of a meter, as [`grant`](Self::grant) does requests.
    pub fn grant_of(&self, subject: &Subject, window: &Window, extra: u32) {
        if let Some(state) = lock(&self.buckets).states.get_mut(subject) {
            let counter = window.counter;
            let used = state.counters.entry(counter).or_default();
            *used = used.saturating_sub(extra.into());
            let granted = state.granted.entry(counter).or_default();
            *granted = granted.saturating_add(extra.into());
        }
    }

    /// Returns the number of buckets in memory.
    #[must_use]
    pub fn buckets(&self) -> usize {
        lock(&self.buckets).states.len()
    }

    fn drop_full(&self, buckets: &mut Buckets, looks: usize) {
        // The latest moment that a throttle has used; before the first one, nothing is dropped.
        let Some(now) = self.latest.get().checked_sub(GRACE) else { return };
        let current =
            |(period, start): &(Period, u8)| period.window_from(start.cast_signed(), now).counter;
        let quotas: Vec<_> = lock(&self.plans).quotas.iter().map(current).collect();
        buckets.drop_full(now, &quotas, looks);
    }
}

impl crate::store::Sealed for MemoryStore {}

impl Store for MemoryStore {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        Ok(lock(&self.plans).records.get(id).cloned())
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        let answer = {
            let mut buckets = lock(&self.buckets);
            let answer = buckets.write(subject, write, self.latest.get());
            self.drop_full(&mut buckets, LOOKS);
            Ok(answer)
        };
        lock(&self.consumed).count(&answer, ONE_UNIT);
        answer
    }

    async fn read(&self, subject: &Subject, write: &Write) -> Result<State, StoreError> {
        let buckets = lock(&self.buckets);
        Ok(write.part(buckets.states.get(subject).unwrap_or(&buckets.new)))
    }

    fn steady(&self) -> Option<Steady> {
        Some(Steady::new(self.latest.clone()))
    }

    fn consumed(&self) -> Consumed {
        *lock(&self.consumed)
    }
}

impl Buckets {
    fn write(&mut self, subject: &Subject, write: &Write, now: Timestamp) -> Answer {
        let state = self.states.get_mut(subject);
        let found = state.as_deref().unwrap_or(&self.new);
        if !write.applies(found) {
            return Answer::Kept(write.part(found));
        }
        if let Some(state) = state {
            write.apply(state);
            return Answer::Applied(write.part(state));
        }
        let mut state = self.new.clone();
        write.apply(&mut state);
        let part = write.part(&state);
        self.states.insert(subject.clone(), state);
        self.queue.push_back((subject.clone(), now));
        Answer::Applied(part)
    }

    /// Checks the next buckets, and drops those that no decision needs.
    ///
    /// `quotas` are the counters of the current periods with a quota.
    fn drop_full(&mut self, now: Timestamp, quotas: &[Counter], looks: usize) {
        for _ in 0..looks.min(self.queue.len()) {
            let Some((subject, created)) = self.queue.pop_front() else { return };
            match self.states.get(&subject) {
                Some(state) if created <= now && is_full(state, now, quotas) => {
                    for (meter, returned) in &state.returned {
                        let most = self.new.returned.entry(*meter).or_default();
                        *most = (*most).max(*returned);
                    }
                    self.new.writes = self.new.writes.max(state.writes);
                    self.new.changed = self.new.changed.max(state.changed);
                    self.states.remove(&subject);
                }
                _ => self.queue.push_back((subject, created)),
            }
        }
        let room = self.states.len().saturating_mul(2).max(FEW);
        if self.states.capacity() > room.saturating_mul(2) {
            self.states.shrink_to(room);
            self.queue.shrink_to(room);
        }
    }
}

/// Returns true if a new bucket would decide the same: no debt, and no use of a current quota.
fn is_full(state: &State, now: Timestamp, quotas: &[Counter]) -> bool {
    let mut counters = state.counters.keys().chain(state.granted.keys());
    state.tats.values().all(|tat| *tat <= now)
        && counters.all(|counter| {
            let mut current = quotas.iter().filter(|quota| quota.period() == counter.period());
            current.all(|quota| counter.is_before(*quota))
        })
}

/// If a request is delayed for longer than this, its bucket may have been dropped and start full
/// again.
const GRACE: Duration = Duration::from_secs(60);
/// The number of buckets that each write checks.
const LOOKS: usize = 8;
/// The room that is always kept.
const FEW: usize = 1_024;

#[cfg(test)]
mod tests;
