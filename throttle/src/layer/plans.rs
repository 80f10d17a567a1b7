//! The plan of a request.

use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;

use super::Authorizer;
use crate::clock::Clock;
use crate::failure::StoreError;
use crate::key_lookup::KeyLookup;
use crate::name::{PlanId, Subject};

/// Chooses the plan of a request.
#[derive(Clone)]
pub struct Plans(Source);

#[derive(Clone)]
enum Source {
    Fixed(PlanId),
    Chosen(Arc<Choose>, PlanId),
    Claimed(Authorizer, Arc<str>, PlanId),
    LookedUp(Arc<LookUp>, PlanId),
}

type Choose = dyn Fn(&Parts) -> Option<PlanId> + Send + Sync;
type LookUp = dyn Fn(Subject) -> LookingUp + Send + Sync;
type LookingUp = Pin<Box<dyn Future<Output = Result<Option<PlanId>, StoreError>> + Send>>;

/// A plan, or a look-up that is still to be made.
pub(super) enum Choice {
    Known(PlanId),
    /// A name that a caller may have chosen, and the plan to use if there is no such plan.
    Claimed(PlanId, PlanId),
    LookUp(LookingUp, PlanId),
}

impl Plans {
    /// The same plan for all.
    #[must_use]
    pub fn fixed(plan: PlanId) -> Self {
        Self(Source::Fixed(plan))
    }

    /// The plan that a function chooses for a request; the default where it chooses none.
    ///
    /// A plan that isn't stored is the service's mistake: 503. If the name comes from a caller,
    /// use [`authorizer`](Self::authorizer), or choose among names that the service knows.
    #[must_use]
    pub fn function(
        choose: impl Fn(&Parts) -> Option<PlanId> + Send + Sync + 'static,
        default: PlanId,
    ) -> Self {
        Self(Source::Chosen(Arc::new(choose), default))
    }

    /// The plan that an authorizer names in its context; the default where it names none.
    ///
    /// A name that is not a stored plan's counts as none, because it may be a claim that the caller
    /// chose. So the default should be the strictest plan.
    #[must_use]
    pub fn authorizer(authorizer: Authorizer, name: &str, default: PlanId) -> Self {
        Self(Source::Claimed(authorizer, name.into(), default))
    }

    /// The plan that the table assigns to a subject; the default where it assigns none.
    #[must_use]
    pub fn assigned<C: Clock>(lookup: Arc<KeyLookup<C>>, default: PlanId) -> Self {
        let look_up = move |subject: Subject| {
            let lookup = Arc::clone(&lookup);
            async move { lookup.plan_of(&subject).await }
        };
        Self::looked_up(look_up, default)
    }

    /// The plan that a look-up finds for a subject; the default where it finds none.
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
        let look_up = move |subject| -> LookingUp { Box::pin(look_up(subject)) };
        Self(Source::LookedUp(Arc::new(look_up), default))
    }

    pub(super) fn choose(&self, parts: &Parts, subject: &Subject) -> Choice {
        match &self.0 {
            Source::Fixed(plan) => Choice::Known(plan.clone()),
            Source::Chosen(choose, default) => {
                Choice::Known(choose(parts).unwrap_or_else(|| default.clone()))
            }
            Source::Claimed(authorizer, name, default) => match authorizer.value(parts, name) {
                Ok(None) => Choice::Known(default.clone()),
                Ok(Some(value)) => match PlanId::new(value) {
                    Ok(plan) => Choice::Claimed(plan, default.clone()),
                    Err(_) => Choice::by_default(default),
                },
                Err(_) => Choice::by_default(default),
            },
            Source::LookedUp(look_up, default) => {
                Choice::LookUp(look_up(subject.clone()), default.clone())
            }
        }
    }
}

impl Choice {
    /// The plan, once.
    pub(super) async fn plan(&mut self) -> Result<PlanId, StoreError> {
        match self {
            Self::Known(plan) | Self::Claimed(plan, _) => Ok(plan.clone()),
            Self::LookUp(look_up, default) => Ok(look_up.await?.unwrap_or_else(|| default.clone())),
        }
    }

    /// The plan to use instead of one that isn't stored, if a caller may have chosen that.
    pub(super) fn instead(&self) -> Option<PlanId> {
        match self {
            Self::Claimed(_, default) => Some(default.clone()),
            Self::Known(_) | Self::LookUp(..) => None,
        }
    }

    fn by_default(default: &PlanId) -> Self {
        tracing::info!("{NO_PLAN}");
        Self::Known(default.clone())
    }
}

impl Debug for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Fixed(plan) => f.debug_tuple("Fixed").field(plan).finish(),
            Source::Chosen(_, default) => f.debug_tuple("Chosen").field(default).finish(),
            Source::Claimed(_, _, default) => f.debug_tuple("Claimed").field(default).finish(),
            Source::LookedUp(_, default) => f.debug_tuple("LookedUp").field(default).finish(),
        }
    }
}

/// Logged without the name: it may be a claim's text.
pub(super) const NO_PLAN: &str = "a request names no plan that is stored: the default is used";
