//! `tollgate key assign`.

use clap::Args;
use throttle::PlanId;

use super::{Which, json};
use crate::args::plan_id;
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;

/// Give a key a plan of its own, which precedes its subject's.
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
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { which, plan, dry } = self;
        let record = which.record(context).await?;
        context.plan(&plan).await?;
        let id = record.digest;
        if record.details.plan() == Some(plan.as_str()) {
            let text = format!("the key `{id}` is under `{plan}` already");
            return context.output.print(text, &json(&record, context.now()));
        }
        if dry.dry_run {
            return context.would(&format!("put the key under `{plan}`"));
        }
        let details = record.details.clone().with_plan(plan.as_str());
        let record = context.keys().update(&record, details).await?;
        let text = format!("the key `{id}` is under `{plan}`");
        context.output.print(text, &json(&record, context.now()))
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate key assign 55ddd3ecfee1… gold
  printenv API_KEY | tollgate key assign - gold";
