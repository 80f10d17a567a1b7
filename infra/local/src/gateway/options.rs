//! Settings of an API: its authorizer, its routes and the target of its requests.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;

use super::{
    Address, Connections, Cors, Expression, IntegrationResponse, Keys, Kind, Mapping, Payload,
    ResponseMappings, Route, SocketRoutes, Source, Templates, Validation,
};
use crate::clock::Now;
use crate::lambda::InvokeError;
use crate::log::Log;

/// The function behind the authorizer: a new request id and an event in, its output or an error out.
pub type Invoke = Arc<
    dyn Fn(String, Bytes) -> Pin<Box<dyn Future<Output = Result<Bytes, InvokeError>> + Send>>
        + Send
        + Sync,
>;

/// The source of a request's API key: `ApiKeySourceType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySource {
    /// `AUTHORIZER`: from the authorizer's `usageIdentifierKey`.
    #[default]
    Authorizer,
    /// `HEADER`: from the caller's `x-api-key`.
    Header,
}

/// The target of allowed requests.
#[derive(Clone, Default)]
pub enum Integration {
    /// An answer that tells the caller what a backend would see.
    #[default]
    Echo,
    /// A Lambda function, as a proxy.
    Function(Invoke),
    /// A Lambda function behind a REST or WebSocket API, with templates for its event and its answer.
    Custom(Invoke, Templates),
    /// An HTTP service that gets the path of each request after its own.
    Http(Uri),
    /// An address of a definition, which is called as it is.
    Address(Address),
    /// An answer of the gateway itself.
    Mock(Templates),
    /// A 501 with the reason why the integration cannot be served here.
    Unserved(String),
}

impl Integration {
    /// Passes a response that no integration response is for, as a WebSocket API's route that answers
    /// nobody needs none.
    pub(crate) fn pass_others(&mut self) {
        if let Self::Custom(_, templates)
        | Self::Mock(templates)
        | Self::Address(Address { templates: Some(templates), .. }) = self
        {
            templates.responses.push(IntegrationResponse::default());
        }
    }
}

impl fmt::Debug for Integration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo => f.write_str("Echo"),
            Self::Function(_) => f.write_str("Function(…)"),
            Self::Custom(..) => f.write_str("Custom(…)"),
            Self::Http(uri) => f.debug_tuple("Http").field(uri).finish(),
            Self::Address(address) => f.debug_tuple("Address").field(&address.text).finish(),
            Self::Mock(_) => f.write_str("Mock(…)"),
            Self::Unserved(reason) => f.debug_tuple("Unserved").field(reason).finish(),
        }
    }
}

/// A gateway response that a REST API's definition changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayResponse {
    /// The status in place of the type's own.
    pub status: Option<u16>,
    /// Names of headers, and their values.
    pub headers: Vec<(String, Expression)>,
    /// The template for JSON.
    pub body: Option<Expression>,
}

/// Settings of an API.
#[derive(Clone)]
pub struct Options {
    /// The kind of API.
    pub kind: Kind,
    /// The authorizer's function.
    pub function: Invoke,
    /// Parts that a request must have, and the key of the result cache; they must fit the kind.
    pub identity_sources: Vec<Source>,
    /// The stage's variables.
    pub stage_variables: BTreeMap<String, String>,
    /// The media types whose bodies a REST API takes and gives in binary.
    pub binary_types: Vec<String>,
    /// The routes of an HTTP API; the other kinds have theirs.
    pub routes: Vec<Route>,
    /// The time that an authorizer's result is cached, up to an hour; zero turns the cache off.
    ///
    /// A WebSocket API caches none, because its authorizer is called once a connection.
    pub cache_ttl: Duration,
    /// The API keys of the stage's usage plans, which make a key required on every method.
    ///
    /// HTTP APIs have none. Where the authorizer names the key, a REST API answers any other one
    /// with the gateway response `INVALID_API_KEY` mapped to 429.
    pub keys: Option<Keys>,
    /// The source of a request's key.
    pub api_key_source: KeySource,
    /// The target of allowed requests.
    pub integration: Integration,
    /// True if requests need no authorizer.
    pub is_open: bool,
    /// The authorizer's name; routes with the same one share its cache.
    pub authorizer: Option<String>,
    /// The expression that the token must match before the authorizer is asked.
    pub validation: Option<Validation>,
    /// The API's id, if it is not that of the kind.
    pub id: Option<String>,
    /// The stage's name, if it is not that of the kind.
    pub stage: Option<String>,
    /// The CORS settings of an HTTP API.
    pub cors: Option<Cors>,
    /// The gateway responses of an API that has a definition, which then counts in all of it.
    pub responses: Option<Arc<BTreeMap<String, GatewayResponse>>>,
    /// The payload that a function behind an HTTP API gets: 1.0, or else 2.0.
    pub payload: Payload,
    /// The changes of an HTTP API to the requests that a function gets.
    pub request_mappings: Vec<Mapping>,
    /// The changes of an HTTP API to the integration's responses.
    pub response_mappings: ResponseMappings,
    /// The integration's time-out.
    pub integration_timeout: Duration,
    /// The routes of a WebSocket API.
    pub socket: Arc<SocketRoutes>,
    /// The open connections of WebSocket APIs; APIs that share them reach each other's.
    pub connections: Arc<Connections>,
    /// The wall clock, for the cache's ages and for `aws:CurrentTime`.
    pub now: Now,
    /// True if Tollgate's command line can explain what the authorizer denies.
    pub explains: bool,
    /// Prints a line for each request.
    pub log: Log,
}

impl Options {
    /// True if the API has a definition, which then says everything.
    pub(crate) fn is_defined(&self) -> bool {
        self.responses.is_some()
    }

    /// The API's id.
    pub(crate) fn api_id(&self) -> &str {
        self.id.as_deref().unwrap_or(self.kind.api_id())
    }

    /// The stage's name.
    pub(crate) fn stage(&self) -> &str {
        self.stage.as_deref().unwrap_or(self.kind.stage())
    }

    /// A REST API with a TOKEN authorizer in front of an echo, as [`Options::of`] makes it.
    #[must_use]
    pub fn new(function: Invoke, now: Now) -> Self {
        Self::of(Kind::RestToken, function, now)
    }

    /// An echo behind `function`, without a cache or an API key, and 29 s for an integration, or 30 s
    /// for that of an HTTP API ("Quotas" of the developer guide).
    ///
    /// The identity source is the header `Authorization`; a WebSocket API has none, since what a
    /// browser can send in its place is a matter of the authorizer.
    #[must_use]
    pub fn of(kind: Kind, function: Invoke, now: Now) -> Self {
        let identity_sources = match kind {
            Kind::WebSocket => Vec::new(),
            _ => vec![Source::authorization(kind)],
        };
        Self {
            kind,
            function,
            identity_sources,
            stage_variables: BTreeMap::new(),
            binary_types: Vec::new(),
            routes: Route::everything(),
            cache_ttl: Duration::ZERO,
            keys: None,
            api_key_source: KeySource::default(),
            integration: Integration::default(),
            is_open: false,
            authorizer: None,
            validation: None,
            id: None,
            stage: None,
            cors: None,
            responses: None,
            payload: Payload::V2,
            request_mappings: Vec::new(),
            response_mappings: ResponseMappings::default(),
            integration_timeout: Duration::from_secs(if kind.is_http() { 30 } else { 29 }),
            socket: Arc::default(),
            connections: Arc::default(),
            now,
            explains: true,
            log: Log::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("kind", &self.kind)
            .field("identity_sources", &self.identity_sources)
            .field("cache_ttl", &self.cache_ttl)
            .field("keys", &self.keys)
            .field("integration_timeout", &self.integration_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use throttle::ManualClock;

    use super::*;

    /// An API of this kind whose function answers nothing.
    pub(in super::super) fn options(kind: Kind) -> Options {
        let function: Invoke =
            Arc::new(|_, _| Box::pin(std::future::ready(Err(InvokeError::Stopped))));
        Options::of(kind, function, Now::new(ManualClock::default()))
    }

    #[test]
    fn no_kind_shows_its_key_and_each_has_sources_that_serve_it() {
        for kind in [Kind::RestToken, Kind::RestRequest, Kind::Http(Payload::V1), Kind::WebSocket] {
            let mut options = options(kind);
            options.keys = Some(Keys::one("secret-key", None, &options.now));
            assert!(!format!("{options:?}").contains("secret-key"));
            assert!(options.identity_sources.iter().all(|source| source.serves(kind)));
        }
    }
}
