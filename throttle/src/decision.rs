//! Decisions on requests.

use std::cmp::Reverse;
use std::time::Duration;

use crate::bucket::{Charge, Next, Refusal, Refusals, SOON, State};
use crate::charged::Charged;
use crate::id::{PlanId, Subject};
use crate::limit::{Limit, Standing, Standings};
use crate::plan::Plan;
use crate::receipt::Receipt;

/// The decision on a request, and the standing of each of the plan's limits.
///
/// The tightest limit is the enforced one with the least room; if two have the same room, the one
/// that resets later. Limits of different meters are compared by their numbers.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision {
    plan: PlanId,
    pub(crate) standings: Standings,
    refusals: Refusals,
    degraded: bool,
    pub(crate) receipt: Option<Box<Receipt>>,
    /// The decisions of the parents that were asked, nearest first.
    parents: Vec<(Subject, Decision)>,
}

impl Decision {
    /// A request that fitted; `state` is the one after it.
    pub(crate) fn allowed(charge: &Charge, state: &State) -> Self {
        Self::refused(charge, state, charge.spared(state))
    }

    /// The decision on a charge by this state alone, and the state after it.
    pub(crate) fn by_state(charge: &Charge, plan: &Plan, state: &mut State) -> Self {
        match charge.next(plan, state, false) {
            Next::Take(charge) => {
                let mut write = charge.write_to(state);
                write.tidy(state);
                write.apply(state);
                Self::allowed(&charge, state)
            }
            Next::Change { write, takes } => {
                write.apply(state);
                match takes {
                    Some(charge) => Self::allowed(&charge, state),
                    None => Self::refused(charge, state, charge.refusals(state)),
                }
            }
            Next::Refuse(it) => Self::refused(&it.charge, &it.state, it.refusals),
        }
    }

    fn new(plan: PlanId, standings: Standings, refusals: Refusals) -> Self {
        Self { plan, standings, refusals, degraded: false, receipt: None, parents: Vec::new() }
    }

    /// Adds what to give back or settle by.
    pub(crate) fn give(&mut self, charges: Vec<Charged>) {
        self.receipt = Receipt::of(charges).map(Box::new);
    }

    /// The decision of all levels, from that of the subject's own; the receipts become one.
    pub(crate) fn with_parents(mut self, mut parents: Vec<(Subject, Self)>) -> Self {
        let mut receipts: Vec<_> = self.receipt.take().into_iter().collect();
        receipts.extend(parents.iter_mut().filter_map(|(_, parent)| parent.receipt.take()));
        self.give(receipts.into_iter().flat_map(|receipt| receipt.charges).collect());
        Self { parents, ..self }
    }

    /// A request that didn't fit `state`.
    pub(crate) fn refused(charge: &Charge, state: &State, refusals: Refusals) -> Self {
        Self::new(charge.stamp.plan.clone(), charge.standings(state), refusals)
    }

    /// A request of a subject whose item gets too many writes. Nothing was charged, and the request
    /// is refused unless its plan enforces nothing.
    pub(crate) fn contended(plan: PlanId, enforced: bool) -> Self {
        let refusal = Refusal { limit: Limit::CONTENTION, wait: Some(SOON), enforced };
        Self::new(plan, Standings::new(), vec![refusal])
    }

    /// A request that was served from a lease of this age, with the standings after its charge.
    ///
    /// The tokens left in the lease belong to this instance, and each rate has refilled since. What
    /// other instances have charged since is unknown.
    pub(crate) fn leased(plan: PlanId, mut standings: Standings, left: u32, age: Duration) -> Self {
        for standing in &mut standings {
            standing.age(age);
            standing.hold(left);
        }
        Self::new(plan, standings, Refusals::new())
    }

    /// A level that was not asked, because another level refused.
    pub(crate) fn unasked(plan: PlanId, standings: Standings) -> Self {
        Self::new(plan, standings, Refusals::new())
    }

    /// A request that is admitted without a check.
    pub(crate) fn unknown(plan: PlanId) -> Self {
        Self::new(plan, Standings::new(), Refusals::new()).degrade()
    }

    /// Marks the decision as made without the store.
    pub(crate) fn degrade(self) -> Self {
        Self { degraded: true, ..self }
    }

    /// Returns true if every level admits the request. It has then been counted by each limit that
    /// it fits.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.enforced().next().is_none()
    }

    /// Returns true if a level decided without the store, by its plan's failure policy.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.levels().any(|level| level.degraded)
    }

    /// The subject's own plan.
    #[must_use]
    pub fn plan(&self) -> &PlanId {
        &self.plan
    }

    /// The parents and their decisions, nearest first.
    ///
    /// Empty for a request without parents. After a refusal, parents that were not asked are
    /// missing.
    #[must_use]
    pub fn parents(&self) -> &[(Subject, Self)] {
        &self.parents
    }

    /// The nearest parent that refused the request.
    ///
    /// `None` if it was allowed, or if the subject's own limits refused it.
    #[must_use]
    pub fn refusing_parent(&self) -> Option<&Subject> {
        let own = self.refusals.iter().any(|refusal| refusal.enforced);
        let mut parents = self.parents.iter().filter(|_| !own);
        parents.find(|(_, level)| !level.is_allowed()).map(|(subject, _)| subject)
    }

    /// The standing of each of the subject's own limits after this request: the plan's rate, the
    /// method's, the quotas.
    ///
    /// Empty for a plan without limits. Those of the parents are in [`parents`](Self::parents).
    #[must_use]
    pub fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// The size of the tightest limit of all levels: the burst, or the quota; 0 without limits.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.tightest().map_or(0, Standing::max)
    }

    /// The rest of the tightest limit of all levels after this request; 0 without limits.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.tightest().map_or(0, Standing::remaining)
    }

    /// The time until the tightest limit of all levels is whole again, to the nanosecond.
    #[must_use]
    pub fn reset_after(&self) -> Duration {
        self.tightest().map_or(Duration::ZERO, Standing::resets_after)
    }

    /// The time until the same request would fit without any other request, to the nanosecond.
    ///
    /// `None` if it was allowed, or if a rate, burst or quota of 0 refused it: then waiting does not
    /// help. A nanosecond less is too early. If several instances share the store, requests that
    /// others admitted within the last second may not be in it yet. A refusal by
    /// [`Limit::CONTENTION`] has a wait of one second, which is only a suggestion.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let waits = self.enforced().map(|refusal| refusal.wait);
        // Of `None` and a wait, the first is the smaller.
        if waits.clone().min()?.is_none() { None } else { waits.max().flatten() }
    }

    /// Like `retry_after`, in whole seconds rounded up and at least 1: for a Retry-After header.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let wait = self.retry_after()?;
        let partial = u64::from(wait.subsec_nanos() > 0);
        Some(wait.as_secs().saturating_add(partial).max(1))
    }

    /// All enforced limits that the request did not fit, nearest level first; empty if it was
    /// allowed.
    #[must_use]
    pub fn refused_by(&self) -> Vec<Limit> {
        self.enforced().map(|refusal| refusal.limit).collect()
    }

    /// All limits with `"enforce": false` that the request did not fit. They were not charged, and
    /// do not refuse.
    #[must_use]
    pub fn would_refuse(&self) -> Vec<Limit> {
        let reported = self.all_refusals().filter(|refusal| !refusal.enforced);
        reported.map(|refusal| refusal.limit).collect()
    }

    fn enforced(&self) -> impl Iterator<Item = &Refusal> + Clone {
        self.all_refusals().filter(|refusal| refusal.enforced)
    }

    /// The enforced limits of this level alone that the request did not fit.
    #[cfg(feature = "layer")]
    pub(crate) fn refused_here(&self) -> impl Iterator<Item = Limit> {
        self.refusals.iter().filter(|refusal| refusal.enforced).map(|refusal| refusal.limit)
    }

    /// The decision of a parent, if it was asked.
    #[cfg(feature = "layer")]
    pub(crate) fn parent(&self, subject: &Subject) -> Option<&Self> {
        self.parents.iter().find(|(parent, _)| parent == subject).map(|(_, decision)| decision)
    }

    /// The receipt to refund or settle by, once; `None` if the request was refused, or admitted
    /// without a charge of its own: from a lease or by a failure policy.
    #[must_use]
    pub fn into_receipt(self) -> Option<Receipt> {
        self.receipt.map(|receipt| *receipt)
    }

    /// Like `into_receipt`, and keeps the decision.
    #[must_use]
    pub fn take_receipt(&mut self) -> Option<Receipt> {
        self.receipt.take().map(|receipt| *receipt)
    }

    /// The enforced limit with the least room; if two have the same room, one of 0, then the one
    /// that resets later.
    fn tightest(&self) -> Option<&Standing> {
        let standings = self.levels().flat_map(|level| &level.standings);
        let enforced = standings.filter(|it| it.enforced);
        enforced.min_by_key(|it| (it.remaining, it.max > 0, Reverse(it.resets)))
    }

    fn all_refusals(&self) -> impl Iterator<Item = &Refusal> + Clone {
        self.levels().flat_map(|level| &level.refusals)
    }

    /// The decisions of all levels, the subject's own first.
    fn levels(&self) -> impl Iterator<Item = &Self> + Clone {
        let parents = self.parents.iter().map(|(_, decision)| decision);
        std::iter::once(self).chain(parents)
    }
}
