//! `tollgate subject reset`.

use clap::Args;
use serde_json::json;

use crate::confirm::Confirm;
use crate::context::Context;
use crate::error::Error;
use crate::who::Who;

/// Delete a subject's usage, debt, grants and history.
///
/// Its next request finds a full bucket and full quotas. To allow more in one period and keep the
/// history, use `usage grant`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Reset {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    confirm: Confirm,
}

impl Reset {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let subject = self.who.find(context)?.subject;
        let name = subject.as_str();
        let missing = || Error::refused(format!("`{name}` has used nothing: check its spelling"));
        if self.confirm.dry_run() {
            context.buckets().get(&subject).await?.ok_or_else(missing)?;
            return context.would(&format!("forget all that `{name}` used"));
        }
        self.confirm.require(&format!("forget all that `{name}` used"))?;
        if !context.buckets().reset(&subject).await? {
            return Err(missing());
        }
        let json = json!({"subject": name, "reset": true});
        context.output.print(format!("forgot all that `{name}` used"), &json)
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate subject reset maria --dry-run
  tollgate subject reset 'us-east-1_abcDEF123#client1' --yes";
