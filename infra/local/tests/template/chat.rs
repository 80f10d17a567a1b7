//! A WebSocket API with functions: a chat in the shape of AWS's sample.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::socket::Socket;

/// The longest wait for what a function does.
const PATIENCE: Duration = Duration::from_secs(60);

fn message(route: &str, data: &str) -> Message {
    Message::text(json!({"message": route, "data": data}).to_string())
}

#[tokio::test]
async fn a_chat_runs_its_functions() {
    let folder = tempfile::tempdir().unwrap();
    let connections = folder.path().to_str().unwrap();
    let template = ["--template", "tests/functions/chat.yaml"];
    let local = Local::start_with(&template, &[("CONNECTIONS", connections)]);
    assert_eq!(local.ready["notes"], json!([]));
    let routes = local.ready["apis"][0]["routes"].as_array().unwrap();
    let keys: Vec<&str> = routes.iter().map(|route| route["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["$connect", "$disconnect", "sendmessage", "tell"]);
    // As clients of the deployed API connect, with the stage in the path.
    let url = format!("{}/Prod", local.ready["websocket_api"].as_str().unwrap());

    let mut one = Socket::connect(&url, &[]).await.unwrap();
    let mut two = Socket::connect(&url, &[]).await.unwrap();
    one.send(message("sendmessage", "hello, world")).await;
    assert_eq!(one.text().await, "hello, world");
    assert_eq!(two.text().await, "hello, world");
    two.send(message("tell", "again")).await;
    assert_eq!(one.text().await, "again");
    assert_eq!(two.text().await, "again");
    assert_eq!(two.text().await, "sent to 2");

    for (query, status) in [("name=nobody", 401), ("fail=1", 502)] {
        let refused = Socket::connect(&format!("{url}?{query}"), &[]).await.err().unwrap();
        assert_eq!(refused.0, status, "{query}");
    }
    assert_eq!(one.ask("text").await["message"], "Forbidden");
    // The function fails, and its caller is told.
    let failed = one.ask(r#"{"message": "sendmessage", "data": {"no": "text"}}"#).await;
    assert_eq!(failed["message"], "Internal server error");
    one.close().await;
    let ended = folder.path().join("ended");
    let waited = tokio::time::timeout(PATIENCE, async {
        while std::fs::read_to_string(&ended).unwrap_or_default().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.unwrap();
    let ended = std::fs::read_to_string(&ended).unwrap();
    assert_eq!(ended, "1005 Client-side close frame status not set");
    // An id that is stored and gone.
    std::fs::write(folder.path().join("bmV2ZXIgdGhlcmU="), "").unwrap();
    two.send(message("tell", "alone")).await;
    assert_eq!(two.text().await, "alone");
    assert_eq!(two.text().await, "sent to 1");
}

#[tokio::test]
async fn messages_are_echoed_where_a_flag_replaces_the_functions() {
    let template = ["--template", "tests/functions/chat.yaml"];
    for flags in [
        &["--upstream", "http://127.0.0.1:1"][..],
        &["--function", "Send=echo", "--function", "Connect=echo", "--function", "Disconnect=echo"],
    ] {
        let local = Local::start(&[&template[..], flags].concat());
        let url = local.ready["websocket_api"].as_str().unwrap();
        let mut socket = Socket::connect(url, &[]).await.unwrap();
        let event = socket.ask(r#"{"message": "sendmessage"}"#).await;
        assert_eq!(event["requestContext"]["routeKey"], "sendmessage");
        socket.close().await;
    }
}

#[tokio::test]
async fn an_api_that_only_sends_tells_its_functions_of_connections() {
    let chat = std::fs::read_to_string("tests/functions/chat.yaml").unwrap();
    let (before, rest) = chat.split_once("  SendRoute:").unwrap();
    let (_, after) = rest.split_once("  Deployment:").unwrap();
    let after = after.replace("ConnectRoute, SendRoute, ", "");
    let chat = format!("{before}  Deployment:{after}");
    let folder = tempfile::tempdir().unwrap();
    let connections = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.yaml");
    std::fs::write(&file, chat).unwrap();
    let code = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/functions/chat");
    std::os::unix::fs::symlink(code, folder.path().join("chat")).unwrap();
    let variables = [("CONNECTIONS", connections.path().to_str().unwrap())];
    let local = Local::start_with(&["--template", file.to_str().unwrap()], &variables);
    let url = local.ready["websocket_api"].as_str().unwrap();
    let mut socket = Socket::connect(url, &[]).await.unwrap();
    assert_eq!(std::fs::read_dir(connections.path()).unwrap().count(), 1);
    assert_eq!(socket.ask("text").await["message"], "Forbidden");
}

#[tokio::test]
async fn what_is_not_served_of_a_web_socket_api_is_named() {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    let integration = |name: &str, settings: &str| {
        format!(
            "  {name}: {{Type: AWS::ApiGatewayV2::Integration, \
             Properties: {{ApiId: !Ref A, {settings}}}}}\n"
        )
    };
    let route = |name: &str, key: &str, target: &str| {
        format!(
            "  {name}: {{Type: AWS::ApiGatewayV2::Route, Properties: {{ApiId: !Ref A, \
             RouteKey: {key}, Target: !Sub 'integrations/${{{target}}}'}}}}\n"
        )
    };
    let parts = [
        "Resources:\n  A: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}\n"
            .to_owned(),
        integration(
            "H",
            "IntegrationType: HTTP_PROXY, IntegrationUri: 'http://127.0.0.1:1', \
             ConnectionType: VPC_LINK, ConnectionId: v",
        ),
        integration("Q", "IntegrationType: AWS, IntegrationUri: 'arn:aws:apigateway:x:sqs:path/q'"),
        integration(
            "L",
            "IntegrationType: AWS, RequestParameters: \
             {integration.request.header.X-Amz-Invocation-Type: \"'Event'\"}, \
             IntegrationUri: 'arn:aws:apigateway:us-east-1:lambda:path/\
             2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:F/invocations'",
        ),
        integration("M", "IntegrationType: MOCK"),
        route("R1", "$connect", "M"),
        route("R2", "$disconnect", "Q"),
        route("R3", "call", "H"),
        route("R5", "own", "L"),
        "  B: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}\n".to_owned(),
        integration("N", "IntegrationType: MOCK").replace("!Ref A", "!Ref B"),
        route("R6", "$connect", "N")
            .replace("!Ref A", "!Ref B")
            .replace("$connect,", "$connect, AuthorizationType: CUSTOM, AuthorizerId: !Ref G,"),
        "  G: {Type: AWS::ApiGatewayV2::Authorizer, Properties: {ApiId: !Ref B, \
         AuthorizerType: REQUEST, IdentitySource: [route.request.querystring.token], \
         AuthorizerUri: 'arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
         arn:aws:lambda:us-east-1:123456789012:function:T/invocations'}}\n"
            .to_owned(),
        route("R4", "mock", "M")
            .replace("mock,", "mock, RouteResponseSelectionExpression: $default,"),
        "  P: {Type: AWS::ApiGatewayV2::RouteResponse, Properties: {ApiId: !Ref A, \
         RouteId: !Ref R4, RouteResponseKey: $default}}\n"
            .to_owned(),
        "  C: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}\n".to_owned(),
        integration("O", "IntegrationType: MOCK").replace("!Ref A", "!Ref C"),
        route("R7", "$connect", "O")
            .replace("!Ref A", "!Ref C")
            .replace("$connect,", "$connect, AuthorizationType: AWS_IAM,"),
    ];
    std::fs::write(file.path(), parts.concat()).unwrap();
    let local = Local::start(&["--template", file.path().to_str().unwrap()]);
    let notes = local.notes();
    for expected in [
        "A: $disconnect: nothing is called: the service integration `sqs:path/q` needs AWS",
        "A: call: messages are answered `Internal server error`: the VPC link needs AWS",
        "A: own: messages are answered `Internal server error`: invocations of the type `'Event'`",
        "B: $connect: Tollgate does not look for a token in the query's `token`: add `query",
        "A: mock: messages are answered `Internal server error`: the integration has no \
         `AWS::ApiGatewayV2::IntegrationResponse`",
        "C: $connect: every handshake answers 500: authorization by `AWS_IAM`",
    ] {
        assert!(notes.contains(expected), "{expected} in {notes}");
    }
    let url = local.ready["websocket_api"].as_str().unwrap();
    let mut socket = Socket::connect(url, &[]).await.unwrap();
    let answer = socket.ask(r#"{"action": "call"}"#).await;
    assert_eq!(answer["message"], "Internal server error");
    for action in ["own", "mock"] {
        let answer = socket.ask(&json!({"action": action}).to_string()).await;
        assert_eq!(answer["message"], "Internal server error", "{action}");
    }
    // Nobody passes an authorizer that cannot be asked, whatever is behind it.
    let closed = local.ready["apis"][2]["url"].as_str().unwrap();
    assert_eq!(Socket::connect(closed, &[]).await.err().unwrap().0, 500);
    // A function has one address for its clients, whichever API they connected to.
    let other = local.ready["apis"][1]["url"].as_str().unwrap().replacen("ws://", "http://", 1);
    let id = answer["connectionId"].as_str().unwrap();
    let sent = local.http.post(format!("{other}/@connections/{id}")).body("hi");
    let sent = sent.header("authorization", "AWS4-HMAC-SHA256 Credential=a").send().await.unwrap();
    assert_eq!(sent.status(), 200);
    assert_eq!(socket.text().await, "hi");
}

#[tokio::test]
async fn integrations_of_a_web_socket_api_that_are_no_proxies_are_served() {
    let app = axum::Router::new().fallback(axum::routing::any(
        |request: axum::http::Request<axum::body::Body>| async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let room = head.headers["x-room"].to_str().unwrap().to_owned();
            format!("{} {room} {}", head.uri.path(), String::from_utf8_lossy(&body))
        },
    ));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("host={}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let template = ["--template", "tests/functions/socket.yaml", "--stage-variable", &host];
    let local = Local::start(&template);
    assert_eq!(local.ready["notes"], json!([]));
    let url = local.ready["websocket_api"].as_str().unwrap();
    let refused = Socket::connect(&format!("{url}/?status=401"), &[]).await.err().unwrap();
    assert_eq!(refused, (401, "no".to_owned()));
    let mut socket = Socket::connect(&format!("{url}/?status=200"), &[]).await.unwrap();
    for (message, answer) in [
        (r#"{"action": "ping"}"#, r#"{"pong": "ping"}"#),
        (r#"{"action": "join", "room": "r1"}"#, "/rooms r1 {\"enter\": \"r1\"}"),
        (r#"{"action": "add", "numbers": [1, 2]}"#, "3 on add"),
        (r#"{"action": "add", "numbers": ["a"]}"#, "cannot be added"),
    ] {
        socket.send(Message::text(message)).await;
        assert_eq!(socket.text().await, answer, "{message}");
    }
}

#[tokio::test]
async fn lines_tell_of_messages_calls_faults_and_of_tls() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("CONNECTIONS", folder.path().to_str().unwrap())];
    let template = ["--template", "tests/functions/chat.yaml"];
    let mut local = Local::spawn(&template, &variables, Stdio::piped());
    let mut lines = BufReader::new(local.child.stderr.take().unwrap()).lines();
    let mut until = |wanted: &str| {
        lines.find_map(|line| Some(line.unwrap()).filter(|line| line.contains(wanted))).unwrap()
    };
    let url = local.ready["websocket_api"].as_str().unwrap();
    let mut socket = Socket::connect(url, &[]).await.unwrap();
    assert!(until("WS $connect").starts_with("WS $connect  101  "));
    let offer = local.http.get(url.replacen("ws://", "http://", 1)).header("upgrade", "websocket");
    let offer = offer.header("connection", "upgrade").header("sec-websocket-version", "13");
    let offer = offer.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let offered = offer.header("sec-websocket-protocol", "chat").send().await.unwrap();
    assert_eq!(offered.status(), 101);
    assert!(until("subprotocols and none is selected").starts_with("WS $connect  101  "));
    drop(offered);
    until("WS $disconnect");
    socket.send(message("tell", "hi")).await;
    assert_eq!(socket.text().await, "hi");
    socket.text().await;
    assert!(until("POST @connections").contains("=  200  "));
    assert_eq!(until("WS tell"), "WS tell  message of 30 bytes");
    socket.ask(r#"{"message": "tell"}"#).await;
    let line = until("WS tell");
    let reason = "the function answered with the error `TypeError`: data is not a text";
    assert!(line.ends_with(reason), "{line}");
    socket.close().await;
    assert_eq!(until("WS $disconnect"), "WS $disconnect  closed by the caller");
    let http = url.replace("ws:", "http:");
    let refused = local.http.delete(format!("{http}/@connections/a")).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(until("DELETE @connections/a").contains("the request is not signed (SigV4)"));
    // As code does that builds an address of AWS.
    let mut stream = TcpStream::connect(url.strip_prefix("ws://").unwrap()).unwrap();
    stream.write_all(&[22, 3, 1, 0, 1, 0]).unwrap();
    assert!(until("https:").contains("local has no TLS"));
}
