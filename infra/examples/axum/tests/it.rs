//! The service as a process, over an embedded table, called as API Gateway calls it.

#![expect(clippy::unwrap_used, reason = "tests fail loudly, in their helpers too")]

use std::process::Stdio;
use std::time::Duration;

use dynoxide::Database;
use reqwest::Client;
use table::Connect;
use throttle::{Clock as _, Plan, PlanId, Plans, SystemClock};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const FREE: &str = r#"{"throttle": {"rateLimit": 0.001, "burstLimit": 2}}"#;

/// The headers that `../http-api.yaml` maps, for a request that the authorizer has counted.
const COUNTED: [(&str, &str); 4] = [
    ("x-authorizer-subject", "pool#maria"),
    ("x-authorizer-plan", "free"),
    ("x-authorizer-limit", "2"),
    ("x-authorizer-remaining", "1"),
];

async fn table() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let database = Database::memory().unwrap();
    tokio::spawn(async move { dynoxide::server::serve_on(listener, database).await });
    let connect = Connect::emulator(&url).operation_timeout(Duration::from_secs(30));
    let client = connect.client().await;
    table::create(&client, "tollgate").await.unwrap();
    let (id, plan) = (PlanId::new("free").unwrap(), Plan::from_json(FREE).unwrap());
    Plans::new(client, "tollgate").put(&id, &plan, None, SystemClock::new().now()).await.unwrap();
    url
}

fn command(table: &str, address: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders-axum"));
    command
        .env("ADDRESS", address)
        .env("TOLLGATE_TABLE", "tollgate")
        .env("AWS_ENDPOINT_URL_DYNAMODB", table)
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_REGION", "us-east-1")
        .kill_on_drop(true);
    command
}

/// Starts the service; returns it with the address that it prints.
async fn start(table: &str) -> (Child, String) {
    let mut service = command(table, "127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(service.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    (service, line.strip_prefix("listening on ").unwrap().to_owned())
}

#[tokio::test]
async fn answers_from_the_authorizer_s_headers_alone() {
    let (_service, url) = start(&table().await).await;
    let call = async |headers: &[(&str, &str)]| {
        let mut request = Client::new().get(format!("{url}/orders"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let wait = answer.headers().get("retry-after").cloned();
        (answer.status().as_u16(), wait.map(|wait| wait.to_str().unwrap().to_owned()))
    };
    assert_eq!(call(&COUNTED).await, (200, None));
    assert_eq!(call(&[]).await, (403, None), "without the authorizer");
    let over = [("x-authorizer-throttled", "true"), ("x-authorizer-retryafter", "7")];
    assert_eq!(call(&[COUNTED.as_slice(), &over].concat()).await, (429, Some("7".to_owned())));
    // Not counted by the authorizer: the service itself charges the same bucket, in the table.
    let statuses = [call(&COUNTED[..2]).await.0, call(&COUNTED[..2]).await.0];
    assert_eq!(statuses, [200, 200]);
    assert_eq!(call(&COUNTED[..2]).await.0, 429);
}

#[tokio::test]
async fn logs_why_a_request_gets_503() {
    let mut service = command("http://127.0.0.1:9", "127.0.0.1:0");
    let mut service = service.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(service.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let url = format!("{}/orders", line.strip_prefix("listening on ").unwrap());
    let request = Client::new().get(url).header(COUNTED[0].0, COUNTED[0].1);
    assert_eq!(request.send().await.unwrap().status(), 503);
    service.kill().await.unwrap();
    let logged = service.wait_with_output().await.unwrap().stderr;
    let logged = String::from_utf8(logged).unwrap();
    assert!(logged.contains("the table can't be reached"), "{logged}");
}

#[tokio::test]
async fn is_healthy_until_it_is_told_to_stop() {
    let (mut service, url) = start("http://127.0.0.1:9").await;
    let address = url.strip_prefix("http://").unwrap();
    let health = async || command("", address).arg("health").status().await.unwrap().success();
    assert!(health().await, "without its table too");
    let pid = service.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert!(service.wait().await.unwrap().success(), "ends by itself");
    assert!(!health().await);
}
