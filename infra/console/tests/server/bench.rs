//! A console on a table of its own, and calls of it.

use console::{Console, Options, TableAt};
use reqwest::{Client, Response, StatusCode, header};
use serde_json::{Value, json};
use table::Connect;
use tokio::net::TcpListener;

/// A console on a table of its own.
pub(crate) struct Bench {
    pub(crate) console: Console,
    pub(crate) client: Client,
    pub(crate) origin: String,
    pub(crate) cookie: String,
}

impl Bench {
    pub(crate) async fn start(writes: bool) -> Self {
        let endpoint = database().await;
        let client = Connect::emulator(&endpoint).client().await;
        table::create(&client, TABLE).await.unwrap();
        Self::on(client, &endpoint, writes).await
    }

    pub(crate) async fn on(client: table::Client, endpoint: &str, writes: bool) -> Self {
        Self::with(Options {
            at: TableAt { client, table: TABLE.to_owned(), endpoint: Some(endpoint.to_owned()) },
            sources: Vec::new(),
            writes,
            local: None,
        })
        .await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let listener = console::bind(Some(0), 0).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let console = Console::start(listener, options).unwrap();
        let client = Client::new();
        let page = client.get(console.url()).send().await.unwrap();
        let cookie = page.headers()[header::SET_COOKIE].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { console, client, origin, cookie }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = format!("{}/api/{path}", self.origin);
        let answer = self.client.get(url).header(header::COOKIE, &self.cookie).send().await;
        answer.unwrap().json().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        let url = format!("{}/api/{path}", self.origin);
        let request = self.client.post(url).header(header::COOKIE, &self.cookie).json(body);
        request.header("x-tollgate-console", "1").send().await.unwrap()
    }

    pub(crate) async fn change(&self, change: &Value) -> (StatusCode, Value) {
        let answer = self.post("change", &json!({"change": change})).await;
        (answer.status(), answer.json().await.unwrap())
    }
}

/// The console's table.
pub(crate) const TABLE: &str = "tollgate";

/// Serves an embedded database, and returns its endpoint.
pub(crate) async fn database() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let database = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    endpoint
}
