//! Stores of buckets and plans.

use std::future::Future;
use std::sync::Arc;

use crate::bucket::{State, Write};
use crate::failure::{Failure, StoreError};
use crate::id::{PlanId, Subject};
use crate::plan::PlanRecord;
pub use crate::steady::Steady;

/// A store of buckets and plans, shared by any number of instances.
///
/// Sealed: only this workspace implements it.
///
/// The contract, which the suite in `tests/contract/` checks for every store:
///
/// - `write` is atomic: the state does not change between its condition and its update.
/// - `write` changes the state if, and only if, `write.applies(&state)` holds, and then as
///   `write.apply(&mut state)` does. A subject that was never written has the default state.
/// - Its answer holds at least `write.part(&state)`: everything except counters that the write
///   does not count.
/// - `Applied` means that the change is durable. An error means that it may or may not have
///   happened; it must be treated as charged.
/// - `write` makes one call. It repeats the call once at most, only if a reused connection breaks
///   before any byte of an answer, and counts it twice.
/// - An unreadable state is an error, never an empty bucket.
/// - `plan` returns the last version written: once it has returned a version, it never returns an
///   older one.
/// - A store does not read the time: it uses the moment in the write.
pub trait Store: Sealed + Send + Sync + 'static {
    /// Looks up a plan; `None` if it does not exist.
    #[doc(hidden)]
    fn plan(
        &self,
        id: &PlanId,
    ) -> impl Future<Output = Result<Option<PlanRecord>, StoreError>> + Send;

    /// Changes a subject's state, if the conditions hold.
    #[doc(hidden)]
    fn write(
        &self,
        subject: &Subject,
        write: &Write,
    ) -> impl Future<Output = Result<Answer, StoreError>> + Send;

    /// Reads the part of a subject's state that an answer to this write reports.
    ///
    /// A test's store that only decides need not implement it.
    #[doc(hidden)]
    fn read(
        &self,
        _: &Subject,
        _: &Write,
    ) -> impl Future<Output = Result<State, StoreError>> + Send {
        async { Err(Failure::Outage.into()) }
    }

    /// Returns a clock for buckets that no other process shares; `None` if they may be shared.
    ///
    /// A throttle then follows that clock, and not the wall clock, which may be set back.
    #[doc(hidden)]
    fn steady(&self) -> Option<Steady> {
        None
    }

    /// The calls so far, and their cost.
    fn consumed(&self) -> Consumed;

    /// The number of calls of `write`: each costs at least one write unit.
    fn calls(&self) -> u64 {
        self.consumed().calls
    }
}

/// Keeps other crates from implementing [`Store`].
pub trait Sealed {}

impl<S: Store> Sealed for Arc<S> {}

/// The calls of a store, and their cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Consumed {
    /// Calls of `write`: one each, and one more if a connection broke.
    pub calls: u64,
    /// Calls that were applied.
    pub applied: u64,
    /// Calls whose conditions did not hold.
    pub kept: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls that found a damaged item.
    pub damaged: u64,
    /// The write units of all calls, in thousandths of a unit.
    ///
    /// DynamoDB does not report them if the conditions do not hold; such a call counts as one unit.
    pub milliunits: u64,
}

/// A store's answer to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The conditions held; this is the state after the write.
    Applied(State),
    /// The conditions didn't hold; this is the unchanged state.
    Kept(State),
}

impl<S: Store> Store for Arc<S> {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        S::plan(self, id).await
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        S::write(self, subject, write).await
    }

    async fn read(&self, subject: &Subject, write: &Write) -> Result<State, StoreError> {
        S::read(self, subject, write).await
    }

    fn steady(&self) -> Option<Steady> {
        S::steady(self)
    }

    fn consumed(&self) -> Consumed {
        S::consumed(self)
    }
}

impl Consumed {
    /// Counts one call by its outcome.
    pub(crate) fn count(&mut self, outcome: &Result<Answer, StoreError>, milliunits: u64) {
        let count = match outcome {
            Ok(Answer::Applied(_)) => &mut self.applied,
            Ok(Answer::Kept(_)) => &mut self.kept,
            Err(StoreError::Failure(_)) => &mut self.failed,
            Err(StoreError::Damaged(_)) => &mut self.damaged,
        };
        *count = count.saturating_add(1);
        self.calls = self.calls.saturating_add(1);
        self.milliunits = self.milliunits.saturating_add(milliunits);
    }
}

/// The cost of writing a small item, in thousandths of a unit.
pub(crate) const ONE_UNIT: u64 = 1_000;
