//! Notices over a served table and a topic that says what it was sent.

#![expect(clippy::unwrap_used, reason = "tests fail loudly, in their helpers too")]

mod setting;
mod start;
mod tell;
