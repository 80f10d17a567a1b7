//! Levels that are decided without being asked.

use super::Throttle;
use crate::bucket::{Charge, State};
use crate::charged::Charged;
use crate::clock::Clock;
use crate::decision::Decision;
use crate::failure::ThrottleError;
use crate::limit::Standings;
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
        let charge = self.charge(request, record)?;
        let known = self.known(request, &charge);
        let mut decision = Decision::unasked(request.plan.clone(), standings(&charge, &known));
        let stamp = Some(charge.stamp.clone());
        let left = known.unwrap_or(State { stamp, ..State::default() });
        let subject = request.subject.clone();
        decision.give(vec![Charged { subject, charge, left, drawn: None }]);
        Ok(decision)
    }

    /// The decision of the subject's own level if another one refused before it was asked.
    pub(super) fn unasked(
        &self,
        request: &Request<'_>,
        record: &PlanRecord,
    ) -> Result<Decision, ThrottleError> {
        let charge = self.charge(request, record)?;
        let known = self.known(request, &charge);
        Ok(Decision::unasked(request.plan.clone(), standings(&charge, &known)))
    }

    /// The last known state of a subject's bucket under the plan of a charge.
    fn known(&self, request: &Request<'_>, charge: &Charge) -> Option<State> {
        let last = self.predictor.last(request.subject);
        (last.state().stamp.as_ref() == Some(&charge.stamp)).then(|| last.state().clone())
    }
}

/// The standings of a charge's limits; none if the state is not known.
fn standings(charge: &Charge, known: &Option<State>) -> Standings {
    known.as_ref().map(|state| charge.standings(state)).unwrap_or_default()
}
