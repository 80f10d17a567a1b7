#![doc = include_str!("../README.md")]

mod algorithm;
mod bootstrap;
mod bucket_owner;
mod caller;
mod charged;
mod claims;
mod config;
mod credential;
mod event;
mod handler;
mod http;
mod inspect;
mod json;
mod jwks;
mod limits;
#[cfg(feature = "otel")]
mod otel;
mod parents;
mod plans;
mod record;
mod refusal;
mod response;
mod revocation;
mod runtime;
mod shell;
mod tenant;
mod token;
mod token_cache;
mod verify;

pub use algorithm::Algorithm;
pub use bootstrap::{StartError, main, run};
pub use bucket_owner::assumed_subject;
pub use claims::{Claims, assumed_caller, assumed_client};
pub use config::{
    Accepted, BoundTokens, CallersConfig, Checks, Config, ConfigError, FirstOf, HttpForm,
    HttpUnauthorized, Identity, Issuer, KeysConfig, MetricsConfig, ParentConfig, PlanChoice,
    Prefer, Refuse, Require, ResponseConfig, RevocationConfig, RevocationFailure, Scheme,
    ThrottleConfig, TokenSource, TokenUse, is_reserved_for_keys, is_reserved_in_context,
};

pub use handler::Authorizer;
pub use http::ClientError;
pub use inspect::{Decoded, decode};
pub use json::{is_duplicate_member, strict_json};
pub use jwks::{Bundle, KeysError, PublishedKeys, fetch_keys};
pub use parents::{AssumedParent, EVERYONE, assumed_parents, is_of_parent};
pub use record::Invocation;
pub use refusal::{Code, Refusal};
pub use response::{Failure, Response};
pub use revocation::{Check, Revocations};
pub use shell::{DEFAULT_TABLE, TABLE_VARIABLE, shell_command, shell_word};
pub use tenant::Tenants;

pub use verify::{Lookup, Verification, Verifier};
