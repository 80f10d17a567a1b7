//! `tollgate plan list`.

use clap::Args;
use serde_json::json;
use throttle::{Limit, Period, PlanRecord, Quota};

use crate::context::Context;
use crate::error::Error;
use crate::layout::list;
use crate::pages::each_page;

/// List all plans. Reads the whole table.
///
/// METHODS counts the methods that have a rate of their own, and METERS names the meters besides
/// requests; `plan show` has their limits. ENFORCE is for plans with `"enforce": false`: `no`, or the
/// meters that only report.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tollgate plan list --json")]
pub(crate) struct List;

impl List {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let (found, damaged) = all(context).await?;
        let listed: Vec<_> = found.iter().map(json_row).collect();
        context.output.print(text(&found), &json!({"plans": listed, "damaged": damaged}))?;
        whole(&damaged)
    }
}

/// All plans, by name, and the names of those that can't be read.
pub(super) async fn all(context: &Context) -> Result<(Vec<PlanRecord>, Vec<String>), Error> {
    let plans = context.plans();
    let (mut found, mut damaged) = (Vec::new(), Vec::new());
    each_page(
        "plans",
        async |from| plans.list(from.as_deref()).await,
        |page| {
            found.extend(page.items);
            damaged.extend(page.damaged);
            Ok(())
        },
    )
    .await?;
    found.sort_by(|a, b| a.id.cmp(&b.id));
    Ok((found, damaged))
}

/// Fails where some plans can't be read.
pub(super) fn whole(damaged: &[String]) -> Result<(), Error> {
    if damaged.is_empty() {
        return Ok(());
    }
    let names = damaged.join("`, `");
    Err(Error::refused(format!("damaged plans: delete their items in the table: `{names}`")))
}

/// A line a plan under a line of headings. Names, methods and meters have a column if any plan has them.
fn text(plans: &[PlanRecord]) -> String {
    let has = |column: usize| plans.iter().any(|plan| row(plan).get(column).is_some_and(is_said));
    let shown = HEADINGS.map(|(column, always, _)| always || has(column));
    let cells = |row: [String; 9]| {
        row.into_iter().zip(shown).filter_map(|(cell, shown)| shown.then_some(cell)).collect()
    };
    let mut rows: Vec<Vec<String>> = vec![cells(HEADINGS.map(|(_, _, name)| name.to_owned()))];
    rows.extend(plans.iter().map(|plan| cells(row(plan))));
    list(&rows)
}

const HEADINGS: [(usize, bool, &str); 9] = [
    (0, true, "PLAN"),
    (1, true, "RATE"),
    (2, true, "BURST"),
    (3, true, "QUOTA"),
    (4, false, "METHODS"),
    (5, false, "METERS"),
    (6, false, "ENFORCE"),
    (7, true, "VERSION"),
    (8, false, "NAME"),
];

fn is_said(cell: &String) -> bool {
    cell != "-"
}

fn row(record: &PlanRecord) -> [String; 9] {
    let none = || "-".to_owned();
    let throttle = record.plan.throttle();
    let rate = match throttle {
        Some(throttle) if throttle.is_closed() => "closed".to_owned(),
        Some(throttle) => throttle.rate().to_string(),
        None if record.plan.is_unlimited() => "unlimited".to_owned(),
        None => none(),
    };
    let quotas: Vec<_> = record
        .plan
        .quotas()
        .iter()
        .map(|quota| format!("{} {}{}", quota.limit(), Limit::from(quota.period()), start(*quota)))
        .collect();
    let meters: Vec<_> = record.plan.meters().keys().map(ToString::to_string).collect();
    [
        record.id.to_string(),
        rate,
        throttle.map_or_else(none, |throttle| throttle.burst().to_string()),
        if quotas.is_empty() { none() } else { quotas.join(", ") },
        methods(record).unwrap_or_else(none),
        if meters.is_empty() { none() } else { meters.join(", ") },
        enforce(record).unwrap_or_else(none),
        record.version.to_string(),
        // A name that repeats the id says nothing.
        record.plan.name().filter(|name| *name != record.id.as_str()).unwrap_or("-").to_owned(),
    ]
}

/// The day that a quota's periods start, if it is not the calendar's.
fn start(quota: Quota) -> String {
    let day = quota.start_day();
    match quota.period() {
        _ if day == 1 => String::new(),
        Period::Week => {
            let names = ["Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
            let name = names.get(usize::from(day).saturating_sub(2));
            name.map_or_else(String::new, |name| format!(" from {name}"))
        }
        Period::Day | Period::Month => format!(" from day {day}"),
    }
}

/// The meters that only report; `None` if all limits are enforced.
fn enforce(record: &PlanRecord) -> Option<String> {
    let meters = record.plan.every_meter();
    let (open, enforced): (Vec<_>, Vec<_>) = meters.partition(|(_, limits)| !limits.is_enforced());
    let names: Vec<_> = open.iter().map(|(meter, _)| meter.to_string()).collect();
    match (open.is_empty(), enforced.is_empty()) {
        (true, _) => None,
        (false, true) => Some("no".to_owned()),
        (false, false) => Some(format!("not {}", names.join(", "))),
    }
}

/// The number of methods with a rate of their own, and of those the closed ones.
fn methods(record: &PlanRecord) -> Option<String> {
    let stages = record.plan.api_stages().iter();
    let throttles: Vec<_> = stages.flat_map(|stage| stage.throttle().values()).collect();
    let closed = throttles.iter().filter(|throttle| throttle.is_closed()).count();
    match (throttles.len(), closed) {
        (0, _) => None,
        (all, 0) => Some(format!("{all} limited")),
        (all, closed) if all == closed => Some(format!("{closed} closed")),
        (all, closed) => Some(format!("{} limited, {closed} closed", all.saturating_sub(closed))),
    }
}

fn json_row(record: &PlanRecord) -> serde_json::Value {
    json!({
        "id": record.id.as_str(),
        "version": record.version,
        "plan": serde_json::to_value(&record.plan).unwrap_or_default(),
    })
}
