//! The layer around services, from outside.
//!
//! - `flow`: readiness, cancellation, costs, refunds and settlements, several layers
//! - `answers`: refusals, failures, shadow mode, reports, the fields' style
//! - `fields`: the fields parsed as structured fields, and what must hold of them
//! - `lambda`: events of API Gateway and load balancers through `lambda_http`
//! - `loopback`: axum over real connections, many clients at once

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail loudly"
)]

mod answers;
mod fields;
mod flow;
mod lambda;
mod loopback;
mod setting;
