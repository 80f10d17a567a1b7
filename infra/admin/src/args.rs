//! Arguments that several commands have.

use std::path::{Path, PathBuf};

use authorizer::Config;
use clap::Args;
use throttle::{PlanId, Subject};

use crate::exit::Failed;

pub(crate) fn plan_id(text: &str) -> Result<PlanId, String> {
    PlanId::new(text).map_err(|error| error.to_string())
}

pub(crate) fn subject(text: &str) -> Result<Subject, String> {
    Subject::new(text).map_err(|error| error.to_string())
}

#[derive(Args, Debug)]
pub(crate) struct Source {
    /// The authorizer's configuration, or - for standard input.
    pub(crate) file: PathBuf,
}

/// Reads the authorizer's configuration from a file.
pub(crate) fn config(file: &Path) -> Result<Config, Failed> {
    Config::read(file).map_err(|error| Failed::misuse(error.to_string()))
}

#[derive(Args, Debug)]
pub(crate) struct ConfigFile {
    /// The authorizer's configuration; the environment's, as the authorizer reads it, unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl ConfigFile {
    pub(crate) fn read(&self) -> Result<Config, Failed> {
        match &self.config {
            Some(file) => config(file),
            None => Config::from_env()
                .map_err(|error| Failed::misuse(format!("{error}; or give a file by `--config`"))),
        }
    }
}
