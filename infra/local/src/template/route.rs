//! Routes of an API, with their integrations.

use std::time::Duration;

use serde_json::Value;

use super::Family;
use crate::gateway::{Address, Mapping, Payload, ResponseMappings, Templates};

/// The reason of a method without an integration.
pub(super) const NO_INTEGRATION: &str = "the method has no integration";
/// The reason of a path whose methods are not in the definition itself.
pub(super) const ELSEWHERE: &str = "the path is defined elsewhere";

/// The member of a definition's path that is every method.
pub(super) const ANY: &str = "x-amazon-apigateway-any-method";

/// The key of a method and a path, which a REST API has without a slash at its end.
pub(super) fn key(family: Family, method: &str, path: &str) -> String {
    let method = if method.eq_ignore_ascii_case(ANY) { "ANY" } else { method };
    let path = match path.trim_end_matches('/') {
        short if family == Family::Rest && !short.is_empty() => short,
        _ => path,
    };
    format!("{method} {path}")
}

/// One route, or a method of a resource.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// Such as `GET /orders/{id}`.
    pub(crate) key: String,
    /// The authorizer's name, if the route has one.
    pub(crate) authorizer: Option<String>,
    pub(crate) needs_key: bool,
    pub(crate) integration: Integration,
    /// The payload of a function behind an HTTP API.
    pub(crate) payload: Payload,
    /// The changes of an HTTP API to the requests that a function gets.
    pub(crate) request_mappings: Vec<Mapping>,
    /// The changes of an HTTP API to the integration's responses.
    pub(crate) response_mappings: ResponseMappings,
    /// The integration's time-out, if it is not API Gateway's own.
    pub(crate) timeout: Option<Duration>,
    /// True if a WebSocket API sends the integration's answer back.
    pub(crate) responds: bool,
}

impl Route {
    pub(super) fn new(
        key: String,
        authorizer: Option<String>,
        needs_key: bool,
        target: Target,
    ) -> Self {
        let Target { integration, payload, request_mappings, response_mappings, timeout } = target;
        Self {
            key,
            authorizer,
            needs_key,
            integration,
            payload,
            request_mappings,
            response_mappings,
            timeout,
            responds: false,
        }
    }
}

/// The target of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Integration {
    /// A Lambda proxy integration, by the function's name.
    Function(String),
    /// A Lambda integration with templates, which is not a proxy.
    Custom(String, Templates),
    /// An HTTP service.
    Http(Address),
    /// An answer of the gateway itself.
    Mock(Templates),
    /// None: a WebSocket API's route without a target.
    Nothing,
    /// An integration whose address has stage variables, until they have their values.
    Staged(Value),
    /// The parts that cannot be served here, with the reason.
    Unserved(String),
}

impl Integration {
    /// The function's name.
    pub(crate) fn function(&self) -> Option<&String> {
        match self {
            Self::Function(name) | Self::Custom(name, _) => Some(name),
            _ => None,
        }
    }

    /// Returns true for an integration that is not a proxy and has no integration response.
    pub(crate) fn lacks_response(&self) -> bool {
        match self {
            Self::Custom(_, templates)
            | Self::Mock(templates)
            | Self::Http(Address { templates: Some(templates), .. }) => {
                templates.responses.is_empty()
            }
            _ => false,
        }
    }
}

/// An integration with its settings.
pub(super) struct Target {
    pub(super) integration: Integration,
    /// The payload of a function behind an HTTP API.
    pub(super) payload: Payload,
    /// The changes of an HTTP API to the requests that a function gets.
    pub(super) request_mappings: Vec<Mapping>,
    /// The changes of an HTTP API to responses.
    pub(super) response_mappings: ResponseMappings,
    pub(super) timeout: Option<Duration>,
}

impl Target {
    /// A route whose integration is missing.
    pub(super) fn missing(reason: &str) -> Self {
        Self::new(Integration::Unserved(reason.to_owned()), Payload::V2, None)
    }

    /// An integration whose responses pass as they are.
    pub(super) fn new(
        integration: Integration,
        payload: Payload,
        timeout: Option<Duration>,
    ) -> Self {
        let (request_mappings, response_mappings) = (Vec::new(), ResponseMappings::default());
        Self { integration, payload, request_mappings, response_mappings, timeout }
    }

    /// A route of a WebSocket API without an integration.
    pub(super) fn nothing() -> Self {
        Self::new(Integration::Nothing, Payload::V2, None)
    }
}
