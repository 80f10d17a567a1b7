//! Metrics of a request, in CloudWatch's embedded metric format.
//!
//! CloudWatch Logs makes metrics of the members that a line's member `_aws` declares. Nothing is
//! sent and nothing is awaited. The rules are in "Specification: Embedded metric format": a metric
//! is a number or at most 100 numbers at the root, a dimension is a text at the root.
//!
//! | metric | meaning |
//! |---|---|
//! | `Decisions` | 1; the only metric by function and code, all others are by function |
//! | `Duration` | from the event to the answer |
//! | `ColdStarts` | 1 for the first request of an execution environment |
//! | `KeyFetches`, `KeyFetchFailures` | fetches of key sets since the record before |
//! | `KeyFetchTime` | the time of each of these fetches |
//! | `KeyAge` | the age of the key set that verified the token |
//! | `CacheHits`, `CacheMisses` | 1 and 0 if the token was cached, else 0 and 1 |
//! | `RevocationHits`, `RevocationMisses` | the same for the token's revocations |
//! | `RevocationTime` | the time of reading revocations from the table |
//! | `KeyTime` | the time of looking up the API key |
//! | `TableTime` | the time of finding the subject and charging it |
//! | `TableReads` | reads of keys and assigned plans since the record before |
//! | `TableWrites` | writes to buckets since the record before |
//! | `TableMilliunits` | write units of these writes, in thousandths |
//! | `Degraded` | 1 for a decision without the table, by the plan's failure policy |
//! | `WouldThrottle` | 1 for a request that limits with `"enforce": false` would have refused |
//! | `UnknownPlans` | 1 for a token whose plan claim names no plan in the table |
//!
//! Times are in microseconds. A metric without a value is left out.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::jwks::Fetch;

/// The metrics of one request, by name.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Metrics(BTreeMap<&'static str, Metric>);

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Metric {
    values: Values,
    #[serde(skip)]
    unit: Unit,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Values {
    One(u64),
    Several(Vec<u64>),
}

#[derive(Clone, Copy, Debug, Serialize)]
enum Unit {
    Count,
    Microseconds,
}

impl Metrics {
    /// Sets a count.
    pub(crate) fn count(&mut self, name: &'static str, count: u64) {
        self.0.insert(name, Metric { values: Values::One(count), unit: Unit::Count });
    }

    /// Sets a time.
    pub(crate) fn time(&mut self, name: &'static str, time: Duration) {
        let values = Values::One(micros(time));
        self.0.insert(name, Metric { values, unit: Unit::Microseconds });
    }

    /// Sets two counts: 1 and 0 for a hit, 0 and 1 for a miss.
    pub(crate) fn hit(&mut self, hits: &'static str, misses: &'static str, is_hit: bool) {
        self.count(hits, u64::from(is_hit));
        self.count(misses, u64::from(!is_hit));
    }

    /// Sets the counts and the times of key fetches, if there are any.
    pub(crate) fn fetches(&mut self, fetches: &[Fetch]) {
        if fetches.is_empty() {
            return;
        }
        let count = |fetches: usize| u64::try_from(fetches).unwrap_or(u64::MAX);
        self.count("KeyFetches", count(fetches.len()));
        let failed = fetches.iter().filter(|fetch| !fetch.succeeded).count();
        self.count("KeyFetchFailures", count(failed));
        let values = Values::Several(fetches.iter().map(|fetch| micros(fetch.took)).collect());
        self.0.insert("KeyFetchTime", Metric { values, unit: Unit::Microseconds });
    }

    /// Adds `Decisions` and returns the member `_aws`, which declares all metrics.
    pub(super) fn declare(&mut self, namespace: &str, millis: u64) -> Value {
        let declared = |name: &str, unit| json!({"Name": name, "Unit": unit});
        let metrics: Vec<_> =
            self.0.iter().map(|(name, metric)| declared(name, metric.unit)).collect();
        self.count("Decisions", 1);
        json!({
            "Timestamp": millis,
            "CloudWatchMetrics": [
                {
                    "Namespace": namespace,
                    "Dimensions": [["function", "code"]],
                    "Metrics": [declared("Decisions", Unit::Count)],
                },
                {"Namespace": namespace, "Dimensions": [["function"]], "Metrics": metrics},
            ],
        })
    }
}

/// Whole microseconds.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
