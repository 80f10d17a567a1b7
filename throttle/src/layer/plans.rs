//! The plan of a request.

use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;

use super::Authorizer;
use crate::failure::StoreError;
use crate::id::{PlanId, Subject};
#[cfg(feature = "dynamodb")]
use crate::key_lookup::KeyLookup;

/// The source of a request's plan, and the default if the source names none.
#[derive(Clone)]
pub struct Plans {
    source: Source,
    default: PlanId,
}

/// A function from a request to its plan.
type PlanOf = dyn Fn(&Parts) -> Option<PlanId> + Send + Sync;

#[derive(Clone)]
enum Source {
    Fixed,
    Function(Arc<PlanOf>),
    Authorizer(Authorizer, Arc<str>),
    LookUp(Arc<dyn Fn(Subject) -> LookUp + Send + Sync>),
}

type LookUp = Pin<Box<dyn Future<Output = Result<Option<PlanId>, StoreError>> + Send>>;

/// A chosen plan.
pub(super) struct Choice {
    pub(super) plan: PlanId,
    /// The plan to use if `plan` is not stored, because a caller may have chosen its name.
    pub(super) instead: Option<PlanId>,
}

impl Choice {
    /// Replaces a plan that is not stored. Returns true if there is a replacement.
    pub(super) fn replace(&mut self, missing: &PlanId) -> bool {
        let other = self.instead.take_if(|_| self.plan == *missing);
        if let Some(other) = other {
            self.plan = other;
            return true;
        }
        false
    }
}

impl Plans {
    /// Uses the same plan for all requests.
    #[must_use]
    pub fn fixed(plan: PlanId) -> Self {
        Self { source: Source::Fixed, default: plan }
    }

    /// Uses the plan that a function chooses for a request; the default if it chooses none.
    ///
    /// A plan that is not stored is the service's mistake: 503. If the name comes from a caller,
    /// use [`authorizer`](Self::authorizer), or choose among names that the service knows.
    #[must_use]
    pub fn function(
        choose: impl Fn(&Parts) -> Option<PlanId> + Send + Sync + 'static,
        default: PlanId,
    ) -> Self {
        Self { source: Source::Function(Arc::new(choose)), default }
    }

    /// Uses the plan that an authorizer names in its context; the default if it names none.
    ///
    /// A name without a stored plan counts as absent, because it may be a claim that the caller
    /// chose. So the default should be the strictest plan.
    #[must_use]
    pub fn authorizer(authorizer: Authorizer, name: &str, default: PlanId) -> Self {
        Self { source: Source::Authorizer(authorizer, name.into()), default }
    }

    /// Uses the plan that the table assigns to a subject; the default if it assigns none.
    #[cfg(feature = "dynamodb")]
    #[must_use]
    pub fn assigned<C: crate::Clock>(lookup: Arc<KeyLookup<C>>, default: PlanId) -> Self {
        let look_up = move |subject: Subject| {
            let lookup = Arc::clone(&lookup);
            async move { lookup.plan_of(&subject).await }
        };
        Self::looked_up(look_up, default)
    }

    /// Uses the plan that a look-up finds for a subject; the default if it finds none.
    ///
    /// The look-up is made for each request, so it should cache its answers.
    #[must_use]
    pub fn looked_up<F>(
        look_up: impl Fn(Subject) -> F + Send + Sync + 'static,
        default: PlanId,
    ) -> Self
    where
        F: Future<Output = Result<Option<PlanId>, StoreError>> + Send + 'static,
    {
        let look_up = move |subject| -> LookUp { Box::pin(look_up(subject)) };
        Self { source: Source::LookUp(Arc::new(look_up)), default }
    }

    pub(super) fn is_default(&self, plan: &PlanId) -> bool {
        self.default == *plan
    }

    pub(super) async fn choose(
        &self,
        parts: &Parts,
        subject: &Subject,
    ) -> Result<Choice, StoreError> {
        let plan = match &self.source {
            Source::Fixed => None,
            Source::Function(choose) => choose(parts),
            Source::LookUp(look_up) => look_up(subject.clone()).await?,
            Source::Authorizer(authorizer, name) => match authorizer.value(parts, name) {
                Ok(None) => None,
                Ok(Some(value)) => match PlanId::new(value) {
                    Ok(plan) => {
                        return Ok(Choice { plan, instead: Some(self.default.clone()) });
                    }
                    Err(_) => no_plan(),
                },
                Err(_) => no_plan(),
            },
        };
        Ok(Choice { plan: plan.unwrap_or_else(|| self.default.clone()), instead: None })
    }
}

fn no_plan() -> Option<PlanId> {
    tracing::info!("{NO_PLAN}");
    None
}

impl Debug for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plans").field("default", &self.default).finish_non_exhaustive()
    }
}

/// Logged without the name, which may be a claim's text.
pub(super) const NO_PLAN: &str = "a request names no plan that is stored: the default is used";
