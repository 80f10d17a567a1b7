//! Usage plans.

mod builder;
mod import;
mod json;
mod meters;
mod record;
mod scope;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::num::NonZeroU64;

use crate::clock::Timestamp;
use crate::failure_policy::{FailurePolicy, Share};
use crate::id::NameError;
use crate::meter::{Meter, MeterError};
use crate::period::{LAST_START, Period, Window};
use crate::rate::{Rate, RateError};

pub use builder::PlanBuilder;
pub use import::{ImportedPlans, OffsetMeans};
pub(crate) use meters::MAX_METERS;
pub use meters::MeterLimits;
use meters::add_meter;
pub use record::PlanRecord;
pub use scope::Scope;

/// The limits of a subject: a rate with a burst, quotas, rates of methods, and named meters.
///
/// ```
/// use tollgate_throttle::Plan;
///
/// // 10 requests a second, 20 at once after an idle time, 1,000 a day.
/// let plan = Plan::per_second(10).burst(20).per_day(1_000).build()?;
/// assert_eq!(plan.throttle().unwrap().burst(), 20);
/// # Ok::<(), tollgate_throttle::PlanError>(())
/// ```
///
/// A rate of 0, a burst of 0 or a quota of 0 refuses every request.
///
/// # JSON
///
/// [`from_json`](Self::from_json) reads what `aws apigateway get-usage-plan` prints. API Gateway
/// does not have:
/// - a rate with a unit: `"100/min"`;
/// - a list of quotas with different periods instead of one;
/// - a quota's `startDay`, on which its periods start at midnight UTC: `"SUNDAY"` for a week, 1 to
///   28 for a month. If you change it, the use of the period starts at 0;
/// - `offsetMeans`: `"requests"` next to a quota's `offset` ([`OffsetMeans`]);
/// - `meters`: units in addition to requests, each with a rate, quotas, or both, such as
///   `"meters": {"tokens": {"quota": {"limit": 5000000, "period": "MONTH"}}}`;
/// - `"enforce": false`, of the plan or of one meter: its limits are decided and reported
///   ([`Decision::would_refuse`](crate::Decision::would_refuse)), but refuse nothing. A limit that
///   the request does not fit is not charged. A meter's own `enforce` overrides the plan's;
/// - `failure`, the policy while the table is unavailable: `"closed"`, `"open"`, or
///   `{"local": "1/10"}`;
/// - `"unlimited": true`, which a plan without limits needs.
///
/// ```
/// use tollgate_throttle::Plan;
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
    requests: MeterLimits,
    meters: BTreeMap<Meter, MeterLimits>,
    api_stages: Vec<ApiStage>,
    failure: Option<FailurePolicy>,
}

/// A rate, and the number of requests that may come at once after an idle time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttling {
    rate: Rate,
    burst: u64,
}

/// The number of requests in a calendar period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    limit: u64,
    offset: u64,
    period: Period,
    /// The day of the week from Monday, or of the month, on which a period starts.
    start: i8,
}

/// A stage that the plan is attached to, and its methods' own rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiStage {
    api_id: String,
    stage: String,
    throttle: BTreeMap<String, Throttling>,
}

/// A plan's rate for one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MethodRate {
    pub(crate) scope: Scope,
    pub(crate) throttle: Throttling,
    pub(crate) enforced: bool,
}

/// A wrong field of a plan, and the problem with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PlanError {
    /// The plan of an export, for people: its id, and its name if it has one.
    plan: Option<String>,
    field: String,
    problem: Problem,
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
    #[error("has more than {MAX_METERS} meters: keep at most {MAX_METERS} beside requests")]
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
    /// An offset that may count requests or days, without an [`OffsetMeans`].
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
    fn offset_day(period: Period) -> Self {
        Self::OffsetDay(match period {
            Period::Day => "0",
            Period::Week => "0, for Sunday, to 6",
            Period::Month => "0, for the first, to 27",
        })
    }

    fn start_day(period: Period) -> Self {
        Self::StartDay(match period {
            Period::Day => "left out: a day starts at midnight, in UTC",
            Period::Week => "a day from `MONDAY` to `SUNDAY`",
            Period::Month => "a whole number from 1 to 28",
        })
    }
}

impl Plan {
    /// The plan's name for people. Look-ups use its id instead.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The plan's own rate and burst, if it has them.
    #[must_use]
    pub fn throttle(&self) -> Option<Throttling> {
        self.requests.throttle
    }

    /// The quotas of requests, at most one a period.
    #[must_use]
    pub fn quotas(&self) -> &[Quota] {
        &self.requests.quotas
    }

    /// The policy while the table is unavailable, if the plan has its own.
    #[must_use]
    pub fn failure(&self) -> Option<FailurePolicy> {
        self.failure
    }

    /// The stages that an imported plan was attached to.
    #[must_use]
    pub fn api_stages(&self) -> &[ApiStage] {
        &self.api_stages
    }

    /// Returns true if the plan has no limit at all. Its requests are still counted by day.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        let no_method = self.api_stages.iter().all(|stage| stage.throttle.is_empty());
        self.requests.is_unlimited() && self.meters.is_empty() && no_method
    }

    /// Returns true if the plan refuses every request: by a rate, a burst or a quota of 0.
    ///
    /// Even if it returns false, a method or a named meter may be closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_enforced() && self.requests.is_closed()
    }

    /// Returns true if the limits of requests and methods are enforced; false if they only report
    /// (`"enforce": false`). Meters may differ: see [`MeterLimits::is_enforced`].
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.requests.is_enforced()
    }

    /// The plan's own rate for a method, if it has one.
    ///
    /// `method` is written as API Gateway does: the resource's path and the verb,
    /// `/pets/{id}/GET`. Of the keys that the plan has for the stage, the first of these applies:
    /// the method itself, `/pets/{id}/ANY`, `*/*`. All methods of one key share one bucket.
    ///
    /// A request is charged at the method's rate *and* at the plan's. API Gateway's documentation
    /// says that a limit "can be set at the API or API method level", but not whether one replaces
    /// the other. Charging both is the stricter reading \[not confirmed on AWS\].
    #[must_use]
    pub fn method(&self, api_id: &str, stage: &str, method: &str) -> Option<Throttling> {
        self.method_rate(api_id, stage, method).map(|it| it.throttle)
    }

    pub(crate) fn method_rate(
        &self,
        api_id: &str,
        stage: &str,
        method: &str,
    ) -> Option<MethodRate> {
        let mut stages = self.api_stages.iter();
        let stage = stages.find(|it| it.api_id == api_id && it.stage == stage)?;
        let (path, _) = method.rsplit_once('/')?;
        let (key, throttle) = stage
            .throttle
            .get_key_value(method)
            .or_else(|| stage.throttle.get_key_value(format!("{path}/ANY").as_str()))
            .or_else(|| stage.throttle.get_key_value("*/*"))?;
        let enforced = self.requests.enforced;
        Some(MethodRate { scope: stage.scope(key), throttle: *throttle, enforced })
    }

    /// The period of this kind and meter that `now` is in: of the plan's quota with its start day,
    /// or of the calendar if the plan has no such quota.
    #[must_use]
    pub fn window(&self, meter: Meter, period: Period, now: Timestamp) -> Window {
        let quotas = self.meter(meter).map(MeterLimits::quotas).unwrap_or_default();
        let quota = quotas.iter().find(|quota| quota.period == period);
        quota.map_or_else(|| period.window(now), |quota| quota.window(now)).of(meter)
    }

    /// The interval of each of the plan's rates that are not closed.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = (Scope, NonZeroU64)> {
        let meters = self
            .every_meter()
            .filter_map(|(meter, limits)| Some((Scope::Meter(meter), limits.throttle?)));
        let methods = self
            .api_stages
            .iter()
            .flat_map(|stage| stage.throttle.iter().map(|(key, it)| (stage.scope(key), *it)));
        let rates = meters.chain(methods);
        rates.filter_map(|(scope, it)| Some((scope, it.open_interval()?)))
    }

    /// A plan with this share of the rates, bursts and quotas. Each is at least 1, but a limit of 0
    /// stays 0.
    pub(crate) fn share(&self, share: Share) -> Self {
        let at_least_one = |number: u64| share.of(number).max(number.min(1));
        let throttle = |it: Throttling| Throttling {
            rate: it.rate.share(share),
            burst: at_least_one(it.burst),
        };
        let mut plan = self.clone();
        for limits in std::iter::once(&mut plan.requests).chain(plan.meters.values_mut()) {
            limits.throttle = limits.throttle.map(throttle);
            for quota in &mut limits.quotas {
                quota.limit = at_least_one(quota.limit);
                quota.offset = share.of(quota.offset);
            }
        }
        for rate in plan.api_stages.iter_mut().flat_map(|stage| stage.throttle.values_mut()) {
            *rate = throttle(*rate);
        }
        plan
    }
}

impl Throttling {
    /// Checks a burst against its rate; `field` names them in an error.
    fn new(field: &str, rate: Rate, burst: u64) -> Result<Self, PlanError> {
        let wrong = |problem| Err(PlanError::at(format!("{field}.burstLimit"), problem));
        if burst > MAX_BURST {
            return wrong(Problem::Range { max: MAX_BURST });
        }
        match rate.interval_nanos().map_or(Some(0), |it| it.get().checked_mul(burst)) {
            Some(refill) if refill <= MAX_REFILL => Ok(Self { rate, burst }),
            _ => wrong(Problem::SlowBurst),
        }
    }

    /// The rate at which the bucket refills.
    #[must_use]
    pub fn rate(self) -> Rate {
        self.rate
    }

    /// The number of tokens in a full bucket.
    #[must_use]
    pub fn burst(self) -> u64 {
        self.burst
    }

    /// Returns true if it refuses every request: the rate or the burst is 0.
    #[must_use]
    pub fn is_closed(self) -> bool {
        self.open_interval().is_none()
    }

    /// The time for one token in nanoseconds; `None` if it is closed.
    pub(crate) fn open_interval(self) -> Option<NonZeroU64> {
        self.rate.interval_nanos().filter(|_| self.burst > 0)
    }
}

impl Quota {
    /// Checks a quota; `field` names it in an error.
    fn new(field: &str, limit: u64, offset: u64, period: Period) -> Result<Self, PlanError> {
        if limit > MAX_QUOTA {
            let problem = Problem::Range { max: MAX_QUOTA };
            return Err(PlanError::at(format!("{field}.limit"), problem));
        }
        if offset > 0 && offset >= limit {
            return Err(PlanError::at(format!("{field}.offset"), Problem::WholeOffset));
        }
        Ok(Self { limit, offset, period, start: 1 })
    }

    /// Starts its periods on this day; `field` names the quota in an error.
    fn starting(self, field: &str, start: u64) -> Result<Self, PlanError> {
        let last = match self.period {
            Period::Day => 0,
            Period::Week => 7,
            Period::Month => LAST_START,
        };
        match i8::try_from(start) {
            Ok(start) if (1..=last).contains(&start) => Ok(Self { start, ..self }),
            _ => Err(PlanError::at(format!("{field}.startDay"), Problem::start_day(self.period))),
        }
    }

    /// The number of requests in a period.
    #[must_use]
    pub fn limit(self) -> u64 {
        self.limit
    }

    /// The number of requests that count as used when the plan's first period starts.
    #[must_use]
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// The kind of period.
    #[must_use]
    pub fn period(self) -> Period {
        self.period
    }

    /// The day on which its periods start, at midnight UTC: of the week, from 1 for Monday, or of
    /// the month. 1 unless the quota has a `startDay`.
    #[must_use]
    pub fn start_day(self) -> u8 {
        self.start.unsigned_abs()
    }

    /// Its period that `now` is in, of requests.
    #[must_use]
    pub fn window(self, now: Timestamp) -> Window {
        self.period.window_from(self.start, now)
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
    fn at(field: impl Into<String>, problem: Problem) -> Self {
        Self { plan: None, field: field.into(), problem }
    }

    /// The same, of a plan that is part of something else.
    fn within(self, place: &str) -> Self {
        Self { field: format!("{place}.{}", self.field), ..self }
    }

    /// The same, of this plan of an export.
    fn of(self, plan: String) -> Self {
        Self { plan: Some(plan), ..self }
    }

    /// The wrong field, such as `throttle.rateLimit`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Returns true for a quota's `offset` without an [`OffsetMeans`], which can mean two things.
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

/// Adds a quota, unless the plan has one of its period.
fn add_quota(quotas: &mut Vec<Quota>, field: &str, quota: Quota) -> Result<(), PlanError> {
    match quotas.iter().find(|it| it.period == quota.period) {
        None => quotas.push(quota),
        Some(earlier) if *earlier == quota => {}
        Some(_) => {
            return Err(PlanError::at(format!("{field}.period"), Problem::TwoForOnePeriod));
        }
    }
    Ok(())
}

/// Returns true for a path and a verb as API Gateway writes them: `/pets/{id}/GET`, `//GET` for
/// the root, `*/*`.
fn is_method(method: &str) -> bool {
    let Some((path, verb)) = method.rsplit_once('/') else { return false };
    match verb {
        "*" => path == "*",
        _ => path.starts_with('/') && VERBS.contains(&verb),
    }
}

const VERBS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
/// API Gateway's own: its bursts are 32-bit integers.
const MAX_BURST: u64 = 2_147_483_647;
pub(crate) const MAX_QUOTA: u64 = 1_000_000_000_000_000;
/// 366 days in nanoseconds: the longest that a bucket may take from empty to full.
pub(crate) const MAX_REFILL: u64 = 366 * 86_400 * 1_000_000_000;
