use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::*;
use crate::clock::Now;
use crate::log::Log;

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

fn talk() -> Talk {
    let session = Session {
        id: "id=".to_owned(),
        api: "api".to_owned(),
        stage: "Prod".to_owned(),
        domain: "127.0.0.1:1".to_owned(),
        peer: [127, 0, 0, 1].into(),
        identity: Value::Null,
        authorizer: None,
        variables: std::collections::BTreeMap::new(),
        connected_at: 0,
        now: Now::new(throttle::ManualClock::default()),
    };
    let options = crate::gateway::options::tests::options(crate::gateway::Kind::WebSocket);
    Talk { session, targets: Arc::new(Targets::new(&options)), caller: None, log: Log::default() }
}

#[tokio::test]
async fn a_silent_connection_ends_and_so_does_an_old_one() {
    use std::time::Duration;
    let (short, long) = (Duration::from_millis(10), Duration::from_secs(3600));
    for (idle, lifetime) in [(short, long), (long, short)] {
        let registry = Arc::new(Registry::default());
        let place = registry.open("id=", 0, Value::Null);
        let (ours, theirs) = tokio::io::duplex(1024);
        let patience = talk::Patience { idle, lifetime };
        let held = tokio::spawn(Arc::new(talk()).hold(ours, place, patience));
        let mut client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
        match client.next().await {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Away),
            other => panic!("{other:?}"),
        }
        assert!(registry.info("id=").is_none(), "it is gone for the management API");
        drop(client);
        held.await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_is_not_read_holds_its_bytes_and_no_turn() {
    let registry = Arc::new(Registry::default());
    let place = registry.open("id=", 0, Value::Null);
    let (turns, room) = (Arc::clone(&place.turns), Arc::clone(&place.answers));
    let (all_turns, whole_room) = (turns.available_permits(), room.available_permits());
    // No answer fits.
    let (ours, theirs) = tokio::io::duplex(16);
    let held = tokio::spawn(Arc::new(talk()).hold(ours, place, talk::PATIENCE));
    let mut client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    client.send(Message::text("a")).await.unwrap();
    let mut seen = (0, 0);
    for _ in 0..1000 {
        seen = (turns.available_permits(), room.available_permits());
        if seen.1 < whole_room && seen.0 == all_turns {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let answer = client.next().await.unwrap().unwrap().into_text().unwrap();
    assert_eq!(seen, (all_turns, whole_room - answer.len()));
    drop(client);
    held.await.unwrap();
    assert_eq!((turns.available_permits(), room.available_permits()), (all_turns, whole_room));
}

#[test]
fn a_failed_answer_is_shown_with_its_first_line() {
    let shown = |body: &'static str| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let body = Bytes::from_static(body.as_bytes());
        integration::Answer { status, protocol: None, body }.shown()
    };
    assert_eq!(shown(""), "500");
    assert_eq!(shown("Error: no table\n    at send.js"), "500: Error: no table");
    let called = shown("Error: write EPROTO 4007\n    at send.js");
    assert!(called.contains("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"), "{called}");
    let long = Bytes::from("ä".repeat(10_000));
    let answer = integration::Answer { status: StatusCode::FORBIDDEN, protocol: None, body: long };
    assert_eq!(answer.shown().chars().count(), "403: ".len() + 200);
}
