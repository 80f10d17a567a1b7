//! The REST API over loopback, with a closure in the authorizer's place.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of tests fails as loudly as they do"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::any;
use bytes::Bytes;
use local::clock::Now;
use local::gateway::{Gateway, Integration, Invoke, Keys, Kind, Options, Payload};
use local::lambda::InvokeError;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use throttle::ManualClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:t0llgate00/local";
const KEY: &str = "a-key-of-more-than-twenty-characters";

/// An API, and what its authorizer was asked.
struct Api {
    gateway: Gateway,
    asked: Arc<Mutex<Vec<Value>>>,
    client: reqwest::Client,
}

type Answer = Result<Value, InvokeError>;

impl Api {
    async fn start(answer: Answer) -> Self {
        Self::start_with(answer, |_| {}).await
    }

    async fn start_with(answer: Answer, change: impl FnOnce(&mut Options)) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let function = {
            let asked = Arc::clone(&asked);
            Arc::new(move |_, event: Bytes| {
                asked.lock().unwrap().push(serde_json::from_slice(&event).unwrap());
                let answer = answer.clone().map(|output| Bytes::from(output.to_string()));
                Box::pin(std::future::ready(answer)) as _
            })
        };
        let mut options = Options::new(function, Now::new(ManualClock::default()));
        change(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Gateway::start(listener, options).unwrap();
        Self { gateway, asked, client: reqwest::Client::new() }
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.gateway.url()));
        request.header("Authorization", "Bearer t").send().await.unwrap()
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

/// An authorizer's output that has one statement for each pair.
fn output(statements: &[(&str, &str)]) -> Value {
    let statements: Vec<Value> = statements
        .iter()
        .map(|(effect, resource)| {
            json!({
                "Effect": effect,
                "Action": "execute-api:Invoke",
                "Resource": format!("{STAGE}/{resource}"),
            })
        })
        .collect();
    json!({
        "principalId": "alice",
        "policyDocument": {"Version": "2012-10-17", "Statement": statements},
    })
}

fn allow_all() -> Value {
    output(&[("Allow", "*")])
}

fn with(member: &str, value: Value) -> Value {
    let mut output = allow_all();
    output[member] = value;
    output
}

/// Status, error type and body: what a caller goes by.
async fn seen(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    let error_type = response.headers().get("x-amzn-errortype");
    let error_type = error_type.map_or(String::new(), |v| v.to_str().unwrap().to_owned());
    (status, error_type, response.text().await.unwrap())
}

fn is(status: u16, error_type: &str, body: &str) -> (u16, String, String) {
    (status, error_type.to_owned(), body.to_owned())
}

// ---- the identity source ----

#[tokio::test]
async fn without_a_token_the_authorizer_is_not_asked() {
    let api = Api::start(Ok(allow_all())).await;
    let refused = is(401, "UnauthorizedException", r#"{"message":"Unauthorized"}"#);
    let url = format!("{}/orders", api.gateway.url());
    assert_eq!(seen(api.client.get(&url).send().await.unwrap()).await, refused);
    for empty in ["", "  "] {
        let request = api.client.get(&url).header("Authorization", empty);
        assert_eq!(seen(request.send().await.unwrap()).await, refused);
    }
    let bytes = reqwest::header::HeaderValue::from_bytes(b"Bearer \xff").unwrap();
    let request = api.client.get(&url).header("Authorization", bytes);
    assert_eq!(seen(request.send().await.unwrap()).await, refused);
    assert_eq!(api.asked(), [] as [Value; 0]);
}

#[tokio::test]
async fn the_authorizer_gets_a_token_event_with_the_path_as_received() {
    let api = Api::start(Ok(allow_all())).await;
    for path in ["/", "/orders?a=b", "/orders%2F1/", "/a:b"] {
        assert_eq!(api.get(path).await.status(), StatusCode::OK);
    }
    let expected: Vec<Value> = ["", "orders", "orders%2F1/", "a:b"]
        .iter()
        .map(|path| {
            json!({
                "type": "TOKEN",
                "authorizationToken": "Bearer t",
                "methodArn": format!("{STAGE}/GET/{path}"),
            })
        })
        .collect();
    assert_eq!(api.asked(), expected);
}

// ---- what the authorizer's answer comes to ----

#[tokio::test]
async fn errors_of_the_function_are_401_for_one_word_and_500_for_the_rest() {
    let error = |message: &str| {
        Err(InvokeError::Function { error_type: "E".into(), error_message: message.into() })
    };
    let configuration = is(500, "AuthorizerConfigurationException", r#"{"message":null}"#);
    let failure = is(500, "AuthorizerFailureException", r#"{"message":null}"#);
    for (answer, expected) in [
        (error("Unauthorized"), is(401, "UnauthorizedException", r#"{"message":"Unauthorized"}"#)),
        (error("Unauthorized: expired"), configuration.clone()),
        (error("table away"), configuration.clone()),
        (Err(InvokeError::Payload), configuration),
        (Err(InvokeError::Exit("signal 9".into())), failure.clone()),
        (Err(InvokeError::Timeout(Duration::from_secs(10))), failure.clone()),
        (Err(InvokeError::Throttled), failure),
    ] {
        let api = Api::start(answer.clone()).await;
        assert_eq!(seen(api.get("/orders").await).await, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn an_output_of_the_wrong_form_is_a_500() {
    let mut no_policy = allow_all();
    no_policy.as_object_mut().unwrap().remove("policyDocument");
    for output in [
        no_policy,
        json!("text"),
        with("context", json!({"nested": {"a": 1}})),
        with("context", json!({"list": [1]})),
        with("policyDocument", json!({"Version": "2012-10-17", "Statement": "x"})),
        output(&[("Allow", &"a".repeat(512))]),
    ] {
        let api = Api::start(Ok(output.clone())).await;
        assert_eq!(
            seen(api.get("/orders").await).await,
            is(500, "AuthorizerConfigurationException", r#"{"message":null}"#),
            "{output}"
        );
    }
}

#[tokio::test]
async fn a_policy_is_held_against_the_request() {
    let policy = output(&[("Allow", "GET/orders*"), ("Deny", "GET/orders/secret")]);
    let api = Api::start(Ok(policy)).await;
    assert_eq!(api.get("/orders").await.status(), StatusCode::OK);
    assert_eq!(
        seen(api.get("/orders/secret").await).await,
        is(
            403,
            "AccessDeniedException",
            r#"{"Message":"User is not authorized to access this resource with an explicit deny in an identity-based policy"}"#
        )
    );
    assert_eq!(
        seen(api.get("/admin").await).await,
        is(
            403,
            "AccessDeniedException",
            r#"{"Message":"User is not authorized to access this resource"}"#
        )
    );
}

#[tokio::test]
async fn a_required_api_key_comes_from_the_authorizer() {
    let too_many = is(429, "ForbiddenException", r#"{"message":"Too Many Requests"}"#);
    let keyed = |options: &mut Options| {
        options.keys = Some(Keys::one(KEY, None, &options.now));
    };

    let api = Api::start_with(Ok(with("usageIdentifierKey", json!(KEY))), keyed).await;
    assert_eq!(api.get("/").await.status(), StatusCode::OK);
    let mut output = with("usageIdentifierKey", json!("unknown"));
    output["context"] = json!({"retryAfter": 7});
    let api = Api::start_with(Ok(output), keyed).await;
    let response = api.get("/").await;
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(seen(response).await, too_many);
    let api = Api::start_with(Ok(allow_all()), keyed).await;
    let response = api.get("/").await;
    assert!(!response.headers().contains_key("retry-after"));
    assert_eq!(seen(response).await, too_many, "no key is no known key");

    // A policy that does not allow comes first, and without a key configured none is looked at.
    let mut denied = output_of_unknown_key();
    denied["policyDocument"]["Statement"][0]["Effect"] = json!("Deny");
    let api = Api::start_with(Ok(denied), keyed).await;
    assert_eq!(api.get("/").await.status(), StatusCode::FORBIDDEN);
    let api = Api::start(Ok(output_of_unknown_key())).await;
    assert_eq!(api.get("/").await.status(), StatusCode::OK);
}

fn output_of_unknown_key() -> Value {
    with("usageIdentifierKey", json!("unknown"))
}

// ---- the result cache ----

#[tokio::test]
async fn a_cached_policy_is_evaluated_again_for_every_request() {
    let clock = ManualClock::default();
    let now = Now::new(clock.clone());
    let policy = output(&[("Allow", "GET/orders")]);
    let api = Api::start_with(Ok(policy), |options| {
        options.cache_ttl = Duration::from_secs(300);
        options.now = now;
    })
    .await;
    assert_eq!(api.get("/orders").await.status(), StatusCode::OK);
    assert_eq!(api.get("/admin").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(api.asked().len(), 1, "the second answer came from the cache");
    clock.advance(Duration::from_secs(300));
    assert_eq!(api.get("/orders").await.status(), StatusCode::OK);
    assert_eq!(api.asked().len(), 2, "after its time the authorizer is asked again");
}

#[tokio::test]
async fn without_a_cache_every_request_asks() {
    let api = Api::start(Ok(allow_all())).await;
    for _ in 0..3 {
        assert_eq!(api.get("/").await.status(), StatusCode::OK);
    }
    assert_eq!(api.asked().len(), 3);
}

// ---- the backend ----

#[tokio::test]
async fn the_echo_shows_the_request_and_the_context_but_no_token() {
    let context = json!({"plan": "free", "remaining": 3, "trial": true});
    let api = Api::start(Ok(with("context", context))).await;
    let response = api
        .client
        .post(format!("{}/orders?a=1&b=%20", api.gateway.url()))
        .header("Authorization", "Bearer t")
        .header("X-Mine", "kept")
        .header("X-Authorizer-Plan", "gold")
        .body("text")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let id = response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
    let echo: Value = response.json().await.unwrap();
    assert_eq!(echo["method"], "POST");
    assert_eq!(echo["path"], "/orders");
    assert_eq!(echo["query"], "a=1&b=%20");
    assert_eq!(echo["headers"]["x-mine"], "kept");
    assert_eq!(echo["requestContext"]["requestId"], id);
    assert_eq!(
        echo["requestContext"]["authorizer"],
        json!({"principalId": "alice", "plan": "free", "remaining": "3", "trial": "true"})
    );
    let text = echo.to_string();
    assert!(!text.contains("Bearer") && !text.contains("gold"), "{text}");
}

/// A service that tells what it got, as `name: value` lines, under a few headers of its own.
async fn service() -> (String, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let app = Router::new().fallback(any({
        let calls = Arc::clone(&calls);
        move |request: Request<Body>| async move {
            calls.fetch_add(1, Ordering::Relaxed);
            let (head, body) = request.into_parts();
            let mut text = format!("{} {}\n", head.method, head.uri);
            for (name, value) in &head.headers {
                text += &format!("{name}: {}\n", value.to_str().unwrap());
            }
            let body = axum::body::to_bytes(body, 1000).await.unwrap();
            text += str::from_utf8(&body).unwrap();
            (
                axum::http::StatusCode::CREATED,
                [
                    ("server", "mine"),
                    ("www-authenticate", "Basic"),
                    ("keep-alive", "timeout=5"),
                    ("x-kept", "yes"),
                ],
                text,
            )
        }
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/base", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, calls)
}

#[tokio::test]
async fn an_upstream_gets_the_request_and_the_context_that_no_caller_can_forge() {
    let (url, _) = service().await;
    let output = with("context", json!({"plan": "free"}));
    let api = Api::start_with(Ok(output), |options| {
        options.integration = Integration::Http(url.parse().unwrap());
    })
    .await;
    let response = api
        .client
        .put(format!("{}/orders/1?x=%2F", api.gateway.url()))
        .header("Authorization", "Bearer t")
        .header("X-Mine", "kept")
        .header("X-Authorizer-Plan", "forged")
        .header("x_authorizer_plan", "forged")
        .header("X-Authorizer-PrincipalId", "forged")
        .header("x-authorizer-admin", "forged")
        .header("TE", "trailers")
        .header("Connection", "x-hop")
        .header("X-Hop", "dropped")
        .header("X-Forwarded-For", "203.0.113.9")
        .body("the body")
        .send()
        .await
        .unwrap();

    assert_eq!(response.status(), StatusCode::CREATED);
    let headers = response.headers().clone();
    assert_eq!(headers["x-amzn-remapped-server"], "mine");
    assert_eq!(headers["x-amzn-remapped-www-authenticate"], "Basic");
    assert_eq!(headers["x-kept"], "yes");
    assert!(headers.contains_key("x-amzn-requestid") && headers.contains_key("x-amz-apigw-id"));
    for gone in ["server", "www-authenticate", "keep-alive"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }

    let got = response.text().await.unwrap();
    assert!(got.starts_with("PUT /base/orders/1?x=%2F\n"), "{got}");
    assert!(got.ends_with("the body"), "{got}");
    let host = url.strip_prefix("http://").unwrap().strip_suffix("/base").unwrap();
    for line in [
        "authorization: Bearer t",
        "x-mine: kept",
        "x-authorizer-plan: free",
        "x-authorizer-principalid: alice",
        "x-forwarded-for: 203.0.113.9, 127.0.0.1",
        &format!("host: {host}"),
        "content-length: 8",
    ] {
        assert_eq!(got.lines().filter(|got| got == &line).count(), 1, "{line} in {got}");
    }
    for gone in ["forged", "x-hop", "te: ", "dropped"] {
        assert!(!got.contains(gone), "{gone} in {got}");
    }
}

#[tokio::test]
async fn a_refused_request_never_reaches_the_upstream() {
    let (url, calls) = service().await;
    let api = Api::start_with(Ok(output(&[("Allow", "GET/orders")])), |options| {
        options.integration = Integration::Http(url.parse().unwrap());
    })
    .await;
    assert_eq!(api.get("/admin").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    assert_eq!(api.get("/orders").await.status(), StatusCode::CREATED);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_upstream_that_fails_is_a_504_or_a_502() {
    // Nobody listens where a listener has just been dropped.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = gone.local_addr().unwrap();
    drop(gone);
    // Accepts and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let quiet = silent.local_addr().unwrap();
    let large = Router::new().fallback(any(|| async { vec![b'a'; 10 * 1024 * 1024 + 1] }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let chatty = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, large).await });

    for (address, status, body) in [
        (closed, 504, r#"{"message": "Network error communicating with endpoint"}"#),
        (quiet, 504, r#"{"message": "Endpoint request timed out"}"#),
        (chatty, 502, r#"{"message": "Internal server error"}"#),
    ] {
        let api = Api::start_with(Ok(allow_all()), |options| {
            options.integration = Integration::Http(format!("http://{address}").parse().unwrap());
            if address == quiet {
                options.integration_timeout = Duration::from_millis(50);
            }
        })
        .await;
        let expected = is(status, "InternalServerErrorException", body);
        assert_eq!(seen(api.get("/").await).await, expected);
    }
}

#[tokio::test]
async fn a_context_that_makes_no_header_is_an_error_and_not_left_out() {
    let (url, calls) = service().await;
    for context in [json!({"a b": "x"}), json!({"line": "a\nb"})] {
        let api = Api::start_with(Ok(with("context", context)), |options| {
            options.integration = Integration::Http(url.parse().unwrap());
        })
        .await;
        assert_eq!(api.get("/").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

// ---- limits and odd requests ----

/// An API without an authorizer in front of a function.
async fn in_front_of(kind: Kind, function: Invoke) -> Api {
    Api::start_with(Ok(allow_all()), |options| {
        (options.kind, options.is_open) = (kind, true);
        options.integration = Integration::Function(function);
        options.integration_timeout = Duration::from_millis(200);
    })
    .await
}

#[tokio::test]
async fn a_function_behind_the_api_that_fails_is_told_as_api_gateway_tells_it() {
    let answers = |answer: Result<Value, InvokeError>| -> Invoke {
        let answer = answer.map(|value| Bytes::from(value.to_string()));
        Arc::new(move |_, _| Box::pin(std::future::ready(answer.clone())))
    };
    let never: Invoke = Arc::new(|_, _| Box::pin(std::future::pending()));
    let (type_, http) = ("InternalServerErrorException", Kind::Http(Payload::V2));
    let malformed = r#"{"message": "Internal server error"}"#;
    let unusable = r#"{"message":"Internal Server Error"}"#;
    let late = Err(InvokeError::Timeout(Duration::from_secs(3)));
    for (kind, function, expected) in [
        (Kind::RestToken, answers(Ok(json!({"a": 1}))), is(502, type_, malformed)),
        (Kind::RestToken, answers(late.clone()), is(502, type_, malformed)),
        (
            Kind::RestToken,
            Arc::clone(&never),
            is(504, type_, r#"{"message": "Endpoint request timed out"}"#),
        ),
        (http, answers(Ok(json!({"statusCode": "x"}))), is(500, "", unusable)),
        (http, answers(late), is(500, "", unusable)),
        (http, never, is(503, "", r#"{"message":"Service Unavailable"}"#)),
        (http, answers(Ok(json!({"a": 1}))), is(200, "", r#"{"a":1}"#)),
    ] {
        let api = in_front_of(kind, function).await;
        assert_eq!(seen(api.get("/orders").await).await, expected, "{kind:?}");
    }
    let api = in_front_of(Kind::RestToken, answers(Ok(json!({"statusCode": 200})))).await;
    let post = async |bytes: usize| {
        let url = format!("{}/orders", api.gateway.url());
        seen(api.client.post(url).body("a".repeat(bytes)).send().await.unwrap()).await
    };
    assert_eq!(post(5 * 1024 * 1024).await.0, 200);
    let too_long = r#"{"message": "Request Too Long"}"#;
    assert_eq!(post(7 * 1024 * 1024).await, is(413, "BadRequestException", too_long));
}

/// Sends bytes as they are and reads the answer until the other side has no more.
async fn raw(api: &Api, request: &[u8]) -> String {
    let address = api.gateway.url();
    let mut stream = TcpStream::connect(address.strip_prefix("http://").unwrap()).await.unwrap();
    // The gateway may have answered and closed before all is sent.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused_before_anything_is_asked() {
    let api = Api::start(Ok(allow_all())).await;
    // Header values are counted: this many bytes are left for the token.
    let line = "GET /orders HTTP/1.1\r\n";
    let room = 10_240 - "h".len() - "close".len();
    let request = |token: usize| {
        format!(
            "{line}Host: h\r\nConnection: close\r\nAuthorization: {}\r\n\r\n",
            "a".repeat(token)
        )
    };
    let fits = raw(&api, request(room).as_bytes()).await;
    assert!(fits.starts_with("HTTP/1.1 200 "), "{fits}");
    let over = raw(&api, request(room + 1).as_bytes()).await;
    assert!(over.starts_with("HTTP/1.1 431 "), "{over}");
    assert!(over.ends_with("\r\n\r\nHTTP header is larger than 10240 bytes."), "{over}");
    let far = raw(&api, request(100_000).as_bytes()).await;
    assert!(far.starts_with("HTTP/1.1 431 "), "{far}");
    assert_eq!(api.asked().len(), 1);

    let long = |query: usize| {
        let target = format!("/orders?{}", "q".repeat(query - "/orders?".len()));
        format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: t\r\n\r\n")
    };
    let fits = raw(&api, long(10_240).as_bytes()).await;
    assert!(fits.starts_with("HTTP/1.1 200 "), "{fits}");
    let over = raw(&api, long(10_241).as_bytes()).await;
    assert!(over.starts_with("HTTP/1.1 414 "), "{over}");

    let open = |options: &mut Options| {
        (options.kind, options.is_open) = (Kind::Http(Payload::V2), true);
    };
    let api = Api::start_with(Ok(allow_all()), open).await;
    let fits = raw(&api, request(room - line.len()).as_bytes()).await;
    assert!(fits.starts_with("HTTP/1.1 200 "), "an HTTP API counts the request line: {fits}");
    let over = raw(&api, request(room - line.len() + 1).as_bytes()).await;
    assert!(over.starts_with("HTTP/1.1 431 "), "{over}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_anything_is_asked() {
    let api = Api::start(Ok(allow_all())).await;
    let limit = 10 * 1024 * 1024;
    let url = format!("{}/orders", api.gateway.url());
    let post = |size: usize| {
        let request = api.client.post(&url).header("Authorization", "Bearer t");
        request.body(vec![b'a'; size]).send()
    };
    assert_eq!(post(limit).await.unwrap().status(), StatusCode::OK);
    let declared = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nAuthorization: t\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        limit + 1
    );
    let mut request = declared.into_bytes();
    request.resize(request.len() + limit + 1, b'a');
    let answer = raw(&api, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("content-type: text; charset=utf-8"), "{answer}");
    assert!(answer.ends_with("HTTP content length exceeded 10485760 bytes."), "{answer}");
    assert_eq!(api.asked().len(), 1);
}

#[tokio::test]
async fn odd_requests_are_answered_and_none_is_asked_about() {
    let api = Api::start(Ok(allow_all())).await;
    for (line, status) in [
        ("BREW / HTTP/1.1", "403 "),
        ("TRACE / HTTP/1.1", "403 "),
        ("OPTIONS * HTTP/1.1", "400 "),
        ("CONNECT host:80 HTTP/1.1", "403 "),
        (&format!("GET /{} HTTP/1.1", "a".repeat(1600)), "414 "),
        ("GET / HTTP/9.9", "400 "),
        ("nonsense", "400 "),
    ] {
        let request = format!("{line}\r\nHost: h\r\nAuthorization: t\r\nConnection: close\r\n\r\n");
        let answer = raw(&api, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{line}: {answer}");
    }
    assert_eq!(api.asked(), [] as [Value; 0]);
    // And the API lives on.
    assert_eq!(api.get("/").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn requests_that_two_servers_could_read_in_two_ways_are_refused() {
    let api = Api::start(Ok(allow_all())).await;
    let post = "POST / HTTP/1.1\r\nAuthorization: t\r\nConnection: close\r\n";
    for headers in [
        "",
        "Host: h\r\nHost: h\r\n",
        "Host: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Host: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Host: h\r\nTransfer-Encoding: gzip, chunked\r\n",
        "Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let answer = raw(&api, format!("{post}{headers}\r\n0\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{headers}: {answer}");
    }
    assert_eq!(api.asked(), [] as [Value; 0]);
}

#[tokio::test]
async fn more_than_a_hundred_headers_pass() {
    let api = Api::start(Ok(allow_all())).await;
    let many: String = (0..500).map(|at| format!("x-{at}: 1\r\n")).collect();
    let head = "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: t\r\nConnection: close\r\n";
    let answer = raw(&api, format!("{head}{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn names_of_headers_reach_the_authorizer_as_they_were_sent() {
    let api = Api::start_with(Ok(allow_all()), |options| options.kind = Kind::RestRequest).await;
    let one = "POST /a HTTP/1.1\r\nHost: h\r\nAuthorization: t\r\nX-OnE: 1\r\n\
               Content-Length: 3\r\n\r\nabc";
    let two = "GET /b HTTP/1.1\r\nHOST: h\r\nauthorization: t\r\nx-two: 2\r\n\
               Connection: close\r\n\r\n";
    raw(&api, format!("{one}{two}").as_bytes()).await;
    let asked = api.asked();
    assert_eq!(asked[0]["headers"]["X-OnE"], "1");
    assert_eq!(asked[0]["multiValueHeaders"]["Authorization"], json!(["t"]));
    assert_eq!(
        (&asked[1]["headers"]["x-two"], &asked[1]["headers"]["HOST"]),
        (&json!("2"), &json!("h"))
    );
    assert_eq!(asked[1]["headers"].get("Connection"), None);
}

#[tokio::test]
async fn a_gateway_that_was_shut_down_listens_no_more() {
    let api = Api::start(Ok(allow_all())).await;
    assert_eq!(api.get("/").await.status(), StatusCode::OK);
    let url = api.gateway.url();
    api.gateway.shutdown().await;
    let refused = reqwest::get(&url).await.unwrap_err();
    assert!(refused.is_connect(), "{refused}");
}
