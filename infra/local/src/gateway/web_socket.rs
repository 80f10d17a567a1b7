//! A WebSocket API's connections.
//!
//! ```text
//! handshake ─> authorizer ─> $connect ─> connection ─> messages ─> routes ─> integrations
//!                                             ^                                  │
//!                                          registry <──── @connections <─────────┘
//! ```
//!
//! The authorizer is asked once, at `$connect`; its context goes with every message. The integration
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
mod targets;
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
pub(super) use targets::Targets;

/// A message, in bytes; a longer one is the connection's end.
const MAX_MESSAGE: usize = 128 * 1024;

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
    targets: &Arc<Targets>,
) -> Result<Decision, Fault> {
    let session = Session::new(asked, grant);
    let protocol = match targets.get(routes::CONNECT) {
        None => None,
        Some(target) if target.is_echo() => {
            // A backend refuses a throttled caller, if nothing did before.
            if grant.is_throttled() {
                return Err(Refusal::Throttled.into());
            }
            first_offer(&asked.head)
        }
        Some(target) => {
            if let Some(reason) = target.why_unserved() {
                return Ok(unserved(reason));
            }
            let answer = target.call(&session, session.connect(asked)).await?;
            if !answer.status.is_success() {
                let reason = format!("the integration of $connect answered {}", answer.shown());
                return Ok(refused(answer.status, answer.body, reason));
            }
            answer.protocol
        }
    };
    // The function of `$connect` could not send to it yet, as on AWS.
    let registry = &asked.options.connections;
    let place = registry.open(&session.id, session.connected_at, session.identity.clone());
    let log = asked.options.log.clone();
    let talk = Talk { session, targets: Arc::clone(targets), caller, log };
    let connection = Connection { upgrade, talk: Arc::new(talk), place };
    Ok(Decision::Accepted(Box::new(connection), protocol))
}

fn unserved(reason: &str) -> Decision {
    let body = json!({ "message": reason }).to_string();
    refused(StatusCode::NOT_IMPLEMENTED, body.into(), reason.to_owned())
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
