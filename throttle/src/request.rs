//! What is asked of a throttle.

use std::num::NonZeroU32;

use crate::name::{PlanId, Subject};

/// One request, to be counted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) plan: &'a PlanId,
    pub(crate) cost: NonZeroU32,
    pub(crate) method: Option<Method<'a>>,
}

/// A method of an API's stage, as a plan writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method<'a> {
    pub(crate) api_id: &'a str,
    pub(crate) stage: &'a str,
    pub(crate) key: &'a str,
}

impl<'a> Request<'a> {
    /// A request of a subject under a plan; it costs 1.
    #[must_use]
    pub fn new(subject: &'a Subject, plan: &'a PlanId) -> Self {
        Self { subject, plan, cost: NonZeroU32::MIN, method: None }
    }

    /// Sets how many tokens the request takes, of every rate and of every quota.
    #[must_use]
    pub fn cost(self, cost: NonZeroU32) -> Self {
        Self { cost, ..self }
    }

    /// Sets the method that is called, as a plan writes it: `/pets/{id}/GET`.
    ///
    /// If the plan has a rate for it on this stage, the request takes from that too.
    #[must_use]
    pub fn method(self, api_id: &'a str, stage: &'a str, key: &'a str) -> Self {
        Self { method: Some(Method { api_id, stage, key }), ..self }
    }
}
