//! Metrics in CloudWatch's embedded format: members of the line that a request has in the log.
//!
//! CloudWatch Logs finds `_aws` in a line and makes metrics of the members that it names; nothing
//! is sent, and nothing is waited for. The rules are those of "Specification: Embedded metric
//! format": each metric and each dimension that is named is a member at the root, a dimension is
//! a text, a metric is a number or up to a hundred of them.
//!
//! | metric | what it says of a request |
//! |---|---|
//! | `Decisions` | 1; the one that is kept by code too, all others by function alone |
//! | `Duration` | from the event to the answer |
//! | `ColdStarts` | 1 for an execution environment's first |
//! | `KeyFetches`, `KeyFetchFailures` | fetches of key sets since the line before |
//! | `KeyFetchTime` | how long each of them took |
//! | `KeyAge` | how old the set was that the token's key was taken from |
//! | `CacheHits`, `CacheMisses` | whether the token was known already: 1 and 0, or 0 and 1 |
//! | `TableTime` | how long the table was asked whom to charge, and to charge it |
//! | `TableWrites` | writes to buckets since the line before |
//! | `TableMilliunits` | write units that those consumed, in thousandths |
//! | `Degraded` | 1 for a decision without the table, as a plan's failure policy says |
//!
//! Times are in microseconds, and a metric without an occasion is left out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::MetricsConfig;

/// How many values one metric may have in one line.
const MAX_VALUES: usize = 100;

/// The function's name where Lambda did not say it.
const NAMELESS: &str = "authorizer";

/// Where metrics go.
pub(crate) struct Metrics {
    config: MetricsConfig,
    function: String,
}

/// What was measured on behalf of one request.
#[derive(Default)]
pub(crate) struct Measured {
    /// Whether it is the first request of its execution environment.
    pub(crate) cold_start: bool,
    /// From the event to the answer.
    pub(crate) duration: Duration,
    /// The fetches of key sets since the last line, this request's or not.
    pub(crate) fetches: Vec<Fetch>,
    /// How old the set was that the key of a good token was taken from.
    pub(crate) key_age: Option<Duration>,
    /// Whether the token was known already; none where it was not looked up.
    pub(crate) cached: Option<bool>,
    /// How long the table was asked whether the token was taken back; none where that was known.
    pub(crate) revocations: Option<Option<Duration>>,
    /// How long the table was asked for a decision.
    pub(crate) table: Option<Duration>,
    /// The writes to buckets since the last line.
    pub(crate) writes: u64,
    /// The write units that those consumed, in thousandths.
    pub(crate) milliunits: u64,
    /// Whether the decision was made without the table.
    pub(crate) degraded: bool,
}

/// One fetch of a key set.
#[derive(Clone, Copy)]
pub(crate) struct Fetch {
    /// How long it took.
    pub(crate) took: Duration,
    /// Whether a set came of it.
    pub(crate) succeeded: bool,
}

/// The fetches that no line has told of yet; at most a hundred, the oldest are kept.
#[derive(Default)]
pub(crate) struct Fetches(Mutex<Vec<Fetch>>);

impl Fetches {
    /// Notes one more.
    pub(crate) fn note(&self, took: Duration, succeeded: bool) {
        let mut fetches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if fetches.len() < MAX_VALUES {
            fetches.push(Fetch { took, succeeded });
        }
    }

    /// Hands them over, once.
    pub(crate) fn take(&self) -> Vec<Fetch> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Metrics {
    pub(crate) fn new(config: &MetricsConfig) -> Self {
        let function = std::env::var("AWS_LAMBDA_FUNCTION_NAME").ok();
        let function = function.filter(|name| !name.trim().is_empty() && name.is_ascii());
        Self { config: config.clone(), function: function.unwrap_or_else(|| NAMELESS.to_owned()) }
    }

    pub(crate) const fn are_on(&self) -> bool {
        self.config.enabled
    }

    /// Adds what was measured to a line that has a `code`; `now` is in Unix milliseconds.
    pub(crate) fn embed(&self, line: &mut Map<String, Value>, measured: &Measured, now: u64) {
        if !self.are_on() {
            return;
        }
        let mut named = Vec::new();
        for (name, unit, value) in measured.members() {
            named.push(json!({"Name": name, "Unit": unit}));
            line.insert(name.to_owned(), value);
        }
        line.insert("Decisions".to_owned(), json!(1));
        line.insert("function".to_owned(), json!(self.function));
        let namespace = &self.config.namespace;
        let metadata = json!({
            "Timestamp": now,
            "CloudWatchMetrics": [
                {
                    "Namespace": namespace,
                    "Dimensions": [["function", "code"]],
                    "Metrics": [{"Name": "Decisions", "Unit": "Count"}],
                },
                {"Namespace": namespace, "Dimensions": [["function"]], "Metrics": named},
            ],
        });
        line.insert("_aws".to_owned(), metadata);
    }
}

impl Measured {
    /// Each metric that has an occasion: name, unit, value.
    fn members(&self) -> Vec<(&'static str, &'static str, Value)> {
        let mut members = vec![("Duration", "Microseconds", micros(self.duration))];
        if self.cold_start {
            members.push(("ColdStarts", "Count", json!(1)));
        }
        if !self.fetches.is_empty() {
            let took: Vec<Value> =
                self.fetches.iter().take(MAX_VALUES).map(|fetch| micros(fetch.took)).collect();
            let failed = self.fetches.iter().filter(|fetch| !fetch.succeeded).count();
            members.push(("KeyFetches", "Count", json!(self.fetches.len())));
            members.push(("KeyFetchFailures", "Count", json!(failed)));
            members.push(("KeyFetchTime", "Microseconds", Value::Array(took)));
        }
        if let Some(age) = self.key_age {
            members.push(("KeyAge", "Microseconds", micros(age)));
        }
        if let Some(hit) = self.cached {
            members.push(("CacheHits", "Count", json!(u8::from(hit))));
            members.push(("CacheMisses", "Count", json!(u8::from(!hit))));
        }
        if let Some(asked) = self.revocations {
            members.push(("RevocationHits", "Count", json!(u8::from(asked.is_none()))));
            members.push(("RevocationMisses", "Count", json!(u8::from(asked.is_some()))));
            if let Some(took) = asked {
                members.push(("RevocationTime", "Microseconds", micros(took)));
            }
        }
        if let Some(took) = self.table {
            members.push(("TableTime", "Microseconds", micros(took)));
        }
        if self.writes > 0 {
            members.push(("TableWrites", "Count", json!(self.writes)));
            members.push(("TableMilliunits", "Count", json!(self.milliunits)));
        }
        if self.degraded {
            members.push(("Degraded", "Count", json!(1)));
        }
        members
    }
}

/// Whole microseconds.
fn micros(took: Duration) -> Value {
    json!(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
