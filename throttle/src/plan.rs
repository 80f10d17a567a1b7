//! A usage plan, in API Gateway's own JSON shape.

mod import;
mod json;
mod record;
mod scope;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::num::NonZeroU64;

use crate::failure_policy::{FailurePolicy, Share};
use crate::name::NameError;
use crate::period::Period;
use crate::rate::{Rate, RateError};

pub use import::ImportedPlans;
pub use record::PlanRecord;
pub use scope::Scope;

/// The limits of a subject: a rate with a burst, and quotas.
///
/// Read from the JSON that `aws apigateway get-usage-plan` prints. API Gateway does not have:
/// - a rate with a unit: `"100/min"`;
/// - a list of quotas with different periods instead of one;
/// - `offsetMeans`: `"requests"` beside a quota's `offset` ([`OffsetMeans`]);
/// - `failure`, the policy while the table is unavailable: `"closed"`, `"open"`, or
///   `{"local": "1/10"}`;
/// - `"unlimited": true`, which a plan without limits needs.
///
/// A rate of 0, a burst of 0 or a quota of 0 refuses every request.
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

/// A rate, and the number of requests that may come at once after an idle time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttling {
    rate: Rate,
    burst: u64,
}

/// The number of requests that a calendar period may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    limit: u64,
    offset: u64,
    period: Period,
}

/// The meaning of a quota's `offset`, which AWS does not settle.
///
/// API Gateway's reference says "requests subtracted in the initial period". Its validation
/// allows 0 for DAY, 0 to 6 for WEEK and 0 to 27 for MONTH, which fits days by which the period
/// is shifted. Tollgate has no shifted periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetMeans {
    /// The plan's first period starts with that many requests used.
    Requests,
    /// Nothing: the offset is dropped.
    Ignore,
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
    /// A plan without limits that does not say so.
    #[error(
        "is missing: a plan needs a `throttle`, a `quota`, or a method's `throttle`; write \
         `\"unlimited\": true` for a plan without limits"
    )]
    NoLimit,
    /// A plan with limits that says it has none.
    #[error("contradicts the plan's limits: remove it, or the limits")]
    Unlimited,
    /// A plan of an export without an id.
    #[error("is missing: each plan of an export has one")]
    NoId,
    /// An id that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A plan, a stage or a method a second time, with other contents.
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
    /// An offset that may count requests or days, without an [`OffsetMeans`].
    #[error(
        "can mean two things: AWS documents requests that the first period starts with as used, \
         but allows only numbers that fit days by which the period is shifted"
    )]
    Offset,
    /// Another meaning than `requests`.
    #[error("must be `requests`")]
    OffsetMeans,
}

impl Plan {
    /// What people call the plan; nothing is looked up by it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The plan's own rate and burst, if it has them.
    #[must_use]
    pub fn throttle(&self) -> Option<Throttling> {
        self.throttle
    }

    /// The quotas, at most one a period.
    #[must_use]
    pub fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    /// Returns whether the plan has no limit at all. Its requests are still counted by day.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        let no_method = self.api_stages.iter().all(|stage| stage.throttle.is_empty());
        self.throttle.is_none() && self.quotas.is_empty() && no_method
    }

    /// Returns whether the plan refuses every request: by a rate, a burst or a quota of 0.
    ///
    /// A plan that is open may still have a method whose own rate is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.throttle.is_some_and(Throttling::is_closed)
            || self.quotas.iter().any(|quota| quota.limit == 0)
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

    /// The time that a token takes in each of the plan's rates that are not closed.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = (Scope, NonZeroU64)> {
        let plan = self.throttle.map(|it| (Scope::Plan, it));
        let methods = self
            .api_stages
            .iter()
            .flat_map(|stage| stage.throttle.iter().map(|(key, it)| (stage.scope(key), *it)));
        let rates = plan.into_iter().chain(methods);
        rates.filter_map(|(scope, it)| Some((scope, it.open_interval()?)))
    }

    /// The plan's own policy while the table is unavailable, if it has one.
    #[must_use]
    pub fn failure(&self) -> Option<FailurePolicy> {
        self.failure
    }

    /// A plan with this share of the rates, bursts and quotas: at least one of each, and 0 of 0.
    pub(crate) fn share(&self, share: Share) -> Self {
        let at_least_one = |number: u64| share.of(number).max(number.min(1));
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
    /// The speed at which the bucket refills.
    #[must_use]
    pub fn rate(self) -> Rate {
        self.rate
    }

    /// The number of tokens that the bucket holds.
    #[must_use]
    pub fn burst(self) -> u64 {
        self.burst
    }

    /// Returns whether it refuses every request: the rate or the burst is 0.
    #[must_use]
    pub fn is_closed(self) -> bool {
        self.open_interval().is_none()
    }

    /// The time for one token in nanoseconds; none if it is closed.
    pub(crate) fn open_interval(self) -> Option<NonZeroU64> {
        self.rate.interval_nanos().filter(|_| self.burst > 0)
    }
}

impl Quota {
    /// The number of requests that a period may have.
    #[must_use]
    pub fn limit(self) -> u64 {
        self.limit
    }

    /// The number of requests that the plan's first period starts with as used.
    #[must_use]
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// The calendar period that is counted.
    #[must_use]
    pub fn period(self) -> Period {
        self.period
    }

    /// Returns whether API Gateway allows this offset, so that it may count requests or days.
    fn is_offset_of_aws(&self) -> bool {
        match self.period {
            Period::Day => false,
            Period::Week => (1..=6).contains(&self.offset),
            Period::Month => (1..=27).contains(&self.offset),
        }
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
