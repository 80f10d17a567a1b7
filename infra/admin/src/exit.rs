//! Why a command ends without having done its work, and with which exit code.

use std::io::Write;
use std::process::ExitCode;

use throttle::table::{TableError, WriteError};
use throttle::{Failure, PlanError, StoreError};

/// A command that wasn't done: its exit code and one line for people.
#[derive(Debug)]
pub(crate) struct Failed {
    code: u8,
    line: String,
}

impl Failed {
    /// What was asked for is refused, or isn't there.
    pub(crate) fn refused(line: impl Into<String>) -> Self {
        Self { code: 1, line: line.into() }
    }

    /// What was typed can't be done.
    pub(crate) fn misuse(line: impl Into<String>) -> Self {
        Self { code: 2, line: line.into() }
    }

    /// The table can't be had, or the answer can't be given.
    pub(crate) fn unavailable(line: impl Into<String>) -> Self {
        Self { code: 3, line: line.into() }
    }

    /// Writes the line to standard error.
    pub(crate) fn report(self) -> ExitCode {
        // Whatever is in it, it stays one line.
        let line: String =
            self.line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // Nobody is left to tell if this fails.
        let _ = writeln!(std::io::stderr(), "tollgate: {line}");
        ExitCode::from(self.code)
    }
}

impl From<PlanError> for Failed {
    fn from(error: PlanError) -> Self {
        Self::refused(error.to_string())
    }
}

impl From<TableError> for Failed {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Failure(failure) => failure.into(),
            TableError::NotReady { .. } => Self::unavailable(error.to_string()),
            _ => Self::refused(error.to_string()),
        }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Failure(failure) => failure.into(),
            _ => Self::refused(error.to_string()),
        }
    }
}

impl From<WriteError> for Failed {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Store(error) => error.into(),
            _ => Self::refused(error.to_string()),
        }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        let line = failure.to_string();
        match failure {
            Failure::Unconfigured => Self::misuse(line),
            failure if failure.may_pass() => Self::unavailable(line),
            _ => Self::refused(line),
        }
    }
}
