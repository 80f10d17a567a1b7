//! Where buckets and plans are kept.

pub mod dynamo;
pub mod memory;

use std::future::Future;
use std::sync::Arc;

use crate::bucket::{Charge, Form, State};
use crate::clock::Timestamp;
use crate::failure::StoreError;
use crate::name::{PlanId, Subject};
use crate::plan::Plan;

/// Keeps buckets and plans for any number of instances that share it.
///
/// The contract, which the suite in `tests/contract/` checks of every store:
///
/// - `take` is atomic. Between looking at a subject's state and changing it, nobody else
///   changes it.
/// - `take` changes the state if, and only if, `charge.applies(form, &state)` holds for the state
///   that it finds, and then to what `charge.apply(form, &mut state)` makes of it.
/// - `Taken` means that the change is durable. An error means that it may or may not have
///   happened; it must be treated as charged.
/// - `take` makes one call to whatever keeps the state, and never repeats it by itself.
/// - What can't be read as a state is an error, never an empty bucket.
/// - A store doesn't read the time: `charge.now` is the only moment it knows.
pub trait Store: Send + Sync + 'static {
    /// Looks up a plan; none if there is no such plan.
    fn plan(
        &self,
        id: &PlanId,
    ) -> impl Future<Output = Result<Option<PlanRecord>, StoreError>> + Send;

    /// Takes a charge from a subject's bucket, if it applies.
    fn take(
        &self,
        subject: &Subject,
        charge: &Charge,
        form: Form,
    ) -> impl Future<Output = Result<Answer, StoreError>> + Send;

    /// How many times `take` was called: each is one write unit.
    fn calls(&self) -> u64;
}

/// What a store found when it was asked to take a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The charge applied; the state is the one after it.
    Taken(State),
    /// The charge didn't apply; the state is unchanged, and this is it.
    Kept(State),
}

/// A plan as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRecord {
    /// Its name in the store.
    pub id: PlanId,
    /// What it says.
    pub plan: Plan,
    /// How many times it has been written; 1 for a new one.
    pub version: u64,
    /// When it was first written: a quota's offset is for the period of this moment.
    pub created: Timestamp,
}

impl<S: Store> Store for Arc<S> {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        S::plan(self, id).await
    }

    async fn take(
        &self,
        subject: &Subject,
        charge: &Charge,
        form: Form,
    ) -> Result<Answer, StoreError> {
        S::take(self, subject, charge, form).await
    }

    fn calls(&self) -> u64 {
        S::calls(self)
    }
}
