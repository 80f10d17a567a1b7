//! A circuit breaker: while the table is down, calls fail at once instead of after a time-out.
//!
//! Five failures in a row open it. For a second nothing is asked; then one call is let through
//! to try, and any answer to it closes the circuit. A time-out, a broken connection and a
//! failing service are failures of the table. A refusal is not: the table is there. A throttled
//! write is one only for the first time that its key is throttled in the row, since one hot
//! key is throttled by itself: five different keys without an answer between them are not.

mod circuit;

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Mutex;

use crate::clock::{Clock, Moment};
use crate::failure::{Failure, StoreError};
use crate::lock::Lock;
use circuit::{Circuit, Outcome, Pass};

/// The breaker of one table, for all calls to it.
#[derive(Debug)]
pub(crate) struct Breaker<L = Mutex<Circuit>> {
    circuit: L,
    keys: RandomState,
}

impl<L: Lock<Circuit>> Breaker<L> {
    pub(crate) fn new() -> Self {
        Self { circuit: L::guarding(Circuit::default()), keys: RandomState::new() }
    }

    /// Makes a call if the table is worth asking; `key` is whom it is for.
    ///
    /// The call is not even begun while the circuit is open.
    pub(crate) async fn call<T>(
        &self,
        clock: &impl Clock,
        key: &impl Hash,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let pass = self.circuit.with(|circuit| circuit.pass(|| clock.moment()));
        let pass = pass.ok_or(Failure::Suspended)?;
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

    fn finish(&self, pass: Pass, outcome: Outcome, now: impl FnOnce() -> Moment) {
        self.circuit.with(|circuit| circuit.finish(pass, outcome, now));
    }
}

/// A call on its way. Dropped before its end, as a cancelled task is, it is abandoned.
struct Going<'a, L: Lock<Circuit>, C: Clock> {
    breaker: &'a Breaker<L>,
    clock: &'a C,
    pass: Option<Pass>,
}

impl<L: Lock<Circuit>, C: Clock> Going<'_, L, C> {
    fn finish(&mut self, outcome: Outcome) {
        if let Some(pass) = self.pass.take() {
            self.breaker.finish(pass, outcome, || self.clock.moment());
        }
    }
}

impl<L: Lock<Circuit>, C: Clock> Drop for Going<'_, L, C> {
    fn drop(&mut self) {
        self.finish(Outcome::Abandoned);
    }
}

#[cfg(test)]
mod tests;
