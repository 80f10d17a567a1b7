//! One process of a function, and what is asked of it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use throttle::{Clock, SystemClock};

use crate::runtime_api::{self, Answer, RuntimeApi};

/// The environment variables that a function is started with, besides Lambda's own.
#[derive(Clone, Default)]
pub(crate) struct Setting(pub(crate) Vec<(&'static str, String)>);

/// A running function; killed when it is dropped.
pub(crate) struct Function {
    process: Child,
    api: RuntimeApi,
    first_poll: Duration,
}

/// Resident memory, and how much of it is the process's own and not a file's, in kilobytes.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) anonymous: u64,
}

impl Function {
    /// Starts the executable and waits until it asks for its first event.
    pub(crate) fn start(executable: &Path, setting: &Setting) -> Self {
        let clock = SystemClock::new();
        let api = runtime_api::serve(clock);
        let spawned = clock.monotonic();
        let process = Command::new(executable)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "f")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_LEVEL", "INFO")
            .envs(setting.0.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let polled = api.polls.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!("`{}` did not ask for an event: run it by hand", executable.display())
        });
        Self { process, api, first_poll: polled.saturating_sub(spawned) }
    }

    /// From the start of the process to its first request for an event.
    pub(crate) fn time_to_first_poll(&self) -> Duration {
        self.first_poll
    }

    /// Hands one event out, and waits for its answer.
    pub(crate) fn invoke(&mut self, event: &str) -> Answer {
        self.api.events.send(event.to_owned()).unwrap();
        self.api.answers.recv_timeout(PATIENCE).unwrap()
    }

    /// Hands these out, one after the other.
    ///
    /// Answers are looked at afterwards: a process that waits meanwhile for its next event would
    /// be asleep when it comes, and one whose answers nobody looks at would not.
    pub(crate) fn invoke_all(&mut self, events: &[String]) -> Vec<Answer> {
        events.iter().map(|event| self.invoke(event)).collect()
    }

    pub(crate) fn memory(&self) -> Memory {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        Memory { resident: kilobytes("VmRSS:"), anonymous: kilobytes("RssAnon:") }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Answer {
    /// A benchmark of refusals by mistake would look very good.
    pub(crate) fn must_allow(&self) {
        let text = String::from_utf8_lossy(&self.body);
        assert!(!self.is_error, "the authorizer failed: {text}");
        let answer: Value = serde_json::from_slice(&self.body).unwrap();
        let effect = answer.pointer("/policyDocument/Statement/0/Effect");
        assert_eq!(effect.and_then(Value::as_str), Some("Allow"), "not allowed: {text}");
        assert_eq!(answer.pointer("/context/throttled"), None, "throttled: {text}");
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
