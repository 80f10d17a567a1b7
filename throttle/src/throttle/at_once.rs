//! Deciding without a call and without waiting.

use std::sync::Arc;
use std::time::Duration;

use super::{REMEMBER_REFUSAL, Throttle, refusal};
use crate::bucket::Scope;
use crate::clock::{Clock, Moment};
use crate::counts::tick;
use crate::decision::Decision;
use crate::failure::ThrottleError;
use crate::plan::PlanRecord;
use crate::request::Request;
use crate::store::Store;

/// What is known of a request before anybody is asked.
pub(super) struct Known {
    /// The moment by the monotonic clock.
    pub(super) now: Duration,
    /// The plan, or that there is none, if it was looked up within the last minute.
    pub(super) plan: Option<Result<Arc<PlanRecord>, ThrottleError>>,
}

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Decides by a lease, where the bucket is, or by what the store refused a moment ago.
    ///
    /// Or else says what is known.
    pub(super) fn at_once(&self, request: &Request<'_>) -> Result<Decision, Known> {
        let now = self.clock.monotonic();
        if let Some(served) = self.served_at_once(request, now) {
            return Ok(served);
        }
        let moment = Moment::new(self.clock.now(), now);
        let plan = self.plans.kept(request.plan, moment);
        if let Some(Ok(record)) = &plan {
            let decision = self.in_place(request, record);
            let decision = decision.or_else(|| self.refused_at_once(request, record, moment));
            if let Some(decision) = decision {
                let allowed = decision.is_allowed();
                tick(if allowed { &self.tallies.allowed } else { &self.tallies.refused });
                return Ok(decision);
            }
        }
        Err(Known { now, plan })
    }

    /// With a method, the plan would have to tell what a lease is for.
    fn served_at_once(&self, request: &Request<'_>, now: Duration) -> Option<Decision> {
        if request.method.is_some() {
            return None;
        }
        let served = self.leased(request, Scope::Plan, now)?;
        tick(&self.tallies.allowed);
        Some(served)
    }

    /// Where leases are on, even a request that is refused counts for their size: it goes on.
    fn refused_at_once(
        &self,
        request: &Request<'_>,
        record: &PlanRecord,
        now: Moment,
    ) -> Option<Decision> {
        if self.leases.is_some() {
            return None;
        }
        let moment = self.now();
        let refused = self.seen.look(request.subject, |memory| {
            let state = memory.refusing(now, REMEMBER_REFUSAL)?;
            let charge = self.charge(request, record, moment).ok()?;
            // A change of plan that would shorten the wait was tried when the state refused.
            refusal(&charge, record, state, true)
        })?;
        tick(&self.tallies.remembered);
        Some(refused)
    }
}
