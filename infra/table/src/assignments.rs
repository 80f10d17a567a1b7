//! Assignments of plans to subjects: `SUBJECT#subject`.

use crate::error::{Damage, WriteError};
use crate::item::{
    self, Attributes, Deletable, Item, MAX_PLAN, MAX_SUBJECT, NO_KEY, PK, Reader, VERSION, number,
    text,
};
use crate::items::Items;

/// The assignments of a table.
pub type Assignments = Items<Assignment>;

/// The plan of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The subject.
    pub subject: String,
    /// The name of its plan.
    pub plan: String,
    /// The number of writes; 1 for a new assignment.
    pub version: u64,
}

impl Assignments {
    /// Assigns a plan. `replaced` is the version it replaces; `None` for a new assignment.
    ///
    /// Does not check that the plan exists.
    ///
    /// # Errors
    /// The stored version is not `replaced`, a name is invalid, or the table is unavailable.
    pub async fn put(
        &self,
        subject: &str,
        plan: &str,
        replaced: Option<u64>,
    ) -> Result<Assignment, WriteError> {
        let version = replaced.unwrap_or(0).saturating_add(1);
        let assignment = Assignment { subject: subject.to_owned(), plan: plan.to_owned(), version };
        self.replace(&assignment, replaced).await?;
        Ok(assignment)
    }
}

impl Item for Assignment {
    type Id = str;

    const KIND: &'static str = "assignment";
    const PREFIX: &'static str = "SUBJECT#";

    fn id(&self) -> &str {
        &self.subject
    }

    fn attributes(&self) -> Attributes {
        item::attributes([(PLAN, Some(text(&self.plan))), (VERSION, Some(number(self.version)))])
    }

    fn read(id: &str, item: &Attributes) -> Result<Option<Self>, Damage> {
        let item = Reader::new::<Self>(item);
        item.check(PK, id, MAX_SUBJECT).map_err(|_| item.damage(PK, NO_KEY))?;
        let (plan, version) = (item.text(PLAN, MAX_PLAN)?, item.required(VERSION)?);
        Ok(Some(Self { subject: id.to_owned(), plan, version }))
    }
}

impl Deletable for Assignment {}

const PLAN: &str = "plan_id";
