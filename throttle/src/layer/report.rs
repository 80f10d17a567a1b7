//! What a layer tells of each request that it has decided.

use crate::decision::Decision;
use crate::name::{PlanId, Subject};

use super::Refused;

/// One request, as it was decided.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report<'a> {
    pub(super) subject: Option<&'a Subject>,
    pub(super) plan: Option<&'a PlanId>,
    pub(super) cost: u32,
    pub(super) decision: Option<&'a Decision>,
    pub(super) refused: Option<&'a Refused>,
    pub(super) shadow: bool,
}

impl<'a> Report<'a> {
    /// Whose request it is, where it was decided here. It may identify a person.
    #[must_use]
    pub fn subject(&self) -> Option<&'a Subject> {
        self.subject
    }

    /// The plan that it was decided under; none where it wasn't decided here, or not at all.
    #[must_use]
    pub fn plan(&self) -> Option<&'a PlanId> {
        self.plan
    }

    /// What it was to be charged here, in tokens; 0 where the authorizer has counted it.
    #[must_use]
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// The decision, where there is one.
    #[must_use]
    pub fn decision(&self) -> Option<&'a Decision> {
        self.decision
    }

    /// Why the request is refused, or in shadow mode would be; none for one that is let through.
    #[must_use]
    pub fn refused(&self) -> Option<&'a Refused> {
        self.refused
    }

    /// Whether it goes on all the same: the layer is in shadow mode.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.shadow
    }
}
