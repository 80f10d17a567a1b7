//! The functions of a WebSocket API's routes, by a real WebSocket.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use local::gateway::{Integration, Invoke, Kind, Selection, SocketRoute, SocketRoutes};
use local::lambda::InvokeError;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::api::{Answer, Api, policy, with};
use crate::socket::Socket;

const KIND: Kind = Kind::WebSocket;

/// The events that functions got, in their order.
pub(crate) type Events = mpsc::UnboundedReceiver<Value>;

/// An API whose every route of these keys has the same function.
pub(crate) async fn start(
    keys: &[&str],
    answer: impl Fn(&Value) -> Answer + Send + Sync + 'static,
) -> (Api, Events) {
    start_with(keys, answer, |_| {}).await
}

pub(crate) async fn start_with(
    keys: &[&str],
    answer: impl Fn(&Value) -> Answer + Send + Sync + 'static,
    change: impl FnOnce(&mut SocketRoutes),
) -> (Api, Events) {
    let (sender, events) = mpsc::unbounded_channel();
    let function: Invoke = Arc::new(move |_, event: Bytes| {
        let event: Value = serde_json::from_slice(&event).unwrap();
        let answer = answer(&event).map(|output| Bytes::from(output.to_string()));
        sender.send(event).unwrap();
        Box::pin(std::future::ready(answer))
    });
    let route = |key: &&str| SocketRoute::new(key, Integration::Function(Arc::clone(&function)));
    let routes = keys.iter().map(route).collect();
    let mut socket = SocketRoutes { selection: Selection::default(), routes };
    change(&mut socket);
    let context = json!({"plan": "free", "n": 1});
    let allowed = with(policy(KIND, &[("Allow", "$connect")]), "context", context);
    let api = Api::start_with(KIND, Ok(allowed), |options| {
        options.socket = Arc::new(socket);
        options.stage_variables.insert("color".to_owned(), "blue".to_owned());
    });
    (api.await, events)
}

fn ok(body: &str) -> Answer {
    Ok(json!({"statusCode": 200, "body": body}))
}

#[tokio::test]
async fn functions_get_the_events_of_a_connections_life() {
    let keys = ["$connect", "$disconnect", "send"];
    let (api, mut events) = start(&keys, |_| ok("done")).await;
    let url = format!("{}/local/?a=1&a=2&b=3", api.gateway.url());
    let mut socket = Socket::connect(&url, &[("x-mine", "yes")]).await.unwrap();
    let connect = events.recv().await.unwrap();
    let context = &connect["requestContext"];
    assert_eq!(
        (&context["eventType"], &context["routeKey"]),
        (&json!("CONNECT"), &json!("$connect"))
    );
    assert_eq!(connect["headers"]["x-mine"], "yes");
    assert_eq!(connect["multiValueHeaders"]["x-mine"], json!(["yes"]));
    assert_eq!(connect["queryStringParameters"], json!({"a": "2", "b": "3"}));
    let multi = json!({"a": ["1", "2"], "b": ["3"]});
    assert_eq!(connect["multiValueQueryStringParameters"], multi);
    assert_eq!(connect["isBase64Encoded"], false);
    assert!(connect.get("body").is_none() && connect.get("methodArn").is_none());
    let authorizer = json!({"plan": "free", "n": "1", "principalId": "alice"});
    let host = api.gateway.url().replace("http://", "");

    socket.send(Message::text(r#"{"action":"send"}"#)).await;
    assert_eq!(socket.text().await, "done");
    let message = events.recv().await.unwrap();
    assert_eq!(message["body"], r#"{"action":"send"}"#);
    assert!(message.get("headers").is_none());
    assert!(message["requestContext"]["messageId"].is_string());

    let frame = CloseFrame { code: CloseCode::Library(4001), reason: "bye".into() };
    socket.close_with(Some(frame)).await;
    let end = events.recv().await.unwrap();
    assert_eq!(end["requestContext"]["disconnectStatusCode"], 4001);
    assert_eq!(end["requestContext"]["disconnectReason"], "bye");
    assert_eq!(
        end["headers"],
        json!({
            "Host": host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": "",
        })
    );
    assert_eq!(end["multiValueHeaders"]["Host"], json!([host]));
    for (event, kind) in [(&connect, "CONNECT"), (&message, "MESSAGE"), (&end, "DISCONNECT")] {
        let context = &event["requestContext"];
        assert_eq!(context["eventType"], kind);
        assert_eq!(context["authorizer"], authorizer, "{kind}");
        assert_eq!(context["connectionId"], connect["requestContext"]["connectionId"]);
        assert_eq!((&context["domainName"], &context["stage"]), (&json!(host), &json!("local")));
        assert_eq!(context["apiId"], "t0llgate02");
        assert_eq!(event["stageVariables"], json!({"color": "blue"}), "{kind}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_without_a_code_has_that_of_the_recordings() {
    let (api, mut events) = start(&["$disconnect"], |_| ok("")).await;
    let url = api.gateway.url();
    Socket::connect(&url, &[]).await.unwrap().close().await;
    let end = events.recv().await.unwrap();
    assert_eq!(end["requestContext"]["disconnectStatusCode"], 1005);
    let reason = "Client-side close frame status not set";
    assert_eq!(end["requestContext"]["disconnectReason"], reason);

    // A client that vanishes.
    drop(Socket::connect(&url, &[]).await.unwrap());
    let end = events.recv().await.unwrap();
    assert_eq!(end["requestContext"]["disconnectStatusCode"], 1006);

    // A client that breaks the rules.
    let mut socket = Socket::connect(&url, &[]).await.unwrap();
    socket.send(Message::binary(vec![0])).await;
    assert_eq!(socket.ended().await, 1003);
    let end = events.recv().await.unwrap();
    assert_eq!(end["requestContext"]["disconnectStatusCode"], 1003);
}

#[tokio::test]
async fn the_function_of_connect_decides_on_the_handshake() {
    let error = || Err(InvokeError::Function { error_type: "E".into(), error_message: "m".into() });
    for (answer, status, body) in [
        (Ok(json!({"statusCode": 403, "body": "not you"})), 403, "not you"),
        (Ok(json!({"statusCode": 302})), 302, ""),
        (Ok(json!({"statusCode": 500, "body": "stack"})), 500, "stack"),
        (error(), 502, "Internal server error"),
        (Err(InvokeError::Timeout(Duration::from_secs(3))), 502, "Internal server error"),
        (Ok(json!("no object")), 502, "Internal server error"),
        (Ok(json!({"statusCode": 200, "other": 1})), 502, "Internal server error"),
    ] {
        let shown = format!("{answer:?}");
        let (api, mut events) = start(&["$connect", "$disconnect"], move |_| answer.clone()).await;
        let refused = Socket::connect(&api.gateway.url(), &[]).await.err().unwrap();
        assert_eq!(refused.0, status, "{shown}");
        assert!(refused.1.contains(body), "{shown}: {refused:?}");
        assert_eq!(events.recv().await.unwrap()["requestContext"]["eventType"], "CONNECT");
        assert!(events.try_recv().is_err(), "there was no connection that could end");
    }
}

#[tokio::test]
async fn the_authorizer_is_asked_before_the_function_of_connect() {
    let (api, mut events) = start(&["$connect"], |_| ok("")).await;
    let denied = Api::start_with(KIND, Ok(policy(KIND, &[("Deny", "*")])), |options| {
        let function: Invoke = Arc::new(|_, _| panic!("it is called"));
        let routes = vec![SocketRoute::new("$connect", Integration::Function(function))];
        options.socket = Arc::new(SocketRoutes { routes, ..SocketRoutes::default() });
    });
    let denied = denied.await;
    assert_eq!(Socket::connect(&denied.gateway.url(), &[]).await.err().unwrap().0, 403);
    Socket::connect(&api.gateway.url(), &[]).await.unwrap().close().await;
    let asked = &api.asked()[0]["requestContext"]["connectionId"];
    let connect = events.recv().await.unwrap();
    assert_eq!(&connect["requestContext"]["connectionId"], asked);
}

#[tokio::test]
async fn the_function_of_connect_selects_the_subprotocol() {
    let offer = [("sec-websocket-protocol", "chat1, chat2")];
    let answer = json!({"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "chat2"}});
    let (api, _events) = start(&["$connect"], move |_| Ok(answer.clone())).await;
    let socket = Socket::connect(&api.gateway.url(), &offer).await.unwrap();
    assert_eq!(socket.handshake.headers()["sec-websocket-protocol"], "chat2");

    // Nobody else selects one: a client that needs one does not connect. Nor is a list one.
    let list = json!({"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "chat1, chat2"}});
    for (route, answer) in [("$disconnect", json!({"statusCode": 200})), ("$connect", list)] {
        let (api, _events) = start(&[route], move |_| Ok(answer.clone())).await;
        let request = api.request("GET /").header("connection", "upgrade");
        let request = request.header("upgrade", "websocket").header("sec-websocket-version", "13");
        let request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let response = request.header(offer[0].0, offer[0].1).send().await.unwrap();
        assert_eq!(response.status(), 101);
        assert!(!response.headers().contains_key("sec-websocket-protocol"), "{route}");
    }
}

#[tokio::test]
async fn messages_take_the_route_that_the_expression_names() {
    let echo = |event: &Value| ok(event["requestContext"]["routeKey"].as_str().unwrap());
    let keys = ["$connect", "chat/join", "chat/", "$default"];
    let (api, _events) = start_with(&keys, echo, |routes| {
        routes.selection = "${request.body.service}/${request.body.do.it}".parse().unwrap();
    })
    .await;
    let mut socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
    for (message, key) in [
        (r#"{"service": "chat", "do": {"it": "join"}}"#, "chat/join"),
        (r#"{"service": "chat"}"#, "chat/"),
        (r#"{"service": "$connect"}"#, "$default"),
        ("text", "$default"),
        ("{", "$default"),
        ("[[[[[[", "$default"),
    ] {
        socket.send(Message::text(message)).await;
        assert_eq!(socket.text().await, key, "{message}");
    }
    // Without `$default` nothing takes it.
    let (api, mut events) = start(&["$connect", "send"], |_| ok("")).await;
    let mut socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
    for message in ["text", r#"{"action": "$connect"}"#, r#"{"action": "$disconnect"}"#] {
        let answer = socket.ask(message).await;
        assert_eq!(answer["message"], "Forbidden", "{message}");
        assert!(answer["connectionId"].is_string() && answer["requestId"].is_string());
    }
    assert_eq!(events.recv().await.unwrap()["requestContext"]["routeKey"], "$connect");
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn only_a_route_with_a_response_answers_and_every_one_tells_of_errors() {
    let function = |event: &Value| match event["body"].as_str().unwrap_or_default() {
        body if body.contains("fail") => {
            Err(InvokeError::Function { error_type: "E".into(), error_message: "secret".into() })
        }
        body if body.contains("other") => Ok(json!({"statusCode": 200, "Data": "x"})),
        body if body.contains("long") => ok(&"a".repeat(128 * 1024 + 1)),
        body if body.contains("status") => Ok(json!({"statusCode": 500, "body": "mine"})),
        body if body.contains("empty") => Ok(json!({"statusCode": 200})),
        _ => ok("hello"),
    };
    let (api, _events) = start_with(&["loud", "silent"], function, |routes| {
        routes.routes[1].responds = false;
    })
    .await;
    let mut socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
    let message = |action: &str, what: &str| {
        Message::text(json!({"action": action, "what": what}).to_string())
    };
    // Those before the last have no answer.
    for (action, what) in [("silent", "x"), ("silent", "status"), ("loud", "empty")] {
        socket.send(message(action, what)).await;
    }
    socket.send(message("loud", "status")).await;
    assert_eq!(socket.text().await, "mine", "whatever its status is");
    for (action, what) in
        [("silent", "fail"), ("silent", "other"), ("loud", "fail"), ("loud", "long")]
    {
        socket.send(message(action, what)).await;
        let text = socket.text().await;
        assert!(!text.contains("secret"), "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["message"], "Internal server error", "{action} {what}");
        assert!(answer["connectionId"].is_string() && answer["requestId"].is_string());
    }
    socket.send(message("silent", "long")).await;
    socket.send(message("loud", "x")).await;
    assert_eq!(socket.text().await, "hello");
}

#[tokio::test]
async fn messages_of_one_connection_run_at_once_up_to_a_bound() {
    let waiting: Arc<Mutex<Vec<tokio::sync::oneshot::Sender<()>>>> = Arc::default();
    let (started, mut starts) = mpsc::unbounded_channel();
    let function: Invoke = {
        let waiting = Arc::clone(&waiting);
        Arc::new(move |_, _| {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            waiting.lock().unwrap().push(sender);
            started.send(()).unwrap();
            Box::pin(async move {
                receiver.await.unwrap();
                Ok(Bytes::from_static(b"{\"statusCode\": 200, \"body\": \"done\"}"))
            })
        })
    };
    let api = Api::start_with(KIND, Ok(policy(KIND, &[("Allow", "*")])), |options| {
        let routes = vec![SocketRoute::new("$default", Integration::Function(function))];
        options.socket = Arc::new(SocketRoutes { routes, ..SocketRoutes::default() });
    })
    .await;
    let mut socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
    for _ in 0..20 {
        socket.send(Message::text("x")).await;
    }
    for _ in 0..16 {
        starts.recv().await.unwrap();
    }
    // More are not read before one is done.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(starts.try_recv().is_err());
    for answered in 1..=20 {
        let next = waiting.lock().unwrap().remove(0);
        next.send(()).unwrap();
        assert_eq!(socket.text().await, "done");
        if answered <= 4 {
            starts.recv().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_not_served_says_so() {
    let unserved =
        |key: &str| SocketRoute::new(key, Integration::Unserved("a queue needs AWS".to_owned()));
    let start = |routes: Vec<SocketRoute>| {
        Api::start_with(KIND, Ok(policy(KIND, &[("Allow", "*")])), |options| {
            options.socket = Arc::new(SocketRoutes { routes, ..SocketRoutes::default() });
        })
    };
    let api = start(vec![unserved("$connect")]).await;
    let refused = Socket::connect(&api.gateway.url(), &[]).await.err().unwrap();
    assert_eq!(refused.0, 501);
    assert!(refused.1.contains("a queue needs AWS"), "{refused:?}");
    let api = start(vec![unserved("$default")]).await;
    let mut socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
    assert_eq!(socket.ask("x").await["message"], "Internal server error");
}

#[tokio::test]
async fn messages_of_all_connections_run_at_once_up_to_a_bound() {
    let (started, mut starts) = mpsc::unbounded_channel();
    let done = Arc::new(tokio::sync::Semaphore::new(0));
    let function: Invoke = {
        let done = Arc::clone(&done);
        Arc::new(move |_, _| {
            started.send(()).unwrap();
            let done = Arc::clone(&done);
            Box::pin(async move {
                done.acquire().await.unwrap().forget();
                Ok(Bytes::from_static(b"{\"statusCode\": 200, \"body\": \"done\"}"))
            })
        })
    };
    let api = Api::start_with(KIND, Ok(policy(KIND, &[("Allow", "*")])), |options| {
        let routes = vec![SocketRoute::new("$default", Integration::Function(function))];
        options.socket = Arc::new(SocketRoutes { routes, ..SocketRoutes::default() });
    })
    .await;
    let mut sockets = Vec::new();
    for _ in 0..34 {
        let mut socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
        for _ in 0..16 {
            socket.send(Message::text("x")).await;
        }
        sockets.push(socket);
    }
    for _ in 0..512 {
        starts.recv().await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(starts.try_recv().is_err());
    // Every one has its turn in the end.
    done.add_permits(34 * 16);
    for mut socket in sockets {
        for _ in 0..16 {
            assert_eq!(socket.text().await, "done");
        }
    }
}
