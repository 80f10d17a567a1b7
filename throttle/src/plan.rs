//! A usage plan, in API Gateway's own JSON shape.

mod import;
mod json;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::num::NonZeroU64;

use serde::Serialize;

use crate::bucket::Scope;
use crate::name::NameError;
use crate::period::Period;
use crate::policy::{FailurePolicy, Share};
use crate::rate::{Rate, RateError};

pub use import::ImportedPlans;

/// What a subject may do: a rate with a burst, and quotas.
///
/// Read from the JSON that `aws apigateway get-usage-plan` prints. Three things may be written
/// that API Gateway doesn't know: a rate with a unit (`"100/min"`), a list of quotas with
/// different periods instead of one, and `failure`, what happens while the table can't be
/// asked: `"closed"`, `"open"`, or `{"local": "1/10"}`.
///
/// ```
/// use throttle::Plan;
///
/// let plan = Plan::from_json(
///     r#"{"throttle": {"rateLimit": 0.5, "burstLimit": 10}, "quota": {"limit": 1000, "period": "DAY"}}"#,
/// )
/// .unwrap();
/// assert_eq!(plan.throttle().unwrap().rate().to_string(), "0.5/s");
///
/// let error = Plan::from_json(r#"{"throttle": {"rateLimit": -1, "burstLimit": 10}}"#).unwrap_err();
/// assert_eq!(error.to_string(), "`throttle.rateLimit` must not be negative");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    name: Option<String>,
    description: Option<String>,
    throttle: Option<Throttling>,
    quotas: Vec<Quota>,
    api_stages: Vec<ApiStage>,
    failure: Option<FailurePolicy>,
}

/// A rate, and how many requests may come at once after an idle time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttling {
    rate: Rate,
    burst: u64,
}

/// How many requests a calendar period may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quota {
    limit: u64,
    #[serde(skip_serializing_if = "json::is_zero")]
    offset: u64,
    period: Period,
}

/// A stage that the plan is attached to, and its methods' own rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiStage {
    api_id: String,
    stage: String,
    throttle: BTreeMap<String, Throttling>,
}

/// A rate that a plan has for one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodRate {
    pub(crate) scope: Scope,
    pub(crate) throttle: Throttling,
}

/// What is wrong with a plan, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PlanError {
    field: String,
    problem: Problem,
}

/// What is wrong with a field of a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// More text than a plan ever has.
    #[error("is longer than {max} bytes")]
    TooLong {
        /// How long it may be.
        max: usize,
    },
    /// No JSON, an unknown or repeated field, a missing one, or another type.
    #[error("can't be read: {0}")]
    Json(String),
    /// Not there, and needed.
    #[error("is missing: a plan needs a `throttle`, a `quota`, or a method's `throttle`")]
    NoLimit,
    /// A plan of an export without an id.
    #[error("is missing: each plan of an export has one")]
    NoId,
    /// An id that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A plan, a stage or a method a second time.
    #[error("is there twice: keep one")]
    Twice,
    /// A method that no request can have.
    #[error("must be a path and a verb, such as `/pets/GET` or `/pets/ANY`, or `*/*`")]
    Method,
    /// A rate that is none.
    #[error(transparent)]
    Rate(#[from] RateError),
    /// Not a whole number within the range.
    #[error("must be a whole number from {min} to {max}")]
    Range {
        /// The least it may be.
        min: u64,
        /// The most it may be.
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
    /// No failure policy.
    #[error("must be `closed`, `open`, or a share such as `{{\"local\": \"1/10\"}}` of at most 1")]
    Failure,
    /// An offset that leaves nothing of the first period.
    #[error("must be below `limit`")]
    WholeOffset,
}

impl Plan {
    /// What people call the plan; nothing is looked up by it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The rate and burst, where there are any.
    #[must_use]
    pub fn throttle(&self) -> Option<Throttling> {
        self.throttle
    }

    /// The quotas, at most one a period.
    #[must_use]
    pub fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    /// The rate that the plan has for a method of its own, if it has one.
    ///
    /// `method` is written as API Gateway does: the resource's path and the verb,
    /// `/pets/{id}/GET`. The first of these keys that the plan has for the stage counts: the
    /// method itself, `/pets/{id}/ANY`, `*/*`. All methods that one key stands for share its
    /// bucket.
    ///
    /// A request takes from the method's rate *and* from the plan's. API Gateway's documentation
    /// says that a limit "can be set at the API or API method level", and not whether the one
    /// replaces the other: both is the stricter reading \[not confirmed on AWS\].
    #[must_use]
    pub fn method(&self, api_id: &str, stage: &str, method: &str) -> Option<MethodRate> {
        let mut stages = self.api_stages.iter();
        let stage = stages.find(|it| it.api_id == api_id && it.stage == stage)?;
        let (path, _) = method.rsplit_once('/')?;
        let (key, throttle) = stage
            .throttle
            .get_key_value(method)
            .or_else(|| stage.throttle.get_key_value(format!("{path}/ANY").as_str()))
            .or_else(|| stage.throttle.get_key_value("*/*"))?;
        Some(MethodRate { scope: stage.scope(key), throttle: *throttle })
    }

    /// The time that a token takes in each of the plan's rates.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = (Scope, NonZeroU64)> {
        let plan = self.throttle.map(|it| (Scope::Plan, it.rate.interval_nanos()));
        let methods = self.api_stages.iter().flat_map(|stage| {
            stage.throttle.iter().map(|(key, it)| (stage.scope(key), it.rate.interval_nanos()))
        });
        plan.into_iter().chain(methods)
    }

    /// What happens while the table can't be asked, where the plan says so.
    #[must_use]
    pub fn failure(&self) -> Option<FailurePolicy> {
        self.failure
    }

    /// A plan with this share of the rates, bursts and quotas; at least one of each.
    pub(crate) fn share(&self, share: Share) -> Self {
        let at_least_one = |number| share.of(number).max(1);
        let throttle = |it: Throttling| Throttling {
            rate: it.rate.share(share),
            burst: at_least_one(it.burst),
        };
        let mut plan = self.clone();
        plan.throttle = plan.throttle.map(throttle);
        for quota in &mut plan.quotas {
            quota.limit = at_least_one(quota.limit);
            quota.offset = share.of(quota.offset);
        }
        for rate in plan.api_stages.iter_mut().flat_map(|stage| stage.throttle.values_mut()) {
            *rate = throttle(*rate);
        }
        plan
    }

    /// The stages that an imported plan was attached to.
    #[must_use]
    pub fn api_stages(&self) -> &[ApiStage] {
        &self.api_stages
    }
}

impl Throttling {
    /// How fast the bucket refills.
    #[must_use]
    pub fn rate(self) -> Rate {
        self.rate
    }

    /// How many tokens the bucket holds.
    #[must_use]
    pub fn burst(self) -> u64 {
        self.burst
    }
}

impl Quota {
    /// How many requests a period may have.
    #[must_use]
    pub fn limit(self) -> u64 {
        self.limit
    }

    /// How many of them the plan's first period starts with as used.
    #[must_use]
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// How often it starts afresh.
    #[must_use]
    pub fn period(self) -> Period {
        self.period
    }
}

impl MethodRate {
    /// Its rate and burst.
    #[must_use]
    pub fn throttle(self) -> Throttling {
        self.throttle
    }
}

impl ApiStage {
    fn scope(&self, key: &str) -> Scope {
        Scope::method(&self.api_id, &self.stage, key)
    }

    /// The API's id.
    #[must_use]
    pub fn api_id(&self) -> &str {
        &self.api_id
    }

    /// The stage's name.
    #[must_use]
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// The methods' own rates, by `/path/METHOD`.
    #[must_use]
    pub fn throttle(&self) -> &BTreeMap<String, Throttling> {
        &self.throttle
    }
}

impl PlanError {
    /// The field that is wrong, such as `throttle.rateLimit`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.problem)
    }
}

const MAX_JSON: usize = 64 * 1024;
/// 366 days in nanoseconds: the longest that a bucket may take from empty to full.
pub(crate) const MAX_REFILL: u64 = 366 * 86_400 * 1_000_000_000;
