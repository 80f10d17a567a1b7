//! Lines on standard error while requests come: one for each request, and warnings and errors.
//!
//! ```text
//! gateways ───reports──┐
//!                      ├──> queue ──> one thread ──> standard error
//! processes ───lines───┘
//! ```
//!
//! Nothing waits for the terminal. If the queue is full, a message is dropped and counted, and the
//! next line that is printed says how many are missing.
//!
//! A report of a refused request waits up to 300 ms for the authorizer's own record of it, which
//! has the reason. Both name the same invocation.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

mod caller;
mod line;
mod printer;
mod record;
mod watch;

pub(crate) use caller::{KEY as KEY_CALLER, key_name, name as caller_name, token as caller_token};
pub use line::{Caller, Explain, Report, Usage, render};
pub(crate) use line::{is_verified, shortened};
use printer::Printer;
pub use record::Record;
pub use watch::Trace;
pub(crate) use watch::Watch;

/// The number of messages that may wait to be printed.
const QUEUE: usize = 1024;
/// The longest wait for the last lines when everything ends.
const LAST_LINES: Duration = Duration::from_millis(500);

/// The form of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One readable line for each request
    #[default]
    Pretty,
    /// The authorizer's log lines as they are
    Json,
}

/// Settings of a log.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The form of the lines.
    pub format: Format,
    /// True to print only warnings, errors and requests that failed with a status of 500 or above.
    pub quiet: bool,
    /// True to colour statuses.
    pub colour: bool,
    /// The authorizer's configuration; without one it is the demonstration's.
    pub config: Option<PathBuf>,
    /// The port of the token issuer, which the demonstration's configuration names.
    pub issuer_port: u16,
}

/// A handle on the log. The default one prints nothing.
#[derive(Clone, Debug, Default)]
pub struct Log {
    shared: Option<Arc<Shared>>,
    /// Shows requests in the console too.
    watch: Watch,
}

#[derive(Debug)]
struct Shared {
    queue: SyncSender<Message>,
    missing: Arc<AtomicU64>,
    reports: bool,
}

/// One thing to print.
enum Message {
    Report(Box<Report>),
    /// A line of a function's process.
    Line {
        function: String,
        line: String,
        is_tollgate: bool,
    },
    Note(String),
    /// Answered when everything before it is printed.
    Flush(SyncSender<()>),
}

impl Log {
    /// Starts a thread that prints to standard error.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(options: Options) -> std::io::Result<Self> {
        Self::to(std::io::stderr(), options)
    }

    fn to(out: impl Write + Send + 'static, options: Options) -> std::io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE);
        let missing = Arc::new(AtomicU64::new(0));
        let reports = options.format == Format::Pretty;
        let printer = Printer::new(out, options, Arc::clone(&missing));
        std::thread::Builder::new().name("log".to_owned()).spawn(move || printer.run(&messages))?;
        let shared = Some(Arc::new(Shared { queue, missing, reports }));
        Ok(Self { shared, watch: Watch::default() })
    }

    /// Shows requests in the console too.
    pub(crate) fn watched(self, watch: Watch) -> Self {
        Self { watch, ..self }
    }

    /// Begins the trace of a request, if the console is to show it.
    pub(crate) fn trace(&self) -> Option<Box<Trace>> {
        self.watch.begin()
    }

    /// Returns true if reports are printed.
    pub(crate) fn has_reports(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.reports)
    }

    /// Prints the report of a request.
    pub(crate) fn report(&self, mut report: Report) {
        if let Some(trace) = report.trace.take() {
            self.watch.answered(&report, trace);
        }
        if self.has_reports() {
            self.send(Message::Report(Box::new(report)));
        }
    }

    /// Prints a line of a function's process. Those of Tollgate's authorizer are read.
    pub(crate) fn line(&self, function: &str, line: String, is_tollgate: bool) {
        if is_tollgate {
            self.watch.line(&line);
        }
        self.send(Message::Line { function: function.to_owned(), line, is_tollgate });
    }

    /// Prints a line for the person at the terminal.
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.send(Message::Note(line.into()));
    }

    /// Waits until all lines are printed, but not for a terminal that takes none.
    pub fn finish(&self) {
        let Some(shared) = &self.shared else { return };
        let (done, printed) = sync_channel(1);
        if shared.queue.try_send(Message::Flush(done)).is_ok() {
            // If the terminal takes no lines, they are lost.
            let _ = printed.recv_timeout(LAST_LINES);
        }
    }

    fn send(&self, message: Message) {
        let Some(shared) = &self.shared else { return };
        if shared.queue.try_send(message).is_err() {
            shared.missing.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
