//! A Lambda function on this machine: processes that poll the real Runtime API.
//!
//! One [`Function`] owns a queue of invocations and a fixed number of execution environments. An
//! environment is one process with one Runtime API, and handles one invocation
//! at a time:
//!
//! ```text
//! invoke ──> queue ──┬─> environment 1 ──> 127.0.0.1:a /2018-06-01/runtime/… <── process
//!                    └─> environment 2 ──> 127.0.0.1:b /2018-06-01/runtime/… <── process
//! ```
//!
//! The protocol is that of the Runtime API page of the Lambda developer guide; where the guide is
//! silent (states, texts of errors) it follows Amazon's own runtime interface emulator.
//!
//! Between its response and its next event a process is suspended, as Lambda freezes an
//! environment: background work stands still, and time passes meanwhile. A process that
//! registered an extension is told to end by SIGTERM; any other is killed. A process can write
//! below `/tmp` only.
//!
//! Deliberately absent: events for extensions, response streaming, `SnapStart`, several invocations
//! in one environment, and scaling. The number of environments is fixed so that a test knows how
//! many instances share a table.

use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::clock::Now;
use crate::log::{Log, shortened};

mod environment;
mod output;
mod process;
mod queue;
mod read_only;
mod runtime_api;

use environment::Environment;
use queue::{Job, Queue};

/// The largest event and the largest response, in bytes.
///
/// 6 MB and a hundred bytes of envelope, as in the runtime interface emulator.
pub const MAX_PAYLOAD: usize = 6 * 1024 * 1024 + 100;

/// The Region, account and name under which functions run here.
pub const REGION: &str = "us-east-1";
/// The account that owns everything on this machine; no real account has this number.
pub const ACCOUNT: &str = "123456789012";

/// The characters of a function's own text that are shown.
const MAX_SAID: usize = 200;
/// The memory of an execution environment unless another is asked for, in megabytes: that of
/// `infra/template.yaml`.
pub const MEMORY_MB: u32 = 256;

/// Settings of a function.
#[derive(Clone)]
pub struct Options {
    /// The executable that each execution environment runs.
    pub executable: PathBuf,
    /// Arguments for the executable.
    pub arguments: Vec<OsString>,
    /// The folder that it is started in; without one, that of this process.
    pub folder: Option<PathBuf>,
    /// The function's name.
    pub name: String,
    /// True for Tollgate's authorizer, whose lines the log reads.
    pub is_tollgate: bool,
    /// The number of execution environments.
    pub environments: NonZeroUsize,
    /// Environment variables, in addition to those that Lambda sets.
    pub variables: Vec<(String, String)>,
    /// The time-out of one invocation; after it the environment is killed.
    pub timeout: Duration,
    /// True to suspend a process between invocations.
    pub freezes: bool,
    /// True to let a process write below `/tmp` only, on Linux.
    pub is_read_only: bool,
    /// The memory that a process may use, in megabytes; after more it is killed.
    ///
    /// Only Linux tells how much that is.
    pub memory_mb: u32,
    /// The number of invocations that may wait for a free environment.
    pub queue: NonZeroUsize,
    /// The longest time that an invocation may wait for a free environment.
    pub patience: Duration,
    /// The wall clock, for deadlines and trace ids.
    pub now: Now,
    /// Prints the lines of the processes.
    pub log: Log,
}

impl Options {
    /// Two environments of `executable`, ten seconds for one invocation.
    #[must_use]
    pub fn new(executable: PathBuf, name: &str, now: Now) -> Self {
        Self {
            executable,
            arguments: Vec::new(),
            folder: None,
            name: name.to_owned(),
            is_tollgate: false,
            environments: NonZeroUsize::MIN.saturating_add(1),
            variables: Vec::new(),
            timeout: Duration::from_secs(10),
            freezes: true,
            is_read_only: true,
            memory_mb: MEMORY_MB,
            queue: NonZeroUsize::MIN.saturating_add(999),
            patience: Duration::from_secs(10),
            now,
            log: Log::default(),
        }
    }
}

impl fmt::Debug for Options {
    /// Names the variables without their values: they may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.variables.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Options")
            .field("executable", &self.executable)
            .field("name", &self.name)
            .field("environments", &self.environments)
            .field("variables", &names)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Errors of starting a function.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The function said so itself, or its process ended before it asked for an invocation.
    #[error("the function did not start: {error_type}: {error_message}")]
    Init {
        /// Such as `Runtime.ExitError`, or what the function gave.
        error_type: String,
        /// For a person.
        error_message: String,
    },
}

/// Errors of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The handler returned an error.
    #[error("the function answered with the error `{error_type}`")]
    Function {
        /// The function's name for the error.
        error_type: String,
        /// The function's own text, which may hold claims. It is never printed for Tollgate's own.
        error_message: String,
    },
    /// The handler took longer than the function's time-out.
    #[error("the function took longer than {0:?}")]
    Timeout(Duration),
    /// The process ended in the middle of the invocation.
    #[error("the function's process ended: {0}")]
    Exit(String),
    /// The event or the response is larger than [`MAX_PAYLOAD`].
    #[error("the payload is larger than {MAX_PAYLOAD} bytes")]
    Payload,
    /// Every environment was busy for too long, or too many invocations wait already.
    #[error("no execution environment was free")]
    Throttled,
    /// The function is being stopped.
    #[error("the function is being stopped")]
    Stopped,
}

impl InvokeError {
    /// The error with the first line of the function's own text, for functions that are not
    /// Tollgate's.
    pub(crate) fn said(&self) -> String {
        let text = match self {
            Self::Function { error_message, .. } => error_message.lines().next(),
            _ => None,
        };
        match text.filter(|text| !text.is_empty()) {
            Some(text) => format!("{self}: {}", shortened(text, MAX_SAID)),
            None => self.to_string(),
        }
    }
}

/// A running function.
#[derive(Debug)]
pub struct Function {
    jobs: mpsc::Sender<Job>,
    patience: Duration,
    timeout: Duration,
    pids: Vec<Arc<AtomicU32>>,
    stop: watch::Sender<bool>,
    environments: tokio::sync::Mutex<JoinSet<()>>,
}

impl Function {
    /// Starts every environment and waits until each asked for its first invocation.
    ///
    /// # Errors
    /// The first [`StartError`] of any environment; all processes are gone by then.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let (jobs, waiting) = mpsc::channel(options.queue.get());
        let queue = Arc::new(Queue::new(waiting));
        let (stop, stopping) = watch::channel(false);
        let mut function = Self {
            jobs: jobs.clone(),
            patience: options.patience,
            timeout: options.timeout,
            pids: Vec::new(),
            stop,
            environments: tokio::sync::Mutex::default(),
        };

        let options = Arc::new(options);
        let mut starting = JoinSet::new();
        for _ in 0..options.environments.get() {
            let pid = Arc::new(AtomicU32::new(0));
            function.pids.push(Arc::clone(&pid));
            let environment = Environment {
                options: Arc::clone(&options),
                queue: Arc::clone(&queue),
                jobs: jobs.clone(),
                pid,
                stop: stopping.clone(),
            };
            let (started, ready) = oneshot::channel();
            function.environments.get_mut().spawn(environment.run(started));
            starting.spawn(ready);
        }
        while let Some(result) = starting.join_next().await {
            if let Ok(Ok(Err(error))) = result {
                function.shutdown().await;
                return Err(error);
            }
        }
        Ok(function)
    }

    /// Runs one invocation and gives the handler's response.
    ///
    /// # Errors
    /// [`InvokeError`], the reason why no response exists.
    pub async fn invoke(&self, event: Bytes) -> Result<Bytes, InvokeError> {
        self.invoke_as(uuid::Uuid::new_v4().to_string(), event).await
    }

    /// Runs one invocation under this request id, which must be new.
    ///
    /// # Errors
    /// [`InvokeError`], the reason why no response exists.
    pub async fn invoke_as(&self, id: String, event: Bytes) -> Result<Bytes, InvokeError> {
        if event.len() > MAX_PAYLOAD {
            return Err(InvokeError::Payload);
        }
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job { id, event, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => InvokeError::Throttled,
            mpsc::error::TrySendError::Closed(_) => InvokeError::Stopped,
        })?;
        match tokio::time::timeout(self.patience.saturating_add(self.timeout), answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(InvokeError::Stopped),
            Err(_) => Err(InvokeError::Throttled),
        }
    }

    /// The process ids of the environments that run at this moment.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.pids.iter().map(|pid| pid.load(Ordering::Acquire)).filter(|pid| *pid != 0).collect()
    }

    /// Asks every process to end, kills those that do not, and waits until all have ended.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let mut environments = self.environments.lock().await;
        while environments.join_next().await.is_some() {}
    }
}
