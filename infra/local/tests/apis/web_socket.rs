//! WebSocket APIs, by a real WebSocket.

use local::gateway::{Keys, Kind};
use serde_json::{Value, json};
use throttle::Plan;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::api::{Api, caching, error, policy, sources, with};
use crate::socket::Socket;

const KIND: Kind = Kind::WebSocket;
const TOKEN: [(&str, &str); 1] = [("authorization", "Bearer t")];

fn allowed() -> Value {
    let allow = policy(KIND, &[("Allow", "$connect")]);
    with(allow, "context", json!({"plan": "free", "remaining": 3}))
}

#[tokio::test]
async fn the_authorizer_is_asked_once_and_its_context_goes_with_every_message() {
    let api = Api::start(KIND, Ok(allowed())).await;
    let mut socket = Socket::connect(&api.gateway.url(), &TOKEN).await.unwrap();
    let first = socket.ask(r#"{"action":"echo","n":1}"#).await;
    assert_eq!(first["body"], r#"{"action":"echo","n":1}"#);
    let context = &first["requestContext"];
    assert_eq!(context["routeKey"], "echo");
    assert_eq!(context["eventType"], "MESSAGE");
    let authorizer = json!({"plan": "free", "principalId": "alice", "remaining": "3"});
    assert_eq!(context["authorizer"], authorizer);
    let second = socket.ask("no json").await;
    assert_eq!(second["requestContext"]["routeKey"], "$default");
    assert_eq!(second["requestContext"]["connectionId"], context["connectionId"]);
    assert_ne!(second["requestContext"]["messageId"], context["messageId"]);
    socket.close().await;

    let asked = api.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0]["methodArn"].as_str().unwrap().ends_with("/local/$connect"));
    assert_eq!(asked[0]["requestContext"]["connectionId"], context["connectionId"]);
    assert_eq!(asked[0]["headers"]["authorization"], "Bearer t");
}

#[tokio::test]
async fn a_refusal_answers_the_handshake() {
    let denied = Ok(policy(KIND, &[("Deny", "*")]));
    let silent = Ok(policy(KIND, &[("Allow", "GET/orders")]));
    let throttled = Ok(with(allowed(), "context", json!({"throttled": true})));
    for (answer, status, message) in [
        (error("Unauthorized"), 401, "Unauthorized"),
        (denied, 403, "Forbidden"),
        (silent, 403, "Forbidden"),
        (throttled, 429, "Too Many Requests"),
        (error("table away"), 500, "Internal server error"),
        (Ok(json!("text")), 500, "Internal server error"),
    ] {
        let api = Api::start(KIND, answer).await;
        let refused = Socket::connect(&api.gateway.url(), &TOKEN).await.err().unwrap();
        assert_eq!(refused.0, status, "{refused:?}");
        let body: Value = serde_json::from_str(&refused.1).unwrap();
        assert_eq!(body["message"], message);
        assert!(body["connectionId"].is_string() && body["requestId"].is_string());
    }
}

#[tokio::test]
async fn a_missing_identity_source_and_what_is_no_handshake_are_not_asked_about() {
    let api = Api::start_with(KIND, Ok(allowed()), |options| {
        sources(options, &["route.request.querystring.token"]);
    })
    .await;
    let url = api.gateway.url();
    assert_eq!(Socket::connect(&url, &TOKEN).await.err().unwrap().0, 401);
    let elsewhere = format!("{url}/elsewhere?token=t");
    assert_eq!(Socket::connect(&elsewhere, &TOKEN).await.err().unwrap().0, 403);
    let plain = api.call("GET /?token=t").await;
    assert_eq!(plain.headers()["upgrade"], "websocket");
    assert_eq!(plain.status(), 426);
    assert!(api.asked().is_empty());

    let url = format!("{url}/?token=t");
    let offer = [("sec-websocket-protocol", "bearer, eyJ")];
    let socket = Socket::connect(&url, &offer).await.unwrap();
    assert_eq!(socket.handshake.headers()["sec-websocket-protocol"], "bearer");
    assert_eq!(api.asked()[0]["queryStringParameters"], json!({"token": "t"}));
    socket.close().await;
}

#[tokio::test]
async fn nothing_is_kept_between_connections() {
    let api = Api::start_with(KIND, Ok(allowed()), |options| {
        caching(options);
        sources(options, &["route.request.header.Authorization"]);
    })
    .await;
    for _ in 0..2 {
        Socket::connect(&api.gateway.url(), &TOKEN).await.unwrap().close().await;
    }
    assert_eq!(api.asked().len(), 2);
}

#[tokio::test]
async fn messages_have_the_real_services_limits() {
    let api = Api::start(KIND, Ok(allowed())).await;
    let connect = || async { Socket::connect(&api.gateway.url(), &TOKEN).await.unwrap() };

    let mut socket = connect().await;
    let longest = "a".repeat(32 * 1024);
    assert_eq!(socket.ask(&longest).await["body"], longest);
    socket.send(Message::text("a".repeat(32 * 1024 + 1))).await;
    assert_eq!(socket.ended().await, 1009, "a frame over 32 KB");

    let mut socket = connect().await;
    let piece = |opcode, last| {
        Message::Frame(Frame::message("a".repeat(32 * 1024), OpCode::Data(opcode), last))
    };
    socket.send(piece(Data::Text, false)).await;
    for _ in 0..3 {
        socket.send(piece(Data::Continue, false)).await;
    }
    socket.send(piece(Data::Continue, true)).await;
    assert_eq!(socket.ended().await, 1009, "a message over 128 KB");

    let mut socket = connect().await;
    socket.send(Message::binary(vec![0])).await;
    assert_eq!(socket.ended().await, 1003, "binary");
}

#[tokio::test]
async fn an_unknown_key_is_403_and_a_plan_over_its_limit_429() {
    const KEY: &str = "a-key-of-more-than-twenty-characters";
    let keyed = |answer: Value| {
        Api::start_with(KIND, Ok(answer), |options| {
            let plan = Plan::from_json(r#"{"quota":{"limit":1,"period":"DAY"}}"#).unwrap();
            options.keys = Some(Keys::one(KEY, Some(&plan), &options.now));
        })
    };
    let api = keyed(allowed()).await;
    assert_eq!(Socket::connect(&api.gateway.url(), &TOKEN).await.err().unwrap().0, 403);
    let api = keyed(with(allowed(), "usageIdentifierKey", json!(KEY))).await;
    Socket::connect(&api.gateway.url(), &TOKEN).await.unwrap().close().await;
    let (status, body) = Socket::connect(&api.gateway.url(), &TOKEN).await.err().unwrap();
    assert_eq!(status, 429);
    assert!(body.starts_with(r#"{"message":"Limit Exceeded""#), "{body}");
}

#[tokio::test]
async fn a_connection_ends_with_its_api() {
    let api = Api::start(KIND, Ok(allowed())).await;
    let mut socket = Socket::connect(&api.gateway.url(), &TOKEN).await.unwrap();
    socket.ask("hello").await;
    api.gateway.shutdown().await;
    socket.gone().await;
}
