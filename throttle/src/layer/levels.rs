//! The levels of a request: its subject, and parents such as a tenant.

use std::iter;

use http::request;

use super::fields::Style;
use super::gate::Gate;
use super::plans::Choice;
use super::{By, Plans, Refused};
use crate::id::Subject;

/// A level above the subject, such as its tenant.
#[derive(Clone, Debug)]
pub(super) struct Parent {
    pub(super) name: String,
    pub(super) by: By,
    pub(super) plans: Plans,
}

/// A request's subject or one of its parents, and its plan.
pub(super) struct Found {
    pub(super) subject: Subject,
    pub(super) choice: Choice,
}

impl Gate {
    /// Finds the subject and its parents, each with its plan.
    pub(super) async fn levels(
        &self,
        parts: &request::Parts,
    ) -> Result<(Found, Vec<Found>), Refused> {
        let subject = self.by.find(parts).map_err(Refused::unidentified)?;
        // A caller must not name itself like a parent, and spend its tokens.
        if !self.parents.is_empty() && subject.as_str().starts_with(MARK) {
            return Err(Refused::unidentified(self.by.marked()));
        }
        let own = self.found(parts, subject, &self.plans).await?;
        let mut parents: Vec<Found> = Vec::new();
        for Parent { name, by, plans } in &self.parents {
            let found = by.find(parts).map_err(Refused::unidentified)?;
            let found = found.as_str();
            let subject = Subject::new(format!("{MARK}{name}{MARK}{found}"));
            let subject = subject.map_err(|error| Refused::unidentified(by.unusable(&error)))?;
            if parents.iter().any(|it| it.subject == subject) {
                return Err(Refused::unidentified(by.repeated()));
            }
            parents.push(self.found(parts, subject, plans).await?);
        }
        Ok((own, parents))
    }

    /// The subject of a level, with its plan.
    async fn found(
        &self,
        parts: &request::Parts,
        subject: Subject,
        plans: &Plans,
    ) -> Result<Found, Refused> {
        let choice = plans.choose(parts, &subject).await;
        let choice = choice.map_err(|error| Refused::failed(error.into(), &self.style))?;
        Ok(Found { subject, choice })
    }

    /// The style of each level, the subject's own first.
    pub(super) fn styles(&self) -> impl Iterator<Item = Style> {
        let parents = self.parents.iter().map(|parent| self.style.within(&parent.name));
        iter::once(self.style.clone()).chain(parents)
    }
}

/// The beginning of a parent's subject, `#tenant#acme`, which no caller within it may have.
const MARK: char = '#';
