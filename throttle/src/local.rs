//! Decisions without the table: a bucket in memory, by a share of the plan.

use std::fmt::{self, Debug};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::Duration;

use lru::LruCache;

use crate::bucket::{Charge, Foreign, State};
use crate::clock::Timestamp;
use crate::decision::Decision;
use crate::failure_policy::Share;
use crate::lock::Lock;
use crate::name::Subject;
use crate::plan::Plan;
use crate::plan::PlanRecord;
use crate::steady::Steady;

/// The buckets of an instance that has to decide by itself.
///
/// The least recently used bucket is evicted: with another policy a newcomer might never be stored,
/// and so find a full bucket each time.
pub(crate) struct Local {
    states: Mutex<LruCache<Subject, State>>,
    clock: Steady,
}

impl Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

impl Local {
    pub(crate) fn new(subjects: usize) -> Self {
        // Memory is allocated as subjects come, because mostly there is no outage.
        let mut states = LruCache::unbounded();
        states.resize(NonZeroUsize::new(subjects).unwrap_or(NonZeroUsize::MIN));
        Self { states: Mutex::new(states), clock: Steady::default() }
    }

    /// Returns the moment that these buckets go by, for readings of both clocks.
    pub(crate) fn moment(&self, wall: Timestamp, monotonic: Duration) -> Timestamp {
        self.clock.moment(wall, monotonic)
    }

    /// Decides by this share of the plan, in this instance alone.
    ///
    /// A cost above the share of a burst is let through when that bucket is full, and paid for
    /// afterwards: a request that fits the plan must not be refused for ever.
    pub(crate) fn decide(
        &self,
        subject: &Subject,
        record: &PlanRecord,
        share: Share,
        charge: impl FnOnce(&PlanRecord) -> Charge,
    ) -> Decision {
        let record = PlanRecord { plan: record.plan.share(share), ..record.clone() };
        let charge = charge(&record);
        let decide = |states: &mut LruCache<Subject, State>| {
            let state = states.get_or_insert_mut_ref(subject, State::default);
            take(&charge, &record.plan, state)
        };
        self.states.with(decide).degrade()
    }
}

/// Takes the charge from a state that nobody else can change meanwhile.
pub(crate) fn take(charge: &Charge, plan: &Plan, state: &mut State) -> Decision {
    match &state.stamp {
        Some(stamp) if *stamp != charge.stamp => match charge.foreign(plan, state, false) {
            Foreign::Change { write, takes: true } => write.apply(state),
            Foreign::Change { write, takes: false } => {
                write.apply(state);
                return Decision::refused(charge, state, charge.refusals(state));
            }
            Foreign::Guest(guest) => {
                guest.take(state);
                return Decision::allowed(&guest, state);
            }
            Foreign::Refuse(charge, shown, refusals) => {
                return Decision::refused(&charge, &shown, refusals);
            }
        },
        _ => {
            let refusals = charge.refusals(state);
            if !refusals.is_empty() {
                return Decision::refused(charge, state, refusals);
            }
            charge.take(state);
        }
    }
    Decision::allowed(charge, state)
}
