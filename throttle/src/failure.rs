//! What can go wrong. Being refused is not among it: that is a decision.

use crate::limit::Limit;
use crate::name::PlanId;

/// Why there is no decision. The caller must not be let through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThrottleError {
    /// No plan of this name is stored.
    #[error("there is no plan `{plan}`: store it, or correct the name")]
    UnknownPlan {
        /// The plan that was asked for.
        plan: PlanId,
    },
    /// The request asks for more than the bucket ever holds.
    #[error("a cost of {cost} never fits a burst of {burst}: lower the cost, or raise the burst")]
    CostAboveBurst {
        /// What was asked for.
        cost: u32,
        /// What the bucket holds.
        burst: u64,
    },
    /// The request asks for more than a quota ever holds.
    #[error(
        "a cost of {cost} never fits a {limit} quota of {quota}: lower the cost, or raise the quota"
    )]
    CostAboveQuota {
        /// Which quota.
        limit: Limit,
        /// What was asked for.
        cost: u32,
        /// What the quota holds.
        quota: u64,
    },
    /// The store gave no answer that counts. The request may have been charged.
    #[error("the limits can't be looked up: {0}")]
    Unavailable(#[source] Failure),
    /// The store holds something that can't be trusted.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

/// Why a store has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It couldn't be asked, or didn't answer.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// It holds something that can't be trusted.
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

/// How asking the table failed. Holds nothing that a caller sent.
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
    /// More was asked than the table serves.
    #[error("the table is throttled: raise its capacity, or spread the load")]
    Throttled,
    /// More was asked of one item than DynamoDB serves of it. Nothing was charged.
    ///
    /// A decision is then a refusal by [`Limit::Contention`], under every failure policy.
    #[error("one item is throttled: spread the load over more subjects, or use leases")]
    HotKey,
    /// There is no such table.
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
    /// The service refused what was sent.
    #[error("the table refused the request ({code})")]
    Rejected {
        /// DynamoDB's name for the error.
        code: String,
    },
    /// The table failed again and again, so it isn't asked for a moment. Nothing was charged.
    #[error("the table has just failed several times in a row: it is asked again within a second")]
    Suspended,
    /// Others changed the item at each try. Nothing was changed.
    ///
    /// No decision fails like this: it is then a refusal by [`Limit::Contention`].
    #[error("the item changed at each of {calls} tries: spread the load over more subjects")]
    Contended {
        /// How often it was tried.
        calls: u32,
    },
}

impl Failure {
    /// Whether trying again later may help, without anybody changing the set-up.
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

    /// Whether a write that failed like this may have been applied all the same.
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

    /// Whether the table as a whole gave no answer: what opens the circuit breaker.
    ///
    /// A table that refuses is there. One that throttles may do so for one subject alone.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
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
}

/// An item that can't be trusted. Names the attribute, never its value or the subject.
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

    /// The attribute that is wrong.
    #[must_use]
    pub fn attribute(&self) -> &str {
        &self.attribute
    }
}
