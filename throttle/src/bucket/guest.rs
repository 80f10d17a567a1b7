//! A request in a bucket that is under another plan, or under another version of its plan.
//!
//! Changing the bucket's plan ([`convert`](super::convert)) needs the very state, which requests
//! that come at the same time keep changing. So a change is tried once, and not more often than
//! every ten seconds. Other requests are charged as *guests*: the bucket stays under the plan that
//! it is under, its host, and the request moves the host's `tat`.
//!
//! For a guest of cost c with a burst of b tokens, and a host whose tokens take T, the request
//! fits when max(tat, now) + cT <= now + bT, and moves `tat` to max(tat, now) + cT. That is the
//! step of the plan itself, with the host's T, so guests and hosts never wait for each other, and
//! no guest needs to know the very state. What is owed is one number of tokens for all plans. It
//! sinks at the host's rate, and a request is admitted only where it is then within the request's
//! own burst. So over any window of w seconds, admitted <= max burst + max rate·w.
//!
//! A guest moves a `tat` that is there, and adds none: two guests with different rates could
//! otherwise add two for one limit. Where a rate of the request has no `tat` in the bucket, only a
//! change helps.

use std::time::Duration;

use super::charge::{Refusal, Refusals};
use super::{Charge, State, Write};
use crate::plan::Plan;

/// The way to decide a request in a bucket that is under another plan.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives for a moment, and a box would cost more")]
pub(crate) enum Foreign {
    /// Take this charge, which fits.
    Guest(Charge),
    /// Change the bucket's plan by this write.
    Change {
        /// The write.
        write: Write,
        /// True if it takes the charge too. If not, the charge doesn't fit the state after it.
        takes: bool,
    },
    /// Refuse. The limits stand as in this state for this charge.
    Refuse(Charge, State, Refusals),
}

impl Charge {
    /// This charge, taken from a bucket under another plan; none if the bucket lacks a `tat`.
    #[must_use]
    pub fn guest(&self, state: &State) -> Option<Self> {
        let steps = self.steps.iter().map(|step| step.guest(state, self)).collect::<Option<_>>()?;
        Some(Self { host: state.stamp.clone(), steps, ..self.clone() })
    }

    /// The charge that was taken, by the state that its write left.
    pub(crate) fn taken_from(self, state: &State) -> Self {
        let own = state.stamp.as_ref().is_none_or(|stamp| *stamp == self.stamp);
        if own { self } else { self.guest(state).unwrap_or(self) }
    }

    /// Decides in a bucket that another plan, or an older version of this one, has left.
    ///
    /// `lost` says that a change was tried a moment ago, and that another write came first.
    pub(crate) fn foreign(&self, plan: &Plan, state: &State, lost: bool) -> Foreign {
        let guest = self.guest(state).map(|guest| {
            let refusals = guest.refusals(state);
            (guest, refusals)
        });
        let change = match self.convert(plan, state) {
            Ok(change) => change,
            Err(too_long) => {
                return match guest {
                    Some((guest, refusals)) if refusals.is_empty() => Foreign::Guest(guest),
                    Some((guest, refusals)) => Foreign::Refuse(guest, state.clone(), refusals),
                    None => Foreign::Refuse(self.clone(), too_long.shown, too_long.refusals),
                };
            }
        };
        let takes = change.refusals.is_empty();
        let wait = wait(&change.refusals);
        let Some((guest, refusals)) = guest else {
            return if takes || !lost {
                Foreign::Change { write: change.write, takes }
            } else {
                Foreign::Refuse(self.clone(), change.after, soon(change.refusals))
            };
        };
        let helps = wait < self::wait(&refusals);
        let is_outdated = state.stamp.as_ref().is_some_and(|stamp| self.stamp.supersedes(stamp));
        if !lost && (helps || is_outdated || takes && self.may_change(state)) {
            Foreign::Change { write: change.write, takes }
        } else if refusals.is_empty() {
            Foreign::Guest(guest)
        } else {
            // The wait is shorter once the change succeeds.
            let refusals = if helps { soon(refusals) } else { refusals };
            Foreign::Refuse(guest, state.clone(), refusals)
        }
    }

    /// Returns true if the last change is long enough ago.
    ///
    /// Each change makes every request that is under way try again. A moment far ahead is of a
    /// clock that was wrong, and must not forbid all changes until then.
    fn may_change(&self, state: &State) -> bool {
        let since = self.now.saturating_since(state.changed);
        let until = state.changed.saturating_since(self.now);
        since.max(until) >= SETTLED
    }
}

/// The time until none of these limits refuses. A limit of 0 refuses for ever.
fn wait(refusals: &Refusals) -> Duration {
    let waits = refusals.iter().map(|refusal| refusal.wait.unwrap_or(Duration::MAX));
    waits.max().unwrap_or_default()
}

/// The same refusals, with a wait of at most a second.
fn soon(refusals: Refusals) -> Refusals {
    let soon = |it: Refusal| Refusal { wait: it.wait.map(|wait| wait.min(SOON)), ..it };
    refusals.into_iter().map(soon).collect()
}

/// The time that a bucket stays under a plan before another takes it over.
const SETTLED: Duration = Duration::from_secs(10);
/// The longest wait of a request that was refused because others changed its item meanwhile.
pub(crate) const SOON: Duration = Duration::from_secs(1);
