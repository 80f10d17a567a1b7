//! The executable's request lines, and README.md, which shows them as they are.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of tests fails as loudly as they do"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use clap::CommandFactory as _;
use futures_util::{SinkExt as _, StreamExt as _};
use local::cli::Cli;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const LOCAL: &str = env!("CARGO_BIN_EXE_tollgate-local");
const README: &str = include_str!("../README.md");

/// A running executable, its ready line, and its standard error in the end.
struct Local {
    child: Child,
    ready: Value,
    stderr: std::thread::JoinHandle<String>,
    http: reqwest::Client,
}

impl Local {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(LOCAL)
            .args(["--json", "--api-port", "0", "--issuer-port", "0", "--dynamodb-port", "0"])
            .args(arguments)
            // No `tollgate` is found, and no environment of the test's says anything but that
            // cargo runs it.
            .env_clear()
            .env("CARGO", "cargo")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let ready = serde_json::from_str(&line).unwrap_or(Value::Null);
        if ready.is_null() {
            panic!("{}", stderr.join().unwrap());
        }
        Self { child, ready, stderr, http: reqwest::Client::new() }
    }

    fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    async fn token(&self, client: &str) -> String {
        let clients = self.ready["clients"].as_array().unwrap();
        let secret = clients.iter().find(|found| found["id"] == client).unwrap()["secret"].as_str();
        let request = self.http.post(self.text("token_endpoint"));
        let request = request.basic_auth(client, secret);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body("grant_type=client_credentials").send().await.unwrap();
        answer.json::<Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned()
    }

    /// Calls with this bearer token, and gives the status.
    async fn call(&self, api: &str, route: &str, token: &str) -> u16 {
        let (method, path) = route.split_once(' ').unwrap();
        let url = format!("{}{path}", self.text(api));
        let request = self.http.request(method.parse().unwrap(), url);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        request.send().await.unwrap().status().as_u16()
    }

    /// Ends it, and gives its lines; times are `N ms` in them.
    fn lines(mut self) -> Vec<String> {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGINT).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.stderr.join().unwrap().lines().map(normal).collect()
    }
}

/// A line without what differs from run to run: times, and the executable's path.
fn normal(line: &str) -> String {
    let line = line.replace(LOCAL, "target/debug/tollgate-local");
    let words: Vec<&str> = line.split(' ').collect();
    let word = |place: usize| match words.get(place + 1) {
        Some(&"ms") => "N",
        // The plan refills while the test runs.
        _ if words[place].ends_with("/200") => "N/200",
        _ => words[place],
    };
    (0..words.len()).map(word).collect::<Vec<_>>().join(" ")
}

/// The lines of the README's blocks of request lines.
fn shown() -> Vec<String> {
    let blocks = README.split("```text\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    blocks.filter(|block| block.contains(" ms")).flat_map(str::lines).map(normal).collect()
}

#[tokio::test]
async fn each_outcome_is_a_line_and_the_readme_shows_it() {
    let local =
        Local::start(&["--http", "--http-port", "0", "--websocket", "--websocket-port", "0"]);
    let token = local.token("orders-reader").await;
    let writer = local.token("orders-writer").await;
    let (signed, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", writer.rsplit_once('.').unwrap().1);
    for (api, route, token, status) in [
        ("api", "GET /orders", token.as_str(), 200),
        ("api", "GET /orders", "", 401),
        ("api", "GET /orders", &forged, 401),
        ("api", "DELETE /orders/1", &token, 403),
        ("http_api", "GET /orders", &writer, 200),
    ] {
        assert_eq!(local.call(api, route, token).await, status, "{api} {route}");
    }
    connect(local.text("websocket_api"), &writer).await;
    let mut calls = 0;
    while local.call("api", "GET /orders", &token).await == 200 {
        calls += 1;
        assert!(calls < 1000, "no limit is met");
    }
    let client = table::Connect::emulator(local.text("dynamodb")).client().await;
    client.delete_table().table_name("tollgate").send().await.unwrap();
    assert_eq!(local.call("api", "GET /orders", &writer).await, 500);

    let lines = local.lines();
    for line in shown() {
        assert!(
            lines.contains(&line),
            "the README shows\n{line}\nand there is\n{}",
            lines.join("\n")
        );
    }
    for line in [
        "GET /orders  200  orders-reader  free 9/10  N ms",
        "GET /orders  401  no Authorization header  N ms",
        "DELETE /orders/1  403  orders-reader  no rule allows it  N ms",
        "GET /orders  429  orders-reader  limit 10 of plan free; retry in 1 s  N ms",
        "GET /orders  200  orders-writer  gold N/200  N ms  HTTP API",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line} is not in\n{}", lines.join("\n"));
    }
    let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
    assert!(has("GET /orders  401  orders-reader (unverified)  signature: "), "{lines:?}");
    assert!(has("GET /orders  500  orders-writer (unverified)  config: "), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains('{')), "no JSON: {lines:?}");
    let secrets = token.split('.').chain(forged.split('.'));
    for secret in secrets {
        assert!(!lines.iter().any(|line| line.contains(secret)), "{lines:?}");
    }
}

/// Connects, sends a message, reads the answer and ends the connection.
async fn connect(url: &str, token: &str) {
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let stream = TcpStream::connect(request.uri().authority().unwrap().as_str()).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    socket.send(Message::text(r#"{"action":"echo"}"#)).await.unwrap();
    socket.next().await.unwrap().unwrap();
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn json_and_quiet_print_what_they_promise() {
    let json = Local::start(&["--log", "json"]);
    let token = json.token("orders-reader").await;
    assert_eq!(json.call("api", "GET /orders", &token).await, 200);
    assert_eq!(json.call("api", "GET /orders", "").await, 401);
    let lines = json.lines();
    let records: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.iter().filter(|record| record["code"] == "allowed").count(), 1);

    let quiet = Local::start(&["--quiet"]);
    let token = quiet.token("orders-reader").await;
    assert_eq!(quiet.call("api", "GET /orders", &token).await, 200);
    assert_eq!(quiet.call("api", "DELETE /orders/1", &token).await, 403);
    assert!(quiet.lines().is_empty());
}

#[tokio::test]
async fn only_tollgates_own_denials_are_explained_by_its_command_line() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/functions/authorizer.py");
    let command = format!("PATH={} python3 {script}", std::env::var("PATH").unwrap());
    let other = Local::start(&["--authorizer-command", &command]);
    let url = format!("{}/x", other.text("api"));
    for (token, status) in [("deny", 403), ("unauthorized", 401), ("fail", 500), ("allow", 200)] {
        let answer = other.http.get(&url).header("authorization", token).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    // No line waits for a record, which only Tollgate's authorizer writes.
    let failed = "the authorizer's result is of no use: the function answered with the error \
                  `Exception`: the secret is missing";
    let expected = [
        "GET /x  403  7  the authorizer denies it  N ms",
        "GET /x  401  the authorizer answers `Unauthorized`  N ms",
        &format!("GET /x  500  {failed}  N ms"),
        "GET /x  200  7  N ms",
    ];
    assert_eq!(other.lines(), expected);
}

/// True if this system restricts writes; an older Linux does not.
#[cfg(target_os = "linux")]
fn has_landlock() -> bool {
    use landlock::{ABI, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let is_there = rules.handle_access(AccessFs::from_write(ABI::V3)).is_ok();
    if !is_there {
        eprintln!("skipped: this system has no Landlock");
    }
    is_there
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_refused_write_is_explained_once() {
    if !has_landlock() {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/functions/authorizer.py");
    let path = std::env::var("PATH").unwrap();
    let write = "echo > /var/tmp/refused";
    let command = format!("{write}; {write}; PATH={path} exec python3 {script}");
    let arguments = ["--environments", "1", "--authorizer-command", &command];
    let lines = Local::start(&arguments).lines().join("\n");
    assert_eq!(lines.matches("Permission denied").count(), 2, "{lines}");
    assert_eq!(lines.matches("can write below /tmp only").count(), 1, "{lines}");
    let lines = Local::start(&[&arguments[..], &["--no-read-only"]].concat()).lines();
    std::fs::remove_file("/var/tmp/refused").unwrap();
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn the_readme_names_every_flag_and_no_other() {
    let command = Cli::command();
    let flags: Vec<String> =
        command.get_arguments().filter_map(|flag| flag.get_long()).map(str::to_owned).collect();
    for flag in &flags {
        let flag = format!("--{flag}");
        let names = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
        assert!(README.split(&flag).skip(1).any(names), "the README lacks {flag}");
    }
    let foreign = ["token", "stage", "route"];
    for part in README.split("--").skip(1) {
        let name: String =
            part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        let name = name.trim_matches('-').to_owned();
        let known = name.is_empty() || flags.contains(&name) || foreign.contains(&name.as_str());
        assert!(known, "the README names --{name}");
    }
    assert!(README.len() <= 9 * 1024, "{} bytes", README.len());
}

/// The block of a language that has this text in it.
fn block(language: &str, part: &str) -> &'static str {
    let start = format!("```{language}\n");
    let mut blocks = README.split(start.as_str()).skip(1);
    let block = blocks.find_map(|block| block.split("```").next().filter(|b| b.contains(part)));
    block.unwrap()
}

#[tokio::test]
async fn the_readme_s_files_start_and_its_caller_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let [config, users] = ["tollgate.toml", "users.toml"].map(|name| folder.path().join(name));
    std::fs::write(&config, block("toml", "[[issuer]]")).unwrap();
    std::fs::write(&users, block("toml", "[[user]]")).unwrap();
    let [config, users] = [&config, &users].map(|path| path.to_str().unwrap());
    let local = Local::start(&["--config", config, "--users", users]);
    let url = format!("{}?user=carol", local.ready["issuers"][0]["local_token"].as_str().unwrap());
    let token = local.http.get(url).send().await.unwrap().text().await.unwrap();
    let token = token.trim();
    assert_eq!(local.call("api", "GET /reports/2026", token).await, 200);
    assert_eq!(local.call("api", "DELETE /orders/1", token).await, 403);
    let lines = local.lines().join("\n");
    assert!(lines.contains("GET /reports/2026  200  carol  "), "{lines}");
    assert!(lines.contains(&format!("policy explain {config} ")), "{lines}");
}
