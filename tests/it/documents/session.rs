//! Runs the `console run` blocks of a document as one session of a shell, in a new folder.
//!
//! - A block that begins with `# name.toml` or `# name.yaml` is a file of that name in the folder.
//! - `local` starts in the background, and the session goes on once it prints something. A second
//!   start ends the first. `cargo run` alone starts the example `service` of `throttle` likewise,
//!   and [`LLM`] the example `llm_axum`, of which one may run on each port.
//! - The ports 9400 to 9404 and 3000 to 3002 stand for free ones, in commands, files and outputs.
//! - Outputs are compared line by line. In what is shown, `…` stands for any text, and alone in a
//!   line for any number of lines. Dates, times, digests, UUIDs and milliseconds are not compared.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use regex_lite::Regex;
use tokio::process::Command;

use super::markdown::{Block, Document, Shown};

/// Longer than any session should take.
const PATIENCE: Duration = Duration::from_secs(180);

/// The mark in front of each command's output.
const MARK: &str = "\u{1}next\n";

/// Runs a document's session and returns the outputs that differ.
pub(super) async fn run(document: &Document) -> Vec<String> {
    let ports = Ports::free();
    let folder = tempfile::tempdir().unwrap();
    let blocks = document.blocks();
    for block in &blocks {
        if let Some(name) = block.file() {
            std::fs::write(folder.path().join(name), ports.free_in(&block.text)).unwrap();
        }
    }
    let shown: Vec<Shown> =
        blocks.iter().filter(|it| it.runs()).flat_map(Block::commands).collect();
    // Without it, curl shows its progress if the output is not a terminal.
    std::fs::write(folder.path().join(".curlrc"), "silent\n").unwrap();
    let bin = tests::tollgate().parent().unwrap();

    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-c", &script(&shown, &ports)]).current_dir(folder.path()).env_clear();
    bash.env("PATH", path).env("HOME", folder.path()).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
    bash.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let process = bash.spawn().unwrap();
    let group = Pid::from_raw(process.id().unwrap().try_into().unwrap());
    let output = tokio::time::timeout(PATIENCE, process.wait_with_output()).await;
    let _ = killpg(group, Signal::SIGTERM);
    let Ok(output) = output else {
        return vec![format!("{}: the session does not end", document.path.display())];
    };

    let text = ports.shown_in(&String::from_utf8_lossy(&output.unwrap().stdout));
    let found: Vec<&str> = text.split(MARK).skip(1).collect();
    assert_eq!(found.len(), shown.len(), "{text}");
    let mut faults = Vec::new();
    for (shown, found) in shown.iter().zip(found) {
        let actual: Vec<&str> = found.trim_end().lines().collect();
        if !matches(&shown.output, &actual) {
            faults.push(format!(
                "{}:{}: `{}` is shown to print:\n{}\nbut prints:\n{}\n",
                document.path.display(),
                shown.line,
                shown.text,
                shown.output.join("\n"),
                actual.join("\n"),
            ));
        }
    }
    faults
}

/// Starts a server in place of an earlier one of that name, and shows its first output.
const SERVE: &str = r#"exec 2>&1
declare -A servers
trap '[ ${#servers[@]} = 0 ] || kill "${servers[@]}"; wait' EXIT
serve() {
    local name=$1; shift
    [ -z "${servers[$name]}" ] || { kill "${servers[$name]}"; wait "${servers[$name]}"; }
    : > "$name.out"; "$@" > "$name.out" 2> "$name.err" & servers[$name]=$!
    until [ -s "$name.out" ]; do
        kill -0 "${servers[$name]}" || { cat "$name.err"; return; }
        sleep 0.05
    done
    cat "$name.out"
}
"#;

/// Starts the example of `throttle/TOKENS.md`.
const LLM: &str = "cargo run -p tollgate-throttle --example llm_axum";

/// The session as a script: a mark before each command, and servers in the background.
fn script(shown: &[Shown], ports: &Ports) -> String {
    let mut script = SERVE.to_owned();
    for command in shown {
        let text = ports.free_in(&command.text);
        let text = if let Some(rest) = text.strip_prefix("cargo run -p local") {
            let rest = rest.strip_prefix(" -- ").unwrap_or(rest);
            format!("serve local {} {} {rest}", tests::local().display(), ports.flags())
        } else if let Some((variables, rest)) = text.split_once(LLM) {
            let (name, rest) = (variables.trim(), rest.trim_start_matches(" -- "));
            format!("serve llm-{name} env {variables} {} {rest}", tests::llm_axum().display())
        } else if let Some(variables) = text.strip_suffix("cargo run") {
            format!("serve service env {variables} {}", tests::service().display())
        } else {
            text
        };
        let _ = write!(script, "printf '\\001next\\n'\n{text}\n");
    }
    script
}

/// Returns true if an output is as shown.
fn matches(shown: &[String], actual: &[&str]) -> bool {
    match (shown.split_first(), actual.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((line, rest)), _) if line.trim() == "…" => {
            (0..=actual.len()).any(|skipped| matches(rest, &actual[skipped..]))
        }
        (Some((line, rest)), Some((first, others))) => {
            let pattern: Vec<String> = normal(line).split('…').map(escape).collect();
            let pattern = Regex::new(&format!("^{}$", pattern.join(".*"))).unwrap();
            pattern.is_match(&normal(first)) && matches(rest, others)
        }
        (Some(_), None) => false,
    }
}

/// A line without what differs from run to run.
fn normal(line: &str) -> String {
    let mut line = line.trim_end().to_owned();
    for (pattern, name) in [
        (r"\d{4}-\d\d-\d\d(T[\d:.]+Z)?", "DATE"),
        (r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "UUID"),
        (r"\b[0-9a-f]{32,}\b", "DIGEST"),
        (r"\b\d+ ms\b", "N ms"),
    ] {
        line = Regex::new(pattern).unwrap().replace_all(&line, name).into_owned();
    }
    line
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut all, c| {
        if r"\.+*?()|[]{}^$".contains(c) {
            all.push('\\');
        }
        all.push(c);
        all
    })
}

/// Free ports in place of those that documents show.
struct Ports(Vec<(String, String)>);

impl Ports {
    fn free() -> Self {
        let listeners: Vec<TcpListener> =
            (0..8).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let shown = (9400..9405).chain(3000..3003).map(|port| format!("127.0.0.1:{port}"));
        let free = listeners.iter().map(|it| it.local_addr().unwrap().to_string());
        Self(shown.zip(free).collect())
    }

    fn flags(&self) -> String {
        let flags =
            ["--api-port", "--issuer-port", "--dynamodb-port", "--http-port", "--websocket-port"];
        let port = |(flag, (_, free)): (&str, &(String, String))| {
            format!("{flag} {}", free.rsplit(':').next().unwrap())
        };
        flags.into_iter().zip(&self.0).map(port).collect::<Vec<_>>().join(" ")
    }

    /// A `PORT=3000` has no address in front.
    fn free_in(&self, text: &str) -> String {
        let variable = |address: &str| address.replace("127.0.0.1:", "PORT=");
        self.0.iter().fold(text.to_owned(), |text, (shown, free)| {
            text.replace(shown, free).replace(&variable(shown), &variable(free))
        })
    }

    fn shown_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (shown, free)| text.replace(free, shown))
    }
}
