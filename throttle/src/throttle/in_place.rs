//! Deciding where the bucket is: in a store of this process that lets it be changed in place.

use super::{Throttle, check_cost};
use crate::bucket::{Receipt, Stamp, State};
use crate::clock::Clock;
use crate::counts::tick;
use crate::decision::Decision;
use crate::local::take;
use crate::plan::PlanRecord;
use crate::request::Request;
use crate::store::Store;

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Decides without a write, if the store allows it; nothing is to be remembered then.
    ///
    /// None where writes must decide: the plan is outdated, the state is damaged, the cost never
    /// fits. And where leases are on, which are taken by writes.
    pub(super) fn in_place(&self, request: &Request<'_>, record: &PlanRecord) -> Option<Decision> {
        if self.leases.is_some() || !self.store.is_in_place() {
            return None;
        }
        check_cost(record, request.method_rate(record), request.cost).ok()?;
        let now = self.now();
        let decide = |state: &mut State| {
            // Once the bucket is on its way from memory: there is time for it.
            let charge = request.charge(record, now);
            let is_behind = |stamp: &Stamp| stamp.supersedes(&charge.stamp);
            let behind = state.stamp.as_ref().is_some_and(is_behind);
            if behind || charge.implausible(state).is_some() {
                return None;
            }
            let converts = state.stamp.as_ref().is_some_and(|stamp| *stamp != charge.stamp);
            let mut decision = take(&charge, &record.plan, state);
            if converts && state.stamp.as_ref() == Some(&charge.stamp) {
                tick(&self.tallies.converted);
            }
            if decision.is_allowed() {
                let charge = charge.taken_from(state);
                let left = charge.part(state);
                decision.give(Receipt::new(request.subject.clone(), &charge, left));
            } else {
                tick(&self.tallies.remembered);
            }
            Some(decision)
        };
        self.store.change(request.subject, decide)?
    }
}
