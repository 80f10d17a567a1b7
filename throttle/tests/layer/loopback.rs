//! axum over real connections, and many clients at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tollgate_throttle::layer::{By, Limits, Plans};
use tollgate_throttle::{Throttle, testing::Fault};

use crate::setting::{Setting, client, plan};

type Http = Client<HttpConnector, Empty<&'static [u8]>>;

/// Serves a router on a free port of the loopback interface.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    format!("http://{address}")
}

fn http() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn ask(http: &Http, url: &str, client: Option<&str>) -> Response<String> {
    let mut request = Request::get(url);
    if let Some(client) = client {
        request = request.header("x-client", client);
    }
    let response = http.request(request.body(Empty::new()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_as_many_pass_as_the_plan_allows() {
    const BURST: usize = 40;
    let setting = Setting::burst(u32::try_from(BURST).unwrap());
    let reached = Arc::new(AtomicU32::default());
    // Two instances that share the store alone, each with two routes behind one layer.
    let mut urls = Vec::new();
    for _ in 0..2 {
        let throttle = Throttle::new(setting.store.clone(), setting.clock.clone());
        let limits = Limits::new(Arc::new(throttle), client(), Plans::fixed(plan("free")));
        let reached = Arc::clone(&reached);
        let handler = get(move || async move {
            reached.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            "orders"
        });
        let router = Router::new().route("/orders", handler.clone()).route("/more", handler);
        let url = serve(router.layer(limits)).await;
        urls.push(format!("{url}/orders"));
        urls.push(format!("{url}/more"));
    }
    for name in ["maria", "paul"] {
        let clients = (0..10).map(|nth| {
            let url = urls[nth % urls.len()].clone();
            async move {
                let (http, mut passed) = (http(), 0);
                for _ in 0..12 {
                    let response = ask(&http, &url, Some(name)).await;
                    match response.status().as_u16() {
                        200 => passed += 1,
                        429 => assert_eq!(response.headers()["retry-after"], "1"),
                        status => panic!("{status}"),
                    }
                    assert!(response.headers().contains_key("ratelimit"));
                }
                passed
            }
        });
        let passed: Vec<usize> =
            join_all(clients.map(tokio::spawn)).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(passed.iter().sum::<usize>(), BURST, "{passed:?}");
    }
    assert_eq!(reached.load(Ordering::Relaxed), 2 * 40);
}

#[tokio::test]
async fn an_axum_service_knows_its_peers() {
    let setting = Setting::burst(1);
    let by = client().or(By::extension(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| {
        format!("address-{}", peer.ip())
    }));
    let router = Router::new().route("/", get(|| async { "orders" }));
    let url = serve(router.layer(setting.limits_by(by))).await;
    let http = http();
    assert_eq!(ask(&http, &url, None).await.status(), 200);
    let refused = ask(&http, &url, None).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert!(refused.body().contains("quota-exceeded"), "{}", refused.body());
    assert_eq!(setting.ask("address-127.0.0.1").await.remaining(), 0);
    assert_eq!(ask(&http, &url, Some("maria")).await.status(), 200);
    setting.store.fail_with(Fault::Unreachable);
    assert_eq!(ask(&http, &url, Some("paul")).await.status(), 503);
}
