//! Mistakes in the settings of a layer.

use std::iter;

use super::gate::Gate;
use crate::id::checked;
use crate::plan::MAX_METERS;
use crate::request::MAX_PARENTS;

/// A mistake in the settings of a [`Limits`](super::Limits), with the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LimitsError(String);

impl Gate {
    /// Checks the settings that are the same for all requests.
    pub(super) fn check(&self) -> Result<(), LimitsError> {
        self.check_names()?;
        self.check_meters()?;
        if self.parents.len() > MAX_PARENTS {
            return mistake(format!("more than {MAX_PARENTS} parents: leave out one"));
        }
        if self.name.is_some() && self.authorizer.is_some() {
            return mistake(
                "`counted_by` in a layer with a name, in whose buckets the authorizer does not \
                 count: leave out one of the two",
            );
        }
        let sources = iter::once(&self.by).chain(self.parents.iter().map(|it| &it.by));
        let authorizers = self.authorizer.iter().chain(&self.within);
        let wrong = sources.filter_map(|by| by.wrong().map(str::to_owned));
        match wrong.chain(authorizers.filter_map(super::Authorizer::wrong)).next() {
            Some(wrong) => mistake(wrong),
            None => Ok(()),
        }
    }

    /// Checks the names that begin subjects.
    fn check_names(&self) -> Result<(), LimitsError> {
        let mut names: Vec<&String> = Vec::new();
        for name in self.name.iter().chain(self.parents.iter().map(|it| &it.name)) {
            let shown = name.escape_debug();
            if let Err(error) = checked(name.clone(), MAX_NAME) {
                return mistake(format!("the name `{shown}` of a layer or a parent {error}"));
            }
            if name.contains('#') {
                return mistake(format!(
                    "the name `{shown}` of a layer or a parent has a `#`, which ends such names: \
                     leave it out"
                ));
            }
            if names.contains(&name) {
                return mistake(format!(
                    "`{shown}` names a layer and its parent, or two parents, whose callers would \
                     share buckets: choose another name"
                ));
            }
            names.push(name);
        }
        Ok(())
    }

    fn check_meters(&self) -> Result<(), LimitsError> {
        for (at, it) in self.meters.iter().enumerate() {
            let meter = it.meter;
            if meter.is_requests() {
                return mistake("`requests` is not a named meter: set its amount by `cost`");
            }
            if self.meters.iter().take(at).any(|other| other.meter == meter) {
                return mistake(format!("the meter `{meter}` is set twice: keep one"));
            }
        }
        if self.meters.len() > MAX_METERS {
            return mistake(format!("more than {MAX_METERS} meters: leave out one"));
        }
        Ok(())
    }
}

fn mistake<T>(text: impl Into<String>) -> Result<T, LimitsError> {
    Err(LimitsError(text.into()))
}

/// The longest name of a layer or a parent, in bytes.
const MAX_NAME: usize = 128;
