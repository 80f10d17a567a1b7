//! A span for each request, sent over OTLP before the response.
//!
//! The span has the members of the request's record and nothing else: digests, codes and times. It
//! belongs to X-Ray's trace if Lambda names one, and is left out if that trace is not sampled.
//! Nothing is propagated.
//!
//! An execution environment freezes after its response, so each request waits for the collector, at
//! most 500 ms. Use a collector in the same environment, on the loopback.

use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use reqwest::redirect;
use serde_json::{Map, Value};
use throttle::Timestamp;

/// Time-out of sending a span.
const TIMEOUT: Duration = Duration::from_millis(500);

/// The variables that name the collector. Spans are sent if one of them is set.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// The exporter of spans.
pub(crate) struct Traces {
    exporter: SpanExporter,
}

/// The trace that a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parent {
    trace: TraceId,
    span: SpanId,
}

impl Traces {
    /// Sends spans to the collector that OpenTelemetry's own variables name, if they name one.
    pub(crate) fn from_env() -> Option<Self> {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if !ENDPOINTS.into_iter().any(is_set) {
            return None;
        }
        let traces = Self::to(None);
        if let Err(error) = &traces {
            tracing::warn!(%error, "spans cannot be sent");
        }
        traces.ok()
    }

    /// Sends spans to this address, or to the one that the environment names.
    pub(crate) fn to(address: Option<&str>) -> Result<Self, ExporterBuildError> {
        let plain = address.is_some_and(|address| address.starts_with("http://"));
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(1);
        let client = if plain { client.tls_certs_only([]).no_proxy() } else { client };
        let client = client
            .build()
            .map_err(|error| ExporterBuildError::InternalFailure(error.to_string()))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client);
        let exporter = match address {
            Some(address) => exporter.with_endpoint(address),
            None => exporter,
        };
        let mut exporter = exporter.build()?;
        let mut resource = Resource::builder();
        if let (Err(_), Ok(name)) =
            (std::env::var("OTEL_SERVICE_NAME"), std::env::var("AWS_LAMBDA_FUNCTION_NAME"))
        {
            resource = resource.with_service_name(name);
        }
        exporter.set_resource(&resource.build());
        Ok(Self { exporter })
    }

    /// Sends the span of a request that began at `start`. A failure is only logged.
    pub(crate) async fn export(
        &self,
        line: &str,
        trace: Option<&str>,
        start: Timestamp,
        took: Duration,
    ) {
        let header = trace.unwrap_or_default();
        if header.split(';').any(|part| part.trim() == "Sampled=0") {
            return;
        }
        let line: Map<String, Value> = serde_json::from_str(line).unwrap_or_default();
        let span = span(&line, parent(header), start, took);
        // The error is not logged: it can quote the collector's answer.
        if self.exporter.export(vec![span]).await.is_err() {
            tracing::warn!("the request's span cannot be sent");
        }
    }
}

fn span(
    line: &Map<String, Value>,
    parent: Option<Parent>,
    start: Timestamp,
    took: Duration,
) -> SpanData {
    let trace = parent.map_or_else(|| TraceId::from_bytes(random()), |parent| parent.trace);
    let id = SpanId::from_bytes(random());
    let start_time = UNIX_EPOCH + Duration::from_nanos(start.as_nanos());
    let status = match line.get("level").and_then(Value::as_str) {
        Some("ERROR") => Status::error(""),
        _ => Status::Unset,
    };
    SpanData {
        span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: parent.map_or(SpanId::INVALID, |parent| parent.span),
        parent_span_is_remote: parent.is_some(),
        span_kind: SpanKind::Server,
        name: "authorize".into(),
        start_time,
        end_time: start_time + took,
        attributes: line.iter().filter_map(attribute).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: InstrumentationScope::builder("tollgate").build(),
    }
}

/// Returns a member of the record as an attribute, unless it is a list or an object.
fn attribute((name, value): (&String, &Value)) -> Option<KeyValue> {
    let name = match name.as_str() {
        "timestamp" | "level" | "message" => return None,
        "request_id" => "faas.invocation_id".to_owned(),
        name => format!("tollgate.{name}"),
    };
    match value {
        Value::String(text) => Some(KeyValue::new(name, text.clone())),
        Value::Number(number) => Some(KeyValue::new(name, number.as_i64()?)),
        _ => None,
    }
}

/// Parses X-Ray's header: `Root=1-{8}-{24};Parent={16}`, in hexadecimal digits.
fn parent(header: &str) -> Option<Parent> {
    let root = crate::record::trace_root(header)?;
    let trace: String = root.split('-').skip(1).collect();
    let span = header.split(';').find_map(|part| part.trim().strip_prefix("Parent="));
    let span = span.filter(|span| span.len() == 16).and_then(|span| SpanId::from_hex(span).ok());
    Some(Parent { trace: TraceId::from_hex(&trace).ok()?, span: span.unwrap_or(SpanId::INVALID) })
}

/// Returns random bytes for an id; zeros, an invalid id, if the system has none.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HEADER: &str =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    #[test]
    fn a_span_belongs_to_x_ray_s_trace() {
        let found = parent(HEADER).unwrap();
        assert_eq!(found.trace.to_string(), "5759e988bd862e3fe1be46a994272793");
        assert_eq!(found.span.to_string(), "53995c3f42cd8ad8");
        let found = parent("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=x").unwrap();
        assert_eq!(found.span, SpanId::INVALID);
        assert_eq!(parent("Root=x"), None);
        assert_eq!(parent(""), None);
    }

    #[test]
    fn a_span_has_the_members_of_the_line_and_its_times() {
        let line = json!({
            "code": "allowed", "request_id": "r", "level": "INFO", "message": "decided",
            "Duration": 7, "KeyFetchTime": [1], "_aws": {"Timestamp": 1},
        });
        let start = Timestamp::from_secs(1_800_000_000);
        let took = Duration::from_micros(7);
        let span = span(line.as_object().unwrap(), parent(HEADER), start, took);
        let mut names: Vec<_> = span.attributes.iter().map(|one| one.key.to_string()).collect();
        names.sort();
        assert_eq!(names, ["faas.invocation_id", "tollgate.Duration", "tollgate.code"]);
        assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), took);
        assert_eq!(span.start_time.duration_since(UNIX_EPOCH).unwrap().as_secs(), 1_800_000_000);
        assert_eq!(span.status, Status::Unset);
        assert!(span.span_context.is_valid());

        let failed = json!({"level": "ERROR"});
        let other = super::span(failed.as_object().unwrap(), None, start, took);
        assert_eq!(other.status, Status::error(""));
        assert!(other.span_context.is_valid(), "its own trace");
        assert_ne!(other.span_context.span_id(), span.span_context.span_id());
    }
}
