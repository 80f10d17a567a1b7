//! Progress of long work, on a terminal, after its first seconds.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line on standard error that counts steps, shown from two seconds on and only on a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Work of so many steps, if the number is known; `what` names them.
    pub(crate) fn new(what: &'static str, total: Option<usize>) -> Self {
        let template = if total.is_some() { "{msg}: {pos} of {len}" } else { "{msg}: {pos}" };
        let style = ProgressStyle::with_template(template);
        let total = total.map(|total| u64::try_from(total).unwrap_or(u64::MAX));
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar: bar.with_message(what) }
    }

    /// Counts steps that were done.
    pub(crate) fn add(&self, steps: usize) {
        self.bar.inc(u64::try_from(steps).unwrap_or(u64::MAX));
        if self.bar.is_hidden() && self.bar.elapsed() >= QUIET {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Commands that end sooner show no progress.
const QUIET: Duration = Duration::from_secs(2);
