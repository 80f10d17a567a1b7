//! The stack as a library, and the executable from its start to its end.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of tests fails as loudly as they do"
)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

use local::clock::Now;
use local::stack::{Error, Options, Stack};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use throttle::SystemClock;
use tokio::net::TcpListener;

const LOCAL: &str = env!("CARGO_BIN_EXE_tollgate-local");

fn options() -> Options {
    Options::new(LOCAL.into(), Now::new(SystemClock::new()))
}

fn exists(pid: u32) -> bool {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), None).is_ok()
}

async fn status(stack: &Stack, method: &str, path: &str, token: Option<&str>) -> u16 {
    let url = format!("{}{path}", stack.ready().api);
    let mut request = reqwest::Client::new().request(method.parse().unwrap(), url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_demonstration_shows_200_401_403_and_429() {
    let stack = Stack::start(options()).await.unwrap();
    let reader = stack.issuer().access_token("orders-reader").unwrap();
    let writer = stack.issuer().access_token("orders-writer").unwrap();
    let alice = stack.issuer().sign_in("orders-web", "alice").unwrap().access;
    let bob = stack.issuer().sign_in("orders-web", "bob").unwrap().access;
    for (method, path, token, expected) in [
        ("GET", "/orders", Some(&reader), 200),
        ("GET", "/orders/1/lines", Some(&reader), 200),
        ("GET", "/health", Some(&reader), 200),
        ("GET", "/orders", None, 401),
        ("GET", "/health", None, 401),
        ("POST", "/orders", Some(&reader), 403),
        ("GET", "/elsewhere", Some(&reader), 403),
        ("POST", "/orders", Some(&writer), 200),
        ("DELETE", "/orders/1", Some(&writer), 200),
        ("GET", "/admin/users", Some(&writer), 403),
        ("GET", "/admin/users", Some(&alice), 200),
        ("GET", "/admin/users", Some(&bob), 403),
    ] {
        let token = token.map(String::as_str);
        assert_eq!(status(&stack, method, path, token).await, expected, "{method} {path}");
    }

    // The free plan's burst is 10, and no machine is so slow that it keeps up with 60 at once.
    let answers = (0..60).map(|_| status(&stack, "GET", "/orders", Some(&reader)));
    let answers = futures_util::future::join_all(answers).await;
    assert!(answers.contains(&200) && answers.contains(&429), "{answers:?}");
    assert!(answers.iter().all(|answer| [200, 429].contains(answer)), "{answers:?}");

    let environments = stack.ready().environments;
    assert_eq!(environments.len(), 2);
    stack.shutdown().await;
    assert!(!environments.into_iter().any(exists), "a process is left");
}

#[tokio::test]
async fn a_taken_port_costs_nothing_but_the_message() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = options();
    options.dynamodb_port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    options.data = Some(data.clone());
    let error = Stack::start(options).await.unwrap_err();
    assert!(matches!(error, Error::Port { flag: "--dynamodb-port", .. }), "{error}");
    assert!(!data.exists(), "something was started before the ports were bound");
}

/// Runs the executable to its end.
fn run(arguments: &[&str]) -> Output {
    Command::new(LOCAL).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// The only line of standard error, of a run that printed nothing else and failed.
fn complaint(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('{')).collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}

#[test]
fn a_taken_port_is_one_line_that_names_flag_and_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    let flags = [
        "--api-port",
        "--issuer-port",
        "--dynamodb-port",
        "--http-port",
        "--websocket-port",
        "--console-port",
    ];
    for flag in flags {
        let others =
            flags.into_iter().filter(|other| *other != flag).flat_map(|other| [other, "0"]);
        let apis = ["--http", "--websocket"];
        let arguments: Vec<&str> = others.chain([flag, &port]).chain(apis).collect();
        let line = complaint(&arguments);
        assert!(line.starts_with(&format!("error: {flag}: ")), "{line}");
        assert!(line.contains(&address), "{line}");
    }
}

const FREE: [&str; 6] = ["--api-port", "0", "--issuer-port", "0", "--dynamodb-port", "0"];

#[test]
fn a_wrong_configuration_is_one_line_that_names_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.toml");
    std::fs::write(&path, "[[issuer]]\nurl = \"http://127.0.0.1:1/x\"\nclients = []\n").unwrap();
    let path = path.to_str().unwrap();
    for path in [path, "/nowhere/at/all.toml"] {
        let line = complaint(&[&FREE[..], &["--config", path]].concat());
        assert!(line.starts_with("error: ") && line.contains(path), "{line}");
    }
}

#[test]
fn a_mistake_among_the_users_is_one_line_that_names_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    std::fs::write(&path, "[[user]]\nname = \"carol\"\ngroup = [\"a\"]\n").unwrap();
    let path = path.to_str().unwrap();
    let line = complaint(&[&FREE[..], &["--users", path]].concat());
    assert!(line.starts_with(&format!("error: {path}:3: unknown field `group`")), "{line}");
}

#[test]
fn the_demonstration_s_configuration_is_printed_and_can_be_started_from() {
    let output = run(&["--print-config"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("# ") && text.contains("[throttle]"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.toml");
    std::fs::write(&path, text.replace("/orders", "/things")).unwrap();
    let (child, _stdout, ready) = ready(&["--config", path.to_str().unwrap()]);
    // Its issuer has another port here, so its callers are made up.
    assert_eq!(ready["clients"][0]["id"], "orders-reader");
    assert_eq!(ready["api_key"], "local-demo-api-key-000000");
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

/// A running executable and its ready line.
fn ready(apis: &[&str]) -> (Child, BufReader<std::process::ChildStdout>, Value) {
    let mut child = Command::new(LOCAL)
        .args(FREE)
        .args(apis)
        .arg("--json")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    (child, stdout, serde_json::from_str(&line).unwrap())
}

#[test]
fn one_line_when_ready_and_nothing_left_when_ended() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut child, mut stdout, ready) = ready(&[]);
        assert!(ready.get("http_api").is_none() && ready.get("websocket_api").is_none());
        let pids: Vec<u32> = ready["environments"].as_array().unwrap().iter().map(pid).collect();
        assert_eq!(pids.len(), 2);
        assert!(pids.iter().all(|pid| exists(*pid)));
        assert_eq!(ready["table"], "tollgate");

        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line and nothing else");
        assert!(!pids.into_iter().any(exists), "{signal} left a process");
    }
}

fn pid(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn further_apis_are_in_the_line_and_end_too() {
    let apis = ["--http", "--http-port", "0", "--websocket", "--websocket-port", "0"];
    let (mut child, _stdout, ready) = ready(&apis);
    assert!(ready["http_api"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert!(ready["websocket_api"].as_str().unwrap().starts_with("ws://127.0.0.1:"));
    let pids: Vec<u32> = ready["environments"].as_array().unwrap().iter().map(pid).collect();
    assert_eq!(pids.len(), 4);
    assert!(pids.iter().all(|pid| exists(*pid)));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!pids.into_iter().any(exists));
}
