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

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

mod accept;
mod api;
mod aside;
mod asked;
mod authorizer;
mod backend;
mod body;
mod cache;
mod cors;
mod customized;
mod evaluate;
mod event;
mod expression;
mod identity;
mod kind;
mod options;
mod pattern;
mod proxy;
mod report;
mod responses;
mod route;
mod served;
mod usage;
mod validation;
mod web_socket;
mod wire;

use accept::accept;
pub use backend::{
    Address, IntegrationResponse, Mapping, Passthrough, ResponseMappings, Templates,
};
pub use cors::Cors;
pub use expression::Expression;
pub use identity::{Source, SourceError};
pub use kind::{Kind, Payload};
pub use options::{GatewayResponse, Integration, Invoke, KeySource, Options};
pub use pattern::{Pattern, PatternError};
pub(crate) use responses::unsendable;
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
/// The largest head that the HTTP parser accepts, in bytes; it answers larger ones itself.
const PARSER_BUFFER: usize = 64 * 1024;
/// The number of connections that may be open at once; more wait. If half of them are, each that is
/// not a WebSocket is closed after its next answer.
const MAX_CONNECTIONS: usize = 1024;
/// The time that a caller has for its request's head, and again for its body.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(30);

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
