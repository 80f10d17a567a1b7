//! One record for each request: its log line, its CloudWatch metrics and its span.
//!
//! A record holds codes, digests and times, and nothing that a caller sent.

mod log;
mod metrics;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use throttle::{Consumed, Store, Timestamp};

use crate::config::MetricsConfig;
use crate::event::EventKind;
use crate::refusal::Refusal;

#[cfg(test)]
pub(crate) use log::Captured;
pub(crate) use log::start;
pub(crate) use metrics::Metrics;

/// The function's name if Lambda does not state it.
const NAMELESS: &str = "authorizer";

/// Identifiers of one invocation, from Lambda.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// Lambda's request id.
    pub(crate) request_id: &'a str,
    /// X-Ray's header, unchanged.
    pub(crate) trace: Option<&'a str>,
}

impl<'a> From<&'a str> for Invocation<'a> {
    /// An invocation with this request id and no trace.
    fn from(request_id: &'a str) -> Self {
        Self { request_id, trace: None }
    }
}

/// The record of one request.
#[derive(Debug, Serialize)]
pub(crate) struct Record<'a> {
    timestamp: String,
    level: Level,
    message: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<EventKind>,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    /// Digest of the token's `kid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<Arc<str>>,
    /// The beginning of the API key's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Arc<str>>,
    /// Digest of the token's `sub`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub: Option<Arc<str>>,
    /// The plan, if its name is not the caller's own text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<String>,
    /// The limits that would have refused the request, if they were enforced; a parent's with its
    /// name: `burst,custom:tenant/daily`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) would_throttle: Option<String>,
    /// The level that refused the request, if the subject has parents: `subject`, `assigned`, a
    /// claim's name, or `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused_by: Option<String>,
    #[serde(flatten)]
    pub(crate) metrics: Metrics,
    /// The value of the metrics' dimension `function`.
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
    /// Declares which members are metrics (CloudWatch's embedded metric format).
    #[serde(rename = "_aws", skip_serializing_if = "Option::is_none")]
    declared: Option<Value>,
}

/// Log level of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Level {
    /// Decided, or refused because of the caller.
    Info,
    /// Failed because of the authorizer, the keys or the table.
    Error,
}

impl<'a> Record<'a> {
    /// Begins the record of an invocation.
    pub(crate) fn new(invocation: Invocation<'a>) -> Self {
        Self {
            timestamp: String::new(),
            level: Level::Info,
            message: "decided",
            request_id: invocation.request_id,
            trace: invocation.trace.and_then(trace_root),
            kind: None,
            code: "",
            detail: None,
            kid: None,
            key: None,
            sub: None,
            plan: None,
            would_throttle: None,
            refused_by: None,
            metrics: Metrics::default(),
            function: None,
            declared: None,
        }
    }

    /// Sets the code of a decision.
    pub(crate) const fn decide(&mut self, code: &'static str) {
        self.code = code;
    }

    /// Sets the detail of a decision.
    pub(crate) const fn explain(&mut self, detail: &'static str) {
        self.detail = Some(detail);
    }

    /// Sets the code and the detail of a refusal or failure.
    pub(crate) const fn refuse(&mut self, refusal: Refusal) {
        let is_refused = refusal.code().is_callers_fault();
        self.message = if is_refused { "refused" } else { "failed" };
        self.level = if is_refused { Level::Info } else { Level::Error };
        self.code = refusal.code().as_str();
        self.detail = Some(refusal.detail());
    }
}

/// Completes records and writes them.
pub(crate) struct Recorder {
    config: MetricsConfig,
    function: String,
    /// True after the first request.
    is_warm: AtomicBool,
    /// The store's writes that were recorded.
    recorded: Mutex<Consumed>,
    /// The look-ups of keys and plans that were recorded.
    read: AtomicU64,
}

impl Recorder {
    /// Makes a recorder for the function that the environment names.
    pub(crate) fn new(config: &MetricsConfig) -> Self {
        let function = std::env::var("AWS_LAMBDA_FUNCTION_NAME").ok();
        let function = function.filter(|name| !name.trim().is_empty() && name.is_ascii());
        Self {
            config: config.clone(),
            function: function.unwrap_or_else(|| NAMELESS.to_owned()),
            is_warm: AtomicBool::default(),
            recorded: Mutex::default(),
            read: AtomicU64::default(),
        }
    }

    /// Adds the store's writes since the last record.
    pub(crate) fn add_writes(&self, metrics: &mut Metrics, store: &impl Store) {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let consumed = store.consumed();
        let calls = consumed.calls.saturating_sub(recorded.calls);
        if calls > 0 {
            metrics.count("TableWrites", calls);
            let milliunits = consumed.milliunits.saturating_sub(recorded.milliunits);
            metrics.count("TableMilliunits", milliunits);
        }
        *recorded = consumed;
    }

    /// Adds the look-ups of keys and plans since the last record; `reads` counts all since the
    /// start.
    pub(crate) fn add_reads(&self, metrics: &mut Metrics, reads: u64) {
        metrics.count(
            "TableReads",
            reads.saturating_sub(self.read.fetch_max(reads, Ordering::Relaxed)),
        );
    }

    /// Completes a record at this time, writes it to the log and returns its line.
    pub(crate) fn write<'a>(&'a self, mut record: Record<'a>, now: Timestamp) -> String {
        record.timestamp = rfc_3339(now);
        if !self.is_warm.swap(true, Ordering::Relaxed) {
            record.metrics.count("ColdStarts", 1);
        }
        if self.config.enabled {
            let millis = now.as_nanos() / 1_000_000;
            record.function = Some(&self.function);
            record.declared = Some(record.metrics.declare(&self.config.namespace, millis));
        } else {
            record.metrics = Metrics::default();
        }
        let line = serde_json::to_string(&record).unwrap_or_default();
        log::write(&line, record.level, self.config.enabled);
        line
    }
}

/// A time in the format of the other log lines: RFC 3339 with microseconds.
fn rfc_3339(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(time.as_nanos().into());
    time.map(|time| format!("{time:.6}")).unwrap_or_default()
}

/// The part of X-Ray's header that is safe to log: its root, if it has X-Ray's form.
///
/// The header can come from the caller ("Tracing header" in the X-Ray developer guide), so a
/// text of any other form is ignored.
pub(crate) fn trace_root(header: &str) -> Option<&str> {
    let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root="))?;
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let (time, id) = root.strip_prefix("1-")?.split_once('-')?;
    (is_hex(time, 8) && is_hex(id, 24)).then_some(root)
}

#[cfg(test)]
mod tests;
