//! JSON logs on standard output.

use std::str::FromStr as _;

use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::Level;

/// Target of records, whose message is a line of JSON.
const RECORD: &str = "tollgate_authorizer::record::line";

/// Target of records with metrics: enabled at every level, because CloudWatch reads the metrics
/// from the line.
const METRICS: &str = "tollgate_authorizer::record::line::metrics";

/// Sends logs to standard output as JSON. The level is `AWS_LAMBDA_LOG_LEVEL`, by default INFO.
///
/// The level applies to this project's crates. Other crates may log headers and bodies, so only
/// their warnings are logged. The runtime's report of each handler error is left out, because the
/// request's record has the error.
pub(crate) fn start() {
    let level = level(std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().as_deref());
    // Tests start several authorizers in one process; the first subscriber stays.
    let _ = subscriber(level, std::io::stdout).try_init();

    // A panic's message can quote a request, so only its place is logged.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(code = "panic", place, "the authorizer panicked");
    }));
}

fn subscriber<W>(level: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Clone + Send + Sync + 'static,
{
    let is_record = |event: &Metadata<'_>| event.target().starts_with(RECORD);
    // A record is written as a whole line of JSON, because fields of a log event cannot be nested.
    let records = fmt::layer()
        .with_ansi(false)
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_writer(writer.clone())
        .with_filter(filter_fn(is_record));
    let others = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(writer)
        .with_filter(filter_fn(move |event| !is_record(event)));
    tracing_subscriber::registry().with(targets(level)).with(records).with(others)
}

/// Writes a record's line, if its level is enabled or it has metrics.
pub(super) fn write(line: &str, level: Level, has_metrics: bool) {
    match level {
        _ if has_metrics => tracing::info!(target: METRICS, "{line}"),
        Level::Info => tracing::info!(target: RECORD, "{line}"),
        Level::Error => tracing::error!(target: RECORD, "{line}"),
    }
}

/// The level of this name. Lambda's FATAL includes errors here.
fn level(name: Option<&str>) -> LevelFilter {
    match name {
        Some(name) if name.eq_ignore_ascii_case("FATAL") => LevelFilter::ERROR,
        name => name.and_then(|name| LevelFilter::from_str(name).ok()).unwrap_or(LevelFilter::INFO),
    }
}

fn targets(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF)
        .with_targets(
            ["tollgate_authorizer", "tollgate_policy", "tollgate_throttle", "tollgate_table"]
                .map(|name| (name, level)),
        )
        .with_target(METRICS, LevelFilter::INFO)
}

/// Captures the log of this thread, through the real subscriber, until it is dropped.
#[cfg(test)]
pub(crate) struct Captured {
    text: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
    _subscribed: tracing::subscriber::DefaultGuard,
}

#[cfg(test)]
impl Captured {
    /// Captures at this value of `AWS_LAMBDA_LOG_LEVEL`.
    pub(crate) fn at(name: &str) -> Self {
        /// One handle on the captured text.
        struct Handle(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

        impl std::io::Write for Handle {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        /// With a single registered subscriber, the first thread that reaches a callsite decides
        /// for all threads if it is enabled. Two more subscribers prevent that.
        static OTHERS: std::sync::OnceLock<[tracing::Dispatch; 2]> = std::sync::OnceLock::new();

        OTHERS.get_or_init(|| [(); 2].map(|()| tracing_subscriber::registry().into()));
        let text = std::sync::Arc::<std::sync::Mutex<Vec<u8>>>::default();
        let shared = std::sync::Arc::clone(&text);
        let writer = move || Handle(std::sync::Arc::clone(&shared));
        let subscriber = subscriber(level(Some(name)), writer);
        Self { text, _subscribed: tracing::subscriber::set_default(subscriber) }
    }

    /// The text that was written since the start or since `clear`.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }

    /// Forgets what was written.
    pub(crate) fn clear(&self) {
        self.text.lock().unwrap().clear();
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn others_say_no_more_than_warnings_at_any_level() {
        for name in [None, Some("TRACE"), Some("debug"), Some("INFO"), Some("nonsense")] {
            let targets = targets(level(name));
            for other in ["lambda_runtime::layers::api_response", "reqwest", "aws_smithy_runtime"] {
                assert!(!targets.would_enable(other, &Level::INFO), "{name:?} {other}");
                assert!(targets.would_enable(other, &Level::WARN), "{name:?} {other}");
            }
            assert!(!targets.would_enable("lambda_runtime::layers::panic", &Level::ERROR));
            assert!(targets.would_enable("tollgate_authorizer::handler", &Level::INFO), "{name:?}");
        }
        assert!(
            targets(level(Some("TRACE"))).would_enable("tollgate_authorizer::jwks", &Level::TRACE)
        );
        assert!(
            !targets(level(Some("FATAL"))).would_enable("tollgate_authorizer::jwks", &Level::WARN)
        );
        assert!(!targets(LevelFilter::OFF).would_enable("reqwest", &Level::ERROR));
    }

    #[test]
    fn a_foreign_crate_s_events_never_reach_the_log_below_a_warning() {
        let captured = Captured::at("TRACE");
        // As lambda_runtime logs the raw event, and each error of a handler.
        tracing::trace!(target: "lambda_runtime::layers::api_response", "the-token");
        tracing::debug!(target: "hyper::proto", "the-token");
        tracing::info!(target: "aws_smithy_runtime::client", "the-token");
        tracing::error!(target: "lambda_runtime::layers::panic", "the-token");
        assert_eq!(captured.text(), "");
        tracing::warn!(target: "reqwest", "a warning");
        tracing::trace!(target: "tollgate_authorizer::jwks", "ours");
        assert_eq!(captured.text().lines().count(), 2);
    }

    #[test]
    fn what_another_thread_met_first_is_captured_here() {
        let captured = Captured::at("TRACE");
        let tell = || tracing::error!(target: "tollgate_authorizer::log", "told");
        std::thread::spawn(tell).join().unwrap();
        assert_eq!(captured.text(), "", "nothing of another thread's");
        tell();
        assert_eq!(captured.text().lines().count(), 1);
    }

    #[test]
    fn a_line_is_one_object_on_one_line() {
        let captured = Captured::at("INFO");
        write(r#"{"message":"decided","level":"ERROR"}"#, crate::record::Level::Error, false);
        let text = captured.text();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&read["message"], &read["level"]), (&"decided".into(), &"ERROR".into()));
        assert_eq!(read.as_object().unwrap().len(), 2, "{read}");
    }
}
