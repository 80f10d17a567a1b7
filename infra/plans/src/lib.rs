//! Puts the plans of a deployment into the table.
//!
//! CloudFormation calls it as a custom resource: the properties have `Plans`, a JSON object of
//! plans by name, `Needed`, names that must be in the table afterwards, and and for a configuration
//! in a layer `Configuration`, its path. To invoke it by hand, put these members at the top level.
//!
//! The answer's attribute `Settings` is a digest of the property `Settings`. The template puts it
//! into the description of the authorizer's version, because CloudFormation publishes a version
//! only if a property of the version changes, and cannot compute a digest itself.
//!
//! All plans are read before the first is written, so if one is wrong, nothing changes. A plan that
//! is already stored is not written again. Plans are never deleted, because callers may use them.

mod answer;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use table::{Failure, WriteError};
use throttle::{Clock, NameError, Plan, PlanError, PlanId, Plans};

pub use answer::{Answer, AnswerError, Status};

/// An event of CloudFormation's custom resources, or the properties alone.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// A custom resource.
    Resource(Box<Resource>),
    /// A plain invocation.
    Wanted(Wanted),
}

/// A custom resource (AWS CloudFormation User Guide, "Custom resource request objects").
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resource {
    request_type: String,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
    resource_properties: Wanted,
}

/// The plans that a deployment wants.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Wanted {
    /// A JSON object of plans by name, as text: CloudFormation makes every number a text.
    plans: String,
    /// Names that must be in the table afterwards.
    #[serde(default)]
    needed: Vec<String>,
    /// Path of a file that the layer must have.
    #[serde(default)]
    configuration: Option<PathBuf>,
    /// Settings of the authorizer's function, which [`Answer`] has a digest of.
    #[serde(default)]
    settings: Value,
}

/// Errors, with the plan and the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an object of plans.
    #[error("`Plans` must be a JSON object of plans by name: {0}")]
    Json(#[from] serde_json::Error),
    /// An invalid name.
    #[error("`{0}` is not a plan's name: {1}")]
    Name(String, NameError),
    /// An invalid plan.
    #[error("plan `{0}`: {1}")]
    Plan(String, PlanError),
    /// A name that is neither listed nor stored.
    #[error("no plan `{0}`: add it to `Plans`, or store it with `tollgate plan put {0}`")]
    Missing(String),
    /// The layer does not have the configuration.
    #[error(
        "no file `{0}`: the layer of `ConfigurationLayer` must have `tollgate.toml` at the top of \
         its zip"
    )]
    NoConfiguration(String),
    /// The table cannot be read.
    #[error("plan `{0}` can't be read from the table: {1}")]
    Read(String, table::Error),
    /// The table cannot be written.
    #[error("plan `{0}` can't be written: {1}")]
    Write(String, WriteError),
}

impl Error {
    /// Returns true if the table was unavailable, as it is until AWS has distributed a new role's
    /// rights.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        let (Self::Read(_, table::Error::Failure(failure))
        | Self::Write(_, WriteError::Failure(failure))) = self
        else {
            return false;
        };
        *failure != Failure::NoTable
    }
}

impl Wanted {
    /// Reads every plan.
    ///
    /// # Errors
    /// The first plan or name that is invalid.
    fn read(&self) -> Result<Vec<(PlanId, Plan)>, Error> {
        let plans: BTreeMap<String, Value> = serde_json::from_str(&self.plans)?;
        let read = plans.into_iter().map(|(name, json)| {
            let plan = Plan::from_json(json.to_string())
                .map_err(|error| Error::Plan(name.clone(), error))?;
            Ok((id(&name)?, plan))
        });
        read.collect()
    }

    /// Stores each plan that differs from the stored one, and returns the names of those.
    ///
    /// # Errors
    /// The configuration is missing, a plan is invalid, a needed one is missing, or the table is
    /// unavailable.
    pub async fn store(&self, table: &Plans, clock: &impl Clock) -> Result<Vec<String>, Error> {
        if let Some(file) = self.configuration.as_ref().filter(|file| !file.is_file()) {
            return Err(Error::NoConfiguration(file.display().to_string()));
        }
        let wanted = self.read()?;
        let mut changed = Vec::new();
        for (id, plan) in &wanted {
            let name = || id.as_str().to_owned();
            let old = table.get(id).await.map_err(|error| Error::Read(name(), error))?;
            if old.as_ref().is_some_and(|old| old.plan == *plan) {
                continue;
            }
            let version = old.map(|old| old.version);
            let put = table.put(id, plan, version, clock.now()).await;
            put.map_err(|error| Error::Write(name(), error))?;
            changed.push(name());
        }
        for name in &self.needed {
            let stored = table.get(&id(name)?).await;
            if stored.map_err(|error| Error::Read(name.clone(), error))?.is_none() {
                return Err(Error::Missing(name.clone()));
            }
        }
        Ok(changed)
    }
}

fn id(name: &str) -> Result<PlanId, Error> {
    PlanId::new(name).map_err(|error| Error::Name(name.to_owned(), error))
}
