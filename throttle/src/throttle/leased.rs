//! Deciding with tokens that were taken ahead.

use std::time::Duration;

use super::{Next, REMEMBER_REFUSAL, Taking, Throttle};
use crate::bucket::{Charge, Scope, State};
use crate::clock::{Clock, Moment};
use crate::counts::tick;
use crate::decision::Decision;
use crate::failure::ThrottleError;
use crate::lease::{Asking, Grant, Held, Served, Turn};
use crate::limit::Standings;
use crate::plan::PlanRecord;
use crate::request::Request;
use crate::store::Store;

/// What was decided when a lease was taken.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    standings: Standings,
    at: Moment,
    lasts: Duration,
}

/// Where a round begins.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment, and is mostly the larger one"
)]
pub(super) enum Start<'a> {
    /// By asking the store.
    Ready(Ready<'a>),
    /// It is over: there were tokens after all.
    Served(Decision),
}

/// What to ask the store for.
pub(super) struct Ready<'a> {
    /// When this was made up, by the monotonic clock.
    pub(super) began: Duration,
    pub(super) charge: Charge,
    /// Whether the charge is for a lease.
    pub(super) lease: Option<Asking<'a, Terms>>,
}

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Serves a request from a lease, if one has enough tokens.
    pub(super) fn leased(
        &self,
        request: &Request<'_>,
        scope: Scope,
        now: Duration,
    ) -> Option<Decision> {
        if request.receipt {
            return None;
        }
        let served = self.leases.as_ref()?.serve(&request.want(scope), now)?;
        self.served(request, served, now)
    }

    /// Returns nothing if the lease has ended by the wall clock.
    ///
    /// A lease ends by the monotonic clock, which may stand still while this process is frozen.
    fn served(
        &self,
        request: &Request<'_>,
        served: Served<Terms>,
        now: Duration,
    ) -> Option<Decision> {
        let Served { left, terms: Terms { standings, at, lasts } } = served;
        let age = Moment::new(self.clock.now(), now).since(at);
        if age > lasts {
            return None;
        }
        tick(&self.tallies.leased);
        Some(Decision::leased(request.plan.clone(), standings, left, age))
    }

    /// The charge to make: the request's own, or a lease's, if it is this request's turn.
    pub(super) async fn ready<'a>(
        &'a self,
        request: &Request<'a>,
        record: &'a PlanRecord,
        now: Duration,
    ) -> Result<Start<'a>, ThrottleError> {
        // Before the wall clock, so that a lease never lives longer than it says.
        let mut began = now;
        let leases = self.leases.iter().filter(|_| !request.receipt);
        let leases = leases.flat_map(|held| std::iter::repeat_n(held, MAX_WAITS));
        for held in leases {
            let charge = self.charge(request, record, self.now())?;
            let standings = self.seen.look(request.subject, |memory| {
                let at = Moment::new(charge.now, began);
                let known = memory.recent(at, REMEMBER_REFUSAL);
                let known = known.filter(|state| state.stamp.as_ref() == Some(&charge.stamp));
                known.map(|state| charge.standings(state))
            });
            let standings = standings.unwrap_or_default();
            let want = request.want(request.scope(record));
            match held.turn(want, record.version, began, &standings) {
                Turn::Served(served) => match self.served(request, served, began) {
                    Some(decision) => return Ok(Start::Served(decision)),
                    None => return Ok(Start::Ready(Ready { began, charge, lease: None })),
                },
                Turn::Wait(waiting) => {
                    waiting.ended().await;
                    began = self.clock.monotonic();
                }
                Turn::Alone => return Ok(Start::Ready(Ready { began, charge, lease: None })),
                Turn::Ask(asking) => {
                    let charge = self.charge(&request.cost(asking.tokens()), record, self.now())?;
                    return Ok(Start::Ready(Ready { began, charge, lease: Some(asking) }));
                }
            }
        }
        let charge = self.charge(request, record, self.now())?;
        Ok(Start::Ready(Ready { began, charge, lease: None }))
    }

    /// Whether a lease is given up, so that the request is decided alone.
    ///
    /// A lease is for an even flow. It must not refuse a request that fits by itself, nor change
    /// a bucket's plan.
    pub(super) fn gives_up(&self, lease: &mut Option<Asking<'_, Terms>>, next: &Next) -> bool {
        let given_up = lease.take_if(|_| !matches!(next, Next::Write(_, Taking::Charge)));
        given_up.map(|asking| asking.rest(self.clock.monotonic())).is_some()
    }

    /// Keeps what a lease's charge has brought, and serves the request that made it.
    pub(super) fn keep(
        &self,
        asking: Asking<'_, Terms>,
        request: &Request<'_>,
        charge: &Charge,
        state: &State,
        began: Duration,
    ) -> Decision {
        let standings = charge.standings(state);
        let life = self.leases.as_ref().map(Held::life).unwrap_or_default();
        let tokens = charge.cost.get();
        let left = tokens.saturating_sub(request.cost.get());
        let decision =
            Decision::leased(request.plan.clone(), standings.clone(), left, Duration::ZERO);
        // A token is of the period that it was counted in.
        let lasts = life.min(charge.period_left());
        let grant = Grant {
            tokens,
            until: began.saturating_add(lasts),
            version: charge.stamp.version,
            terms: Terms { standings, at: Moment::new(charge.now, began), lasts },
        };
        asking.keep(grant, self.clock.monotonic());
        decision
    }
}

/// How often a request waits for a lease that another asks for, before it goes alone.
const MAX_WAITS: usize = 3;
