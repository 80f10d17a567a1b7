//! Requests within parents: every level must admit a request, and keeps no charge if one refuses.
//!
//! 1. If the remembered state of a level refuses, the request is refused without a call.
//! 2. Parents with a held lease are charged from it, because its tokens can be put back without a
//!    call.
//! 3. Levels without a lease are charged by one write each, and refunded by another if need be.
//! 4. New leases are taken last, because their unused tokens stay charged: a request that another
//!    level refuses must not take one.
//!
//! If a level refuses or fails, all charges before it are given back.

use std::sync::Arc;

use super::leased::leasable;
use super::parent::Leased;
use super::{Throttle, add};
use crate::clock::Clock;
use crate::decision::Decision;
use crate::failure::{Failure, ThrottleError};
use crate::plan::PlanRecord;
use crate::request::Request;
use crate::settlement::Settlement;
use crate::store::Store;

/// The levels of a request that is being decided.
struct Levels<'a> {
    own: Level<'a>,
    parents: Vec<Level<'a>>,
}

struct Level<'a> {
    request: Request<'a>,
    /// The plan, or the failure of its look-up.
    record: Result<Arc<PlanRecord>, Failure>,
    decision: Option<Decision>,
    /// True if a lease may have to be taken for it.
    is_late: bool,
    /// True if the request counts as demand for leases.
    is_counted: bool,
}

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Decides a request at each of its levels.
    pub(super) async fn decide_levels(
        &self,
        request: &Request<'_>,
    ) -> Result<Decision, ThrottleError> {
        let (own, parents) = request.levels()?;
        let mut levels = Levels { own: self.level(own).await?, parents: Vec::new() };
        for parent in parents {
            levels.parents.push(self.level(parent).await?);
        }
        if self.refuse_from_memory(&mut levels)? {
            add(&mut self.stats_mut().remembered);
        } else {
            let admitted = self.charge_levels(&mut levels).await;
            if !matches!(admitted, Ok(true)) {
                self.give_back(&mut levels).await;
            }
            admitted?;
        }
        self.joined(levels)
    }

    /// Looks up the plan of a level.
    async fn level<'a>(&self, request: Request<'a>) -> Result<Level<'a>, ThrottleError> {
        let now = self.clock.moment();
        let record = match self.plans.get(request.plan, now, self.fetch(request.plan)).await {
            Ok(record) => Ok(record),
            Err(ThrottleError::Unavailable(failure)) if failure.may_pass() => Err(failure),
            Err(error) => return Err(error),
        };
        Ok(Level { request, record, decision: None, is_late: false, is_counted: false })
    }

    /// Refuses the request if a level does so without a call. Returns true if one did.
    fn refuse_from_memory(&self, levels: &mut Levels<'_>) -> Result<bool, ThrottleError> {
        let mut is_refused = false;
        for Level { request, record, decision, .. } in levels.all() {
            let Ok(record) = record else { continue };
            *decision = self.refused_from_memory(request, record)?;
            if decision.is_some() && !is_refused {
                is_refused = true;
                if request.is_parent
                    && let Some(want) = leasable(request, record)
                {
                    // The next lease of the parent must cover such requests too.
                    self.parents.count(want, self.clock.monotonic());
                }
            }
        }
        Ok(is_refused)
    }

    /// Charges the levels until one refuses. Returns true if all admit the request.
    async fn charge_levels(&self, levels: &mut Levels<'_>) -> Result<bool, ThrottleError> {
        for parent in &mut levels.parents {
            if !self.draw(parent).await? {
                return Ok(false);
            }
        }
        let Level { request, record, .. } = &levels.own;
        levels.own.is_late = self.leases.is_some()
            && record.as_ref().is_ok_and(|record| leasable(request, record).is_some());
        for is_late in [false, true] {
            for level in levels.all() {
                let is_due = level.decision.is_none() && level.is_late == is_late;
                if is_due && !self.charge_level(level).await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Charges a parent from a lease that is held. Returns false if it refuses.
    async fn draw(&self, parent: &mut Level<'_>) -> Result<bool, ThrottleError> {
        let Level { request, record: Ok(record), .. } = parent else { return Ok(true) };
        let leased = self.parent_leased(request, record, false).await?;
        parent.is_counted = true;
        match leased {
            Leased::Decided(decided) => Ok(parent.decision.insert(decided).is_allowed()),
            Leased::Late => {
                parent.is_late = true;
                Ok(true)
            }
            Leased::Alone => Ok(true),
        }
    }

    /// Charges a level by a write of its own, or by that of a new lease. Returns false if it
    /// refuses.
    async fn charge_level(&self, level: &mut Level<'_>) -> Result<bool, ThrottleError> {
        level.is_counted |= level.is_late;
        let request = &level.request;
        let decided = match &level.record {
            Ok(record) if level.is_late && request.is_parent => {
                match self.parent_leased(request, record, true).await {
                    Ok(Leased::Decided(decided)) => Some(decided),
                    Ok(_) => None,
                    Err(error) => Some(self.by_policy(request, Err(error))?),
                }
            }
            Ok(_) => None,
            Err(failure) => {
                let failed = ThrottleError::Unavailable(failure.clone());
                Some(self.by_policy(request, Err(failed))?)
            }
        };
        let decided = match decided {
            Some(decided) => decided,
            None => self.decide_level(request).await?,
        };
        Ok(level.decision.insert(decided).is_allowed())
    }

    /// Gives back what was charged, because the request is not admitted.
    async fn give_back(&self, levels: &mut Levels<'_>) {
        for Level { request, record, decision, is_counted, .. } in levels.all() {
            let refuses = decision.as_ref().is_some_and(|decision| !decision.is_allowed());
            if let Ok(record) = record
                && *is_counted
                && !refuses
            {
                self.uncount(request, record);
            }
            let Some(decision) = decision else { continue };
            let charges = decision.take_receipt().into_iter().flat_map(|receipt| receipt.charges);
            for charged in charges {
                // If a charge cannot be given back, it stays, which is stricter.
                let _ = self.correct(&charged, &Settlement::nothing()).await;
                decision.standings = self.standings_of(&charged, &decision.standings);
            }
        }
    }

    /// Removes a request from the demand, because another level refused it.
    fn uncount(&self, request: &Request<'_>, record: &PlanRecord) {
        let held = if request.is_parent { Some(&self.parents) } else { self.leases.as_ref() };
        if let (Some(held), Some(want)) = (held, leasable(request, record)) {
            held.uncount(want);
        }
    }

    /// The decision of all levels. Parents that were not asked are left out.
    fn joined(&self, levels: Levels<'_>) -> Result<Decision, ThrottleError> {
        let Level { request, record, decision, .. } = levels.own;
        let own = match (decision, record) {
            (Some(decision), _) => decision,
            (None, Ok(record)) => self.unasked(&request, &record)?,
            (None, Err(_)) => Decision::unasked(request.plan.clone(), Vec::new()),
        };
        let parents = levels.parents.into_iter();
        let parents = parents.filter_map(|it| Some((it.request.subject.clone(), it.decision?)));
        Ok(own.with_parents(parents.collect()))
    }
}

impl<'a> Levels<'a> {
    /// All levels, the subject's own first.
    fn all(&mut self) -> impl Iterator<Item = &mut Level<'a>> {
        std::iter::once(&mut self.own).chain(&mut self.parents)
    }
}
