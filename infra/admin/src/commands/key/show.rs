//! `tollgate key show`.

use clap::Args;

use super::{Which, json, text};
use crate::context::Context;
use crate::error::Error;

/// Show what is said about a key: never the key.
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
  tollgate key show 55ddd3ecfee1e15f04ac4a1c79b5e6ef9fb7d2f15d8c3f4d7cb7d9db3f7ce5b4
  printenv API_KEY | tollgate key show -";
