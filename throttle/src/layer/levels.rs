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
        let own = self.level(parts, &self.by, &self.plans).await?;
        let mut parents: Vec<Found> = Vec::new();
        for Parent { by, plans, .. } in &self.parents {
            let parent = self.level(parts, by, plans).await?;
            // Otherwise a caller with the name of its tenant could cause an error.
            if iter::once(&own).chain(&parents).any(|it| it.subject == parent.subject) {
                return Err(Refused::unidentified(by.repeated()));
            }
            parents.push(parent);
        }
        Ok((own, parents))
    }

    async fn level(
        &self,
        parts: &request::Parts,
        by: &By,
        plans: &Plans,
    ) -> Result<Found, Refused> {
        let subject = by.find(parts).map_err(Refused::unidentified)?;
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
