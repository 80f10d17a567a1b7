//! One run: k6, the acts meanwhile, and the observations.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use throttle::{Clock as _, SystemClock};
use tokio::process::Command;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::calls::Calls;
use crate::scenario::{Act, Load};
use crate::target::Target;
use crate::watch::{Samples, sample};

/// The time that k6 has in addition to its load, for tokens before and a summary after it.
const GRACE: Duration = Duration::from_secs(180);

/// Something that happened, with the wall clock before and after, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happened {
    pub(crate) act: Act,
    pub(crate) from: i128,
    pub(crate) to: i128,
}

/// The observations of a run.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) calls: Calls,
    /// k6's own summary.
    pub(crate) summary: Value,
    pub(crate) status: ExitStatus,
    pub(crate) happened: Vec<Happened>,
    pub(crate) samples: Samples,
}

/// The settings of k6.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    pub(crate) k6: &'a Path,
    pub(crate) scripts: &'a Path,
    pub(crate) p95_ms: u64,
    /// A command that performs the acts on a deployed API.
    pub(crate) act: Option<&'a str>,
}

/// Runs a load against a target.
pub(crate) async fn run(order: &Order<'_>, load: &Load, target: &Target) -> anyhow::Result<Seen> {
    let scratch = tempfile::tempdir()?;
    let (log, summary) = (scratch.path().join("calls"), scratch.path().join("summary"));
    let script = order.scripts.join(format!("{}.js", load.name));
    if !script.is_file() {
        bail!("there is no `{}`: run tests/scripts/load in the repository", script.display());
    }
    let mut k6 = Command::new(order.k6)
        .args(["run", "--quiet", "--no-usage-report", "--no-color", "--address", ""])
        .args(["--log-format", "raw", "--log-output"])
        .arg(format!("file={},level=info", log.display()))
        .arg(&script)
        .env("K6_NO_USAGE_REPORT", "true")
        .env("TOLLGATE_URL", &target.url)
        .env("TOLLGATE_TOKEN_ENDPOINT", &target.token_endpoint)
        .env("TOLLGATE_CLIENTS", serde_json::to_string(&target.callers)?)
        .env("TOLLGATE_RATE", load.rate.to_string())
        .env("TOLLGATE_SECONDS", load.seconds.to_string())
        .env("TOLLGATE_P95_MS", order.p95_ms.to_string())
        .env("TOLLGATE_SUMMARY", &summary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("can't start `{}`: .ci/tool k6", order.k6.display()))?;

    let mut samples = Samples::new();
    let limit = Duration::from_secs(load.seconds) + GRACE;
    let (status, happened) = tokio::select! {
        both = async { tokio::join!(timeout(limit, k6.wait()), acts(order, load, target)) } => both,
        () = watch(load, target, &mut samples) => bail!("nothing is watched"),
    };
    let status = status.context("k6 does not end")??;
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let calls = Calls::read(&text)?;
    let Ok(summary) = std::fs::read_to_string(&summary) else {
        bail!("k6 ended with {status} and no summary: {}", calls.remarks.join("\n"));
    };
    let summary = serde_json::from_str(&summary)?;
    Ok(Seen { calls, summary, status, happened: happened?, samples })
}

/// Performs the load's acts at their times.
async fn acts(order: &Order<'_>, load: &Load, target: &Target) -> anyhow::Result<Vec<Happened>> {
    let clock = SystemClock::new();
    let mut happened = Vec::new();
    for (due, act) in load.course() {
        sleep(Duration::from_millis(due).saturating_sub(clock.monotonic())).await;
        let from = i128::from(clock.now().as_nanos());
        match (&target.local, order.act) {
            (Some(local), _) => local.act(act).await.with_context(|| act.name())?,
            (None, Some(command)) => {
                let done = Command::new("sh").args(["-c", command, "sh", act.name()]).status();
                if !done.await?.success() {
                    bail!("`{command}` failed, where it was to {}", act.name());
                }
            }
            (None, None) => bail!(
                "`{}` has to {} a deployed API: give --act a command that does (its $1 says what)",
                load.name,
                act.name()
            ),
        }
        happened.push(Happened { act, from, to: i128::from(clock.now().as_nanos()) });
    }
    Ok(happened)
}

/// Samples memory until it is dropped: about 200 times in all, at most once a second.
async fn watch(load: &Load, target: &Target, samples: &mut Samples) {
    let Some(local) = &target.local else { return std::future::pending().await };
    let mut ticks = interval(Duration::from_secs((load.seconds / 200).max(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        sample(&local.processes(), samples);
    }
}
