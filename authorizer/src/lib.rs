//! The Lambda authorizer: a token in, an IAM policy out.
//!
//! ```text
//! event -> bearer token -> issuer, key, signature, claims -> rules: all that this caller may
//! call -> plan and bucket -> the answer, in the event's own form
//! ```
//!
//! [`Config`] is read once; [`Authorizer`] answers events; [`main`] joins both to the Lambda
//! Runtime API. What is refused is refused with a stable [`Code`], logged with digests alone, and
//! becomes 401, 403, 429 or 500 in `response.rs` and nowhere else.
//!
//! What this crate does not do: it has no opinion on routes (`policy` has), keeps no counts
//! (`throttle` does), and reads the time through [`throttle::Clock`] alone.

mod algorithm;
mod bootstrap;
mod bucket_owner;
mod claims;
mod config;
mod digest;
mod event;
mod handler;
mod http;
mod inspect;
mod json;
mod jwks;
mod line;
mod log;
mod metrics;
#[cfg(feature = "otel")]
mod otel;
mod plans;
mod refusal;
mod response;
mod revocation;
mod runtime;
mod shutdown;
mod token;
mod token_cache;
mod verify;

pub use algorithm::Algorithm;
pub use bootstrap::{StartError, main, run};
pub use claims::{Claims, assumed_caller};
pub use config::{
    Accepted, BoundTokens, Checks, Config, ConfigError, HttpForm, HttpUnauthorized, Identity,
    Issuer, MetricsConfig, PlanChoice, Refuse, ResponseConfig, RevocationConfig, RevocationFailure,
    ThrottleConfig, TokenSource, TokenUse,
};
pub use event::{ApiKey, Event, Form};
pub use handler::{Authorizer, Invocation};
pub use http::ClientError;
pub use inspect::{Decoded, decode};
pub use jwks::{Bundle, KeysError, PublishedKeys, fetch_keys};
pub use refusal::{Code, Refusal};
pub use response::{Failure, Response};
pub use revocation::{Check, Revocations};

pub use verify::{Lookup, Verification, Verifier};
