//! Authorizers in the forms of all definitions.

use std::time::Duration;

use super::address::{function_of, is_staged};
use super::{Authorizer, Family};
use crate::gateway::{Kind, Payload};

/// The time that results are cached for if an authorizer of a REST API does not say it.
const REST_TTL: u64 = 300;

/// A definition's settings of an authorizer, of any form.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) sources: Vec<String>,
    pub(super) ttl: Option<String>,
    pub(super) validation: Option<String>,
    pub(super) payload: Option<String>,
    pub(super) is_simple: bool,
    pub(super) uri: String,
}

impl Authorizer {
    /// One that cannot be asked here.
    pub(super) fn unserved(reason: String) -> Self {
        Self {
            kind: Err(reason),
            sources: Vec::new(),
            ttl: Duration::ZERO,
            validation: None,
            function: None,
            staged: None,
        }
    }

    pub(super) fn read(family: Family, kind: &str, wanted: &Wanted) -> Self {
        let kind = match (family, kind.to_ascii_lowercase().as_str()) {
            (Family::Rest, "token") => Kind::RestToken,
            (Family::Rest, "request") => Kind::RestRequest,
            (Family::Http, "request") => Kind::Http(match wanted.payload.as_deref() {
                Some("1.0") => Payload::V1,
                _ if wanted.is_simple => Payload::Simple,
                _ => Payload::V2,
            }),
            (Family::WebSocket, "request") => Kind::WebSocket,
            (_, other) => return Self::unserved(format!("authorizers of the type `{other}`")),
        };
        let mut sources = Vec::new();
        for source in wanted.sources.iter().filter(|source| !source.is_empty()) {
            match source.parse() {
                Ok(source) => sources.push(source),
                // Without it the guard would be another one.
                Err(_) => return Self::unserved(format!("the identity source `{source}`")),
            }
        }
        if sources.is_empty() && kind == Kind::RestToken {
            sources.push(crate::gateway::Source::authorization(kind));
        }
        let default = if family == Family::Rest { REST_TTL } else { 0 };
        let ttl = wanted.ttl.as_ref().and_then(|ttl| ttl.parse().ok()).unwrap_or(default);
        Self {
            kind: Ok(kind),
            sources,
            ttl: Duration::from_secs(ttl),
            validation: wanted.validation.clone().filter(|_| kind == Kind::RestToken),
            function: function_of(&wanted.uri),
            staged: Some(wanted.uri.clone()).filter(|uri| is_staged(uri)),
        }
    }
}
