//! Reports of decided requests.

use super::Refused;
use crate::decision::Decision;
use crate::id::{PlanId, Subject};

/// One decided request.
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
    /// The subject, if the request was decided here. It may identify a person.
    #[must_use]
    pub fn subject(&self) -> Option<&'a Subject> {
        self.subject
    }

    /// The plan of the decision; `None` if the request was not decided here.
    #[must_use]
    pub fn plan(&self) -> Option<&'a PlanId> {
        self.plan
    }

    /// The requests to charge here; 0 if the authorizer has charged them all, or if the request
    /// takes only from meters.
    #[must_use]
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// The decision, if there is one. For limits that are not enforced, see
    /// [`would_refuse`](Decision::would_refuse).
    #[must_use]
    pub fn decision(&self) -> Option<&'a Decision> {
        self.decision
    }

    /// The refusal, even if shadow mode ignores it; `None` for an admitted request.
    #[must_use]
    pub fn refused(&self) -> Option<&'a Refused> {
        self.refused
    }

    /// Returns true if the layer is in shadow mode, which admits every request.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.shadow
    }
}
