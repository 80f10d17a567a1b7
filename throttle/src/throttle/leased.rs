//! Leases around decisions: a request is served from held tokens, or takes more of them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::decide::{Calls, Outcome};
use super::{Throttle, add};
use crate::bucket::{Charge, State};
use crate::charged::Charged;
use crate::clock::{Clock, Moment};
use crate::decision::Decision;
use crate::failure::ThrottleError;
use crate::lease::{Grant, HeldLeases, Served, Terms, Turn, Want};
use crate::limit::Standings;
use crate::plan::PlanRecord;
use crate::request::Request;
use crate::store::Store;

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Decides a request from a lease, or takes a lease for it, or charges it alone.
    ///
    /// If a lease's charge is refused, the request is charged alone.
    pub(super) async fn leased(
        &self,
        held: &HeldLeases,
        (request, want): (&Request<'_>, Want<'_>),
        record: Arc<PlanRecord>,
    ) -> Result<Outcome, ThrottleError> {
        let mut calls = Calls::default();
        for _ in 0..MAX_WAITS {
            // Read before the charge, so that a lease never lives too long.
            let at = self.clock.moment();
            let standings = self.recent_standings(request, &record, at)?;
            match held.turn(want, record.version, at.monotonic(), &standings) {
                Turn::Served(served) => {
                    let Some(decision) = served_by(held, request, want, &served, at) else { break };
                    add(&mut self.stats_mut().leased);
                    return Ok(Outcome::Decided(decision));
                }
                Turn::Wait(waiting) => waiting.ended().await,
                Turn::Alone | Turn::Paused => break,
                Turn::Ask(asking) => {
                    let lease = request.cost(asking.tokens().get());
                    match self.charged(&lease, Arc::clone(&record), &mut calls).await {
                        Ok(Outcome::Taken { charge, state }) => {
                            let grant = grant(held, charge, state, at);
                            let served = first_served(&grant, want.cost);
                            asking.keep(grant, self.clock.monotonic());
                            let decision = decision(held, request, want, &served, at);
                            return Ok(Outcome::Decided(decision));
                        }
                        refused => {
                            asking.rest(self.clock.monotonic());
                            // A plan that shrank below the lease may still admit the request.
                            if !matches!(
                                refused,
                                Err(ThrottleError::CostAboveBurst { .. }
                                    | ThrottleError::CostAboveQuota { .. })
                            ) {
                                refused?;
                            }
                            break;
                        }
                    }
                }
            }
        }
        self.charged(request, record, &mut calls).await
    }

    /// The standings by the last second's state; none if the bucket is under another plan.
    fn recent_standings(
        &self,
        request: &Request<'_>,
        record: &PlanRecord,
        at: Moment,
    ) -> Result<Standings, ThrottleError> {
        let charge = self.charge(request, record)?;
        let last = self.predictor.last(request.subject);
        let state = last.recent(at).filter(|state| state.stamp.as_ref() == Some(&charge.stamp));
        Ok(state.map(|state| charge.standings(state)).unwrap_or_default())
    }
}

/// The tokens that a level would take of a lease; `None` if it takes no requests.
fn want<'a>(level: &Request<'a>, record: &PlanRecord) -> Option<Want<'a>> {
    let Request { subject, plan, cost, .. } = *level;
    let cost = NonZeroU32::new(cost)?;
    Some(Want { subject, plan, scope: level.scope(record), cost })
}

/// The same; `None` also if no lease may serve the level.
///
/// Leases serve only requests, not named meters. Limits that only report must report each request,
/// which a lease cannot do.
pub(super) fn leasable<'a>(level: &Request<'a>, record: &PlanRecord) -> Option<Want<'a>> {
    let may_lease = record.plan.enforces_all()
        && !level.takes_meter(record)
        && (level.is_parent || !level.receipt);
    want(level, record).filter(|_| may_lease)
}

/// The tokens of a charge that was made at this moment or later.
pub(super) fn grant(held: &HeldLeases, charge: Charge, state: State, at: Moment) -> Grant {
    // A token is valid only in the period in which it was counted.
    let lasts = held.life().min(charge.period_left());
    Grant {
        tokens: charge.cost,
        until: at.monotonic().saturating_add(lasts),
        version: charge.stamp.version,
        terms: Arc::new(Terms {
            standings: charge.standings(&state),
            at: Moment::new(charge.now, at.monotonic()),
            lasts,
            charge,
            state,
        }),
    }
}

/// The request that took a grant, as its first one.
pub(super) fn first_served(grant: &Grant, cost: NonZeroU32) -> Served {
    let (left, terms) = (grant.tokens.saturating_sub(cost.get()), Arc::clone(&grant.terms));
    Served { left, until: grant.until, terms }
}

/// The decision on a request that a lease serves; `None` if the lease is over.
///
/// Checks both clocks, because the monotonic clock may have stood still while the process was
/// frozen.
pub(super) fn served_by(
    held: &HeldLeases,
    request: &Request<'_>,
    want: Want<'_>,
    served: &Served,
    at: Moment,
) -> Option<Decision> {
    let is_over = at.since(served.terms.at) > served.terms.lasts;
    (!is_over).then(|| decision(held, request, want, served, at))
}

/// The decision on a request that a lease serves.
pub(super) fn decision(
    held: &HeldLeases,
    request: &Request<'_>,
    want: Want<'_>,
    served: &Served,
    at: Moment,
) -> Decision {
    let Terms { charge, state, standings, at: taken, .. } = &*served.terms;
    let age = if at.monotonic() > taken.monotonic() { at.since(*taken) } else { Duration::ZERO };
    let plan = request.plan.clone();
    let mut decision = Decision::leased(plan, standings.clone(), served.left, age);
    if request.may_end || request.receipt {
        let charge = Charge { cost: request.cost, ..charge.clone() };
        let drawn = Some(held.drawn(want, served.until));
        let subject = request.subject.clone();
        decision.give(vec![Charged { subject, charge, left: state.clone(), drawn }]);
    }
    decision
}

/// The number of times that a request waits for another one's lease before it is charged alone.
const MAX_WAITS: usize = 3;
