//! `tollgate plan put`.

use std::path::Path;

use serde_json::json;
use throttle::{Clock, Plan, PlanId, SystemClock};

use crate::commands::{Desk, read};
use crate::exit::Failed;

/// The most bytes that a plan may have, as `throttle` reads it.
const MOST: u64 = 64 * 1024;

pub(crate) async fn run(desk: &Desk, id: &PlanId, file: &Path) -> Result<(), Failed> {
    let plan = Plan::from_json(read(file, MOST)?)?;
    let plans = desk.plans();
    let old = plans.get(id).await?;
    let (version, changed) = match old {
        Some(old) if old.plan == plan => (old.version, false),
        old => {
            let replaced = old.map(|old| old.version);
            let now = SystemClock::new().now();
            (plans.put(id, &plan, replaced, now).await?.version, true)
        }
    };
    let text = if changed {
        format!("stored the plan `{id}`, version {version}")
    } else {
        format!("the plan `{id}` is that already, version {version}")
    };
    desk.output.print(text, &json!({"plan": id.as_str(), "version": version, "changed": changed}))
}
