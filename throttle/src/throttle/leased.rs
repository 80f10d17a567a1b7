//! Leases around decisions: a request is served from held tokens, or takes more of them.

use std::sync::Arc;
use std::time::Duration;

use super::decide::{Calls, Outcome};
use super::{Throttle, add};
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
    /// A lease is for an even flow. If its charge is refused, the request is charged alone.
    pub(super) async fn leased(
        &self,
        held: &HeldLeases,
        request: &Request<'_>,
        record: Arc<PlanRecord>,
    ) -> Result<Outcome, ThrottleError> {
        let mut calls = Calls::default();
        for _ in 0..MAX_WAITS {
            // Before the charge, so that a lease never lives longer than its life.
            let at = self.clock.moment();
            let standings = self.recent_standings(request, &record, at)?;
            let Request { subject, plan, cost, .. } = *request;
            let want = Want { subject, plan, scope: request.scope(&record), cost };
            match held.turn(want, record.version, at.monotonic(), &standings) {
                Turn::Served(Served { left, terms }) => {
                    // The monotonic clock may have stood still while the process was frozen.
                    let age = at.since(terms.at);
                    if age > terms.lasts {
                        break;
                    }
                    add(&mut self.stats_mut().leased);
                    let decision = Decision::leased(plan.clone(), terms.standings, left, age);
                    return Ok(Outcome::Decided(decision));
                }
                Turn::Wait(waiting) => waiting.ended().await,
                Turn::Alone => break,
                Turn::Ask(asking) => {
                    let lease = request.cost(asking.tokens());
                    match self.charged(&lease, Arc::clone(&record), &mut calls).await {
                        Ok(Outcome::Taken { charge, state }) => {
                            let standings = charge.standings(&state);
                            // A token is of the period that it was counted in.
                            let lasts = held.life().min(charge.period_left());
                            let grant = Grant {
                                tokens: charge.cost.get(),
                                until: at.monotonic().saturating_add(lasts),
                                version: charge.stamp.version,
                                terms: Terms {
                                    standings: standings.clone(),
                                    at: Moment::new(charge.now, at.monotonic()),
                                    lasts,
                                },
                            };
                            asking.keep(grant, self.clock.monotonic());
                            let left = charge.cost.get().saturating_sub(cost.get());
                            let plan = plan.clone();
                            let decision = Decision::leased(plan, standings, left, Duration::ZERO);
                            return Ok(Outcome::Decided(decision));
                        }
                        refused => {
                            asking.rest(self.clock.monotonic());
                            // A plan that shrank below the lease says nothing about the request.
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

/// The number of times that a request waits for another one's lease before it is charged alone.
const MAX_WAITS: usize = 3;
