//! A WebSocket API's connections.
//!
//! ```text
//! handshake ─> authorizer ─> $connect ─> connection ─> messages ─> routes ─> functions
//!                                             ^                                  │
//!                                          registry <──── @connections <─────────┘
//! ```
//!
//! The authorizer is asked once, at `$connect`; its context goes with every message. The function
//! of `$connect` decides on the handshake. An API without a definition answers messages with what a
//! function would see.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::server::create_response;

use super::Integration;
use super::asked::Asked;
use super::authorizer::Grant;
use super::backend::Fault;
use super::responses::Refusal;
use crate::log::Caller;

mod end;
mod integration;
pub(super) mod management;
pub(super) mod protocol;
mod registry;
mod routes;
mod selection;
mod session;
mod talk;
#[cfg(test)]
mod tests;

use end::End;
use protocol::first_offer;
use registry::Place;
pub use registry::Registry;
pub use routes::{SocketRoute, SocketRoutes};
pub use selection::{Selection, SelectionError};
use session::Session;
use talk::{PATIENCE, Talk};

/// A message, in bytes; a longer one is the connection's end.
const MAX_MESSAGE: usize = 128 * 1024;
/// The integrations of a template that are not served behind a WebSocket API.
const HTTP: &str = "an HTTP integration of a WebSocket API";
const NO_PROXY: &str = "a function's integration of a WebSocket API that is not a proxy";

/// Looks whether a request is a handshake at all, and answers it.
pub(super) fn handshake(head: &Parts) -> Result<Response<()>, Refusal> {
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers.clone();
    create_response(&request).map_err(|_| Refusal::UpgradeRequired)
}

/// The decision of `$connect` on a handshake.
pub(super) enum Decision {
    /// A connection with this subprotocol.
    Accepted(Box<Connection>, Option<HeaderValue>),
    /// A refusal, with the reason for the log.
    Refused(Response<Full<Bytes>>, String),
}

/// One connection that was let in.
pub(super) struct Connection {
    upgrade: OnUpgrade,
    talk: Arc<Talk>,
    place: Place,
}

/// Asks the integration of `$connect`, if there is one.
pub(super) async fn decide(
    asked: &Asked<'_>,
    grant: &Grant,
    upgrade: OnUpgrade,
    caller: Option<Caller>,
) -> Result<Decision, Fault> {
    let session = Session::new(asked, grant);
    let routes = &asked.options.socket;
    let protocol = match routes.get(routes::CONNECT).map(|route| (route, &route.integration)) {
        Some((_, Integration::Echo)) => {
            // A backend refuses a throttled caller, if nothing did before.
            if grant.is_throttled() {
                return Err(Refusal::Throttled.into());
            }
            first_offer(&asked.head)
        }
        Some((route, Integration::Function(invoke))) => {
            let event = session.connect(asked);
            let answer = integration::call(invoke, event, route.timeout).await?;
            if !answer.status.is_success() {
                let reason = format!("the function of $connect answered {}", answer.shown());
                return Ok(refused(answer.status, answer.body, reason));
            }
            answer.protocol
        }
        Some((_, Integration::Mock(_))) | None => None,
        Some((_, Integration::Unserved(reason))) => return Ok(unserved(reason)),
        Some((_, Integration::Custom(..))) => return Ok(unserved(NO_PROXY)),
        Some((_, Integration::Http(_) | Integration::Address(_))) => return Ok(unserved(HTTP)),
    };
    // The function of `$connect` could not send to it yet, as on AWS.
    let registry = &asked.options.connections;
    let place = registry.open(&session.id, session.connected_at, session.identity.clone());
    let talk = Talk { session, routes: Arc::clone(routes), caller, log: asked.options.log.clone() };
    let connection = Connection { upgrade, talk: Arc::new(talk), place };
    Ok(Decision::Accepted(Box::new(connection), protocol))
}

fn unserved(reason: &str) -> Decision {
    let reason = format!("local cannot serve this: {reason}");
    let body = json!({ "message": reason }).to_string();
    refused(StatusCode::NOT_IMPLEMENTED, body.into(), reason)
}

fn refused(status: StatusCode, body: Bytes, reason: String) -> Decision {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Decision::Refused(response, reason)
}

impl Connection {
    /// Answers messages until one side has enough.
    pub(super) async fn serve(self) {
        match self.upgrade.await {
            Ok(upgraded) => self.talk.hold(TokioIo::new(upgraded), self.place, PATIENCE).await,
            Err(_) => {
                drop(self.place);
                self.talk.disconnect(&End::lost()).await;
            }
        }
    }
}
