//! `tollgate token`.

mod inspect;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Error;

/// Verify a token as the authorizer does.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    Inspect(inspect::Inspect),
}

impl Token {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Inspect(it) => it.run(context).await,
        }
    }
}
