//! Which plan a subject is under: `SUBJECT#subject`.

use super::{Attributes, Item, Reading, VERSION, n, text};
use crate::failure::Damage;
use crate::name::{PlanId, Subject};

/// An assignment as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Whose requests are counted.
    pub subject: Subject,
    /// The plan that they are counted under.
    pub plan: PlanId,
    /// How many times it has been written; 1 for a new one.
    pub version: u64,
}

impl Item for Assignment {
    type Id = Subject;

    const KIND: &'static str = "assignment";
    const PREFIX: &'static str = "SUBJECT#";

    fn id(&self) -> &Subject {
        &self.subject
    }

    fn name(subject: &Subject) -> String {
        subject.as_str().to_owned()
    }

    fn parse(name: &str) -> Option<Subject> {
        Subject::new(name).ok()
    }

    fn attributes(&self) -> Result<Attributes, Damage> {
        Ok(Attributes::from([
            (PLAN.to_owned(), text(self.plan.as_str())),
            (VERSION.to_owned(), n(self.version)),
        ]))
    }

    fn read(subject: Subject, item: &Attributes) -> Result<Option<Self>, Damage> {
        let item = Reading::<Self>::of(item);
        let plan = item.needed(PLAN, item.checked(PLAN, PlanId::new)?)?;
        let version = item.needed(VERSION, item.number(VERSION)?)?;
        Ok(Some(Self { subject, plan, version }))
    }
}

const PLAN: &str = "plan_id";
