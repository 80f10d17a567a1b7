//! Hierarchies of subjects: the levels that a request meets, and the subjects within one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;

use authorizer::{Config, assumed_parents, is_of_parent};
use serde_json::{Map, Value, json};
use table::{Assignment, Chain, Page};
use throttle::{MAX_PARENTS, Subject};

use crate::context::Context;
use crate::error::Error;
use crate::pages::{each_page, first_pages};

/// The levels above a subject, nearest first: the assigned parents, then the configured ones.
#[derive(Debug)]
pub(crate) struct Levels {
    pub(crate) parents: Vec<Level>,
    /// The reason why requests of the subject are refused, with the chain and the fix.
    pub(crate) problem: Option<String>,
}

/// A parent of a subject.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// The parent; `None` if a claim names it, and the caller's token is not known.
    pub(crate) subject: Option<String>,
    pub(crate) plan: Option<String>,
    /// The entry of `parents` in the configuration that adds it; `None` if it is assigned.
    pub(crate) entry: Option<String>,
}

impl Level {
    /// The parent in a sentence.
    pub(crate) fn name(&self) -> String {
        match (&self.subject, &self.entry) {
            (Some(subject), _) => format!("`{subject}`"),
            (None, entry) => format!("the claim `{}`", entry.as_deref().unwrap_or_default()),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let Self { subject, plan, entry } = self;
        let mut json = json!({"subject": subject, "plan": plan});
        if let (Some(entry), Some(members)) = (entry, json.as_object_mut()) {
            members.insert("configured".to_owned(), entry.as_str().into());
        }
        json
    }
}

impl Levels {
    /// The levels of a subject with these assigned parents, as a request meets them.
    ///
    /// `claims` are those of the caller's token, if they are known. A configured parent has the
    /// plan of its entry here: see [`read_plans`](Self::read_plans).
    pub(crate) fn of(
        chain: &Chain,
        claims: Option<&Map<String, Value>>,
        config: Option<&Config>,
    ) -> Result<Self, Error> {
        let assigned = chain.parents.iter().map(|it| Level {
            subject: Some(it.subject.clone()),
            plan: it.plan.clone(),
            entry: None,
        });
        let mut parents: Vec<_> = assigned.collect();
        if let Some(problem) = chain.problem {
            let problem = Some(format!("{} {problem}", chain.shown()));
            return Ok(Self { parents, problem });
        }
        let own = chain.names.first().map(String::as_str).unwrap_or_default();
        let added = match (config, Subject::new(own)) {
            // A parent in the configuration is not a caller.
            (Some(config), Ok(own)) if !is_of_parent(own.as_str()) => {
                assumed_parents(&own, claims, config)
                    .map_err(|refusal| Error::refused(format!("no parent is found: {refusal}")))?
            }
            _ => Vec::new(),
        };
        for parent in added {
            let name = parent.subject.as_ref().map(|it| it.as_str().to_owned());
            let plan = parent.plan.map(|plan| plan.to_string());
            // A subject that is named twice is one parent.
            let is_same = |level: &&mut Level| match (&name, &level.subject) {
                (Some(name), Some(known)) => name == known,
                // `#ISSUER#CLAIM#TEXT`: most probably the tenant that the token names.
                (None, Some(known)) => known.split('#').nth(2) == Some(parent.name.as_str()),
                (_, None) => false,
            };
            if let Some(same) = parents.iter_mut().find(is_same) {
                same.plan = same.plan.take().or(plan);
                continue;
            }
            parents.push(Level { subject: name, plan, entry: Some(parent.name) });
        }
        let mut levels = Self { parents, problem: None };
        levels.problem = levels.problem_of(own);
        Ok(levels)
    }

    fn problem_of(&self, own: &str) -> Option<String> {
        let names = self.parents.iter().map(Level::name).collect::<Vec<_>>().join(" → ");
        let is_configured = self.parents.iter().any(|level| level.entry.is_some());
        (self.parents.len() > MAX_PARENTS).then(|| {
            let fix = if is_configured { ", or remove one of `parents` in [throttle]" } else { "" };
            format!(
                "`{own}` → {names} has more than four levels: name a parent with fewer above \
                 it{fix}"
            )
        })
    }

    /// Replaces the plans of configured parents by those that the table assigns.
    pub(crate) async fn read_plans(
        &mut self,
        context: &Context,
        config: Option<&Config>,
    ) -> Result<(), Error> {
        let throttle = config.and_then(|config| config.throttle.as_ref());
        if throttle.is_none_or(|it| !it.plan.assigned && !it.counts_by_api_key()) {
            return Ok(());
        }
        for level in self.parents.iter_mut().filter(|level| level.entry.is_some()) {
            let Some(subject) = &level.subject else { continue };
            let assigned = context.assignments().get(subject).await?;
            level.plan = assigned.and_then(|it| it.plan).or(level.plan.take());
        }
        Ok(())
    }
}

/// The assignments of a table that name a parent.
#[derive(Debug, Default)]
pub(crate) struct Hierarchy {
    assigned: BTreeMap<String, Assignment>,
    pub(crate) damaged: Vec<String>,
    /// True if all of the table was read.
    pub(crate) whole: bool,
}

impl Hierarchy {
    /// Reads the whole table.
    pub(crate) async fn read(context: &Context) -> Result<Self, Error> {
        let (mut all, assignments) = (Self::default(), context.assignments());
        let list = async |from: Option<String>| assignments.list(from.as_deref()).await;
        each_page("assignments", list, |page| {
            all.add(page);
            Ok(())
        })
        .await?;
        Ok(Self { whole: true, ..all })
    }

    /// Reads the first megabytes of the table.
    pub(crate) async fn read_first(context: &Context) -> Result<Self, Error> {
        let (mut all, assignments) = (Self::default(), context.assignments());
        let list = async |from: Option<String>| assignments.list(from.as_deref()).await;
        let whole = first_pages("assignments", list, |page| all.add(page)).await?;
        Ok(Self { whole, ..all })
    }

    pub(crate) fn add(&mut self, page: Page<Assignment>) {
        self.damaged.extend(page.damaged);
        for assignment in page.items {
            self.put(assignment);
        }
    }

    /// Takes an assignment instead of the one that was read.
    pub(crate) fn put(&mut self, assignment: Assignment) {
        if assignment.parent.is_some() {
            self.assigned.insert(assignment.subject.clone(), assignment);
        }
    }

    /// The assignments that name a parent, by subject.
    pub(crate) fn assigned(&self) -> impl Iterator<Item = &Assignment> {
        self.assigned.values()
    }

    /// The parents of one of them, as far as they were read.
    pub(crate) async fn chain(&self, own: &Assignment) -> Chain {
        let known = |name: String| ready(Ok::<_, Infallible>(self.assigned.get(&name).cloned()));
        let Ok(chain) = Chain::above(own, known).await;
        chain
    }
}
