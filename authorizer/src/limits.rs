//! The plan and the bucket of a request.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use throttle::{
    Clock, Decision, FailurePolicy, KeyLookup, Level, Moment, PlanId, Request, Store, Subject,
    Throttle, ThrottleError,
};

use crate::bucket_owner::{BucketOwner, Named};
use crate::caller::VerifiedCaller;
use crate::charged::{Charged, OWN};
use crate::config::ThrottleConfig;
use crate::event::{Event, EventKind};
use crate::parents::Parent;
use crate::plans::ClaimedPlans;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::response::Outcome;
use crate::shell::{DEFAULT_TABLE, shell_word};

/// The detail of a request whose parent's plan is missing.
const PARENTS_PLAN: &str = "the plan of a parent is not in the table: create it";

/// Time between two log lines about a missing plan.
const LOG_AGAIN: Duration = Duration::from_secs(60);

/// Limits of an authorizer: their configuration, the buckets, and the plans that were seen.
pub(crate) struct Limits<S, C> {
    pub(crate) config: ThrottleConfig,
    pub(crate) throttle: Option<Throttle<S, C>>,
    claimed: ClaimedPlans,
    /// The last time that a missing plan was logged.
    missing_logged: Mutex<Option<Moment>>,
    /// The last time that wrong parents were logged.
    parents_logged: Mutex<Option<Moment>>,
    clock: C,
}

impl<S: Store, C: Clock + Clone> Limits<S, C> {
    /// Makes limits whose buckets are in this store. Without a store every request fails.
    pub(crate) fn new(config: ThrottleConfig, store: Option<S>, clock: C) -> Self {
        let failure: FailurePolicy = config.failure;
        let throttle = store.map(|store| Throttle::new(store, clock.clone()));
        let throttle = throttle.map(|throttle| throttle.default_failure(failure));
        Self {
            config,
            throttle,
            claimed: ClaimedPlans::default(),
            missing_logged: Mutex::default(),
            parents_logged: Mutex::default(),
            clock,
        }
    }

    /// Checks that these limits fit an event of this kind.
    ///
    /// # Errors
    ///
    /// `config` for a TOKEN event, which has no address, if requests are counted by address.
    pub(crate) fn check(&self, kind: EventKind) -> Result<(), Refusal> {
        if kind == EventKind::RestToken && self.config.counts_by_address() {
            return Err(Refusal::config(
                "a TOKEN event has no source address: make it a REQUEST authorizer",
            ));
        }
        Ok(())
    }

    /// Reads the default plans, which opens the connection to the table.
    pub(crate) async fn prepare(&self) {
        let Some(throttle) = &self.throttle else { return };
        let of_parents = self.config.parents.iter().filter_map(|parent| parent.plan.as_ref());
        for default in self.config.plan.default.iter().chain(of_parents) {
            match throttle.store().plan(default).await {
                Ok(Some(_)) => {}
                Ok(None) => self.log_missing(default),
                Err(error) => tracing::warn!(%error, "the default plan cannot be read ahead"),
            }
        }
    }

    /// Logs at most once a minute that the table lacks a plan that the operator named.
    fn log_missing(&self, plan: &PlanId) {
        if !self.may_log(&self.missing_logged) {
            return;
        }
        let (table, name) = (&self.config.table, shell_word(plan.as_str()));
        let option = match table.as_str() {
            DEFAULT_TABLE => String::new(),
            table => format!(" --table {}", shell_word(table)),
        };
        tracing::error!(
            code = "config",
            "no plan `{plan}` in table `{table}`; create it with `tollgate plan put {name} \
             FILE{option}`"
        );
    }

    /// Logs at most once a minute that a subject's parents are wrong, without the subject, which
    /// may be a claim's text.
    fn log_parents(&self, problem: &str) {
        if self.may_log(&self.parents_logged) {
            tracing::warn!(
                code = Outcome::WrongParents.as_str(),
                "{problem}, so requests are refused; `tollgate doctor --config FILE` names the \
                 subjects, and `tollgate subject assign SUBJECT --no-parent` mends one"
            );
        }
    }

    /// Returns true if the last such line was more than a minute ago.
    fn may_log(&self, last: &Mutex<Option<Moment>>) -> bool {
        let now = self.clock.moment();
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| now.since(last) >= LOG_AGAIN);
        if may {
            *last = Some(now);
        }
        may
    }

    /// Charges a request to its subject's bucket, unless the rules forbid it.
    ///
    /// Returns the outcome of rules and limits, and the charge. A forbidden request is not charged,
    /// because API Gateway refuses it by the policy.
    ///
    /// # Errors
    ///
    /// `claim` or `malformed` if the caller does not identify a subject; `unavailable` or `config` if
    /// the table cannot be used.
    pub(crate) async fn charge(
        &self,
        event: &Event<'_>,
        caller: &VerifiedCaller,
        lookup: Option<&KeyLookup<C>>,
        ruled: Outcome,
        record: &mut Record<'_>,
    ) -> Result<(Outcome, Option<Charged>), Refusal> {
        if ruled == Outcome::Forbidden {
            return Ok((ruled, None));
        }
        let started = self.clock.monotonic();
        let owner = BucketOwner::of(event, caller, &self.config, lookup).await;
        let charge = match owner {
            Ok(owner) => self.charge_owner(event, owner, record).await,
            Err(refusal) => Err(refusal),
        };
        record.metrics.time("TableTime", self.clock.monotonic().saturating_sub(started));
        charge
    }

    /// Charges a request under the plan that was named for its subject, or the default plan.
    ///
    /// A claimed plan that the table lacks is the caller's mistake: the default plan applies. If
    /// the table lacks an assigned plan, a default plan or a parent's plan, that is the operator's
    /// mistake: an error. If a parent has no plan, or if the parents form a loop or are too many,
    /// the request gets 403, because the mistake concerns only these subjects.
    async fn charge_owner(
        &self,
        event: &Event<'_>,
        owner: BucketOwner,
        record: &mut Record<'_>,
    ) -> Result<(Outcome, Option<Charged>), Refusal> {
        let BucketOwner { subject, plan: named, parents } = owner;
        let parents = match parents {
            Ok(parents) => parents,
            Err(problem) => {
                self.log_parents(problem);
                record.explain(problem);
                return Ok((Outcome::WrongParents, None));
            }
        };
        if let Some(parent) = parents.iter().find(|parent| parent.plan.is_none()) {
            record.refused_by = Some(parent.name.clone());
            return Ok((Outcome::NoPlan, None));
        }
        if let Named::Claimed(plan) = &named
            && self.claimed.may_look_up(plan, &subject, &self.clock)
        {
            match self.decide(event, &subject, plan, &parents).await {
                Err(ThrottleError::UnknownPlan { plan: missing }) if missing == *plan => {
                    self.claimed.is_missing(plan, &subject, &self.clock);
                }
                Err(error) => return Err(self.undecided(&error, PARENTS_PLAN)),
                Ok(decision) => {
                    if !decision.is_degraded() {
                        self.claimed.exists(plan);
                    }
                    // Any other name may be the caller's own text, which is not logged.
                    let known = self.claimed.is_known(plan).then_some(plan);
                    return Ok(charged(subject, parents, decision, known, record));
                }
            }
        }
        let default = self.config.plan.default.as_ref();
        let (plan, missing) = match &named {
            Named::Assigned(plan) => {
                (Some(plan), "the plan of the key or the subject is not in the table: create it")
            }
            _ => (default, "the default plan is not in the table: create it"),
        };
        if matches!(named, Named::Claimed(_) | Named::Unusable) {
            record.metrics.count("UnknownPlans", 1);
        }
        let Some(plan) = plan else { return Ok((Outcome::NoPlan, None)) };
        let decision = self.decide(event, &subject, plan, &parents).await;
        let decision = decision.map_err(|error| match &error {
            ThrottleError::UnknownPlan { plan: unknown } if unknown != plan => {
                self.undecided(&error, PARENTS_PLAN)
            }
            _ => self.undecided(&error, missing),
        })?;
        Ok(charged(subject, parents, decision, Some(plan), record))
    }

    async fn decide(
        &self,
        event: &Event<'_>,
        subject: &Subject,
        plan: &PlanId,
        parents: &[Parent],
    ) -> Result<Decision, ThrottleError> {
        let throttle = self.throttle.as_ref();
        let throttle =
            throttle.ok_or(ThrottleError::Unavailable(throttle::Failure::Unconfigured))?;
        let (arn, method) = (event.arn(), event.method());
        let request = Request::new(subject, plan);
        let request = match &method {
            Some(method) => request.method(arn.api(), arn.stage(), method),
            None => request,
        };
        let levels =
            parents.iter().filter_map(|it| Some(Level::new(&it.subject, it.plan.as_ref()?)));
        let request = levels.fold(request, |request, level| request.within(&level));
        throttle.decide(&request).await
    }

    /// Returns the refusal for a request without a decision. `missing` is its detail if a plan is
    /// missing, which is also logged.
    fn undecided(&self, error: &ThrottleError, missing: &'static str) -> Refusal {
        if let ThrottleError::UnknownPlan { plan } = error {
            self.log_missing(plan);
            return Refusal::config(missing);
        }
        tracing::error!(%error, "no decision");
        match error {
            ThrottleError::Unavailable(failure) if !failure.may_pass() => {
                Refusal::config("the table cannot be used")
            }
            _ => Refusal::unavailable("the table is unavailable"),
        }
    }
}

/// Records a decision under this plan, and returns its outcome.
fn charged(
    subject: Subject,
    parents: Vec<Parent>,
    decision: Decision,
    plan: Option<&PlanId>,
    record: &mut Record<'_>,
) -> (Outcome, Option<Charged>) {
    record.plan = plan.map(|plan| plan.as_str().to_owned());
    if decision.is_degraded() {
        record.metrics.count("Degraded", 1);
    }
    let outcome = if decision.is_allowed() { Outcome::Allowed } else { Outcome::Throttled };
    let charged = Charged { subject, parents, decision };
    record.would_throttle = charged.would_throttle();
    if record.would_throttle.is_some() {
        record.metrics.count("WouldThrottle", 1);
    }
    if outcome == Outcome::Throttled && !charged.parents.is_empty() {
        let refusing = charged.decision.refusing_parent();
        record.refused_by = Some(refusing.map_or(OWN, |it| charged.name_of(it)).to_owned());
    }
    (outcome, Some(charged))
}
