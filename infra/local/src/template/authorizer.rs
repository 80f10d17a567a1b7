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

    /// Reads one of a kind.
    ///
    /// # Errors
    /// The reason why it cannot be asked here.
    pub(super) fn read(family: Family, kind: &str, wanted: &Wanted) -> Result<Self, String> {
        let kind = match (family, kind.to_ascii_lowercase().as_str()) {
            (Family::Rest, "token") => Kind::RestToken,
            (Family::Rest, "request") => Kind::RestRequest,
            (Family::Http, "request") => Kind::Http(match wanted.payload.as_deref() {
                Some("1.0") => Payload::V1,
                None | Some("2.0") if wanted.is_simple => Payload::Simple,
                None | Some("2.0") => Payload::V2,
                Some(other) => return Err(format!("authorizers with the payload `{other}`")),
            }),
            (Family::WebSocket, "request") => Kind::WebSocket,
            (_, other) => return Err(format!("authorizers of the type `{other}`")),
        };
        let mut sources = Vec::new();
        for source in wanted.sources.iter().filter(|source| !source.is_empty()) {
            // Without it the guard would be another one.
            let source = source.parse().map_err(|_| format!("the identity source `{source}`"))?;
            sources.push(source);
        }
        if sources.is_empty() && kind == Kind::RestToken {
            sources.push(crate::gateway::Source::authorization(kind));
        }
        let default = if family == Family::Rest { REST_TTL } else { 0 };
        let ttl = match &wanted.ttl {
            None => default,
            Some(ttl) => ttl.parse().map_err(|_| format!("an authorizer with the TTL `{ttl}`"))?,
        };
        Ok(Self {
            kind: Ok(kind),
            sources,
            ttl: Duration::from_secs(ttl),
            validation: wanted.validation.clone().filter(|_| kind == Kind::RestToken),
            function: function_of(&wanted.uri),
            staged: Some(wanted.uri.clone()).filter(|uri| is_staged(uri)),
        })
    }
}
