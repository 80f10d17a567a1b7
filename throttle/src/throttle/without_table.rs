//! Decisions while the table is unavailable, by the plan's failure policy.

use super::decide::{charge, check};
use super::{Throttle, add};
use crate::clock::Clock;
use crate::decision::Decision;
use crate::failure::{Failure, ThrottleError};
use crate::failure_policy::FailurePolicy;
use crate::plan::PlanRecord;
use crate::request::Request;
use crate::store::Store;

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Decides without the store, by the plan's failure policy.
    pub(super) fn without_table(
        &self,
        request: &Request<'_>,
        failure: Failure,
    ) -> Result<Decision, ThrottleError> {
        let record = self.plans.last(request.plan, self.clock.moment());
        let named = record.as_ref().and_then(|record| record.plan.failure());
        let decision = match (named.unwrap_or(self.default_failure), record) {
            (FailurePolicy::Open, _) => Decision::unknown(request.plan.clone()),
            (FailurePolicy::Local(share), Some(record)) => {
                if request.amounts().next().is_some() {
                    check(request, &record)?;
                }
                let share = PlanRecord { plan: record.plan.share(share), ..(*record).clone() };
                let charge = charge(request, &share, self.local.moment(&self.clock));
                self.local.decide(request.subject, &share.plan, &charge)
            }
            (FailurePolicy::Closed, _) | (FailurePolicy::Local(_), None) => {
                return Err(ThrottleError::Unavailable(failure));
            }
        };
        add(&mut self.stats_mut().degraded);
        Ok(decision)
    }
}
