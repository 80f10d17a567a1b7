//! The arithmetic of a bucket: what a request costs, and whether it fits.
//!
//! Pure: `now` is handed in. The rate is a GCRA (generic cell rate algorithm, ITU-T I.371):
//! `tat`, the moment at which the bucket will be full again, is all of its state. With T for
//! the time that one token takes, a request of cost c fits when
//! max(tat, now) + cT <= now + burst·T, and moves `tat` to max(tat, now) + cT.
//!
//! A store can't write max(tat, now) in one conditional write, so there are two [`Form`]s of
//! the same step, of which exactly one can apply to a given state. Their lower bounds matter:
//! a busy form without `tat > now` would carry unused time over from long ago, and admit up
//! to twice the burst after an idle time.
//!
//! - [`State`] is what a store keeps for a subject: a [`Stamp`], a `tat` for each [`Meter`], and
//!   a count for each [`Counter`].
//! - [`Charge`] is what a request takes under a plan. With a form for each of its rates it
//!   becomes a [`Write`]; so do the change of a plan, a refund, and a settlement.
//! - [`Write`] is all that a store has to understand: conditions and changes, attribute by
//!   attribute.

mod charge;
mod convert;
mod few;
mod guest;
mod past;
mod receipt;
mod state;
mod write;

pub use charge::{Charge, Form, Forms, Step};
pub use few::Few;
pub use receipt::Receipt;
pub use state::{Meter, Stamp, State};
pub use write::{Count, Move, To, When, Write};

pub use crate::period::Counter;
pub use crate::plan::Scope;

pub(crate) use charge::{Refusal, Refusals};
pub(crate) use guest::{Foreign, SOON};
pub(crate) use past::removable;
pub(crate) use write::MAX_COUNT;
