//! Hierarchies of subjects: the levels that a request meets, and the subjects within one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;

use authorizer::Config;
use console::Levels;
use serde_json::{Map, Value};
use table::{Assignment, Chain, Page};

use crate::context::Context;
use crate::error::Error;
use crate::pages::{each_page, first_pages};

/// Returns the levels of a subject as [`Levels::of`] does.
pub(crate) fn levels(
    chain: &Chain,
    claims: Option<&Map<String, Value>>,
    config: Option<&Config>,
) -> Result<Levels, Error> {
    Levels::of(chain, claims, config)
        .map_err(|refusal| Error::refused(format!("no parent is found: {refusal}")))
}

/// Replaces the plans of configured parents by those that the table assigns.
pub(crate) async fn read_plans(
    levels: &mut Levels,
    context: &Context,
    config: Option<&Config>,
) -> Result<(), Error> {
    let throttle = config.and_then(|config| config.throttle.as_ref());
    if throttle.is_none_or(|it| !it.plan.assigned && !it.counts_by_api_key()) {
        return Ok(());
    }
    for level in levels.parents.iter_mut().filter(|level| level.entry.is_some()) {
        let Some(subject) = &level.subject else { continue };
        let assigned = context.assignments().get(subject).await?;
        level.plan = assigned.and_then(|it| it.plan).or(level.plan.take());
    }
    Ok(())
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
