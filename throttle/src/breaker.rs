//! A circuit breaker: while the table is down, calls fail at once instead of after a time-out.
//!
//! Five failures in a row open it. For a second no call is made; then one call may try, and any
//! answer to it closes the circuit. A time-out, a broken connection and a failing service are
//! failures of the table. An error that the table returns is not. A throttled write counts as a
//! failure only once for each key in the row, because a single hot key does not mean that the table
//! is down. Five different throttled keys without an answer between them open the circuit.

use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use crate::clock::{Clock, Moment};
use crate::failure::{Failure, StoreError};
use crate::lock::{Mutex, lock};

/// The breaker of one table, for all calls to it.
#[derive(Debug)]
pub(crate) struct Breaker {
    circuit: Mutex<Circuit>,
    keys: RandomState,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self { circuit: Mutex::new(Circuit::default()), keys: RandomState::new() }
    }

    /// Makes a call for a key. While the circuit is open, the call is not made.
    pub(crate) async fn call<T>(
        &self,
        clock: &impl Clock,
        key: &impl Hash,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let pass = lock(&self.circuit).pass(clock.moment()).ok_or(Failure::Suspended)?;
        let mut going = Going { breaker: self, clock, pass: Some(pass) };
        let result = call.await;
        going.finish(match &result {
            Err(StoreError::Failure(failure)) if failure.is_outage() => Outcome::Outage,
            Err(StoreError::Failure(Failure::Throttled)) => {
                Outcome::Throttled { key: self.keys.hash_one(key) }
            }
            Ok(_) | Err(_) => Outcome::Answered,
        });
        result
    }
}

/// A call in flight. If it is dropped before its end, as in a cancelled task, its outcome is
/// `Abandoned`.
struct Going<'a, C: Clock> {
    breaker: &'a Breaker,
    clock: &'a C,
    pass: Option<Pass>,
}

impl<C: Clock> Going<'_, C> {
    fn finish(&mut self, outcome: Outcome) {
        if let Some(pass) = self.pass.take() {
            lock(&self.breaker.circuit).finish(pass, outcome, self.clock.moment());
        }
    }
}

impl<C: Clock> Drop for Going<'_, C> {
    fn drop(&mut self) {
        self.finish(Outcome::Abandoned);
    }
}

/// The breaker's state: pure, it receives the time and the outcome of each call.
#[derive(Clone, Debug, Default)]
struct Circuit {
    state: State,
    /// Grows whenever the state changes its kind, because outcomes of earlier calls no longer count
    /// then.
    turn: u64,
}

#[derive(Clone, Debug)]
enum State {
    Closed(Row),
    /// No call is made for a second after this moment. If `None`, the next call may try.
    Open {
        since: Option<Moment>,
    },
    /// One call is in flight as a try; all others fail.
    Trying,
}

/// The failures since the last answer.
#[derive(Clone, Debug, Default)]
struct Row {
    outages: usize,
    /// The keys whose calls were throttled, each once.
    throttled: Vec<u64>,
}

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The table answered, even if it refused.
    Answered,
    /// The table did not answer.
    Outage,
    /// The table throttled this key. Other keys may still be served.
    Throttled {
        /// Tells keys apart.
        key: u64,
    },
    /// The caller went away before there was an answer.
    Abandoned,
}

/// The permission for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pass {
    turn: u64,
}

impl Default for State {
    fn default() -> Self {
        Self::Closed(Row::default())
    }
}

impl Circuit {
    /// Lets a call through; `None` if it must fail at once.
    fn pass(&mut self, now: Moment) -> Option<Pass> {
        match self.state {
            State::Closed(_) => {}
            State::Open { since } if since.is_none_or(|since| now.since(since) >= OPEN_FOR) => {
                self.turn_to(State::Trying);
            }
            State::Open { .. } | State::Trying => return None,
        }
        Some(Pass { turn: self.turn })
    }

    /// Notes the outcome of a call.
    fn finish(&mut self, pass: Pass, outcome: Outcome, now: Moment) {
        if pass.turn != self.turn {
            return;
        }
        match (&mut self.state, outcome) {
            (State::Closed(_), Outcome::Abandoned) => {}
            (State::Closed(row), outcome) => {
                row.add(outcome);
                if row.len() >= FAILURES_TO_OPEN {
                    self.turn_to(State::Open { since: Some(now) });
                }
            }
            (State::Trying, Outcome::Outage) => {
                self.turn_to(State::Open { since: Some(now) });
            }
            // The outcome is unknown, so the next call may try.
            (State::Trying, Outcome::Abandoned) => self.turn_to(State::Open { since: None }),
            // The call that tries is likely to be for a hot key, which must not block all other
            // keys.
            (State::Trying, outcome @ (Outcome::Answered | Outcome::Throttled { .. })) => {
                let mut row = Row::default();
                row.add(outcome);
                self.turn_to(State::Closed(row));
            }
            // No call that belongs to this turn was let through.
            (State::Open { .. }, _) => {}
        }
    }

    fn turn_to(&mut self, state: State) {
        self.state = state;
        self.turn = self.turn.wrapping_add(1);
    }
}

impl Row {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Answered => *self = Self::default(),
            Outcome::Outage => self.outages = self.outages.saturating_add(1),
            Outcome::Throttled { key } if !self.throttled.contains(&key) => {
                self.throttled.push(key);
            }
            Outcome::Throttled { .. } | Outcome::Abandoned => {}
        }
    }

    fn len(&self) -> usize {
        self.outages.saturating_add(self.throttled.len())
    }
}

/// The number of failures in a row that open the circuit.
const FAILURES_TO_OPEN: usize = 5;
/// The time for which the circuit stays open before one call may try.
const OPEN_FOR: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
