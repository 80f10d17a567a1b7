//! What a command prints.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use serde_json::Value;

use crate::exit::Failed;

/// How the answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Text for people; its colours are for a terminal alone.
    Text,
    /// One line of JSON.
    Json,
}

impl Output {
    /// Prints the answer in the wanted form.
    pub(crate) fn print(self, text: impl Display, json: &Value) -> Result<(), Failed> {
        match self {
            Self::Text => write(format_args!("{text}\n")),
            Self::Json => write(format_args!("{json}\n")),
        }
    }
}

/// Writes to standard output, without colours where it is no terminal.
pub(crate) fn write(text: impl Display) -> Result<(), Failed> {
    let mut out = anstream::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failed::unheard()),
        Err(error) => Err(Failed::unavailable(format!("can't write the answer: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Says something beside the answer, on standard error.
pub(crate) fn note(line: impl Display) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(anstream::stderr().lock(), "tollgate: {line}");
}

/// Rows under one another, each column as wide as its widest cell; no line break at the end.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    lines(rows, &mut widths).join("\n")
}

/// The rows as lines, with columns that are at least as wide as `widths`, which grow with them.
fn lines<const N: usize>(rows: &[[String; N]], widths: &mut [usize; N]) -> Vec<String> {
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(*widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A list that is printed page by page, so that a long one needs no more memory than a page.
#[derive(Debug)]
pub(crate) struct Listing<const N: usize> {
    output: Output,
    name: &'static str,
    headings: [&'static str; N],
    widths: [usize; N],
    begun: bool,
    count: u64,
    damaged: Vec<String>,
}

impl<const N: usize> Listing<N> {
    /// A list under these headings, or in a JSON object as its member `name`.
    pub(crate) fn new(output: Output, name: &'static str, headings: [&'static str; N]) -> Self {
        Self { output, name, headings, widths: [0; N], begun: false, count: 0, damaged: Vec::new() }
    }

    /// Prints a page of rows in the wanted form, and remembers what of it was damaged.
    pub(crate) fn page(
        &mut self,
        rows: &[([String; N], Value)],
        damaged: Vec<String>,
    ) -> Result<(), Failed> {
        self.damaged.extend(damaged);
        if rows.is_empty() { Ok(()) } else { self.rows(rows) }
    }

    /// Ends the list; items that can't be read make the command fail.
    pub(crate) fn end(mut self, kind: &str) -> Result<(), Failed> {
        if !self.begun {
            self.rows(&[])?;
        }
        if self.output == Output::Json {
            let damaged = serde_json::to_value(&self.damaged).unwrap_or_default();
            write(format_args!("],\"damaged\":{damaged}}}\n"))?;
        }
        if self.damaged.is_empty() {
            return Ok(());
        }
        let names = self.damaged.join("`, `");
        Err(Failed::refused(format!("damaged {kind}, to be deleted in the table: `{names}`")))
    }

    fn rows(&mut self, rows: &[([String; N], Value)]) -> Result<(), Failed> {
        let begins = !std::mem::replace(&mut self.begun, true);
        let mut text = String::new();
        match self.output {
            Output::Json => {
                if begins {
                    text = format!("{{\"{}\":[", self.name);
                }
                for (_, json) in rows {
                    if self.count > 0 {
                        text.push(',');
                    }
                    text.push_str(&json.to_string());
                    self.count = self.count.saturating_add(1);
                }
            }
            Output::Text => {
                let headings = begins.then(|| self.headings.map(str::to_owned));
                let rows = rows.iter().map(|(cells, _)| cells.clone());
                let cells: Vec<_> = headings.into_iter().chain(rows).collect();
                for line in lines(&cells, &mut self.widths) {
                    text.push_str(&line);
                    text.push('\n');
                }
            }
        }
        write(text)
    }
}
