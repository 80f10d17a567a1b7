//! `tollgate plan import`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use throttle::{Plan, PlanId, PlanRecord};

use crate::ask::Dry;
use crate::desk::Desk;
use crate::exit::Failed;
use crate::output::{Output, note, table};
use crate::progress::Progress;
use crate::read::{place, read};

/// Store all plans that `aws apigateway get-usage-plans` or `plan export` printed.
///
/// Nothing is stored unless all of the file can be. A plan that is stored already and is another
/// is written over. After an error the import can be run again.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// The file, or - for standard input.
    file: PathBuf,
    #[command(flatten)]
    dry: Dry,
}

/// What becomes of one plan of the file.
struct Step {
    id: PlanId,
    plan: Plan,
    stored: Option<PlanRecord>,
}

impl Step {
    const fn action(&self, same: bool) -> &'static str {
        match &self.stored {
            None => "new",
            Some(_) if same => "same",
            Some(_) => "changed",
        }
    }

    fn same(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.plan == self.plan)
    }
}

impl Import {
    pub(crate) async fn run(self, desk: &Desk) -> Result<(), Failed> {
        let Self { file, dry } = self;
        let imported = Plan::import(read(&file, MOST)?).map_err(|errors| {
            let place = place(&file);
            Failed::refused_for(errors.iter().map(|error| format!("{place}: {error}")))
        })?;
        let steps = compare(desk, imported.plans).await?;
        if !dry.dry_run {
            store(desk, &steps).await?;
        }
        print(desk, &steps, dry)?;
        if imported.more {
            note("the file says that there are more plans than it has: import the other pages too");
        }
        Ok(())
    }
}

async fn compare(desk: &Desk, read: Vec<(PlanId, Plan)>) -> Result<Vec<Step>, Failed> {
    let plans = desk.plans();
    let mut progress = Progress::new("plans compared", Some(read.len()));
    let mut steps = Vec::with_capacity(read.len());
    for (id, plan) in read {
        let stored = plans.get(&id).await?;
        steps.push(Step { id, plan, stored });
        progress.add(1);
    }
    Ok(steps)
}

async fn store(desk: &Desk, steps: &[Step]) -> Result<(), Failed> {
    let plans = desk.plans();
    let changed: Vec<_> = steps.iter().filter(|step| !step.same()).collect();
    let mut progress = Progress::new("plans stored", Some(changed.len()));
    for (done, step) in changed.iter().enumerate() {
        let replaced = step.stored.as_ref().map(|stored| stored.version);
        let put = plans.put(&step.id, &step.plan, replaced, desk.now()).await;
        put.map_err(|error| {
            Failed::from(error).after(format_args!(
                "stored {done} of {} plans, not `{}` and those after it (run it again for them)",
                changed.len(),
                step.id
            ))
        })?;
        progress.add(1);
    }
    Ok(())
}

fn print(desk: &Desk, steps: &[Step], dry: Dry) -> Result<(), Failed> {
    let mut rows = vec![["PLAN", "NAME", "ACTION"].map(str::to_owned)];
    rows.extend(steps.iter().map(|step| {
        let name = step.plan.name().unwrap_or("-").to_owned();
        [step.id.to_string(), name, step.action(step.same()).to_owned()]
    }));
    let listed: Vec<_> = steps
        .iter()
        .map(|step| json!({"plan": step.id.as_str(), "action": step.action(step.same())}))
        .collect();
    let last = match dry.dry_run {
        true => "\nnothing was done",
        false => "",
    };
    let json = json!({"plans": listed, "dryRun": dry.dry_run});
    match desk.output {
        Output::Text if steps.is_empty() => desk.output.print("the file has no plans", &json),
        output => output.print(format_args!("{}{last}", table(&rows)), &json),
    }
}

const EXAMPLES: &str = "\
Examples:
  aws apigateway get-usage-plans > plans.json
  tollgate plan import plans.json --dry-run
  tollgate plan import plans.json";

/// The most bytes that an export may have, as `throttle` reads it.
const MOST: u64 = 16 * 1024 * 1024;
