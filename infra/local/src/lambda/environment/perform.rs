//! One invocation, from its event to the process's next poll.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{End, Environment, Happening, Waiting, happening};
use crate::lambda::process::Process;
use crate::lambda::queue::Job;
use crate::lambda::runtime_api::{Call, Diagnostic, Event, Refusal};
use crate::lambda::{ACCOUNT, InvokeError, Options, REGION};

/// The interval at which a running process's memory is looked at.
const MEMORY_POLL: Duration = Duration::from_millis(50);

impl Environment {
    /// Takes one invocation from the event to the process's next poll.
    pub(super) async fn perform(
        &mut self,
        process: &mut Process,
        calls: &mut mpsc::Receiver<Call>,
        waiting: Option<Waiting>,
        job: Job,
    ) -> Result<Waiting, End> {
        let id = job.id;
        let event = self.event(id.clone(), job.event.clone());
        let mut reply = Some(job.reply);
        if waiting.is_none_or(|waiting| waiting.send(Ok(event)).is_err()) {
            // The connection broke before the event left: another environment may have it.
            if let Some(reply) = reply.take() {
                let _ = self.jobs.try_send(Job { id: id.clone(), event: job.event, reply });
            }
        }
        let deadline = tokio::time::sleep(self.options.timeout);
        tokio::pin!(deadline);
        let mut memory = tokio::time::interval(MEMORY_POLL);
        loop {
            let happening = tokio::select! {
                happening = happening(process, calls, &mut self.stop) => happening,
                () = &mut deadline => {
                    settle(&mut reply, Err(InvokeError::Timeout(self.options.timeout)));
                    return Err(End::TimedOut);
                }
                _ = memory.tick() => {
                    let most = u64::from(self.options.memory_mb).saturating_mul(1024);
                    if process.memory_kb().is_some_and(|used| used > most) {
                        settle(&mut reply, Err(InvokeError::Exit(self.too_much_memory())));
                        return Err(End::OutOfMemory);
                    }
                    continue;
                }
            };
            match happening {
                Happening::Stop => {
                    settle(&mut reply, Err(InvokeError::Stopped));
                    return Err(End::Stopped);
                }
                Happening::Exit(how) => {
                    settle(&mut reply, Err(InvokeError::Exit(how.clone())));
                    return Err(End::Exited(how));
                }
                Happening::Call(Call::Response { id: theirs, body, answer }) if reply.is_some() => {
                    let accepted = match body {
                        _ if theirs != id => Err(Refusal::Id),
                        Ok(body) => {
                            settle(&mut reply, Ok(body));
                            Ok(())
                        }
                        Err(_) => {
                            settle(&mut reply, Err(InvokeError::Payload));
                            Err(Refusal::Payload)
                        }
                    };
                    let _ = answer.send(accepted);
                }
                Happening::Call(Call::Error { id: theirs, error, answer }) if reply.is_some() => {
                    let accepted = if theirs == id {
                        let Diagnostic { error_type, error_message } = error;
                        settle(
                            &mut reply,
                            Err(InvokeError::Function { error_type, error_message }),
                        );
                        Ok(())
                    } else {
                        Err(Refusal::Id)
                    };
                    let _ = answer.send(accepted);
                }
                Happening::Call(Call::Next(next)) if reply.is_none() => return Ok(next),
                Happening::Call(other) => {
                    other.refuse(if reply.is_some() { "Running" } else { "ResponseSent" });
                }
            }
        }
    }

    pub(super) fn too_much_memory(&self) -> String {
        let Options { name, memory_mb, .. } = &*self.options;
        format!(
            "an environment of `{name}` used more than {memory_mb} MB of memory (--memory, or \
             MemorySize of a template)"
        )
    }

    fn event(&self, id: String, body: Bytes) -> Event {
        let now = self.options.now.millis();
        let timeout = u64::try_from(self.options.timeout.as_millis()).unwrap_or(u64::MAX);
        let trace = uuid::Uuid::new_v4().simple().to_string();
        Event {
            id,
            deadline_ms: now.saturating_add(timeout),
            function_arn: format!(
                "arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}",
                self.options.name
            ),
            trace_id: format!(
                "Root=1-{:08x}-{};Sampled=0",
                now / 1000,
                trace.get(..24).unwrap_or("")
            ),
            body,
        }
    }
}

/// Gives the caller its outcome, once. A caller that has gone is ignored.
fn settle(
    reply: &mut Option<oneshot::Sender<Result<Bytes, InvokeError>>>,
    outcome: Result<Bytes, InvokeError>,
) {
    if let Some(reply) = reply.take() {
        let _ = reply.send(outcome);
    }
}
