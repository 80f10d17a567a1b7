//! The built executable, typed as an operator would, against an embedded DynamoDB.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};

const PLAN: &str = r#"{"throttle": {"rateLimit": 0.5, "burstLimit": 10},
    "quota": {"limit": 1000, "period": "MONTH"}}"#;

/// A server in memory, without a table; it ends with the test's process.
fn serve() -> String {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()).await;
        });
    });
    format!("http://{}", told.recv().unwrap())
}

/// What a command answered.
#[derive(Debug)]
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Answer {
    /// What a command that was done printed.
    #[track_caller]
    fn done(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out.trim_end().to_owned()
    }

    /// The same as JSON, on its one line.
    #[track_caller]
    fn json(self) -> Value {
        let line = self.done();
        assert_eq!(line.lines().count(), 1);
        serde_json::from_str(&line).unwrap()
    }

    /// The one line of a command that wasn't done.
    #[track_caller]
    fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        let line = self.err.strip_suffix('\n').unwrap();
        assert_eq!(line.lines().count(), 1, "{line}");
        line.strip_prefix("tollgate: ").unwrap().to_owned()
    }
}

/// An executable with nothing in its environment but what it is given.
struct Tollgate {
    environment: Vec<(&'static str, String)>,
}

impl Tollgate {
    fn at(url: &str) -> Self {
        Self::with([("AWS_ENDPOINT_URL_DYNAMODB", url.to_owned())])
    }

    fn with(environment: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let dummies = [
            ("AWS_ACCESS_KEY_ID", "dummy"),
            ("AWS_SECRET_ACCESS_KEY", "dummy-secret"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let dummies = dummies.map(|(name, value)| (name, value.to_owned()));
        Self { environment: dummies.into_iter().chain(environment).collect() }
    }

    fn run(&self, line: &[&str]) -> Answer {
        self.feed(line, "")
    }

    fn feed(&self, line: &[&str], input: &str) -> Answer {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(line)
            .env_clear()
            .envs(self.environment.clone())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that doesn't read its input may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Answer {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn with_table() -> Tollgate {
    let tollgate = Tollgate::at(&serve());
    tollgate.run(&["table", "create"]).done();
    tollgate
}

#[test]
fn a_table_is_created_once_and_shown() {
    let tollgate = Tollgate::at(&serve());
    assert_eq!(
        tollgate.run(&["table", "status"]).failed(1),
        "there is no table `tollgate`: create it, or correct its name and region"
    );
    assert_eq!(tollgate.run(&["table", "create"]).done(), "created the table `tollgate`");
    assert_eq!(tollgate.run(&["table", "create"]).done(), "the table `tollgate` is there already");
    assert_eq!(
        tollgate.run(&["table", "create", "--json"]).json(),
        json!({"table": "tollgate", "created": false})
    );
    assert_eq!(
        tollgate.run(&["--json", "table", "status"]).json(),
        json!({"table": "tollgate", "active": true, "expiring": true, "items": 0})
    );
    assert!(tollgate.run(&["table", "status"]).done().starts_with("table   tollgate\nstate   act"));
}

#[test]
fn the_table_is_named_by_option_before_environment() {
    let url = serve();
    let tollgate = Tollgate::with([("TOLLGATE_TABLE", "from-environment".to_owned())]);
    let create = |more: &[&str]| {
        let line = [&["table", "create", "--endpoint-url", &url], more].concat();
        tollgate.run(&line).done()
    };
    assert_eq!(create(&[]), "created the table `from-environment`");
    assert_eq!(create(&["--table", "from-option"]), "created the table `from-option`");
}

#[test]
fn a_plan_is_put_shown_and_listed() {
    let tollgate = with_table();
    let put = |input| tollgate.feed(&["plan", "put", "FREE", "-"], input).done();
    assert_eq!(put(PLAN), "stored the plan `FREE`, version 1");
    assert_eq!(put(PLAN), "the plan `FREE` is that already, version 1");
    let same = r#"{"quota": {"period": "MONTH", "limit": 1000},
        "throttle": {"burstLimit": 10, "rateLimit": "30/min"}}"#;
    assert_eq!(put(same), "the plan `FREE` is that already, version 1");

    let shown = tollgate.run(&["plan", "show", "FREE"]).done();
    assert_eq!(
        serde_json::from_str::<Value>(&shown).unwrap(),
        serde_json::from_str::<Value>(PLAN).unwrap()
    );
    assert_eq!(put(&shown), "the plan `FREE` is that already, version 1");
    let json = tollgate.run(&["plan", "show", "FREE", "--json"]).json();
    assert_eq!((&json["id"], &json["version"]), (&json!("FREE"), &json!(1)));
    assert_eq!(json["plan"], serde_json::from_str::<Value>(PLAN).unwrap());

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, r#"{"quota": {"limit": 5, "period": "DAY"}}"#).unwrap();
    let path = file.path().to_str().unwrap();
    let put = |id| tollgate.run(&["plan", "put", id, path, "--json"]).json();
    assert_eq!(put("FREE"), json!({"plan": "FREE", "version": 2, "changed": true}));
    assert_eq!(put("another"), json!({"plan": "another", "version": 1, "changed": true}));
    let rates = r#"{"throttle": {"rateLimit": "100/min", "burstLimit": 3}}"#;
    tollgate.feed(&["plan", "put", "GOLD", "-"], rates).done();

    assert_eq!(
        tollgate.run(&["plan", "list"]).done(),
        "PLAN     RATE     BURST  QUOTA    VERSION\n\
         FREE     -        -      5 daily  2\n\
         GOLD     100/min  3      -        1\n\
         another  -        -      5 daily  1"
    );
    let listed = tollgate.run(&["plan", "list", "--json"]).json();
    let ids: Vec<_> = listed["plans"].as_array().unwrap().iter().map(|p| p["id"].clone()).collect();
    assert_eq!(ids, ["FREE", "GOLD", "another"]);
    assert_eq!(listed["damaged"], json!([]));
}

#[test]
fn plans_on_several_pages_are_all_listed() {
    let tollgate = with_table();
    // More than the megabyte that a page holds.
    let long = "x".repeat(60_000);
    let plan = format!(r#"{{"description": "{long}", "quota": {{"limit": 5, "period": "DAY"}}}}"#);
    for n in 0..20 {
        tollgate.feed(&["plan", "put", &format!("plan {n}"), "-"], &plan).done();
    }
    assert_eq!(tollgate.run(&["plan", "list"]).done().lines().count(), 21);
}

#[test]
fn an_empty_table_lists_no_plans() {
    let tollgate = with_table();
    assert_eq!(tollgate.run(&["plan", "list"]).done(), "PLAN  RATE  BURST  QUOTA  VERSION");
    assert_eq!(
        tollgate.run(&["plan", "show", "none"]).failed(1),
        "there is no plan `none` in `tollgate`"
    );
}

#[test]
fn a_wrong_plan_names_its_field() {
    let tollgate = with_table();
    let put = |input: &str| tollgate.feed(&["plan", "put", "FREE", "-"], input).failed(1);
    assert_eq!(
        put(r#"{"throttle": {"rateLimit": -1, "burstLimit": 5}}"#),
        "`throttle.rateLimit` must not be negative"
    );
    assert_eq!(
        put(r#"{"quota": {"limit": 5, "period": "HOUR"}}"#),
        "`quota.period` must be `DAY`, `WEEK` or `MONTH`"
    );
    assert!(put(r#"{"a\nb\u0007": 1}"#).starts_with("`plan` can't be read: unknown field `a b `"));
    assert!(put("").starts_with("`plan` can't be read: "));
    assert_eq!(put(&" ".repeat(100_000)), "`plan` is longer than 65536 bytes");
    assert_eq!(tollgate.run(&["plan", "list"]).done().lines().count(), 1, "nothing was stored");
}

#[test]
fn what_is_typed_wrong_is_misuse() {
    let tollgate = Tollgate::at("http://127.0.0.1:1");
    for line in [
        &[][..],
        &["plan"],
        &["plan", "put", "FREE"],
        &["plan", "put", "", "-"],
        &["plan", "show", "a\nb"],
        &["table", "drop"],
        &["table", "status", "--endpoint-url", "127.0.0.1:8000"],
        &["table", "status", "--endpoint-url", "http://"],
        &["table", "status", "--frobnicate"],
    ] {
        let answer = tollgate.run(line);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{line:?}");
        assert!(!answer.err.is_empty());
    }
    let missing = tollgate.run(&["plan", "put", "FREE", "/nowhere/plan.json"]).failed(2);
    assert!(missing.starts_with("can't read `/nowhere/plan.json`: "), "{missing}");
}

#[test]
fn no_table_is_not_found() {
    let tollgate = Tollgate::at(&serve());
    for line in [&["plan", "list"][..], &["plan", "show", "FREE"]] {
        let said = tollgate.run(line).failed(1);
        assert!(said.starts_with("the table doesn't exist"), "{said}");
    }
    let said = tollgate.feed(&["plan", "put", "FREE", "-"], PLAN).failed(1);
    assert!(said.starts_with("the table doesn't exist"), "{said}");
}

#[test]
fn a_wrong_endpoint_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let tollgate = Tollgate::with([]);
    for line in [&["table", "status"][..], &["table", "create"], &["plan", "list"]] {
        let line = [line, &["--endpoint-url", &url]].concat();
        let said = tollgate.run(&line).failed(3);
        assert!(said.starts_with("the table can't be reached"), "{said}");
    }
}

#[test]
fn without_credentials_nothing_is_sent() {
    let mut tollgate = Tollgate::at(&serve());
    tollgate.environment.retain(|(name, _)| !name.ends_with("_KEY_ID"));
    let said = tollgate.run(&["table", "status"]).failed(2);
    assert!(said.starts_with("no request could be made"), "{said}");
    assert!(!said.contains("dummy-secret"));
}

#[test]
fn help_shows_examples() {
    let tollgate = Tollgate::with([]);
    for line in [&["--help"][..], &["plan", "put", "--help"], &["table", "create", "--help"]] {
        let answer = tollgate.run(line).done();
        assert!(answer.contains("Example"), "{answer}");
    }
}
