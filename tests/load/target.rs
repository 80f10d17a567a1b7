//! The target of a load: `local`, started for the run, or a deployed API.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use table::{Connect, Revocable, Revocation, Revocations};
use tests::Ready;
use throttle::{Clock as _, Plan, PlanId, Plans, SystemClock};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::scenario::{Act, Load, READER};

/// Far longer than a start takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// The key of the stage's usage plan: throwaway, and public.
const API_KEY: &str = "a-key-for-loads-on-loopback";
/// The issuer's name in the configuration.
const ISSUER: &str = "load";
/// The number of `local`'s last lines that are shown if it fails.
const LAST_LINES: usize = 20;

/// A client that calls.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Caller {
    pub(crate) id: String,
    pub(crate) secret: String,
    /// Its plan on a deployed API: calls a second, and burst.
    #[serde(default, skip_serializing)]
    pub(crate) rate: Option<u32>,
    #[serde(default, skip_serializing)]
    pub(crate) burst: Option<u64>,
}

/// The target of the calls.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) token_endpoint: String,
    pub(crate) callers: Vec<Caller>,
    /// The limits of each caller: calls a second, and burst.
    pub(crate) limits: Vec<(u32, u64)>,
    /// `None` for a deployed API.
    pub(crate) local: Option<Local>,
}

/// A running `local`; killed when dropped.
#[derive(Debug)]
pub(crate) struct Local {
    ready: Ready,
    process: Child,
    log: Arc<Mutex<Log>>,
    limits: [(u32, u64); 2],
    /// Environments that are replaced read their configuration anew.
    _home: tempfile::TempDir,
}

/// Counts of the lines on standard error.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Lines of requests.
    pub(crate) requests: u64,
    /// All others.
    pub(crate) others: u64,
    pub(crate) bytes: u64,
    last: VecDeque<String>,
}

impl Target {
    /// Starts `local` on free ports, with the load's configuration and plans.
    pub(crate) async fn start(executable: &Path, load: &Load) -> anyhow::Result<Self> {
        let local = Local::start(executable, load).await?;
        let callers = load.clients.iter().map(|name| local.caller(name));
        let callers = callers.collect::<anyhow::Result<Vec<Caller>>>()?;
        let [first, others] = load.limits;
        let limits = load.clients.iter().map(|name| if *name == READER { first } else { others });
        Ok(Self {
            url: local.ready.api.clone(),
            token_endpoint: local.ready.token_endpoint.clone(),
            callers,
            limits: limits.collect(),
            local: Some(local),
        })
    }

    /// A deployed API, with the clients of a file.
    pub(crate) fn deployed(
        url: &str,
        token_endpoint: &str,
        clients: &Path,
    ) -> anyhow::Result<Self> {
        let name = clients.display();
        let text =
            std::fs::read_to_string(clients).with_context(|| format!("can't read `{name}`"))?;
        let wanted = r#"[{"id": "…", "secret": "…", "rate": 20, "burst": 40}, …]"#;
        let callers: Vec<Caller> =
            serde_json::from_str(&text).with_context(|| format!("`{name}` must be {wanted}"))?;
        let limits = callers.iter().map(|caller| caller.rate.zip(caller.burst)).collect();
        let limits: Option<Vec<(u32, u64)>> = limits;
        let limits = limits.with_context(|| format!("`{name}` must be {wanted}"))?;
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            token_endpoint: token_endpoint.to_owned(),
            callers,
            limits,
            local: None,
        })
    }
}

impl Local {
    async fn start(executable: &Path, load: &Load) -> anyhow::Result<Self> {
        if !executable.is_file() {
            bail!("there is no `{}`: cargo build -p local", executable.display());
        }
        let home = tempfile::tempdir()?;
        // The configuration names the issuer's port, so it must be known beforehand.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = home.path().join("tollgate.toml");
        std::fs::write(&config, configuration(port, load))?;
        let (port, environments) = (port.to_string(), load.environments.to_string());
        let mut process = Command::new(executable)
            .args([
                "--json",
                "--log",
                "json",
                "--api-port",
                "0",
                "--dynamodb-port",
                "0",
                "--issuer-port",
                &port,
            ])
            .args(["--environments", &environments, "--api-key", API_KEY, "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("can't start `{}`", executable.display()))?;
        let log = Arc::new(Mutex::new(Log::default()));
        if let Some(stderr) = process.stderr.take() {
            tokio::spawn(listen(stderr, Arc::clone(&log)));
        }
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            let read = timeout(PATIENCE, BufReader::new(stdout).read_line(&mut line)).await;
            read.context("`local` is not ready after a minute")??;
        }
        let Ok(ready) = serde_json::from_str::<Ready>(&line) else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            bail!("`local` did not start: {}", tail(&log));
        };
        let local = Self { ready, process, log, limits: load.limits, _home: home };
        let [first, others] = load.limits;
        local.put_plan("free", first).await?;
        local.put_plan("gold", others).await?;
        Ok(local)
    }

    fn caller(&self, name: &str) -> anyhow::Result<Caller> {
        let client = self.ready.clients.iter().find(|client| client.id == name);
        let client = client.with_context(|| format!("`local` has no client `{name}`"))?;
        let secret = client.secret.clone().unwrap_or_default();
        Ok(Caller { id: client.id.clone(), secret, rate: None, burst: None })
    }

    /// The processes whose memory is sampled, by role.
    pub(crate) fn processes(&self) -> Vec<(String, i32)> {
        let own = self.process.id().and_then(|pid| i32::try_from(pid).ok());
        let own = own.map(|pid| ("local".to_owned(), pid));
        let environments = self.ready.environments.iter().enumerate();
        let environments = environments.map(|(n, pid)| (format!("environment {}", n + 1), *pid));
        environments.chain(own).collect()
    }

    /// The lines of requests, all others, and bytes so far.
    pub(crate) fn logged(&self) -> (u64, u64, u64) {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        (log.requests, log.others, log.bytes)
    }

    /// The last lines that it wrote.
    pub(crate) fn last_words(&self) -> String {
        tail(&self.log)
    }

    /// Performs an act.
    pub(crate) async fn act(&self, act: Act) -> anyhow::Result<()> {
        let [_, (rate, burst)] = self.limits;
        match act {
            Act::Rotate => self.rotate("").await,
            Act::RotateAndDrop => self.rotate("?drop=true").await,
            Act::RaisePlan => self.put_plan("gold", (rate * 3 / 2, burst * 3 / 2)).await,
            Act::LowerPlan => self.put_plan("gold", (rate, burst)).await,
            Act::Revoke => {
                let now = SystemClock::new().now();
                // A second on, since a token says its second alone.
                let meant = now.saturating_add(Duration::from_secs(1));
                let expires = now.saturating_add(Duration::from_secs(3_600));
                let revocation = Revocation::new(Revocable::client(ISSUER, READER), now, expires)
                    .with_issued_before(meant);
                let revocations = Revocations::new(self.client().await, &self.ready.table);
                revocations.put(&revocation).await?;
                Ok(())
            }
        }
    }

    async fn rotate(&self, query: &str) -> anyhow::Result<()> {
        let (endpoint, _) = self.ready.issuer.rsplit_once('/').context("no issuer")?;
        let url = format!("{endpoint}/local/rotate{query}");
        reqwest::Client::new().post(url).send().await?.error_for_status()?;
        Ok(())
    }

    async fn put_plan(&self, name: &str, (rate, burst): (u32, u64)) -> anyhow::Result<()> {
        let plans = Plans::new(self.client().await, &self.ready.table);
        let id = PlanId::new(name)?;
        let json = format!(r#"{{"throttle":{{"rateLimit":{rate},"burstLimit":{burst}}}}}"#);
        let replaced = plans.get(&id).await?.map(|plan| plan.version);
        plans.put(&id, &Plan::from_json(&json)?, replaced, SystemClock::new().now()).await?;
        Ok(())
    }

    async fn client(&self) -> table::Client {
        Connect::emulator(&self.ready.dynamodb).operation_timeout(PATIENCE).client().await
    }

    /// Ends it, as Ctrl-C would.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        let pid = self.process.id().and_then(|pid| i32::try_from(pid).ok());
        kill(Pid::from_raw(pid.context("`local` has ended")?), Signal::SIGINT)?;
        timeout(PATIENCE, self.process.wait()).await.context("`local` does not end")??;
        Ok(())
    }
}

/// The authorizer's configuration for a load.
fn configuration(port: u16, load: &Load) -> String {
    let revocation = if load.acts.iter().any(|(_, act)| *act == Act::Revoke) {
        "[revocation]\ntable = \"tollgate\"\ncache_seconds = 2\ntimeout_ms = 2000\n"
    } else {
        ""
    };
    let subject = load.subject;
    format!(
        "[[issuer]]\nname = \"{ISSUER}\"\nurl = \"http://127.0.0.1:{port}/us-east-1_LocalDemo\"\n\
         clients = \"any\"\ntoken_use = \"access\"\n\n\
         [[rule]]\nname = \"readers\"\nallow = [\"GET /orders\"]\nany_scope = [\"orders/read\"]\n\n\
         [throttle]\ntable = \"tollgate\"\nsubject = \"{subject}\"\n\
         plan = {{ claim = \"custom:plan\", default = \"free\" }}\nrefuse = \"unknown-key\"\n\
         failure = \"closed\"\ntimeout_ms = 2000\napi_key = \"{API_KEY}\"\n{revocation}"
    )
}

/// Counts lines until the stream ends.
async fn listen(stream: impl AsyncRead + Unpin, log: Arc<Mutex<Log>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.bytes += line.len() as u64 + 1;
        if line.contains("\"request_id\"") {
            log.requests += 1;
            continue;
        }
        log.others += 1;
        log.last.push_back(line);
        if log.last.len() > LAST_LINES {
            log.last.pop_front();
        }
    }
}

fn tail(log: &Mutex<Log>) -> String {
    let log = log.lock().unwrap_or_else(PoisonError::into_inner);
    log.last.iter().cloned().collect::<Vec<_>>().join("\n")
}

/// The path at which Cargo builds `local`, beside this program.
pub(crate) fn beside() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.with_file_name("tollgate-local"))
}
