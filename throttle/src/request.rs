//! Requests to a throttle.

use crate::failure::ThrottleError;
use crate::id::{PlanId, Subject};
use crate::meter::Meter;
use crate::plan::{MAX_METERS, MethodRate, PlanRecord, Scope};

/// One level of a request: a subject, and the plan that limits it there.
#[derive(Clone, Copy, Debug)]
pub struct Level<'a> {
    subject: &'a Subject,
    plan: &'a PlanId,
}

impl<'a> Level<'a> {
    /// A level of this subject under this plan.
    #[must_use]
    pub fn new(subject: &'a Subject, plan: &'a PlanId) -> Self {
        Self { subject, plan }
    }
}

/// One request, to be decided and counted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) plan: &'a PlanId,
    pub(crate) cost: u32,
    /// The amounts of named meters. There is room for one more than a plan can have, so that too
    /// many meters are an error.
    pub(crate) meters: [Option<(&'a str, u64)>; MAX_METERS + 1],
    pub(crate) method: Option<Method<'a>>,
    pub(crate) receipt: bool,
    /// The levels above, nearest first. There is room for one more than allowed, so that too many
    /// are an error.
    parents: [Option<Level<'a>>; MAX_PARENTS + 1],
    /// True if another level may still refuse the request, so that its charge must be kept for a
    /// refund.
    pub(crate) may_end: bool,
    /// True if this is the request at one of its parents' levels.
    pub(crate) is_parent: bool,
}

/// A method of an API's stage, as a plan writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method<'a> {
    pub(crate) api_id: &'a str,
    pub(crate) stage: &'a str,
    pub(crate) key: &'a str,
}

impl<'a> Request<'a> {
    /// A request of a subject under a plan; it costs 1.
    #[must_use]
    pub fn new(subject: &'a Subject, plan: &'a PlanId) -> Self {
        Self {
            subject,
            plan,
            cost: 1,
            meters: [None; MAX_METERS + 1],
            method: None,
            receipt: false,
            parents: [None; MAX_PARENTS + 1],
            may_end: false,
            is_parent: false,
        }
    }

    /// Sets the number of requests that this one counts as, in every rate and quota of requests.
    ///
    /// A request that costs 0 is charged only to its [meters](Self::meter): limits of requests do
    /// not refuse it. Without meters it is admitted, and nothing is charged.
    #[must_use]
    pub fn cost(self, cost: u32) -> Self {
        Self { cost, ..self }
    }

    /// Sets the amount of a named meter that the request takes, such as 800 `tokens`.
    ///
    /// Without this call, the request is not charged to the meter, and the meter's limits do not
    /// refuse it. The real amount can be settled afterwards, by the decision's receipt.
    ///
    /// [`Throttle::decide`](crate::Throttle::decide) charges nothing and returns an error if the
    /// plan does not have the meter, or if the amount is 0 or never fits a limit of it.
    #[must_use]
    pub fn meter(mut self, name: &'a str, amount: u64) -> Self {
        let mut slots = self.meters.iter_mut();
        if let Some(slot) = slots.find(|slot| slot.is_none_or(|(known, _)| known == name)) {
            *slot = Some((name, amount));
        }
        self
    }

    /// Returns true if the request takes from a named meter of this plan.
    pub(crate) fn takes_meter(&self, record: &PlanRecord) -> bool {
        let meters = record.plan.meters();
        let mut named = self.amounts().filter_map(|(name, _)| Meter::new(name).ok());
        named.any(|meter| meters.contains_key(&meter))
    }

    /// The named meters and their amounts.
    pub(crate) fn amounts(&self) -> impl Iterator<Item = (&'a str, u64)> {
        self.meters.into_iter().flatten()
    }

    /// Sets the called method, as a plan writes it: `/pets/{id}/GET`.
    ///
    /// If the plan has a rate for it on this stage, the request is charged to that rate too.
    #[must_use]
    pub fn method(self, api_id: &'a str, stage: &'a str, key: &'a str) -> Self {
        Self { method: Some(Method { api_id, stage, key }), ..self }
    }

    /// Asks for a receipt to settle or refund by. The request is then not served from a lease.
    #[must_use]
    pub fn with_receipt(self) -> Self {
        Self { receipt: true, ..self }
    }

    /// Puts the request within one more parent, such as a tenant: nearest first, at most three.
    ///
    /// The request is admitted only if every level admits it. Each parent is charged the cost, and
    /// the amounts of the meters that its plan has. Rates of methods come from the subject's own
    /// plan only.
    ///
    /// ```
    /// use tollgate_throttle::{Level, PlanId, Request, Subject};
    ///
    /// # fn main() -> Result<(), tollgate_throttle::NameError> {
    /// let (maria, acme, all) = (Subject::new("maria")?, Subject::new("acme")?, Subject::new("*")?);
    /// let (user, tenant, service) =
    ///     (PlanId::new("user")?, PlanId::new("tenant")?, PlanId::new("service")?);
    /// let request = Request::new(&maria, &user)
    ///     .within(&Level::new(&acme, &tenant))
    ///     .within(&Level::new(&all, &service));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Throttle::decide`](crate::Throttle::decide) charges nothing and returns an error if there
    /// are more than three parents, or if a subject occurs twice.
    #[must_use]
    pub fn within(mut self, parent: &Level<'a>) -> Self {
        if let Some(free) = self.parents.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(*parent);
        }
        self
    }

    pub(crate) fn has_parents(&self) -> bool {
        self.parents.iter().any(Option::is_some)
    }

    /// The request at the subject's own level, and at the level of each parent, nearest first.
    ///
    /// # Errors
    /// There are too many levels, or one is its own ancestor.
    pub(crate) fn levels(&self) -> Result<(Self, Vec<Self>), ThrottleError> {
        let none = [None; MAX_PARENTS + 1];
        let own = Self { parents: none, may_end: true, ..*self };
        let mut parents: Vec<Self> = Vec::new();
        for Level { subject, plan } in self.parents.into_iter().flatten() {
            let is_same = |level: &Self| level.subject == subject;
            if is_same(&own) || parents.iter().any(is_same) {
                return Err(ThrottleError::OwnAncestor { plan: plan.clone() });
            }
            parents.push(Self { subject, plan, method: None, is_parent: true, ..own });
        }
        if parents.len() > MAX_PARENTS {
            return Err(ThrottleError::TooManyLevels { max: MAX_PARENTS + 1 });
        }
        Ok((own, parents))
    }

    /// The rate of the request's method, if the plan has one.
    pub(crate) fn method_rate(&self, record: &PlanRecord) -> Option<MethodRate> {
        self.method.and_then(|it| record.plan.method_rate(it.api_id, it.stage, it.key))
    }

    pub(crate) fn scope(&self, record: &PlanRecord) -> Scope {
        self.method_rate(record).map_or(Scope::PLAN, |method| method.scope)
    }
}

/// The most parents of a request, or of a subject: with itself there are four levels.
pub const MAX_PARENTS: usize = 3;
