//! The server and the executable of all these tests.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use dynoxide::{AttributeValue, Database, ImportOptions};
use serde_json::Value;

pub(crate) const PLAN: &str = r#"{"throttle": {"rateLimit": 0.5, "burstLimit": 10},
    "quota": {"limit": 1000, "period": "MONTH"}}"#;

/// A server in memory, without a table; it ends with the test's process.
pub(crate) fn serve() -> String {
    serve_database().0
}

/// The same, with the database itself, to put items in that no command writes.
pub(crate) fn serve_database() -> (String, Database) {
    let database = Database::memory().unwrap();
    let served = database.clone();
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
            dynoxide::server::serve_on(listener, served).await;
        });
    });
    (format!("http://{}", told.recv().unwrap()), database)
}

/// Puts items into the table: names and values, of which numbers are written as such.
pub(crate) fn fill(database: &Database, items: impl IntoIterator<Item = Value>) {
    let value = |value: &Value| match value {
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Bool(flag) => AttributeValue::BOOL(*flag),
        number => AttributeValue::N(number.to_string()),
    };
    let item = |item: Value| {
        item.as_object().unwrap().iter().map(|(name, it)| (name.clone(), value(it))).collect()
    };
    let items = items.into_iter().map(item).collect();
    database.import_items("tollgate", items, ImportOptions::default()).unwrap();
}

/// The outcome of a command.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// Returns the output of a command that succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out.trim_end().to_owned()
    }

    /// The same as JSON, on its one line.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let line = self.done();
        assert_eq!(line.lines().count(), 1);
        serde_json::from_str(&line).unwrap()
    }

    /// Returns the output of a command that imported some rows, and its lines about the others.
    #[track_caller]
    pub(crate) fn partly(self) -> (String, String) {
        assert_eq!(self.code, 1, "{}{}", self.out, self.err);
        (self.out.trim_end().to_owned(), self.err.replace("tollgate: ", ""))
    }

    /// The one line of a command that wasn't done.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        let line = self.err.strip_suffix('\n').unwrap();
        assert_eq!(line.lines().count(), 1, "{line}");
        line.strip_prefix("tollgate: ").unwrap().to_owned()
    }
}

/// An executable with nothing in its environment but what it is given.
pub(crate) struct Tollgate {
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Tollgate {
    pub(crate) fn at(url: &str) -> Self {
        Self::with([("AWS_ENDPOINT_URL_DYNAMODB", url.to_owned())])
    }

    pub(crate) fn with(environment: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let dummies = [
            ("AWS_ACCESS_KEY_ID", "dummy"),
            ("AWS_SECRET_ACCESS_KEY", "dummy-secret"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let dummies = dummies.map(|(name, value)| (name, value.to_owned()));
        Self { environment: dummies.into_iter().chain(environment).collect() }
    }

    pub(crate) fn run(&self, line: &[&str]) -> Answer {
        self.feed(line, "")
    }

    pub(crate) fn feed(&self, line: &[&str], input: &str) -> Answer {
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

pub(crate) fn with_table() -> Tollgate {
    let tollgate = Tollgate::at(&serve());
    tollgate.run(&["table", "create"]).done();
    tollgate
}
