//! Spans, as a collector on the loopback receives them.

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::sync::mpsc;

use super::*;
use crate::otel::Traces;

/// A collector that answers with this status, its address, and what it received.
async fn collector(status: StatusCode) -> (String, mpsc::UnboundedReceiver<Bytes>) {
    let (sent, received) = mpsc::unbounded_channel();
    let app = Router::new().route(
        "/v1/traces",
        post(move |body: Bytes| async move {
            sent.send(body).unwrap();
            status
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, received)
}

fn holds(body: &Bytes, text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

#[tokio::test]
async fn a_collector_has_the_span_before_the_answer_goes_out() {
    let mut bench = Bench::new("").await;
    let (address, mut received) = collector(StatusCode::OK).await;
    bench.authorizer.traces = Some(Traces::to(Some(&address)).unwrap());
    let token = bench.token(&json!({"sub": "alice@example"}));
    let event = json!({"type": "TOKEN", "methodArn": ARN,
        "authorizationToken": format!("Bearer {token}")});
    let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let mut invocation = Invocation { request_id: "the-request", trace: Some(header) };
    bench.authorizer.handle(&event, invocation).await.unwrap();

    let body = received.try_recv().expect("there when the answer is");
    for text in ["the-request", "tollgate.code", "allowed", "faas.invocation_id", "rest-token"] {
        assert!(holds(&body, text.as_bytes()), "{text}");
    }
    assert!(holds(&body, &[0x57, 0x59, 0xe9, 0x88, 0xbd, 0x86, 0x2e, 0x3f]), "X-Ray's trace");
    assert!(holds(&body, &[0x53, 0x99, 0x5c, 0x3f, 0x42, 0xcd, 0x8a, 0xd8]), "and its segment");
    for secret in token.split('.').chain(["alice"]) {
        assert!(!holds(&body, secret.as_bytes()), "{secret}");
    }

    invocation.trace = Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0");
    bench.authorizer.handle(&event, invocation).await.unwrap();
    assert!(received.try_recv().is_err(), "not sampled");
    bench.authorizer.handle(&event, "untraced").await.unwrap();
    assert!(holds(&received.try_recv().unwrap(), b"untraced"));
}

#[tokio::test]
async fn a_collector_that_fails_costs_no_request() {
    let mut bench = Bench::new("").await;
    let token = bench.token(&json!({}));
    let (failing, _received) = collector(StatusCode::INTERNAL_SERVER_ERROR).await;
    for address in [failing.as_str(), "http://127.0.0.1:1/v1/traces"] {
        bench.authorizer.traces = Some(Traces::to(Some(address)).unwrap());
        assert!(bench.call(&token, ARN).await.is_ok(), "{address}");
    }
}
