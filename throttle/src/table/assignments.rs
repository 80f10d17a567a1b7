//! The assignments in the table.

use crate::failure::StoreError;
use crate::name::{PlanId, Subject};
use crate::table::item::Assignment;
use crate::table::{Items, WriteError};

/// Reads and writes which plans a table's subjects are under.
pub type Assignments = Items<Assignment>;

impl Assignments {
    /// Assigns a plan, where `replaced` is the version it replaces; none for a new assignment.
    ///
    /// Whether there is such a plan is not looked at.
    ///
    /// # Errors
    /// The stored version is another than `replaced`, or the table has no answer.
    pub async fn put(
        &self,
        subject: &Subject,
        plan: &PlanId,
        replaced: Option<u64>,
    ) -> Result<Assignment, WriteError> {
        let version = replaced.unwrap_or(0).saturating_add(1);
        let assignment = Assignment { subject: subject.clone(), plan: plan.clone(), version };
        self.replace(&assignment, replaced).await?;
        Ok(assignment)
    }

    /// Ends an assignment; says whether there was one.
    ///
    /// # Errors
    /// The table has no answer.
    pub async fn delete(&self, subject: &Subject) -> Result<bool, StoreError> {
        self.remove(subject).await
    }
}
