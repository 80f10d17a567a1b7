//! The decision: plan, remembered refusal, charge, write, decision.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::leased::leasable;
use super::{Throttle, add};
use crate::bucket::{Charge, Next, Refused, State, Write};
use crate::charged::Charged;
use crate::clock::{Clock, Moment, Timestamp};
use crate::decision::Decision;
use crate::failure::{Damage, Failure, StoreError, ThrottleError};
use crate::id::{PlanId, Subject};
use crate::limit::{Limit, LimitKind};
use crate::meter::Meter;
use crate::plan::{PlanRecord, Throttling};
use crate::request::Request;
use crate::store::{Answer, Store};

/// The outcome of one request, before it is counted.
#[expect(clippy::large_enum_variant, reason = "it lives for a moment")]
pub(super) enum Outcome {
    /// The charge was taken and left this state.
    Taken { charge: Charge, state: State },
    /// The request was refused, or served from a lease.
    Decided(Decision),
    /// The request was refused by a remembered state, without a call.
    Remembered(Decision),
}

/// The calls that one decision may still make.
pub(super) struct Calls(u32);

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Decides one request, and charges it if it is allowed.
    ///
    /// Usually makes one write to the store, at most two while no clock is ahead of this one and no
    /// plan changes, and never more than six. The plan is looked up once a minute, or when it has
    /// changed. No call is made if the store's answer of the last second refuses already, or if a
    /// lease has tokens left, or for a level of which the request takes nothing.
    ///
    /// A request [within parents](Request::within) makes these writes at each level that no lease
    /// serves. If a level refuses or fails, the charges of the others are given back: one write
    /// each, or none for a lease. A charge stays if other refunds come first at each of six tries,
    /// or if the store fails.
    ///
    /// If the store fails, the level's failure policy decides. If other requests of the subject
    /// change its item at each try, or if DynamoDB throttles the item, the request is refused by
    /// [`Limit::CONTENTION`] under every policy.
    ///
    /// # Errors
    /// A plan does not exist, the cost never fits it, there are too many levels or one is its own
    /// ancestor: nothing is charged. Or the store failed and the policy is closed: then the request
    /// may have been charged, and must not be let through.
    pub async fn decide(&self, request: &Request<'_>) -> Result<Decision, ThrottleError> {
        let decision = if request.has_parents() {
            self.decide_levels(request).await
        } else {
            self.decide_level(request).await
        };
        self.stats_mut().count(&decision);
        decision
    }

    /// Decides one level of a request, by its plan's failure policy if the store fails.
    pub(super) async fn decide_level(
        &self,
        request: &Request<'_>,
    ) -> Result<Decision, ThrottleError> {
        self.by_policy(request, self.decided(request).await)
    }

    /// Replaces a failure of the store by the decision of the level's failure policy.
    pub(super) fn by_policy(
        &self,
        request: &Request<'_>,
        decided: Result<Decision, ThrottleError>,
    ) -> Result<Decision, ThrottleError> {
        match decided {
            // The caller's own item gets too many writes, which never opens a limit.
            Err(ThrottleError::Unavailable(Failure::Contended { .. } | Failure::HotKey)) => {
                let record = self.plans.last(request.plan, self.clock.moment());
                let enforced = record.is_none_or(|record| record.plan.enforces_any());
                Ok(Decision::contended(request.plan.clone(), enforced))
            }
            Err(ThrottleError::Unavailable(failure)) if failure.may_pass() => {
                self.without_table(request, failure)
            }
            decision => decision,
        }
    }

    async fn decided(&self, request: &Request<'_>) -> Result<Decision, ThrottleError> {
        let now = self.clock.moment();
        let record = self.plans.get(request.plan, now, self.fetch(request.plan)).await?;
        if request.cost == 0 && !request.takes_meter(&record) {
            return self.free(request, &record);
        }
        let leases = self.leases.as_ref().filter(|_| !request.is_parent);
        let outcome = match leases.zip(leasable(request, &record)) {
            Some((held, want)) => self.leased(held, (request, want), record).await?,
            None => self.charged(request, record, &mut Calls::default()).await?,
        };
        Ok(match outcome {
            Outcome::Taken { charge, state } => allowed(request, charge, state),
            Outcome::Decided(decision) => decision,
            Outcome::Remembered(decision) => {
                add(&mut self.stats_mut().remembered);
                decision
            }
        })
    }

    /// Charges a request under this plan, or under a later version that its bucket is under.
    pub(super) async fn charged(
        &self,
        request: &Request<'_>,
        mut record: Arc<PlanRecord>,
        calls: &mut Calls,
    ) -> Result<Outcome, ThrottleError> {
        for refreshes in 0..MAX_REFRESHES {
            match self.charged_under(request, &record, refreshes == 0, calls).await? {
                Ok(outcome) => return Ok(outcome),
                Err(Outdated { version }) => {
                    add(&mut self.stats_mut().refreshed);
                    let (id, now) = (request.plan, self.clock.moment());
                    record = self.plans.newer(id, version, now, || self.fetch(id)).await?;
                }
            }
        }
        Err(damaged("pv", "is of a later version than the plan in the table is"))
    }

    /// Charges a request under one version of the plan.
    ///
    /// A remembered state shows that the plan is outdated only if it is `trusted`. Otherwise an
    /// item that was deleted since then could refuse its subject forever.
    async fn charged_under(
        &self,
        request: &Request<'_>,
        record: &PlanRecord,
        trusted: bool,
        calls: &mut Calls,
    ) -> Result<Result<Outcome, Outdated>, ThrottleError> {
        let (subject, plan) = (request.subject, &record.plan);
        // Read before the wall clock, so that a remembered state never looks younger than it is.
        let began = self.clock.monotonic();
        let charge = self.charge(request, record)?;
        let at = Moment::new(charge.now, began);

        // The refusal that a state of the last second proves. If a limit is 0, even the state of an
        // unused bucket proves it.
        let last = self.predictor.last(subject);
        let empty = State::default();
        let recent = last.recent(at).unwrap_or(&empty);
        if let Some(refused) = charge.refused_by(plan, recent, last.has_refused()) {
            return Ok(Ok(Outcome::Remembered(self.refuse(subject, refused))));
        }

        // The first step, from a state that may be old, so it refuses nothing.
        let mut state = last.state().clone();
        let mut next = match charge.newer_version(&state) {
            Some(version) if trusted => return Ok(Err(Outdated { version })),
            Some(_) => Next::Take(charge.clone()),
            None => match charge.next(plan, &state, false) {
                Next::Refuse(_) => Next::Take(charge.under(&state).sparing(&state)),
                next => next,
            },
        };
        let mut prediction = Some(last);
        let mut lost = false;
        loop {
            // `takes` is the charge that the write takes, `changes` says that it changes the plan.
            let (write, takes, changes) = match next {
                Next::Take(charge) => {
                    let mut write = match prediction.take() {
                        Some(last) => charge.write(|step| last.form(step, charge.now)),
                        None => charge.write_to(&state),
                    };
                    write.tidy(&state);
                    (write, Some(charge), false)
                }
                Next::Change { write, takes } => (write, takes.map(|charge| *charge), true),
                Next::Refuse(refused) => {
                    return Ok(Ok(Outcome::Decided(self.refuse(subject, refused))));
                }
            };
            let applied;
            (state, applied) = match self.write_within(calls, subject, &write).await? {
                Answer::Applied(state) => (state, true),
                Answer::Kept(state) => (state, false),
            };
            if let Some(rate) = charge.implausible(&state) {
                return Err(damaged(&rate.to_string(), "is more than a year ahead"));
            }
            let made = charge.under(&state);
            let own = if applied && takes.is_some() { charge.cost } else { 0 };
            self.predictor.note(subject, &made, &state, own, at);
            if applied && changes {
                add(&mut self.stats_mut().converted);
            }
            if let Some(charge) = takes.filter(|_| applied) {
                let sweep = Write::sweep(&write, &state);
                if let Some(sweep) = sweep.filter(|_| calls.0 > 0) {
                    // If this fails, the decision does not change.
                    let _ = self.write_within(calls, subject, &sweep).await;
                }
                return Ok(Ok(Outcome::Taken { charge, state }));
            }

            // The next step, from the current state. The loop ends: at the same `now` a `tat` only
            // grows, so a busy bucket stays busy, and a change of plan that lost to another write
            // is not retried.
            prediction = None;
            lost |= changes && !applied;
            if let Some(version) = charge.newer_version(&state) {
                return Ok(Err(Outdated { version }));
            }
            next = charge.next(plan, &state, lost);
        }
    }

    /// The charge of a request, at this moment of the store's clock.
    pub(super) fn charge(
        &self,
        request: &Request<'_>,
        record: &PlanRecord,
    ) -> Result<Charge, ThrottleError> {
        check(request, record)?;
        Ok(charge(request, record, self.now()).slack(self.slack))
    }

    /// The moment of the clock that the store's buckets follow.
    pub(super) fn now(&self) -> Timestamp {
        self.steady.as_ref().map_or_else(|| self.clock.now(), |steady| steady.moment(&self.clock))
    }

    pub(super) fn refuse(&self, subject: &Subject, refused: Refused) -> Decision {
        self.predictor.note_refusal(subject);
        Decision::refused(&refused.charge, &refused.state, refused.refusals)
    }

    /// Writes once, if the decision has calls left.
    async fn write_within(
        &self,
        calls: &mut Calls,
        subject: &Subject,
        write: &Write,
    ) -> Result<Answer, ThrottleError> {
        let contended = ThrottleError::Unavailable(Failure::Contended { calls: MAX_CALLS });
        calls.0 = calls.0.checked_sub(1).ok_or(contended)?;
        Ok(self.write(subject, write).await?)
    }

    /// Writes once, unless the circuit breaker is open.
    pub(super) async fn write(
        &self,
        subject: &Subject,
        write: &Write,
    ) -> Result<Answer, StoreError> {
        self.breaker.call(&self.clock, subject, self.store.write(subject, write)).await
    }

    pub(super) async fn fetch(&self, id: &PlanId) -> Result<Option<Arc<PlanRecord>>, StoreError> {
        let record = self.breaker.call(&self.clock, id, self.store.plan(id)).await?;
        Ok(record.map(Arc::new))
    }
}

/// The bucket is under this later version of the plan.
struct Outdated {
    version: u64,
}

impl Default for Calls {
    fn default() -> Self {
        Self(MAX_CALLS)
    }
}

/// The decision on a request that was charged by itself.
pub(super) fn allowed(request: &Request<'_>, charge: Charge, left: State) -> Decision {
    let mut decision = Decision::allowed(&charge, &left);
    decision.give(vec![Charged { subject: request.subject.clone(), charge, left, drawn: None }]);
    decision
}

/// The charge of a request under a plan: every charge is made here.
///
/// The request has been checked against the plan.
pub(super) fn charge(request: &Request<'_>, record: &PlanRecord, now: Timestamp) -> Charge {
    let mut charge = Charge::new(record, request.cost, now);
    if let Some(method) = request.method_rate(record) {
        charge = charge.method(method);
    }
    for (name, amount) in request.amounts() {
        if let (Ok(meter), Some(amount)) = (Meter::new(name), NonZeroU64::new(amount)) {
            // A parent is charged for the meters that its plan has.
            if record.plan.meters().contains_key(&meter) {
                charge = charge.named(record, meter, amount);
            }
        }
    }
    charge
}

/// Returns an error if a meter of a request is not the plan's, or if an amount never fits.
///
/// A closed limit refuses every amount: that is a decision, not an error.
pub(super) fn check(request: &Request<'_>, record: &PlanRecord) -> Result<(), ThrottleError> {
    let plan = &record.plan;
    let mut closed = request.cost > 0 && plan.is_closed();
    let mut amounts = vec![(Meter::REQUESTS, plan.requests(), u64::from(request.cost))];
    for (name, amount) in request.amounts() {
        let meter = Meter::new(name).ok().and_then(|meter| plan.meters().get_key_value(&meter));
        let Some((meter, limits)) = meter else {
            if request.is_parent {
                continue;
            }
            let (plan, meter) = (record.id.clone(), name.to_owned());
            return Err(ThrottleError::UnknownMeter { plan, meter });
        };
        if amount == 0 {
            return Err(ThrottleError::NoAmount { meter: *meter });
        }
        closed |= limits.is_enforced() && limits.is_closed();
        amounts.push((*meter, limits, amount));
    }
    // An amount that never fits a limit without enforcement is a report, not an error.
    amounts.retain(|(_, limits, _)| limits.is_enforced());
    let method = request.method_rate(record).filter(|it| it.enforced && request.cost > 0);
    let method = method.map(|method| method.throttle);
    if closed || method.is_some_and(Throttling::is_closed) {
        return Ok(());
    }
    for (meter, limits, cost) in &amounts {
        fits(Limit::of(*meter, LimitKind::Burst), *cost, limits.throttle())?;
    }
    fits(Limit::METHOD, request.cost.into(), method)?;
    for (meter, limits, cost) in amounts {
        if let Some(quota) = limits.quotas().iter().find(|quota| cost > quota.limit()) {
            let limit = Limit::quota(meter, quota.period());
            return Err(ThrottleError::CostAboveQuota { limit, cost, quota: quota.limit() });
        }
    }
    Ok(())
}

fn fits(limit: Limit, cost: u64, throttle: Option<Throttling>) -> Result<(), ThrottleError> {
    match throttle.map(Throttling::burst).filter(|burst| cost > *burst) {
        Some(burst) => Err(ThrottleError::CostAboveBurst { limit, cost, burst }),
        None => Ok(()),
    }
}

pub(super) fn damaged(attribute: &str, problem: &str) -> ThrottleError {
    ThrottleError::Damaged(Damage {
        item: "bucket",
        attribute: attribute.to_owned(),
        problem: problem.to_owned(),
    })
}

/// The first try, the other form, and one more for a clock that is ahead; the same again for a plan
/// that changes.
pub(super) const MAX_CALLS: u32 = 6;
/// The cached plan, the plan looked up, and once more if that look-up began before the plan was
/// written.
pub(super) const MAX_REFRESHES: u32 = 3;
