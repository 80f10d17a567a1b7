//! Decisions of one instance alone while the table is unavailable, by a share of the plan.

use crate::bucket::{Charge, State};
use crate::clock::{Clock, Timestamp};
use crate::decision::Decision;
use crate::id::Subject;
use crate::lock::{Mutex, lock};
use crate::plan::Plan;
use crate::recent::Recent;
use crate::steady::Steady;

/// The buckets of an instance that has to decide alone.
#[derive(Debug)]
pub(crate) struct LocalFallback {
    states: Mutex<Recent<Subject, State>>,
    clock: Steady,
}

impl LocalFallback {
    pub(crate) fn new() -> Self {
        Self { states: Mutex::new(Recent::new(MAX_SUBJECTS)), clock: Steady::default() }
    }

    /// Returns the moment of these buckets' clock.
    pub(crate) fn moment(&self, clock: &impl Clock) -> Timestamp {
        self.clock.moment(clock)
    }

    /// Decides by a share of the plan, in this instance alone.
    ///
    /// If a cost is above the share of a burst, it is admitted when that bucket is full, and
    /// becomes debt, because a request that fits the plan must not be refused forever.
    pub(crate) fn decide(&self, subject: &Subject, share: &Plan, charge: &Charge) -> Decision {
        let mut states = lock(&self.states);
        let state = states.entry(subject);
        Decision::by_state(charge, share, state).degrade()
    }
}

/// The least number of subjects whose buckets are kept.
const MAX_SUBJECTS: usize = 100_000;
