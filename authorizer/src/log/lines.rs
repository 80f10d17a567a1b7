//! One line for each event: JSON, and for a request the JSON that it comes with.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The target of events that are a request's line: their field `line` is a JSON object.
///
/// Metrics need nested members, which a field of an event can't have.
pub(super) const REQUEST: &str = "authorizer::request";

/// Writes a request's line as it is, and everything else as JSON.
pub(super) struct Lines {
    others: Format<Json, SystemTime>,
}

impl Lines {
    pub(super) fn new() -> Self {
        let others = Format::default().json().flatten_event(true);
        Self { others: others.with_current_span(false).with_span_list(false) }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != REQUEST {
            return self.others.format_event(context, writer, event);
        }
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        let mut line = Line { writer, outcome: Err(fmt::Error) };
        event.record(&mut line);
        line.outcome
    }
}

/// Writes the members of an event's field `line`, which ends what it is told of.
struct Line<'w> {
    writer: Writer<'w>,
    outcome: fmt::Result,
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "line"
            && let Some(members) = value.strip_prefix('{')
        {
            self.outcome = writeln!(self.writer, "\",{members}");
        }
    }

    /// Nothing else is told: the line is all there is.
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
