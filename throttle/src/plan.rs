//! Usage plans.

mod builder;
mod error;
mod import;
mod json;
mod limits;
mod meters;
mod record;
mod scope;

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use crate::clock::Timestamp;
use crate::failure_policy::{FailurePolicy, Share};
use crate::meter::Meter;
use crate::period::{Period, Window};

pub use builder::PlanBuilder;
pub use error::PlanError;
pub(crate) use error::Problem;
pub use import::{ImportedPlans, OffsetMeans};
pub(crate) use limits::{MAX_QUOTA, MAX_REFILL};
pub use limits::{Quota, Throttling};
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
        let quota = quotas.iter().find(|quota| quota.period() == period);
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
        let mut plan = self.clone();
        for limits in std::iter::once(&mut plan.requests).chain(plan.meters.values_mut()) {
            limits.throttle = limits.throttle.map(|it| it.share(share));
            limits.quotas.iter_mut().for_each(|quota| *quota = quota.share(share));
        }
        for rate in plan.api_stages.iter_mut().flat_map(|stage| stage.throttle.values_mut()) {
            *rate = rate.share(share);
        }
        plan
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
