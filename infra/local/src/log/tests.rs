//! The log as a whole: what is printed, what is dropped, and what never waits.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use super::*;

/// A terminal: blocked until it is opened.
struct Terminal {
    text: Arc<Mutex<Vec<u8>>>,
    opened: Option<Receiver<()>>,
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(opened) = self.opened.take() {
            let _ = opened.recv();
        }
        self.text.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Bench {
    log: Log,
    text: Arc<Mutex<Vec<u8>>>,
}

impl Bench {
    fn start(format: Format, quiet: bool) -> Self {
        Self::with(None, format, quiet)
    }

    fn blocked() -> (Self, Sender<()>) {
        let (open, opened) = channel();
        (Self::with(Some(opened), Format::Pretty, false), open)
    }

    fn with(opened: Option<Receiver<()>>, format: Format, quiet: bool) -> Self {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let terminal = Terminal { text: Arc::clone(&text), opened };
        let options = Options { format, quiet, ..Options::default() };
        Self { log: Log::to(terminal, options).unwrap(), text }
    }

    fn lines(&self) -> Vec<String> {
        self.log.finish();
        let text = String::from_utf8(self.text.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

fn report(status: u16, invocation: Option<&str>) -> Report {
    Report {
        method: "GET".into(),
        path: "/orders".into(),
        status,
        invocation: invocation.map(str::to_owned),
        ..Report::default()
    }
}

fn record(id: &str, level: &str, code: &str, detail: &str) -> String {
    serde_json::json!({"level": level, "message": "refused", "request_id": id, "code": code,
        "detail": detail})
    .to_string()
}

const NEWS: &str = r#"{"level":"INFO","message":"key set fetched"}"#;
const ALERT: &str = r#"{"level":"ERROR","message":"no plan `free`"}"#;

#[test]
fn a_report_finds_its_record_whichever_comes_first() {
    let bench = Bench::start(Format::Pretty, false);
    bench.log.line("authorizer", record("a", "INFO", "claim", "expired"), true);
    bench.log.report(report(401, Some("a")));
    bench.log.report(report(401, Some("b")));
    bench.log.report(report(200, Some("c")));
    bench.log.line("authorizer", record("b", "INFO", "key", "unknown"), true);
    assert_eq!(
        bench.lines(),
        [
            "GET /orders  401  claim: expired  <1 ms",
            "GET /orders  200  <1 ms",
            "GET /orders  401  key: unknown  <1 ms",
        ]
    );
}

#[test]
fn a_report_whose_record_does_not_come_is_printed_all_the_same() {
    let bench = Bench::start(Format::Pretty, false);
    bench.log.report(report(401, Some("a")));
    let text = || String::from_utf8(bench.text.lock().unwrap().clone()).unwrap();
    for _ in 0..3000 {
        if !text().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(text(), "GET /orders  401  <1 ms\n");
}

#[test]
fn pretty_shows_alerts_once_and_no_json() {
    let bench = Bench::start(Format::Pretty, false);
    for line in [NEWS, ALERT, ALERT, "", "thread 'main' panicked\u{1b}[2J"] {
        bench.log.line("authorizer", line.to_owned(), true);
    }
    let panicked = "authorizer: thread 'main' panicked\\u001b[2J";
    assert_eq!(bench.lines(), ["error: no plan `free`", panicked]);
}

#[test]
fn a_function_s_lines_have_its_name_and_are_shown_whatever_they_are() {
    let bench = Bench::start(Format::Pretty, false);
    for line in ["begun", NEWS, ""] {
        bench.log.line("Orders", line.to_owned(), false);
    }
    assert_eq!(bench.lines(), ["Orders: begun", &format!("Orders: {NEWS}")]);
}

#[test]
fn json_is_the_authorizer_s_lines_and_nothing_else() {
    let bench = Bench::start(Format::Json, false);
    bench.log.report(report(200, None));
    bench.log.line("authorizer", NEWS.to_owned(), true);
    bench.log.line("authorizer", "a\u{9b}b".to_owned(), true);
    assert_eq!(bench.lines(), [NEWS, "a\\u009bb"]);
}

#[test]
fn quiet_leaves_warnings_errors_and_failures() {
    let refused = record("a", "INFO", "claim", "expired");
    let failed = record("b", "ERROR", "config", "no table");
    let bench = Bench::start(Format::Pretty, true);
    for line in [NEWS, ALERT, &refused, &failed] {
        bench.log.line("authorizer", line.to_owned(), true);
    }
    for (status, id) in [(200, "c"), (401, "a"), (500, "b")] {
        bench.log.report(report(status, Some(id)));
    }
    let failure = "GET /orders  500  config: no table  <1 ms";
    assert_eq!(bench.lines(), ["error: no plan `free`", failure]);

    let bench = Bench::start(Format::Json, true);
    for line in [NEWS, ALERT, &refused, &failed] {
        bench.log.line("authorizer", line.to_owned(), true);
    }
    assert_eq!(bench.lines(), [ALERT, &failed]);
}

#[test]
fn a_terminal_that_takes_nothing_blocks_nobody_and_lines_that_are_missing_are_counted() {
    let (bench, open) = Bench::blocked();
    for _ in 0..5 * QUEUE {
        bench.log.report(report(200, None));
    }
    open.send(()).unwrap();
    // The queue may be full for a moment more.
    while bench.lines().len() < QUEUE {
        std::thread::sleep(Duration::from_millis(10));
    }
    let lines = bench.lines();
    let missing = lines.iter().find_map(|line| line.split_once(" lines are missing here"));
    let missing: usize = missing.unwrap().0.parse().unwrap();
    let printed = lines.iter().filter(|line| line.starts_with("GET")).count();
    assert_eq!(printed + missing, 5 * QUEUE);
}
