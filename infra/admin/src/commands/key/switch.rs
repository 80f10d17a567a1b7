//! `tollgate key enable` and `disable`.

use clap::Args;
use table::WriteError;

use super::{Which, json, missing};
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;

#[derive(Args, Debug)]
pub(crate) struct Switch {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    dry: Dry,
}

impl Switch {
    pub(crate) async fn run(self, context: &Context, enabled: bool) -> Result<(), Error> {
        let digest = self.which.digest()?;
        let verb = if enabled { "enable" } else { "disable" };
        if self.dry.dry_run {
            let exists = context.keys().get(&digest).await?.is_some();
            return if exists {
                context.would(&format!("{verb} the key"))
            } else {
                Err(missing(context))
            };
        }
        let switched = context.keys().set_enabled(&digest, enabled).await;
        let record = switched.map_err(|error| match error {
            WriteError::Missing { .. } => missing(context),
            error => error.into(),
        })?;
        let text = format!("the key `{digest}` is {verb}d");
        context.output.print(text, &json(&record, context.now()))
    }
}
