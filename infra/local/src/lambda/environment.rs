//! One execution environment: a process after another, one invocation at a time.
//!
//! The states and what may be called in them:
//!
//! ```text
//! Init ──next──> Ready ──event──> Running ──response | error──> Sent ──next──> Ready
//!  └─init/error, exit, 10 s        └─exit, deadline              └─exit, deadline
//! ```
//!
//! Any other call is answered 403 and changes nothing. A process that ends takes its invocation
//! with it and is replaced. In `Ready` it is suspended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::process::Process;
use super::queue::{Job, Queue};
use super::runtime_api::{Call, Diagnostic, Event, Refusal, RuntimeApi};
use super::{Options, StartError};

mod perform;

/// The time that a process has until it asks for its first invocation, as in Lambda.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// The waits between processes that end before they ask for anything: doubled up to the last.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// One execution environment.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) options: Arc<Options>,
    pub(super) queue: Arc<Queue>,
    /// The queue's sender, for an invocation that no process has seen.
    pub(super) jobs: mpsc::Sender<Job>,
    /// The process id, or zero while there is none.
    pub(super) pid: Arc<AtomicU32>,
    pub(super) stop: watch::Receiver<bool>,
}

/// A process's request for its next event.
type Waiting = oneshot::Sender<Result<Event, Refusal>>;

/// Reasons why a process has ended or must end.
#[derive(Debug)]
enum End {
    Stopped,
    Init(Diagnostic),
    Exited(String),
    TimedOut,
    OutOfMemory,
}

/// Events from outside an environment.
enum Happening {
    Stop,
    Call(Call),
    Exit(String),
}

impl Environment {
    /// Keeps a process running until it must stop; reports once how the first one started.
    pub(super) async fn run(mut self, started: oneshot::Sender<Result<(), StartError>>) {
        let mut started = Some(started);
        let mut wait = BACK_OFF.0;
        loop {
            match self.live(&mut started).await {
                End::Stopped => return,
                End::Init(Diagnostic { error_type, error_message }) => {
                    if let Some(started) = started.take() {
                        let _ = started.send(Err(StartError::Init { error_type, error_message }));
                        return;
                    }
                    self.options.log.note(format!(
                        "an environment of `{}` did not start: {error_type}: {error_message}; \
                         next try in {wait:?}",
                        self.options.name
                    ));
                    tokio::select! {
                        () = stopped(&mut self.stop) => return,
                        () = tokio::time::sleep(wait) => {}
                    }
                    wait = wait.saturating_mul(2).min(BACK_OFF.1);
                }
                End::Exited(how) => {
                    let name = &self.options.name;
                    let line = format!("an environment of `{name}` ended ({how}) and is replaced");
                    self.options.log.note(line);
                    wait = BACK_OFF.0;
                }
                End::TimedOut => {
                    let (name, limit) = (&self.options.name, self.options.timeout);
                    self.options.log.note(format!(
                        "an environment of `{name}` passed its deadline ({limit:?}) and is replaced"
                    ));
                    wait = BACK_OFF.0;
                }
                End::OutOfMemory => {
                    self.options.log.note(format!("{} and is replaced", self.too_much_memory()));
                    wait = BACK_OFF.0;
                }
            }
        }
    }

    /// One process from its start to its end.
    async fn live(&mut self, started: &mut Option<oneshot::Sender<Result<(), StartError>>>) -> End {
        let failed = |error: std::io::Error| {
            End::Init(Diagnostic {
                error_type: "Runtime.InvalidEntrypoint".to_owned(),
                error_message: error.to_string(),
            })
        };
        // A new Runtime API, so that open calls of an earlier process cannot reach it.
        let (api, mut calls) = match RuntimeApi::start().await {
            Ok(started) => started,
            Err(error) => return failed(error),
        };
        let mut process = match Process::spawn(&self.options, api.address) {
            Ok(process) => process,
            Err(error) => return failed(error),
        };
        self.pid.store(process.id().unwrap_or(0), Ordering::Release);
        let mut waiting = None;
        let end = self.serve(&mut process, &mut calls, &mut waiting, started).await;
        self.pid.store(0, Ordering::Release);
        match end {
            // Nobody would hear a SIGTERM.
            _ if !api.has_extension() => process.kill().await,
            End::TimedOut | End::OutOfMemory => process.kill().await,
            // A poll without an invocation is never answered: the process must end first.
            End::Stopped | End::Init(_) | End::Exited(_) => process.end().await,
        }
        drop(waiting);
        end
    }

    async fn serve(
        &mut self,
        process: &mut Process,
        calls: &mut mpsc::Receiver<Call>,
        waiting: &mut Option<Waiting>,
        started: &mut Option<oneshot::Sender<Result<(), StartError>>>,
    ) -> End {
        match self.init(process, calls).await {
            Ok(next) => *waiting = Some(next),
            Err(end) => return end,
        }
        if let Some(started) = started.take() {
            let _ = started.send(Ok(()));
        }
        loop {
            if self.options.freezes {
                process.suspend();
            }
            let job = match self.ready(process, calls, waiting).await {
                Ok(job) => job,
                Err(end) => return end,
            };
            if self.options.freezes {
                process.resume();
            }
            match self.perform(process, calls, waiting.take(), job).await {
                Ok(next) => *waiting = Some(next),
                Err(end) => return end,
            }
        }
    }

    /// Waits until the process asks for its first event.
    async fn init(
        &mut self,
        process: &mut Process,
        calls: &mut mpsc::Receiver<Call>,
    ) -> Result<Waiting, End> {
        let limit = tokio::time::sleep(INIT_TIMEOUT);
        tokio::pin!(limit);
        loop {
            let happening = tokio::select! {
                happening = happening(process, calls, &mut self.stop) => happening,
                () = &mut limit => {
                    process.show();
                    return Err(End::Init(Diagnostic {
                        error_type: "Sandbox.Timedout".to_owned(),
                        error_message: format!("no invocation was asked for in {INIT_TIMEOUT:?}"),
                    }));
                }
            };
            match happening {
                Happening::Stop => {
                    process.hush();
                    return Err(End::Stopped);
                }
                Happening::Exit(how) => {
                    process.show();
                    return Err(End::Init(Diagnostic {
                        error_type: "Runtime.ExitError".to_owned(),
                        error_message: how,
                    }));
                }
                Happening::Call(Call::Next(waiting)) => {
                    process.show();
                    return Ok(waiting);
                }
                Happening::Call(Call::InitError { error, answer }) => {
                    let _ = answer.send(Ok(()));
                    process.hush();
                    return Err(End::Init(error));
                }
                Happening::Call(other) => other.refuse("Init"),
            }
        }
    }

    /// Waits for an invocation.
    async fn ready(
        &mut self,
        process: &mut Process,
        calls: &mut mpsc::Receiver<Call>,
        waiting: &mut Option<Waiting>,
    ) -> Result<Job, End> {
        loop {
            let happening = tokio::select! {
                job = self.queue.take() => return job.ok_or(End::Stopped),
                happening = happening(process, calls, &mut self.stop) => happening,
            };
            match happening {
                Happening::Stop => return Err(End::Stopped),
                Happening::Exit(how) => return Err(End::Exited(how)),
                // A poll whose connection broke may be repeated.
                Happening::Call(Call::Next(next))
                    if waiting.as_ref().is_none_or(oneshot::Sender::is_closed) =>
                {
                    *waiting = Some(next);
                }
                Happening::Call(other) => other.refuse("Ready"),
            }
        }
    }
}

async fn happening(
    process: &mut Process,
    calls: &mut mpsc::Receiver<Call>,
    stop: &mut watch::Receiver<bool>,
) -> Happening {
    tokio::select! {
        // In this order, because a call that a process made before it ended still counts.
        biased;
        () = stopped(stop) => Happening::Stop,
        Some(call) = calls.recv() => Happening::Call(call),
        how = process.exit() => Happening::Exit(how),
    }
}

/// Completes when the function must stop, or when the sender is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
