//! The JSON of a plan, written.

use std::collections::BTreeMap;

use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::super::{ApiStage, MeterLimits, Plan, Quota, Throttling};
use super::{REQUESTS, WEEKDAYS, is_offset_of_aws};
use crate::meter::Meter;
use crate::period::Period;

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

impl MeterLimits {
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
        match self.rate().per_second_text() {
            Some(number) => {
                let raw = RawValue::from_string(number).map_err(S::Error::custom)?;
                map.serialize_entry("rateLimit", &raw)?;
            }
            None => map.serialize_entry("rateLimit", &self.rate().to_string())?,
        }
        map.serialize_entry("burstLimit", &self.burst())?;
        map.end()
    }
}

impl Serialize for Quota {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("limit", &self.limit())?;
        if self.offset() > 0 {
            map.serialize_entry("offset", &self.offset())?;
        }
        if is_offset_of_aws(self.offset(), self.period()) {
            map.serialize_entry("offsetMeans", REQUESTS)?;
        }
        map.serialize_entry("period", &self.period())?;
        match self.period() {
            _ if self.start_day() == 1 => {}
            Period::Week => {
                let at = usize::from(self.start_day()).saturating_sub(1);
                map.serialize_entry("startDay", &WEEKDAYS.get(at))?;
            }
            Period::Day | Period::Month => map.serialize_entry("startDay", &self.start_day())?,
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
