//! Functions of a template: their settings, and where their code is.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of a function that matter here.
#[derive(Clone, Debug, Default)]
pub(crate) struct FunctionSettings {
    /// The name that the template gives; without one the logical id counts.
    pub(crate) name: Option<String>,
    pub(crate) memory_mb: Option<u32>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) variables: Vec<(String, String)>,
    /// The names of the variables whose values are not known here.
    pub(crate) unknown: Vec<String>,
    /// True if it has layers, which are not applied here.
    pub(crate) has_layers: bool,
    /// The code, if it is in the template itself.
    pub(crate) inline: Option<Inline>,
    /// The code, if it is in a folder of this machine.
    pub(crate) code: Option<Code>,
}

/// The code of a function that is in the template.
#[derive(Clone, Debug)]
pub(crate) struct Inline {
    pub(crate) text: String,
    pub(crate) handler: String,
    pub(crate) runtime: String,
}

/// The code of a function, as it is before it is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Code {
    /// The folder that `CodeUri` names.
    pub(crate) folder: PathBuf,
    pub(crate) handler: String,
    pub(crate) runtime: String,
    /// SAM's `BuildMethod`.
    pub(crate) build: Option<String>,
    /// The executable that `BuildProperties` name.
    pub(crate) binary: Option<String>,
    /// True if it is of the template itself.
    pub(crate) is_inline: bool,
}
