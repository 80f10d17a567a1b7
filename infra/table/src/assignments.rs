//! Assignments of plans and parents to subjects: `SUBJECT#subject`.

mod chain;

pub use chain::{Chain, ChainProblem, MAX_PARENTS};

use crate::error::{Damage, Error, WriteError};
use crate::item::{
    self, Attributes, Deletable, Item, MAX_PLAN, MAX_SUBJECT, NO_KEY, PK, Reader, VERSION, number,
    text,
};
use crate::items::Items;

/// The assignments of a table.
pub type Assignments = Items<Assignment>;

/// The plan and the parent of a subject: at least one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The subject.
    pub subject: String,
    /// The name of its plan; `None` if only a parent is assigned.
    pub plan: Option<String>,
    /// The subject whose limits apply too, such as the tenant of a user. Never the subject itself.
    pub parent: Option<String>,
    /// The number of writes; 0 if it was never written.
    pub version: u64,
}

/// Error of assigning a parent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParentError {
    /// The assignment was not written, or may have been written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Another write made a loop or too many levels in the meantime. The assignment was reverted.
    #[error("{} {problem}; it was assigned meanwhile, so nothing was changed", chain.shown())]
    Chain {
        /// The parents as they were after the write.
        chain: Chain,
        /// The problem with them.
        problem: ChainProblem,
    },
}

impl Assignment {
    /// An assignment that was never written. Give it a plan, a parent or both.
    #[must_use]
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), plan: None, parent: None, version: 0 }
    }

    /// Sets the plan.
    #[must_use]
    pub fn with_plan(self, plan: impl Into<String>) -> Self {
        Self { plan: Some(plan.into()), ..self }
    }

    /// Sets the parent.
    #[must_use]
    pub fn with_parent(self, parent: impl Into<String>) -> Self {
        Self { parent: Some(parent.into()), ..self }
    }
}

impl Assignments {
    /// Writes an assignment over its stored version; version 0 is a new one. Returns it as stored.
    ///
    /// Checks neither that the plan exists nor the parents of the parent.
    ///
    /// # Errors
    /// The stored version is another, the assignment has neither a plan nor a parent, a name is
    /// invalid, the subject is its own parent, or the table is unavailable.
    pub async fn put(&self, assignment: Assignment) -> Result<Assignment, WriteError> {
        let replaced = Some(assignment.version).filter(|version| *version > 0);
        let version = assignment.version.saturating_add(1);
        let assignment = Assignment { version, ..assignment };
        self.replace(&assignment, replaced).await?;
        Ok(assignment)
    }

    /// Follows the parents of a subject from its own assignment. Each read is consistent.
    ///
    /// # Errors
    /// The table is unavailable, or an assignment is damaged.
    pub async fn chain(&self, own: &Assignment) -> Result<Chain, Error> {
        Chain::above(own, |name| async move { self.get(&name).await }).await
    }

    /// Writes an assignment with a parent as [`put`](Self::put) does, over `stored`.
    ///
    /// Reads the parents again after the write, because two writes at the same time can make a loop
    /// that neither sees before. The later of them finds the loop here, and reverts its write
    /// unless the assignment has changed in the meantime.
    ///
    /// # Errors
    /// Those of [`put`](Self::put), or the parents are a loop or too many. If the parents cannot be
    /// read, the assignment stays written.
    pub async fn put_within(
        &self,
        assignment: Assignment,
        stored: &Assignment,
    ) -> Result<Assignment, ParentError> {
        let written = self.put(assignment).await?;
        let chain = self.chain(&written).await.map_err(WriteError::from)?;
        let Some(problem) = chain.problem else { return Ok(written) };
        if stored.version == 0 {
            let is_mine = self.delete_version(&written.subject, written.version).await;
            if !is_mine.map_err(WriteError::from)? {
                return Err(WriteError::Conflict { item: Assignment::KIND }.into());
            }
        } else {
            self.put(Assignment { version: written.version, ..stored.clone() }).await?;
        }
        Err(ParentError::Chain { chain, problem })
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
        item::attributes([
            (PLAN, self.plan.as_deref().map(text)),
            (PARENT, self.parent.as_deref().map(text)),
            (VERSION, Some(number(self.version))),
        ])
    }

    fn read(id: &str, item: &Attributes) -> Result<Option<Self>, Damage> {
        let item = Reader::new::<Self>(item);
        item.check(PK, id, MAX_SUBJECT).map_err(|_| item.damage(PK, NO_KEY))?;
        let plan = item.optional_text(PLAN, MAX_PLAN)?;
        let parent = item.optional_text(PARENT, MAX_SUBJECT)?;
        if plan.is_none() && parent.is_none() {
            return Err(item.damage(PLAN, "is missing"));
        }
        if parent.as_deref() == Some(id) {
            return Err(item.damage(PARENT, "is the subject itself"));
        }
        let version = item.required(VERSION)?;
        Ok(Some(Self { subject: id.to_owned(), plan, parent, version }))
    }
}

impl Deletable for Assignment {}

const PLAN: &str = "plan_id";
const PARENT: &str = "parent";
