//! What a command prints.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use serde_json::Value;

use crate::exit::Failed;

/// How the answer is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Output {
    /// Text for people.
    Text,
    /// One line of JSON.
    Json,
}

impl Output {
    /// Prints the answer in the wanted form.
    pub(crate) fn print(self, text: impl Display, json: &Value) -> Result<(), Failed> {
        let mut out = std::io::stdout().lock();
        let written = match self {
            Self::Text => writeln!(out, "{text}"),
            Self::Json => writeln!(out, "{json}"),
        };
        match written.and_then(|()| out.flush()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failed::unavailable(format!("can't write the answer: {error}"))),
            Ok(()) => Ok(()),
        }
    }
}

/// Rows under one another, each column as wide as its widest cell; no line break at the end.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
