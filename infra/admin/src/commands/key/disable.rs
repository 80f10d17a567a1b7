//! `tollgate key disable`.

use clap::Args;
use table::WriteError;

use super::{Which, json, missing};
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;

/// Disable a key: it is refused from then on.
///
/// Authorizers notice within the time for which they keep keys, a minute unless configured.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Disable {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    dry: Dry,
}

impl Disable {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let digest = self.which.digest()?;
        if self.dry.dry_run {
            let there = context.keys().get(&digest).await?.is_some();
            return if there { context.would("disable the key") } else { Err(missing(context)) };
        }
        let record =
            context.keys().set_enabled(&digest, false).await.map_err(|error| match error {
                WriteError::Missing { .. } => missing(context),
                error => error.into(),
            })?;
        let text = format!("the key `{digest}` is disabled");
        context.output.print(text, &json(&record, context.now()))
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate key disable 55ddd3ecfee1e15f04ac4a1c79b5e6ef9fb7d2f15d8c3f4d7cb7d9db3f7ce5b4
  printenv API_KEY | tollgate key disable -";
