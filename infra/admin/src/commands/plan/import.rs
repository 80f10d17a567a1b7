//! `tollgate plan import`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use throttle::{Plan, PlanId};

use super::export::{OFFSET, foreign};
use crate::args::{Offset, note_highest_rate, plan_error};
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::{Error, RowError};
use crate::layout::list;
use crate::output::{Output, note};
use crate::progress::Progress;
use crate::read::{place, read};

/// Import plans from API Gateway's JSON or from `plan export`.
///
/// Reads the output of `aws apigateway get-usage-plans` or `get-usage-plan`. Invalid plans are
/// reported and the others are stored. Stored plans that differ are overwritten as a whole; the
/// command names what they lose, such as `meters`. A plan without limits is stored as unlimited.
/// The command can be repeated.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// The file, or - for standard input.
    file: PathBuf,
    #[command(flatten)]
    offset: Offset,
    #[command(flatten)]
    dry: Dry,
}

/// A plan of the file, and the action on it.
struct Step {
    id: PlanId,
    plan: Plan,
    action: &'static str,
}

impl Import {
    /// An import of content that was already read.
    pub(crate) fn of(offset: Offset, dry: Dry) -> Self {
        Self { file: PathBuf::new(), offset, dry }
    }

    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let content = read(&self.file, MOST)?;
        let place = place(&self.file);
        self.import(context, &place, &content).await
    }

    /// Imports the content of a file.
    pub(crate) async fn import(
        self,
        context: &Context,
        place: &str,
        content: &[u8],
    ) -> Result<(), Error> {
        let Self { offset, dry, .. } = self;
        let imported = Plan::import(content, offset.means())
            .map_err(|error| Error::misuse(format!("{place}: {error}")))?;
        let errors = imported.errors.iter();
        let mut wrong: Vec<_> =
            errors.map(|error| format!("{place}: {}", plan_error(error))).collect();
        let count = imported.plans.len();
        let total = count.saturating_add(wrong.len());
        let mut steps = Vec::with_capacity(count);
        let progress = Progress::new("plans", Some(count));
        for (id, plan) in imported.plans {
            note_highest_rate(&id, &plan);
            match step(context, &id, &plan, dry).await {
                Ok(action) => steps.push(Step { id, plan, action }),
                Err(RowError::Row(error)) => wrong.push(format!("{place}: plan `{id}`: {error}")),
                Err(RowError::Table(error)) => {
                    let done = steps.iter().filter(|step| step.action != SAME).count();
                    let error = error.after(format_args!(
                        "stored {done} of {count} plans, not `{id}` and those after it (run it \
                         again for them)"
                    ));
                    return Err(error.following(wrong));
                }
            }
            progress.add(1);
        }
        drop(progress);
        print(context, &steps, total, dry)?;
        if imported.more {
            note("the file says that there are more plans than it has: import the other pages too");
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::rows(wrong, total, dry.dry_run)) }
    }
}

/// Stores a plan unless it is stored already.
async fn step(
    context: &Context,
    id: &PlanId,
    plan: &Plan,
    dry: Dry,
) -> Result<&'static str, RowError> {
    let plans = context.plans();
    let stored = plans.get(id).await?;
    let action = match &stored {
        None => NEW,
        Some(stored) if stored.plan == *plan => return Ok(SAME),
        Some(_) => CHANGED,
    };
    if let Some(lost) = stored.as_ref().map(|stored| lost(&stored.plan, plan))
        && !lost.is_empty()
    {
        let loses = if dry.dry_run { "would lose" } else { "loses" };
        note(format_args!("the plan `{id}` {loses} what the file does not have: {lost}"));
    }
    if !dry.dry_run {
        plans.put(id, plan, stored.map(|stored| stored.version), context.now()).await?;
    }
    Ok(action)
}

/// Names the parts that a stored plan has and the new one lacks, of those that API Gateway cannot
/// have.
fn lost(stored: &Plan, plan: &Plan) -> String {
    let foreign = |plan| foreign(&serde_json::to_value(plan).unwrap_or_default());
    let kept = foreign(plan);
    // `--offset-means` chooses about an offset.
    let is_lost = |it: &&str| *it != OFFSET && !kept.contains(it);
    foreign(stored).into_iter().filter(is_lost).collect::<Vec<_>>().join(", ")
}

fn print(context: &Context, steps: &[Step], total: usize, dry: Dry) -> Result<(), Error> {
    let row = |Step { id, plan, action }: &Step| {
        let name = plan.name().unwrap_or("-").to_owned();
        let limits = if plan.is_unlimited() { "unlimited" } else { "" };
        vec![id.to_string(), name, (*action).to_owned(), limits.to_owned()]
    };
    let item = |Step { id, plan, action }: &Step| {
        let mut item = json!({"plan": id.as_str(), "action": action});
        if let Some(members) = item.as_object_mut().filter(|_| plan.is_unlimited()) {
            members.insert("unlimited".to_owned(), true.into());
        }
        item
    };
    let heading = ["PLAN", "NAME", "ACTION", ""].map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(heading).chain(steps.iter().map(row)).collect();
    let listed: Vec<Value> = steps.iter().map(item).collect();
    let json = json!({"plans": listed, "dryRun": dry.dry_run});
    let last = if dry.dry_run { "\nnothing was done" } else { "" };
    match context.output {
        Output::Text if total == 0 => context.output.print("the file has no plans", &json),
        Output::Text if steps.is_empty() => Ok(()),
        output => output.print(format_args!("{}{last}", list(&rows)), &json),
    }
}

const EXAMPLES: &str = "\
Examples:
  aws apigateway get-usage-plans > plans.json
  tollgate plan import plans.json --dry-run
  tollgate plan import plans.json
  tollgate plan import plans.json --offset-means ignore";

const NEW: &str = "new";
const SAME: &str = "same";
const CHANGED: &str = "changed";
/// The most bytes that an export may have, as `throttle` reads it.
pub(crate) const MOST: u64 = 16 * 1024 * 1024;
