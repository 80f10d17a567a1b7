//! Changes of keys.

use std::time::Duration;

use authorizer::{is_of_parent, shell_word};
use table::{Digest, Key, KeyDetails, KeyRecord, check_text};
use throttle::Subject;

use super::{Change, Done};
use crate::problem::Problem;
use crate::state::State;

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

/// The details of a new key.
pub(super) struct New {
    pub(super) subject: Option<String>,
    pub(super) plan: Option<String>,
    pub(super) name: Option<String>,
    pub(super) days: Option<u32>,
}

pub(super) fn command(change: &Change, state: &State) -> Option<String> {
    let line = match change {
        Change::KeyCreate { subject, plan, name, days } => {
            let mut line = "key create".to_owned();
            let flags = [("--subject", subject), ("--plan", plan), ("--name", name)];
            for (flag, value) in flags {
                if let Some(value) = value {
                    line.push_str(&format!(" {flag} {}", shell_word(value)));
                }
            }
            if let Some(days) = days {
                line.push_str(&format!(" --expires {days}d"));
            }
            line
        }
        Change::KeyEnable { id } => format!("key enable {}", shell_word(id)),
        Change::KeyDisable { id } => format!("key disable {}", shell_word(id)),
        Change::KeyAssign { id, plan, .. } => {
            format!("key assign {} {}", shell_word(id), shell_word(plan))
        }
        Change::KeyRotate { id, hours } => {
            let sure = if *hours == 0 { " --yes" } else { "" };
            format!("key rotate {} --overlap {hours}h{sure}", shell_word(id))
        }
        _ => return None,
    };
    Some(state.command(&line))
}

pub(super) async fn create(state: &State, new: New) -> Result<Done, Problem> {
    let now = state.now();
    let key = Key::generate().map_err(|error| Problem::wrong(error.to_string()))?;
    if let Some(name) = new.subject.as_deref().filter(|name| is_of_parent(name) || *name == "*") {
        return Err(Problem::wrong(format!(
            "`{name}` is a parent's subject, which no key can have: choose another"
        )));
    }
    let subject = match new.subject {
        Some(subject) => Subject::new(subject)
            .map_err(|error| Problem::wrong(format!("the subject {error}")))?
            .as_str()
            .to_owned(),
        None => key.digest().subject(),
    };
    let mut details = KeyDetails { name: new.name, ..KeyDetails::new(subject) };
    if let Some(name) = &details.name {
        check_text(name, KeyDetails::MAX_LABEL)
            .map_err(|error| Problem::wrong(format!("the name {error}")))?;
    }
    if let Some(plan) = &new.plan {
        state.plan(plan).await?;
        details = details.with_plan(plan.as_str());
    }
    details.expires = new.days.map(|days| now.saturating_add(DAY.saturating_mul(days)).into());
    let record = state.keys().put(&key, details, now).await?;
    let id = record.digest.to_string();
    let mut done = Done::new("made a key", Change::KeyDisable { id });
    done.key = Some(key.expose().to_owned());
    Ok(done)
}

pub(super) async fn switch(state: &State, id: &str, enabled: bool) -> Result<Done, Problem> {
    state.keys().set_enabled(&digest(id)?, enabled).await?;
    let id = id.to_owned();
    Ok(match enabled {
        true => Done::new("the key is enabled", Change::KeyDisable { id }),
        false => Done::new("the key is disabled", Change::KeyEnable { id }),
    })
}

pub(super) async fn assign(
    state: &State,
    id: &str,
    plan: &str,
    version: u64,
) -> Result<Done, Problem> {
    let old = record(state, id).await?;
    if old.version != version {
        return Err(Problem::conflict("key"));
    }
    state.plan(plan).await?;
    let details = old.details.clone().with_plan(plan);
    let written = state.keys().update(&old, details).await?;
    let undo = old.details.plan().map(|plan| Change::KeyAssign {
        id: id.to_owned(),
        plan: plan.to_owned(),
        version: written.version,
    });
    Ok(Done::new(format!("the key is under `{plan}`"), undo))
}

pub(super) async fn rotate(state: &State, id: &str, hours: u32) -> Result<Done, Problem> {
    let now = state.now();
    let until = now.saturating_add(HOUR.saturating_mul(hours));
    let key = Key::generate().map_err(|error| Problem::wrong(error.to_string()))?;
    state.keys().rotate(&digest(id)?, &key, until, now).await?;
    let mut done = Done::new(format!("made a new key; the old one expires in {hours} h"), None);
    done.key = Some(key.expose().to_owned());
    Ok(done)
}

async fn record(state: &State, id: &str) -> Result<KeyRecord, Problem> {
    let found = state.keys().get(&digest(id)?).await?;
    found.ok_or_else(|| Problem::missing("there is no such key: load the list again"))
}

fn digest(id: &str) -> Result<Digest, Problem> {
    id.parse().map_err(|_| Problem::wrong("that is not a key's id: it has 64 digits"))
}
