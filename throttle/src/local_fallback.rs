//! Decisions of one instance alone while the table is unavailable, by a share of the plan.

use crate::bucket::{Charge, Next, State};
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
    /// A cost above the share of a burst is admitted when that bucket is full, and paid for
    /// afterwards: a request that fits the plan must not be refused for ever.
    pub(crate) fn decide(&self, subject: &Subject, share: &Plan, charge: &Charge) -> Decision {
        let mut states = lock(&self.states);
        let state = states.entry(subject);
        let decision = match charge.next(share, state, false) {
            Next::Take(charge) => {
                let mut write = charge.write_to(state);
                write.tidy(state);
                write.apply(state);
                Decision::allowed(&charge, state)
            }
            Next::Change { write, takes } => {
                write.apply(state);
                let refusals = if takes { Vec::new() } else { charge.refusals(state) };
                Decision::refused(charge, state, refusals)
            }
            Next::Refuse(it) => Decision::refused(&it.charge, &it.state, it.refusals),
        };
        decision.degrade()
    }
}

/// The number of subjects whose buckets are kept at least.
const MAX_SUBJECTS: usize = 100_000;
