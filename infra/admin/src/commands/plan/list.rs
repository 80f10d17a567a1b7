//! `tollgate plan list`.

use std::fmt::Write;

use serde_json::json;
use throttle::{Limit, PlanRecord};

use crate::commands::Desk;
use crate::exit::Failed;

pub(crate) async fn run(desk: &Desk) -> Result<(), Failed> {
    let plans = desk.plans();
    let (mut found, mut damaged, mut from) = (Vec::new(), Vec::new(), None);
    loop {
        let page = plans.list(from.as_deref()).await?;
        found.extend(page.items);
        damaged.extend(page.damaged);
        match page.next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    let listed: Vec<_> = found.iter().map(json_row).collect();
    desk.output.print(text(&found), &json!({"plans": listed, "damaged": damaged}))?;
    if damaged.is_empty() {
        Ok(())
    } else {
        let names = damaged.join("`, `");
        Err(Failed::refused(format!("damaged plans, to be deleted in the table: `{names}`")))
    }
}

/// A line a plan under a line of headings.
fn text(plans: &[PlanRecord]) -> String {
    let mut rows = vec![["PLAN", "RATE", "BURST", "QUOTA", "VERSION"].map(str::to_owned)];
    rows.extend(plans.iter().map(row));
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<_> = (0..5).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string can't fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.trim_end().to_owned()
}

fn row(record: &PlanRecord) -> [String; 5] {
    let none = || "-".to_owned();
    let throttle = record.plan.throttle();
    let quotas: Vec<_> = record
        .plan
        .quotas()
        .iter()
        .map(|quota| format!("{} {}", quota.limit(), Limit::from(quota.period())))
        .collect();
    [
        record.id.to_string(),
        throttle.map_or_else(none, |throttle| throttle.rate().to_string()),
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
