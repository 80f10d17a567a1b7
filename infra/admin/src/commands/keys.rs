//! `tollgate keys`.

mod fetch;

use clap::Subcommand;

use crate::error::Error;
use crate::output::Output;

/// Fetch an issuer's public keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    Fetch(fetch::Fetch),
}

impl Keys {
    pub(crate) async fn run(self, output: Output) -> Result<(), Error> {
        match self {
            Self::Fetch(it) => it.run(output).await,
        }
    }
}
