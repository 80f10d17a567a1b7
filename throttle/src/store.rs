//! Where buckets and plans are kept.

#[cfg(feature = "dynamodb")]
pub(crate) mod dynamo;
pub(crate) mod memory;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bucket::{State, Write};
use crate::failure::StoreError;
use crate::name::{PlanId, Subject};
use crate::plan::PlanRecord;
pub use crate::steady::Steady;

/// Keeps buckets and plans for any number of instances that share it.
///
/// Sealed: only this workspace implements it.
///
/// The contract, which the suite in `tests/contract/` checks of every store:
///
/// - `write` is atomic. Between looking at a subject's state and changing it, nobody else
///   changes it.
/// - `write` changes the state if, and only if, `write.applies(&state)` holds for the state that
///   it finds, and then to what `write.apply(&mut state)` makes of it. A subject that was never
///   written to has the default state.
/// - Its answer tells at least `write.part(&state)`: everything but counters that the write
///   doesn't ask about.
/// - `Applied` means that the change is durable. An error means that it may or may not have
///   happened; it must be treated as charged.
/// - `write` makes one call to whatever keeps the state. It repeats it once at most, only if a
///   connection that was used before breaks before any byte of an answer, and counts it twice.
/// - What can't be read as a state is an error, never an empty bucket.
/// - `plan` tells what was put last: once a version has been told, no older one is.
/// - A store doesn't read the time: it knows what a write holds.
pub trait Store: Sealed + Send + Sync + 'static {
    /// Looks up a plan; none if there is no such plan.
    fn plan(
        &self,
        id: &PlanId,
    ) -> impl Future<Output = Result<Option<PlanRecord>, StoreError>> + Send;

    /// Changes a subject's state, if the conditions hold.
    fn write(
        &self,
        subject: &Subject,
        write: &Write,
    ) -> impl Future<Output = Result<Answer, StoreError>> + Send;

    /// Whether buckets are in this process, and may be changed in place. Not unless a store says so.
    ///
    /// Then a throttle without leases decides by [`change`](Self::change), and writes to refund or
    /// to settle alone.
    fn is_in_place(&self) -> bool {
        false
    }

    /// Changes a subject's state in place, alone; none where that isn't allowed.
    ///
    /// It is atomic, like `write`, and writes may come in between two of them. What the closure
    /// leaves in a state that has no stamp may be forgotten: nothing was written to it yet.
    fn change<R>(&self, subject: &Subject, change: impl FnOnce(&mut State) -> R) -> Option<R> {
        let _ = (subject, change);
        None
    }

    /// Returns a clock for buckets that no other process shares; none if they may be shared.
    ///
    /// A throttle then goes by that, and not by the wall clock, which somebody may set.
    fn steady(&self) -> Option<Steady> {
        None
    }

    /// What was asked so far, and what it cost.
    fn consumed(&self) -> Consumed;

    /// How many calls `write` made: each costs at least one write unit.
    fn calls(&self) -> u64 {
        self.consumed().calls
    }
}

/// Keeps other crates from implementing [`Store`].
pub trait Sealed {}

impl<S: Store> Sealed for Arc<S> {}

/// What was asked of a store, and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Consumed {
    /// How many calls `write` made: one each, and one more where a connection broke.
    pub calls: u64,
    /// How many of them were applied.
    pub applied: u64,
    /// How many of them found that the conditions don't hold.
    pub kept: u64,
    /// How many of them had no answer that counts.
    pub failed: u64,
    /// How many of them found an item that can't be trusted.
    pub damaged: u64,
    /// The write units that they consumed, in thousandths of a unit.
    ///
    /// As DynamoDB tells; where it doesn't, which is when the conditions don't hold, one each.
    pub milliunits: u64,
}

/// What a store found when it was asked to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The conditions held; the state is the one afterwards.
    Applied(State),
    /// The conditions didn't hold; the state is unchanged, and this is it.
    Kept(State),
}

impl<S: Store> Store for Arc<S> {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        S::plan(self, id).await
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        S::write(self, subject, write).await
    }

    fn is_in_place(&self) -> bool {
        S::is_in_place(self)
    }

    fn change<R>(&self, subject: &Subject, change: impl FnOnce(&mut State) -> R) -> Option<R> {
        S::change(self, subject, change)
    }

    fn steady(&self) -> Option<Steady> {
        S::steady(self)
    }

    fn consumed(&self) -> Consumed {
        S::consumed(self)
    }
}

/// The counts of a store, that many tasks add to.
#[derive(Debug, Default)]
pub(crate) struct Tolls {
    applied: AtomicU64,
    kept: AtomicU64,
    failed: AtomicU64,
    damaged: AtomicU64,
    milliunits: AtomicU64,
}

impl Tolls {
    /// Counts one call by its outcome.
    pub(crate) fn count(&self, outcome: &Result<Answer, StoreError>, milliunits: u64) {
        let counter = match outcome {
            Ok(Answer::Applied(_)) => &self.applied,
            Ok(Answer::Kept(_)) => &self.kept,
            Err(StoreError::Failure(_)) => &self.failed,
            Err(StoreError::Damaged(_)) => &self.damaged,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.milliunits.fetch_add(milliunits, Ordering::Relaxed);
    }

    pub(crate) fn consumed(&self) -> Consumed {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (applied, kept) = (read(&self.applied), read(&self.kept));
        let (failed, damaged) = (read(&self.failed), read(&self.damaged));
        let calls = applied.saturating_add(kept).saturating_add(failed).saturating_add(damaged);
        Consumed { calls, applied, kept, failed, damaged, milliunits: read(&self.milliunits) }
    }
}

/// What a write of a small item costs.
pub(crate) const ONE_UNIT: u64 = 1_000;
