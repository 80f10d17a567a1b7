//! `tollgate usage`.

mod adjust;
mod export;
mod grant;
mod show;
mod tree;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use throttle::{
    GrantError, History, Limit, Meter, MeterLimits, Period, PlanRecord, Quota, Timestamp,
    Usage as Report, Window,
};

use crate::args::{meter, output_file, stored_plan_id};
use crate::chart::{Row, Words};
use crate::context::Context;
use crate::error::Error;
use crate::output::note;
use crate::plot::number;
use crate::time::{day, human, parse_day};
use crate::who::Found;

/// Show usage by day, week or month, grant more, and adjust what is left.
#[derive(Debug, Subcommand)]
pub(crate) enum Usage {
    Show(show::Show),
    Export(export::Export),
    Grant(grant::Grant),
    Adjust(adjust::Adjust),
}

impl Usage {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Show(it) => it.run(context).await,
            Self::Export(it) => it.run(context).await,
            Self::Grant(it) => it.run(context).await,
            Self::Adjust(it) => it.run(context).await,
        }
    }
}

/// A quota's period on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Day,
    Week,
    Month,
}

/// A period in a sentence.
const fn noun(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
    }
}

impl From<By> for Period {
    fn from(by: By) -> Self {
        match by {
            By::Day => Self::Day,
            By::Week => Self::Week,
            By::Month => Self::Month,
        }
    }
}

#[derive(Args, Clone, Copy, Debug)]
struct Span {
    /// Meter of the plan, such as tokens; by default requests.
    #[arg(long, value_parser = meter)]
    meter: Option<Meter>,
    /// Period of each line.
    #[arg(long, value_enum, default_value_t = By::Day)]
    by: By,
    /// First day, in UTC; by default 14 days, 13 weeks or 13 months are shown. The table keeps 31
    /// days, 12 weeks and 12 months before the current ones.
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    from: Option<Timestamp>,
    /// Last day, in UTC; by default today.
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    to: Option<Timestamp>,
}

impl Span {
    fn period(self) -> Period {
        self.by.into()
    }

    /// From when to when.
    fn bounds(self, now: Timestamp) -> (Timestamp, Timestamp) {
        let to = self.to.unwrap_or(now);
        let back = match self.by {
            By::Day => 13,
            By::Week => 12 * 7,
            By::Month => 365,
        };
        let from =
            self.from.unwrap_or_else(|| to.saturating_sub(Duration::from_secs(back * 86_400)));
        (from, to)
    }

    /// A report of these subjects, and its periods.
    fn report<'a>(
        self,
        context: &Context,
        plan: &PlanRecord,
        subjects: impl IntoIterator<Item = (&'a str, &'a History)>,
    ) -> Result<(Report, Vec<Window>), Error> {
        let (period, (from, to)) = (self.period(), self.bounds(context.now()));
        let meter = of_plan(plan, self.meter)?;
        let report = Report::of_meter(plan, meter, period, (from, to), subjects)
            .map_err(|error| Error::misuse(format!("`--from` and `--to`: {error}")))?;
        // Days are counted even without a daily quota.
        let is_counted = period == Period::Day
            || quotas(plan, meter).iter().any(|quota| quota.period() == period);
        let mut used = report.values.values().flatten().filter_map(|entry| entry.first());
        if !is_counted && used.all(|used| *used == 0) {
            let (id, period) = (&plan.id, noun(period));
            note(format_args!(
                "{meter} by {period} are not counted: the plan `{id}` has no quota for a {period}"
            ));
        }
        let mut windows = vec![plan.plan.window(meter, period, from)];
        while let Some(last) = windows.last()
            && last.end <= to
        {
            windows.push(plan.plan.window(meter, period, last.end));
        }
        Ok((report, windows))
    }
}

/// Returns the meter, requests by default, or an error if the plan does not have it.
fn of_plan(plan: &PlanRecord, meter: Option<Meter>) -> Result<Meter, Error> {
    let meter = meter.unwrap_or(Meter::REQUESTS);
    if plan.plan.meter(meter).is_some() {
        return Ok(meter);
    }
    let known: Vec<_> = plan.plan.every_meter().map(|(meter, _)| format!("`{meter}`")).collect();
    let known = known.join(", ");
    Err(Error::refused(format!("the plan `{}` has no meter `{meter}`: it has {known}", plan.id)))
}

/// The use of one quota of a plan in its current period.
pub(crate) struct QuotaUse {
    meter: Meter,
    quota: Quota,
    pub(crate) used: u64,
    pub(crate) left: u64,
    pub(crate) granted: u64,
}

/// Returns the use of each quota of a plan, on every meter.
pub(crate) fn quota_uses(plan: &PlanRecord, history: &History, now: Timestamp) -> Vec<QuotaUse> {
    let quotas = plan
        .plan
        .every_meter()
        .flat_map(|(meter, limits)| limits.quotas().iter().map(move |quota| (meter, *quota)));
    let of = |(meter, quota): (Meter, Quota)| {
        let window = quota.window(now).of(meter);
        QuotaUse {
            meter,
            quota,
            used: history.used(&window),
            left: history.remaining(plan, quota, &window),
            granted: history.granted(&window),
        }
    };
    quotas.map(of).collect()
}

impl QuotaUse {
    /// The quota's name: `daily`, `tokens monthly`.
    pub(crate) fn name(&self) -> String {
        Limit::quota(self.meter, self.quota.period()).to_string()
    }

    pub(crate) fn json(&self) -> Value {
        let Self { meter, quota, used, left, granted } = self;
        let mut json = json!({
            "period": quota.period(), "limit": quota.limit(),
            "used": used, "remaining": left, "granted": granted,
        });
        if !meter.is_requests()
            && let Some(members) = json.as_object_mut()
        {
            members.insert("meter".to_owned(), meter.as_str().into());
        }
        json
    }
}

/// Returns the plan of a subject's last request, else the assigned one, else the default plan of the
/// configuration.
///
/// With a configuration that looks up assigned plans, the assigned one comes first: authorizers take
/// it for the next request. A key may have a plan of its own, so for keys the last request's counts.
async fn plan_of(context: &Context, found: &Found) -> Result<PlanRecord, Error> {
    let name = found.subject.as_str();
    let last = context.buckets().get(&found.subject).await?.and_then(|bucket| bucket.stamp);
    let last = last.map(|stamp| stamp.plan);
    let throttle = found.config.as_ref().and_then(|config| config.throttle.as_ref());
    let is_assigned = throttle.is_some_and(|it| it.plan.assigned && !it.counts_by_api_key());
    let id = match last {
        Some(last) if !is_assigned => Some(last),
        last => {
            let assigned = context.assignments().get(name).await?;
            let plan = assigned.and_then(|assigned| assigned.plan);
            plan.map(|plan| stored_plan_id(&plan)).transpose()?.or(last)
        }
    };
    let default = || throttle.and_then(|throttle| throttle.plan.default.clone());
    let id = id.or_else(default).ok_or_else(|| {
        Error::refused(format!(
            "`{name}` has no plan, so no quota: assign one first, or name the configuration with \
             the default plan by `--config`"
        ))
    })?;
    context.plan(&id).await
}

/// The largest quota, and so the largest change of one.
const MOST_AMOUNT: u64 = 1_000_000_000_000_000;

/// The error of a grant or an adjustment, which may have been made all the same.
fn ask_again(error: GrantError, id: &str) -> Error {
    if let GrantError::NotUsed { used } = error {
        let most = match used {
            0 => "nothing is used in this period, so nothing can be given back".to_owned(),
            used => format!("{used} are used in this period: `--amount` is at most +{used}"),
        };
        return Error::refused(format!("{most}; `tollgate usage grant` adds to the quota"));
    }
    let error = Error::from(error);
    match error.code() {
        3 => error.after(format_args!("ask again with `--id {id}`, so that it counts once")),
        _ => error,
    }
}

/// Returns the quota to change: that of the period, or the only one of the meter.
fn quota(plan: &PlanRecord, meter: Meter, period: Option<Period>) -> Result<Quota, Error> {
    let quotas = quotas(plan, meter);
    let id = &plan.id;
    match (quotas, period) {
        ([], _) => Err(Error::refused(format!(
            "the plan `{id}` has no quota of {meter}: add one by `tollgate plan put`"
        ))),
        (quotas, Some(period)) => {
            let quota = quotas.iter().copied().find(|quota| quota.period() == period);
            let period = noun(period);
            quota.ok_or_else(|| {
                let others = quotas.iter().map(|it| format!("`--by {}`", noun(it.period())));
                let others = others.collect::<Vec<_>>().join(" or ");
                Error::refused(format!(
                    "the plan `{id}` has no quota of {meter} for a {period}: give {others}"
                ))
            })
        }
        ([quota], None) => Ok(*quota),
        (quotas, None) => {
            let all = quotas.iter().map(|it| format!("`--by {}`", noun(it.period())));
            let all: Vec<_> = all.collect();
            Err(Error::misuse(format!(
                "the plan `{id}` has several quotas of {meter}: add {}",
                all.join(" or ")
            )))
        }
    }
}

/// A plan's quotas of a meter.
fn quotas(plan: &PlanRecord, meter: Meter) -> &[Quota] {
    plan.plan.meter(meter).map(MeterLimits::quotas).unwrap_or_default()
}

/// One subject's entries of a report, with their periods.
fn rows(
    history: &History,
    plan: &PlanRecord,
    entries: &[Vec<u64>],
    windows: &[Window],
    now: Timestamp,
) -> Vec<Row> {
    let first = windows.first().map(|window| first_remembered(window, now));
    let is_remembered =
        |window: &Window| first.is_some_and(|first| (first..=now).contains(&window.start));
    let row = |(entry, window): (&Vec<u64>, &Window)| {
        let used = entry.first().copied().unwrap_or(0);
        let granted = history.granted(window);
        let mut quotas = quotas(plan, window.counter.meter()).iter();
        let quota = quotas.find(|quota| quota.period() == window.counter.period());
        Row {
            label: label(window),
            short: short(window),
            used,
            left: entry.get(1).copied(),
            granted,
            quota: quota.map(|quota| quota.limit().saturating_add(granted)),
            is_known: used > 0 || granted > 0 || is_remembered(window),
        }
    };
    entries.iter().zip(windows).map(row).collect()
}

/// The start of the first period like this one that buckets still remember.
fn first_remembered(window: &Window, now: Timestamp) -> Timestamp {
    let period = window.counter.period();
    let back = match period {
        Period::Day => 31,
        Period::Week | Period::Month => 12,
    };
    let of = |moment| window.counter.at(moment);
    let before = |first: Timestamp| of(first.saturating_sub(Duration::from_secs(1)));
    (0..back).fold(of(now).start, |first, _| before(first).start)
}

/// A period's name on an axis: `21 Nov`, `W47`, `Nov 2026`; with a start day, the first day.
fn short(window: &Window) -> String {
    match window.counter.period() {
        _ if !is_of_calendar(window) => human(window.start, "%-d %b"),
        Period::Day => human(window.start, "%-d %b"),
        Period::Week => label(window).chars().skip(5).collect(),
        Period::Month => human(window.start, "%b %Y"),
    }
}

/// The words of a report's page.
fn words(title: String, plan: &PlanRecord, span: Span, windows: &[Window]) -> Words {
    let period = noun(span.period());
    let day = |moment: Timestamp| human(moment, "%-d %b %Y");
    let ends = windows.first().zip(windows.last()).map(|(first, last)| {
        let last = last.end.saturating_sub(Duration::from_secs(1));
        format!("{} to {}, by {period}, in UTC", day(first.start), day(last))
    });
    let meter = span.meter.unwrap_or(Meter::REQUESTS);
    let limits: Vec<_> = quotas(plan, meter)
        .iter()
        .map(|quota| format!("{} {meter} a {}", number(quota.limit()), noun(quota.period())))
        .collect();
    let name = plan.plan.name().map(|name| format!(" ({name})")).unwrap_or_default();
    let quota = if limits.is_empty() { "no quota".to_owned() } else { limits.join(", ") };
    let about = vec![format!("Plan {}{name}: {quota}", plan.id), ends.unwrap_or_default()];
    Words { title, about, period }
}

/// A subject's name for people: of a key, the name that it was given.
async fn name_of(context: &Context, subject: &str) -> Result<String, Error> {
    let digest = subject.strip_prefix("key-").and_then(|digest| digest.parse().ok());
    let Some(digest) = digest else { return Ok(subject.to_owned()) };
    let key = context.keys().get(&digest).await?;
    Ok(match key.and_then(|key| key.details.name) {
        Some(name) => format!("{name} ({}…)", subject.chars().take(12).collect::<String>()),
        None => subject.to_owned(),
    })
}

/// Returns true for a week from Monday, a month from the first, and a day.
fn is_of_calendar(window: &Window) -> bool {
    window.counter.period().window(window.start).start == window.start
}

/// A period's name: `2026-11-21`, `2026-W47`, `2026-11`; the first day of one with a start day.
fn label(window: &Window) -> String {
    match window.counter.period() {
        _ if !is_of_calendar(window) => day(window.start),
        Period::Day => day(window.start),
        Period::Week => {
            let counter = window.counter.of(Meter::REQUESTS).to_string();
            counter.trim_start_matches('w').replacen('-', "-W", 1)
        }
        Period::Month => day(window.start).chars().take(7).collect(),
    }
}

#[derive(Args, Clone, Debug)]
#[group(multiple = false)]
struct Picture {
    /// Write a page for a browser to this file.
    #[arg(long, value_name = "FILE", value_parser = output_file)]
    html: Option<PathBuf>,
    /// Write the chart to this file, as SVG.
    #[arg(long, value_name = "FILE", value_parser = output_file)]
    svg: Option<PathBuf>,
}

fn save(file: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(file, text)
        .map_err(|error| Error::misuse(format!("can't write `{}`: {error}", file.display())))
}
