//! `tollgate plan list`.

use clap::Args;
use serde_json::json;
use throttle::{Limit, PlanRecord};

use crate::context::Context;
use crate::error::Error;
use crate::output::table;
use crate::pages::each_page;

/// List all plans. Reads the whole table.
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
    Err(Error::refused(format!("damaged plans, to be deleted in the table: `{names}`")))
}

/// A line a plan under a line of headings.
fn text(plans: &[PlanRecord]) -> String {
    let mut rows = vec![["PLAN", "RATE", "BURST", "QUOTA", "VERSION"].map(str::to_owned)];
    rows.extend(plans.iter().map(row));
    table(&rows)
}

fn row(record: &PlanRecord) -> [String; 5] {
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
        .map(|quota| format!("{} {}", quota.limit(), Limit::from(quota.period())))
        .collect();
    [
        record.id.to_string(),
        rate,
        throttle.map_or_else(none, |throttle| throttle.burst().to_string()),
        if quotas.is_empty() { none() } else { quotas.join(", ") },
        record.version.to_string(),
    ]
}

fn json_row(record: &PlanRecord) -> serde_json::Value {
    json!({
        "id": record.id.as_str(),
        "version": record.version,
        "plan": serde_json::to_value(&record.plan).unwrap_or_default(),
    })
}
