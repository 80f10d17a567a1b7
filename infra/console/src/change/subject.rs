//! Changes of subjects: their assignment, and their bucket.

use std::num::NonZeroU64;

use authorizer::{EVERYONE, shell_word};
use table::{Assignment, Chain};
use throttle::{Meter, Period, PlanRecord, Subject, Window};

use super::{Change, Done, below};
use crate::levels::Levels;
use crate::problem::Problem;
use crate::state::State;
use crate::subject::plan_of;

pub(super) fn command(change: &Change, state: &State) -> Option<String> {
    let line = match change {
        Change::SubjectAssign { subject, plan, parent, version } => {
            let plan = match plan.as_deref() {
                // No command removes the plan alone.
                Some("") => return None,
                plan => plan.map(|plan| format!(" {}", shell_word(plan))).unwrap_or_default(),
            };
            let parent = match parent.as_deref() {
                Some("") => " --no-parent".to_owned(),
                parent => parent
                    .map(|parent| format!(" --parent {}", shell_word(parent)))
                    .unwrap_or_default(),
            };
            let subject = shell_word(subject);
            format!("subject assign {subject}{plan}{parent} --if-version {version} --yes")
        }
        Change::SubjectUnassign { subject } => {
            format!("subject unassign {}", shell_word(subject))
        }
        Change::SubjectReset { subject } => {
            format!("subject reset {} --yes", shell_word(subject))
        }
        Change::UsageGrant { subject, extra, meter, period, id } => {
            let by = noun(*period);
            let (subject, id) = (shell_word(subject), shell_word(id));
            let meter = meter.iter().map(|name| format!(" --meter {}", shell_word(name)));
            let meter = meter.collect::<String>();
            format!("usage grant {subject} {extra} --by {by}{meter} --id {id} --yes")
        }
        _ => return None,
    };
    Some(state.command(&line))
}

/// The parts of an assignment that a change names. An empty text removes one.
pub(super) struct Parts {
    pub(super) plan: Option<String>,
    pub(super) parent: Option<String>,
}

pub(super) async fn assign(
    state: &State,
    name: &str,
    Parts { plan, parent }: Parts,
    version: u64,
) -> Result<Done, Problem> {
    let subject = subject(name)?;
    refuse_star(name)?;
    if let Some(plan) = plan.as_deref().filter(|plan| !plan.is_empty()) {
        state.plan(plan).await?;
    }
    if let Some(parent) = parent.as_deref().filter(|parent| !parent.is_empty()) {
        check_parent(state, subject.as_str(), parent).await?;
    }
    let assignments = state.assignments();
    let old = assignments.get(subject.as_str()).await?;
    if old.as_ref().map_or(0, |old| old.version) != version {
        return Err(Problem::conflict("assignment"));
    }
    let stored = old.clone().unwrap_or_else(|| Assignment::new(subject.as_str()));
    let mut wanted = stored.clone();
    let named = |part: String| Some(part).filter(|part| !part.is_empty());
    if let Some(plan) = plan {
        wanted.plan = named(plan);
    }
    if let Some(parent) = parent {
        wanted.parent = named(parent);
    }
    if wanted.plan.is_none() && wanted.parent.is_none() {
        return Err(Problem::wrong("name a plan or a parent, or delete the assignment"));
    }
    let is = standing(&wanted);
    let is_moved = wanted.parent.is_some() && wanted.parent != stored.parent;
    let (written, note) = match is_moved {
        true => {
            let note = below::check(state, &wanted).await?;
            (assignments.put_within(wanted, &stored).await?, note)
        }
        false => (assignments.put(wanted).await?, ""),
    };
    let undo = match old {
        Some(old) => restored(old, written.version),
        None => Change::SubjectUnassign { subject: name.to_owned() },
    };
    Ok(Done::new(format!("`{name}` is {is}{note}"), undo))
}

/// An assignment in words: `under `gold`, within `acme``.
fn standing(assignment: &Assignment) -> String {
    let plan = assignment.plan.iter().map(|plan| format!("under `{plan}`"));
    let parent = assignment.parent.iter().map(|parent| format!("within `{parent}`"));
    plan.chain(parent).collect::<Vec<_>>().join(", ")
}

/// The change that stores an assignment as it was, over this version.
fn restored(old: Assignment, version: u64) -> Change {
    let Assignment { subject, plan, parent, .. } = old;
    let (plan, parent) = (Some(plan.unwrap_or_default()), Some(parent.unwrap_or_default()));
    Change::SubjectAssign { subject, plan, parent, version }
}

/// Refuses a parent that makes a loop or too many levels. Returns a warning if one above the
/// subject is assigned no plan, for which the command line asks `--yes`.
pub(super) async fn check_parent(
    state: &State,
    name: &str,
    parent: &str,
) -> Result<Option<String>, Problem> {
    let subject = subject(name)?;
    refuse_star(parent)?;
    let parent = Subject::new(parent)
        .map_err(|error| Problem::wrong(format!("the parent's name {error}")))?;
    let own = Assignment::new(subject.as_str()).with_parent(parent.as_str());
    let parents = levels(state, &state.assignments().chain(&own).await?)?.parents;
    let without = parents.iter().find(|parent| parent.entry.is_none() && parent.plan.is_none());
    let unless = match state.config() {
        Some(_) => "",
        None => ", unless `parents` in the configuration has a plan for it",
    };
    Ok(without.map(|parent| {
        let parent = parent.name();
        format!("{parent} is assigned no plan, so requests within it are refused{unless}")
    }))
}

/// The levels of a subject, with those of the configuration. Refuses a loop or too many.
pub(super) fn levels(state: &State, chain: &Chain) -> Result<Levels, Problem> {
    let config = state.config().map(|source| &source.config);
    let levels = Levels::of(chain, None, config)
        .map_err(|refusal| Problem::wrong(format!("no parent is found: {refusal}")))?;
    match levels.problem {
        Some(problem) => Err(Problem::wrong(problem)),
        None => Ok(levels),
    }
}

pub(super) async fn unassign(state: &State, name: &str) -> Result<Done, Problem> {
    let missing = || Problem::missing(format!("`{name}` is assigned nothing"));
    let old = state.assignments().get(name).await?.ok_or_else(missing)?;
    if !state.assignments().delete(name).await? {
        return Err(missing());
    }
    Ok(Done::new(format!("`{name}` is assigned nothing now"), restored(old, 0)))
}

pub(super) async fn reset(state: &State, name: &str) -> Result<Done, Problem> {
    if !state.buckets().reset(&subject(name)?).await? {
        return Err(Problem::missing(format!("`{name}` has used nothing")));
    }
    Ok(Done::new(format!("forgot all that `{name}` used"), None))
}

pub(super) async fn grant(
    state: &State,
    name: &str,
    (extra, meter): (u64, Option<&str>),
    period: Period,
    id: &str,
) -> Result<Done, Problem> {
    let extra = NonZeroU64::new(extra).ok_or_else(|| Problem::wrong("grant at least 1"))?;
    let window = granted_window(state, name, meter, period).await?;
    let (subject, now, meter) = (subject(name)?, state.now(), window.counter.meter());
    let history = state.buckets().grant_of(&subject, &window, extra, id, now).await?;
    let total = history.granted(&window);
    Ok(Done::new(format!("granted `{name}` {extra} {meter}, {total} in all"), None))
}

/// The current period of the quota that a grant adds to.
///
/// # Errors
/// The subject's plan has no such quota.
pub(super) async fn granted_window(
    state: &State,
    name: &str,
    meter: Option<&str>,
    period: Period,
) -> Result<Window, Problem> {
    let meter = meter.map_or(Ok(Meter::REQUESTS), Meter::new);
    let meter = meter.map_err(|error| Problem::wrong(format!("the meter {error}")))?;
    let bucket = state.buckets().get(&subject(name)?).await?;
    let assigned = state.assignments().get(name).await?;
    let plan = plan_of(state, bucket.as_ref(), assigned.as_ref()).await?;
    let none =
        || Problem::wrong(format!("`{name}` has no plan, and so no quota: assign it one first"));
    let PlanRecord { id, plan, .. } = plan.ok_or_else(none)?;
    let Some(limits) = plan.meter(meter) else {
        let meters = plan.every_meter().map(|(meter, _)| format!("`{meter}`"));
        let meters = meters.collect::<Vec<_>>().join(", ");
        let text = format!("the plan `{id}` has no meter `{meter}`: it has {meters}");
        return Err(Problem::wrong(text));
    };
    if let Some(quota) = limits.quotas().iter().find(|quota| quota.period() == period) {
        return Ok(quota.window(state.now()).of(meter));
    }
    let others = limits.quotas().iter().map(|quota| format!("a {}", noun(quota.period())));
    let others = others.collect::<Vec<_>>().join(" or ");
    let fix = if others.is_empty() { "add one".to_owned() } else { format!("choose {others}") };
    let period = noun(period);
    Err(Problem::wrong(format!("the plan `{id}` has no quota of {meter} for a {period}: {fix}")))
}

const fn noun(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
    }
}

/// Refuses `*`, which is all callers in `parents` of the configuration only.
fn refuse_star(name: &str) -> Result<(), Problem> {
    if name != "*" {
        return Ok(());
    }
    Err(Problem::wrong(format!("`*` is not a subject: all callers are `{EVERYONE}`")))
}

fn subject(name: &str) -> Result<Subject, Problem> {
    Subject::new(name).map_err(|error| Problem::wrong(format!("the subject {error}")))
}
