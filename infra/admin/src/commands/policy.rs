//! `tollgate policy`.

pub(super) mod check;
pub(super) mod explain;
pub(super) mod lint;
pub(super) mod matrix;

use std::path::Path;

use authorizer::{Config, ConfigError};

use crate::cli::Source;
use crate::commands::read;
use crate::exit::Failed;

/// The most bytes that a configuration may have, as the authorizer reads it.
const MOST: u64 = 256 * 1024;

impl Source {
    /// Reads the configuration; what is wrong with it is misuse, on a line with its place.
    fn config(&self) -> Result<Config, Failed> {
        let wrong = |error: ConfigError| Failed::misuse(error.to_string());
        if self.file != Path::new("-") {
            return Config::read(&self.file).map_err(wrong);
        }
        let text = String::from_utf8(read(&self.file, MOST)?)
            .map_err(|_| Failed::misuse("standard input is not UTF-8: save the file as UTF-8"))?;
        Config::parse(&text, "standard input").map_err(wrong)
    }
}
