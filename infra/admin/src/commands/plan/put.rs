//! `tollgate plan put`.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use serde_json::json;
use throttle::{Clock, Plan, PlanId, SystemClock};

use crate::commands::Desk;
use crate::exit::Failed;

pub(crate) async fn run(desk: &Desk, id: &PlanId, file: &Path) -> Result<(), Failed> {
    let plan = Plan::from_json(read(file)?)?;
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

/// Reads a little more than a plan may have, so that too much is noticed and not read.
fn read(file: &Path) -> Result<Vec<u8>, Failed> {
    let mut json = Vec::new();
    let read = if file == Path::new("-") {
        stdin().lock().take(MOST).read_to_end(&mut json)
    } else {
        File::open(file).and_then(|file| file.take(MOST).read_to_end(&mut json))
    };
    read.map_err(|error| Failed::misuse(format!("can't read `{}`: {error}", file.display())))?;
    Ok(json)
}

const MOST: u64 = 64 * 1024 + 1;
