//! Changes of subjects: their assignment, and their bucket.

use std::num::NonZeroU64;

use authorizer::shell_word;
use table::Assignment;
use throttle::{Meter, Period, Subject};

use super::{Change, Done};
use crate::problem::Problem;
use crate::state::State;

pub(super) fn command(change: &Change, state: &State) -> Option<String> {
    let line = match change {
        Change::SubjectAssign { subject, plan, version } => format!(
            "subject assign {} {} --if-version {version} --yes",
            shell_word(subject),
            shell_word(plan)
        ),
        Change::SubjectUnassign { subject } => {
            format!("subject unassign {}", shell_word(subject))
        }
        Change::SubjectReset { subject } => {
            format!("subject reset {} --yes", shell_word(subject))
        }
        Change::UsageGrant { subject, extra, meter, period, id } => {
            let by = match period {
                Period::Day => "day",
                Period::Week => "week",
                Period::Month => "month",
            };
            let (subject, id) = (shell_word(subject), shell_word(id));
            let meter = meter.iter().map(|name| format!(" --meter {}", shell_word(name)));
            let meter = meter.collect::<String>();
            format!("usage grant {subject} {extra} --by {by}{meter} --id {id} --yes")
        }
        _ => return None,
    };
    Some(state.command(&line))
}

pub(super) async fn assign(
    state: &State,
    name: &str,
    plan: &str,
    version: u64,
) -> Result<Done, Problem> {
    let subject = subject(name)?;
    state.plan(plan).await?;
    let assignments = state.assignments();
    let old = assignments.get(subject.as_str()).await?;
    if old.as_ref().map_or(0, |old| old.version) != version {
        return Err(Problem::conflict("assignment"));
    }
    // A parent stays.
    let assignment = old.clone().unwrap_or_else(|| Assignment::new(subject.as_str()));
    let written = assignments.put(assignment.with_plan(plan)).await?;
    let subject = name.to_owned();
    let undo = match old {
        Some(old) => {
            old.plan.map(|plan| Change::SubjectAssign { subject, plan, version: written.version })
        }
        None => Some(Change::SubjectUnassign { subject }),
    };
    Ok(Done::new(format!("`{name}` is under `{plan}`"), undo))
}

pub(super) async fn unassign(state: &State, name: &str) -> Result<Done, Problem> {
    let missing = || Problem::missing(format!("`{name}` is assigned no plan"));
    let old = state.assignments().get(name).await?.ok_or_else(missing)?;
    if !state.assignments().delete(name).await? {
        return Err(missing());
    }
    // This change cannot restore a parent.
    let plan = old.plan.filter(|_| old.parent.is_none());
    let undo =
        plan.map(|plan| Change::SubjectAssign { subject: name.to_owned(), plan, version: 0 });
    Ok(Done::new(format!("`{name}` is assigned no plan now"), undo))
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
    let meter = meter.map_or(Ok(Meter::REQUESTS), Meter::new);
    let meter = meter.map_err(|error| Problem::wrong(format!("the meter {error}")))?;
    let (subject, now) = (subject(name)?, state.now());
    let bucket = state.buckets().get(&subject).await?;
    let plan = match bucket.and_then(|bucket| bucket.stamp) {
        Some(stamp) => state.plans().get(&stamp.plan).await?,
        None => None,
    };
    let of_plan = |plan: throttle::PlanRecord| plan.plan.window(meter, period, now);
    let window = plan.map_or_else(|| period.window(now).of(meter), of_plan);
    let history = state.buckets().grant_of(&subject, &window, extra, id, now).await?;
    let total = history.granted(&window);
    Ok(Done::new(format!("granted `{name}` {extra} {meter}, {total} in all"), None))
}

fn subject(name: &str) -> Result<Subject, Problem> {
    Subject::new(name).map_err(|error| Problem::wrong(format!("the subject {error}")))
}
