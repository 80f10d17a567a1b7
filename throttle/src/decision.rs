//! The answer to a request.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::bucket::{Charge, Refusal, State};
use crate::name::PlanId;
use crate::period::Period;

/// A limit of a plan, by its name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// The rate, with its burst.
    Burst,
    /// The quota of a day.
    Daily,
    /// The quota of a week.
    Weekly,
    /// The quota of a month.
    Monthly,
}

impl Limit {
    /// The name: `burst`, `daily`, `weekly` or `monthly`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }
}

impl From<Period> for Limit {
    fn from(period: Period) -> Self {
        match period {
            Period::Day => Self::Daily,
            Period::Week => Self::Weekly,
            Period::Month => Self::Monthly,
        }
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a request fits its plan, and how the plan's tightest limit stands now.
///
/// The tightest limit is the one with the least room; of two, the one that resets later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    plan: PlanId,
    limit: u64,
    remaining: u64,
    reset: Duration,
    refusals: Vec<Limit>,
    wait: Duration,
}

impl Decision {
    /// A request that fitted; `state` is the one after it.
    pub(crate) fn allowed(plan: PlanId, charge: &Charge, state: &State) -> Self {
        Self::refused(plan, charge, state, &[])
    }

    /// A request that didn't fit `state`.
    pub(crate) fn refused(
        plan: PlanId,
        charge: &Charge,
        state: &State,
        refusals: &[Refusal],
    ) -> Self {
        let tightest = charge.tightest(state);
        Self {
            plan,
            limit: tightest.at_most,
            remaining: tightest.remaining,
            reset: tightest.reset,
            refusals: refusals.iter().map(|refusal| refusal.limit).collect(),
            wait: refusals.iter().map(|refusal| refusal.wait).max().unwrap_or_default(),
        }
    }

    /// Whether the request may go on. If so it has been counted.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.refusals.is_empty()
    }

    /// The plan that decided.
    #[must_use]
    pub fn plan(&self) -> &PlanId {
        &self.plan
    }

    /// How much the tightest limit holds in all: the burst, or the quota.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How much of the tightest limit is left after this request.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// How long until the tightest limit is whole again, to the nanosecond.
    #[must_use]
    pub fn reset_after(&self) -> Duration {
        self.reset
    }

    /// How long until the same request would fit if nobody else came, to the nanosecond.
    ///
    /// None when it was allowed. A nanosecond less is too early. Where several instances share
    /// the store, what others admitted within the last second may not be in it yet.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        (!self.is_allowed()).then_some(self.wait)
    }

    /// Like `retry_after`, in whole seconds rounded up and at least 1: for a Retry-After header.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let wait = self.retry_after()?;
        let partial = u64::from(wait.subsec_nanos() > 0);
        Some(wait.as_secs().saturating_add(partial).max(1))
    }

    /// All limits that the request didn't fit; empty when it was allowed.
    #[must_use]
    pub fn refused_by(&self) -> &[Limit] {
        &self.refusals
    }
}
