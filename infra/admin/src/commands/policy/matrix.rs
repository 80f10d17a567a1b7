//! `tollgate policy matrix`.

use clap::Args;

use crate::args::Source;
use crate::error::Error;
use crate::layout::{list, terminal};
use crate::output::Output;

/// Show which routes each scope and group may call.
///
/// `partly`: depends on something else, such as a claim, a client, a stage, or another scope or
/// group.
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
        output.print(text(&matrix), &json)
    }
}

/// The table, in blocks if the terminal is too narrow for it.
fn text(matrix: &policy::Matrix) -> String {
    let text = matrix.to_string();
    if terminal().is_none_or(|width| text.lines().all(|line| line.chars().count() <= width)) {
        return text.trim_end().to_owned();
    }
    let holders = matrix.holders.iter().map(ToString::to_string);
    let mut rows = vec![std::iter::once("ROUTE".to_owned()).chain(holders).collect()];
    rows.extend(matrix.rows.iter().map(|row| {
        let cells = row.cells.iter().map(ToString::to_string);
        std::iter::once(row.route.to_string()).chain(cells).collect::<Vec<_>>()
    }));
    list(&rows)
}
