//! Errors. A refusal is a decision, not an error.

use crate::id::PlanId;
use crate::limit::Limit;
use crate::meter::Meter;

/// An error instead of a decision. The request must not be admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThrottleError {
    /// The store has no plan of this name.
    #[error("there is no plan `{plan}`: store it, or correct the name")]
    UnknownPlan {
        /// The requested plan.
        plan: PlanId,
    },
    /// The plan does not have a meter of the request. Nothing was charged.
    #[error(
        "the plan `{plan}` has no meter `{}`: add it to the plan, or correct the name",
        .meter.escape_debug()
    )]
    UnknownMeter {
        /// The requested plan.
        plan: PlanId,
        /// The name of the meter, as the request has it.
        meter: String,
    },
    /// The amount of a meter is 0. Nothing was charged.
    #[error("an amount of 0 `{meter}` can't be charged: leave the meter out, or give at least 1")]
    NoAmount {
        /// The meter.
        meter: Meter,
    },
    /// The request lies within too many parents. Nothing was charged.
    #[error("a request has at most {max} levels: leave out a parent")]
    TooManyLevels {
        /// The most levels, the subject's own included.
        max: usize,
    },
    /// A subject is its own parent, or occurs twice among the parents. Nothing was charged.
    #[error("a subject is its own ancestor, under the plan `{plan}`: correct its parents")]
    OwnAncestor {
        /// The plan of the later of the two levels.
        plan: PlanId,
    },
    /// The request asks for more than the bucket ever holds. Nothing was charged.
    #[error(
        "a cost of {cost}{} never fits a burst of {burst}: lower the cost, or raise the burst",
        of(.limit.meter())
    )]
    CostAboveBurst {
        /// The rate.
        limit: Limit,
        /// The request's cost.
        cost: u64,
        /// The bucket's size.
        burst: u64,
    },
    /// The request asks for more than a quota ever holds. Nothing was charged.
    #[error(
        "a cost of {cost}{} never fits a {} quota of {quota}: lower the cost, or raise the quota",
        of(.limit.meter()), .limit.kind().name()
    )]
    CostAboveQuota {
        /// The quota's name.
        limit: Limit,
        /// The request's cost.
        cost: u64,
        /// The quota's size.
        quota: u64,
    },
    /// A settlement of an amount that no limit can hold. The reservation stays charged.
    #[error("an amount of {amount} is more than {max}, the largest quota: correct the amount")]
    AmountTooLarge {
        /// The amount.
        amount: u64,
        /// The largest amount.
        max: u64,
    },
    /// A settlement of a meter that the request did not reserve. The reservation stays charged.
    #[error("the request reserved nothing of the meter that is settled: reserve at least 1 of it")]
    NotReserved,
    /// The store is unavailable. The request may have been charged.
    #[error("the limits can't be looked up: {0}")]
    Unavailable(#[source] Failure),
    /// An item in the store is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

impl ThrottleError {
    /// Returns true if a later try of the same request may succeed without a change of plans or
    /// set-up: for a worker that retries, and sets other requests aside.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(failure) if failure.may_pass())
    }
}

/// The meter of a cost in a message; nothing for requests.
fn of(meter: Meter) -> String {
    if meter.is_requests() { String::new() } else { format!(" `{meter}`") }
}

/// An error of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store is unavailable.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// An item is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

impl From<StoreError> for ThrottleError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Failure(failure) => Self::Unavailable(failure),
            StoreError::Damaged(damage) => Self::Damaged(damage),
        }
    }
}

/// A failed call to the table. Holds nothing that a caller sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No answer in time. A write may have been applied, and counts as charged.
    #[error("the table didn't answer in time")]
    TimedOut,
    /// No connection could be made, or it was reset.
    #[error("the table can't be reached: check the endpoint and the network")]
    Unreachable,
    /// The service failed, the connection broke, or the answer is not DynamoDB's. A write may have
    /// been applied.
    #[error("the endpoint failed or broke the connection, or is not DynamoDB")]
    Outage,
    /// The load is above the table's capacity.
    #[error("the table is throttled: raise its capacity, or spread the load")]
    Throttled,
    /// The load is above DynamoDB's limit for one item. Nothing was charged.
    ///
    /// A decision is then a refusal by [`Limit::CONTENTION`], under every failure policy.
    #[error("one item is throttled: spread the load over more subjects, or use leases")]
    HotKey,
    /// The table does not exist.
    #[error("the table doesn't exist: create it, or correct its name and region")]
    NoTable,
    /// The credentials are missing, wrong, or don't allow it.
    #[error("access to the table was denied ({code}): check the credentials and their policy")]
    Denied {
        /// DynamoDB's name for the error.
        code: String,
    },
    /// The SDK has no region, no credentials, or an endpoint that is not a URL. Nothing was sent.
    #[error("no request could be made: set a region, credentials, and an endpoint that is a URL")]
    Unconfigured,
    /// The service refused the request.
    #[error("the table refused the request ({code})")]
    Rejected {
        /// DynamoDB's name for the error.
        code: String,
    },
    /// The circuit breaker is open: the table failed several times in a row. Nothing was charged.
    #[error("the table has just failed several times in a row: it is asked again within a second")]
    Suspended,
    /// Others changed the item at each try. Nothing was changed.
    ///
    /// A decision never has this error; it becomes a refusal by [`Limit::CONTENTION`].
    #[error("the item changed at each of {calls} tries: spread the load over more subjects")]
    Contended {
        /// The number of tries.
        calls: u32,
    },
}

impl Failure {
    /// Returns true if a later try may succeed without a change of the set-up.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::TimedOut
            | Self::Unreachable
            | Self::Outage
            | Self::Throttled
            | Self::HotKey
            | Self::Suspended
            | Self::Contended { .. } => true,
            Self::NoTable | Self::Denied { .. } | Self::Unconfigured | Self::Rejected { .. } => {
                false
            }
        }
    }

    /// Returns true if a write that failed like this may have been applied.
    ///
    /// It counts as charged, and repeating it could charge twice.
    #[must_use]
    pub fn may_have_charged(&self) -> bool {
        match self {
            // A connection can also break after the request has left.
            Self::TimedOut | Self::Unreachable | Self::Outage => true,
            Self::Throttled
            | Self::HotKey
            | Self::NoTable
            | Self::Denied { .. }
            | Self::Unconfigured
            | Self::Rejected { .. }
            | Self::Suspended
            | Self::Contended { .. } => false,
        }
    }

    /// Returns true if the table as a whole gave no answer, which opens the circuit breaker.
    ///
    /// A table that refuses a call is available. A throttled call may concern only one subject.
    pub(crate) fn is_outage(&self) -> bool {
        // Without an answer, the outcome of a write is unknown too.
        self.may_have_charged()
    }
}

/// A damaged item. Names the attribute, never its value or the subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {item} item is damaged: `{attribute}` {problem}; repair or delete it")]
pub struct Damage {
    pub(crate) item: &'static str,
    pub(crate) attribute: String,
    pub(crate) problem: String,
}

impl Damage {
    /// The kind of item: `bucket` or `plan`.
    #[must_use]
    pub fn item(&self) -> &str {
        self.item
    }

    /// The damaged attribute.
    #[must_use]
    pub fn attribute(&self) -> &str {
        &self.attribute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unavailable_table_may_pass() {
        let code = String::from("AccessDeniedException");
        for (failure, may_pass) in [
            (Failure::TimedOut, true),
            (Failure::Unreachable, true),
            (Failure::Outage, true),
            (Failure::Throttled, true),
            (Failure::HotKey, true),
            (Failure::Suspended, true),
            (Failure::Contended { calls: 6 }, true),
            (Failure::NoTable, false),
            (Failure::Denied { code: code.clone() }, false),
            (Failure::Unconfigured, false),
            (Failure::Rejected { code }, false),
        ] {
            assert_eq!(failure.may_pass(), may_pass, "{failure}");
            assert_eq!(ThrottleError::Unavailable(failure).may_pass(), may_pass);
        }
        let plan = PlanId::new("free").unwrap();
        let (limit, attribute, problem) = (Limit::BURST, "pv".to_owned(), "is missing".to_owned());
        for error in [
            ThrottleError::UnknownPlan { plan: plan.clone() },
            ThrottleError::UnknownMeter { plan: plan.clone(), meter: "tokens".to_owned() },
            ThrottleError::NoAmount { meter: Meter::REQUESTS },
            ThrottleError::TooManyLevels { max: 4 },
            ThrottleError::OwnAncestor { plan },
            ThrottleError::CostAboveBurst { limit, cost: 2, burst: 1 },
            ThrottleError::CostAboveQuota { limit: Limit::DAILY, cost: 2, quota: 1 },
            ThrottleError::AmountTooLarge { amount: 2, max: 1 },
            ThrottleError::NotReserved,
            ThrottleError::Damaged(Damage { item: "bucket", attribute, problem }),
        ] {
            assert!(!error.may_pass(), "{error}");
        }
    }

    #[test]
    fn a_hot_key_is_not_an_outage() {
        assert!(!Failure::HotKey.is_outage());
        assert!(Failure::Outage.is_outage() && Failure::TimedOut.is_outage());
    }
}
