//! The load `tokens`: users of a language model behind limits, of whom some hang up.
//!
//! The service is the example `llm_axum` of `throttle`. Its stub of a model prints a bill of each
//! answer, which is compared with the limits and with the amounts that the limits have counted.

mod levels;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::Cli;
use crate::calls::MILLISECOND;
use crate::uses::{Rate, Use, Window};

const SECOND: i128 = 1_000 * MILLISECOND;
/// The limits of a user in the example.
const REQUESTS: Rate = Rate { interval: SECOND / 5, burst: 10 };
const TOKENS: Rate = Rate { interval: SECOND / 100, burst: 2_000 };
const USERS_SPEND: Quota = Quota { name: "spend-monthly", max: 15_000_000 };
/// The limit of a tenant, and the price of a token, in millionths of a dollar.
const TENANTS_SPEND: Quota = Quota { name: "tenant-spend-monthly", max: 50_000_000 };
const PRICE: i128 = 15;
/// The longest time from the end of an answer to the write of its settlement.
const SETTLES_WITHIN: i128 = 100 * MILLISECOND;
const PATIENCE: Duration = Duration::from_secs(180);

/// A quota of the example.
#[derive(Clone, Copy, Debug)]
struct Quota {
    name: &'static str,
    max: i128,
}

/// A call as k6 saw it.
#[derive(Clone, Debug)]
struct Call {
    user: String,
    tenant: String,
    status: String,
    sent: i128,
    reserved: i128,
}

/// The model's bill of an answer.
#[derive(Clone, Copy, Debug)]
struct Bill {
    started: i128,
    ended: i128,
    tokens: i128,
}

/// Runs the load, prints the report and writes it to `report.txt`. Returns true if all held.
pub(crate) async fn drive(cli: &Cli) -> anyhow::Result<bool> {
    let beside = cli.local.as_deref().and_then(Path::parent).map(Path::to_owned);
    let folder =
        beside.map_or_else(|| Ok(crate::target::beside()?.with_file_name("")), anyhow::Ok)?;
    let (rate, seconds) = (cli.rate.unwrap_or(40), cli.seconds.unwrap_or(20));
    let service = Service::start(&folder.join("examples/llm_axum")).await?;
    let calls = k6(cli, &service.url, rate, seconds).await?;
    // The tasks that settle for clients that have gone.
    sleep(Duration::from_millis(500)).await;
    let report = report(&service, &calls).await?;
    let text = format!("tokens: {rate} calls a second for {seconds} s\n{}", report.0);
    print!("{text}");
    let path = cli.out.join("tokens/report.txt");
    std::fs::create_dir_all(cli.out.join("tokens"))?;
    std::fs::write(&path, text).with_context(|| format!("can't write `{}`", path.display()))?;
    println!("report: {}", path.display());
    Ok(report.1)
}

/// The example, and the bills that it has printed. Killed when dropped.
struct Service {
    url: String,
    bills: Arc<Mutex<BTreeMap<String, Bill>>>,
    _process: Child,
}

impl Service {
    async fn start(executable: &Path) -> anyhow::Result<Self> {
        let mut process = Command::new(executable)
            .env("PORT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!("can't start `{}`: cargo build --examples", executable.display())
            })?;
        let mut lines = BufReader::new(process.stdout.take().context("no output")?).lines();
        let ready = timeout(PATIENCE, lines.next_line()).await.context("it is not ready")??;
        let url = ready.as_deref().and_then(|it| it.strip_prefix("listening on "));
        let url = url.context("the example does not listen")?.to_owned();
        let bills = Arc::new(Mutex::new(BTreeMap::new()));
        let known = Arc::clone(&bills);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((id, bill)) = bill(&line) {
                    known.lock().unwrap_or_else(PoisonError::into_inner).insert(id, bill);
                }
            }
        });
        Ok(Self { url, bills, _process: process })
    }

    /// The amount of a quota that was counted so far, as one more request is told.
    async fn counted(&self, user: &str, tenant: &str, quota: Quota) -> anyhow::Result<i128> {
        let request = reqwest::Client::new().post(format!("{}/chat?tokens=1", self.url));
        let request = request.header("x-user", user).header("x-tenant", tenant);
        let response = request.header("x-max-tokens", "1").send().await?;
        let fields = response.headers().get("ratelimit").context("no `RateLimit`")?.to_str()?;
        // If it was admitted, it reserves one token itself.
        let own = if response.status() == 200 { PRICE } else { 0 };
        Ok(quota.max - remaining(fields, quota.name)? - own)
    }
}

/// Reads a line `bill,USER,REQUEST,STARTED,ENDED,TOKENS`.
fn bill(line: &str) -> Option<(String, Bill)> {
    let fields: Vec<&str> = line.strip_prefix("bill,")?.split(',').collect();
    let [_, id, started, ended, tokens] = fields[..] else { return None };
    let (started, ended) = (started.parse().ok()?, ended.parse().ok()?);
    Some((id.to_owned(), Bill { started, ended, tokens: tokens.parse().ok()? }))
}

/// Runs the script, and returns its calls by their ids.
async fn k6(
    cli: &Cli,
    url: &str,
    rate: u32,
    seconds: u64,
) -> anyhow::Result<BTreeMap<String, Call>> {
    let scratch = tempfile::tempdir()?;
    let log = scratch.path().join("calls");
    let mut k6 = Command::new(&cli.k6)
        .args(["run", "--quiet", "--no-usage-report", "--no-color", "--address", ""])
        .args(["--log-format", "raw", "--log-output"])
        .arg(format!("file={},level=info", log.display()))
        .arg(cli.scripts.join("tokens.js"))
        .env("K6_NO_USAGE_REPORT", "true")
        .env("TOLLGATE_URL", url)
        .env("TOLLGATE_RATE", rate.to_string())
        .env("TOLLGATE_SECONDS", seconds.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("can't start `{}`: .ci/tool k6", cli.k6.display()))?;
    let limit = Duration::from_secs(seconds) + PATIENCE;
    let status = timeout(limit, k6.wait()).await.context("k6 does not end")??;
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    ensure!(status.success(), "k6 ended with {status}: {text}");
    let calls = text.lines().filter_map(|line| line.strip_prefix("call,"));
    calls.map(|line| call(line).with_context(|| format!("not a call: `{line}`"))).collect()
}

/// Reads `ID,USER,TENANT,STATUS,SENT,RECEIVED,RESERVED`.
fn call(line: &str) -> anyhow::Result<(String, Call)> {
    let fields: Vec<&str> = line.split(',').collect();
    let [id, user, tenant, status, sent, _, reserved] = fields[..] else {
        bail!("it has not seven fields")
    };
    let (user, tenant, status) = (user.to_owned(), tenant.to_owned(), status.to_owned());
    let sent = sent.parse::<i128>()? * MILLISECOND;
    Ok((id.to_owned(), Call { user, tenant, status, sent, reserved: reserved.parse()? }))
}

/// The report, and whether all its conditions held.
async fn report(
    service: &Service,
    calls: &BTreeMap<String, Call>,
) -> anyhow::Result<(String, bool)> {
    let bills = service.bills.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut text = String::new();
    let mut verdicts = vec![statuses(calls, &bills)];
    let levels = levels::Level::of(calls, &bills);
    writeln!(text, "{}", levels::HEAD)?;
    // A tenant before its users, whose counts are read by requests within it.
    for level in &levels {
        let counted = level.counted(service).await?;
        writeln!(text, "{}", level.line(counted))?;
        verdicts.push(level.verdict(counted));
    }
    writeln!(
        text,
        "\n{:<8} {:<10} {:>8} {:>9} fullest window",
        "user", "meter", "used", "limited"
    )?;
    let users: BTreeSet<&str> = calls.values().map(|call| &*call.user).collect();
    for user in users {
        let of_user = || calls.iter().filter(move |(_, call)| call.user == user);
        let limited = of_user().filter(|(_, call)| call.status == "429").count();
        let uses: Vec<Use> = of_user()
            .filter_map(|(id, call)| {
                let Bill { started, ended, tokens } = *bills.get(id)?;
                let (sent, settled) = (call.sent, ended + SETTLES_WITHIN);
                Some(Use { sent, started, settled, reserved: call.reserved, amount: tokens })
            })
            .collect();
        let each: Vec<Use> = uses.iter().map(|it| Use { reserved: 1, amount: 1, ..*it }).collect();
        for (meter, rate, uses) in [("requests", REQUESTS, &each), ("tokens", TOKENS, &uses)] {
            let Window { length, amount, at_most } = rate.fullest(uses).unwrap_or_default();
            let used: i128 = uses.iter().map(|it| it.amount).sum();
            let window = format!("{amount} of {at_most} in {} ms", length / MILLISECOND);
            writeln!(text, "{user:<8} {meter:<10} {used:>8} {limited:>9} {window}")?;
            let held = amount <= at_most && amount > 0;
            verdicts.push((held, format!("{user}: {meter} within the bound in every window")));
        }
    }
    Ok(conditions(text, &verdicts))
}

type Verdict = (bool, String);

/// Each call was answered, limited or left; each admitted one has a bill, and only those.
fn statuses(calls: &BTreeMap<String, Call>, bills: &BTreeMap<String, Bill>) -> Verdict {
    let count = |status| calls.values().filter(|call| call.status == status).count();
    let (answered, limited, left) = (count("200"), count("429"), count("hung-up"));
    let billed = |(id, call): &(&String, &Call)| match &*call.status {
        "200" => bills.contains_key(*id),
        "429" => !bills.contains_key(*id),
        "hung-up" => true,
        _ => false,
    };
    let fits = calls.iter().filter(billed).count();
    let cut = calls.iter().filter(|(id, call)| call.status == "hung-up" && bills.contains_key(*id));
    let cut = cut.count();
    let words = format!(
        "{} calls: {answered} × 200, {limited} × 429, {left} hung up, {cut} of them midway",
        calls.len()
    );
    (fits == calls.len() && answered > 0 && limited > 0 && cut > 0, words)
}

/// The `r` of a limit in `RateLimit`.
fn remaining(fields: &str, limit: &str) -> anyhow::Result<i128> {
    let name = format!("\"{limit}\";r=");
    let (_, rest) = fields.split_once(&name).with_context(|| format!("no {limit} in {fields}"))?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    Ok(digits.parse()?)
}

/// Adds the conditions to the report.
fn conditions(mut text: String, verdicts: &[Verdict]) -> (String, bool) {
    for (held, words) in verdicts {
        let _ = writeln!(text, "{}  {words}", if *held { "ok   " } else { "WRONG" });
    }
    (text, verdicts.iter().all(|(held, _)| *held))
}
