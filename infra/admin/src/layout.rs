//! Tables that fit the terminal.
//!
//! A table is as wide as its cells if its reader is not a terminal, or the terminal is wide enough.
//! Else its words are wrapped. If that is not enough, each row becomes a block: its first cell, and
//! under it the others with their headings.

use std::io::IsTerminal as _;

use comfy_table::ColumnConstraint::LowerBoundary;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table, Width};
use terminal_size::terminal_size_of;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr};

use crate::output::escaped;

/// Spaces between two columns.
const GAP: usize = 2;

/// Spaces before the lines of a block that follow its first.
pub(crate) const INDENT: &str = "    ";

/// Spaces between two cells of a block.
const BETWEEN: &str = "   ";

/// The narrowest terminal that is filled.
const LEAST: usize = 20;

/// The columns of the terminal that reads the output; `None` if it is not one.
pub(crate) fn terminal() -> Option<usize> {
    let out = std::io::stdout();
    let (width, _) = terminal_size_of(&out).filter(|_| out.is_terminal())?;
    Some(usize::from(width.0).max(LEAST))
}

/// Rows in columns, the first row being the headings. Cells are escaped.
#[derive(Debug)]
pub(crate) struct Grid {
    headings: Vec<String>,
    /// The widths of the columns so far; later pages keep them.
    widths: Vec<usize>,
    width: Option<usize>,
    is_blocks: bool,
}

impl Grid {
    /// A table under these headings, of at most so many columns of the terminal.
    pub(crate) fn new(headings: &[String], width: Option<usize>) -> Self {
        let headings: Vec<_> = headings.iter().map(|it| escaped(it).into_owned()).collect();
        let widths = headings.iter().map(|heading| heading.width()).collect();
        Self { headings, widths, width, is_blocks: false }
    }

    /// Formats the next rows, with the headings if they are the first; ends with a line break.
    pub(crate) fn rows(&mut self, rows: &[Vec<String>], with_headings: bool) -> String {
        let cells = |row: &Vec<String>| row.iter().map(|it| escaped(it).into_owned()).collect();
        let mut rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
        for (at, width) in self.widths.iter_mut().enumerate() {
            let cells = rows.iter().filter_map(|row| row.get(at));
            *width = cells.map(|cell| cell.width()).fold(*width, usize::max);
        }
        let least: Vec<_> = (0..self.widths.len()).map(|at| self.longest_word(&rows, at)).collect();
        self.is_blocks |= self.width.is_some_and(|width| total(&least) > width);
        if self.is_blocks {
            return rows.iter().map(|row| self.block(row)).collect();
        }
        if with_headings {
            rows.insert(0, self.headings.clone());
        }
        let is_narrow = self.width.filter(|width| total(&self.widths) > *width);
        let mut table = Table::new();
        table.load_style(NOTHING).add_rows(&rows);
        if let Some(width) = is_narrow {
            // The gap behind the last column has no place.
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(columns(width.saturating_add(GAP)));
        }
        let widths = if is_narrow.is_some() { &least } else { &self.widths };
        for (column, width) in table.column_iter_mut().zip(widths) {
            let width = Width::Fixed(columns(width.saturating_add(GAP)));
            column.set_padding((0, columns(GAP))).set_constraint(LowerBoundary(width));
        }
        format!("{}\n", table.trim_fmt())
    }

    fn longest_word(&self, rows: &[Vec<String>], at: usize) -> usize {
        let cells = rows.iter().chain([&self.headings]).filter_map(|row| row.get(at));
        cells.flat_map(|cell| cell.split(' ')).map(UnicodeWidthStr::width).max().unwrap_or(0)
    }

    /// A row as a block. Cells that say nothing are left out.
    fn block(&self, row: &[String]) -> String {
        let width = self.width.unwrap_or(usize::MAX);
        let first = row.first().map_or("", String::as_str);
        let mut lines = wrap(first, width);
        let mut line = String::new();
        let inner = width.saturating_sub(INDENT.len());
        for (heading, cell) in self.headings.iter().zip(row).skip(1) {
            if cell.is_empty() || cell == "-" {
                continue;
            }
            let pair = format!("{} {cell}", heading.to_lowercase());
            if !line.is_empty() && line.width() + BETWEEN.len() + pair.width() > inner {
                lines.push(format!("{INDENT}{}", std::mem::take(&mut line)));
            }
            if pair.width() > inner {
                lines.extend(wrap(&pair, inner).iter().map(|part| format!("{INDENT}{part}")));
                continue;
            }
            if !line.is_empty() {
                line.push_str(BETWEEN);
            }
            line.push_str(&pair);
        }
        if !line.is_empty() {
            lines.push(format!("{INDENT}{line}"));
        }
        lines.join("\n") + "\n"
    }
}

/// Formats a table; the first row is its headings. No line break at the end.
pub(crate) fn list(rows: &[Vec<String>]) -> String {
    list_at(rows, terminal())
}

fn list_at(rows: &[Vec<String>], width: Option<usize>) -> String {
    let Some((headings, rows)) = rows.split_first() else { return String::new() };
    Grid::new(headings, width).rows(rows, true).trim_end().to_owned()
}

/// Formats names and their values; no line break at the end.
pub(crate) fn facts(rows: &[[String; 2]]) -> String {
    facts_at(rows, terminal())
}

fn facts_at(rows: &[[String; 2]], width: Option<usize>) -> String {
    let names = rows.iter().map(|[name, _]| escaped(name).width());
    let indent = names.max().unwrap_or(0).saturating_add(GAP);
    let mut lines = Vec::new();
    for [name, value] in rows {
        let (name, value) = (escaped(name), escaped(value));
        let Some(width) = width else {
            lines.push(format!("{}{value}", padded(&name, indent)));
            continue;
        };
        let room = width.saturating_sub(indent);
        let fits = value.split(' ').all(|word| word.width() <= room);
        let room = if fits { room } else { width.saturating_sub(INDENT.len()) };
        let mut label = if fits { padded(&name, indent) } else { format!("{name}\n{INDENT}") };
        for part in wrap(&value, room) {
            lines.push(format!("{label}{part}"));
            label = if fits { " ".repeat(indent) } else { INDENT.to_owned() };
        }
    }
    let lines: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

/// Breaks a text between words, and words that are longer than a line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if !line.is_empty() && line.width() + c.width().unwrap_or(0) > width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

/// A number of things, in words.
pub(crate) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn total(widths: &[usize]) -> usize {
    let columns = widths.iter().map(|width| width.saturating_add(GAP));
    columns.sum::<usize>().saturating_sub(GAP)
}

fn columns(width: usize) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|&cell| cell.to_owned()).collect()).collect()
    }

    fn widest(text: &str) -> usize {
        text.lines().map(UnicodeWidthStr::width).max().unwrap_or(0)
    }

    #[test]
    fn a_table_is_whole_where_it_fits_or_nobody_sees_it() {
        let rows = rows(&[&["ID", "NAME"], &["a", "Maria's laptop"], &["bcd", "日本"]]);
        let whole = "ID   NAME\na    Maria's laptop\nbcd  日本";
        for width in [None, Some(19), Some(80)] {
            assert_eq!(list_at(&rows, width), whole, "{width:?}");
        }
        assert_eq!(list_at(&[], None), "");
        let control = [vec!["a\nb".to_owned(), "c".to_owned()], vec![String::new(); 2]];
        assert_eq!(list_at(&control, None), "a\\u000ab  c");
    }

    #[test]
    fn words_are_wrapped_and_never_broken_in_a_table() {
        let table = rows(&[&["CODE", "TEXT"], &["unused-rule", "no client can meet this rule"]]);
        assert_eq!(
            list_at(&table, Some(28)),
            "CODE         TEXT\nunused-rule  no client can\n             meet this rule"
        );
    }

    #[test]
    fn rows_that_do_not_fit_become_blocks() {
        let id = "0123456789abcdef".repeat(4);
        let table =
            rows(&[&["ID", "STATE", "EXPIRES", "NAME"], &[&id, "enabled", "-", "Maria's laptop"]]);
        assert_eq!(
            list_at(&table, Some(70)),
            format!("{id}\n    state enabled   name Maria's laptop")
        );
        let narrow = list_at(&table, Some(30));
        assert_eq!(widest(&narrow), 30, "{narrow}");
        assert_eq!(narrow.replace(['\n', ' '], "").matches(&id).count(), 1);
    }

    #[test]
    fn later_pages_keep_the_columns() {
        let headings = ["ID", "NAME"].map(str::to_owned);
        let mut grid = Grid::new(&headings, Some(20));
        assert_eq!(grid.rows(&rows(&[&["abcdef", "x"]]), true), "ID      NAME\nabcdef  x\n");
        assert_eq!(grid.rows(&rows(&[&["a", "y"]]), false), "a       y\n");
        let long = "z".repeat(30);
        let block =
            format!("a\n{INDENT}name\n{INDENT}{}\n{INDENT}{}\n", "z".repeat(16), "z".repeat(14));
        assert_eq!(grid.rows(&rows(&[&["a", &long]]), false), block);
    }

    #[test]
    fn facts_fit_too() {
        let rows = [["id", "0123456789"], ["description", "for the orders"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        let whole = "id           0123456789\ndescription  for the orders";
        assert_eq!(facts_at(&rows, None), whole);
        assert_eq!(facts_at(&rows, Some(80)), whole);
        assert_eq!(
            facts_at(&rows, Some(22)),
            "id\n    0123456789\ndescription  for the\n             orders"
        );
    }

    #[test]
    fn every_line_fits_whatever_the_words() {
        let words = ["a", "日本語日本語日本語", "x".repeat(50).leak(), "to be or not"];
        for width in 20..60 {
            for first in words {
                for second in words {
                    let table = rows(&[&["FIRST", "SECOND"], &[first, second], &[second, first]]);
                    assert!(widest(&list_at(&table, Some(width))) <= width, "{width} {first}");
                    let facts = [[first.to_owned(), second.to_owned()]];
                    // Names are the command's own, and short.
                    assert!(first != "a" || widest(&facts_at(&facts, Some(width))) <= width);
                }
            }
        }
    }
}
