//! The next step for a request whose bucket is in a known state.
//!
//! The bucket may be under another plan, or under another version of the plan. A change of plan
//! ([`convert`](super::convert)) needs the very state, which concurrent requests keep changing. So a
//! change is tried once, and not more often than every ten seconds. Other requests are charged as
//! *guests*: the bucket stays under its plan, the host, and the request moves the host's `tat`.
//!
//! For a guest of cost c with a burst of b tokens, and a host whose tokens take T, the request
//! fits if max(tat, now) + cT <= now + bT, and moves `tat` to max(tat, now) + cT. That is the
//! step of the plan itself, with the host's T, so guests and hosts never wait for each other, and
//! no guest needs to know the very state. The debt is one number of tokens for all plans. It sinks
//! at the host's rate, and a request is admitted only if the debt is then within the request's own
//! burst. So in any window of w seconds, admitted <= max burst + max rate·w.
//!
//! A guest moves a `tat` that exists, and adds none: two guests with different rates could
//! otherwise add two for one limit. If the bucket has no `tat` for a rate of the request, only a
//! change of plan helps.

use std::time::Duration;

use super::charge::{Refusal, Refusals};
use super::{Charge, State, Write};
use crate::plan::Plan;

/// The next step for a request.
#[derive(Debug)]
pub(crate) enum Next {
    /// Take this charge, which fits.
    Take(Charge),
    /// Change the bucket's plan by this write.
    Change {
        /// The write.
        write: Write,
        /// True if it takes the charge too. If not, the charge does not fit the state after it.
        takes: bool,
    },
    /// Refuse.
    Refuse(Refused),
}

/// A charge that does not fit.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) charge: Charge,
    /// The state by which its limits stand.
    pub(crate) state: State,
    pub(crate) refusals: Refusals,
}

impl Charge {
    /// This charge, taken from a bucket under another plan; `None` if the bucket lacks a `tat`.
    #[must_use]
    pub fn guest(&self, state: &State) -> Option<Self> {
        let steps = self.steps.iter().map(|step| step.guest(state, self)).collect::<Option<_>>()?;
        Some(Self { host: state.stamp.clone(), steps, ..self.clone() })
    }

    /// The charge as this state's plan takes it: as a guest if that is another plan.
    pub(crate) fn under(&self, state: &State) -> Self {
        let own = state.stamp.as_ref().is_none_or(|stamp| *stamp == self.stamp);
        if own { self.clone() } else { self.guest(state).unwrap_or_else(|| self.clone()) }
    }

    /// The version of the plan in this state, if it is later than the charge's.
    pub(crate) fn newer_version(&self, state: &State) -> Option<u64> {
        let stamp = state.stamp.as_ref().filter(|stamp| stamp.supersedes(&self.stamp));
        stamp.map(|stamp| stamp.version)
    }

    /// The next step for this request in a bucket in this state.
    ///
    /// `lost` says that a change was tried a moment ago, and that another write came first.
    pub(crate) fn next(&self, plan: &Plan, state: &State, lost: bool) -> Next {
        if state.stamp.as_ref().is_some_and(|stamp| *stamp != self.stamp) {
            return self.foreign(plan, state, lost);
        }
        let refusals = self.refusals(state);
        if refusals.is_empty() {
            Next::Take(self.clone())
        } else {
            Next::Refuse(self.refused(state, refusals))
        }
    }

    /// The refusal that this state already proves, although it may have grown since.
    pub(crate) fn refused_by(&self, plan: &Plan, state: &State, lost: bool) -> Option<Refused> {
        let refusals = self.refusals(state);
        // A limit of 0 refuses in every state.
        let is_closed = refusals.iter().any(|refusal| refusal.wait.is_none());
        let is_foreign = state.stamp.as_ref().is_some_and(|stamp| *stamp != self.stamp);
        if is_foreign && !is_closed && self.newer_version(state).is_none() {
            let Next::Refuse(refused) = self.foreign(plan, state, lost) else { return None };
            return Some(refused);
        }
        (!refusals.is_empty()).then(|| self.refused(state, refusals))
    }

    fn refused(&self, state: &State, refusals: Refusals) -> Refused {
        Refused { charge: self.clone(), state: state.clone(), refusals }
    }

    /// The next step in a bucket that another plan, or an older version of this one, has left.
    fn foreign(&self, plan: &Plan, state: &State, lost: bool) -> Next {
        let guest = self.guest(state).map(|guest| {
            let refusals = guest.refusals(state);
            (guest, refusals)
        });
        let mut change = match self.convert(plan, state) {
            Ok(change) => change,
            Err(too_long) => {
                return match guest {
                    Some((guest, refusals)) if refusals.is_empty() => Next::Take(guest),
                    Some((guest, refusals)) => Next::Refuse(guest.refused(state, refusals)),
                    None => Next::Refuse(self.refused(&too_long.shown, too_long.refusals)),
                };
            }
        };
        let takes = change.refusals.is_empty();
        let wait = wait(&change.refusals);
        self.forget(&mut change.write, state);
        let Some((guest, refusals)) = guest else {
            return if takes || !lost {
                Next::Change { write: change.write, takes }
            } else {
                Next::Refuse(self.refused(&change.after, soon(change.refusals)))
            };
        };
        let helps = wait < self::wait(&refusals);
        let is_outdated = state.stamp.as_ref().is_some_and(|stamp| self.stamp.supersedes(stamp));
        if !lost && (helps || is_outdated || takes && self.may_change(state)) {
            Next::Change { write: change.write, takes }
        } else if refusals.is_empty() {
            Next::Take(guest)
        } else {
            // The wait is shorter once the change succeeds.
            let refusals = if helps { soon(refusals) } else { refusals };
            Next::Refuse(guest.refused(state, refusals))
        }
    }

    /// Returns true if the last change is long enough ago.
    ///
    /// Each change makes every request under way try again. A moment far ahead comes from a clock
    /// that was wrong, and must not forbid all changes until then.
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
