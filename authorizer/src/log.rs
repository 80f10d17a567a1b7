//! JSON logs on standard output, without anything that a caller sent.

use std::str::FromStr as _;

use aws_lc_rs::digest::{SHA256, digest};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Sends logs to standard output as JSON; the level is `AWS_LAMBDA_LOG_LEVEL`, else INFO.
///
/// The level goes for this project's own crates. Others may log what they were given, headers
/// and bodies say, so of them only warnings are taken, and of the runtime's report of each
/// handler error nothing: the request's own line has said it.
pub(crate) fn start() {
    let targets = targets(level(std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().as_deref()));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(std::io::stdout);
    // A second subscriber in one process is a test's; the first one stays.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();

    // A panic's message can quote what was being read, so the place alone is told.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(code = "panic", place, "the authorizer panicked");
    }));
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
}

/// Eight hexadecimal digits that stand for a name in the log: enough to find equal ones.
pub(crate) fn digest_of(name: &str) -> String {
    digest(&SHA256, name.as_bytes())
        .as_ref()
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
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
        assert_eq!(digest_of("abc"), "ba7816bf");
    }
}
