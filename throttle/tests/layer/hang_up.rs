//! Settlements behind a real server: clients that hang up, HEAD, empty bodies, handlers that panic.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::body::{RESERVED, by_json, comes_to, setting, used};
use crate::setting::Setting;

const ONE: &str = r#"{"usage": {"total_tokens": 11}}"#;

/// A stub of a model behind limits, on a free port.
async fn serve(it: &Setting) -> std::net::SocketAddr {
    // 10, 20, 30, … tokens, and then silence until the client goes.
    let endless = get(|| async {
        let events = stream::iter(1..=3_u64).chain(stream::pending()).map(|nth| {
            let usage = format!(r#"{{"usage": {{"total_tokens": {}}}}}"#, nth * 10);
            Ok::<_, std::convert::Infallible>(Event::default().data(usage))
        });
        Sse::new(events)
    });
    let silent = get(|| async { std::future::pending::<&str>().await });
    let panics = get(|| async {
        assert!(ONE.is_empty(), "broken");
    });
    let breaks = get(|| async {
        let frames = stream::iter([Some(Bytes::from(format!("data: {ONE}\n\n"))), None]);
        let frames = frames.then(|it| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, &str>(Frame::data(it.unwrap()))
        });
        ([("content-type", "text/event-stream")], Body::new(StreamBody::new(frames)))
    });
    let router = Router::new()
        .route("/endless", endless)
        .route("/silent", silent)
        .route("/panics", panics)
        .route("/breaks", breaks)
        .route("/whole", get(|| async { ONE }))
        .route("/empty", get(|| async { StatusCode::NO_CONTENT }))
        .layer(by_json(it));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Sends a request, and reads until the response has this text or ends.
async fn ask(it: &Setting, method: &str, path: &str, until: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(serve(it).await).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nx-client: maria\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while until.is_empty() || !text.contains(until) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => text.push_str(std::str::from_utf8(&buffer[..read]).unwrap()),
        }
    }
    (stream, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_midway_pays_for_what_it_got() {
    let it = setting();
    let (stream, text) = ask(&it, "GET", "/endless", "30}}").await;
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    assert!(text.contains(r#""tokens-burst";r=600"#), "{text}");
    assert_eq!(used(&it).await, RESERVED, "while the stream is open");
    drop(stream);
    comes_to(&it, 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_before_the_response_pays_the_reservation() {
    let it = setting();
    let address = serve(&it).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "GET /silent HTTP/1.1\r\nhost: test\r\nx-client: maria\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    while used(&it).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(stream);
    comes_to(&it, RESERVED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_panics_before_and_within_its_body() {
    let it = setting();
    let (_, text) = ask(&it, "GET", "/panics", "").await;
    assert_eq!(text, "");
    comes_to(&it, RESERVED).await;

    let it = setting();
    let (_, text) = ask(&it, "GET", "/breaks", "").await;
    assert!(text.contains(ONE), "{text}");
    comes_to(&it, 11).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_and_empty_bodies_and_heads() {
    for (method, path, status, expected) in [
        ("GET", "/whole", "200", 11),
        ("GET", "/empty", "204", RESERVED),
        ("GET", "/none", "404", RESERVED),
        // A HEAD has no body that states an amount, even if the handler has worked for it.
        ("HEAD", "/whole", "200", RESERVED),
        ("HEAD", "/empty", "204", RESERVED),
    ] {
        let it = setting();
        let (_, text) = ask(&it, method, path, "").await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
        if path == "/whole" {
            assert!(text.contains("content-length: 31"), "{text}");
        }
        comes_to(&it, expected).await;
    }
}
