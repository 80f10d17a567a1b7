//! Functions as processes: this test binary is also the function that it starts.
//!
//! Every environment runs `lambda --exact function_process`, so the processes speak through the
//! real `lambda_runtime`, are killed for real, and nothing has to be built beside the tests.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of tests fails as loudly as they do"
)]

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use local::clock::Now;
use local::lambda::{Function, InvokeError, MAX_PAYLOAD, Options, StartError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use throttle::ManualClock;

// ---- the function ----

/// Not a test: what an environment runs. Without a Runtime API it has nothing to do.
#[test]
fn function_process() {
    let Ok(api) = std::env::var("AWS_LAMBDA_RUNTIME_API") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match std::env::var("INIT").unwrap_or_default().as_str() {
            "error" => {
                let error = json!({"errorType": "Config", "errorMessage": "line 3: no clients"});
                let posted = reqwest::Client::new()
                    .post(format!("http://{api}/2018-06-01/runtime/init/error"))
                    .body(error.to_string());
                let answer = posted.send().await.unwrap();
                assert_eq!(answer.status(), 202);
                assert_eq!(answer.text().await.unwrap(), r#"{"status":"OK"}"#);
                std::process::exit(1);
            }
            "exit" => std::process::exit(3),
            "extension" => {
                let registered = reqwest::Client::new()
                    .post(format!("http://{api}/2020-01-01/extension/register"))
                    .header("Lambda-Extension-Name", "inside")
                    .body(r#"{"events":[]}"#);
                let answer = registered.send().await.unwrap();
                assert!(answer.headers().contains_key("lambda-extension-identifier"));
                tokio::spawn(mark_at_sigterm());
                lambda_runtime::run(service_fn(handle)).await.unwrap();
            }
            "sigterm" => {
                tokio::spawn(mark_at_sigterm());
                lambda_runtime::run(service_fn(handle)).await.unwrap();
            }
            _ => lambda_runtime::run(service_fn(handle)).await.unwrap(),
        }
    });
}

/// Leaves a mark when the process is asked to end.
async fn mark_at_sigterm() {
    let kind = tokio::signal::unix::SignalKind::terminate();
    tokio::signal::unix::signal(kind).unwrap().recv().await;
    std::fs::write(std::env::var("MARK").unwrap(), "").unwrap();
    std::process::exit(0);
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let id = &event.context.request_id;
    match event.payload["do"].as_str().unwrap_or_default() {
        "describe" => Ok(json!({
            "pid": std::process::id(),
            "api": api,
            "id": id,
            "deadline": event.context.deadline,
            "arn": event.context.invoked_function_arn,
            "trace": event.context.xray_trace_id,
            "variables": std::env::vars().collect::<std::collections::BTreeMap<_, _>>(),
        })),
        "fail" => Err(Diagnostic {
            error_type: "Refused".to_owned(),
            error_message: "Unauthorized".to_owned(),
        }),
        "exit" => std::process::exit(7),
        "hang" => {
            // Tells the test that the invocation has begun.
            std::fs::write(event.payload["mark"].as_str().unwrap(), "").unwrap();
            std::future::pending().await
        }
        "background" => {
            let mark = event.payload["mark"].as_str().unwrap().to_owned();
            std::thread::spawn(move || {
                for at in 0_u64.. {
                    std::fs::write(&mark, at.to_string()).unwrap();
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            Ok(json!("begun"))
        }
        "leave" => {
            let mark = event.payload["mark"].as_str().unwrap();
            // `setsid` leaves the group.
            let by = event.payload["by"].as_str().unwrap();
            let script = format!("{by} sleep 600 & echo $! > {mark}.new && mv {mark}.new {mark}");
            std::process::Command::new("/bin/sh").args(["-c", &script]).status().unwrap();
            match event.payload["then"].as_str() {
                Some("exit") => std::process::exit(7),
                _ => Ok(json!("left")),
            }
        }
        "write" => {
            let write = |path: &Value| std::fs::write(path.as_str().unwrap(), "");
            let written = write(&event.payload["path"]);
            let error = written.map_err(|error| error.to_string()).err();
            error.iter().for_each(|error| eprintln!("{error}"));
            Ok(json!(error))
        }
        "signal" => {
            Ok(json!(kill(Pid::parent(), Signal::SIGCONT).err().map(|error| error.to_string())))
        }
        "memory" => {
            let taken = vec![1_u8; 300 * 1024 * 1024];
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(json!(taken.len()))
        }
        "large" => Ok(json!("a".repeat(MAX_PAYLOAD))),
        "calls" => Ok(json!(out_of_turn(&api, id).await)),
        _ => Ok(event.payload),
    }
}

/// Makes calls that don't fit, from within an invocation, and tells how they were answered.
async fn out_of_turn(api: &str, id: &str) -> Vec<(u16, String)> {
    let client = reqwest::Client::new();
    let page = client.get(format!("http://{api}/2018-06-01/ping")).header("origin", "null");
    assert_eq!(page.send().await.unwrap().status(), 403, "a page in a browser");
    let base = format!("http://{api}/2018-06-01");
    let invocation = format!("{base}/runtime/invocation");
    let mut answers = Vec::new();
    for request in [
        client.get(format!("{base}/ping")),
        client.get(format!("{invocation}/next")),
        client.post(format!("{invocation}/unknown/response")).body("1"),
        client.post(format!("{invocation}/unknown/error")).body("{}"),
        client.post(format!("{base}/runtime/init/error")).body("{}"),
        client.post(format!("{invocation}/{id}/nonsense")).body("1"),
    ] {
        let answer = request.send().await.unwrap();
        answers.push((answer.status().as_u16(), answer.text().await.unwrap()));
    }
    answers
}

// ---- the tests ----

fn options(environments: usize) -> Options {
    let executable = std::env::current_exe().unwrap();
    let mut options = Options::new(executable, "hello", Now::new(ManualClock::default()));
    options.arguments =
        ["--exact", "function_process", "--nocapture"].map(Into::into).into_iter().collect();
    options.environments = NonZeroUsize::new(environments).unwrap();
    options
}

async fn start(environments: usize) -> Function {
    Function::start(options(environments)).await.unwrap()
}

async fn call(function: &Function, event: Value) -> Result<Value, InvokeError> {
    let response = function.invoke(Bytes::from(event.to_string())).await?;
    Ok(serde_json::from_slice(&response).unwrap())
}

/// A sign from the function that an invocation of it has begun.
struct Mark(tempfile::TempDir);

impl Mark {
    fn new() -> Self {
        // Not in `TMPDIR`, which a function cannot write to if it is elsewhere.
        Self(tempfile::tempdir_in("/tmp").unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("begun")
    }

    /// An event that makes its mark and then never comes to an end.
    fn hang(&self) -> Value {
        json!({"do": "hang", "mark": self.path()})
    }

    async fn begun(&self) {
        eventually("the invocation", || self.path().exists()).await;
    }
}

/// Returns true if a process with this id exists, a zombie included.
fn exists(pid: u32) -> bool {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), None).is_ok()
}

/// Waits for something that another process is about to do.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what} did not happen");
}

#[tokio::test]
async fn an_event_comes_back_as_a_response() {
    let function = start(1).await;
    assert_eq!(call(&function, json!({"a": 1})).await, Ok(json!({"a": 1})));
    let pids = function.pids();
    assert_eq!(pids.len(), 1);

    let description = call(&function, json!({"do": "describe"})).await.unwrap();
    assert_eq!(description["pid"], pids[0]);
    // Ten seconds after the clock's 2026-11-21T09:00:00Z.
    assert_eq!(description["deadline"], 1_795_251_610_000_u64);
    assert_eq!(description["arn"], "arn:aws:lambda:us-east-1:123456789012:function:hello");
    assert_eq!(description["id"].as_str().unwrap().len(), 36);
    // Root=1-{8 hexadecimal digits of seconds}-{24 of chance}
    let trace = description["trace"].as_str().unwrap();
    assert!(trace.starts_with("Root=1-6b01"), "{trace}");
    assert_eq!(trace.len(), "Root=1-".len() + 8 + 1 + 24 + ";Sampled=0".len());

    function.shutdown().await;
    assert!(!exists(pids[0]), "the process is gone and reaped");
    assert_eq!(call(&function, json!({})).await, Err(InvokeError::Stopped));
}

#[tokio::test]
async fn a_process_sees_lambdas_variables_and_nothing_of_ours() {
    let mut options = options(1);
    options.variables.push(("AUTHORIZER_CONFIG".to_owned(), "text".to_owned()));
    let function = Function::start(options).await.unwrap();
    let description = call(&function, json!({"do": "describe"})).await.unwrap();
    function.shutdown().await;

    let variables = description["variables"].as_object().unwrap();
    assert_eq!(variables["AUTHORIZER_CONFIG"], "text");
    assert_eq!(variables["AWS_REGION"], "us-east-1");
    assert_eq!(variables["AWS_LAMBDA_FUNCTION_NAME"], "hello");
    assert_eq!(variables["AWS_LAMBDA_RUNTIME_API"], description["api"]);
    for ours in ["HOME", "CARGO_MANIFEST_DIR", "AWS_EXECUTION_ENV"] {
        assert!(!variables.contains_key(ours), "{ours} reached the process");
    }
}

#[tokio::test]
async fn a_handlers_error_is_its_own_and_the_process_lives_on() {
    let function = start(1).await;
    let pids = function.pids();
    let error = call(&function, json!({"do": "fail"})).await.unwrap_err();
    let InvokeError::Function { error_type, error_message } = error else { panic!("{error}") };
    assert_eq!((error_type.as_str(), error_message.as_str()), ("Refused", "Unauthorized"));
    assert_eq!(call(&function, json!(1)).await, Ok(json!(1)));
    assert_eq!(function.pids(), pids);
    function.shutdown().await;
}

#[tokio::test]
async fn calls_out_of_turn_are_refused_and_change_nothing() {
    let function = start(1).await;
    let answers = call(&function, json!({"do": "calls"})).await.unwrap();
    let refused = |from: &str, to: &str| {
        json!({
            "errorMessage": format!("State transition from {from} to {to} failed for runtime. \
                Error: State transition is not allowed"),
            "errorType": "InvalidStateTransition",
        })
        .to_string()
    };
    let unknown = r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#;
    assert_eq!(
        answers,
        json!([
            [200, "pong"],
            [403, refused("Running", "Ready")],
            [400, unknown],
            [400, unknown],
            [403, refused("Running", "InitError")],
            [404, ""],
        ])
    );
    assert_eq!(call(&function, json!(1)).await, Ok(json!(1)));
    function.shutdown().await;
}

#[tokio::test]
async fn payloads_are_bounded_in_both_directions() {
    let function = start(1).await;
    let large = Bytes::from(vec![b' '; MAX_PAYLOAD + 1]);
    assert_eq!(function.invoke(large).await, Err(InvokeError::Payload));
    assert_eq!(call(&function, json!({"do": "large"})).await, Err(InvokeError::Payload));
    assert_eq!(call(&function, json!(1)).await, Ok(json!(1)));
    function.shutdown().await;
}

#[tokio::test]
async fn a_function_that_posts_an_init_error_does_not_start() {
    let mut options = options(2);
    options.variables.push(("INIT".to_owned(), "error".to_owned()));
    let StartError::Init { error_type, error_message } =
        Function::start(options).await.unwrap_err();
    assert_eq!((error_type.as_str(), error_message.as_str()), ("Config", "line 3: no clients"));
}

#[tokio::test]
async fn a_function_that_exits_before_its_first_poll_does_not_start() {
    let mut options = options(2);
    options.variables.push(("INIT".to_owned(), "exit".to_owned()));
    let StartError::Init { error_type, error_message } =
        Function::start(options).await.unwrap_err();
    assert_eq!(error_type, "Runtime.ExitError");
    assert_eq!(error_message, "runtime exited with exit status 3");
}

#[tokio::test]
async fn an_executable_that_is_not_there_does_not_start() {
    let mut options = options(1);
    options.executable = "/nowhere/at/all".into();
    let StartError::Init { error_type, .. } = Function::start(options).await.unwrap_err();
    assert_eq!(error_type, "Runtime.InvalidEntrypoint");
}

#[tokio::test]
async fn a_process_that_exits_fails_its_invocation_and_is_replaced() {
    let function = start(1).await;
    let before = function.pids();
    assert_eq!(
        call(&function, json!({"do": "exit"})).await,
        Err(InvokeError::Exit("runtime exited with exit status 7".to_owned()))
    );
    assert_eq!(call(&function, json!(1)).await, Ok(json!(1)));
    assert_ne!(function.pids(), before);
    function.shutdown().await;
}

#[tokio::test]
async fn a_process_killed_in_the_middle_fails_its_invocation_and_is_replaced() {
    let function = start(1).await;
    let pid = function.pids()[0];
    let mark = Mark::new();
    let killer = async {
        mark.begun().await;
        let second = call(&function, json!({"second": true}));
        // The second one is in the queue before the signal is sent: `join` asks in this order.
        let kill = async {
            kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
        };
        tokio::join!(second, kill).0
    };
    let (first, second) = tokio::join!(call(&function, mark.hang()), killer);
    assert_eq!(first, Err(InvokeError::Exit("runtime exited with signal 9 (SIGKILL)".to_owned())));
    assert_eq!(second, Ok(json!({"second": true})), "what waited is served");
    assert!(!exists(pid));
    function.shutdown().await;
}

#[tokio::test]
async fn an_invocation_past_its_deadline_costs_the_process() {
    let mut options = options(1);
    options.timeout = Duration::from_millis(300);
    let function = Function::start(options).await.unwrap();
    let pid = function.pids()[0];
    assert_eq!(
        call(&function, Mark::new().hang()).await,
        Err(InvokeError::Timeout(Duration::from_millis(300)))
    );
    assert_eq!(call(&function, json!(1)).await, Ok(json!(1)));
    assert!(!exists(pid));
    function.shutdown().await;
}

#[tokio::test]
async fn environments_work_side_by_side_and_one_at_a_time_each() {
    let mut options = options(2);
    options.timeout = Duration::from_secs(2);
    let function = Function::start(options).await.unwrap();
    let mark = Mark::new();
    let others = async {
        mark.begun().await;
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..5 {
            let description = call(&function, json!({"do": "describe"})).await.unwrap();
            seen.insert(description["pid"].as_u64().unwrap());
        }
        seen
    };
    let (hanging, seen) = tokio::join!(call(&function, mark.hang()), others);
    assert!(matches!(hanging, Err(InvokeError::Timeout(_))), "{hanging:?}");
    assert_eq!(seen.len(), 1, "the busy environment got nothing");
    function.shutdown().await;
}

#[tokio::test]
async fn free_environments_take_turns() {
    let function = start(3).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..6 {
        let description = call(&function, json!({"do": "describe"})).await.unwrap();
        seen.insert(description["pid"].as_u64().unwrap());
    }
    assert_eq!(seen.len(), 3);
    function.shutdown().await;
}

/// The state of a process, as `/proc` has it: `T` is stopped.
fn state(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.chars().take(1).collect()
}

#[tokio::test]
async fn a_process_stands_still_between_its_invocations() {
    for freezes in [true, false] {
        let mut options = options(1);
        options.freezes = freezes;
        let function = Function::start(options).await.unwrap();
        let mark = Mark::new();
        let begin = json!({"do": "background", "mark": mark.path()});
        assert_eq!(call(&function, begin).await, Ok(json!("begun")));
        let pid = function.pids()[0];
        let count = || std::fs::read_to_string(mark.path()).unwrap_or_default();
        if freezes {
            eventually("the suspension", || state(pid) == "T").await;
            let before = count();
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(count(), before, "nothing runs in the background");
        } else {
            let before = count();
            eventually("work in the background", || count() != before).await;
        }
        assert_eq!(call(&function, json!(1)).await, Ok(json!(1)));
        function.shutdown().await;
        assert!(!exists(pid));
    }
}

/// True if this system restricts writes and signals; an older Linux does not.
#[cfg(target_os = "linux")]
fn has_landlock() -> bool {
    use landlock::{ABI, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let rules = rules.handle_access(AccessFs::from_write(ABI::V5));
    let is_there = rules.and_then(|rules| rules.scope(Scope::Signal)).is_ok();
    if !is_there {
        eprintln!("skipped: this system has no Landlock");
    }
    is_there
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_writes_below_tmp_only() {
    if !has_landlock() {
        return;
    }
    let refused = Ok(json!("Permission denied (os error 13)"));
    for is_read_only in [true, false] {
        let (inside, outside) = (Mark::new(), tempfile::tempdir_in("/var/tmp").unwrap());
        let mut options = options(1);
        options.is_read_only = is_read_only;
        let function = Function::start(options).await.unwrap();
        let write = async |path| call(&function, json!({"do": "write", "path": path})).await;
        assert_eq!(write(inside.path()).await, Ok(Value::Null));
        assert_eq!(write("/dev/null".into()).await, Ok(Value::Null));
        // Without the rule the device itself says that there is no terminal, or opens.
        let is_refused = write("/dev/tty".into()).await == refused;
        assert_eq!(is_refused, is_read_only);
        let expected = if is_read_only { refused.clone() } else { Ok(Value::Null) };
        assert_eq!(write(outside.path().join("file")).await, expected);
        let signalled = call(&function, json!({"do": "signal"})).await;
        let refused = json!("EPERM: Operation not permitted");
        assert_eq!(signalled, Ok(if is_read_only { refused } else { Value::Null }));
        function.shutdown().await;
    }
    // This process itself is not restricted.
    std::fs::write(tempfile::tempdir_in("/var/tmp").unwrap().path().join("file"), "").unwrap();
}

#[tokio::test]
async fn what_a_process_leaves_behind_ends_with_it_however_that_comes() {
    let ends = ["exit", "killed", "shutdown", "dropped"];
    let ways = if cfg!(target_os = "linux") { &["", "setsid"][..] } else { &[""] };
    for (by, then) in ways.iter().flat_map(|by| ends.map(|then| (by, then))) {
        let mark = Mark::new();
        let function = start(1).await;
        let pid = function.pids()[0];
        let answer =
            call(&function, json!({"do": "leave", "by": by, "mark": mark.path(), "then": then}));
        assert_eq!(answer.await.is_err(), then == "exit", "{by} {then}");
        let left = std::fs::read_to_string(mark.path()).unwrap().trim().to_owned();
        // A child whose parent is gone may stay a zombie where no init reaps it.
        let is_gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{left}/stat")).unwrap_or_default();
            stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
        };
        assert!(then == "exit" || !is_gone(), "{by} {then}: it ran");
        match then {
            "killed" => kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap(),
            "shutdown" => function.shutdown().await,
            "dropped" => drop(function),
            _ => {}
        }
        eventually(&format!("{by} {then}: the end of the child"), is_gone).await;
    }
}

#[tokio::test]
async fn only_a_process_with_an_extension_hears_of_its_end() {
    for (init, hears) in [("extension", true), ("sigterm", false)] {
        let mark = Mark::new();
        let mut options = options(1);
        options.variables.push(("INIT".to_owned(), init.to_owned()));
        options.variables.push(("MARK".to_owned(), mark.path().display().to_string()));
        let function = Function::start(options).await.unwrap();
        assert_eq!(call(&function, json!(1)).await, Ok(json!(1)));
        function.shutdown().await;
        assert_eq!(mark.path().exists(), hears, "{init}");
    }
}

#[tokio::test]
async fn a_process_that_uses_too_much_memory_is_killed_and_replaced() {
    let function = start(1).await;
    let before = function.pids();
    let error = call(&function, json!({"do": "memory"})).await.unwrap_err();
    let InvokeError::Exit(why) = error else { panic!("{error}") };
    assert!(why.contains("more than 256 MB"), "{why}");
    assert_eq!(call(&function, json!(1)).await, Ok(json!(1)));
    assert_ne!(function.pids(), before);
    function.shutdown().await;
}

#[tokio::test]
async fn too_many_waiting_invocations_are_throttled() {
    let mut options = options(1);
    options.queue = NonZeroUsize::MIN;
    options.timeout = Duration::from_secs(2);
    let function = Function::start(options).await.unwrap();
    let mark = Mark::new();
    let hang = || call(&function, mark.hang());
    let (a, b, c, d) = tokio::join!(hang(), hang(), hang(), hang());
    let throttled =
        [a, b, c, d].iter().filter(|answer| **answer == Err(InvokeError::Throttled)).count();
    assert!(throttled >= 2, "one runs, one waits, {throttled} were turned away");
    function.shutdown().await;
}

#[tokio::test]
async fn a_process_without_its_runtime_api_ends_by_itself() {
    // What a SIGKILL of the parent looks like from below: every connection closes.
    use std::process::{Command, Stdio};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "function_process", "--nocapture"])
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().unwrap().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "orphan")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (connection, _) = listener.accept().unwrap();
    assert!(child.try_wait().unwrap().is_none(), "it polls");
    drop((connection, listener));
    eventually("the end of the orphan", || child.try_wait().unwrap().is_some()).await;
}
