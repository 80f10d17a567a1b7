//! The messages of one connection, from its handshake to its end.
//!
//! Messages run at once and in no order, as on AWS, up to [`MAX_RUNNING`] and as long as those of all
//! connections leave a turn: then no more is read until one is done. An answer that waits for its
//! client holds its bytes of the room for all answers, and no turn. What the client has sent is run to
//! the end, even if the client is gone.
//! Limits and close codes are those of the developer guide's pages on quotas and on routes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::super::Kind;
use super::super::responses::RequestId;
use super::end::End;
use super::registry::{Outgoing, Place};
use super::routes::DISCONNECT;
use super::session::Session;
use super::targets::{Event, Target, Targets};
use super::{MAX_MESSAGE, integration};
use crate::log::{Caller, Log, Report};

/// One frame of a message, in bytes.
const MAX_FRAME: usize = 32 * 1024;
/// The messages of one connection that run at once, or whose answers wait to be sent.
const MAX_RUNNING: usize = 16;
/// Time-outs of connections.
pub(super) const PATIENCE: Patience =
    Patience { idle: Duration::from_secs(10 * 60), lifetime: Duration::from_secs(2 * 60 * 60) };
/// The time that the other side has to confirm a close.
const PARTING: Duration = Duration::from_secs(1);
/// The time that the other side has to take a message.
const SENDING: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// The longest time that a connection may be silent.
    pub(super) idle: Duration,
    /// The longest life of a connection.
    pub(super) lifetime: Duration,
}

/// The data that a connection's messages are answered with.
pub(super) struct Talk {
    pub(super) session: Session,
    pub(super) targets: Arc<Targets>,
    pub(super) caller: Option<Caller>,
    pub(super) log: Log,
}

/// The byte stream of a connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

type Running = JoinSet<Option<Outgoing>>;

impl Talk {
    /// Holds a connection until one side has enough, and runs what is left of it.
    pub(super) async fn hold(
        self: Arc<Self>,
        stream: impl Stream,
        mut place: Place,
        patience: Patience,
    ) {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_FRAME));
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        let mut running = Running::new();
        let end = tokio::select! {
            end = self.converse(&mut socket, &mut place, &mut running, patience.idle) => end,
            () = sleep(patience.lifetime) => End::ours(CloseCode::Away),
        };
        // From here on it is gone for the management API.
        drop(place);
        let part = async {
            if !end.is_theirs {
                part(&mut socket, end.code.into()).await;
            }
            drop(socket);
        };
        let finish = async { while running.join_next().await.is_some() {} };
        tokio::join!(part, self.disconnect(&end), finish);
    }

    /// Passes messages on in both directions, until the connection is to end.
    async fn converse(
        self: &Arc<Self>,
        socket: &mut WebSocketStream<impl Stream>,
        place: &mut Place,
        running: &mut Running,
        idle: Duration,
    ) -> End {
        let mut next: Option<String> = None;
        loop {
            let reply = tokio::select! {
                message = socket.next(), if next.is_none() && running.len() < MAX_RUNNING => {
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            place.info.touch(self.session.now.millis());
                            next = Some(text.as_str().to_owned());
                        }
                        Some(Ok(Message::Binary(_))) => return End::ours(CloseCode::Unsupported),
                        // The library answers while it reads on.
                        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                        Some(Ok(Message::Close(frame))) => {
                            let rest = async { while let Some(Ok(_)) = socket.next().await {} };
                            let _ = timeout(PARTING, rest).await;
                            return End::theirs(frame);
                        }
                        Some(Err(Error::Capacity(_))) => return End::ours(CloseCode::Size),
                        Some(Err(Error::Utf8(_))) => return End::ours(CloseCode::Invalid),
                        Some(Err(Error::Protocol(error))) => return End::broken(&error),
                        Some(Err(_)) | None => return End::lost(),
                    }
                    None
                }
                Ok(turn) = Arc::clone(&place.turns).acquire_owned(), if next.is_some() => {
                    if let Some(text) = next.take() {
                        let answer = Arc::clone(self).answer(text);
                        let room = Arc::clone(&place.answers);
                        running.spawn(async move {
                            let answer = Outgoing::answer(answer.await?, room).await;
                            // A client that does not read keeps no turn from others.
                            drop(turn);
                            answer
                        });
                    }
                    None
                }
                Some(done) = running.join_next(), if !running.is_empty() => done.ok().flatten(),
                message = place.outgoing.recv() => match message {
                    Some(message) => Some(message),
                    None => return End::ours(CloseCode::Normal),
                },
                () = sleep(idle) => return End::ours(CloseCode::Away),
            };
            if let Some(reply) = reply {
                place.info.touch(self.session.now.millis());
                match timeout(SENDING, send(socket, &reply.text)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return End::lost(),
                }
            }
        }
    }

    /// Runs a message; the text that goes back to the client, if any does.
    async fn answer(self: Arc<Self>, message: String) -> Option<String> {
        let id = RequestId::new(Kind::WebSocket);
        let size = message.len();
        let Some(target) = self.targets.of_message(&message) else {
            self.report("-", format!("message of {size} bytes, no route takes it"));
            return Some(self.session.own_message(&id, "Forbidden"));
        };
        let route = &target.route;
        let event = self.session.message(&id, &route.key, message);
        match self.run(target, event).await {
            Ok(Outcome { reply, failure }) => {
                let failure = failure.map(|failure| format!(", answered {failure}"));
                let failure = failure.unwrap_or_default();
                self.report(&route.key, format!("message of {size} bytes{failure}"));
                reply
            }
            Err(reason) => {
                self.complain(&route.key, format!("message of {size} bytes: {reason}"));
                Some(self.session.own_message(&id, "Internal server error"))
            }
        }
    }

    /// Calls the target of a route with an event.
    async fn run(&self, target: &Target, event: Event) -> Result<Outcome, String> {
        if target.is_echo() {
            return Ok(Outcome { reply: Some(event.value.to_string()), failure: None });
        }
        if let Some(reason) = target.why_unserved() {
            return Err(reason.to_owned());
        }
        let responds = target.route.responds;
        let called = target.call(&self.session, event).await;
        let answer = called.map_err(|fault| integration::reason(&fault))?;
        if answer.body.len() > MAX_MESSAGE && responds {
            return Err("the answer's body is larger than 128 KB".to_owned());
        }
        let is_sent = responds && !answer.body.is_empty();
        let reply = is_sent.then(|| String::from_utf8_lossy(&answer.body).into_owned());
        let failure = (!answer.status.is_success()).then(|| answer.shown());
        Ok(Outcome { reply, failure })
    }

    /// Calls the route `$disconnect`, and reports the end.
    pub(super) async fn disconnect(&self, end: &End) {
        let how = match end {
            End { is_theirs: true, .. } => "closed by the caller".to_owned(),
            End { code, .. } => format!("closed with code {code}"),
        };
        let Some(target) = self.targets.get(DISCONNECT) else {
            return self.report(DISCONNECT, how);
        };
        match self.run(target, self.session.disconnect(end)).await {
            Ok(_) => self.report(DISCONNECT, how),
            Err(reason) => self.complain(DISCONNECT, format!("{how}: {reason}")),
        }
    }

    fn report(&self, route: &str, event: String) {
        self.log.report(Report {
            method: "WS".to_owned(),
            path: route.to_owned(),
            caller: self.caller.clone(),
            reason: Some(event),
            ..Report::default()
        });
    }

    /// Reports a fault; where no reports are printed, in a line of its own.
    fn complain(&self, route: &str, fault: String) {
        if !self.log.has_reports() {
            self.log.note(format!("WS {route}: {fault}"));
        }
        self.report(route, fault);
    }
}

/// The outcome of a route's integration.
struct Outcome {
    reply: Option<String>,
    /// The integration's status and why, if it is not a success.
    failure: Option<String>,
}

/// Sends a text, in frames of the length that API Gateway has.
async fn send(socket: &mut WebSocketStream<impl Stream>, text: &str) -> Result<(), Error> {
    let mut rest = Bytes::copy_from_slice(text.as_bytes());
    let mut kind = Data::Text;
    loop {
        let frame = rest.split_to(rest.len().min(MAX_FRAME));
        let frame = Frame::message(frame, OpCode::Data(kind), rest.is_empty());
        socket.feed(Message::Frame(frame)).await?;
        if rest.is_empty() {
            return socket.flush().await;
        }
        kind = Data::Continue;
    }
}

/// Says why it ends, and gives the other side a moment to hear it.
async fn part(socket: &mut WebSocketStream<impl Stream>, code: CloseCode) {
    let frame = CloseFrame { code, reason: "".into() };
    if socket.close(Some(frame)).await.is_err() {
        return;
    }
    let stream = socket.get_mut();
    let parting = async {
        stream.shutdown().await?;
        // Unread bytes would turn the close into a reset, and the close code would be lost.
        tokio::io::copy(stream, &mut tokio::io::sink()).await
    };
    let _ = timeout(PARTING, parting).await;
}
