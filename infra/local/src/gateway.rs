//! An API in front: what API Gateway does between a caller, a Lambda authorizer and a backend.
//!
//! A REST API has the resources `/` and `/{proxy+}` with any method, an HTTP API the routes that it
//! is given, a WebSocket API `$connect`, `echo` and `$default`. Everything has the same authorizer.
//! A template's APIs have its routes. The stage is not in the URL, as behind a custom domain; for a
//! WebSocket API it may be. For one request:
//!
//! ```text
//! limits ─> route ─> identity ─> kept result, else the function ─> policy or verdict ─> key, plan ─> backend
//!  413 431    404      401         401 (its word), 500 (other)           403              429        504
//! ```
//!
//! [`crate::differences`] lists what differs from the real service and what is absent.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::Now;
use crate::lambda::InvokeError;
use crate::log::Log;

mod api;
mod asked;
mod authorizer;
mod backend;
mod cache;
mod cors;
mod customized;
mod evaluate;
mod event;
mod expression;
mod identity;
mod kind;
mod proxy;
mod report;
mod responses;
mod route;
mod served;
mod usage;
mod validation;
mod web_socket;
mod wire;

pub use backend::{
    Address, IntegrationResponse, Mapping, Passthrough, ResponseMappings, Templates,
};
pub use cors::Cors;
pub use expression::Expression;
pub use identity::{Source, SourceError};
pub use kind::{Kind, Payload};
pub use route::{Route, RouteError};
use served::Served;
pub use usage::Keys;
pub(crate) use usage::Meter;
pub use validation::{Validation, ValidationError};
pub use web_socket::Registry as Connections;
pub use web_socket::{Selection, SelectionError, SocketRoute, SocketRoutes};

/// The REST API's id, as in its methods' ARNs.
pub const API_ID: &str = "t0llgate00";
/// The only stage of REST and WebSocket APIs.
pub const STAGE: &str = "local";
/// The header that brings an API key where the caller has one.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The header values together, and a URL, in bytes (API Gateway's quotas page).
const MAX_HEAD: usize = 10_240;
/// A request's or an integration response's body, in bytes (the same page).
const MAX_BODY: usize = 10 * 1024 * 1024;
/// The number of headers that the HTTP parser accepts; they are limited by their size alone.
const MAX_HEADERS: usize = 4096;
/// The largest head that the HTTP parser accepts, in bytes; it answers larger ones itself.
const PARSER_BUFFER: usize = 64 * 1024;
/// The number of connections that may be open at once; more wait. If half of them are, each that is
/// not a WebSocket is closed after its next answer.
const MAX_CONNECTIONS: usize = 1024;
/// The time that a caller has for its request's head, and again for its body.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(30);

/// The first byte of a connection with TLS.
const TLS_HANDSHAKE: u8 = 22;

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
    /// A Lambda function behind a REST API, with templates for its event and its answer.
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
    /// Names of headers, and expressions for their values.
    pub headers: Vec<(String, String)>,
    /// The template for JSON.
    pub body: Option<String>,
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

/// A running API.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Gateway {
    /// Serves the API on `listener` until it is shut down or dropped.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn start(listener: TcpListener, options: Options) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(
            listener,
            Arc::new(Served::one(options, address.port())),
            MAX_CONNECTIONS,
        ));
        Ok(Self { address, accepting })
    }

    /// The same with settings for each route; `missing` is for requests that take none.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn start_routed(
        listener: TcpListener,
        routes: Vec<Options>,
        missing: Options,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let served = Arc::new(Served::routed(routes, missing, address.port()));
        Ok(Self { address, accepting: tokio::spawn(accept(listener, served, MAX_CONNECTIONS)) })
    }

    /// The API's address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes the listener and every connection.
    pub async fn shutdown(mut self) {
        self.accepting.abort();
        // An aborted task ends with an error that says so.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts connections; the set of their tasks ends with this one.
async fn accept(listener: TcpListener, api: Arc<Served>, most: usize) {
    let places = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        if places.available_permits() == 0 {
            api.note_full(&listener, &format!("{most} connections are open"));
        }
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to be closed.
                api.note_full(&listener, &error.to_string());
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let api = Arc::clone(&api);
        let room = Arc::clone(&places);
        connections.spawn(async move {
            let is_crowded = || room.available_permits() < most / 2;
            serve(stream, peer.ip(), api, is_crowded).await;
            drop(place);
        });
    }
}

async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    api: Arc<Served>,
    is_crowded: impl Fn() -> bool + Copy,
) {
    // Latency on loopback matters more than packets.
    let _ = stream.set_nodelay(true);
    if begins_tls(&stream).await {
        api.note_tls(&stream);
    }
    // Holds the WebSocket that a request on this connection was upgraded to.
    let upgraded = Arc::new(OnceLock::new());
    let heads = wire::Heads::default();
    let service = service_fn(|request| {
        let (api, upgraded, sent) = (Arc::clone(&api), Arc::clone(&upgraded), heads.take());
        async move {
            let mut response = api.answer(request, sent, peer, &upgraded).await;
            // Clients such as SDKs keep connections that they may not need again.
            if response.status() != StatusCode::SWITCHING_PROTOCOLS && is_crowded() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(RECEIVE_TIMEOUT)
        .max_buf_size(PARSER_BUFFER)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(wire::Wire::new(stream, heads.clone())), service)
        .with_upgrades()
        .await;
    // What breaks here is the caller's own connection, and hyper answered where it could.
    drop(served);
    if let Some(connection) = Arc::into_inner(upgraded).and_then(OnceLock::into_inner) {
        let connection: web_socket::Connection = connection;
        connection.serve().await;
    }
}

/// Returns true if the caller begins with TLS, which nothing here speaks.
async fn begins_tls(stream: &TcpStream) -> bool {
    let mut first = [0; 1];
    let peeked = tokio::time::timeout(RECEIVE_TIMEOUT, stream.peek(&mut first)).await;
    matches!(peeked, Ok(Ok(1))) && first == [TLS_HANDSHAKE]
}

#[cfg(test)]
mod tests {
    use throttle::ManualClock;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// An API of this kind whose function answers nothing.
    pub(super) fn options(kind: Kind) -> Options {
        let function: Invoke =
            Arc::new(|_, _| Box::pin(std::future::ready(Err(InvokeError::Stopped))));
        Options::of(kind, function, Now::new(ManualClock::default()))
    }

    #[tokio::test]
    async fn idle_connections_leave_room_and_a_full_gateway_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let api = Arc::new(Served::one(options(Kind::WebSocket), address.port()));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&api), 8));
        let mut kept = Vec::new();
        for _ in 0..20 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            let mut head = [0; 1024];
            let read = tokio::time::timeout(RECEIVE_TIMEOUT / 2, stream.read(&mut head)).await;
            let read = read.expect("there is room").unwrap();
            assert!(head[..read].starts_with(b"HTTP/1.1 426"));
            kept.push(stream);
        }
        for _ in 0..8 {
            kept.push(TcpStream::connect(address).await.unwrap());
        }
        let is_noted = || api.is_full_noted.load(std::sync::atomic::Ordering::Relaxed);
        for _ in 0..1000 {
            if is_noted() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(is_noted());
        accepting.abort();
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
