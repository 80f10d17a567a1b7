//! Changes of plans.

use authorizer::shell_word;
use table::{Item, Items};
use throttle::Plan;

use super::{Change, Done};
use crate::problem::Problem;
use crate::state::{State, plan_id};

/// The most bytes that a plan may have, as `throttle` reads it.
const MOST: usize = 64 * 1024;

pub(super) fn command(change: &Change, state: &State) -> Option<String> {
    match change {
        Change::PlanPut { id, json, version } => {
            // On one line, if it is a plan.
            let plan = Plan::from_json(json).ok();
            let line = plan.and_then(|plan| serde_json::to_string(&plan).ok());
            let json = line.unwrap_or_else(|| json.clone());
            let put = format!("plan put {} - --if-version {version}", shell_word(id));
            Some(format!("echo {} | {}", shell_word(&json), state.command(&put)))
        }
        Change::PlanDelete { id, version } => {
            let delete = format!("plan delete {} --if-version {version} --yes", shell_word(id));
            Some(state.command(&delete))
        }
        _ => None,
    }
}

pub(super) async fn put(
    state: &State,
    id: &str,
    json: &str,
    version: u64,
) -> Result<Done, Problem> {
    if json.len() > MOST {
        return Err(Problem::wrong(format!("a plan has at most {MOST} bytes")));
    }
    let plan = Plan::from_json(json)?;
    let id = plan_id(id)?;
    let plans = state.plans();
    let old = plans.get(&id).await?;
    if old.as_ref().map_or(0, |old| old.version) != version {
        return Err(Problem::conflict("plan"));
    }
    if old.as_ref().is_some_and(|old| old.plan == plan) {
        return Ok(Done::new(format!("the plan `{id}` is that already"), None));
    }
    let replaced = old.as_ref().map(|old| old.version);
    let written = plans.put(&id, &plan, replaced, state.now()).await?;
    let undo = match old {
        Some(old) => back(&id.to_string(), &old.plan, written.version)?,
        None => Change::PlanDelete { id: id.to_string(), version: written.version },
    };
    Ok(Done::new(format!("stored the plan `{id}`, version {}", written.version), undo))
}

pub(super) async fn delete(state: &State, id: &str, version: u64) -> Result<Done, Problem> {
    let old = state.plan(id).await?;
    if old.version != version {
        return Err(Problem::conflict("plan"));
    }
    check_unused(state, id).await?;
    state.plans().delete(&old.id, version, state.now()).await?;
    Ok(Done::new(format!("deleted the plan `{id}`"), back(id, &old.plan, 0)?))
}

/// Refuses a plan that is assigned to someone, as the command line does.
async fn check_unused(state: &State, id: &str) -> Result<(), Problem> {
    let keys = count(&state.keys(), |key| key.details.plan() == Some(id)).await?;
    let assigned = count(&state.assignments(), |it| it.plan.as_deref() == Some(id)).await?;
    let used = keys.saturating_add(assigned);
    if used == 0 {
        return Ok(());
    }
    Err(Problem::wrong(format!(
        "the plan `{id}` is assigned to {used} keys and subjects: assign them another plan first"
    )))
}

/// Counts the items of the whole table that are wanted.
async fn count<T: Item>(items: &Items<T>, wanted: impl Fn(&T) -> bool) -> Result<usize, Problem> {
    let (mut count, mut from) = (0_usize, None);
    loop {
        let page = items.list(from.as_deref()).await?;
        count = count.saturating_add(page.items.iter().filter(|item| wanted(item)).count());
        from = page.next;
        if from.is_none() {
            return Ok(count);
        }
    }
}

/// The change that stores a plan as it was.
fn back(id: &str, plan: &Plan, version: u64) -> Result<Change, Problem> {
    let json = serde_json::to_string(plan).map_err(|error| Problem::wrong(error.to_string()))?;
    Ok(Change::PlanPut { id: id.to_owned(), json, version })
}
