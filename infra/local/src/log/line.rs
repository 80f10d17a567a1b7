//! One request as one readable line.
//!
//! ```text
//! GET /orders  200  orders-reader  free 9/10  3 ms
//! GET /orders  401  no Authorization header  0 ms
//! GET /orders  429  orders-reader  limit 10 of plan free; retry in 1 s  2 ms
//! ```

use std::path::Path;
use std::time::Duration;

use authorizer::shell_word;

use super::KEY_CALLER;
use super::record::Record;
use super::watch::Trace;
use crate::demo::DEFAULT_ISSUER_PORT;
use crate::terminal;

/// The width that lines fit, where that is possible.
const WIDTH: usize = 80;
/// The shortest form of a path, in characters.
const MIN_PATH: usize = 24;
/// The longest name of a caller or a plan that is shown, in characters.
const MAX_NAME: usize = 32;
/// The characters of a reason that are shown.
const MAX_REASON: usize = 600;
/// The longest route for which a command is shown.
const MAX_ROUTE: usize = 200;
/// The codes of outcomes for a caller that was verified; all others are refusals before that.
const VERIFIED: [&str; 6] =
    ["allowed", "forbidden", "throttled", "no_plan", "wrong_parents", "long_policy"];

/// A finished request.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The method; `WS` for a WebSocket.
    pub method: String,
    /// The path, without the query; the route of a WebSocket.
    pub path: String,
    /// The status of the response; 0 for a WebSocket's message or end.
    pub status: u16,
    /// The caller, as far as anything names it.
    pub caller: Option<Caller>,
    /// The plan and what is left of it, from the authorizer's context.
    pub usage: Option<Usage>,
    /// True if the API had the authorizer's result in its cache.
    pub cached: bool,
    /// The reason of the API for a refusal, or an event of a WebSocket.
    pub reason: Option<String>,
    /// True if the policy forbids the request.
    pub forbidden: bool,
    /// The name of the stage.
    pub stage: String,
    /// The kind of API, if it is not a REST API.
    pub api: Option<&'static str>,
    /// The authorizer's invocation, by Lambda's request id.
    pub invocation: Option<String>,
    /// The time from the request to the response.
    pub took: Duration,
    /// The rest, if the console shows it.
    pub trace: Option<Box<Trace>>,
}

/// The name of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name, as its token states it.
    pub name: String,
    /// True if the authorizer accepted the token.
    pub verified: bool,
}

/// A plan and what is left of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The plan's name.
    pub plan: String,
    /// The requests that are left, and the limit; none for an unlimited plan.
    pub left: Option<(u64, u64)>,
    /// The parent that has this limit, such as a claim; none for the plan itself.
    pub of: Option<String>,
    /// The seconds after which the next request is allowed.
    pub retry_after: Option<u64>,
    /// True if the caller is over its limit.
    pub throttled: bool,
}

/// The command that explains a 403.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explain {
    /// The command that starts `tollgate`.
    pub tollgate: String,
    /// The configuration's path.
    pub config: String,
    /// The command that writes the configuration there, if it is not a file.
    pub first: Option<String>,
}

impl Explain {
    /// The command for this configuration file, or for the demonstration.
    pub(super) fn of(config: Option<&Path>, issuer_port: u16) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let installed =
            std::env::split_paths(&path).any(|folder| folder.join("tollgate").is_file());
        // Cargo sets it for what it runs.
        let is_cargos = std::env::var_os("CARGO").is_some();
        let tollgate = tollgate(installed, is_cargos);
        let local = std::env::args().next().unwrap_or_else(|| "tollgate-local".to_owned());
        // Not the name that `tollgate init` gives to a reader's own configuration.
        let file = "demo.toml".to_owned();
        let (config, first) = match config {
            Some(path) => (path.display().to_string(), None),
            None => {
                let port = match issuer_port {
                    // The configuration that is printed for 0 has the default.
                    0 | DEFAULT_ISSUER_PORT => String::new(),
                    port => format!(" --issuer-port {port}"),
                };
                let first = format!("{}{port} --print-config > {file}", shell_word(&local));
                (file, Some(first))
            }
        };
        Self { tollgate: tollgate.to_owned(), config, first }
    }
}

/// The command that starts `tollgate`: in a checkout, cargo can do it.
fn tollgate(installed: bool, is_cargos: bool) -> &'static str {
    if is_cargos && !installed { "cargo run -q -p admin --" } else { "tollgate" }
}

impl Report {
    /// The invocation whose record has the reason, if one is missing.
    pub(super) fn awaits(&self) -> Option<&str> {
        let refused = matches!(self.status, 401 | 403 | 500..);
        self.invocation.as_deref().filter(|_| refused && !self.is_throttled())
    }

    fn is_throttled(&self) -> bool {
        self.usage.as_ref().is_some_and(|usage| usage.throttled)
    }
}

/// Renders a request as one line, and for a 403 the command that explains it.
///
/// `record` is the authorizer's record of the same invocation. Control characters are escaped. If
/// the line is too long, the middle of the path is left out.
#[must_use]
pub fn render(report: &Report, record: Option<&Record>, explain: &Explain, colour: bool) -> String {
    let verified = record.is_none_or(|record| is_verified(&record.code));
    let caller = report.caller.as_ref().map(|caller| {
        let name = shortened(&caller.name, MAX_NAME);
        if caller.verified && verified { name } else { format!("{name} (unverified)") }
    });
    let reason = reason(report, record);
    let usage = report.usage.as_ref().filter(|usage| !usage.throttled).map(usage);
    let fields = [
        caller,
        usage,
        reason,
        report.cached.then(|| "cached".to_owned()),
        (report.status != 0).then(|| took(report.took)),
        report.api.map(str::to_owned),
    ];
    let status = (report.status != 0).then(|| report.status.to_string());
    let rest: Vec<String> = fields.into_iter().flatten().collect();
    let rest = if rest.is_empty() { String::new() } else { format!("  {}", rest.join("  ")) };

    let method = shortened(&report.method, MAX_NAME);
    let fixed = method.chars().count() + 1 + rest.chars().count();
    let fixed = fixed + status.as_ref().map_or(0, |status| status.len() + 2);
    let path = shortened(&report.path, WIDTH.saturating_sub(fixed).max(MIN_PATH));
    let status = status.map(|text| format!("  {}", painted(&text, report.status, colour)));
    let line = format!("{method} {path}{}{rest}", status.unwrap_or_default());
    let is_rules = record.is_none_or(|record| record.code == "forbidden");
    match command(report, explain).filter(|_| report.forbidden && is_rules) {
        Some(command) => format!("{line}\n{command}"),
        None => line,
    }
}

/// Returns true for the code of an outcome whose caller was verified.
pub(crate) fn is_verified(code: &str) -> bool {
    VERIFIED.contains(&code)
}

/// The reason of a refusal: the limit, else the authorizer's, else the API's.
fn reason(report: &Report, record: Option<&Record>) -> Option<String> {
    if let Some(usage) = report.usage.as_ref().filter(|usage| usage.throttled) {
        let plan = shortened(&usage.plan, MAX_NAME);
        let limit = match usage.left {
            Some((_, 0)) => return Some(format!("{} allows no requests", whose(usage, &plan))),
            Some((_, limit)) => format!("limit {limit} of {}", whose(usage, &plan)),
            None => format!("limit of plan {plan}"),
        };
        let wait = usage.retry_after.map(|seconds| format!("; retry in {seconds} s"));
        return Some(limit + &wait.unwrap_or_default());
    }
    let text = match record {
        Some(Record { code, detail: Some(detail), .. }) => format!("{code}: {detail}"),
        Some(Record { code, .. }) if code == "no_plan" => "the caller has no plan".to_owned(),
        Some(Record { code, .. }) if code == "long_policy" => {
            "the caller's claims make the policy too long".to_owned()
        }
        _ => report.reason.clone()?,
    };
    Some(shortened(&text, MAX_REASON))
}

/// The level that has the shown limit: the plan, or a parent.
fn whose(usage: &Usage, plan: &str) -> String {
    match &usage.of {
        Some(parent) => format!("parent {}", shortened(parent, MAX_NAME)),
        None => format!("plan {plan}"),
    }
}

fn usage(usage: &Usage) -> String {
    let plan = shortened(&usage.plan, MAX_NAME);
    match (usage.left, &usage.of) {
        (Some((remaining, limit)), Some(parent)) => {
            format!("{plan}, {remaining}/{limit} of {}", shortened(parent, MAX_NAME))
        }
        (Some((remaining, limit)), None) => format!("{plan} {remaining}/{limit}"),
        (None, _) => format!("{plan} unlimited"),
    }
}

fn took(took: Duration) -> String {
    match took.as_millis() {
        0 => "<1 ms".to_owned(),
        millis => format!("{millis} ms"),
    }
}

/// A status in green for a success, yellow for a refusal, red for a failure.
fn painted(text: &str, status: u16, colour: bool) -> String {
    use anstyle::{AnsiColor, Style};
    if !colour {
        return text.to_owned();
    }
    let colour = match status {
        500.. => AnsiColor::Red,
        400.. => AnsiColor::Yellow,
        _ => AnsiColor::Green,
    };
    let style = Style::new().fg_color(Some(colour.into()));
    format!("{style}{text}{style:#}")
}

/// Escapes a text, line breaks too.
fn one_line(text: &str) -> String {
    terminal::line(text)
}

/// Escapes a text, and leaves out its middle where it is longer than `most` characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let text = one_line(text);
    let length = text.chars().count();
    if length <= most {
        return text;
    }
    let kept = most.saturating_sub(1);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let start = text.chars().take(head);
    let end = text.chars().skip(length.saturating_sub(tail));
    start.chain(['…']).chain(end).collect()
}

/// The command that explains why the rules forbid a request.
fn command(report: &Report, explain: &Explain) -> Option<String> {
    let Report { method, path, stage, .. } = report;
    let route = if path.starts_with('$') { path.clone() } else { format!("{method} {path}") };
    // A command is pasted whole or not at all.
    let route = one_line(&route);
    if route.len() > MAX_ROUTE {
        return None;
    }
    let Explain { tollgate, config, first } = explain;
    let (config, route, stage) = (shell_word(config), shell_word(&route), shell_word(stage));
    let first = first.as_ref().map(|first| format!("{first}\n       ")).unwrap_or_default();
    let by_key = report.caller.as_ref().is_some_and(|caller| caller.name.starts_with(KEY_CALLER));
    let (source, flag) = match by_key {
        true => (format!("printenv API_KEY | {tollgate} key show - --json"), "key"),
        false => ("echo \"$TOKEN\"".to_owned(), "token"),
    };
    Some(format!(
        "  why? {first}{source} | {tollgate} policy explain {config} \\\n         \
         --{flag} --stage {stage} --route {route}"
    ))
}

#[cfg(test)]
mod tests;
