//! One process of the function: its environment variables, its output, its end.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Options, REGION, output, read_only};

/// The time that a process has to end after SIGTERM, as in Lambda's shutdown phase.
const GRACE: Duration = Duration::from_millis(500);
/// The wait for the last lines of output; a grandchild may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The variable with the address of the Runtime API, which no other environment has.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
/// The most rounds in which processes that start others are looked for.
const ROUNDS: usize = 8;

/// A running process. Dropping it kills it and its children.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// The process's group, until it is ended.
    group: Option<Pid>,
    /// The variable by which a process that left the group is found.
    mark: String,
    /// Ends the process's group if this process is gone.
    guard: Option<Child>,
    output: Vec<JoinHandle<()>>,
    /// True once its lines are shown; they are held back while it starts.
    shown: watch::Sender<bool>,
}

impl Process {
    /// Starts the function's executable with the environment that Lambda gives it.
    pub(super) fn spawn(options: &Options, runtime_api: SocketAddr) -> std::io::Result<Self> {
        let mut command = Command::new(&options.executable);
        if let Some(folder) = &options.folder {
            command.current_dir(folder);
        }
        command
            .args(&options.arguments)
            .env_clear()
            .envs(variables(options, runtime_api))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C in the terminal must reach only us; we then end the processes in order.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = if options.is_read_only {
            read_only::start(|| command.spawn())?
        } else {
            command.spawn()?
        };
        let (shown, show) = watch::channel(false);
        let print = || printer(options);
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            output.push(tokio::spawn(output::forward(stdout, print(), show.clone())));
        }
        if let Some(stderr) = child.stderr.take() {
            output.push(tokio::spawn(output::forward(stderr, print(), show)));
        }
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let guard = child.id().and_then(guard);
        let mark = format!("{RUNTIME_API}={runtime_api}");
        Ok(Self { child, group, mark, guard, output, shown })
    }

    /// Lets the guard go, when the group has ended.
    async fn release(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            // An error means that it is gone already.
            let _ = guard.kill().await;
        }
    }

    /// Shows its lines: those held back, and all that follow.
    pub(super) fn show(&self) {
        self.shown.send_replace(true);
    }

    /// Drops its lines: it has reported its error over the Runtime API.
    pub(super) fn hush(&mut self) {
        for output in self.output.drain(..) {
            output.abort();
        }
    }

    /// The process id, while it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the process ends by itself, and ends what it leaves behind.
    pub(super) async fn exit(&mut self) -> String {
        let ended = self.child.wait().await;
        self.end_group();
        match ended {
            Ok(status) => describe(status),
            Err(error) => error.to_string(),
        }
    }

    /// Stops the process and its children where they are.
    pub(super) fn suspend(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets them go on.
    pub(super) fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// The memory that the process has written to, in kilobytes; `None` where nothing tells it.
    pub(super) fn memory_kb(&self) -> Option<u64> {
        written_kb(&std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?)
    }

    /// Ends the process and its children at once, and reaps it.
    pub(super) async fn kill(mut self) {
        self.end_group();
        // An error means that it is gone already.
        let _ = self.child.kill().await;
        self.release().await;
        self.drain().await;
    }

    /// Asks the process to end, kills what does not, and reaps it.
    pub(super) async fn end(mut self) {
        self.signal(Signal::SIGTERM);
        self.resume();
        let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        self.kill().await;
    }

    /// Sends a signal to the process and its children.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // An error means that all of them are gone already.
            let _ = killpg(group, signal);
        }
    }

    /// Kills the group, once. Its id is not used again, because the system may give it away when
    /// the process is reaped and no child is left.
    fn end_group(&mut self) {
        self.signal(Signal::SIGKILL);
        if self.group.take().is_some() {
            kill_marked(&self.mark);
        }
    }

    async fn drain(&mut self) {
        for output in self.output.drain(..) {
            let _ = tokio::time::timeout(LAST_WORDS, output).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end_group();
    }
}

/// Prints the lines of one output of a process, and explains the first write that is refused.
fn printer(options: &Options) -> impl FnMut(String) + Send + use<> {
    let (log, name, is_tollgate) = (options.log.clone(), options.name.clone(), options.is_tollgate);
    let mut is_explained = !options.is_read_only;
    move |line| {
        let is_refusal = !is_explained && read_only::is_refusal(&line);
        log.line(&name, line, is_tollgate);
        if is_refusal {
            is_explained = true;
            log.note(format!(
                "`{name}` can write below /tmp only, as on Lambda (--no-read-only lifts that)"
            ));
        }
    }
}

/// The memory in a process's status: its own, and what it shares with others.
///
/// Files that are mapped, such as the executable, are not counted.
fn written_kb(status: &str) -> Option<u64> {
    let kb = |line: &str| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok();
    let of = |name: &str| kb(status.lines().find_map(|line| line.strip_prefix(name))?);
    of("RssAnon:")?.checked_add(of("RssShmem:")?)
}

/// Kills the processes with this variable, which have left their group by `setsid`.
///
/// Only Linux tells variables, those with which a process was started.
fn kill_marked(mark: &str) {
    for _ in 0..ROUNDS {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_marked = |id: &i32| {
            let variables = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            variables.split(|byte| *byte == 0).any(|one| one == mark.as_bytes())
        };
        let marked: Vec<i32> = ids.filter(is_marked).collect();
        if marked.is_empty() {
            return;
        }
        for id in marked {
            // An error means that it is gone already.
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

/// Starts a shell that waits for the end of this process, however it comes, and then kills a group.
///
/// A group that is suspended does not notice that its parent is gone. The pipe to the shell closes
/// even when this process is killed. Without a shell the group is only ended in an orderly end.
fn guard(group: u32) -> Option<Child> {
    Command::new("/bin/sh")
        .args(["-c", "read -r _; kill -s KILL -- \"-$1\"", "sh", &group.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Out of reach of a Ctrl-C in the terminal.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .ok()
}

/// Describes an exit status in the words of Lambda's `Runtime.ExitError`.
fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("runtime exited with exit status {code}"),
        (None, Some(signal)) => {
            let name = Signal::try_from(signal).map_or("unknown", Signal::as_str);
            format!("runtime exited with signal {signal} ({name})")
        }
        (None, None) => "runtime exited".to_owned(),
    }
}

/// Lambda's variables for a function on an OS-only runtime, then the function's own.
///
/// `AWS_EXECUTION_ENV` is not among them: Lambda does not set it for OS-only runtimes, and
/// `_X_AMZN_TRACE_ID` is for the runtime to set, from each event's header.
fn variables(options: &Options, runtime_api: SocketAddr) -> Vec<(String, String)> {
    let root = options.folder.as_deref().or(options.executable.parent());
    let root = root.map(|path| path.display().to_string());
    let mut variables: Vec<(String, String)> = [
        (RUNTIME_API, runtime_api.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", options.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", options.memory_mb.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", options.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/[$LATEST]{}", uuid::Uuid::new_v4().simple())),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        // The SDK signs every call with something; the local table looks at none of it.
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_SESSION_TOKEN", "local".to_owned()),
        ("LAMBDA_TASK_ROOT", root.unwrap_or_default()),
        ("_HANDLER", "bootstrap".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    variables.extend(options.variables.iter().cloned());
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_shared_counts_and_files_do_not() {
        let status =
            "VmRSS:\t 9 kB\nRssAnon:\t    12 kB\nRssFile:\t  3000 kB\nRssShmem:\t   400 kB\n";
        assert_eq!(written_kb(status), Some(412));
        assert_eq!(written_kb("VmRSS: 9 kB"), None);
    }
}
