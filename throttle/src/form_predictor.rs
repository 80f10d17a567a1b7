//! Prediction of the form that will apply to a subject's bucket, and remembered refusals.
//!
//! A wrong form costs one more call, and a remembered refusal saves a call. Neither ever admits a
//! request.
//!
//! A remembered `tat` that is later than now proves the busy form, because `tat` only grows. A
//! `tat` in the past is weaker evidence the older it is, because other instances may have written
//! since. Their load is measured: each answer has the use of the day, and the part that this
//! instance did not use is the load of the others. Under a load ρ, a bucket is busy for a share ρ
//! of the time, and its debt shrinks at 1 − ρ.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::bucket::{Charge, Counter, Form, Scope, State, Step};
use crate::clock::{Moment, NANOS_A_SECOND, Timestamp};
use crate::id::Subject;
use crate::lock::{Mutex, lock};
use crate::recent::Recent;

/// The last known state of each subject.
#[derive(Debug)]
pub(crate) struct FormPredictor(Mutex<Recent<Subject, LastState>>);

/// The last state that the store returned for a subject, and the load of other instances.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastState {
    state: State,
    /// The moment of the answer; `None` before the first one.
    at: Option<Moment>,
    /// The moment of the write, by the wall clock.
    written: Timestamp,
    /// True if this state refused a request, after every change of plan that could help was tried.
    refused: bool,
    others: Others,
}

/// The part of the plan's rate that other instances take.
#[derive(Clone, Debug, Default)]
struct Others {
    /// Their share of the rate, in units of 1/1024; `None` until it has been measured.
    load: Option<u64>,
    /// The start of the current measurement.
    since: Option<Mark>,
}

/// A day's counter at some moment, and this instance's own part of the use since.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Duration,
    counter: Counter,
    used: i64,
    own: i64,
}

impl FormPredictor {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Recent::new(MAX_SUBJECTS)))
    }

    /// Returns the last state of a subject: the default one if none is known.
    pub(crate) fn last(&self, subject: &Subject) -> LastState {
        lock(&self.0).peek(subject).cloned().unwrap_or_default()
    }

    /// Records the answer to a charge's write, of which this instance took `own` tokens.
    ///
    /// `at` is from before the call, because the state may be that old.
    pub(crate) fn note(
        &self,
        subject: &Subject,
        charge: &Charge,
        state: &State,
        own: u32,
        at: Moment,
    ) {
        lock(&self.0).entry(subject).note(charge, state, own, at);
    }

    /// Notes that the last state has refused a request.
    pub(crate) fn note_refusal(&self, subject: &Subject) {
        lock(&self.0).entry(subject).refused = true;
    }

    /// Records the state that a refund left, which has only some of the counters.
    ///
    /// It replaces the known state even if it shows less use.
    pub(crate) fn note_refund(&self, subject: &Subject, state: &State, now: Moment) {
        lock(&self.0).entry(subject).note_refund(state, now);
    }
}

impl LastState {
    /// Returns the last state, however old.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Returns the last state if it is recent enough to refuse requests.
    pub(crate) fn recent(&self, now: Moment) -> Option<&State> {
        self.at.is_some_and(|at| now.since(at) <= REMEMBER_REFUSAL).then_some(&self.state)
    }

    /// The number of tokens a second that other instances take of a rate with this interval.
    ///
    /// The whole rate until it has been measured.
    pub(crate) fn others(&self, interval: NonZeroU64) -> u64 {
        let whole = NANOS_A_SECOND / interval;
        whole.saturating_mul(self.others.load.unwrap_or(WHOLE)) / WHOLE
    }

    /// Returns true if the last state has refused a request.
    pub(crate) fn has_refused(&self) -> bool {
        self.refused
    }

    /// The form that is most likely to apply.
    pub(crate) fn form(&self, step: &Step, now: Timestamp) -> Form {
        let tat = self.state.tat(step.rate);
        if tat > now {
            return Form::Busy;
        }
        let load = match step.rate.scope {
            Scope::PLAN => self.others.load.unwrap_or_default().min(WHOLE),
            // A method's part of a day's use is not known, and a named meter's is not measured.
            Scope::Meter(_) | Scope::Method(_) => 0,
        };
        let idle = WHOLE.saturating_sub(load);
        // The debt at the time of the answer, had it sunk at 1 − ρ since.
        let owed = tat.saturating_since(self.written).as_nanos();
        let sunk = now.saturating_since(self.written).as_nanos();
        let still = owed.saturating_mul(WHOLE.into()) > sunk.saturating_mul(idle.into());
        if still || load == 0 {
            return if still { Form::Busy } else { Form::Idle };
        }
        // Otherwise the idle form fails for a share ρ of the time, and the busy form for a share 1
        // − ρ. With slack of k tokens the busy form fails less often, because an idle bucket is
        // charged as if it owed k tokens and so stays busy for longer.
        let slack =
            step.idle.saturating_since(now).as_nanos() / u128::from(step.rate.interval.get());
        let fails = u128::from(idle) * u128::from(WHOLE)
            / u128::from(load).saturating_mul(slack).saturating_add(WHOLE.into());
        if fails < u128::from(load) { Form::Busy } else { Form::Idle }
    }

    fn note(&mut self, charge: &Charge, state: &State, own: u32, at: Moment) {
        self.others.measure(charge, state, own, at.monotonic());
        // Answers may arrive out of order; their use shows the order.
        if self.recent(at).is_some_and(|known| is_earlier(state, known)) {
            return;
        }
        self.state = state.clone();
        (self.at, self.written, self.refused) = (Some(at), charge.now, false);
    }

    fn note_refund(&mut self, state: &State, now: Moment) {
        let mut state = state.clone();
        for (counter, used) in &self.state.counters {
            state.counters.entry(*counter).or_insert(*used);
        }
        for (counter, granted) in &self.state.granted {
            state.granted.entry(*counter).or_insert(*granted);
        }
        (self.state, self.at, self.refused) = (state, Some(now), false);
    }
}

impl Others {
    /// Measures their load, whenever enough of the rate's time has passed.
    fn measure(&mut self, charge: &Charge, state: &State, own: u32, now: Duration) {
        let mut steps = charge.steps.iter().filter(|step| step.rate.scope.meter().is_requests());
        // Days are counted first, those of requests before all others.
        let (Some(step), Some(day)) = (steps.next(), charge.counts.first()) else { return };
        let used = state.used(day.counter);
        let start = Mark { at: now, counter: day.counter, used, own: 0 };
        let Some(mark) = self.since.as_mut().filter(|mark| mark.counter == day.counter) else {
            self.since = Some(start);
            return;
        };
        mark.own = mark.own.saturating_add(own.into());
        let elapsed = now.saturating_sub(mark.at).as_nanos();
        if elapsed < u128::from(step.rate.interval.get()).saturating_mul(SPAN) {
            return;
        }
        let others = used.saturating_sub(mark.used).saturating_sub(mark.own);
        let others = u128::try_from(others).unwrap_or_default();
        let busy = others.saturating_mul(step.rate.interval.get().into());
        let load = busy.saturating_mul(WHOLE.into()).checked_div(elapsed).unwrap_or_default();
        let load = u64::try_from(load).unwrap_or(u64::MAX).min(MOST);
        // A moving average, so that one peak or pause does not change it much.
        self.load = Some(self.load.map_or(load, |known| (known * 3 + load) / 4));
        self.since = Some(start);
    }
}

/// Returns true if a state existed before another, as far as their use shows.
fn is_earlier(state: &State, than: &State) -> bool {
    let tats = || state.tats.keys().chain(than.tats.keys());
    let counters = || state.counters.keys().chain(than.counters.keys());
    state.stamp == than.stamp
        && state.returned.iter().all(|(meter, returned)| *returned <= than.returned(*meter))
        && tats().all(|rate| state.tat(*rate) <= than.tat(*rate))
        && counters().all(|counter| state.used(*counter) <= than.used(*counter))
        && state != than
}

/// The whole rate, in the units that loads are counted in.
const WHOLE: u64 = 1_024;
/// The largest load that is stored; a larger one means the same.
const MOST: u64 = 8 * WHOLE;
/// The time of this many tokens is one measurement of a load.
const SPAN: u128 = 32;
/// The age up to which a state may refuse without a call.
const REMEMBER_REFUSAL: Duration = Duration::from_secs(1);
/// The number of states kept; up to twice as many. Dropping a state costs one call.
const MAX_SUBJECTS: usize = 5_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    #[test]
    fn counters_missing_from_a_refund_stay_known() {
        let [day, week] = ["d20261121", "w2026-47"].map(|name| Counter::parse(name).unwrap());
        let (mut last, now) = (LastState::default(), ManualClock::default().moment());
        let told = |counter, used, granted| State {
            counters: [(counter, used)].into(),
            granted: [(counter, granted)].into(),
            ..State::default()
        };
        last.note_refund(&told(week, -3, 7), now);
        last.note_refund(&told(day, 4, 1), now);
        let state = last.state();
        assert_eq!([state.used(week), state.used(day)], [-3, 4]);
        assert_eq!([state.granted(week), state.granted(day)], [7, 1]);
    }
}
