//! The built executable, typed as an operator would, against an embedded DynamoDB.
//!
//! `support` is what they start from; a module for each group of commands.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod confirm;
mod console;
mod doctor;
mod help;
mod hostile;
mod init;
mod issuer;
mod key;
mod orphans;
mod parents;
mod plan;
mod proxy;
mod readme;
mod routes;
mod script;
mod support;
mod table;
mod terminal;
mod token;
mod upgrade;
mod usage;
mod who;
