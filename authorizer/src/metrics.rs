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
//! | `UnknownPlans` | 1 for a token whose plan claim names no plan in the table |
//!
//! Times are in microseconds, and a metric without an occasion is left out.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::config::MetricsConfig;
use crate::jwks::Fetch;
use crate::line::Line;

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
    /// True if the token's plan claim names no plan in the table.
    pub(crate) unknown_plan: bool,
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
    pub(crate) fn embed(&self, line: &mut Line, measured: &Measured, now: u64) {
        if !self.are_on() {
            return;
        }
        for metric in measured.metrics() {
            line.put(metric.name, metric.values);
        }
        line.put("Decisions", 1);
        line.put("function", &self.function);
        let namespace = &self.config.namespace;
        let metadata = Metadata {
            timestamp: now,
            directives: (
                Directive {
                    namespace,
                    dimensions: [&["function", "code"]],
                    metrics: [Definition { name: "Decisions", unit: Unit::Count }],
                },
                Directive {
                    namespace,
                    dimensions: [&["function"]],
                    metrics: Definitions(measured),
                },
            ),
        };
        line.put("_aws", metadata);
    }
}

/// The member `_aws`: what in the line is a metric.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: u64,
    #[serde(rename = "CloudWatchMetrics")]
    directives: (Directive<'a, [Definition; 1]>, Directive<'a, Definitions<'a>>),
}

/// Metrics that are kept by the same dimensions.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a, M> {
    namespace: &'a str,
    dimensions: [&'static [&'static str]; 1],
    metrics: M,
}

/// One metric by name.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: Unit,
}

/// The definitions of all that was measured.
struct Definitions<'a>(&'a Measured);

impl Serialize for Definitions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metrics = self.0.metrics();
        serializer.collect_seq(metrics.map(|Metric { name, unit, .. }| Definition { name, unit }))
    }
}

#[derive(Clone, Copy, Serialize)]
enum Unit {
    Count,
    Microseconds,
}

/// A metric that has an occasion.
struct Metric<'a> {
    name: &'static str,
    unit: Unit,
    values: Values<'a>,
}

/// What was counted or timed, once or several times.
#[derive(Serialize)]
#[serde(untagged)]
enum Values<'a> {
    One(u64),
    #[serde(serialize_with = "all_micros")]
    Times(&'a [Fetch]),
}

impl Measured {
    /// Each metric that has an occasion.
    fn metrics(&self) -> impl Iterator<Item = Metric<'_>> {
        let one = |name, unit, value: Option<u64>| {
            value.map(|value| Metric { name, unit, values: Values::One(value) })
        };
        let count = |name, value| one(name, Unit::Count, value);
        let time = |name, took: Option<Duration>| one(name, Unit::Microseconds, took.map(micros));
        let flag = |name, set: bool| count(name, set.then_some(1));

        let fetches = self.fetches.get(..MAX_VALUES).unwrap_or(&self.fetches);
        let fetched = |value| (!fetches.is_empty()).then_some(value);
        let failed = fetches.iter().filter(|fetch| !fetch.succeeded);
        let (unit, values) = (Unit::Microseconds, Values::Times(fetches));
        let asked = self.revocations;
        let wrote = |value| (self.writes > 0).then_some(value);
        [
            time("Duration", Some(self.duration)),
            flag("ColdStarts", self.cold_start),
            count("KeyFetches", fetched(length(fetches.iter()))),
            count("KeyFetchFailures", fetched(length(failed))),
            (!fetches.is_empty()).then_some(Metric { name: "KeyFetchTime", unit, values }),
            time("KeyAge", self.key_age),
            count("CacheHits", self.cached.map(u64::from)),
            count("CacheMisses", self.cached.map(|hit| u64::from(!hit))),
            count("RevocationHits", asked.map(|took| u64::from(took.is_none()))),
            count("RevocationMisses", asked.map(|took| u64::from(took.is_some()))),
            time("RevocationTime", asked.flatten()),
            time("TableTime", self.table),
            count("TableWrites", wrote(self.writes)),
            count("TableMilliunits", wrote(self.milliunits)),
            flag("Degraded", self.degraded),
            flag("UnknownPlans", self.unknown_plan),
        ]
        .into_iter()
        .flatten()
    }
}

fn length<T>(items: impl Iterator<Item = T>) -> u64 {
    items.fold(0, |length, _| length + 1)
}

/// Whole microseconds.
fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

fn all_micros<S: Serializer>(fetches: &[Fetch], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(fetches.iter().map(|fetch| micros(fetch.took)))
}

#[cfg(test)]
mod tests;
