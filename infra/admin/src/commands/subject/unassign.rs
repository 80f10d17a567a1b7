//! `tollgate subject unassign`.

use clap::Args;
use serde_json::json;

use super::standing;
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;
use crate::who::Who;

/// Delete a subject's assignment: its plan and its parent.
///
/// Its keys without a plan of their own are then refused. So are the subjects within it, unless
/// `parents` in the configuration has a plan for it.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tollgate subject unassign maria")]
pub(crate) struct Unassign {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    dry: Dry,
}

impl Unassign {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let subject = self.who.find(context)?.subject;
        let name = subject.as_str();
        let missing = || Error::refused(format!("`{name}` has no assignment: check its spelling"));
        if self.dry.dry_run {
            let stored = context.assignments().get(name).await?.ok_or_else(missing)?;
            let is = standing(stored.plan.as_deref(), stored.parent.as_deref());
            return context.would(&format!("delete the assignment of `{name}`, {is}"));
        }
        if !context.assignments().delete(name).await? {
            return Err(missing());
        }
        let json = json!({"subject": name, "plan": null});
        context.output.print(format!("`{name}` has no assignment now"), &json)
    }
}
