//! Requests to a throttle.

use std::num::NonZeroU32;

use crate::id::{PlanId, Subject};
use crate::plan::{MethodRate, PlanRecord, Scope};

/// One request, to be decided and counted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) plan: &'a PlanId,
    pub(crate) cost: NonZeroU32,
    pub(crate) method: Option<Method<'a>>,
    pub(crate) receipt: bool,
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
        Self { subject, plan, cost: NonZeroU32::MIN, method: None, receipt: false }
    }

    /// Sets the number of tokens that the request takes of every rate and every quota.
    #[must_use]
    pub fn cost(self, cost: NonZeroU32) -> Self {
        Self { cost, ..self }
    }

    /// Sets the called method, as a plan writes it: `/pets/{id}/GET`.
    ///
    /// If the plan has a rate for it on this stage, the request takes from that too.
    #[must_use]
    pub fn method(self, api_id: &'a str, stage: &'a str, key: &'a str) -> Self {
        Self { method: Some(Method { api_id, stage, key }), ..self }
    }

    /// Asks for a receipt to settle or refund by. The request is then not served from a lease.
    #[must_use]
    pub fn with_receipt(self) -> Self {
        Self { receipt: true, ..self }
    }

    /// The rate of the request's method, if the plan has one.
    pub(crate) fn method_rate(&self, record: &PlanRecord) -> Option<MethodRate> {
        self.method.and_then(|it| record.plan.method_rate(it.api_id, it.stage, it.key))
    }

    pub(crate) fn scope(&self, record: &PlanRecord) -> Scope {
        self.method_rate(record).map_or(Scope::Plan, |method| method.scope)
    }
}
