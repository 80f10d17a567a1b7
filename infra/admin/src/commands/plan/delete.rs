//! `tollgate plan delete`.

use clap::Args;
use serde_json::json;
use table::{Item, Items};
use throttle::PlanId;

use super::put::check_version;
use crate::args::plan_id;
use crate::confirm::Confirm;
use crate::context::Context;
use crate::error::Error;
use crate::layout::count;
use crate::pages::each_page;

/// Delete a plan that nothing is assigned to. Reads the whole table.
///
/// Callers of a deleted plan are refused until it is stored again. The command cannot find callers
/// that get the plan from a configuration or a claim.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Delete {
    /// The plan's name.
    #[arg(value_parser = plan_id)]
    id: PlanId,
    /// Delete only if the stored plan has this version (`plan show --json`).
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    /// Delete even if keys or subjects are assigned to it; they are then refused.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    confirm: Confirm,
}

impl Delete {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { id, if_version, force, confirm } = self;
        let record = context.plan(&id).await?;
        let version = record.version;
        check_version(&id, if_version, Some(version))?;
        if !force {
            check_unused(context, &id).await?;
        }
        let done = !confirm.dry_run();
        let text = if done {
            confirm.require(&format!("delete the plan `{id}`, version {version},"))?;
            context.plans().delete(&id, version, context.now()).await?;
            format!("deleted the plan `{id}`, version {version}")
        } else {
            format!("would delete the plan `{id}`, version {version}; nothing was done")
        };
        context
            .output
            .print(text, &json!({"plan": id.as_str(), "version": version, "deleted": done}))
    }
}

/// Refuses a plan that is assigned to someone.
async fn check_unused(context: &Context, id: &PlanId) -> Result<(), Error> {
    let keys = number(&context.keys(), |key| key.details.plan() == Some(id.as_str())).await?;
    let subjects =
        number(&context.assignments(), |it| it.plan.as_deref() == Some(id.as_str())).await?;
    if keys == 0 && subjects == 0 {
        return Ok(());
    }
    Err(Error::refused(format!(
        "the plan `{id}` is assigned to {} and {}: assign them another (`tollgate key assign`, \
         `tollgate subject assign`), or delete it with `--force`",
        count(keys, "key"),
        count(subjects, "subject")
    )))
}

/// Counts the items that are wanted.
async fn number<T: Item>(items: &Items<T>, wanted: impl Fn(&T) -> bool) -> Result<usize, Error> {
    let mut count = 0_usize;
    each_page(
        "items",
        async |from| items.list(from.as_deref()).await,
        |page| {
            count = count.saturating_add(page.items.iter().filter(|item| wanted(item)).count());
            Ok(())
        },
    )
    .await?;
    Ok(count)
}

const EXAMPLES: &str = "\
Examples:
  tollgate plan delete trial --dry-run
  tollgate plan delete trial --if-version 3 --yes
  tollgate plan delete trial --force --yes";
