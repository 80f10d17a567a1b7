//! The thread that prints.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use throttle::{Clock as _, SystemClock};

use super::line::{Explain, Report, render};
use super::record::{Line, Record};
use super::{Format, Message, Options};
use crate::terminal;

/// The longest wait of a report for its record.
const PATIENCE: Duration = Duration::from_millis(300);
/// The time between two looks at the reports that wait.
const TICK: Duration = Duration::from_millis(50);
/// The number of records, and of reports, that are kept; the oldest goes first.
const KEPT: usize = 256;

/// Prints messages in the form that the options name.
pub(super) struct Printer<W> {
    out: W,
    options: Options,
    explain: Explain,
    missing: Arc<AtomicU64>,
    /// Records of refused requests whose report has not come.
    records: VecDeque<Record>,
    /// Reports whose record has not come, and the time at which they wait no longer.
    waiting: VecDeque<(Duration, Report)>,
    /// The line before; environments that start together print the same alert.
    last: String,
    clock: SystemClock,
}

impl<W: Write> Printer<W> {
    pub(super) fn new(out: W, options: Options, missing: Arc<AtomicU64>) -> Self {
        let explain = Explain::of(options.config.as_deref(), options.issuer_port);
        Self {
            out,
            options,
            explain,
            missing,
            records: VecDeque::new(),
            waiting: VecDeque::new(),
            last: String::new(),
            clock: SystemClock::new(),
        }
    }

    /// Prints until every sender is gone.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let message = if self.waiting.is_empty() {
                messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                messages.recv_timeout(TICK)
            };
            match message {
                Ok(Message::Report(report)) => self.report(*report),
                Ok(Message::Line { function, line, is_tollgate }) => {
                    self.line(&function, &line, is_tollgate);
                }
                Ok(Message::Note(line)) => self.print(&line),
                Ok(Message::Flush(done)) => {
                    self.expire(Duration::MAX);
                    // If the sender does not wait any more, it is gone.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.expire(self.clock.monotonic());
            let missing = self.missing.swap(0, Ordering::Relaxed);
            if missing > 0 {
                self.print(&format!("{missing} lines are missing here: the terminal is too slow"));
            }
        }
    }

    fn report(&mut self, report: Report) {
        if self.options.quiet && report.status < 500 {
            return;
        }
        let Some(id) = report.awaits() else { return self.finish(&report, None) };
        if let Some(place) = self.records.iter().position(|record| record.request_id == id) {
            let record = self.records.remove(place);
            return self.finish(&report, record.as_ref());
        }
        if self.waiting.len() >= KEPT
            && let Some((_, oldest)) = self.waiting.pop_front()
        {
            self.finish(&oldest, None);
        }
        self.waiting.push_back((self.clock.monotonic().saturating_add(PATIENCE), report));
    }

    fn line(&mut self, function: &str, line: &str, is_tollgate: bool) {
        if self.options.format == Format::Json {
            if !(self.options.quiet && Line::is_quiet(line)) {
                self.write(&terminal::line(line));
            }
            return;
        }
        match if is_tollgate { Line::parse(line) } else { Line::Text } {
            Line::Record(record) => self.record(record),
            Line::Alert(sentence) => self.print(&sentence),
            Line::Text if !line.trim().is_empty() => self.print(&format!("{function}: {line}")),
            Line::Text | Line::Detail => {}
        }
    }

    fn record(&mut self, record: Record) {
        if record.code == "allowed" {
            return;
        }
        let awaits = |report: &Report| report.awaits() == Some(record.request_id.as_str());
        let place = self.waiting.iter().position(|(_, report)| awaits(report));
        if let Some((_, report)) = place.and_then(|place| self.waiting.remove(place)) {
            return self.finish(&report, Some(&record));
        }
        if self.records.len() >= KEPT {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// Prints the reports that have waited until now.
    fn expire(&mut self, now: Duration) {
        while let Some((until, report)) = self.waiting.pop_front() {
            if until > now {
                self.waiting.push_front((until, report));
                return;
            }
            self.finish(&report, None);
        }
    }

    fn finish(&mut self, report: &Report, record: Option<&Record>) {
        let text = render(report, record, &self.explain, self.options.colour);
        self.last.clear();
        self.write(&text);
    }

    /// Prints a line that is not a request's, unless the line before was the same.
    fn print(&mut self, line: &str) {
        if self.last != line {
            line.clone_into(&mut self.last);
            self.write(&terminal::line(line));
        }
    }

    fn write(&mut self, text: &str) {
        // Requests are answered if standard error is closed, too.
        let _ = self.out.write_all(format!("{text}\n").as_bytes()).and_then(|()| self.out.flush());
    }
}
