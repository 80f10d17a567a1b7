//! `tollgate plan`.

mod delete;
mod export;
pub(crate) mod import;
mod limits;
mod list;
mod put;
mod show;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Error;

/// Store, list, import and export plans.
#[derive(Debug, Subcommand)]
pub(crate) enum Plan {
    Put(put::Put),
    Show(show::Show),
    List(list::List),
    Delete(delete::Delete),
    Import(import::Import),
    Export(export::Export),
}

impl Plan {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Put(it) => it.run(context).await,
            Self::Show(it) => it.run(context).await,
            Self::List(it) => it.run(context).await,
            Self::Delete(it) => it.run(context).await,
            Self::Import(it) => it.run(context).await,
            Self::Export(it) => it.run(context).await,
        }
    }
}
