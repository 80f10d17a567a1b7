//! Every CloudFormation template below `infra/`, read as data.
//!
//! - `operations`: each operation and route is guarded, or is a named exception
//! - `integrations`: content types, mapping and errors of integrated services
//! - `headers`: headers that a backend behind an HTTP API trusts
//! - `roles`: rights on the table, and who may invoke a function
//! - `settings`: caching of verdicts, logs and outputs

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly, in their helpers too"
)]

mod files;
mod headers;
mod integrations;
mod operations;
mod roles;
mod settings;
