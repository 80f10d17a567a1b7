//! Leases of parents: charges of a level that many instances share.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::decide::{Calls, Outcome, allowed};
use super::leased::{decision, first_served, grant, leasable, served_by};
use super::{Throttle, add};
use crate::bucket::{Refusal, State};
use crate::clock::{Clock, Moment};
use crate::decision::Decision;
use crate::failure::{Failure, ThrottleError};
use crate::lease::{Asking, HeldLeases, Look, Parent, SHARE_OF_QUOTA, Served, Turn, Want};
use crate::limit::{Limit, Standing};
use crate::plan::PlanRecord;
use crate::request::Request;
use crate::store::Store;

/// The part of a parent's decision that leases make.
pub(super) enum Leased {
    /// A lease serves the request, or its limits refuse it.
    Decided(Decision),
    /// The request must be charged by itself.
    Alone,
    /// A lease must be taken after all other levels have admitted the request.
    Late,
}

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Decides a parent's level from a held lease, or takes one if it `may_ask`.
    ///
    /// Without `may_ask`, because other levels have not admitted the request yet, returns
    /// [`Leased::Late`] if a lease is needed.
    pub(super) async fn parent_leased(
        &self,
        level: &Request<'_>,
        record: &Arc<PlanRecord>,
        may_ask: bool,
    ) -> Result<Leased, ThrottleError> {
        let Some(want) = leasable(level, record) else { return Ok(Leased::Alone) };
        let decided = |it: Option<Decision>| it.map_or(Leased::Alone, Leased::Decided);
        for waits in 0..MAX_WAITS {
            let at = self.clock.moment();
            match self.parent_turn((level, want), record, at, waits == 0 && !may_ask)? {
                Turn::Served(served) => {
                    return Ok(decided(self.parent_served((level, want), &served, at)));
                }
                Turn::Wait(waiting) => waiting.ended().await,
                Turn::Alone => return Ok(Leased::Alone),
                Turn::Paused => {
                    if let Some(refused) = self.refused_by_pause((level, want), record, at)? {
                        return Ok(Leased::Decided(refused));
                    }
                }
                Turn::Ask(_) if !may_ask => return Ok(Leased::Late),
                Turn::Ask(asking) => {
                    return Ok(decided(self.ask(asking, (level, want), record, at).await?));
                }
            }
        }
        Ok(Leased::Alone)
    }

    /// The next step of a parent's level. `is_new` counts the request as demand.
    fn parent_turn(
        &self,
        (level, want): (&Request<'_>, Want<'_>),
        record: &PlanRecord,
        at: Moment,
        is_new: bool,
    ) -> Result<Turn<'_>, ThrottleError> {
        let last = self.predictor.last(level.subject);
        let charge = self.charge(level, record)?.under(last.state());
        let rate = charge.steps.first().map(|step| last.others(step.rate.interval));
        let parent = Parent {
            standings: &charge.standings(last.state()),
            is_known: last.state().stamp.is_some(),
            is_busy: rate.is_some_and(|rate| rate >= BUSY),
            is_new,
        };
        Ok(self.parents.parent_turn(want, record.version, at.monotonic(), parent))
    }

    /// The decision on a parent's level that a lease serves; `None` if the lease is over.
    fn parent_served(
        &self,
        (level, want): (&Request<'_>, Want<'_>),
        served: &Served,
        at: Moment,
    ) -> Option<Decision> {
        let decision = served_by(&self.parents, level, want, served, at);
        if decision.is_some() {
            add(&mut self.stats_mut().parents_leased);
        }
        decision
    }

    /// Takes a lease of a parent: the wanted tokens, or else all free ones.
    async fn ask(
        &self,
        asking: Asking<'_>,
        (level, want): (&Request<'_>, Want<'_>),
        record: &Arc<PlanRecord>,
        at: Moment,
    ) -> Result<Option<Decision>, ThrottleError> {
        let cost = u64::from(level.cost);
        let (mut tokens, mut limits, mut calls) = (asking.tokens(), vec![], Calls::default());
        for _ in 0..MAX_TRIES {
            let lease = level.cost(tokens.get());
            let refused = match self.charged(&lease, Arc::clone(record), &mut calls).await {
                Ok(Outcome::Taken { charge, state }) => {
                    let held = &self.parents;
                    let grant = grant(held, charge.clone(), state.clone(), at);
                    let served = first_served(&grant, want.cost);
                    asking.keep_of_parent(grant, limits, self.clock.monotonic());
                    return Ok(Some(if charge.cost == level.cost {
                        allowed(level, charge, state)
                    } else {
                        decision(held, level, want, &served, at)
                    }));
                }
                Ok(Outcome::Decided(refused) | Outcome::Remembered(refused)) => refused,
                // A plan that shrank below the lease may still admit the request.
                Err(
                    ThrottleError::CostAboveBurst { .. } | ThrottleError::CostAboveQuota { .. },
                ) => return Ok(None),
                Err(error) => {
                    use Failure::{Contended, HotKey};
                    if let ThrottleError::Unavailable(Contended { .. } | HotKey) = error {
                        asking.pause(vec![Limit::CONTENTION], self.clock.monotonic());
                    }
                    return Err(error);
                }
            };
            limits = refused.refused_by();
            let free = free(refused.standings());
            if free < cost {
                // The end of a quota is not leased, so that all instances can use it.
                if refused.standings().iter().all(|it| it.remaining() >= cost) {
                    return Ok(None);
                }
                break;
            }
            let free = u32::try_from(free).unwrap_or(u32::MAX).min(tokens.get().saturating_sub(1));
            tokens = NonZeroU32::new(free).unwrap_or(want.cost).max(want.cost);
        }
        asking.pause(limits, self.clock.monotonic());
        self.refused_by_pause((level, want), record, self.clock.moment())
    }

    /// The refusal of a level that needs no call; `None` if it may be admitted.
    pub(super) fn refused_from_memory(
        &self,
        level: &Request<'_>,
        record: &PlanRecord,
    ) -> Result<Option<Decision>, ThrottleError> {
        let at = self.clock.moment();
        let charge = self.charge(level, record)?;
        if let Some(want) = leasable(level, record) {
            let held = if level.is_parent { Some(&self.parents) } else { self.leases.as_ref() };
            let look = |held: &HeldLeases| held.look(want, record.version, at.monotonic());
            if held.is_some_and(|held| look(held) == Look::Holds) {
                return Ok(None);
            }
            if level.is_parent
                && let Some(refused) = self.refused_by_pause((level, want), record, at)?
            {
                return Ok(Some(refused));
            }
        }
        let last = self.predictor.last(level.subject);
        let empty = State::default();
        let recent = last.recent(at).unwrap_or(&empty);
        let refused = charge.refused_by(&record.plan, recent, last.has_refused());
        Ok(refused.map(|refused| self.refuse(level.subject, refused)))
    }

    /// The refusal by the pause after a grant that was too small; `None` if there is no pause.
    fn refused_by_pause(
        &self,
        (level, want): (&Request<'_>, Want<'_>),
        record: &PlanRecord,
        at: Moment,
    ) -> Result<Option<Decision>, ThrottleError> {
        let look = self.parents.look(want, record.version, at.monotonic());
        let Look::Paused(left, mut limits) = look else { return Ok(None) };
        let last = self.predictor.last(level.subject);
        let charge = self.charge(level, record)?.under(last.state());
        let mut refusals = charge.refusals(last.state());
        if limits.is_empty() {
            limits.push(Limit::CONTENTION);
        }
        for limit in &limits {
            match refusals.iter_mut().find(|it| it.limit == *limit) {
                Some(refusal) => refusal.wait = refusal.wait.map(|wait| wait.max(left)),
                None => {
                    refusals.push(Refusal { limit: *limit, wait: Some(left), enforced: true });
                }
            }
        }
        let mut refused = Decision::refused(&charge, last.state(), refusals);
        // Other instances have used what the last state shows as left.
        for standing in refused.standings.iter_mut().filter(|it| limits.contains(&it.limit)) {
            standing.refuse(level.cost.into(), left);
        }
        Ok(Some(refused))
    }
}

/// The number of tokens that these limits leave free for a lease.
fn free(standings: &[Standing]) -> u64 {
    let free = standings.iter().map(|standing| {
        let share = if standing.limit().is_rate() { 1 } else { SHARE_OF_QUOTA };
        standing.remaining() / share
    });
    free.min().unwrap_or(u64::MAX)
}

/// Two tries: for the wanted tokens, and for the free ones.
const MAX_TRIES: usize = 2;
/// The number of times that a request waits for another one's lease before it is charged alone.
const MAX_WAITS: usize = 8;
/// The number of tokens a second that other instances take of a busy parent.
const BUSY: u64 = 64;
