//! Under which plan a request is counted.

use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;

use super::Authorizer;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::failure::StoreError;
use crate::name::{NameError, PlanId, Subject};

/// Chooses the plan of a request.
#[derive(Clone)]
pub struct Plans(Source);

#[derive(Clone)]
enum Source {
    Fixed(PlanId),
    Chosen(Arc<Choose>, PlanId),
    LookedUp(Arc<LookUp>, PlanId),
}

type Choose = dyn Fn(&Parts) -> Option<Result<PlanId, NameError>> + Send + Sync;
type LookUp = dyn Fn(Subject) -> LookingUp + Send + Sync;
type LookingUp = Pin<Box<dyn Future<Output = Result<Option<PlanId>, StoreError>> + Send>>;

/// A plan, or a look-up that is still to be made.
pub(super) enum Choice {
    Known(PlanId),
    LookUp(LookingUp, PlanId),
}

impl Plans {
    /// The same plan for all.
    #[must_use]
    pub fn fixed(plan: PlanId) -> Self {
        Self(Source::Fixed(plan))
    }

    /// The plan that a function tells by a request; the default where it tells none.
    #[must_use]
    pub fn function(
        choose: impl Fn(&Parts) -> Option<PlanId> + Send + Sync + 'static,
        default: PlanId,
    ) -> Self {
        let choose = move |parts: &Parts| choose(parts).map(Ok);
        Self(Source::Chosen(Arc::new(choose), default))
    }

    /// The plan that an authorizer names in its context; the default where it names none.
    ///
    /// What is there and can't be a plan's name lets nobody through.
    #[must_use]
    pub fn authorizer(authorizer: Authorizer, name: &str, default: PlanId) -> Self {
        let name = name.to_owned();
        let choose = move |parts: &Parts| {
            authorizer.value(parts, &name).map(|value| PlanId::new(value.into_owned()))
        };
        Self(Source::Chosen(Arc::new(choose), default))
    }

    /// The plan that the table assigns to a subject; the default where it assigns none.
    #[must_use]
    pub fn assigned<C: Clock>(directory: Arc<Directory<C>>, default: PlanId) -> Self {
        let look_up = move |subject: Subject| {
            let directory = Arc::clone(&directory);
            async move { directory.plan_of(&subject).await }
        };
        Self::looked_up(look_up, default)
    }

    /// The plan that is looked up for a subject; the default where there is none.
    ///
    /// It is looked up for each request: what remembers answers is up to the look-up.
    #[must_use]
    pub fn looked_up<F>(
        look_up: impl Fn(Subject) -> F + Send + Sync + 'static,
        default: PlanId,
    ) -> Self
    where
        F: Future<Output = Result<Option<PlanId>, StoreError>> + Send + 'static,
    {
        let look_up = move |subject| -> LookingUp { Box::pin(look_up(subject)) };
        Self(Source::LookedUp(Arc::new(look_up), default))
    }

    pub(super) fn choose(&self, parts: &Parts, subject: &Subject) -> Result<Choice, NameError> {
        Ok(match &self.0 {
            Source::Fixed(plan) => Choice::Known(plan.clone()),
            Source::Chosen(choose, default) => {
                Choice::Known(choose(parts).unwrap_or_else(|| Ok(default.clone()))?)
            }
            Source::LookedUp(look_up, default) => {
                Choice::LookUp(look_up(subject.clone()), default.clone())
            }
        })
    }
}

impl Choice {
    /// The plan, once.
    pub(super) async fn plan(&mut self) -> Result<PlanId, StoreError> {
        match self {
            Self::Known(plan) => Ok(plan.clone()),
            Self::LookUp(look_up, default) => Ok(look_up.await?.unwrap_or_else(|| default.clone())),
        }
    }
}

impl Debug for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Fixed(plan) => f.debug_tuple("Fixed").field(plan).finish(),
            Source::Chosen(_, default) => f.debug_tuple("Chosen").field(default).finish(),
            Source::LookedUp(_, default) => f.debug_tuple("LookedUp").field(default).finish(),
        }
    }
}
