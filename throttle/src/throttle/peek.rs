//! Decisions without a charge.

use super::Throttle;
use super::decide::{MAX_REFRESHES, damaged};
use crate::bucket::State;
use crate::clock::Clock;
use crate::decision::Decision;
use crate::failure::ThrottleError;
use crate::request::Request;
use crate::store::Store;

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Returns the decision that a request would get now, without charging it.
    ///
    /// The standings are those after the request, if it would be allowed. The decision has no
    /// receipt, and is not counted in [`stats`](Self::stats). Makes one consistent read of the item
    /// of each level and no write. Does not use leases, remembered refusals or failure policies.
    /// The next request may get another decision, because other requests may come first.
    ///
    /// # Errors
    /// As of [`decide`](Self::decide), and any failure of the store.
    pub async fn peek(&self, request: &Request<'_>) -> Result<Decision, ThrottleError> {
        let (own, levels) = request.levels()?;
        let own = self.peek_level(&own).await?;
        let mut parents = Vec::new();
        for level in levels {
            parents.push((level.subject.clone(), self.peek_level(&level).await?));
        }
        Ok(own.with_parents(parents))
    }

    async fn peek_level(&self, request: &Request<'_>) -> Result<Decision, ThrottleError> {
        let id = request.plan;
        let mut record = self.plans.get(id, self.clock.moment(), self.fetch(id)).await?;
        for _ in 0..MAX_REFRESHES {
            let charge = self.charge(request, &record)?;
            let asked = charge.write_to(&State::default());
            let read = self.store.read(request.subject, &asked);
            let mut state = self.breaker.call(&self.clock, request.subject, read).await?;
            if let Some(rate) = charge.implausible(&state) {
                return Err(damaged(&rate.to_string(), "is more than a year ahead"));
            }
            let Some(version) = charge.newer_version(&state) else {
                return Ok(Decision::by_state(&charge, &record.plan, &mut state));
            };
            let now = self.clock.moment();
            record = self.plans.newer(id, version, now, || self.fetch(id)).await?;
        }
        Err(damaged("pv", "is of a later version than the plan in the table is"))
    }
}
