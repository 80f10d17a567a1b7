//! Passes answered requests to the console: with the authorizer's record, and never in their way.
//!
//! The console shows a sample; for the rest a request costs one addition. What is shown goes over
//! a bounded queue to a thread, which waits up to 300 ms for the authorizer's record line and
//! decodes the token, for display only. If the queue is full, the request is not shown.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use console::{Decider, Detail, Live, Request};
use serde_json::Value;
use throttle::{Clock as _, SystemClock};

use super::Report;

/// The messages that may wait.
const QUEUE: usize = 1024;
/// The record lines, and the requests without theirs, that are kept.
const KEPT: usize = 256;
/// The longest wait for a record.
const PATIENCE: Duration = Duration::from_millis(300);
/// The time between two looks at the requests that wait.
const TICK: Duration = Duration::from_millis(50);

/// A handle on the console's thread. The default one shows nothing.
#[derive(Clone, Default)]
pub(crate) struct Watch(Option<Arc<Shared>>);

struct Shared {
    live: Live,
    queue: SyncSender<Message>,
    clock: SystemClock,
}

enum Message {
    Answered(Box<Report>, Box<Trace>),
    Line(String),
}

/// The parts of a request that only the console shows. Debug shows none of them.
#[derive(Clone, Default)]
pub struct Trace {
    /// True for a REST API.
    pub(crate) is_rest: bool,
    /// The API, such as `REST API`.
    pub(crate) api: &'static str,
    /// The time of its start, in milliseconds since the Unix epoch.
    pub(crate) at: u64,
    /// The party that decided it.
    pub(crate) decider: Decider,
    /// The ARN that the policy is evaluated for.
    pub(crate) arn: String,
    /// The caller's token, as it came.
    pub(crate) token: Option<String>,
    /// The authorizer's response.
    pub(crate) output: Option<Bytes>,
    /// The time of the authorizer.
    pub(crate) authorizer: Option<Duration>,
    /// The time of the backend.
    pub(crate) backend: Option<Duration>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.0.is_some()).finish()
    }
}

impl Watch {
    /// Starts the thread, which ends with the last handle.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start(live: Live) -> std::io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE);
        let joiner = Joiner {
            live: live.clone(),
            lines: VecDeque::new(),
            waiting: VecDeque::new(),
            clock: SystemClock::new(),
        };
        std::thread::Builder::new()
            .name("console".to_owned())
            .spawn(move || joiner.run(&messages))?;
        Ok(Self(Some(Arc::new(Shared { live, queue, clock: SystemClock::new() }))))
    }

    /// Begins the trace of a request, if it is to be shown.
    pub(crate) fn begin(&self) -> Option<Box<Trace>> {
        let shared = self.0.as_ref()?;
        shared.live.admit(shared.clock.monotonic()).then(Box::default)
    }

    /// Shows an answered request.
    pub(crate) fn answered(&self, report: &Report, trace: Box<Trace>) {
        if let Some(shared) = &self.0 {
            // Nothing waits for the console.
            let message = Message::Answered(Box::new(report.clone()), trace);
            let _ = shared.queue.try_send(message);
        }
    }

    /// Passes on a line of an authorizer's process.
    pub(crate) fn line(&self, line: &str) {
        if let Some(shared) = &self.0 {
            let _ = shared.queue.try_send(Message::Line(line.to_owned()));
        }
    }
}

/// Brings requests and record lines together.
struct Joiner {
    live: Live,
    /// Records that no request has taken, by their invocation.
    lines: VecDeque<(String, String)>,
    waiting: VecDeque<(Duration, Box<Report>, Box<Trace>)>,
    clock: SystemClock,
}

impl Joiner {
    fn run(mut self, messages: &Receiver<Message>) {
        loop {
            match messages.recv_timeout(TICK) {
                Ok(Message::Answered(report, trace)) => self.answered(report, trace),
                Ok(Message::Line(line)) => self.line(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = self.clock.monotonic();
            while self.waiting.front().is_some_and(|(until, ..)| *until <= now) {
                if let Some((_, report, trace)) = self.waiting.pop_front() {
                    self.live.push(request(&report, &trace, None));
                }
            }
        }
    }

    fn answered(&mut self, report: Box<Report>, trace: Box<Trace>) {
        let Some(id) = &report.invocation else {
            return self.live.push(request(&report, &trace, None));
        };
        if let Some(place) = self.lines.iter().position(|(known, _)| known == id) {
            let line = self.lines.remove(place).map(|(_, line)| line);
            return self.live.push(request(&report, &trace, line.as_deref()));
        }
        if self.waiting.len() < KEPT {
            let until = self.clock.monotonic().saturating_add(PATIENCE);
            self.waiting.push_back((until, report, trace));
        }
    }

    fn line(&mut self, line: String) {
        let Some(id) = invocation(&line).map(str::to_owned) else { return };
        let waits = |report: &Report| report.invocation.as_deref() == Some(id.as_str());
        let place = self.waiting.iter().position(|(_, report, _)| waits(report));
        if let Some((_, report, trace)) = place.and_then(|place| self.waiting.remove(place)) {
            return self.live.push(request(&report, &trace, Some(&line)));
        }
        if self.lines.len() >= KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back((id, line));
    }
}

/// The request id of a record line, found without reading all of it.
fn invocation(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("\"request_id\":\"")?;
    rest.split_once('"').map(|(id, _)| id)
}

/// A request as the console shows it.
fn request(report: &Report, trace: &Trace, line: Option<&str>) -> Request {
    let record: Option<Value> = line.and_then(|line| serde_json::from_str(line).ok());
    let text = |name: &str| Some(record.as_ref()?.get(name)?.as_str()?.to_owned());
    let (code, detail) = (text("code"), text("detail"));
    let usage = report.usage.as_ref();
    let left = usage.and_then(|usage| usage.left);
    let decoded = trace.token.as_ref().and_then(|token| authorizer::decode(token).ok());
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let is_refused = matches!(code.as_deref(), Some(code) if !super::is_verified(code));
    Request {
        id: 0,
        at: trace.at.saturating_add(micros(report.took) / 1_000),
        method: report.method.clone(),
        path: report.path.clone(),
        api: trace.api.to_owned(),
        status: report.status,
        caller: report.caller.as_ref().map(|caller| caller.name.clone()),
        is_verified: report.caller.as_ref().is_some_and(|caller| caller.verified) && !is_refused,
        plan: usage.map(|usage| usage.plan.clone()),
        remaining: left.map(|(remaining, _)| remaining),
        limit: left.map(|(_, limit)| limit),
        retry_after: usage.and_then(|usage| usage.retry_after),
        is_throttled: usage.is_some_and(|usage| usage.throttled),
        is_cached: report.cached,
        reason: detail.or_else(|| report.reason.clone()),
        code,
        took_us: micros(report.took),
        detail: Detail {
            decider: trace.decider,
            is_rest: trace.is_rest,
            arn: trace.arn.clone(),
            token: decoded.map(|decoded| (decoded.header, decoded.claims)),
            output: trace.output.as_ref().and_then(|output| serde_json::from_slice(output).ok()),
            record,
            authorizer_us: trace.authorizer.map(micros),
            backend_us: trace.backend.map(micros),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_line_is_found_by_its_request_id() {
        let line = r#"{"level":"INFO","request_id":"r-1","code":"allowed"}"#;
        assert_eq!(invocation(line), Some("r-1"));
        assert_eq!(invocation(r#"{"level":"WARN"}"#), None);
        assert_eq!(invocation(r#""request_id":"cut"#), None);
    }

    #[test]
    fn a_request_has_its_record_whichever_comes_first() {
        let report = Report { invocation: Some("r-1".into()), status: 401, ..Report::default() };
        let line = r#"{"request_id":"r-1","code":"signature","detail":"it is not"}"#;
        let seen = request(&report, &Trace::default(), Some(line));
        assert_eq!(seen.code.as_deref(), Some("signature"));
        assert_eq!(seen.reason.as_deref(), Some("it is not"));
        for is_line_first in [true, false] {
            let live = Live::default();
            let mut joiner = Joiner {
                live: live.clone(),
                lines: VecDeque::new(),
                waiting: VecDeque::new(),
                clock: SystemClock::new(),
            };
            if is_line_first {
                joiner.line(line.to_owned());
            }
            joiner.answered(Box::new(report.clone()), Box::default());
            if !is_line_first {
                assert_eq!(joiner.waiting.len(), 1);
                joiner.line(line.to_owned());
            }
            assert!(joiner.waiting.is_empty() && joiner.lines.is_empty());
        }
    }

    #[test]
    fn a_token_is_never_in_debug_output() {
        let trace = Trace { token: Some("eyJ-secret".into()), ..Trace::default() };
        assert!(!format!("{trace:?}").contains("secret"));
    }
}
