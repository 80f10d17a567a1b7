//! Plans from numbers.

use std::collections::BTreeMap;

use super::limits::add_quota;
use super::{
    ApiStage, MeterLimits, Plan, PlanError, Problem, Quota, Throttling, add_meter, is_method,
};
use crate::failure_policy::FailurePolicy;
use crate::meter::Meter;
use crate::period::Period;
use crate::rate::Rate;

/// Builds a [`Plan`] from numbers, and checks them in [`build`](Self::build).
///
/// ```
/// use tollgate_throttle::{FailurePolicy, Plan, Rate};
///
/// let plan = Plan::per_minute(100)
///     .burst(20)
///     .per_day(10_000)
///     .per_month(200_000)
///     .method("a1b2c3d4e5", "prod", "/orders/POST", Rate::per_second(1), 5)
///     .on_failure(FailurePolicy::Open)
///     .build()?;
/// assert_eq!(plan.quotas().len(), 2);
///
/// let error = Plan::per_hour(1).burst(1_000_000).build().unwrap_err();
/// assert!(error.to_string().starts_with("`throttle.burstLimit` takes longer than 366 days"));
/// # Ok::<(), tollgate_throttle::PlanError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "call `build`"]
pub struct PlanBuilder {
    name: Option<String>,
    rate: Option<Rate>,
    burst: Option<u64>,
    quotas: Vec<(u64, Period, u8)>,
    methods: Vec<Method>,
    meters: Vec<(String, PlanBuilder)>,
    failure: Option<FailurePolicy>,
    enforce: Option<bool>,
}

#[derive(Clone, Debug)]
struct Method {
    api_id: String,
    stage: String,
    key: String,
    rate: Rate,
    burst: u64,
}

impl Plan {
    /// Starts a plan with this rate of requests a second, and a burst of the same number.
    pub fn per_second(requests: u64) -> PlanBuilder {
        Self::with_rate(Rate::per_second(requests)).burst(requests)
    }

    /// Starts a plan with this rate of requests a minute, and a burst of the same number.
    pub fn per_minute(requests: u64) -> PlanBuilder {
        Self::with_rate(Rate::per_minute(requests)).burst(requests)
    }

    /// Starts a plan with this rate of requests an hour, and a burst of the same number.
    pub fn per_hour(requests: u64) -> PlanBuilder {
        Self::with_rate(Rate::per_hour(requests)).burst(requests)
    }

    /// Starts a plan with any rate, and a burst of 1.
    pub fn with_rate(rate: Rate) -> PlanBuilder {
        PlanBuilder { rate: Some(rate), ..PlanBuilder::default() }
    }

    /// Starts a plan with this quota of requests a calendar day.
    pub fn per_day(requests: u64) -> PlanBuilder {
        PlanBuilder::default().per_day(requests)
    }

    /// Starts a plan with this quota of requests a week, from Monday.
    pub fn per_week(requests: u64) -> PlanBuilder {
        PlanBuilder::default().per_week(requests)
    }

    /// Starts a plan with this quota of requests a calendar month.
    pub fn per_month(requests: u64) -> PlanBuilder {
        PlanBuilder::default().per_month(requests)
    }

    /// A plan without limits. Its requests are still counted by day.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            name: None,
            description: None,
            requests: MeterLimits::default(),
            meters: BTreeMap::new(),
            api_stages: Vec::new(),
            failure: None,
        }
    }
}

impl PlanBuilder {
    /// Sets the plan's name for people.
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Sets the number of requests that may come at once after an idle time.
    pub fn burst(self, requests: u64) -> Self {
        Self { burst: Some(requests), ..self }
    }

    /// Adds a quota of a calendar day, in UTC.
    pub fn per_day(self, requests: u64) -> Self {
        self.quota(requests, Period::Day)
    }

    /// Adds a quota of a week, from Monday, in UTC.
    pub fn per_week(self, requests: u64) -> Self {
        self.quota(requests, Period::Week)
    }

    /// Adds a quota of a calendar month, in UTC.
    pub fn per_month(self, requests: u64) -> Self {
        self.quota(requests, Period::Month)
    }

    /// Adds a quota of a week that starts on this day, from 1 for Monday to 7, in UTC.
    pub fn per_week_from(mut self, requests: u64, day: u8) -> Self {
        self.quotas.push((requests, Period::Week, day));
        self
    }

    /// Adds a quota of a month that starts on this day, 1 to 28, in UTC.
    pub fn per_month_from(mut self, requests: u64, day: u8) -> Self {
        self.quotas.push((requests, Period::Month, day));
        self
    }

    /// Adds a rate for one method of an API's stage, such as `/pets/{id}/GET` or `*/*`.
    pub fn method(
        mut self,
        api_id: impl Into<String>,
        stage: impl Into<String>,
        method: impl Into<String>,
        rate: Rate,
        burst: u64,
    ) -> Self {
        let (api_id, stage, key) = (api_id.into(), stage.into(), method.into());
        self.methods.push(Method { api_id, stage, key, rate, burst });
        self
    }

    /// Adds a meter with the rate, the burst and the quotas of another builder.
    ///
    /// ```
    /// use tollgate_throttle::Plan;
    ///
    /// // 10 requests a second; 100,000 tokens a minute and 5 million a month.
    /// let tokens = Plan::per_minute(100_000).burst(200_000).per_month(5_000_000);
    /// let plan = Plan::per_second(10).meter("tokens", tokens).build()?;
    /// assert_eq!(plan.meters().len(), 1);
    /// # Ok::<(), tollgate_throttle::PlanError>(())
    /// ```
    pub fn meter(mut self, name: impl Into<String>, limits: PlanBuilder) -> Self {
        self.meters.push((name.into(), limits));
        self
    }

    /// Sets the policy while the table is unavailable.
    pub fn on_failure(self, policy: FailurePolicy) -> Self {
        Self { failure: Some(policy), ..self }
    }

    /// Sets if the limits refuse, or only report what they would refuse. Default: refuse.
    ///
    /// A plan's setting also applies to its methods, and to each meter that does not set it.
    pub fn enforce(self, enforce: bool) -> Self {
        Self { enforce: Some(enforce), ..self }
    }

    fn quota(mut self, limit: u64, period: Period) -> Self {
        self.quotas.push((limit, period, 1));
        self
    }

    /// Checks the numbers, and returns the plan.
    ///
    /// # Errors
    /// A number is out of range, a burst has no rate or takes longer than 366 days to refill, a
    /// period, a method or a meter is repeated, a method or a meter has an invalid name, or the
    /// meters take too much room in a subject's item.
    pub fn build(self) -> Result<Plan, PlanError> {
        let enforce = self.enforce.unwrap_or(true);
        let requests = self.limits()?.enforce(enforce);
        let mut meters = BTreeMap::new();
        for (name, limits) in &self.meters {
            let (meter, field) = Meter::of_plan(name)?;
            if limits.has_more_than_limits() {
                return Err(PlanError::at(field, Problem::NotOfMeter));
            }
            let own = limits.enforce.unwrap_or(enforce);
            let limits = limits.limits().map_err(|error| error.within(&field))?.enforce(own);
            add_meter(&mut meters, &field, meter, limits)?;
        }
        let mut api_stages: Vec<ApiStage> = Vec::new();
        for Method { api_id, stage, key, rate, burst } in self.methods {
            let field = format!("method {key:?}");
            if !is_method(&key) {
                return Err(PlanError::at(field, Problem::Method));
            }
            let throttling = Throttling::new(&field, rate, burst)?;
            let same = |it: &&mut ApiStage| it.api_id == api_id && it.stage == stage;
            let earlier = match api_stages.iter_mut().find(same) {
                Some(stage) => stage.throttle.insert(key, throttling),
                None => {
                    let throttle = [(key, throttling)].into();
                    api_stages.push(ApiStage { api_id, stage, throttle });
                    None
                }
            };
            if earlier.is_some() {
                return Err(PlanError::at(field, Problem::Twice));
            }
        }
        let (name, failure) = (self.name, self.failure);
        let plan = Plan { name, description: None, requests, meters, api_stages, failure };
        plan.check_meters()?;
        Ok(plan)
    }

    /// The rate and the quotas of this builder, without its meters and methods.
    fn limits(&self) -> Result<MeterLimits, PlanError> {
        let throttle = match (self.rate, self.burst) {
            (Some(rate), burst) => Some(Throttling::new("throttle", rate, burst.unwrap_or(1))?),
            (None, Some(_)) => return Err(PlanError::at("throttle.rateLimit", Problem::NoRate)),
            (None, None) => None,
        };
        let mut quotas = Vec::new();
        for (limit, period, start) in &self.quotas {
            let quota = Quota::new("quota", *limit, 0, *period)?;
            // A quota of a day has no start day.
            let quota = match period {
                Period::Day => quota,
                Period::Week | Period::Month => quota.starting("quota", (*start).into())?,
            };
            add_quota(&mut quotas, "quota", quota)?;
        }
        Ok(MeterLimits { throttle, quotas, ..MeterLimits::default() })
    }

    fn has_more_than_limits(&self) -> bool {
        self.name.is_some()
            || self.failure.is_some()
            || !self.methods.is_empty()
            || !self.meters.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(builder: PlanBuilder) -> String {
        serde_json::to_string(&builder.build().unwrap()).unwrap()
    }

    fn refused(builder: PlanBuilder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn a_plan_is_the_same_from_numbers_and_from_json() {
        let half = Rate::parse("0.5").unwrap();
        for (builder, expected) in [
            (
                Plan::per_second(10).burst(20).per_day(1_000),
                r#"{"throttle":{"rateLimit":10,"burstLimit":20},"quota":{"limit":1000,"period":"DAY"}}"#,
            ),
            (Plan::with_rate(half), r#"{"throttle":{"rateLimit":0.5,"burstLimit":1}}"#),
            (Plan::per_minute(90), r#"{"throttle":{"rateLimit":"90/min","burstLimit":90}}"#),
            (Plan::per_hour(5), r#"{"throttle":{"rateLimit":"5/h","burstLimit":5}}"#),
            (
                Plan::per_week(9).per_month(20),
                r#"{"quota":[{"limit":9,"period":"WEEK"},{"limit":20,"period":"MONTH"}]}"#,
            ),
            (
                Plan::per_day(9)
                    .name("Gold")
                    .method("a", "s", "*/*", Rate::per_second(2), 3)
                    .method("a", "s", "/x/GET", Rate::per_day(2), 1)
                    .on_failure(FailurePolicy::Open),
                concat!(
                    r#"{"name":"Gold","quota":{"limit":9,"period":"DAY"},"#,
                    r#""apiStages":[{"apiId":"a","stage":"s","throttle":{"#,
                    r#""*/*":{"rateLimit":2,"burstLimit":3},"#,
                    r#""/x/GET":{"rateLimit":"2/d","burstLimit":1}}}],"failure":"open"}"#
                ),
            ),
            (
                PlanBuilder::default().per_week_from(9, 7).per_month_from(20, 15),
                concat!(
                    r#"{"quota":[{"limit":9,"period":"WEEK","startDay":"SUNDAY"},"#,
                    r#"{"limit":20,"period":"MONTH","startDay":15}]}"#
                ),
            ),
            (
                Plan::per_second(9).meter("tokens", Plan::per_minute(90).burst(7).per_month(9)),
                concat!(
                    r#"{"throttle":{"rateLimit":9,"burstLimit":9},"meters":{"tokens":{"#,
                    r#""throttle":{"rateLimit":"90/min","burstLimit":7},"#,
                    r#""quota":{"limit":9,"period":"MONTH"}}}}"#
                ),
            ),
        ] {
            assert_eq!(json(builder.clone()), expected);
            assert_eq!(Plan::from_json(expected), builder.build());
        }
        assert_eq!(serde_json::to_string(&Plan::unlimited()).unwrap(), r#"{"unlimited":true}"#);
    }

    #[test]
    fn a_plan_of_0_refuses_everything() {
        for builder in [Plan::per_second(0), Plan::per_second(1).burst(0), Plan::per_day(0)] {
            assert!(builder.build().unwrap().is_closed());
        }
    }

    #[test]
    fn a_wrong_number_is_named() {
        let of_method =
            |key: &str, burst| Plan::per_day(1).method("a", "s", key, Rate::per_day(1), burst);
        for (builder, said) in [
            (Plan::per_day(1).burst(1), "`throttle.rateLimit` is missing: a burst needs a rate"),
            (
                Plan::per_second(1).burst(1 << 31),
                "`throttle.burstLimit` must be a whole number from 0 to 2147483647",
            ),
            (
                Plan::per_day(u64::MAX),
                "`quota.limit` must be a whole number from 0 to 1000000000000000",
            ),
            (
                PlanBuilder::default().per_month_from(9, 29),
                "`quota.startDay` must be a whole number from 1 to 28",
            ),
            (Plan::per_day(1).per_day(2), "`quota.period` has two quotas for one period: keep one"),
            (
                of_method("/x/GET", 367),
                "`method \"/x/GET\".burstLimit` takes longer than 366 days to refill at this \
                 rate: lower it, or raise the rate",
            ),
            (
                of_method("/x", 1),
                "`method \"/x\"` must be a path and a verb, such as `/pets/GET` or `/pets/ANY`, \
                 or `*/*`",
            ),
            (
                of_method("*/*", 1).method("a", "s", "*/*", Rate::per_day(1), 1),
                "`method \"*/*\"` is a duplicate: keep one",
            ),
            (
                Plan::per_day(1).meter("Tokens", Plan::per_day(1)),
                "`meters[\"Tokens\"]` must have 1 to 16 lowercase letters, digits, `-` and `_`, \
                 start with a letter, and not be `requests`",
            ),
            (
                Plan::per_day(1).meter("tokens", Plan::per_day(u64::MAX)),
                "`meters[\"tokens\"].quota.limit` must be a whole number from 0 to \
                 1000000000000000",
            ),
            (
                Plan::per_day(1).meter("tokens", of_method("*/*", 1)),
                "`meters[\"tokens\"]` has more than a rate, a burst and quotas",
            ),
            (
                Plan::per_day(1).meter("tokens", PlanBuilder::default()),
                "`meters[\"tokens\"]` limits nothing: give it a `throttle` or a `quota`",
            ),
            (
                Plan::per_day(1).meter("a", Plan::per_day(1)).meter("a", Plan::per_day(1)),
                "`meters[\"a\"]` is a duplicate: keep one",
            ),
        ] {
            assert_eq!(refused(builder), said);
        }
    }
}
