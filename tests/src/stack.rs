//! One running `local`, its ready line, and its end.

use std::collections::HashMap;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::executable::local;

/// Far longer than anything should take: a hang fails, a slow machine doesn't.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ready line of `local --json`.
#[derive(Debug, Deserialize)]
pub struct Ready {
    /// The REST API's address.
    pub api: String,
    /// The token issuer: the `iss` of its tokens.
    pub issuer: String,
    /// The key set's address.
    pub jwks_uri: String,
    /// The OAuth 2.0 token endpoint.
    pub token_endpoint: String,
    /// The DynamoDB endpoint.
    pub dynamodb: String,
    /// The DynamoDB table.
    pub table: String,
    /// The demo clients.
    pub clients: Vec<Client>,
    /// The demo users.
    pub users: Vec<User>,
    /// The public client that users sign in with.
    pub client_id: String,
    /// The execution environments' process ids.
    pub environments: Vec<i32>,
}

/// A demo client.
#[derive(Clone, Debug, Deserialize)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret; none for a public client.
    pub secret: Option<String>,
}

/// A demo user.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// The name to sign in with.
    pub username: String,
    /// The throwaway password.
    pub password: String,
}

/// A running `local`; killed when dropped.
#[derive(Debug)]
pub struct Stack {
    /// Its ready line.
    pub ready: Ready,
    process: Child,
    stdout: BufReader<ChildStdout>,
    logs: tokio::task::JoinHandle<String>,
}

/// The remains of a stack that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output after the ready line.
    pub stdout: String,
    /// Everything on standard error: its own lines and the environments' logs in JSON.
    pub logs: String,
}

impl Stack {
    /// Starts `local --json` on free ports, with these further arguments.
    ///
    /// # Panics
    ///
    /// It does not become ready.
    pub async fn start(arguments: &[&str]) -> Self {
        let mut process = command(arguments).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut stderr = process.stderr.take().unwrap();
        // Read on, or a full pipe would stop the stack.
        let logs = tokio::spawn(async move {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text).await;
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut line = String::new();
        timeout(PATIENCE, stdout.read_line(&mut line)).await.expect("not ready in time").unwrap();
        let Ok(ready) = serde_json::from_str(&line) else {
            let _ = process.kill().await;
            panic!("not a ready line: `{line}`\n{}", logs.await.unwrap());
        };
        Self { ready, process, stdout, logs }
    }

    /// Runs `local --json` with these arguments to its end, for a start that must fail.
    ///
    /// # Panics
    ///
    /// It doesn't end.
    pub async fn fail(arguments: &[&str]) -> Ended {
        let output = timeout(PATIENCE, command(arguments).output()).await.expect("hangs").unwrap();
        Ended {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            logs: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Its process id.
    ///
    /// # Panics
    ///
    /// It has ended.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().unwrap().try_into().unwrap())
    }

    /// Ends it by a signal, as a person at a terminal would with Ctrl-C.
    ///
    /// # Panics
    ///
    /// It doesn't end.
    pub async fn end(mut self, signal: Signal) -> Ended {
        kill(self.pid(), signal).unwrap();
        let status = timeout(PATIENCE, self.process.wait()).await.expect("does not end").unwrap();
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).await.unwrap();
        let logs = timeout(PATIENCE, self.logs).await.expect("somebody holds stderr").unwrap();
        Ended { status, stdout, logs }
    }

    /// The secret of a demo client.
    ///
    /// # Panics
    ///
    /// There is no such client.
    #[must_use]
    pub fn client(&self, id: &str) -> &Client {
        self.ready.clients.iter().find(|client| client.id == id).unwrap()
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(local());
    let mut ports: HashMap<&str, &str> =
        [("--api-port", "0"), ("--issuer-port", "0"), ("--dynamodb-port", "0")].into();
    for argument in arguments {
        ports.remove(argument);
    }
    command
        .args(["--json", "--log", "json"])
        .args(ports.into_iter().flat_map(|(flag, port)| [flag, port]));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // The most that the authorizer can be made to log: what must not be there is looked for here.
    command.env("AWS_LAMBDA_LOG_LEVEL", "TRACE").kill_on_drop(true);
    command
}
