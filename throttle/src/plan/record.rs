//! A plan as a store keeps it.

use super::Plan;
use crate::clock::Timestamp;
use crate::id::PlanId;

/// A plan as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRecord {
    /// Its name in the store.
    pub id: PlanId,
    /// The limits.
    pub plan: Plan,
    /// The number of times it has been written; 1 for a new one.
    pub version: u64,
    /// The moment of the first write: a quota's offset applies to the period of this moment.
    pub created: Timestamp,
}
