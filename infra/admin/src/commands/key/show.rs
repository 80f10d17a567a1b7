//! `tollgate key show`.

use clap::Args;

use super::{Which, json, text};
use crate::context::Context;
use crate::error::Error;

/// Show a key's details, never the key.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Show {
    #[command(flatten)]
    which: Which,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let (record, now) = (self.which.record(context).await?, context.now());
        context.output.print(text(&record, now), &json(&record, now))
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate key show 55ddd3ecfee1…
  printenv API_KEY | tollgate key show -";
