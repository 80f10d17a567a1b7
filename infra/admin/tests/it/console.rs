//! The page of a deployed table.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Tollgate, serve};

const CONFIG: &str = r#"
[[issuer]]
name = "pool"
url = "https://issuer.example"
clients = ["web"]
token_use = "access"

[[rule]]
name = "readers"
allow = ["GET /orders"]
everyone = true

[throttle]
table = "other"
subject = "sub"
plan = { default = "free" }
refuse = "context"
"#;

/// Starts a console; returns its first line and its standard error.
fn console(tollgate: &Tollgate, line: &[&str]) -> (Value, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["console", "--port", "0", "--json"])
        .args(line)
        .env_clear()
        .envs(tollgate.environment.clone())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    let about = about(first.get("console").unwrap().as_str().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (about, said)
}

/// Returns what the page is told of its table.
fn about(url: &str) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let page = client.get(url).send().await.unwrap();
        let cookie = page.headers().get("set-cookie").unwrap().to_str().unwrap().to_owned();
        let (origin, _) = url.split_once("/?").unwrap();
        let about = client.get(format!("{origin}/api/about")).header("cookie", cookie);
        let text = about.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    })
}

#[test]
fn the_named_table_is_shown_and_limits_elsewhere_are_said() {
    let mut tollgate = Tollgate::at(&serve());
    tollgate.environment.push(("TOLLGATE_TABLE", "shop".to_owned()));
    let (about, said) = console(&tollgate, &[]);
    assert_eq!((&about["table"], said.as_str()), (&Value::from("shop"), ""));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, CONFIG).unwrap();
    let config = ["--config", file.path().to_str().unwrap()];
    let (about, said) = console(&tollgate, &config);
    let says = "tollgate: this page shows the table `shop`, but the configuration's limits are in \
                `other`: add `--table other`\n";
    assert_eq!((&about["table"], said.as_str()), (&Value::from("shop"), says));
    let (about, said) = console(&tollgate, &[&config[..], &["--table", "other"]].concat());
    assert_eq!((&about["table"], said.as_str()), (&Value::from("other"), ""));
}
