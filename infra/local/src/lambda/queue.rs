//! The invocations that wait for an environment.

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::InvokeError;

/// An invocation that waits for an environment.
#[derive(Debug)]
pub(super) struct Job {
    /// Lambda's request id.
    pub(super) id: String,
    pub(super) event: Bytes,
    pub(super) reply: oneshot::Sender<Result<Bytes, InvokeError>>,
}

/// The invocations that wait. The environment that became free first gets the first.
#[derive(Debug)]
pub(super) struct Queue {
    // Tokio's mutex is fair, and that alone makes the environments take turns.
    jobs: Mutex<mpsc::Receiver<Job>>,
}

impl Queue {
    pub(super) fn new(jobs: mpsc::Receiver<Job>) -> Self {
        Self { jobs: Mutex::new(jobs) }
    }

    /// Takes the first invocation that somebody still waits for.
    pub(super) async fn take(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock().await;
        loop {
            match jobs.recv().await {
                Some(job) if job.reply.is_closed() => {}
                other => return other,
            }
        }
    }
}
