//! `tollgate revoke undo`.

use clap::Args;
use serde_json::json;
use table::Revocable;

use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;

/// Delete a revocation: its tokens are accepted again until they expire.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Undo {
    /// The revocation's id, as `revoke list` shows it.
    id: Revocable,
    #[command(flatten)]
    dry: Dry,
}

impl Undo {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let id = self.id;
        let missing =
            || Error::refused(format!("{id} is not revoked: `tollgate revoke list` shows what is"));
        if self.dry.dry_run {
            context.revocations().get(&id).await?.ok_or_else(missing)?;
            return context.would(&format!("delete the revocation of {id}"));
        }
        if !context.revocations().delete(&id).await? {
            return Err(missing());
        }
        let json = json!({"id": id.to_string(), "revoked": false});
        context.output.print(format!("{id} is no longer revoked"), &json)
    }
}

const EXAMPLE: &str = "\
Example:
  tollgate revoke undo 'user#5588ce756a29…'";
