//! The kinds of items in the table: one definition each, to and from DynamoDB's types.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::bucket::{Counter, MAX_COUNT, Meter, Stamp, State, Write};
use crate::clock::Timestamp;
use crate::failure::Damage;
use crate::name::{PlanId, Subject};
use crate::plan::Plan;
use crate::store::PlanRecord;

/// An item as the SDK has it.
pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// The table's only key.
pub(crate) const PK: &str = "pk";
/// The second from which an item may be deleted: the table's time to live.
pub(crate) const EXPIRES_AT: &str = "expires_at";

/// A subject's bucket: `BUCKET#subject`.
///
/// `pv`, the plan and version it was last written under; a `tat` in nanoseconds for each rate,
/// a counter for each period used, by names that [`Meter`] and [`Counter`] write; `rt`, the
/// tokens returned, where any were; `expires_at`. Other attributes are left alone.
///
/// With 31 days, 12 weeks and 12 months of history, counts below a hundred million, names of
/// subject and plan of 64 bytes together and five methods it stays below the kilobyte that one
/// write unit pays for. Larger ones work, at another unit for each kilobyte begun.
pub(crate) mod bucket {
    use super::{
        AttributeValue, Attributes, Counter, Damage, MAX_COUNT, Meter, Stamp, State, Subject,
        Timestamp, Write, damage, number,
    };

    pub(crate) const PV: &str = "pv";
    pub(crate) const RETURNED: &str = "rt";
    pub(crate) const KIND: &str = "bucket";

    pub(crate) fn key(subject: &Subject) -> AttributeValue {
        AttributeValue::S(format!("BUCKET#{}", subject.as_str()))
    }

    /// The part of the item's state that a write tells. What isn't there counts as unused.
    pub(crate) fn state(item: &Attributes, write: &Write) -> Result<State, Damage> {
        let mut state = State::default();
        if let Some(stamp) = item.get(PV) {
            let stamp = stamp.as_s().ok().and_then(|text| Stamp::parse(text));
            state.stamp = Some(stamp.ok_or_else(|| damage(KIND, PV, "names no plan's version"))?);
        }
        for name in item.keys() {
            if let Some(meter) = Meter::parse(name)
                && let Some(tat) = number(KIND, item, name)?
            {
                state.tats.insert(meter, Timestamp::from_nanos(tat));
            } else if let Some(counter) = Counter::parse(name)
                && write.counts.iter().any(|count| count.counter == counter)
                && let Some(used) = number::<i64>(KIND, item, name)?
            {
                if used.unsigned_abs() > MAX_COUNT.unsigned_abs() {
                    return Err(damage(KIND, name, "is out of range"));
                }
                state.counters.insert(counter, used);
            }
        }
        state.returned = number(KIND, item, RETURNED)?.unwrap_or_default();
        Ok(state)
    }
}

/// A plan: `PLAN#id`.
///
/// `plan` is API Gateway's JSON, `version` counts the writes, `created` is in nanoseconds.
pub(crate) mod plan {
    use super::{
        AttributeValue, Attributes, Damage, PK, Plan, PlanId, PlanRecord, Timestamp, damage, number,
    };

    pub(crate) const PLAN: &str = "plan";
    pub(crate) const VERSION: &str = "version";
    pub(crate) const CREATED: &str = "created";
    pub(crate) const PREFIX: &str = "PLAN#";
    const KIND: &str = "plan";

    pub(crate) fn key(id: &PlanId) -> AttributeValue {
        AttributeValue::S(format!("{PREFIX}{id}"))
    }

    /// The JSON that is stored for a plan.
    pub(crate) fn json(plan: &Plan) -> Result<String, Damage> {
        serde_json::to_string(plan).map_err(|_| damage(KIND, PLAN, "can't be written as JSON"))
    }

    /// The name in an item's key, whatever else the item holds.
    pub(crate) fn id(item: &Attributes) -> Option<&str> {
        item.get(PK)?.as_s().ok()?.strip_prefix(PREFIX)
    }

    pub(crate) fn record(item: &Attributes) -> Result<PlanRecord, Damage> {
        let id = id(item).and_then(|id| PlanId::new(id).ok());
        let id = id.ok_or_else(|| damage(KIND, PK, "is no plan's key"))?;
        let json = item.get(PLAN).and_then(|json| json.as_s().ok());
        let json = json.ok_or_else(|| damage(KIND, PLAN, "is no text"))?;
        let plan = Plan::from_json(json)
            .map_err(|error| damage(KIND, PLAN, format!("is no plan: {error}")))?;
        let needed =
            |name: &str| number(KIND, item, name)?.ok_or_else(|| damage(KIND, name, "is missing"));
        let created = Timestamp::from_nanos(needed(CREATED)?);
        Ok(PlanRecord { id, plan, version: needed(VERSION)?, created })
    }
}

/// A number for an expression.
pub(crate) fn n(number: impl Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A whole number of an item, none if it isn't there.
fn number<T: FromStr>(
    kind: &'static str,
    item: &Attributes,
    name: &str,
) -> Result<Option<T>, Damage> {
    let Some(value) = item.get(name) else { return Ok(None) };
    let parsed = value.as_n().ok().and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or_else(|| damage(kind, name, "is no whole number, or out of range"))
}

fn damage(item: &'static str, attribute: &str, problem: impl Into<String>) -> Damage {
    Damage { item, attribute: attribute.to_owned(), problem: problem.into() }
}
