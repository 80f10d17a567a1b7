//! `tollgate plan delete`.

use clap::Args;
use serde_json::json;
use throttle::PlanId;

use super::put::check_version;
use crate::args::plan_id;
use crate::ask::Sure;
use crate::desk::Desk;
use crate::exit::Failed;

/// Delete a plan. Whoever is under it is refused from then on, until it is stored again.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Delete {
    /// The plan's name.
    #[arg(value_parser = plan_id)]
    id: PlanId,
    /// Only where the stored plan still has this version, as `plan show --json` says.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    sure: Sure,
}

impl Delete {
    pub(crate) async fn run(self, desk: &Desk) -> Result<(), Failed> {
        let Self { id, if_version, sure } = self;
        let record = desk.plan(&id).await?;
        let version = record.version;
        check_version(&id, if_version, Some(version))?;
        let done = !sure.dry_run();
        let text = if done {
            sure.ask(&format!("delete the plan `{id}`, version {version},"))?;
            desk.plans().delete(&id, version, desk.now()).await?;
            format!("deleted the plan `{id}`, version {version}")
        } else {
            format!("would delete the plan `{id}`, version {version}; nothing was done")
        };
        desk.output.print(text, &json!({"plan": id.as_str(), "version": version, "deleted": done}))
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate plan delete trial --dry-run
  tollgate plan delete trial --if-version 3 --yes";
