//! Deciding without the table: a bucket in memory, by a share of the plan.

use std::sync::{Arc, Mutex};

use moka::future::Cache;
use moka::policy::EvictionPolicy;

use crate::bucket::{Charge, Conversion, State};
use crate::decision::Decision;
use crate::lock::Lock;
use crate::name::Subject;
use crate::plan::Plan;
use crate::policy::Share;
use crate::store::PlanRecord;

/// The buckets of an instance that has to decide by itself.
#[derive(Debug)]
pub(crate) struct Local {
    states: Cache<Subject, Arc<Mutex<State>>>,
}

impl Local {
    pub(crate) fn new(subjects: u64) -> Self {
        // The least recent goes: with another policy a newcomer may never be kept, and so
        // find a full bucket each time.
        let states =
            Cache::builder().max_capacity(subjects).eviction_policy(EvictionPolicy::lru()).build();
        Self { states }
    }

    /// Decides by this share of the plan, in this instance alone.
    ///
    /// A cost above the share of a burst is let through when that bucket is full, and paid for
    /// afterwards: what fits the plan must not be refused for ever.
    pub(crate) async fn decide(
        &self,
        subject: &Subject,
        record: &PlanRecord,
        share: Share,
        charge: impl FnOnce(&PlanRecord) -> Charge,
    ) -> Decision {
        let record = PlanRecord { plan: record.plan.share(share), ..record.clone() };
        let charge = charge(&record);
        let fresh = std::future::ready(Arc::default());
        let state = self.states.get_with_by_ref(subject, fresh).await;
        state.with(|state| take(&charge, &record.plan, state)).degrade()
    }
}

/// Takes the charge from a state that nobody else can change meanwhile.
pub(crate) fn take(charge: &Charge, plan: &Plan, state: &mut State) -> Decision {
    match &state.stamp {
        Some(stamp) if *stamp != charge.stamp => match charge.convert(plan, state) {
            Conversion::Fitting(write) => write.apply(state),
            Conversion::Refusing(write) => {
                write.apply(state);
                return Decision::refused(charge, state, charge.refusals(state));
            }
            Conversion::Waiting { shown, refusals } => {
                return Decision::refused(charge, &shown, refusals);
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
