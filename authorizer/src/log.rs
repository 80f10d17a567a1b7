//! JSON logs on standard output, without anything that a caller sent.
//!
//! Each request has one line, with its metrics. Everything else that is told is told besides.

mod lines;

use std::str::FromStr as _;

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) use crate::digest::digest_of;
use lines::{Lines, REQUEST};

/// Sends logs to standard output as JSON; the level is `AWS_LAMBDA_LOG_LEVEL`, else INFO.
///
/// The level goes for this project's own crates. Others may log what they were given, headers
/// and bodies say, so of them only warnings are taken, and of the runtime's report of each
/// handler error nothing: the request's own line has said it.
pub(crate) fn start() {
    let level = level(std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().as_deref());
    // A second subscriber in one process is a test's; the first one stays.
    let _ = subscriber(level, std::io::stdout).try_init();

    // A panic's message can quote what was being read, so the place alone is told.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(code = "panic", place, "the authorizer panicked");
    }));
}

fn subscriber<W>(level: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Lines::new())
        .fmt_fields(JsonFields::new())
        .with_writer(writer);
    tracing_subscriber::registry().with(targets(level)).with(lines)
}

/// How much a request's line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// A request that was decided, or refused by the caller's own fault.
    Info,
    /// A request that failed on this side.
    Error,
}

impl Weight {
    /// The level's name, as the other lines have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Error => "ERROR",
        }
    }
}

/// Writes a request's line, a JSON object; `always` where it has metrics, which are lost otherwise.
pub(crate) fn request(line: &str, weight: Weight, always: bool) {
    let wanted = match weight {
        Weight::Info => tracing::enabled!(tracing::Level::INFO),
        Weight::Error => tracing::enabled!(tracing::Level::ERROR),
    };
    if wanted || always {
        tracing::error!(target: REQUEST, line);
    }
}

/// The part of a trace's header that is safe to log: its root, where it is of X-Ray's form.
///
/// The header can come from the caller ("Tracing header" in the X-Ray developer guide), so a
/// text of any other form is passed over.
pub(crate) fn trace_root(header: &str) -> Option<&str> {
    let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root="))?;
    let mut parts = root.split('-');
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let fits = parts.next() == Some("1")
        && parts.next().is_some_and(|time| is_hex(time, 8))
        && parts.next().is_some_and(|id| is_hex(id, 24))
        && parts.next().is_none();
    fits.then_some(root)
}

/// The level of that name; Lambda's FATAL is above all that is logged here but errors.
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
        .with_targets(["authorizer", "policy", "throttle"].map(|name| (name, level)))
        // Whether a request's line is wanted is known where it is made.
        .with_target(REQUEST, LevelFilter::ERROR)
}

/// What is logged on this thread, through the real subscriber, until it is dropped.
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

        /// Where one subscriber is registered alone, a callsite that another thread meets first
        /// is asked of that thread's subscriber, which is none, and stays silent on this one too.
        static OTHERS: std::sync::OnceLock<[tracing::Dispatch; 2]> = std::sync::OnceLock::new();

        OTHERS.get_or_init(|| [(); 2].map(|()| tracing_subscriber::registry().into()));
        let text = std::sync::Arc::<std::sync::Mutex<Vec<u8>>>::default();
        let shared = std::sync::Arc::clone(&text);
        let writer = move || Handle(std::sync::Arc::clone(&shared));
        let subscriber = subscriber(level(Some(name)), writer);
        Self { text, _subscribed: tracing::subscriber::set_default(subscriber) }
    }

    /// All that was written since the start, or since it was cleared.
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
            assert!(targets.would_enable("authorizer::handler", &Level::INFO), "{name:?}");
        }
        assert!(targets(level(Some("TRACE"))).would_enable("authorizer::jwks", &Level::TRACE));
        assert!(!targets(level(Some("FATAL"))).would_enable("authorizer::jwks", &Level::WARN));
        assert!(!targets(LevelFilter::OFF).would_enable("reqwest", &Level::ERROR));
    }

    #[test]
    fn a_digest_is_stable_and_short() {
        // printf abc | sha256sum
        assert_eq!(&*digest_of("abc"), "ba7816bf");
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
        tracing::trace!(target: "authorizer::jwks", "ours");
        assert_eq!(captured.text().lines().count(), 2);
    }

    #[test]
    fn what_another_thread_met_first_is_captured_here() {
        let captured = Captured::at("TRACE");
        let tell = || tracing::error!(target: "authorizer::log", "told");
        std::thread::spawn(tell).join().unwrap();
        assert_eq!(captured.text(), "", "nothing of another thread's");
        tell();
        assert_eq!(captured.text().lines().count(), 1);
    }

    #[test]
    fn a_line_is_one_object_on_one_line() {
        let captured = Captured::at("INFO");
        request(r#"{"message":"decided","level":"ERROR"}"#, Weight::Error, false);
        let text = captured.text();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&read["message"], &read["level"]), (&"decided".into(), &"ERROR".into()));
        assert_eq!(read.as_object().unwrap().len(), 3, "{read}");
    }

    #[test]
    fn a_trace_is_told_only_in_x_ray_s_own_form() {
        let root = "1-5759e988-bd862e3fe1be46a994272793";
        for header in [
            format!("Root={root}"),
            format!("Root={root};Parent=53995c3f42cd8ad8;Sampled=0"),
            format!("Self=1-x; Root={root};Lineage=a:0"),
        ] {
            assert_eq!(trace_root(&header), Some(root), "{header}");
        }
        for header in [
            "",
            root,
            "Root=",
            "Root=eyJhbGciOiJSUzI1NiJ9",
            "Root=1-5759e988",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e98-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a99427279g",
            "Root=1-5759e988-bd862e3fe1be46a994272793-x",
        ] {
            assert_eq!(trace_root(header), None, "{header}");
        }
    }
}
