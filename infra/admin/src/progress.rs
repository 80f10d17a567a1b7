//! Progress of long work, on a terminal, after its first seconds.

use std::io::IsTerminal;
use std::time::Duration;

use throttle::{Clock, SystemClock};

use crate::output::{clear_line, overwrite};

/// A line on standard error that is written over, from two seconds on.
#[derive(Debug)]
pub(crate) struct Progress<C: Clock = SystemClock> {
    clock: C,
    what: &'static str,
    total: Option<usize>,
    done: usize,
    /// The time of the next update, on the monotonic clock; `None` without a terminal.
    next: Option<Duration>,
    shown: bool,
}

impl Progress {
    /// Work of so many steps, where that is known; `what` is being done.
    pub(crate) fn new(what: &'static str, total: Option<usize>) -> Self {
        Self::on(SystemClock::new(), what, total, std::io::stderr().is_terminal())
    }
}

impl<C: Clock> Progress<C> {
    fn on(clock: C, what: &'static str, total: Option<usize>, terminal: bool) -> Self {
        let next = terminal.then(|| clock.monotonic().saturating_add(QUIET));
        Self { clock, what, total, done: 0, next, shown: false }
    }

    /// Counts steps that were done.
    pub(crate) fn add(&mut self, steps: usize) {
        self.done = self.done.saturating_add(steps);
        if let Some(line) = self.line() {
            self.shown = true;
            overwrite(&line);
        }
    }

    /// Returns the line to show now, if one is due.
    fn line(&mut self) -> Option<String> {
        let now = self.clock.monotonic();
        self.next.filter(|next| now >= *next)?;
        self.next = Some(now.saturating_add(EVERY));
        let (what, done) = (self.what, self.done);
        Some(match self.total {
            Some(total) => format!("{what}: {done} of {total}"),
            None => format!("{what}: {done}"),
        })
    }
}

impl<C: Clock> Drop for Progress<C> {
    fn drop(&mut self) {
        if self.shown {
            clear_line();
        }
    }
}

const QUIET: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use throttle::ManualClock;

    use super::*;

    #[test]
    fn it_is_shown_after_two_seconds_and_not_more_often_than_one_can_read() {
        let clock = ManualClock::default();
        let mut progress = Progress::on(clock.clone(), "keys", Some(10), true);
        progress.done = 3;
        clock.advance(Duration::from_millis(1_999));
        assert_eq!(progress.line(), None);
        clock.advance(Duration::from_millis(1));
        assert_eq!(progress.line().as_deref(), Some("keys: 3 of 10"));
        assert_eq!(progress.line(), None);
        clock.advance(EVERY);
        progress.total = None;
        assert_eq!(progress.line().as_deref(), Some("keys: 3"));
    }

    #[test]
    fn it_is_never_shown_where_nobody_looks() {
        let clock = ManualClock::default();
        let mut progress = Progress::on(clock.clone(), "keys", None, false);
        clock.advance(Duration::from_secs(60));
        assert_eq!(progress.line(), None);
    }
}
