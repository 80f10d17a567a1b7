//! `tollgate table`.

mod create;
mod status;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Error;

/// Create and check the table.
#[derive(Debug, Subcommand)]
pub(crate) enum Table {
    /// Create the table, or check the one that exists.
    #[command(after_help = "Example:\n  tollgate table create --table tollgate-dev")]
    Create,
    /// Show if the table exists and has the expected schema.
    #[command(after_help = "Example:\n  tollgate table status --json")]
    Status,
}

impl Table {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Create => create::run(context).await,
            Self::Status => status::run(context).await,
        }
    }
}
