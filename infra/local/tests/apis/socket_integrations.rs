//! Integrations of a WebSocket API's routes that are not a function's proxy, by a real WebSocket.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::any;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use local::gateway::{
    Address, Expression, Integration, IntegrationResponse, Invoke, Kind, Mapping, Passthrough,
    SocketRoute, SocketRoutes, Templates,
};
use local::lambda::InvokeError;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::api::{Api, policy, with};
use crate::socket::Socket;

const KIND: Kind = Kind::WebSocket;

/// A request that a service got.
struct Call {
    line: String,
    headers: HeaderMap,
    body: String,
}

/// A service that answers the status in its path with the body, and tells of every request.
async fn service() -> (String, mpsc::UnboundedReceiver<Call>) {
    let (sender, calls) = mpsc::unbounded_channel();
    let app = Router::new().fallback(any(move |request: Request<Body>| {
        let sender = sender.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            let line = format!("{} {}", head.method, head.uri);
            let status = head.uri.path().trim_start_matches('/').parse().unwrap_or(200);
            sender.send(Call { line, headers: head.headers, body: body.clone() }).unwrap();
            if body.contains("wait") {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            let headers = [("sec-websocket-protocol", "two"), ("x-kind", "own")];
            (StatusCode::from_u16(status).unwrap(), headers, format!("got {body}"))
        }
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, calls)
}

fn texts(all: &[(&str, &str)]) -> Vec<(String, Expression)> {
    let read = |text| Expression::of_template(text).unwrap();
    all.iter().map(|(key, text)| ((*key).to_owned(), read(text))).collect()
}

fn selection(text: &str) -> Option<Expression> {
    Some(Expression::of_selection(text).unwrap())
}

/// An integration response with one template for everything.
fn response(pattern: Option<&str>, body: &str) -> IntegrationResponse {
    let pattern = pattern.map(|text| text.parse().unwrap());
    IntegrationResponse { pattern, bodies: texts(&[("$default", body)]), ..Default::default() }
}

async fn start(routes: Vec<SocketRoute>) -> Api {
    let context = json!({"plan": "free"});
    let allowed = with(policy(KIND, &[("Allow", "$connect")]), "context", context);
    Api::start_with(KIND, Ok(allowed), |options| {
        options.socket = Arc::new(SocketRoutes { routes, ..SocketRoutes::default() });
        options.stage_variables.insert("color".to_owned(), "blue".to_owned());
    })
    .await
}

fn proxy(key: &str, text: String, mappings: &[(&str, &str)]) -> SocketRoute {
    let mappings = mappings.iter().map(|(to, from)| Mapping::of_socket(to, from).unwrap());
    let address = Address { text, mappings: mappings.collect(), ..Address::default() };
    SocketRoute::new(key, Integration::Address(address))
}

#[tokio::test]
async fn an_http_proxy_gets_the_events_of_a_connection_with_what_is_mapped() {
    let (url, mut calls) = service().await;
    let own = [
        ("integration.request.header.connectionId", "context.connectionId"),
        ("integration.request.header.x-route", "context.routeKey"),
        ("integration.request.header.x-event", "context.eventType"),
        ("integration.request.header.x-plan", "context.authorizer.plan"),
        ("integration.request.header.x-token", "route.request.querystring.token"),
        ("integration.request.header.x-sent", "route.request.header.X-Mine"),
        ("integration.request.header.x-name", "route.request.body.user.name"),
        ("integration.request.querystring.color", "stageVariables.color"),
        ("integration.request.querystring.constant", "'a b'"),
        ("integration.request.path.id", "context.connectionId"),
    ];
    let route = |key: &str, path: &str| proxy(key, format!("{url}/{path}"), &own);
    let mut silent = route("silent", "silent");
    silent.responds = false;
    let routes =
        vec![route("$connect", "200"), route("send", "404"), silent, route("$disconnect", "{id}")];
    let api = start(routes).await;
    let at = format!("{}/local?token=abc&color=red", api.gateway.url());
    let headers = [("x-mine", "yes"), ("sec-websocket-protocol", "one, two")];
    let mut socket = Socket::connect(&at, &headers).await.unwrap();
    assert_eq!(socket.handshake.headers()["sec-websocket-protocol"], "two");
    let connect = calls.recv().await.unwrap();
    // The query of the handshake passes, but for what is mapped.
    assert_eq!(connect.line, "POST /200?token=abc&color=blue&constant=a%20b");
    assert_eq!(connect.body, "");
    for (name, value) in [
        ("x-route", "$connect"),
        ("x-event", "CONNECT"),
        ("x-plan", "free"),
        ("x-token", "abc"),
        ("x-sent", "yes"),
        ("x-mine", "yes"),
    ] {
        assert_eq!(connect.headers[name], value, "{name}");
    }
    for name in ["x-name", "connection", "upgrade"] {
        assert_eq!(connect.headers.get(name), None, "{name}");
    }
    let id = connect.headers["connectionid"].to_str().unwrap();

    let text = r#"{"action": "send", "user": {"name": "Ann"}}"#;
    socket.send(Message::text(text)).await;
    assert_eq!(socket.text().await, format!("got {text}"), "whatever its status is");
    let message = calls.recv().await.unwrap();
    assert_eq!(message.line, "POST /404?color=blue&constant=a%20b");
    assert_eq!(message.body, text);
    for (name, value) in [
        ("connectionid", id),
        ("x-route", "send"),
        ("x-event", "MESSAGE"),
        ("x-name", "Ann"),
        ("x-plan", "free"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(message.headers[name], value, "{name}");
    }
    for name in ["x-token", "x-sent", "x-mine"] {
        assert_eq!(message.headers.get(name), None, "{name}");
    }
    socket.send(Message::text(r#"{"action": "silent"}"#)).await;
    assert_eq!(calls.recv().await.unwrap().headers["x-route"], "silent");
    socket.send(Message::text(r#"{"action": "send"}"#)).await;
    assert_eq!(socket.text().await, r#"got {"action": "send"}"#);
    calls.recv().await.unwrap();

    socket.close().await;
    let end = calls.recv().await.unwrap();
    let escaped = id.replace('=', "%3D");
    assert_eq!(end.line, format!("POST /{escaped}?color=blue&constant=a%20b"));
    assert_eq!((end.headers["x-event"].to_str().unwrap(), end.body.as_str()), ("DISCONNECT", ""));
}

#[tokio::test]
async fn an_http_integration_decides_on_the_handshake_by_its_status() {
    let (url, _calls) = service().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (text, status, body) in [
        (format!("{url}/403"), 403, "got "),
        (format!("{url}/302"), 302, "got "),
        (format!("{url}/500"), 500, "got "),
        (format!("http://{gone}"), 502, "Internal server error"),
    ] {
        for is_proxy in [true, false] {
            let templates = Templates {
                responses: vec![IntegrationResponse::default()],
                ..Templates::default()
            };
            let templates = (!is_proxy).then_some(templates);
            let address = Address { text: text.clone(), templates, ..Address::default() };
            let route = SocketRoute::new("$connect", Integration::Address(address));
            let api = start(vec![route]).await;
            let refused = Socket::connect(&api.gateway.url(), &[]).await.err().unwrap();
            assert_eq!(refused.0, status, "{text}");
            assert!(refused.1.contains(body), "{text}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn templates_are_selected_by_the_message_and_the_response() {
    let (url, mut calls) = service().await;
    let templates = Templates {
        requests: texts(&[
            ("join", r#"{"room": $input.json('$.room'), "by": "$context.connectionId"}"#),
            ("$default", "other $context.routeKey"),
        ]),
        selection: selection("${request.body.kind}"),
        passthrough: Passthrough::Never,
        responses: vec![
            response(Some("4\\d\\d"), "refused: $input.body"),
            IntegrationResponse {
                bodies: texts(&[("200-own", "fine: $input.body"), ("join", "by the message")]),
                selection: selection(
                    "${integration.response.statuscode}-${integration.response.header.X-Kind}",
                ),
                ..IntegrationResponse::default()
            },
        ],
    };
    let route = |key: &str, templates: &Templates| {
        let text = format!("{url}/{key}");
        let templates = Some(templates.clone());
        let address = Address { text, templates, ..Address::default() };
        SocketRoute::new(key, Integration::Address(address))
    };
    let mut by_message = templates.clone();
    by_message.responses[1].selection = selection("$request.body.kind");
    let mut strict = templates.clone();
    strict.requests.retain(|(key, _)| key == "join");
    let routes = vec![
        route("200", &templates),
        route("404", &templates),
        route("201", &templates),
        route("202", &by_message),
        route("203", &strict),
    ];
    let api = start(routes).await;
    let mut socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
    for (action, kind, sent, answer) in [
        ("200", "x", Some("other 200"), "fine: got other 200"),
        ("404", "x", Some("other 404"), "refused: got other 404"),
        // Without a template for it the response passes.
        ("201", "x", Some("other 201"), "got other 201"),
        ("202", "x", Some("other 202"), "got other 202"),
        ("202", "join", None, "by the message"),
        ("203", "join", None, "got "),
    ] {
        let message = json!({"action": action, "kind": kind, "room": [1]});
        socket.send(Message::text(message.to_string())).await;
        let call = calls.recv().await.unwrap();
        match sent {
            Some(sent) => assert_eq!(call.body, sent),
            None => assert!(call.body.starts_with(r#"{"room": [1], "by": ""#), "{}", call.body),
        }
        assert!(socket.text().await.starts_with(answer), "{action} {kind}");
    }
    // No template is for it, and the message may not pass as it is.
    let refused = socket.ask(r#"{"action": "203", "kind": "x"}"#).await;
    assert_eq!(refused["message"], "Internal server error");
    assert!(calls.try_recv().is_err());
}

fn mock(status: &str, responses: Vec<IntegrationResponse>) -> Integration {
    Integration::Mock(Templates {
        requests: texts(&[("200", &format!(r#"{{"statusCode": {status}}}"#))]),
        selection: selection("200"),
        responses,
        ..Templates::default()
    })
}

#[tokio::test]
async fn a_mock_answers_a_message_without_a_backend() {
    let all = || {
        vec![
            response(Some("200"), r#"{"pong": $input.json('$.none'), "to": "$context.routeKey"}"#),
            response(Some("4\\d\\d"), "refused"),
        ]
    };
    let routes = vec![
        SocketRoute::new("ping", mock("200", all())),
        SocketRoute::new("asked", mock("$input.json('$.status')", all())),
        SocketRoute::new("bare", mock("200", Vec::new())),
        SocketRoute { responds: false, ..SocketRoute::new("silent", mock("200", all())) },
    ];
    let api = start(routes).await;
    let mut socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
    for (message, answer) in [
        (r#"{"action": "ping"}"#, r#"{"pong": "", "to": "ping"}"#),
        (r#"{"action": "asked", "status": 404}"#, "refused"),
    ] {
        socket.send(Message::text(message)).await;
        assert_eq!(socket.text().await, answer, "{message}");
    }
    for message in [
        r#"{"action": "asked", "status": 500}"#,
        r#"{"action": "asked", "status": "200"}"#,
        r#"{"action": "bare"}"#,
    ] {
        let failed = socket.ask(message).await;
        assert_eq!(failed["message"], "Internal server error", "{message}");
        assert!(failed["connectionId"].is_string() && failed["requestId"].is_string());
    }
    socket.send(Message::text(r#"{"action": "silent"}"#)).await;
    socket.send(Message::text(r#"{"action": "ping"}"#)).await;
    assert!(socket.text().await.contains("ping"));
}

#[tokio::test]
async fn a_mock_decides_on_the_handshake_by_its_status() {
    let connect = async |integration: Integration, headers: &[(&str, &str)]| {
        let api = start(vec![SocketRoute::new("$connect", integration)]).await;
        let at = format!("{}/?token=abc", api.gateway.url());
        let connected = Socket::connect(&at, headers).await;
        connected.map(|socket| socket.handshake.headers().clone())
    };
    let mut chosen = response(None, "");
    let protocol = Expression::of_socket("'chat'").unwrap();
    chosen.headers.push(("Sec-WebSocket-Protocol".to_owned(), protocol));
    let offer = [("sec-websocket-protocol", "chat")];
    let headers = connect(mock("200", vec![chosen]), &offer).await.unwrap();
    assert_eq!(headers["sec-websocket-protocol"], "chat");
    for (status, expected, body) in [
        ("403", 403, "no abc"),
        ("302", 302, "no abc"),
        ("101", 502, "Internal server error"),
        ("999", 502, "Internal server error"),
        ("2000", 500, "no abc"),
        (r#""200""#, 500, "Internal server error"),
    ] {
        let integration = mock(status, vec![response(None, "no $input.params('token')")]);
        let refused = connect(integration, &[]).await.unwrap_err();
        assert_eq!(refused.0, expected, "{status}");
        assert!(refused.1.contains(body), "{status}: {refused:?}");
    }
    // The client does not choose the template by a media type.
    let mut plain = Templates {
        requests: texts(&[("application/json", r#"{"statusCode": 403}"#)]),
        responses: vec![response(None, "no")],
        ..Templates::default()
    };
    for (name, value) in [("content-type", "text/plain"), ("accept", "text/plain")] {
        let refused = connect(Integration::Mock(plain.clone()), &[(name, value)]).await;
        assert_eq!(refused.unwrap_err(), (403, "no".to_owned()), "{name}");
    }
    // A mock without a template lets everybody in.
    plain.requests.clear();
    assert!(connect(Integration::Mock(plain), &[]).await.is_ok());
}

#[tokio::test]
async fn a_function_that_is_no_proxy_has_templates_and_patterns_for_its_errors() {
    let function: Invoke = Arc::new(|_, event: Bytes| {
        let sent: Value = serde_json::from_slice(&event).unwrap();
        let answer = match sent["fail"].as_str() {
            Some(message) => Err(InvokeError::Function {
                error_type: "Refused".into(),
                error_message: message.into(),
            }),
            None => Ok(event),
        };
        Box::pin(std::future::ready(answer))
    });
    let templates = Templates {
        requests: texts(&[(
            "$default",
            r#"{"fail": $input.json('$.fail'), "by": "$context.authorizer.plan"}"#,
        )]),
        selection: selection("\\$default"),
        responses: vec![
            response(Some(".*not found.*"), "$input.path('$.errorMessage')"),
            response(None, "done by $input.path('$.by')"),
        ],
        ..Templates::default()
    };
    let custom = |templates: Templates| Integration::Custom(Arc::clone(&function), templates);
    let mut passing = templates.clone();
    passing.requests.clear();
    let routes = vec![
        SocketRoute::new("run", custom(templates.clone())),
        SocketRoute::new("$default", custom(passing)),
    ];
    let api = start(routes).await;
    let mut socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
    for (message, answer) in [
        (r#"{"action": "run", "fail": null}"#, "done by free"),
        (r#"{"action": "run", "fail": "room 1 not found"}"#, "room 1 not found"),
        // Without a template the message is the event.
        (r#"{"by": "me"}"#, "done by me"),
    ] {
        socket.send(Message::text(message)).await;
        assert_eq!(socket.text().await, answer, "{message}");
    }
    let failing = Templates {
        requests: texts(&[("$default", r#"{"fail": "$input.params('fail')"}"#)]),
        ..templates.clone()
    };
    let broken = Templates { requests: texts(&[("$default", "{")]), ..templates };
    for (templates, status) in [(failing, 502), (broken, 400)] {
        let api = start(vec![SocketRoute::new("$connect", custom(templates))]).await;
        let at = format!("{}/?fail=not found", api.gateway.url()).replace(' ', "%20");
        assert_eq!(Socket::connect(&at, &[]).await.err().unwrap().0, status);
    }
}

#[tokio::test]
async fn an_integration_that_is_late_or_gone_is_told_as_an_error() {
    let (url, _calls) = service().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut late = proxy("late", url, &[]);
    late.timeout = Duration::from_millis(50);
    let mut silent = proxy("silent", format!("http://{gone}"), &[]);
    silent.responds = false;
    let api = start(vec![late, proxy("gone", format!("http://{gone}"), &[]), silent]).await;
    let mut socket = Socket::connect(&api.gateway.url(), &[]).await.unwrap();
    for action in ["late", "gone", "silent"] {
        // Less than API Gateway's own time-out.
        let message = json!({"action": action, "do": "wait"}).to_string();
        let asked = tokio::time::timeout(Duration::from_secs(20), socket.ask(&message)).await;
        let failed = asked.unwrap();
        assert_eq!(failed["message"], "Internal server error", "{action}");
    }
}
