//! Plans that tokens name, which may not exist.
//!
//! The throttle caches each plan for a minute. Tokens with random names would cost one look-up for
//! each name, so this remembers the names without a plan and bounds how many there may be.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use throttle::{Clock, Moment, PlanId};

/// The time for which a name without a plan is not looked up again.
const KEEP: Duration = Duration::from_secs(60);

/// The most names without a plan that are looked up within `KEEP`.
const MAX_MISSING: usize = 60;

/// The most plans that are remembered.
const MAX_KNOWN: usize = 1_000;

/// The plans that tokens named.
#[derive(Default)]
pub(crate) struct ClaimedPlans(Mutex<Names>);

#[derive(Default)]
struct Names {
    known: HashSet<PlanId>,
    missing: HashMap<PlanId, Moment>,
}

impl ClaimedPlans {
    /// Returns whether this name may be looked up: it is known, or the budget for names without a
    /// plan is not used up and it is not among them.
    pub(crate) fn may_look_up(&self, plan: &PlanId, clock: &impl Clock) -> bool {
        let mut names = self.names();
        if names.known.contains(plan) {
            return true;
        }
        let now = clock.moment();
        names.missing.retain(|_, noted| now.since(*noted) < KEEP);
        names.missing.len() < MAX_MISSING && !names.missing.contains_key(plan)
    }

    /// Notes that the table has this plan.
    pub(crate) fn exists(&self, plan: &PlanId) {
        let mut names = self.names();
        if names.known.len() < MAX_KNOWN && !names.known.contains(plan) {
            names.known.insert(plan.clone());
        }
    }

    /// Notes that the table does not have this plan.
    pub(crate) fn is_missing(&self, plan: &PlanId, clock: &impl Clock) {
        let mut names = self.names();
        names.known.remove(plan);
        names.missing.insert(plan.clone(), clock.moment());
    }

    /// Returns whether the table is known to have this plan. Other names are a caller's own words.
    pub(crate) fn is_known(&self, plan: &PlanId) -> bool {
        self.names().known.contains(plan)
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use throttle::ManualClock;

    use super::*;

    fn plan(number: usize) -> PlanId {
        PlanId::new(format!("plan-{number}")).unwrap()
    }

    #[test]
    fn random_names_cost_a_bounded_number_of_look_ups() {
        let (names, clock) = (ClaimedPlans::default(), ManualClock::default());
        names.exists(&plan(0));
        let asked = |from: usize| {
            let asks = |number: &usize| {
                let asks = names.may_look_up(&plan(*number), &clock);
                if asks {
                    names.is_missing(&plan(*number), &clock);
                }
                asks
            };
            (from..from + 1_000).filter(asks).count()
        };
        assert_eq!((asked(1), asked(1), asked(2_000)), (MAX_MISSING, 0, 0));
        assert!(names.may_look_up(&plan(0), &clock), "a plan that exists has no budget");
        clock.advance(KEEP);
        assert_eq!(asked(1), MAX_MISSING);
        // A plan that was deleted becomes one of the missing, and may come back.
        names.is_missing(&plan(0), &clock);
        assert!(!names.may_look_up(&plan(0), &clock) && !names.is_known(&plan(0)));
        clock.advance(KEEP);
        assert!(names.may_look_up(&plan(0), &clock));
    }
}
