//! Lists that are printed page by page.

use serde_json::Value;

use crate::error::Error;
use crate::layout::{Grid, terminal};
use crate::output::{Output, write};

/// A list that is printed page by page, so that a long one needs no more memory than a page.
#[derive(Debug)]
pub(crate) struct Listing<const N: usize> {
    output: Output,
    name: &'static str,
    grid: Grid,
    begun: bool,
    count: u64,
    damaged: Vec<String>,
}

impl<const N: usize> Listing<N> {
    /// A list under these headings, or in a JSON object as its member `name`.
    pub(crate) fn new(output: Output, name: &'static str, headings: [&'static str; N]) -> Self {
        let grid = Grid::new(&headings.map(str::to_owned), terminal());
        Self { output, name, grid, begun: false, count: 0, damaged: Vec::new() }
    }

    /// Prints a page of rows in the wanted form, and remembers what of it was damaged.
    pub(crate) fn page(
        &mut self,
        rows: &[([String; N], Value)],
        damaged: Vec<String>,
    ) -> Result<(), Error> {
        self.damaged.extend(damaged);
        if rows.is_empty() { Ok(()) } else { self.rows(rows) }
    }

    /// Ends the list; items that can't be read make the command fail.
    pub(crate) fn end(mut self, kind: &str) -> Result<(), Error> {
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
        Err(Error::refused(format!("damaged {kind}: delete their items in the table: `{names}`")))
    }

    fn rows(&mut self, rows: &[([String; N], Value)]) -> Result<(), Error> {
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
                let rows: Vec<_> = rows.iter().map(|(cells, _)| cells.to_vec()).collect();
                text = self.grid.rows(&rows, begins);
            }
        }
        write(text)
    }
}
