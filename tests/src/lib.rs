//! Starting the assembled system as a person would: the built executable, and what it prints.
//!
//! The suites are in `it/`. A new one is a module of `it/main.rs`; it starts a [`Stack`] of its
//! own, on free ports, and drives it over real wires. [`bound`] judges what limits let through, for
//! them and for `load/`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "it is for tests alone, and they fail loudly"
)]

pub mod bound;
mod executable;
mod stack;
mod tree;

pub use executable::{authorizer, llm_axum, local, panicking, release, service, skewed, tollgate};
pub use stack::{Client, Ended, Ready, Stack, User};
