//! A WebSocket API's connections: the handshake's end, and what becomes of messages.
//!
//! The authorizer is asked once, at `$connect`; its context goes with every message. A message in
//! JSON takes the route that its `action` names (`$request.body.action`), which is `echo` or one of
//! the template's, any other takes `$default`. They are answered with what a backend would see.
//! Limits and close codes are those of the developer guide's pages on quotas and on routes.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::request::Parts;
use http::{HeaderValue, Request, Response, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::asked::Asked;
use super::authorizer::Grant;
use super::responses::{Refusal, RequestId};
use super::{Kind, event};
use crate::clock::Now;
use crate::log::{Caller, Log, Report};

/// A message, in bytes; a longer one is the connection's end.
const MAX_MESSAGE: usize = 128 * 1024;
/// One frame of it, in bytes.
const MAX_FRAME: usize = 32 * 1024;
/// Time-outs of connections.
const PATIENCE: Patience =
    Patience { idle: Duration::from_secs(10 * 60), lifetime: Duration::from_secs(2 * 60 * 60) };
/// The time that the other side has to confirm a close.
const PARTING: Duration = Duration::from_secs(1);

/// The only route in addition to those that every WebSocket API can have.
const ECHO: &str = "echo";
const DEFAULT: &str = "$default";

/// Looks whether a request is a handshake at all, and answers it.
///
/// Of the subprotocols that are offered the first is taken, as a `$connect` integration must do
/// where a client offers any: to a browser that offers `bearer` and a token this says `bearer`.
pub(super) fn handshake(head: &Parts) -> Result<Response<()>, Refusal> {
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers.clone();
    let mut response = create_response(&request).map_err(|_| Refusal::UpgradeRequired)?;
    let offers = head.headers.get(header::SEC_WEBSOCKET_PROTOCOL);
    let offers = offers.and_then(|offers| offers.to_str().ok()).unwrap_or_default();
    let first = offers.split(',').map(str::trim).find(|offer| !offer.is_empty());
    if let Some(Ok(first)) = first.map(HeaderValue::from_str) {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, first);
    }
    Ok(response)
}

#[derive(Clone, Copy)]
struct Patience {
    /// The longest time that a connection may be silent.
    idle: Duration,
    /// The longest life of a connection.
    lifetime: Duration,
}

/// One connection that was let in.
pub(super) struct Connection {
    upgrade: OnUpgrade,
    talk: Talk,
}

/// The data that messages are answered with.
struct Talk {
    id: String,
    api: String,
    stage: String,
    domain: String,
    /// The caller's address and user agent.
    identity: Value,
    /// None for a route without an authorizer.
    authorizer: Option<Map<String, Value>>,
    /// The routes of a definition.
    routes: Vec<String>,
    connected_at: u64,
    now: Now,
    caller: Option<Caller>,
    log: Log,
}

impl Connection {
    pub(super) fn new(
        asked: &Asked<'_>,
        grant: &Grant,
        upgrade: OnUpgrade,
        report: &Report,
    ) -> Self {
        let mut authorizer = grant.context.clone();
        authorizer.insert("principalId".to_owned(), json!(grant.principal_id));
        let now = asked.options.now.clone();
        let talk = Talk {
            id: asked.id.connection(),
            api: asked.options.api_id().to_owned(),
            stage: asked.options.stage().to_owned(),
            routes: asked.options.socket_routes.clone(),
            domain: asked.domain(),
            identity: event::caller(asked),
            authorizer: (!grant.is_open()).then_some(authorizer),
            connected_at: now.millis(),
            now,
            caller: report.caller.clone(),
            log: asked.options.log.clone(),
        };
        Self { upgrade, talk }
    }

    /// Answers messages until one side has enough.
    pub(super) async fn serve(self) {
        if let Ok(upgraded) = self.upgrade.await {
            self.talk.hold(TokioIo::new(upgraded), PATIENCE).await;
        }
    }
}

impl Talk {
    async fn hold(&self, stream: impl Stream, patience: Patience) {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_FRAME));
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        let code = tokio::select! {
            code = self.converse(&mut socket, patience.idle) => code,
            () = tokio::time::sleep(patience.lifetime) => Some(CloseCode::Away),
        };
        match code {
            Some(code) => {
                self.report("$disconnect", format!("closed with code {code}"));
                part(&mut socket, code).await;
            }
            None => self.report("$disconnect", "closed by the caller".to_owned()),
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

    /// Answers one message after another; the code to part with, or none where it is over.
    async fn converse(
        &self,
        socket: &mut WebSocketStream<impl Stream>,
        idle: Duration,
    ) -> Option<CloseCode> {
        loop {
            let Ok(message) = tokio::time::timeout(idle, socket.next()).await else {
                return Some(CloseCode::Away);
            };
            match message {
                Some(Ok(Message::Text(text))) => {
                    self.report(
                        self.route(&text).unwrap_or("-"),
                        format!("message of {} bytes", text.len()),
                    );
                    let answer = self.answer(&text).to_string();
                    socket.send(Message::text(answer)).await.ok()?;
                }
                Some(Ok(Message::Binary(_))) => return Some(CloseCode::Unsupported),
                // The library answers a ping and a close by itself, while it reads on.
                Some(Ok(
                    Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Close(_),
                )) => {}
                Some(Err(Error::Capacity(_))) => return Some(CloseCode::Size),
                Some(Err(Error::Utf8(_))) => return Some(CloseCode::Invalid),
                Some(Err(Error::Protocol(_))) => return Some(CloseCode::Protocol),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The route that a message takes, if there is one.
    fn route(&self, message: &str) -> Option<&str> {
        if self.routes.is_empty() {
            return Some(route(message));
        }
        let message: Option<Value> = serde_json::from_str(message).ok();
        let action = message.as_ref().and_then(|message| message.get("action")?.as_str());
        let named = |name: &str| self.routes.iter().find(|route| *route == name);
        let own = action.filter(|action| !action.starts_with('$')).and_then(named);
        own.or_else(|| named(DEFAULT)).map(String::as_str)
    }

    /// Returns the event that a backend would receive for a message, or API Gateway's answer to one
    /// that takes no route.
    ///
    /// Its members are those that a README of AWS's serverless patterns shows of a deployed API.
    fn answer(&self, message: &str) -> Value {
        let now_ms = self.now.millis();
        let id = RequestId::new(Kind::WebSocket);
        let Some(route) = self.route(message) else {
            return json!({
                "message": "Forbidden", "connectionId": self.id, "requestId": id.as_str(),
            });
        };
        let mut context = json!({
            "routeKey": route,
            "messageId": id.connection(),
            "eventType": "MESSAGE",
            "extendedRequestId": id.extended(),
            "requestTime": event::time(now_ms),
            "messageDirection": "IN",
            "stage": self.stage,
            "connectedAt": self.connected_at,
            "requestTimeEpoch": now_ms,
            "identity": self.identity,
            "requestId": id.as_str(),
            "domainName": self.domain,
            "connectionId": self.id,
            "apiId": self.api,
        });
        if let (Some(context), Some(authorizer)) = (context.as_object_mut(), &self.authorizer) {
            context.insert("authorizer".to_owned(), json!(authorizer));
        }
        json!({"requestContext": context, "body": message, "isBase64Encoded": false})
    }
}

/// The byte stream of a connection.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// The route that a message takes.
fn route(message: &str) -> &'static str {
    let message: Option<Value> = serde_json::from_str(message).ok();
    let action = message.as_ref().and_then(|message| message.get("action")?.as_str());
    if action == Some(ECHO) { ECHO } else { DEFAULT }
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
    let _ = tokio::time::timeout(PARTING, parting).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(change: impl FnOnce(&mut Parts)) -> Parts {
        let request = Request::builder()
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        change(&mut head);
        head
    }

    #[test]
    fn the_handshake_is_that_of_rfc_6455() {
        let response = handshake(&head(|_| {})).unwrap();
        assert_eq!(response.status(), 101);
        // The example of section 1.3.
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!response.headers().contains_key("sec-websocket-protocol"));
        let offer = |head: &mut Parts| {
            let offer = HeaderValue::from_static("bearer, eyJ");
            head.headers.insert("sec-websocket-protocol", offer);
        };
        let response = handshake(&head(offer)).unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "bearer");
    }

    #[test]
    fn what_is_no_handshake_is_told_to_upgrade() {
        for missing in ["connection", "upgrade", "sec-websocket-version", "sec-websocket-key"] {
            let refused = handshake(&head(|head| drop(head.headers.remove(missing))));
            assert_eq!(refused.unwrap_err(), Refusal::UpgradeRequired, "{missing}");
        }
        let old = |head: &mut Parts| {
            head.headers.insert("sec-websocket-version", HeaderValue::from_static("8"));
        };
        assert!(handshake(&head(old)).is_err());
        assert!(handshake(&head(|head| head.method = http::Method::POST)).is_err());
    }

    fn talk(routes: &[&str]) -> Talk {
        Talk {
            id: "id".to_owned(),
            api: "api".to_owned(),
            stage: "Prod".to_owned(),
            routes: routes.iter().map(|route| (*route).to_owned()).collect(),
            domain: "127.0.0.1".to_owned(),
            identity: Value::Null,
            authorizer: None,
            connected_at: 0,
            now: Now::new(throttle::ManualClock::default()),
            caller: None,
            log: Log::default(),
        }
    }

    #[test]
    fn a_message_takes_a_route_of_the_definition_or_is_forbidden() {
        let chat = talk(&["$connect", "send"]);
        let sent = chat.answer(r#"{"action": "send"}"#);
        let context = &sent["requestContext"];
        assert_eq!((&context["routeKey"], &context["stage"]), (&json!("send"), &json!("Prod")));
        for other in ["text", r#"{"action": "$connect"}"#, r#"{"action": "echo"}"#] {
            assert_eq!(chat.answer(other)["message"], "Forbidden", "{other}");
        }
        let with_default = talk(&["$default"]).answer("text");
        assert_eq!(with_default["requestContext"]["routeKey"], "$default");
    }

    #[tokio::test]
    async fn a_silent_connection_ends_and_so_does_an_old_one() {
        let (short, long) = (Duration::from_millis(10), Duration::from_secs(3600));
        for (idle, lifetime) in [(short, long), (long, short)] {
            let talk = talk(&[]);
            let (ours, theirs) = tokio::io::duplex(1024);
            let held = tokio::spawn(async move {
                talk.hold(ours, Patience { idle, lifetime }).await;
            });
            let mut client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
            match client.next().await {
                Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Away),
                other => panic!("{other:?}"),
            }
            drop(client);
            held.await.unwrap();
        }
    }

    #[test]
    fn only_json_with_a_known_action_takes_a_route_of_its_own() {
        assert_eq!(route(r#"{"action": "echo", "more": 1}"#), "echo");
        for other in ["", "echo", r#"{"action":"$connect"}"#, r#"{"action":1}"#, r#"["action"]"#] {
            assert_eq!(route(other), "$default", "{other}");
        }
    }
}
