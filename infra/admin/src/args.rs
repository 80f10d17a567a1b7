//! Arguments that several commands have.

use std::path::PathBuf;

use clap::Args;
use throttle::{PlanId, Subject};

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
