#![doc = include_str!("../README.md")]
//! ## Inside
//! ```text
//! caller ──> gateway ──event──> lambda ──Runtime API──> authorizer processes ──> issuer's keys
//!               └──> backend                                     └──> table
//! ```
//!
//! The gateway is one of four: a REST API by TOKEN or REQUEST, an HTTP API, a WebSocket API; a stack
//! has several. [`differences`] lists what each does otherwise than API Gateway.
//!
//! The gateway knows AWS's protocols and none of the product's decisions: it evaluates policies
//! with its own code, so that a wrong belief about them is not held twice. Only [`setup`] and the
//! choice of examples use the authorizer's and the rules' code, to read a configuration and to find
//! a call for each outcome. All of it listens on 127.0.0.1 alone.

use std::io::Write;

pub mod cli;
pub mod clock;
pub mod demo;
pub mod differences;
mod examples;
pub mod gateway;
pub mod issuer;
mod json;
pub mod lambda;
pub mod log;
mod options;
mod program;
pub mod ready;
pub mod setup;
pub mod stack;
pub mod table;
mod template;
mod terminal;

/// Prints one line for the person at the terminal, on standard error.
fn note(line: &str) {
    // Go on if standard error is closed.
    let _ = writeln!(std::io::stderr(), "{}", terminal::escaped(line));
}
