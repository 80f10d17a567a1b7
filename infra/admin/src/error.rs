//! Errors of commands, with their exit codes.

use std::fmt::Display;

use table::{Failure, ParentError, SchemaError, WriteError};
use throttle::{GrantError, PlanError};

/// Error of a command: its exit code, and its messages for people.
#[derive(Debug)]
pub(crate) struct Error {
    code: u8,
    lines: Vec<String>,
}

impl Error {
    /// The request is refused, or its object does not exist.
    pub(crate) fn refused(line: impl Into<String>) -> Self {
        Self { code: 1, lines: vec![line.into()] }
    }

    /// Some rows of a file were not imported, for these reasons; the others are stored.
    pub(crate) fn rows(reasons: Vec<String>, total: usize, dry_run: bool) -> Self {
        let (count, mut lines) = (reasons.len(), reasons);
        let others = total.saturating_sub(count);
        let was = match (dry_run, count) {
            (true, _) => "would not be",
            (false, 1) => "was not",
            (false, _) => "were not",
        };
        let stored = match (dry_run, others) {
            (true, _) => "would be stored",
            (false, 1) => "is stored",
            (false, _) => "are stored",
        };
        lines.push(format!(
            "{count} of {total} rows {was} imported (see above); the other {others} {stored}."
        ));
        Self { code: 1, lines }
    }

    /// The same, after lines on what was wrong before.
    pub(crate) fn following(mut self, lines: Vec<String>) -> Self {
        self.lines.splice(..0, lines);
        self
    }

    /// Both errors: the code is the greater one.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.code = self.code.max(other.code);
        self.lines.extend(other.lines);
        self
    }

    /// Returns true if some rows were not imported, and the others are stored.
    pub(crate) const fn is_partial(&self) -> bool {
        self.code == 1
    }

    /// The command line or a file is wrong.
    pub(crate) fn misuse(line: impl Into<String>) -> Self {
        Self { code: 2, lines: vec![line.into()] }
    }

    /// The table is unavailable, or the answer cannot be printed.
    pub(crate) fn unavailable(line: impl Into<String>) -> Self {
        Self { code: 3, lines: vec![line.into()] }
    }

    /// The reader closed the pipe: not an error, and nothing is left to do.
    pub(crate) fn unheard() -> Self {
        Self { code: 0, lines: Vec::new() }
    }

    /// The same, with what came before it: what was done and what was not.
    pub(crate) fn after(mut self, what: impl Display) -> Self {
        if let Some(line) = self.lines.first_mut() {
            *line = format!("{what}: {line}");
        }
        self
    }

    /// The same, with other words for these ones.
    pub(crate) fn reworded(mut self, words: &str, others: &str) -> Self {
        for line in &mut self.lines {
            *line = line.replace(words, others);
        }
        self
    }

    /// The exit code that it ends with.
    pub(crate) const fn code(&self) -> u8 {
        self.code
    }

    /// The message, in one line.
    pub(crate) fn line(&self) -> String {
        self.lines.join("; ")
    }

    /// The messages, one a line.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }
}

/// Error of a write or look-up: of one row, or of the whole table.
#[derive(Debug)]
pub(crate) enum RowError {
    /// One item is wrong, or was changed meanwhile: the next may be written all the same.
    Row(String),
    /// The table is unavailable, or refuses: no other row can be written either.
    Table(Error),
}

impl From<WriteError> for RowError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict { .. } | WriteError::Missing { .. } | WriteError::Damaged(_) => {
                Self::Row(error.to_string())
            }
            error => Self::Table(error.into()),
        }
    }
}

impl From<table::Error> for RowError {
    fn from(error: table::Error) -> Self {
        WriteError::from(error).into()
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        Self::misuse(error.to_string())
    }
}

impl From<SchemaError> for Error {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Failure(failure) => failure.into(),
            SchemaError::NotReady { .. } => Self::unavailable(error.to_string()),
            _ => Self::refused(error.to_string()),
        }
    }
}

impl From<table::Error> for Error {
    fn from(error: table::Error) -> Self {
        match error {
            table::Error::Failure(failure) => failure.into(),
            _ => Self::refused(error.to_string()),
        }
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Failure(failure) => failure.into(),
            _ => Self::refused(error.to_string()),
        }
    }
}

impl From<ParentError> for Error {
    fn from(error: ParentError) -> Self {
        match error {
            ParentError::Write(error) => error.into(),
            _ => Self::refused(error.to_string()),
        }
    }
}

impl From<GrantError> for Error {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Table(error) => error.into(),
            GrantError::Id(_) => Self::misuse(error.to_string()),
            _ => Self::refused(error.to_string()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let line = failure.to_string();
        match failure {
            Failure::Unconfigured => Self::misuse(line),
            failure if failure.may_pass() => Self::unavailable(line),
            _ => Self::refused(line),
        }
    }
}
