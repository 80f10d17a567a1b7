//! `tollgate policy matrix`.

use clap::Args;

use crate::args::Source;
use crate::error::Error;
use crate::output::Output;

/// Show who may call what: each scope and group that a rule names against each route.
///
/// `partly` is what hangs on more than the column knows: a claim, a client, a stage, another
/// scope or group.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tollgate policy matrix tollgate.toml")]
pub(crate) struct Matrix {
    #[command(flatten)]
    source: Source,
}

impl Matrix {
    pub(crate) fn run(self, output: Output) -> Result<(), Error> {
        let matrix = self.source.config()?.rules.matrix();
        let json = serde_json::to_value(&matrix).unwrap_or_default();
        output.print(matrix.to_string().trim_end(), &json)
    }
}
