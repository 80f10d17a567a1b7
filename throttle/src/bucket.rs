//! The arithmetic of a bucket: the cost of a request, and whether it fits.
//!
//! Pure: it receives `now` and does no IO. The rate is a GCRA (generic cell rate algorithm, ITU-T
//! I.371). Its whole state is `tat`, the moment at which the bucket is full again. With T for the
//! time per token, a request of cost c fits if max(tat, now) + cT <= now + burst·T, and moves `tat`
//! to max(tat, now) + cT.
//!
//! A conditional write cannot compute max(tat, now), so there are two [`Form`]s of the same step.
//! Exactly one of them can apply to a given state. Their lower bounds matter: a busy form without
//! `tat > now` would carry unused time over from long ago, and admit up to twice the burst after
//! an idle time.
//!
//! - [`State`] is a subject's state in a store: a [`Stamp`], a `tat` for each [`RateId`], and a
//!   count for each [`Counter`].
//! - [`Charge`] is what a request takes under a plan. With a form for each of its rates it becomes
//!   a [`Write`]. So do a change of plan, a refund, and a settlement.
//! - [`Write`] is the only thing that a store must understand: conditions and changes, attribute
//!   by attribute.

mod charge;
mod other_plan;
mod state;

pub use charge::{Charge, Form, Step};
pub use state::{Count, Move, RateId, Stamp, State, To, When, Write};

pub(crate) use crate::period::Counter;
pub use crate::plan::Scope;

pub(crate) use charge::{Next, Refusal, Refusals, Refused};
pub(crate) use other_plan::SOON;
pub(crate) use state::MAX_COUNT;
#[cfg(feature = "dynamodb")]
pub(crate) use state::expiry;
#[cfg(feature = "dynamodb")]
pub(crate) use state::removable;
