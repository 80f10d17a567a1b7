//! The whole path, from outside: the built `local`, real wires, real processes.
//!
//! One binary, so that it links once. A new subject is a module here:
//!
//! - `answers`: what a caller sees: 200, 401, 403, 429, and what the backend is told
//! - `issuer`: signing in, and keys that rotate
//! - `documents`: the commands, outputs, configurations and links of the Markdown files
//! - `environments`: execution environments that die
//! - `faults`: what breaks between the authorizer, its table and the issuer's keys, under load
//! - `runtime`: the authorizer alone over the Runtime API: its log, panics, concurrency, its end
//! - `start`: starting, refusing to start, and ending without a trace

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly, in their helpers too"
)]

mod answers;
mod caller;
mod documents;
mod environments;
mod faults;
mod issuer;
mod runtime;
mod start;
