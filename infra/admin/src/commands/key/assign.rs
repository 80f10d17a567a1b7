//! `tollgate key assign`.

use clap::Args;
use throttle::PlanId;

use super::{Which, json};
use crate::args::plan_id;
use crate::ask::Dry;
use crate::desk::Desk;
use crate::exit::Failed;

/// Put a key under its own plan, in place of its subject's assignment.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Assign {
    #[command(flatten)]
    which: Which,
    /// The plan's name.
    #[arg(value_parser = plan_id)]
    plan: PlanId,
    #[command(flatten)]
    dry: Dry,
}

impl Assign {
    pub(crate) async fn run(self, desk: &Desk) -> Result<(), Failed> {
        let Self { which, plan, dry } = self;
        let record = which.record(desk).await?;
        desk.plan(&plan).await?;
        let id = record.digest;
        if record.details.plan() == Some(plan.as_str()) {
            let text = format!("the key `{id}` is under `{plan}` already");
            return desk.output.print(text, &json(&record, desk.now()));
        }
        if dry.dry_run {
            return desk.would(&format!("put the key under `{plan}`"));
        }
        let details = record.details.clone().with_plan(plan.as_str());
        let record = desk.keys().update(&record, details).await?;
        let text = format!("the key `{id}` is under `{plan}`");
        desk.output.print(text, &json(&record, desk.now()))
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate key assign 55ddd3ecfee1e15f04ac4a1c79b5e6ef9fb7d2f15d8c3f4d7cb7d9db3f7ce5b4 gold
  printenv API_KEY | tollgate key assign - gold";
