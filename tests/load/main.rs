//! `load`: runs one of the k6 scripts here and judges the result.
//!
//! k6's thresholds assert latency and that nothing failed. This program checks the rest: no key got
//! more than its limits allow, in any window, nor much less; the planned acts happened; in a soak,
//! memory stayed level. It writes a report with plots, and exits with 1 if a condition does not hold.
//! Started by `tests/scripts/load`, which has the examples.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

mod calls;
mod judge;
#[path = "../../infra/admin/src/plot.rs"]
mod plot;
mod report;
mod run;
mod scenario;
mod target;
mod tokens;
mod uses;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use throttle::Rate;

use ::tests::bound::Promise;
use judge::{Judged, Verdict};
use run::{Order, Seen};
use scenario::{Act, LOADS, Load};
use target::Target;

/// Runs k6 against an API and judges limits, latency and the load's other conditions.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Cli {
    /// smoke, steady, spike, soak, many-keys, hot-key, rotation, revocation or tokens
    name: String,
    /// Duration, instead of the load's own time
    #[arg(long, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    seconds: Option<u64>,
    /// … in minutes
    #[arg(long, conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..=1_440))]
    minutes: Option<u64>,
    /// Calls a second, instead of the load's own
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: Option<u32>,
    /// Execution environments, instead of the load's own
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    environments: Option<u32>,
    /// The 95th percentile that latency must stay under, in milliseconds
    #[arg(long, default_value_t = 1_000)]
    p95_ms: u64,
    /// k6's executable
    #[arg(long, default_value = "k6")]
    k6: PathBuf,
    /// The executable `local`; the one beside this program unless given
    #[arg(long)]
    local: Option<PathBuf>,
    /// The folder of the scripts
    #[arg(long, default_value = "tests/load")]
    scripts: PathBuf,
    /// The folder that the report goes to
    #[arg(long, default_value = "target/load")]
    out: PathBuf,
    /// A deployed API, instead of `local`
    #[arg(long, requires = "token_endpoint", requires = "clients")]
    url: Option<String>,
    /// Its OAuth 2.0 token endpoint
    #[arg(long)]
    token_endpoint: Option<String>,
    /// Its clients and their plans, a JSON file
    #[arg(long)]
    clients: Option<PathBuf>,
    /// A command that runs the action named by its $1
    #[arg(long)]
    act: Option<String>,
    /// Largest difference between the clocks of an API's machines, in milliseconds
    #[arg(long, default_value_t = 0)]
    spread_ms: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let held = if cli.name == "tokens" { tokens::drive(&cli).await } else { drive(cli).await };
    match held {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("load: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Returns true if every condition held.
async fn drive(cli: Cli) -> anyhow::Result<bool> {
    let load = load(&cli)?;
    let target = match (&cli.url, &cli.token_endpoint, &cli.clients) {
        (Some(url), Some(endpoint), Some(clients)) => Target::deployed(url, endpoint, clients)?,
        _ => {
            let local = cli.local.clone().map_or_else(target::beside, Ok)?;
            Target::start(&local, &load).await?
        }
    };
    println!(
        "{}: {} calls a second for {} s, at {}",
        load.name, load.rate, load.seconds, target.url
    );
    let order =
        Order { k6: &cli.k6, scripts: &cli.scripts, p95_ms: cli.p95_ms, act: cli.act.as_deref() };
    let seen = run::run(&order, &load, &target).await?;
    let keys = keys(&load, &target, &seen, Duration::from_millis(cli.spread_ms))?;
    let mut verdicts = judge::thresholds(&seen);
    verdicts.extend(judge::limits(&load, &keys));
    verdicts.extend(judge::acts(&load, &seen));
    if let Some(local) = target.local {
        if load.name == "soak" {
            verdicts.extend(judge::soak(&load, &seen, local.logged()));
        }
        if verdicts.iter().any(|verdict| !verdict.held) {
            println!("{}", local.last_words());
        }
        local.end().await?;
    }
    print(&seen, &verdicts);
    let page = report::write(&cli.out.join(load.name), &load, &seen, &keys, &verdicts)?;
    println!("report: {}", page.display());
    Ok(verdicts.iter().all(|verdict| verdict.held))
}

/// The load of a name, with what the command line changes of it.
fn load(cli: &Cli) -> anyhow::Result<Load> {
    let names = LOADS.iter().map(|load| load.name).chain(["tokens"]).collect::<Vec<_>>();
    let known = LOADS.into_iter().find(|load| load.name == cli.name);
    let mut load =
        known.with_context(|| format!("no load `{}`: there are {}", cli.name, names.join(", ")))?;
    load.seconds = cli.minutes.map(|minutes| minutes * 60).or(cli.seconds).unwrap_or(load.seconds);
    load.rate = cli.rate.unwrap_or(load.rate);
    load.environments = cli.environments.unwrap_or(load.environments);
    Ok(load)
}

/// Each key's account.
fn keys(
    load: &Load,
    target: &Target,
    seen: &Seen,
    spread: Duration,
) -> anyhow::Result<Vec<Judged>> {
    let changes = load.acts.iter().any(|(_, act)| *act == Act::RaisePlan);
    let mut keys = Vec::new();
    for (key, calls) in seen.calls.by_key() {
        let limits = target.limits.get(key).copied();
        let (mut rate, mut burst) =
            limits.with_context(|| format!("no client has the key {key}"))?;
        let kept = key == 0 || !changes;
        if !kept {
            // The most that its plans have promised.
            (rate, burst) = (rate * 3 / 2, burst * 3 / 2);
        }
        let interval = Rate::parse(&rate.to_string())?.interval();
        let promise = Promise { interval, burst, spread };
        keys.push(Judged { key, promise, account: promise.account(&calls), kept });
    }
    Ok(keys)
}

fn print(seen: &Seen, verdicts: &[Verdict]) {
    for remark in seen.calls.remarks.iter().take(10) {
        println!("k6: {remark}");
    }
    let calls = &seen.calls;
    let mut micros: Vec<u64> = calls.all.iter().map(|call| call.micros).collect();
    let mut at = |percent| calls::percentile(&mut micros, percent).unwrap_or(0) / 1_000;
    println!(
        "{} calls: {} × 200, {} × 429, {} × 401; p50 {} ms, p95 {} ms, p99 {} ms",
        calls.all.len(),
        calls.count(200),
        calls.count(429),
        calls.count(401),
        at(50),
        at(95),
        at(99),
    );
    for Verdict { promise, seen, held } in verdicts {
        println!("{}  {promise}: {seen}", if *held { "ok   " } else { "WRONG" });
    }
}
