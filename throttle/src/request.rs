//! Requests to a throttle.

use std::num::NonZeroU32;

use crate::id::{PlanId, Subject};
use crate::plan::{MAX_METERS, MethodRate, PlanRecord, Scope};

/// One request, to be decided and counted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) plan: &'a PlanId,
    pub(crate) cost: NonZeroU32,
    /// The amounts of named meters. One more than a plan can have, so that a plan never has all.
    pub(crate) meters: [Option<(&'a str, u64)>; MAX_METERS + 1],
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
        let (cost, meters) = (NonZeroU32::MIN, [None; MAX_METERS + 1]);
        Self { subject, plan, cost, meters, method: None, receipt: false }
    }

    /// Sets the number of requests that it counts as, in every rate and every quota of requests.
    #[must_use]
    pub fn cost(self, cost: NonZeroU32) -> Self {
        Self { cost, ..self }
    }

    /// Sets the amount of a named meter that the request takes, such as 800 `tokens`.
    ///
    /// Without it, the request takes nothing of the meter, and its limits do not refuse it. The
    /// real amount can be settled afterwards, by the decision's receipt.
    ///
    /// [`Throttle::decide`](crate::Throttle::decide) charges nothing and returns an error if the
    /// plan does not have the meter, or if the amount is 0 or never fits a limit of it.
    #[must_use]
    pub fn meter(mut self, name: &'a str, amount: u64) -> Self {
        let mut slots = self.meters.iter_mut();
        if let Some(slot) = slots.find(|slot| slot.is_none_or(|(known, _)| known == name)) {
            *slot = Some((name, amount));
        }
        self
    }

    /// The named meters and their amounts.
    pub(crate) fn amounts(&self) -> impl Iterator<Item = (&'a str, u64)> {
        self.meters.into_iter().flatten()
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
        self.method_rate(record).map_or(Scope::PLAN, |method| method.scope)
    }
}
