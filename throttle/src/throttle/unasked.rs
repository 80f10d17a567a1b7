//! Levels that are decided without being asked.

use super::Throttle;
use crate::bucket::{Charge, State};
use crate::charged::Charged;
use crate::clock::Clock;
use crate::decision::Decision;
use crate::failure::ThrottleError;
use crate::plan::PlanRecord;
use crate::request::Request;
use crate::store::Store;

impl<S: Store, C: Clock> Throttle<S, C> {
    /// The decision on a level of which the request takes nothing, with a receipt to settle by.
    pub(super) fn free(
        &self,
        request: &Request<'_>,
        record: &PlanRecord,
    ) -> Result<Decision, ThrottleError> {
        let mut decision = self.unasked(request, record)?;
        let charge = self.charge(request, record)?;
        let stamp = Some(charge.stamp.clone());
        let left = self.known(request, &charge).unwrap_or(State { stamp, ..State::default() });
        let subject = request.subject.clone();
        decision.give(vec![Charged { subject, charge, left, drawn: None }]);
        Ok(decision)
    }

    /// The decision of a level that is not asked, with the last known standings.
    pub(super) fn unasked(
        &self,
        request: &Request<'_>,
        record: &PlanRecord,
    ) -> Result<Decision, ThrottleError> {
        let charge = self.charge(request, record)?;
        let known = self.known(request, &charge);
        let standings = known.map(|state| charge.standings(&state)).unwrap_or_default();
        Ok(Decision::unasked(request.plan.clone(), standings))
    }

    /// The last known state of a subject's bucket under the plan of a charge.
    fn known(&self, request: &Request<'_>, charge: &Charge) -> Option<State> {
        let last = self.predictor.last(request.subject);
        (last.state().stamp.as_ref() == Some(&charge.stamp)).then(|| last.state().clone())
    }
}
