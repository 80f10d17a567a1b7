//! `tollgate subject unassign`.

use clap::Args;
use serde_json::json;

use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;
use crate::who::Who;

/// Delete a subject's assignment.
///
/// Its keys without a plan of their own are then refused.
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
        let missing = || Error::refused(format!("`{name}` is assigned no plan"));
        if self.dry.dry_run {
            let stored = context.assignments().get(name).await?.ok_or_else(missing)?;
            return context
                .would(&format!("delete the assignment of `{name}` to `{}`", stored.plan));
        }
        if !context.assignments().delete(name).await? {
            return Err(missing());
        }
        let json = json!({"subject": name, "plan": null});
        context.output.print(format!("`{name}` is assigned no plan now"), &json)
    }
}
