//! `tollgate key enable`.

use clap::Args;
use table::WriteError;

use super::{Which, json, missing};
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;

/// Enable a key that was disabled.
///
/// Authorizers notice within the time for which they keep keys, a minute unless configured.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Enable {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    dry: Dry,
}

impl Enable {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let digest = self.which.digest()?;
        if self.dry.dry_run {
            let there = context.keys().get(&digest).await?.is_some();
            return if there { context.would("enable the key") } else { Err(missing(context)) };
        }
        let record =
            context.keys().set_enabled(&digest, true).await.map_err(|error| match error {
                WriteError::Missing { .. } => missing(context),
                error => error.into(),
            })?;
        let text = format!("the key `{digest}` is enabled");
        context.output.print(text, &json(&record, context.now()))
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate key enable 55ddd3ecfee1e15f04ac4a1c79b5e6ef9fb7d2f15d8c3f4d7cb7d9db3f7ce5b4
  printenv API_KEY | tollgate key enable -";
