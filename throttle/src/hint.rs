//! What an instance remembers of a subject, to choose the form that will apply.
//!
//! A `tat` that is remembered later than now means the busy form for certain: it only grows. One
//! that has passed says less the longer ago it was told, for others may have come. How many did
//! is known exactly: each answer tells how much was used this day, and what of that was not this
//! instance's own has made the others' load. A bucket under a load ρ is busy a share ρ of the
//! time, and what is owed sinks at 1 − ρ.
//!
//! A wrong form costs one call more and decides nothing: a hint never admits.

use std::time::Duration;

use crate::bucket::{Charge, Counter, Form, Forms, Scope, State, Step};
use crate::clock::{Moment, Timestamp};

/// The last state that the store told of a subject, and what it says of the others.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    state: State,
    /// The moment it was told; none before.
    at: Option<Moment>,
    /// The moment that it was told for, by the wall clock.
    told: Timestamp,
    /// Whether it has refused a request.
    refuses: bool,
    others: Others,
}

/// What the others take of the plan's rate.
#[derive(Debug, Default)]
struct Others {
    /// Their share of the rate, in units of 1/1024; none until it has been measured.
    load: Option<u64>,
    /// Where the measure that is under way has begun.
    since: Option<Mark>,
}

/// A day's counter at some moment, and what of it has come from here since.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Duration,
    counter: Counter,
    used: i64,
    own: i64,
}

impl Memory {
    /// The state as it was told last.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Returns the state, unless it was told longer ago than `most`.
    pub(crate) fn recent(&self, now: Moment, most: Duration) -> Option<&State> {
        self.at.is_some_and(|at| now.since(at) <= most).then_some(&self.state)
    }

    /// The same, if it has refused a request: it may well refuse another.
    pub(crate) fn refusing(&self, now: Moment, most: Duration) -> Option<&State> {
        self.recent(now, most).filter(|_| self.refuses)
    }

    /// Notes that the state has refused a request.
    pub(crate) fn refuses(&mut self) {
        self.refuses = true;
    }

    /// The forms that are likeliest to apply.
    pub(crate) fn forms(&self, charge: &Charge) -> Forms {
        charge.forms_by(|step| self.form(step, charge.now))
    }

    fn form(&self, step: &Step, now: Timestamp) -> Form {
        let tat = self.state.tat(step.meter);
        if tat > now {
            return Form::Busy;
        }
        let load = match step.meter.scope {
            Scope::Plan => self.others.load.unwrap_or_default().min(WHOLE),
            // How much of a day's use was a method's isn't told.
            Scope::Method(_) => 0,
        };
        let idle = WHOLE.saturating_sub(load);
        // What was owed when it was told, had it sunk at 1 − ρ since.
        let owed = tat.saturating_since(self.told).as_nanos();
        let sunk = now.saturating_since(self.told).as_nanos();
        let still = owed.saturating_mul(WHOLE.into()) > sunk.saturating_mul(idle.into());
        if still || load == 0 {
            return if still { Form::Busy } else { Form::Idle };
        }
        // Otherwise the idle form fails a share ρ of the time. So the busy one does a share 1 − ρ,
        // and less with slack: each time that the bucket is found idle, it is made to owe k tokens,
        // and is then busy for that much longer.
        let slack =
            step.idle.saturating_since(now).as_nanos() / u128::from(step.meter.interval.get());
        let fails = u128::from(idle) * u128::from(WHOLE)
            / u128::from(load).saturating_mul(slack).saturating_add(WHOLE.into());
        if fails < u128::from(load) { Form::Busy } else { Form::Idle }
    }

    /// Takes in what the store told of a charge: `own` tokens of it came from here.
    pub(crate) fn remember(
        &mut self,
        charge: &Charge,
        state: &State,
        own: u32,
        now: Moment,
        most: Duration,
    ) {
        self.others.measure(charge, state, own, now.monotonic());
        // Answers may overtake each other; what has been used tells their order.
        if self.recent(now, most).is_some_and(|known| is_earlier(state, known)) {
            return;
        }
        self.state.clone_from(state);
        (self.at, self.told, self.refuses) = (Some(now), charge.now, false);
    }

    /// Keeps a state that a refund left, which knows of some counters only.
    pub(crate) fn amend(&mut self, state: &State, now: Moment) {
        let mut counters = std::mem::take(&mut self.state.counters);
        counters.extend(state.counters.iter().map(|(counter, used)| (*counter, *used)));
        let mut granted = std::mem::take(&mut self.state.granted);
        granted.extend(state.granted.iter().map(|(counter, sum)| (*counter, *sum)));
        self.state = State { counters, granted, ..state.clone() };
        (self.at, self.refuses) = (Some(now), false);
    }
}

impl Others {
    /// Measures their load, each time that enough of the rate's time has passed.
    fn measure(&mut self, charge: &Charge, state: &State, own: u32, now: Duration) {
        let (Some(step), Some(day)) = (charge.steps.first(), charge.counts.first()) else { return };
        let used = state.used(day.counter);
        let start = Mark { at: now, counter: day.counter, used, own: 0 };
        let Some(mark) = self.since.as_mut().filter(|mark| mark.counter == day.counter) else {
            self.since = Some(start);
            return;
        };
        mark.own = mark.own.saturating_add(own.into());
        let elapsed = now.saturating_sub(mark.at).as_nanos();
        if elapsed < u128::from(step.meter.interval.get()).saturating_mul(SPAN) {
            return;
        }
        let others = used.saturating_sub(mark.used).saturating_sub(mark.own);
        let others = u128::try_from(others).unwrap_or_default();
        let busy = others.saturating_mul(step.meter.interval.get().into());
        let load = busy.saturating_mul(WHOLE.into()).checked_div(elapsed).unwrap_or_default();
        let load = u64::try_from(load).unwrap_or(u64::MAX).min(MOST);
        // A moving average, so that one crowd or lull doesn't turn it.
        self.load = Some(self.load.map_or(load, |known| (known * 3 + load) / 4));
        self.since = Some(start);
    }
}

/// Whether a state was there before another, as far as their use can tell.
fn is_earlier(state: &State, than: &State) -> bool {
    let tats = || state.tats.keys().chain(than.tats.keys());
    let counters = || state.counters.keys().chain(than.counters.keys());
    state.stamp == than.stamp
        && state.returned <= than.returned
        && tats().all(|meter| state.tat(*meter) <= than.tat(*meter))
        && counters().all(|counter| state.used(*counter) <= than.used(*counter))
        && state != than
}

/// The whole rate, in the units that loads are counted in.
const WHOLE: u64 = 1_024;
/// More than this share of the rate is nothing but more than all of it.
const MOST: u64 = 8 * WHOLE;
/// Over how many tokens' time a load is measured.
const SPAN: u128 = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    #[test]
    fn what_a_refund_does_not_tell_stays_known() {
        let [day, week] = ["d20261121", "w2026-47"].map(|name| Counter::parse(name).unwrap());
        let (mut memory, now) = (Memory::default(), ManualClock::default().moment());
        let told = |counter, used, granted| State {
            counters: [(counter, used)].into(),
            granted: [(counter, granted)].into(),
            ..State::default()
        };
        memory.amend(&told(week, -3, 7), now);
        memory.amend(&told(day, 4, 1), now);
        let state = memory.state();
        assert_eq!([state.used(week), state.used(day)], [-3, 4]);
        assert_eq!([state.granted(week), state.granted(day)], [7, 1]);
    }
}
