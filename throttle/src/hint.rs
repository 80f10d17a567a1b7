//! What an instance remembers of a subject, to choose the form that will apply.
//!
//! A wrong form costs one call more and decides nothing: a hint never admits.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::bucket::{Charge, Form, Forms, Meter, State, Step};
use crate::clock::Timestamp;

/// The last state that the store told of a subject, and how well it foretold the next.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Memory>);

#[derive(Debug, Default)]
pub(crate) struct Memory {
    state: State,
    /// When it was told, by the monotonic clock.
    at: Duration,
    habits: BTreeMap<Meter, Habit>,
}

/// How often a bucket was busy again that had looked idle, by how long it had looked so.
#[derive(Clone, Copy, Debug, Default)]
struct Habit([u8; CONTEXTS]);

impl Seen {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// The state as it was told last.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The state, unless it was told longer ago than `most`.
    pub(crate) fn recent(&self, now: Duration, most: Duration) -> Option<&State> {
        (now.saturating_sub(self.at) <= most).then_some(&self.state)
    }

    /// The forms that are likeliest to apply.
    pub(crate) fn forms(&self, charge: &Charge) -> Forms {
        charge.forms_by(|step| {
            let idle_for = self.idle_for(step, charge.now);
            let habit = self.habits.get(&step.meter).copied().unwrap_or_default();
            match idle_for {
                // `tat` only grows, but for refunds and deletions.
                None => Form::Busy,
                Some(idle_for) if habit.expects_busy(idle_for) => Form::Busy,
                Some(_) => Form::Idle,
            }
        })
    }

    /// Learns whether the first guess for this charge was right.
    pub(crate) fn learn(&mut self, charge: &Charge, state: &State, applied: Option<Forms>) {
        for step in &charge.steps {
            let Some(idle_for) = self.idle_for(step, charge.now) else { continue };
            let busy = match applied {
                Some(forms) => forms.of(step.meter.scope) == Form::Busy,
                None => state.tat(step.meter) > charge.now,
            };
            self.habits.entry(step.meter).or_default().note(idle_for, busy);
        }
    }

    /// Keeps a state, unless it is older than the one that is known and not yet too old.
    ///
    /// Answers may overtake each other; what has been used tells their order.
    pub(crate) fn remember(&mut self, state: &State, now: Duration, most: Duration) {
        if self.recent(now, most).is_some_and(|known| is_earlier(state, known)) {
            return;
        }
        self.state = state.clone();
        self.at = now;
        self.habits.retain(|meter, _| state.tats.contains_key(meter));
    }

    /// Keeps a state that a refund left, which knows of some counters only.
    pub(crate) fn amend(&mut self, state: &State, now: Duration) {
        let mut counters = std::mem::take(&mut self.state.counters);
        counters.extend(&state.counters);
        self.state = State { counters, ..state.clone() };
        self.at = now;
    }

    /// For how many tokens' time a bucket has looked idle; none if it must be busy.
    fn idle_for(&self, step: &Step, now: Timestamp) -> Option<u64> {
        let idle_for = now.checked_since(self.state.tat(step.meter))?;
        let nanos = u64::try_from(idle_for.as_nanos()).unwrap_or(u64::MAX);
        Some(nanos.saturating_mul(2) / step.meter.interval)
    }
}

impl Habit {
    fn expects_busy(self, idle_for: u64) -> bool {
        self.0.get(context(idle_for)).is_some_and(|level| *level >= HALF)
    }

    fn note(&mut self, idle_for: u64, busy: bool) {
        if let Some(level) = self.0.get_mut(context(idle_for)) {
            let step = if busy { (255 - *level).div_ceil(16) } else { level.div_ceil(16) };
            *level = if busy { level.saturating_add(step) } else { level.saturating_sub(step) };
        }
    }
}

/// Which of the habits: by the order of magnitude.
fn context(idle_for: u64) -> usize {
    let magnitude = u64::BITS - idle_for.leading_zeros();
    usize::try_from(magnitude).unwrap_or(CONTEXTS).min(CONTEXTS - 1)
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

const CONTEXTS: usize = 7;
const HALF: u8 = 128;
