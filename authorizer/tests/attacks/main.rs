//! Attacks on tokens that are known to have worked somewhere, each a test named after it.
//!
//! Every token here is made with real keys and verified by [`tollgate_authorizer::Verifier`] as it is
//! configured, its keys fetched from a real endpoint. Where an attack is about what a token says,
//! the token is signed by its genuine issuer, so that nothing but the attack can refuse it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests fail loudly, and clippy takes helpers of an integration test for product code"
)]

mod algorithm;
mod claims;
mod form;
mod header;
mod issuer;
mod keys;
mod known;
mod provider;
mod service;
mod tenants;
