//! The JSON of plans. It is read strictly, because operators write it by hand.

mod write;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::limits::{MAX_BURST, add_quota};
use super::{
    ApiStage, MAX_QUOTA, MeterLimits, OffsetMeans, Plan, PlanError, Problem, Quota, Throttling,
    add_meter, is_method,
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

const REQUESTS: &str = "requests";
/// The names of a week's start days, from 1.
const WEEKDAYS: [&str; 7] =
    ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
const MAX_JSON: usize = 64 * 1024;

#[cfg(test)]
mod tests;
