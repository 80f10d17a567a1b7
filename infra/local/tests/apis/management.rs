//! A WebSocket API's management API: `@connections`.

use local::gateway::Kind;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::api::{Api, policy, seen};
use crate::socket::Socket;
use crate::socket_routes::start;

const KIND: Kind = Kind::WebSocket;
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=a/b/us-east-1/execute-api/aws4_request";

/// An echo with a connection, and the connection's id.
async fn connected() -> (Api, Socket, String) {
    let api = Api::start(KIND, Ok(policy(KIND, &[("Allow", "*")]))).await;
    let mut socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
    let id = id_of(&mut socket).await;
    (api, socket, id)
}

async fn id_of(socket: &mut Socket) -> String {
    socket.ask("x").await["requestContext"]["connectionId"].as_str().unwrap().to_owned()
}

async fn call(api: &Api, method: Method, path: &str, body: &str) -> Response {
    let request = api.request(&format!("{method} {path}")).header("authorization", SIGNED);
    request.body(body.to_owned()).send().await.unwrap()
}

#[tokio::test]
async fn a_message_is_sent_by_every_form_of_the_address() {
    let (api, mut socket, id) = connected().await;
    let encoded = id.replace('=', "%3D");
    for path in [
        format!("/@connections/{id}"),
        format!("/local/@connections/{id}"),
        format!("/local/%40connections/{encoded}"),
        format!("/%40connections/{encoded}"),
    ] {
        let response = call(&api, Method::POST, &path, &path).await;
        assert!(response.headers().contains_key("x-amzn-requestid"));
        assert_eq!(seen(response).await, (200, String::new()));
        assert_eq!(socket.text().await, path);
    }
    assert!(api.asked().len() == 1, "the authorizer is not asked");
}

#[tokio::test]
async fn a_connection_is_described_and_closed() {
    let (api, socket, id) = connected().await;
    let path = format!("/@connections/{id}");
    let info: Value = call(&api, Method::GET, &path, "").await.json().await.unwrap();
    assert_eq!(
        info,
        json!({
            "connectedAt": "2026-11-21T09:00:00.000Z",
            "identity": {"sourceIp": "127.0.0.1", "userAgent": ""},
            "lastActiveAt": "2026-11-21T09:00:00.000Z",
        })
    );
    assert_eq!(seen(call(&api, Method::POST, &path, "last").await).await.0, 200);
    assert_eq!(seen(call(&api, Method::DELETE, &path, "").await).await, (204, String::new()));
    assert_eq!(socket.ended().await, 1000);
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let response = call(&api, method, &path, "").await;
        assert_eq!(response.headers()["x-amzn-errortype"], "GoneException");
        assert_eq!(seen(response).await, (410, String::new()));
    }
}

#[tokio::test]
async fn the_time_of_the_last_message_is_known() {
    let (api, mut socket, id) = connected().await;
    let path = format!("/@connections/{id}");
    let active = async || {
        let info: Value = call(&api, Method::GET, &path, "").await.json().await.unwrap();
        info["lastActiveAt"].as_str().unwrap().to_owned()
    };
    api.clock.advance(std::time::Duration::from_secs(5));
    assert!(active().await.ends_with(":00.000Z"));
    socket.ask("x").await;
    assert!(active().await.ends_with(":05.000Z"));
    api.clock.advance(std::time::Duration::from_secs(5));
    call(&api, Method::POST, &path, "y").await;
    socket.text().await;
    assert!(active().await.ends_with(":10.000Z"));
}

#[tokio::test]
async fn messages_have_128_kb_in_frames_of_32() {
    let (api, mut socket, id) = connected().await;
    let path = format!("/@connections/{id}");
    let longest = "ä".repeat(64 * 1024);
    assert_eq!(seen(call(&api, Method::POST, &path, &longest).await).await.0, 200);
    assert_eq!(socket.text().await, longest);
    let response = call(&api, Method::POST, &path, &format!("{longest}a")).await;
    assert_eq!(response.headers()["x-amzn-errortype"], "PayloadTooLargeException");
    assert_eq!(response.status(), 413);

    call(&api, Method::POST, &path, &longest).await;
    let mut bytes = socket.into_bytes();
    let mut head = [0; 4];
    tokio::io::AsyncReadExt::read_exact(&mut bytes, &mut head).await.unwrap();
    // A text frame that is not the last, with a length of 16 bits.
    assert_eq!(head, [0x01, 126, 0x80, 0x00]);
}

#[tokio::test]
async fn strangers_and_what_is_not_signed_are_refused() {
    let (api, mut socket, id) = connected().await;
    let path = format!("/local/@connections/{id}");
    let post = || api.request(&format!("POST {path}")).body("evil");
    let signed = || post().header("authorization", SIGNED);
    for (request, kind) in [
        (post(), "MissingAuthenticationTokenException"),
        (post().bearer_auth("t"), "MissingAuthenticationTokenException"),
        (signed().header("origin", "https://evil.example"), "ForbiddenException"),
        (signed().header("sec-fetch-site", "cross-site"), "ForbiddenException"),
        (signed().header("host", "evil.example"), "ForbiddenException"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["x-amzn-errortype"], kind);
        assert_eq!(response.status(), 403);
    }
    for (path, status) in [
        (format!("/Prod/@connections/{id}"), 403),
        ("/@connections/".to_owned(), 400),
        ("/@connections/a%0Ab".to_owned(), 400),
        (format!("/@connections/{}", "a".repeat(129)), 400),
        ("/@connections/never-there=".to_owned(), 410),
        (format!("/@connections/{id}/more"), 410),
    ] {
        assert_eq!(call(&api, Method::POST, &path, "").await.status(), status, "{path}");
    }
    let path = format!("/@connections/{id}");
    assert_eq!(call(&api, Method::PUT, &path, "").await.status(), 405);
    call(&api, Method::POST, &path, "mine").await;
    assert_eq!(socket.text().await, "mine", "nothing else was sent");
}

#[tokio::test]
async fn a_connection_is_not_there_before_connect_is_done_nor_at_disconnect() {
    let (api, mut events) = start(&["$connect", "$disconnect"], |_| Ok(json!({}))).await;
    let mut socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
    let connect = events.recv().await.unwrap();
    let id = connect["requestContext"]["connectionId"].as_str().unwrap().to_owned();
    let path = format!("/@connections/{id}");
    assert_eq!(call(&api, Method::POST, &path, "x").await.status(), 200, "it is open at once");
    assert_eq!(socket.text().await, "x");
    socket.close_with(None).await;
    events.recv().await.unwrap();
    assert_eq!(call(&api, Method::POST, &path, "x").await.status(), 410);
}

#[tokio::test]
async fn a_client_that_takes_nothing_does_not_fill_the_memory() {
    let (api, socket, id) = connected().await;
    let path = format!("/@connections/{id}");
    let longest = "a".repeat(128 * 1024);
    let mut statuses = Vec::new();
    // The buffers of the system take some.
    for _ in 0..400 {
        statuses.push(call(&api, Method::POST, &path, &longest).await.status().as_u16());
        if statuses.last() != Some(&200) {
            break;
        }
    }
    let response = call(&api, Method::POST, &path, &longest).await;
    assert_eq!(response.headers()["x-amzn-errortype"], "LimitExceededException");
    assert_eq!(response.status(), 429, "{statuses:?}");
    drop(socket);
}

#[tokio::test]
async fn a_chat_of_two() {
    let (api, mut events) = start(&["$connect", "send"], |_| Ok(json!({"statusCode": 200}))).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
        let event = events.recv().await.unwrap();
        let id = event["requestContext"]["connectionId"].as_str().unwrap().to_owned();
        clients.push((socket, id));
    }
    clients[0].0.send(Message::text(r#"{"action":"send","data":"hi"}"#)).await;
    let event = events.recv().await.unwrap();
    let context = &event["requestContext"];
    let base = format!(
        "http://{}/{}",
        context["domainName"].as_str().unwrap(),
        context["stage"].as_str().unwrap()
    );
    for (_, id) in &clients {
        let url = format!("{base}/@connections/{id}");
        let request = reqwest::Client::new().post(url).header("authorization", SIGNED);
        assert_eq!(request.body("hi").send().await.unwrap().status(), 200);
    }
    for (socket, _) in &mut clients {
        assert_eq!(socket.text().await, "hi");
    }
}

#[tokio::test]
async fn apis_that_share_their_connections_reach_each_others() {
    let shared = std::sync::Arc::default();
    let start = || {
        Api::start_with(KIND, Ok(policy(KIND, &[("Allow", "*")])), |options| {
            options.connections = std::sync::Arc::clone(&shared);
        })
    };
    let (first, second) = (start().await, start().await);
    let mut socket = Socket::connect(&second.gateway.url(), &[]).await.unwrap();
    let path = format!("/@connections/{}", id_of(&mut socket).await);
    assert_eq!(call(&first, Method::POST, &path, "hi").await.status(), 200);
    assert_eq!(socket.text().await, "hi");
    let (other, _other_socket, _) = connected().await;
    assert_eq!(call(&other, Method::POST, &path, "hi").await.status(), 410);
}
