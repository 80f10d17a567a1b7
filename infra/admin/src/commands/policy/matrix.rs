//! `tollgate policy matrix`.

use crate::cli::Source;
use crate::exit::Failed;
use crate::output::Output;

pub(crate) fn run(source: &Source, output: Output) -> Result<(), Failed> {
    let matrix = source.config()?.rules.matrix();
    let json = serde_json::to_value(&matrix).unwrap_or_default();
    output.print(matrix.to_string().trim_end(), &json)
}
