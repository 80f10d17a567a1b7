//! The JSON of plans. It is read strictly, because operators write it by hand.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{
    ApiStage, MAX_BURST, MAX_QUOTA, MeterLimits, OffsetMeans, Plan, PlanError, Problem, Quota,
    Throttling, add_meter, add_quota, is_method,
};
use crate::failure_policy::FailurePolicy;
use crate::meter::Meter;
use crate::period::Period;
use crate::rate::Rate;

impl Plan {
    /// Reads a plan from API Gateway's JSON, at most 64 KiB of it.
    ///
    /// A quota's `offset` counts requests. `id`, `productCode` and `tags` are ignored.
    ///
    /// # Errors
    /// The JSON or a field of it is not valid for a plan; the error names the field.
    pub fn from_json(json: impl AsRef<[u8]>) -> Result<Self, PlanError> {
        Self::from_aws_json(json, Some(OffsetMeans::Requests))
    }

    /// Reads a plan like [`from_json`](Self::from_json), with an `offset` that AWS may have
    /// written.
    ///
    /// `offset` is the meaning of an offset that is not 0 and has no `offsetMeans` next to it. If
    /// no meaning is given, an offset outside AWS's ranges counts requests. It is never a day.
    ///
    /// # Errors
    /// As of [`from_json`](Self::from_json), and an `offset` without a meaning.
    pub fn from_aws_json(
        json: impl AsRef<[u8]>,
        offset: Option<OffsetMeans>,
    ) -> Result<Self, PlanError> {
        let (plan, unlimited) = Self::read(json.as_ref(), offset)?;
        if plan.is_unlimited() && !unlimited {
            return Err(PlanError::at("throttle", Problem::NoLimit));
        }
        Ok(plan)
    }

    /// Reads a plan, and its field `unlimited`.
    pub(super) fn read(
        json: &[u8],
        offset: Option<OffsetMeans>,
    ) -> Result<(Self, bool), PlanError> {
        if json.len() > MAX_JSON {
            return Err(PlanError::at("plan", Problem::TooLong { max: MAX_JSON }));
        }
        let wire: PlanWire =
            serde_json::from_slice(without_mark(json)).map_err(|e| PlanError::json("plan", &e))?;
        let enforce = wire.enforce.unwrap_or(true);
        let requests = MeterLimits::read(wire.throttle, wire.quota, offset)?.enforce(enforce);
        let mut meters = BTreeMap::new();
        for (name, raw) in wire.meters.map(|meters| meters.0).unwrap_or_default() {
            let (meter, field) = Meter::of_plan(&name)?;
            let wire: MeterWire = object(&field, &raw)?;
            let limits = MeterLimits::read(wire.throttle, wire.quota, offset)
                .map_err(|error| error.within(&field))?
                .enforce(wire.enforce.unwrap_or(enforce));
            add_meter(&mut meters, &field, meter, limits)?;
        }
        let mut api_stages: Vec<ApiStage> = Vec::new();
        for (at, wire) in wire.api_stages.unwrap_or_default().into_iter().enumerate() {
            let stage = ApiStage::read(at, wire)?;
            let same = |it: &&ApiStage| it.api_id == stage.api_id && it.stage == stage.stage;
            match api_stages.iter().find(same) {
                None => api_stages.push(stage),
                Some(earlier) if *earlier == stage => {}
                Some(_) => return Err(PlanError::at(format!("apiStages[{at}]"), Problem::Twice)),
            }
        }
        let failure = wire.failure.map(|raw| read_failure(&raw)).transpose()?;
        let (name, description) = (wire.name, wire.description);
        let plan = Self { name, description, requests, meters, api_stages, failure };
        plan.check_meters()?;
        let unlimited = wire.unlimited.unwrap_or_default();
        if unlimited && !plan.is_unlimited() {
            return Err(PlanError::at("unlimited", Problem::Unlimited));
        }
        Ok((plan, unlimited))
    }
}

impl MeterLimits {
    fn read(
        throttle: Option<Box<RawValue>>,
        quota: Option<Box<RawValue>>,
        offset: Option<OffsetMeans>,
    ) -> Result<Self, PlanError> {
        // Some services print `{}` for a missing field.
        let throttle = throttle.filter(|raw| !is_empty(raw));
        let throttle = throttle.map(|raw| Throttling::read("throttle", &raw)).transpose()?;
        let quota = quota.filter(|raw| !is_empty(raw));
        let quotas = quota.map(|raw| Quota::read_all(&raw, offset)).transpose()?;
        Ok(Self { throttle, quotas: quotas.unwrap_or_default(), ..Self::default() })
    }

    pub(super) fn enforce(self, enforced: bool) -> Self {
        Self { enforced, ..self }
    }

    /// Writes `throttle` and `quota` into the object of a plan or a meter.
    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        if let Some(throttle) = &self.throttle {
            map.serialize_entry("throttle", throttle)?;
        }
        match self.quotas.as_slice() {
            [] => Ok(()),
            [quota] => map.serialize_entry("quota", quota),
            quotas => map.serialize_entry("quota", quotas),
        }
    }
}

impl Throttling {
    fn read(field: &str, raw: &RawValue) -> Result<Self, PlanError> {
        let wire: ThrottlingWire = object(field, raw)?;
        // A rate is a number or a text. A text has quotes around it here.
        let text = serde_json::from_str(wire.rate.get());
        let text: String = text.unwrap_or_else(|_| wire.rate.get().to_owned());
        let rate = Rate::parse(&text)
            .map_err(|error| PlanError::at(format!("{field}.rateLimit"), error.into()))?;
        let burst = whole(&format!("{field}.burstLimit"), &wire.burst, MAX_BURST)?;
        Self::new(field, rate, burst)
    }
}

impl Quota {
    /// Reads one quota or a list of them.
    fn read_all(raw: &RawValue, means: Option<OffsetMeans>) -> Result<Vec<Self>, PlanError> {
        if !raw.get().starts_with('[') {
            return Ok(vec![Self::read("quota", raw, means)?]);
        }
        let list: Vec<Box<RawValue>> = object("quota", raw)?;
        let mut quotas = Vec::new();
        for (at, raw) in list.iter().enumerate() {
            let field = format!("quota[{at}]");
            add_quota(&mut quotas, &field, Self::read(&field, raw, means)?)?;
        }
        Ok(quotas)
    }

    fn read(field: &str, raw: &RawValue, means: Option<OffsetMeans>) -> Result<Self, PlanError> {
        let wire: QuotaWire = object(field, raw)?;
        let wrong = |name: &str, problem| PlanError::at(format!("{field}.{name}"), problem);
        let limit = whole(&format!("{field}.limit"), &wire.limit, MAX_QUOTA)?;
        let offset = wire.offset.map(|raw| whole(&format!("{field}.offset"), &raw, MAX_QUOTA));
        let offset = offset.transpose()?.unwrap_or_default();
        let period = serde_json::from_str(wire.period.get())
            .map_err(|_| wrong("period", Problem::Period))?;
        let means = match wire.offset_means.as_deref() {
            Some(REQUESTS) => Some(OffsetMeans::Requests),
            Some(_) => return Err(wrong("offsetMeans", Problem::OffsetMeans)),
            None => means,
        };
        let start = wire.start_day.map(|raw| read_start_day(field, &raw, period)).transpose()?;
        let is_day =
            means == Some(OffsetMeans::Day) && (offset == 0 || is_offset_of_aws(offset, period));
        if is_day && start.is_some() && offset > 0 {
            return Err(wrong("offset", Problem::TwoStartDays));
        }
        if means == Some(OffsetMeans::Day) && !is_day {
            return Err(wrong("offset", Problem::offset_day(period)));
        }
        let start = start.or_else(|| start_day_of_aws(offset, period).filter(|_| is_day));
        let offset = match means {
            Some(OffsetMeans::Ignore) => 0,
            _ if is_day => 0,
            None if is_offset_of_aws(offset, period) => {
                return Err(wrong("offset", Problem::Offset));
            }
            Some(_) | None => offset,
        };
        let quota = Self::new(field, limit, offset, period)?;
        start.map_or(Ok(quota), |start| quota.starting(field, start))
    }
}

impl ApiStage {
    fn read(at: usize, wire: ApiStageWire) -> Result<Self, PlanError> {
        let mut throttle = BTreeMap::new();
        for (method, raw) in wire.throttle.map(|methods| methods.0).unwrap_or_default() {
            // The first 100 characters are enough to find a long name.
            let shown: String = method.chars().take(100).collect();
            let field = format!("apiStages[{at}].throttle[{shown:?}]");
            if !is_method(&method) {
                return Err(PlanError::at(field, Problem::Method));
            }
            let throttling = Throttling::read(&field, &raw)?;
            if throttle.insert(method, throttling).is_some() {
                return Err(PlanError::at(field, Problem::Twice));
            }
        }
        Ok(Self { api_id: wire.api_id, stage: wire.stage, throttle })
    }
}

impl PlanError {
    pub(super) fn json(field: &str, error: &serde_json::Error) -> Self {
        Self::at(field, Problem::Json(error.to_string()))
    }
}

/// Returns true if API Gateway allows this offset, so that it may count requests or days.
fn is_offset_of_aws(offset: u64, period: Period) -> bool {
    match period {
        Period::Day => false,
        Period::Week => (1..=6).contains(&offset),
        Period::Month => (1..=27).contains(&offset),
    }
}

/// The start day of an offset that counts days. For a week, AWS documented 0 as Sunday and 1 as
/// Monday; for a month, 0 is taken for the first. None for a day.
fn start_day_of_aws(offset: u64, period: Period) -> Option<u64> {
    match period {
        Period::Day => None,
        Period::Week => Some(if offset == 0 { 7 } else { offset }),
        Period::Month => Some(offset.saturating_add(1)),
    }
}

/// Reads a start day: a weekday's name for a week, a number for a month.
fn read_start_day(field: &str, raw: &RawValue, period: Period) -> Result<u64, PlanError> {
    let text = raw.get();
    let start = match period {
        Period::Day => None,
        Period::Week => {
            let at = WEEKDAYS.iter().position(|day| text.trim_matches('"') == *day);
            at.filter(|_| text.starts_with('"')).and_then(|at| u64::try_from(at + 1).ok())
        }
        Period::Month => text.strip_suffix(".0").unwrap_or(text).parse().ok(),
    };
    let wrong = || PlanError::at(format!("{field}.startDay"), Problem::start_day(period));
    start.ok_or_else(wrong)
}

fn is_empty(raw: &RawValue) -> bool {
    let members = raw.get().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    members.is_some_and(|members| members.trim().is_empty())
}

/// Removes a byte order mark, which some editors and shells put first.
pub(super) fn without_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json)
}

fn read_failure(raw: &RawValue) -> Result<FailurePolicy, PlanError> {
    serde_json::from_str(raw.get()).map_err(|_| PlanError::at("failure", Problem::Failure))
}

fn object<T: DeserializeOwned>(field: &str, raw: &RawValue) -> Result<T, PlanError> {
    serde_json::from_str(raw.get()).map_err(|error| PlanError::json(field, &error))
}

/// Reads a whole number of at most `max`; `10.0`, as some tools print it, is one too.
fn whole(field: &str, raw: &RawValue, max: u64) -> Result<u64, PlanError> {
    let text = raw.get();
    match text.strip_suffix(".0").unwrap_or(text).parse() {
        Ok(number) if number <= max => Ok(number),
        _ => Err(PlanError::at(field, Problem::Range { max })),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PlanWire {
    name: Option<String>,
    description: Option<String>,
    throttle: Option<Box<RawValue>>,
    quota: Option<Box<RawValue>>,
    meters: Option<Named>,
    enforce: Option<bool>,
    api_stages: Option<Vec<ApiStageWire>>,
    failure: Option<Box<RawValue>>,
    unlimited: Option<bool>,
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "productCode")]
    _product_code: Option<IgnoredAny>,
    #[serde(rename = "tags")]
    _tags: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MeterWire {
    throttle: Option<Box<RawValue>>,
    quota: Option<Box<RawValue>>,
    enforce: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThrottlingWire {
    #[serde(rename = "rateLimit")]
    rate: Box<RawValue>,
    #[serde(rename = "burstLimit")]
    burst: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotaWire {
    limit: Box<RawValue>,
    offset: Option<Box<RawValue>>,
    #[serde(rename = "offsetMeans")]
    offset_means: Option<String>,
    period: Box<RawValue>,
    #[serde(rename = "startDay")]
    start_day: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ApiStageWire {
    api_id: String,
    stage: String,
    throttle: Option<Named>,
}

/// A map that keeps repeated names, so that they can be refused.
struct Named(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Named;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a rate and burst for each name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Named(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

impl Serialize for Plan {
    /// Writes API Gateway's shape. Works only with JSON, because other formats have no raw numbers.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(name) = &self.name {
            map.serialize_entry("name", name)?;
        }
        if let Some(description) = &self.description {
            map.serialize_entry("description", description)?;
        }
        self.requests.write(&mut map)?;
        let plan = self.requests.enforced;
        if !self.meters.is_empty() {
            let of_plan = |limits| MeterOfPlan { limits, plan };
            let meters: BTreeMap<_, _> =
                self.meters.iter().map(|(meter, limits)| (meter, of_plan(limits))).collect();
            map.serialize_entry("meters", &meters)?;
        }
        if !plan {
            map.serialize_entry("enforce", &false)?;
        }
        if !self.api_stages.is_empty() {
            map.serialize_entry("apiStages", &self.api_stages)?;
        }
        if let Some(failure) = &self.failure {
            map.serialize_entry("failure", failure)?;
        }
        if self.is_unlimited() {
            map.serialize_entry("unlimited", &true)?;
        }
        map.end()
    }
}

impl Serialize for Meter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A meter in a plan that is enforced or not.
struct MeterOfPlan<'a> {
    limits: &'a MeterLimits,
    plan: bool,
}

impl Serialize for MeterOfPlan<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.limits.write(&mut map)?;
        if self.limits.enforced != self.plan {
            map.serialize_entry("enforce", &self.limits.enforced)?;
        }
        map.end()
    }
}

impl Serialize for Throttling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        match self.rate.per_second_text() {
            Some(number) => {
                let raw = RawValue::from_string(number).map_err(S::Error::custom)?;
                map.serialize_entry("rateLimit", &raw)?;
            }
            None => map.serialize_entry("rateLimit", &self.rate.to_string())?,
        }
        map.serialize_entry("burstLimit", &self.burst)?;
        map.end()
    }
}

impl Serialize for Quota {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("limit", &self.limit)?;
        if self.offset > 0 {
            map.serialize_entry("offset", &self.offset)?;
        }
        if is_offset_of_aws(self.offset, self.period) {
            map.serialize_entry("offsetMeans", REQUESTS)?;
        }
        map.serialize_entry("period", &self.period)?;
        match self.period {
            _ if self.start == 1 => {}
            Period::Week => {
                let at = usize::from(self.start_day()).saturating_sub(1);
                map.serialize_entry("startDay", &WEEKDAYS.get(at))?;
            }
            Period::Day | Period::Month => map.serialize_entry("startDay", &self.start)?,
        }
        map.end()
    }
}

impl Serialize for ApiStage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("apiId", &self.api_id)?;
        map.serialize_entry("stage", &self.stage)?;
        if !self.throttle.is_empty() {
            map.serialize_entry("throttle", &self.throttle)?;
        }
        map.end()
    }
}

const REQUESTS: &str = "requests";
/// The names of a week's start days, from 1.
const WEEKDAYS: [&str; 7] =
    ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
const MAX_JSON: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::RateError;

    fn refused(json: &str) -> String {
        Plan::from_json(json).unwrap_err().to_string()
    }

    #[test]
    fn an_exported_plan_reads_and_writes_back() {
        let exported = r#"{
            "id": "abc123", "name": "Gold", "description": "paying", "tags": {"team": "x"},
            "apiStages": [{"apiId": "a1b2", "stage": "prod",
                "throttle": {"/pets/GET": {"rateLimit": 2.5, "burstLimit": 5}}}],
            "throttle": {"rateLimit": 100.0, "burstLimit": 200},
            "quota": {"limit": 50000, "offset": 10, "period": "MONTH"}
        }"#;
        let plan = Plan::from_json(exported).unwrap();
        assert_eq!(plan.name(), Some("Gold"));
        assert_eq!(plan.throttle().unwrap().burst(), 200);
        let quota = plan.quotas()[0];
        assert_eq!((quota.limit(), quota.offset(), quota.period()), (50_000, 10, Period::Month));
        let stage = &plan.api_stages()[0];
        assert_eq!((stage.api_id(), stage.stage()), ("a1b2", "prod"));
        assert_eq!(stage.throttle()["/pets/GET"].rate().to_string(), "2.5/s");
        let written = serde_json::to_string(&plan).unwrap();
        assert_eq!(
            written,
            concat!(
                r#"{"name":"Gold","description":"paying","throttle":{"rateLimit":100,"burstLimit":200},"#,
                r#""quota":{"limit":50000,"offset":10,"offsetMeans":"requests","period":"MONTH"},"#,
                r#""apiStages":[{"apiId":"a1b2","stage":"prod","#,
                r#""throttle":{"/pets/GET":{"rateLimit":2.5,"burstLimit":5}}}]}"#
            )
        );
        assert_eq!(Plan::from_json(&written).unwrap(), plan);
    }

    #[test]
    fn rates_with_units_and_several_quotas_write_back() {
        let json = concat!(
            r#"{"throttle":{"rateLimit":"100/min","burstLimit":1},"#,
            r#""quota":[{"limit":5,"period":"DAY"},{"limit":20,"period":"WEEK"}]}"#
        );
        let plan = Plan::from_json(json).unwrap();
        assert_eq!(serde_json::to_string(&plan).unwrap(), json);
    }

    #[test]
    fn meters_read_and_write_back() {
        let json = concat!(
            r#"{"quota":{"limit":5,"period":"DAY"},"meters":{"images":{"quota":["#,
            r#"{"limit":1,"period":"DAY"},{"limit":9,"period":"WEEK"}]},"#,
            r#""tokens":{"throttle":{"rateLimit":"100000/min","burstLimit":200000},"#,
            r#""quota":{"limit":5000000,"period":"MONTH"}}}}"#
        );
        let plan = Plan::from_json(json).unwrap();
        assert_eq!(serde_json::to_string(&plan).unwrap(), json);
        let tokens = plan.meter(Meter::new("tokens").unwrap()).unwrap();
        assert_eq!(tokens.throttle().unwrap().burst(), 200_000);
        // Named meters alone are a plan.
        let alone = r#"{"meters":{"t":{"quota":{"limit":1,"period":"DAY"}}}}"#;
        assert_eq!(serde_json::to_string(&Plan::from_json(alone).unwrap()).unwrap(), alone);
    }

    #[test]
    fn a_wrong_meter_is_named() {
        let with = |meters: &str| refused(&format!(r#"{{"meters": {meters}}}"#));
        let one = r#"{"quota": {"limit": 1, "period": "DAY"}}"#;
        for name in ["", "requests", "Tokens", "a b", "a.b", "abcdefghijklmnopq"] {
            let said = with(&format!(r#"{{"{name}": {one}}}"#));
            assert!(said.starts_with(&format!("`meters[{name:?}]` must have 1 to 16")), "{said}");
        }
        for (meters, said) in [
            (r#"{"t": {}}"#.to_owned(), r#"`meters["t"]` limits nothing"#),
            (format!(r#"{{"t": {one}, "t": {one}}}"#), r#"`meters["t"]` is a duplicate: keep one"#),
            (
                r#"{"t": {"throttle": {"rateLimit": -1, "burstLimit": 1}}}"#.to_owned(),
                r#"`meters["t"].throttle.rateLimit` must not be negative"#,
            ),
            (
                r#"{"t": {"quota": {"limit": 1e99, "period": "DAY"}}}"#.to_owned(),
                r#"`meters["t"].quota.limit` must be a whole number"#,
            ),
            (r#"{"t": {"limit": 1}}"#.to_owned(), r#"`meters["t"]` can't be read: unknown field"#),
            ("[]".to_owned(), "`plan` can't be read: invalid type: sequence"),
            (
                format!(r#"{{"a": {one}, "b": {one}, "c": {one}, "d": {one}}}"#),
                "`meters` has more than 3 meters: keep at most 3 beside requests",
            ),
        ] {
            assert!(with(&meters).starts_with(said), "{}", with(&meters));
        }
        let said = refused(&format!(r#"{{"unlimited": true, "meters": {{"t": {one}}}}}"#));
        assert!(said.starts_with("`unlimited` contradicts"), "{said}");
    }

    #[test]
    fn meters_that_would_not_fit_an_item_are_refused() {
        let meter = |name: &str| {
            format!(
                r#""{name}": {{"throttle": {{"rateLimit": 1, "burstLimit": 1}}, "quota": [
                    {{"limit": 1, "period": "DAY"}}, {{"limit": 1, "period": "WEEK"}},
                    {{"limit": 1, "period": "MONTH"}}]}}"#
            )
        };
        let plan =
            |names: [&str; 3]| format!(r#"{{"meters": {{{}}}}}"#, names.map(meter).join(","));
        assert!(Plan::from_json(plan(["tokens", "images", "io"])).is_ok());
        let long = ["abcdefghijklmnop", "bcdefghijklmnopq", "cdefghijklmnopqr"];
        let said = refused(&plan(long));
        assert!(said.starts_with("`meters` can take ") && said.contains("shorter names"), "{said}");
    }

    #[test]
    fn a_failure_policy_reads_and_writes_back() {
        let with = |failure: &str| {
            format!(r#"{{"quota":{{"limit":5,"period":"DAY"}},"failure":{failure}}}"#)
        };
        for failure in [r#""closed""#, r#""open""#, r#"{"local":"1/10"}"#] {
            let plan = Plan::from_json(with(failure)).unwrap();
            assert!(plan.failure().is_some());
            assert_eq!(serde_json::to_string(&plan).unwrap(), with(failure));
        }
        for failure in [r#""shut""#, r#""local""#, r#"{"local":"0/1"}"#, r#"{"local":"3/2"}"#, "1"]
        {
            assert_eq!(
                refused(&with(failure)),
                r#"`failure` must be `closed`, `open`, or a share such as `{"local": "1/10"}` of at most 1"#
            );
        }
    }

    #[test]
    fn a_share_of_a_plan_has_at_least_one_of_everything_and_0_of_0() {
        let closed = Plan::from_json(
            r#"{"throttle": {"rateLimit": 0, "burstLimit": 9}, "quota": {"limit": 0, "period": "DAY"}}"#,
        );
        let closed = closed.unwrap();
        let share = closed.share("1/10".parse().unwrap());
        assert!(share.throttle().unwrap().is_closed() && share.quotas()[0].limit() == 0);

        let plan = Plan::from_json(
            r#"{"throttle": {"rateLimit": 10, "burstLimit": 25},
                "quota": [{"limit": 105, "offset": 19, "period": "DAY"}, {"limit": 9, "period": "WEEK"}],
                "apiStages": [{"apiId": "a", "stage": "s",
                    "throttle": {"/a/GET": {"rateLimit": 5, "burstLimit": 3}}}]}"#,
        );
        let share = plan.unwrap().share("1/10".parse().unwrap());
        assert_eq!(
            serde_json::to_string(&share).unwrap(),
            concat!(
                r#"{"throttle":{"rateLimit":1,"burstLimit":2},"#,
                r#""quota":[{"limit":10,"offset":1,"period":"DAY"},{"limit":1,"period":"WEEK"}],"#,
                r#""apiStages":[{"apiId":"a","stage":"s","#,
                r#""throttle":{"/a/GET":{"rateLimit":0.5,"burstLimit":1}}}]}"#
            )
        );
    }

    #[test]
    fn a_wrong_field_is_named() {
        let throttle = |rate: &str, burst: &str| {
            refused(&format!(r#"{{"throttle": {{"rateLimit": {rate}, "burstLimit": {burst}}}}}"#))
        };
        assert_eq!(
            throttle("1e-8", "1"),
            "`throttle.rateLimit` must be 0, or at least one in 366 days"
        );
        assert_eq!(throttle("true", "1"), format!("`throttle.rateLimit` {}", RateError::Malformed));
        assert_eq!(throttle("null", "1"), format!("`throttle.rateLimit` {}", RateError::Malformed));
        for burst in ["-1", "1.5", "1e3", "\"9\"", "null", "2147483648", "[1]"] {
            assert_eq!(
                throttle("1", burst),
                "`throttle.burstLimit` must be a whole number from 0 to 2147483647"
            );
        }
        assert!(throttle("0.001", "100000000").starts_with("`throttle.burstLimit` takes longer"));
        let quota = |quota: &str| refused(&format!(r#"{{"quota": {quota}}}"#));
        assert!(quota(r#"{"limit": -1, "period": "DAY"}"#).starts_with("`quota.limit` must be"));
        assert!(quota(r#"{"limit": 1, "period": "HOUR"}"#).starts_with("`quota.period` must be"));
        assert!(quota(r#"{"limit": 1, "period": 5}"#).starts_with("`quota.period` must be"));
        assert_eq!(
            quota(r#"{"limit": 9, "offset": 9, "period": "DAY"}"#),
            "`quota.offset` must be below `limit`"
        );
        assert!(
            quota(r#"[{"limit": 9, "period": "DAY"}, {"limit": 8, "period": "DAY"}]"#)
                .starts_with("`quota[1].period` has two")
        );
        assert!(
            quota(r#"{"limit": 1}"#).starts_with("`quota` can't be read: missing field `period`")
        );
        assert!(
            refused(r#"{"quota": {"limit": 1, "period": "DAY"}, "apiStages": [{"apiId": "a", "stage": "s", "throttle": {"/a/GET": {"rateLimit": -1, "burstLimit": 1}}}]}"#)
                .starts_with(r#"`apiStages[0].throttle["/a/GET"].rateLimit` must not be negative"#)
        );
    }

    #[test]
    fn a_plan_may_have_rates_of_methods_alone() {
        let json = concat!(
            r#"{"apiStages":[{"apiId":"a","stage":"s","throttle":"#,
            r#"{"*/*":{"rateLimit":"100/min","burstLimit":2},"//GET":{"rateLimit":0.25,"burstLimit":1},"#,
            r#""/a/{b+}/ANY":{"rateLimit":3,"burstLimit":1}}}]}"#
        );
        let plan = Plan::from_json(json).unwrap();
        assert_eq!(serde_json::to_string(&plan).unwrap(), json);
    }

    #[test]
    fn a_stage_or_method_that_cannot_count_is_refused() {
        let stages = |stages: &str| refused(&format!(r#"{{"apiStages": [{stages}]}}"#));
        let rate = r#"{"rateLimit": 1, "burstLimit": 1}"#;
        for method in ["", "/", "GET", "pets/GET", "/pets/get", "/pets", "/pets/*", "*/GET", "*"] {
            let stage =
                format!(r#"{{"apiId": "a", "stage": "s", "throttle": {{"{method}": {rate}}}}}"#);
            let start = format!("`apiStages[0].throttle[{method:?}]` must be a path and a verb");
            assert!(stages(&stage).starts_with(&start), "{}", stages(&stage));
        }
        let twice = format!(
            r#"{{"apiId": "a", "stage": "s", "throttle": {{"*/*": {rate}, "*/*": {rate}}}}}"#
        );
        assert_eq!(stages(&twice), r#"`apiStages[0].throttle["*/*"]` is a duplicate: keep one"#);
        let stage = r#"{"apiId": "a", "stage": "s"}"#;
        let with_rate = format!(r#"{{"apiId": "a", "stage": "s", "throttle": {{"*/*": {rate}}}}}"#);
        let two = format!("{stage}, {with_rate}");
        assert_eq!(stages(&two), "`apiStages[1]` is a duplicate: keep one");
        // The same again is one.
        assert!(stages(&format!("{stage}, {stage}")).starts_with("`throttle` is missing"));
        assert!(
            stages(r#"{"apiId": "a", "stage": "s", "throttle": []}"#).contains("a rate and burst")
        );
    }

    #[test]
    fn a_plan_without_limits_says_so() {
        let plan = Plan::from_json(r#"{"unlimited": true, "throttle": null}"#).unwrap();
        assert!(plan.is_unlimited() && !plan.is_closed());
        assert_eq!(serde_json::to_string(&plan).unwrap(), r#"{"unlimited":true}"#);
        let stage = r#""apiStages": [{"apiId": "a", "stage": "s", "throttle": {}}]"#;
        for none in [r#""quota": []"#, r#""quota": { }, "throttle": {}"#] {
            let json = format!(r#"{{"unlimited": true, {stage}, {none}}}"#);
            assert!(Plan::from_json(json).unwrap().is_unlimited(), "{none}");
        }
        for limit in [
            r#""throttle": {"rateLimit": 1, "burstLimit": 1}"#,
            r#""quota": {"limit": 1, "period": "DAY"}"#,
            r#""apiStages": [{"apiId": "a", "stage": "s",
                "throttle": {"*/*": {"rateLimit": 0, "burstLimit": 0}}}]"#,
        ] {
            let said = refused(&format!(r#"{{"unlimited": true, {limit}}}"#));
            assert_eq!(said, "`unlimited` contradicts the plan's limits: remove it, or the limits");
            let json = format!(r#"{{"unlimited": false, {limit}}}"#);
            assert!(!Plan::from_json(json).unwrap().is_unlimited(), "{limit}");
        }
        let said = refused(r#"{"unlimited": false}"#);
        assert!(said.ends_with(r#"write `"unlimited": true` for a plan without limits"#), "{said}");
    }

    #[test]
    fn a_quota_may_start_on_a_day() {
        for (quota, start) in [
            (r#"{"limit":9,"period":"MONTH","startDay":15}"#, 15),
            (r#"{"limit":9,"period":"MONTH","startDay":28}"#, 28),
            (r#"{"limit":9,"period":"WEEK","startDay":"SUNDAY"}"#, 7),
            (
                r#"{"limit":9,"offset":3,"offsetMeans":"requests","period":"WEEK","startDay":"FRIDAY"}"#,
                5,
            ),
            (r#"{"limit":9,"period":"WEEK"}"#, 1),
        ] {
            let json = format!(r#"{{"quota":{quota}}}"#);
            let plan = Plan::from_json(&json).unwrap();
            assert_eq!(plan.quotas()[0].start_day(), start, "{json}");
            assert_eq!(serde_json::to_string(&plan).unwrap(), json);
        }
        let first = |rest| format!(r#"{{"quota":{{"limit":9,"period":{rest}}}}}"#);
        for (rest, plain) in [
            (r#""MONTH","startDay":1"#, r#""MONTH""#),
            (r#""WEEK","startDay":"MONDAY""#, r#""WEEK""#),
        ] {
            assert_eq!(Plan::from_json(first(rest)), Plan::from_json(first(plain)));
        }
        for (rest, said) in [
            (r#""MONTH","startDay":0"#, "must be a whole number from 1 to 28"),
            (r#""MONTH","startDay":29"#, "must be a whole number from 1 to 28"),
            (r#""MONTH","startDay":1.5"#, "must be a whole number from 1 to 28"),
            (r#""MONTH","startDay":"15""#, "must be a whole number from 1 to 28"),
            (r#""MONTH","startDay":99999999999999999999"#, "must be a whole number from 1 to 28"),
            (r#""WEEK","startDay":7"#, "must be a day from `MONDAY` to `SUNDAY`"),
            (r#""WEEK","startDay":"Sunday""#, "must be a day from `MONDAY` to `SUNDAY`"),
            (r#""WEEK","startDay":SUNDAY"#, "can't be read"),
            (r#""DAY","startDay":1"#, "must be left out: a day starts at midnight, in UTC"),
        ] {
            let error = refused(&first(rest));
            assert!(error.contains(said), "{rest}: {error}");
        }
    }

    #[test]
    fn an_offset_of_aws_may_be_a_day() {
        let read = |quota: &str| {
            let json = format!(r#"{{"quota":{{"limit":900,{quota}}}}}"#);
            let plan = Plan::from_aws_json(json, Some(OffsetMeans::Day))?;
            let quota = plan.quotas()[0];
            Ok::<_, PlanError>((quota.start_day(), quota.offset()))
        };
        for (quota, start, offset) in [
            (r#""period":"WEEK","offset":0"#, 7, 0),
            (r#""period":"WEEK","offset":1"#, 1, 0),
            (r#""period":"WEEK","offset":6"#, 6, 0),
            (r#""period":"MONTH","offset":0"#, 1, 0),
            (r#""period":"MONTH","offset":27"#, 28, 0),
            (r#""period":"DAY","offset":0"#, 1, 0),
            (r#""period":"WEEK","offset":2,"offsetMeans":"requests""#, 1, 2),
            (r#""period":"WEEK","startDay":"TUESDAY""#, 2, 0),
        ] {
            assert_eq!(read(quota), Ok((start, offset)), "{quota}");
        }
        for (quota, range) in [
            (r#""period":"WEEK","offset":7"#, "0, for Sunday, to 6"),
            (r#""period":"MONTH","offset":28"#, "0, for the first, to 27"),
            (r#""period":"DAY","offset":5"#, "0"),
        ] {
            let said = format!("`quota.offset` as a day must be {range}");
            assert_eq!(read(quota).unwrap_err().to_string(), said);
        }
        let two = read(r#""period":"WEEK","offset":2,"startDay":"TUESDAY""#).unwrap_err();
        assert_eq!(two.to_string(), "`quota.offset` is a day, and `startDay` is one too: keep one");
    }

    #[test]
    fn enforcement_is_the_plans_unless_a_meter_has_its_own() {
        let meters = r#""meters":{"a":{"quota":{"limit":1,"period":"DAY"}},"b":{"quota":{"limit":1,"period":"DAY"},"enforce":OTHER}}"#;
        for (plan, other) in [(true, "false"), (false, "true")] {
            let own = if plan { "" } else { r#","enforce":false"# };
            let json = format!("{{{}{own}}}", meters.replace("OTHER", other));
            let read = Plan::from_json(&json).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
            let enforced = read.every_meter().map(|(_, limits)| limits.is_enforced());
            assert_eq!(enforced.collect::<Vec<_>>(), [plan, plan, !plan]);
            assert_eq!(read.is_enforced(), plan);
        }
        for json in [
            r#"{"unlimited": true, "enforce": "no"}"#,
            r#"{"unlimited": true, "enforce": 0}"#,
            r#"{"unlimited": true, "enforce": false, "enforce": true}"#,
            r#"{"meters": {"a": {"quota": {"limit": 1, "period": "DAY"}, "enforce": "no"}}}"#,
        ] {
            assert!(refused(json).contains("can't be read: "), "{json}");
        }
    }

    #[test]
    fn zero_is_closed_and_writes_back() {
        for json in [
            r#"{"throttle":{"rateLimit":0,"burstLimit":9}}"#,
            r#"{"throttle":{"rateLimit":9,"burstLimit":0}}"#,
            r#"{"throttle":{"rateLimit":0,"burstLimit":0}}"#,
            r#"{"quota":{"limit":0,"period":"DAY"}}"#,
        ] {
            let plan = Plan::from_json(json).unwrap();
            assert!(plan.is_closed(), "{json}");
            assert_eq!(serde_json::to_string(&plan).unwrap(), json);
        }
        let method = r#"{"apiStages":[{"apiId":"a","stage":"s","throttle":{"//GET":{"rateLimit":0,"burstLimit":0}}}]}"#;
        let plan = Plan::from_json(method).unwrap();
        assert!(!plan.is_closed() && !plan.is_unlimited());
        assert!(plan.method("a", "s", "//GET").unwrap().is_closed());
        assert_eq!(serde_json::to_string(&plan).unwrap(), method);
    }

    #[test]
    fn an_offset_that_aws_allows_needs_a_meaning() {
        let plan = |limit: u64, offset: u64, period: &str, more: &str| {
            format!(
                r#"{{"quota": {{"limit": {limit}, "offset": {offset}, "period": "{period}"{more}}}}}"#
            )
        };
        let offset = |json: &str, means| {
            let plan = Plan::from_aws_json(json, means).map_err(|error| error.problem.clone())?;
            // The stored form reads back under every meaning.
            let stored = serde_json::to_string(&plan).unwrap();
            for means in [None, Some(OffsetMeans::Requests), Some(OffsetMeans::Ignore)] {
                let again = Plan::from_aws_json(&stored, means);
                if is_offset_of_aws(plan.quotas()[0].offset, plan.quotas()[0].period)
                    || means != Some(OffsetMeans::Ignore)
                {
                    assert_eq!(again.as_ref(), Ok(&plan), "{stored}");
                }
            }
            Ok(plan.quotas()[0].offset())
        };
        let (requests, ignore) = (Some(OffsetMeans::Requests), Some(OffsetMeans::Ignore));
        for (period, most) in [("WEEK", 6), ("MONTH", 27)] {
            for number in [1, most] {
                let json = plan(100, number, period, "");
                assert_eq!(offset(&json, None), Err(Problem::Offset), "{json}");
                assert_eq!(offset(&json, requests), Ok(number));
                assert_eq!(offset(&json, ignore), Ok(0));
                let json = plan(100, number, period, r#", "offsetMeans": "requests""#);
                assert_eq!(
                    [None, requests, ignore].map(|it| offset(&json, it)),
                    [(); 3].map(|()| Ok(number))
                );
            }
            // Days can't be meant.
            let json = plan(100, most + 1, period, "");
            assert_eq!(
                [None, requests, ignore].map(|it| offset(&json, it)),
                [Ok(most + 1), Ok(most + 1), Ok(0)]
            );
            assert_eq!(offset(&plan(100, 0, period, ""), None), Ok(0));
        }
        assert_eq!(offset(&plan(500, 1, "DAY", ""), None), Ok(1));
        // AWS's own: a limit of 5 and an offset of 6.
        assert_eq!(offset(&plan(5, 6, "WEEK", ""), None), Err(Problem::Offset));
        assert_eq!(offset(&plan(5, 6, "WEEK", ""), requests), Err(Problem::WholeOffset));
        assert_eq!(offset(&plan(5, 6, "WEEK", ""), ignore), Ok(0));
        let other = plan(5, 1, "WEEK", r#", "offsetMeans": "days""#);
        assert_eq!(
            refused(&other),
            "`quota.offsetMeans` must be `requests`; for a day, write `startDay` instead of `offset`"
        );
        // As plans are stored that were written before there was a choice.
        assert_eq!(Plan::from_json(plan(5, 1, "WEEK", "")).unwrap().quotas()[0].offset(), 1);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let json = "\u{feff}{\"quota\": {\"limit\": 1, \"period\": \"DAY\"}}";
        assert!(Plan::from_json(json).is_ok());
        assert!(refused("\u{feff}\u{feff}{}").starts_with("`plan` can't be read"));
    }

    #[test]
    fn what_limits_nothing_or_is_misspelt_is_refused() {
        assert!(refused("{}").starts_with("`throttle` is missing"));
        assert!(refused(r#"{"quota": []}"#).starts_with("`throttle` is missing"));
        assert!(refused(r#"{"throtle": {}}"#).contains("unknown field `throtle`"));
        assert!(
            refused(r#"{"throttle": 1, "throttle": 2}"#).contains("duplicate field `throttle`")
        );
        assert!(refused("").starts_with("`plan` can't be read"));
        assert!(refused("[]").starts_with("`plan` can't be read"));
        assert_eq!(refused(&" ".repeat(MAX_JSON + 1)), "`plan` is longer than 65536 bytes");
        assert!(Plan::from_json(b"\xff").is_err());
    }
}
