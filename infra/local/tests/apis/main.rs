//! Every kind of API over loopback: with a closure in the authorizer's place, and with the real one.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of tests fails as loudly as they do"
)]

mod api;
mod bounds;
mod http_api;
mod integrations;
mod keys;
mod management;
mod own;
mod parents;
mod paths;
mod real;
mod rest_request;
mod socket;
mod socket_integrations;
mod socket_routes;
mod statuses;
mod usage_plan;
mod web_socket;
