//! Requests within parents: what each level is charged, and what a shared parent costs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a test may fail loudly"
)]
#![allow(clippy::disallowed_methods, reason = "the clock of these tests is tokio's paused one")]

mod corrections;
mod crowd;
mod failures;
mod floods;
mod levels;
mod setting;
mod shared;
#[path = "../common/tokio_clock.rs"]
mod tokio_clock;
mod tree;
mod trees;
