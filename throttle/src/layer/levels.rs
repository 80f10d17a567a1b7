//! The levels of a request: its subject, and parents such as a tenant.

use std::iter;

use http::request;
use serde_json::Value;

use super::fields::Style;
use super::gate::Gate;
use super::plans::Choice;
use super::subject::{EVERYONE, MARK};
use super::{Authorizer, By, Plans, Refused};
use crate::id::{PlanId, Subject};
use crate::request::MAX_PARENTS;

/// A level above the subject, such as its tenant.
#[derive(Clone, Debug)]
pub(super) struct Parent {
    pub(super) name: String,
    pub(super) by: By,
    pub(super) plans: Plans,
}

/// A request's subject or one of its parents, its plan, and the style of its limits' names.
pub(super) struct Found {
    pub(super) subject: Subject,
    pub(super) choice: Choice,
    pub(super) style: Style,
}

impl Gate {
    /// Finds the subject and its parents, each with its plan.
    pub(super) async fn levels(
        &self,
        parts: &request::Parts,
    ) -> Result<(Found, Vec<Found>), Refused> {
        if let Some(mistake) = &self.mistake {
            return Err(Refused::misconfigured(mistake.clone()));
        }
        let subject = match &self.name {
            Some(name) => named(name, &self.by, parts)?,
            None => self.by.find(parts).map_err(Refused::unidentified)?,
        };
        let mut parents = match &self.within {
            Some(authorizer) => self.of_authorizer(authorizer, parts)?,
            None => Vec::new(),
        };
        if parents.iter().any(|it| it.subject == subject) {
            return Err(Refused::unidentified(self.by.repeated()));
        }
        let own = self.found(parts, subject, &self.plans, self.style.clone()).await?;
        for Parent { name, by, plans } in &self.parents {
            let subject = named(name, by, parts)?;
            if parents.iter().any(|it| it.subject == subject) {
                return Err(Refused::unidentified(by.repeated()));
            }
            parents.push(self.found(parts, subject, plans, self.style.within(name)).await?);
        }
        Ok((own, parents))
    }

    /// Returns true if the service itself names this plan, not a caller or a table.
    pub(super) fn names_plan(&self, plan: &PlanId) -> bool {
        let parents = self.parents.iter().map(|it| &it.plans);
        iter::once(&self.plans).chain(parents).any(|it| it.is_default(plan))
    }

    /// The subject of a level, with its plan.
    async fn found(
        &self,
        parts: &request::Parts,
        subject: Subject,
        plans: &Plans,
        style: Style,
    ) -> Result<Found, Refused> {
        let choice = plans.choose(parts, &subject).await;
        let choice = choice.map_err(|error| Refused::failed(error.into(), &self.style))?;
        Ok(Found { subject, choice, style })
    }

    /// The parents that the authorizer in front has used, with their plans; empty if it names none.
    fn of_authorizer(
        &self,
        authorizer: &Authorizer,
        parts: &request::Parts,
    ) -> Result<Vec<Found>, Refused> {
        let wrong =
            || Refused::unidentified(By::authorizer(authorizer.clone(), PARENTS).malformed());
        let Some(text) = authorizer.own(parts, PARENTS).map_err(|_| wrong())? else {
            return Ok(Vec::new());
        };
        // A mapped header without a value may arrive empty.
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let list = (text.len() <= MAX_TEXT).then(|| serde_json::from_str(&text).ok()).flatten();
        let list: Vec<Value> = list.ok_or_else(wrong)?;
        let mut parents: Vec<Found> = Vec::new();
        for it in &list {
            let member = |name: &str| it.get(name).and_then(Value::as_str);
            let subject = member("subject").and_then(|text| Subject::new(text).ok());
            let plan = member("plan").and_then(|text| PlanId::new(text).ok());
            let (Some(name), Some(subject), Some(plan)) = (member("name"), subject, plan) else {
                return Err(wrong());
            };
            if parents.len() == MAX_PARENTS || parents.iter().any(|it| it.subject == subject) {
                return Err(wrong());
            }
            let name = if name == ALL { EVERYONE } else { name };
            let mut style = self.style.within(name);
            // Several assigned parents have one name.
            if parents.iter().any(|it| it.style == style) {
                style = self.style.within(&format!("{name}-{}", parents.len().saturating_add(1)));
            }
            parents.push(Found { subject, choice: Choice { plan, instead: None }, style });
        }
        Ok(parents)
    }
}

/// The subject of a parent or of a layer with a name, such as `#tenant#acme`.
fn named(name: &str, by: &By, parts: &request::Parts) -> Result<Subject, Refused> {
    let found = by.find(parts).map_err(Refused::unidentified)?;
    let subject = Subject::new(format!("{MARK}{name}{MARK}{}", found.as_str()));
    subject.map_err(|error| Refused::unidentified(by.unusable(&error)))
}

/// The value of an authorizer's context that lists the parents, as JSON.
const PARENTS: &str = "parents";

/// The authorizer's name for the parent of all callers.
const ALL: &str = "*";

/// The longest list: three parents, each with a name, a subject and a plan.
const MAX_TEXT: usize = 8 * 1024;
