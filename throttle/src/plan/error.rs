//! Errors of plans: the wrong field, and the problem with it.

use std::fmt::{self, Display};

use super::MAX_METERS;
use crate::id::NameError;
use crate::meter::MeterError;
use crate::period::Period;
use crate::rate::RateError;

/// A wrong field of a plan, and the problem with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PlanError {
    /// The plan of an export, for people: its id, and its name if it has one.
    plan: Option<String>,
    field: String,
    pub(super) problem: Problem,
}

/// The problem with a field of a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// Longer than any plan.
    #[error("is longer than {max} bytes")]
    TooLong {
        /// The most bytes that are read.
        max: usize,
    },
    /// Not JSON, an unknown, repeated or missing field, or a field of another type.
    #[error("can't be read: {0}")]
    Json(String),
    /// A plan without limits, and without `unlimited`.
    #[error(
        "is missing: a plan needs a `throttle`, a `quota`, `meters`, or a method's `throttle`; \
         write `\"unlimited\": true` for a plan without limits"
    )]
    NoLimit,
    /// An invalid name of a meter.
    #[error(transparent)]
    Meter(#[from] MeterError),
    /// A meter without limits.
    #[error("limits nothing: give it a `throttle` or a `quota`")]
    NoMeterLimit,
    /// A meter's builder with more than a rate, a burst and quotas.
    #[error("has more than a rate, a burst and quotas")]
    NotOfMeter,
    /// More meters than an item has room for.
    #[error("has more than {MAX_METERS} meters: keep at most {MAX_METERS} besides requests")]
    TooManyMeters,
    /// Meters whose counters take too much of a subject's item.
    #[error(
        "can take {bytes} bytes of a subject's item, and it has room for {max}: use fewer meters \
         or quotas, or shorter names"
    )]
    LargeItem {
        /// The bytes that they can take.
        bytes: usize,
        /// The room for them.
        max: usize,
    },
    /// An unlimited plan with limits.
    #[error("contradicts the plan's limits: remove it, or the limits")]
    Unlimited,
    /// A burst without a rate.
    #[error("is missing: a burst needs a rate")]
    NoRate,
    /// JSON that is neither an export nor a plan.
    #[error("is missing: give the output of `aws apigateway get-usage-plans`")]
    NoItems,
    /// A plan of an export without an id.
    #[error("is missing: each plan of an export has one")]
    NoId,
    /// An invalid id.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A second plan, stage or method of one name, with other contents.
    #[error("is a duplicate: keep one")]
    Twice,
    /// A method that no request can have.
    #[error("must be a path and a verb, such as `/pets/GET` or `/pets/ANY`, or `*/*`")]
    Method,
    /// An invalid rate.
    #[error(transparent)]
    Rate(#[from] RateError),
    /// Not a whole number within the range.
    #[error("must be a whole number from 0 to {max}")]
    Range {
        /// The largest number.
        max: u64,
    },
    /// Neither DAY, WEEK nor MONTH.
    #[error("must be `DAY`, `WEEK` or `MONTH`")]
    Period,
    /// Two quotas with one period.
    #[error("has two quotas for one period: keep one")]
    TwoForOnePeriod,
    /// A burst that takes longer than a year to refill.
    #[error("takes longer than 366 days to refill at this rate: lower it, or raise the rate")]
    SlowBurst,
    /// An invalid failure policy.
    #[error("must be `closed`, `open`, or a share such as `{{\"local\": \"1/10\"}}` of at most 1")]
    Failure,
    /// A start day that the period does not have.
    #[error("must be {0}")]
    StartDay(&'static str),
    /// An offset that is a day, next to a start day.
    #[error("is a day, and `startDay` is one too: keep one")]
    TwoStartDays,
    /// An offset that leaves nothing of the first period.
    #[error("must be below `limit`")]
    WholeOffset,
    /// An offset that may count requests or days, without an [`OffsetMeans`](super::OffsetMeans).
    #[error(
        "can mean two things: AWS documents requests that the first period starts with as used, \
         but allows only numbers that fit days by which the period is shifted"
    )]
    Offset,
    /// An offset that is a day, and that the period does not have.
    #[error("as a day must be {0}")]
    OffsetDay(&'static str),
    /// Another meaning than `requests`.
    #[error("must be `requests`; for a day, write `startDay` instead of `offset`")]
    OffsetMeans,
}

impl Problem {
    pub(super) fn offset_day(period: Period) -> Self {
        Self::OffsetDay(match period {
            Period::Day => "0",
            Period::Week => "0, for Sunday, to 6",
            Period::Month => "0, for the first, to 27",
        })
    }

    pub(super) fn start_day(period: Period) -> Self {
        Self::StartDay(match period {
            Period::Day => "left out: a day starts at midnight, in UTC",
            Period::Week => "a day from `MONDAY` to `SUNDAY`",
            Period::Month => "a whole number from 1 to 28",
        })
    }
}

impl PlanError {
    pub(super) fn at(field: impl Into<String>, problem: Problem) -> Self {
        Self { plan: None, field: field.into(), problem }
    }

    /// The same, of a plan that is part of something else.
    pub(super) fn within(self, place: &str) -> Self {
        Self { field: format!("{place}.{}", self.field), ..self }
    }

    /// The same, of this plan of an export.
    pub(super) fn of(self, plan: String) -> Self {
        Self { plan: Some(plan), ..self }
    }

    /// The wrong field, such as `throttle.rateLimit`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Returns true for a quota's `offset` without an [`OffsetMeans`](super::OffsetMeans), which can
    /// mean two things.
    #[must_use]
    pub fn is_ambiguous_offset(&self) -> bool {
        self.problem == Problem::Offset
    }
}

impl Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plan) = &self.plan {
            write!(f, "plan {plan}: ")?;
        }
        write!(f, "`{}` {}", self.field, self.problem)
    }
}
