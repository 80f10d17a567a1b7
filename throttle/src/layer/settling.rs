//! A settlement that waits for the end of a response's body.

use std::fmt::{self, Debug};
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;

use tokio::runtime::Handle;

use super::Part;
use super::gate::{Gate, Later};
use crate::meter::Meter;
use crate::receipt::Receipt;
use crate::settlement::Settlement;

/// Reads an amount out of a body's parts; the last amount counts.
pub(super) type Reader = dyn FnMut(Part<'_>) -> Option<u64> + Send;

/// The reader of one meter, and the amount that it has found so far.
pub(super) struct Reading {
    pub(super) meter: Meter,
    pub(super) reader: Box<Reader>,
    pub(super) amount: Option<u64>,
}

/// A request's charge, and its real amounts as far as they are known.
pub(super) struct Settling {
    pub(super) gate: Arc<Gate>,
    pub(super) receipt: Receipt,
    /// The amounts by the response's head.
    pub(super) actual: Settlement,
    pub(super) readings: Vec<Reading>,
}

impl Settling {
    fn read(&mut self, part: Part<'_>) {
        for reading in &mut self.readings {
            reading.amount = (reading.reader)(part).or(reading.amount);
        }
    }

    /// Writes the settlement; errors are only logged.
    async fn write(self) {
        let Self { gate, receipt, mut actual, readings } = self;
        for Reading { meter, amount, .. } in readings {
            if let Some(amount) = amount {
                actual = actual.meter(meter, amount);
            }
        }
        gate.settle(&receipt, actual).await;
    }
}

/// The settlement of a body, written exactly once: at its end, or by a task when it is dropped.
pub(super) struct Open(State);

enum State {
    Reading(Settling),
    Writing(Later<'static, ()>),
    Settled,
}

impl Open {
    pub(super) fn read(&mut self, part: Part<'_>) {
        if let State::Reading(settling) = &mut self.0 {
            settling.read(part);
        }
    }

    /// Begins to write the settlement, after the last part.
    pub(super) fn end(&mut self) {
        self.0 = match mem::replace(&mut self.0, State::Settled) {
            State::Reading(mut settling) => {
                // A reader that panics a second time, while the stack unwinds, would abort.
                if !thread::panicking() {
                    settling.read(Part::End);
                }
                State::Writing(Box::pin(settling.write()))
            }
            other => other,
        };
    }

    pub(super) fn is_writing(&self) -> bool {
        matches!(self.0, State::Writing(_))
    }

    pub(super) fn is_settled(&self) -> bool {
        matches!(self.0, State::Settled)
    }

    /// Waits until the settlement is written.
    pub(super) fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Writing(write) = &mut self.0 {
            ready!(write.as_mut().poll(cx));
            self.0 = State::Settled;
        }
        Poll::Ready(())
    }
}

impl From<Option<Settling>> for Open {
    fn from(settling: Option<Settling>) -> Self {
        Self(settling.map_or(State::Settled, State::Reading))
    }
}

/// The body was dropped: its client hung up, or its server does not read the end.
impl Drop for Open {
    fn drop(&mut self) {
        self.end();
        if let State::Writing(write) = mem::replace(&mut self.0, State::Settled) {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(write)),
                Err(_) => tracing::warn!("no tokio runtime: a request keeps its first charge"),
            }
        }
    }
}

impl Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Reading(_) => "Reading",
            State::Writing(_) => "Writing",
            State::Settled => "Settled",
        })
    }
}
