//! Plans that tokens name, which may not exist.
//!
//! The throttle caches each plan for a minute. Tokens with random names would cost one look-up for
//! each name, so names without a plan are cached and their number is bounded.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use throttle::{Clock, Moment, PlanId, Subject};

/// Cache time of a name without a plan.
const KEEP: Duration = Duration::from_secs(60);

/// The most look-ups of names without a plan for one subject within `KEEP`.
const MAX_MISSING_OF_ONE: usize = 3;

/// After this number of names without a plan within `KEEP`, each subject has only one such look-up.
/// Other subjects are not affected.
const MAX_MISSING: usize = 60;

/// The most names without a plan in the cache. If it is full, no unknown name is looked up.
const MAX_REMEMBERED: usize = 10_000;

/// The most plans in the cache.
const MAX_KNOWN: usize = 1_000;

/// The plans that tokens named.
#[derive(Default)]
pub(crate) struct ClaimedPlans(Mutex<Names>);

#[derive(Default)]
struct Names {
    known: HashSet<PlanId>,
    missing: HashMap<PlanId, Miss>,
}

/// A name without a plan.
struct Miss {
    /// The subject for which it was looked up.
    subject: Subject,
    at: Moment,
}

impl ClaimedPlans {
    /// Returns true if this name may be looked up for a subject: its plan is known, or it is not
    /// cached as missing and the subject's budget is not used up.
    pub(crate) fn may_look_up(&self, plan: &PlanId, subject: &Subject, clock: &impl Clock) -> bool {
        let mut names = self.names();
        if names.known.contains(plan) {
            return true;
        }
        let now = clock.moment();
        names.missing.retain(|_, miss| now.since(miss.at) < KEEP);
        let own = names.missing.values().filter(|miss| miss.subject == *subject).count();
        let most = if names.missing.len() < MAX_MISSING { MAX_MISSING_OF_ONE } else { 1 };
        own < most && names.missing.len() < MAX_REMEMBERED && !names.missing.contains_key(plan)
    }

    /// Caches that the table has this plan.
    pub(crate) fn exists(&self, plan: &PlanId) {
        let mut names = self.names();
        if names.known.len() < MAX_KNOWN && !names.known.contains(plan) {
            names.known.insert(plan.clone());
        }
    }

    /// Caches that the table lacks this plan.
    pub(crate) fn is_missing(&self, plan: &PlanId, subject: &Subject, clock: &impl Clock) {
        let mut names = self.names();
        names.known.remove(plan);
        let miss = Miss { subject: subject.clone(), at: clock.moment() };
        names.missing.insert(plan.clone(), miss);
    }

    /// Returns true if the table is known to have this plan. Other names may be a caller's own
    /// text.
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

    fn subject(number: usize) -> Subject {
        Subject::new(format!("subject-{number}")).unwrap()
    }

    /// Names a plan for a subject that the table does not have; true if it was looked up.
    fn misses(names: &ClaimedPlans, clock: &ManualClock, number: usize, by: usize) -> bool {
        let asks = names.may_look_up(&plan(number), &subject(by), clock);
        if asks {
            names.is_missing(&plan(number), &subject(by), clock);
        }
        asks
    }

    #[test]
    fn random_names_of_one_subject_cost_a_bounded_number_of_look_ups() {
        let (names, clock) = (ClaimedPlans::default(), ManualClock::default());
        names.exists(&plan(0));
        let asked = |from: usize| {
            (from..from + 1_000).filter(|number| misses(&names, &clock, *number, 1)).count()
        };
        assert_eq!((asked(1), asked(1), asked(2_000)), (MAX_MISSING_OF_ONE, 0, 0));
        assert!(names.may_look_up(&plan(0), &subject(1), &clock), "a plan that exists is free");
        clock.advance(KEEP);
        assert_eq!(asked(1), MAX_MISSING_OF_ONE);
        // A plan that was deleted becomes one of the missing, and may come back.
        names.is_missing(&plan(0), &subject(1), &clock);
        assert!(!names.may_look_up(&plan(0), &subject(2), &clock) && !names.is_known(&plan(0)));
        clock.advance(KEEP);
        assert!(names.may_look_up(&plan(0), &subject(2), &clock));
    }

    #[test]
    fn random_names_of_many_subjects_do_not_hold_up_others() {
        let (names, clock) = (ClaimedPlans::default(), ManualClock::default());
        let asked = (0..100).filter(|by| misses(&names, &clock, 1_000 + by, *by)).count();
        assert_eq!(asked, 100, "each has one name");
        let again = (0..100).filter(|by| misses(&names, &clock, 2_000 + by, *by)).count();
        assert_eq!(again, 0, "there are more than enough");
        assert!(names.may_look_up(&plan(1), &subject(200), &clock), "one who has named no other");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (names, clock) = (ClaimedPlans::default(), ManualClock::default());
        for number in 0..MAX_REMEMBERED {
            names.is_missing(&plan(number), &subject(number), &clock);
        }
        assert!(!names.may_look_up(&plan(20_000), &subject(20_000), &clock));
        clock.advance(KEEP);
        assert!(names.may_look_up(&plan(20_000), &subject(20_000), &clock));
    }
}
