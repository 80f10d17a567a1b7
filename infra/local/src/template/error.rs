//! Errors of reading a template.

use std::path::PathBuf;

/// Errors of reading a template.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file cannot be read.
    #[error("can't read `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("`{}` is not a regular file: write its content to one and name that", .0.display())]
    NotFile(PathBuf),
    /// The file is larger than a template may be.
    #[error("`{}` is larger than 1 MB", .0.display())]
    Size(PathBuf),
    /// The file is not YAML or JSON.
    #[error("`{}` is not a template: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// Parameters without a value.
    #[error("{}", without_values(.0))]
    Parameter(Vec<String>),
    /// A value that a parameter does not allow.
    #[error("parameter `{0}` must {1}")]
    Value(String, String),
    /// A name that stands for nothing.
    #[error("`{0}` is not a parameter, resource or condition of the template")]
    Reference(String),
    /// A function that is not evaluated here, or has the wrong arguments.
    #[error("`{0}` has arguments that cannot be evaluated here")]
    Function(String),
    /// A function that is not evaluated here.
    #[error("`{0}` is not evaluated here")]
    Unknown(String),
    /// An export of another stack.
    #[error("the export `{0}` of another stack is not known here")]
    Export(String),
    /// A parameter of Systems Manager or a secret, whose value is not given.
    #[error("the value of `{0}` is stored on AWS: give it by --parameter '{0}=VALUE'")]
    Stored(String),
    /// A value that AWS gives a resource.
    #[error("the value of `{0}` is not known here")]
    Physical(String),
    /// An include that is not a file of this machine.
    #[error("`{0}` is not a file here: name one beside the template")]
    Include(String),
    /// A value that takes too much to evaluate.
    #[error("`{place}` {reason}")]
    Bound {
        /// The resource, section or condition.
        place: String,
        /// The bound.
        reason: &'static str,
    },
    /// A loop that cannot be written out.
    #[error("`{place}` {reason}")]
    Loop {
        /// The loop.
        place: String,
        /// The mistake.
        reason: String,
    },
    /// A member without which it is not known what there is.
    #[error("{place} cannot be evaluated: {error}")]
    Member {
        /// The resource and its member.
        place: String,
        /// The error of its value.
        error: Box<Error>,
    },
    /// The template defines no API.
    #[error("`{}` defines no API; name a file with an API or an authorizer{more}", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// The parts that are left out, which may have one.
        more: String,
    },
}

impl Error {
    /// Returns true if the template is good on AWS, and a value of it is not known here.
    pub(super) fn is_lack(&self) -> bool {
        !matches!(
            self,
            Self::Bound { .. }
                | Self::Loop { .. }
                | Self::Value(..)
                | Self::Size(_)
                | Self::Nothing { .. }
        )
    }

    /// Names the member that it is about.
    pub(super) fn at(self, resource: &str, member: &str) -> Self {
        match self {
            error @ (Self::Bound { .. } | Self::Value(..)) => error,
            error => Self::Member { place: format!("{resource}.{member}"), error: Box::new(error) },
        }
    }

    /// The operating system's error, if there is one.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::File { source, .. } => format!(": {source}"),
            _ => String::new(),
        }
    }

    /// The text that stands in a value's place.
    pub(super) fn short(&self) -> String {
        match self {
            Self::Export(name)
            | Self::Stored(name)
            | Self::Reference(name)
            | Self::Include(name)
            | Self::Physical(name)
            | Self::Function(name)
            | Self::Unknown(name) => name.clone(),
            Self::Parameter(names) => names.join(" "),
            Self::File { path, .. } | Self::Form { path, .. } | Self::NotFile(path) => {
                path.display().to_string()
            }
            other => other.to_string(),
        }
    }
}

/// Names every parameter that has no value, with the flags to give them.
fn without_values(names: &[String]) -> String {
    let (word, has) = if names.len() == 1 { ("parameter", "has") } else { ("parameters", "have") };
    let listed = names.join("`, `");
    let flags: Vec<String> = names.iter().map(|name| format!("--parameter {name}=VALUE")).collect();
    format!("{word} `{listed}` {has} no value; add {}", flags.join(" "))
}
