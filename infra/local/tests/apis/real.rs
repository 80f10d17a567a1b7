//! The real authorizer, in processes of its own, behind each kind of API.

use futures_util::future::join_all;
use local::clock::Now;
use local::gateway::{Kind, Payload, Route};
use local::stack::{Options, Stack};
use reqwest::Response;
use serde_json::{Value, json};
use throttle::{Plan, SystemClock};

use crate::socket::Socket;

async fn start(change: impl FnOnce(&mut Options)) -> Stack {
    let local = env!("CARGO_BIN_EXE_tollgate-local");
    let mut options = Options::new(local.into(), Now::new(SystemClock::new()));
    change(&mut options);
    Stack::start(options).await.unwrap()
}

fn token(stack: &Stack, client: &str) -> String {
    stack.issuer().access_token(client).unwrap()
}

async fn call(url: &str, route: &str, token: Option<&str>) -> Response {
    let (method, path) = route.split_once(' ').unwrap();
    let request = reqwest::Client::new().request(method.parse().unwrap(), format!("{url}{path}"));
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
    .send()
    .await
    .unwrap()
}

/// So many at once that no machine is slow enough for the plan to keep up.
const CROWD: usize = 60;

/// Of a crowd of requests some pass and the others are 429.
async fn meets_its_limit(url: &str, token: &str) {
    let status = async || call(url, "GET /orders", Some(token)).await.status().as_u16();
    let answers = join_all((0..CROWD).map(|_| status())).await;
    assert!(answers.contains(&200) && answers.contains(&429), "{answers:?}");
    assert!(answers.iter().all(|answer| [200, 429].contains(answer)), "{answers:?}");
}

#[tokio::test]
async fn a_rest_api_by_request_events() {
    let stack = start(|options| options.rest = Kind::RestRequest).await;
    let url = stack.ready().api;
    let (reader, writer) = (token(&stack, "orders-reader"), token(&stack, "orders-writer"));
    for (route, token, expected) in [
        ("GET /orders?q=1", Some(reader.as_str()), 200),
        ("GET /orders", None, 401),
        ("GET /orders", Some("not.a.token"), 401),
        ("POST /orders", Some(&reader), 403),
        ("POST /orders", Some(&writer), 200),
    ] {
        assert_eq!(call(&url, route, token).await.status(), expected, "{route}");
    }
    meets_its_limit(&url, &reader).await;
    stack.shutdown().await;
}

#[tokio::test]
async fn http_apis_by_every_payload() {
    for payload in [Payload::V1, Payload::V2, Payload::Simple] {
        let stack = start(|options| options.http = Some(payload)).await;
        let ready = stack.ready();
        assert_eq!(ready.environments.len(), 4, "a function for each configuration");
        let url = ready.http_api.unwrap();
        let (reader, writer) = (token(&stack, "orders-reader"), token(&stack, "orders-writer"));
        for (route, token, expected) in [
            ("GET /orders", None, 401),
            ("GET /orders", Some("not.a.token"), 403),
            ("POST /orders", Some(reader.as_str()), 403),
            ("POST /orders", Some(&writer), 200),
            ("GET /health", Some(&writer), 200),
            ("GET /admin/users", Some(&writer), 403),
        ] {
            let status = call(&url, route, token).await.status();
            assert_eq!(status, expected, "{payload:?} {route}");
        }
        let echo: Value = call(&url, "GET /orders", Some(&writer)).await.json().await.unwrap();
        let lambda = &echo["requestContext"]["authorizer"]["lambda"];
        assert_eq!((&lambda["plan"], &lambda["limit"]), (&json!("gold"), &json!(200)));
        meets_its_limit(&url, &reader).await;
        assert_eq!(call(&ready.api, "GET /orders", Some(&writer)).await.status(), 200);
        stack.shutdown().await;
    }
}

#[tokio::test]
async fn a_kept_verdict_is_right_where_the_route_is_a_source() {
    let stack = start(|options| {
        options.http = Some(Payload::Simple);
        options.authorizer_ttl = std::time::Duration::from_secs(300);
        let sources = ["$request.header.Authorization", "$context.routeKey"];
        options.identity_sources = sources.iter().map(|s| s.parse().unwrap()).collect();
        let routes = ["GET /orders", "ANY /{proxy+}"];
        options.routes = routes.iter().map(|route| Route::parse(route).unwrap()).collect();
    })
    .await;
    let url = stack.ready().http_api.unwrap();
    let writer = token(&stack, "orders-writer");
    for (route, expected) in [("GET /orders", 200), ("GET /admin", 403), ("GET /orders", 200)] {
        assert_eq!(call(&url, route, Some(&writer)).await.status(), expected, "{route}");
    }
    stack.shutdown().await;
}

#[tokio::test]
async fn a_web_socket_by_header_and_by_subprotocol() {
    let stack = start(|options| options.websocket = true).await;
    let url = stack.ready().websocket_api.unwrap();
    assert!(url.starts_with("ws://127.0.0.1:"));
    let writer = token(&stack, "orders-writer");
    let bob = stack.issuer().sign_in("orders-web", "bob").unwrap().access;

    let status = |refused: Result<Socket, (u16, String)>| refused.err().map(|(status, _)| status);
    assert_eq!(status(Socket::connect(&url, &[]).await), Some(401));
    let garbage = [("authorization", "Bearer garbage")];
    assert_eq!(status(Socket::connect(&url, &garbage).await), Some(401));
    let of_bob = format!("Bearer {bob}");
    assert_eq!(status(Socket::connect(&url, &[("authorization", &of_bob)]).await), Some(403));

    let offer = format!("bearer, {writer}");
    let mut socket = Socket::connect(&url, &[("sec-websocket-protocol", &offer)]).await.unwrap();
    assert_eq!(socket.handshake.headers()["sec-websocket-protocol"], "bearer");
    let answer = socket.ask(r#"{"action":"echo"}"#).await;
    assert_eq!(answer["requestContext"]["authorizer"]["clientId"], "orders-writer");
    assert!(!answer.to_string().contains(&writer), "no token in an answer");
    socket.close().await;

    let reader = format!("Bearer {}", token(&stack, "orders-reader"));
    let headers = [("authorization", reader.as_str())];
    let connect = async || status(Socket::connect(&url, &headers).await);
    let statuses = join_all((0..CROWD).map(|_| connect())).await;
    assert!(statuses.contains(&None) && statuses.contains(&Some(429)), "{statuses:?}");
    stack.shutdown().await;
}

#[tokio::test]
async fn a_native_plan_holds_the_key_that_the_authorizer_names() {
    let stack = start(|options| {
        options.usage_plan =
            Some(Plan::from_json(r#"{"quota":{"limit":2,"period":"DAY"}}"#).unwrap());
    })
    .await;
    let url = stack.ready().api;
    let writer = token(&stack, "orders-writer");
    for expected in [200, 200, 429] {
        assert_eq!(call(&url, "GET /orders", Some(&writer)).await.status(), expected);
    }
    let over = call(&url, "GET /orders", Some(&writer)).await;
    assert_eq!(over.text().await.unwrap(), r#"{"message":"Limit Exceeded"}"#);
    stack.shutdown().await;
}
