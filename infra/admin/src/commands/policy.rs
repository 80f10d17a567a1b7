//! `tollgate policy`.

mod check;
mod diff;
mod evaluate;
mod explain;
mod import;
mod lint;
mod matrix;
mod operations;

use std::path::Path;

use authorizer::{Config, ConfigError};
use clap::Subcommand;

use crate::args::Source;
use crate::error::Error;
use crate::output::Output;
use crate::read::{place, read};

/// Check, compare and explain rules, and make them from an API. Needs no table.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Check(check::Check),
    Lint(lint::Lint),
    Explain(explain::Explain),
    Matrix(matrix::Matrix),
    Diff(diff::Diff),
    Import(import::Import),
    Evaluate(evaluate::Evaluate),
}

impl Policy {
    pub(crate) fn run(self, output: Output) -> Result<(), Error> {
        match self {
            Self::Check(it) => it.run(output),
            Self::Lint(it) => it.run(output),
            Self::Explain(it) => it.run(output),
            Self::Matrix(it) => it.run(output),
            Self::Diff(it) => it.run(output),
            Self::Import(it) => it.run(output),
            Self::Evaluate(it) => it.run(output),
        }
    }
}

/// The most bytes that a configuration may have, as the authorizer reads it.
const MOST: u64 = 256 * 1024;

impl Source {
    /// Reads the configuration; what is wrong with it is misuse, on a line with its place.
    pub(crate) fn config(&self) -> Result<Config, Error> {
        let wrong = |error: ConfigError| Error::misuse(error.to_string());
        if self.file != Path::new("-") {
            return Config::read(&self.file).map_err(wrong);
        }
        self.text_and_config().map(|(_, config)| config)
    }

    /// Reads the configuration and its text.
    fn text_and_config(&self) -> Result<(String, Config), Error> {
        let place = place(&self.file);
        let text = String::from_utf8(read(&self.file, MOST)?)
            .map_err(|_| Error::misuse(format!("{place} is not UTF-8: save the file as UTF-8")))?;
        let config = Config::parse(&text, &place).map_err(|it| Error::misuse(it.to_string()))?;
        Ok((text, config))
    }
}
