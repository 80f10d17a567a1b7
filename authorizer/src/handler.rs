//! One request, from the event to the answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::FutureExt as _;
use policy::{Evaluation, Verdict};
use reqwest::Client;
use serde_json::Value;
use throttle::{
    Clock, Consumed, Decision, KeyLookup, PlanId, Request, Store, Subject, Throttle, ThrottleError,
    Timestamp,
};

use crate::bucket_owner::{BucketOwner, Named};
use crate::claims::Claims;
use crate::config::{Config, ThrottleConfig};
use crate::event::{Event, Form};
use crate::http::{self, ClientError};
use crate::line::Line;
use crate::log::{self, Weight};
use crate::metrics::{Measured, Metrics};
use crate::plans::ClaimedPlans;
use crate::refusal::{Code, Refusal};
use crate::response::{Charged, Decided, Failure, Response};
use crate::revocation::Revocations;
use crate::verify::{self, Lookup, Verification, Verifier};

/// The authorizer: what it was configured with, and what it remembers between requests.
pub struct Authorizer<S, C> {
    config: Config,
    verifier: Verifier<C>,
    throttle: Option<Throttle<S, C>>,
    key_lookup: Option<KeyLookup<C>>,
    revocations: Option<Revocations<C>>,
    claimed: ClaimedPlans,
    clock: C,
    metrics: Metrics,
    #[cfg(feature = "otel")]
    traces: Option<crate::otel::Traces>,
    /// Whether a request has been answered.
    warm: AtomicBool,
    /// What of the store's writes the log has told of.
    told: Told,
}

impl<S, C> std::fmt::Debug for Authorizer<S, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorizer").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What of a store's writes the log has told of.
#[derive(Default)]
struct Told {
    calls: AtomicU64,
    milliunits: AtomicU64,
}

impl Told {
    /// What came since this was asked last: calls, and thousandths of write units.
    fn since(&self, consumed: Consumed) -> (u64, u64) {
        let since =
            |told: &AtomicU64, now: u64| now.saturating_sub(told.fetch_max(now, Ordering::Relaxed));
        (since(&self.calls, consumed.calls), since(&self.milliunits, consumed.milliunits))
    }
}

/// What Lambda says of one invocation.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// Lambda's id of the request.
    pub request_id: &'a str,
    /// X-Ray's header, as it came.
    pub trace: Option<&'a str>,
}

impl<'a> From<&'a str> for Invocation<'a> {
    /// An invocation of that id, without a trace.
    fn from(request_id: &'a str) -> Self {
        Self { request_id, trace: None }
    }
}

/// What was learned of a request on its way, for its one line in the log.
#[derive(Default)]
struct Trail {
    form: Option<Form>,
    kid: Option<Arc<str>>,
    sub: Option<Arc<str>>,
    plan: Option<PlanId>,
    measured: Measured,
}

/// An event that is answered, and that the log doesn't tell of yet.
///
/// Dropped, it is told of all the same: a request has its line however its invocation ends.
pub(crate) struct Untold<'a, S: Store, C: Clock + Clone> {
    authorizer: &'a Authorizer<S, C>,
    invocation: Invocation<'a>,
    ended: Option<Ended>,
}

/// What the log is to say of an event.
struct Ended {
    trail: Trail,
    end: End,
    /// When the answer was there.
    at: Timestamp,
}

impl<S: Store, C: Clock + Clone> Untold<'_, S, C> {
    /// Writes the event's line in the log, and exports its span where that is on.
    pub(crate) async fn tell(mut self) {
        #[cfg(not(feature = "otel"))]
        self.write();
        #[cfg(feature = "otel")]
        self.export().await;
    }

    /// Writes the line, and sends it as a span.
    #[cfg(feature = "otel")]
    async fn export(&mut self) {
        let times = self.ended.as_ref().map(|ended| (ended.at, ended.trail.measured.duration));
        let line = self.write();
        if let (Some(traces), Some(line), Some((at, took))) = (&self.authorizer.traces, line, times)
        {
            let start = at.checked_sub(took).unwrap_or(at);
            traces.export(&line, self.invocation.trace, start, took).await;
        }
    }

    /// Writes the line, unless it is written.
    fn write(&mut self) -> Option<String> {
        let ended = self.ended.take()?;
        let weight = ended.end.weight();
        let line = self.authorizer.line(self.invocation, ended);
        log::request(&line, weight, self.authorizer.metrics.are_on());
        Some(line)
    }
}

impl<S: Store, C: Clock + Clone> Drop for Untold<'_, S, C> {
    fn drop(&mut self) {
        self.write();
    }
}

/// How a request ended.
#[derive(Clone, Copy)]
enum End {
    Decided(&'static str),
    Refused(Refusal),
}

impl End {
    const fn weight(self) -> Weight {
        match self {
            Self::Refused(refusal) if !refusal.code().is_callers_fault() => Weight::Error,
            Self::Decided(_) | Self::Refused(_) => Weight::Info,
        }
    }
}

impl<S: Store, C: Clock + Clone> Authorizer<S, C> {
    /// Makes an authorizer; `store` keeps the buckets, where the configuration has limits.
    ///
    /// Limits without a store to keep them in let nobody through.
    ///
    /// # Errors
    ///
    /// The HTTP client for the key sets can't be made.
    pub fn new(config: Config, store: Option<S>, clock: C) -> Result<Self, ClientError> {
        let client = http::client(verify::are_plain(&config.issuers))?;
        Ok(Self::with_client(config, store, clock, client))
    }

    /// Like `new`, with keys fetched by this client.
    pub(crate) fn with_client(config: Config, store: Option<S>, clock: C, client: Client) -> Self {
        let verifier = Verifier::with_client(config.issuers.clone(), clock.clone(), client);
        let failure = config.throttle.as_ref().map(|limits| limits.failure).unwrap_or_default();
        let throttle =
            store.map(|store| Throttle::new(store, clock.clone()).default_failure(failure));
        let metrics = Metrics::new(&config.metrics);
        Self {
            config,
            verifier,
            throttle,
            key_lookup: None,
            revocations: None,
            claimed: ClaimedPlans::default(),
            clock,
            metrics,
            #[cfg(feature = "otel")]
            traces: crate::otel::Traces::from_env(),
            warm: AtomicBool::default(),
            told: Told::default(),
        }
    }

    /// Looks revocations up here, where the configuration has them looked up.
    ///
    /// Without this such a configuration lets nobody through.
    #[must_use]
    pub fn with_revocations(self, revocations: Revocations<C>) -> Self {
        Self { revocations: Some(revocations), ..self }
    }

    /// Looks API keys and assigned plans up here, where the configuration has them looked up.
    ///
    /// Without this such a configuration lets nobody through.
    #[must_use]
    pub fn with_key_lookup(self, key_lookup: KeyLookup<C>) -> Self {
        Self { key_lookup: Some(key_lookup), ..self }
    }

    /// Fetches what the first request will need; a failure is left to that request.
    ///
    /// The keys, and the default plan and a revocation, which open the connections to the table;
    /// all at once.
    pub async fn prepare(&self) {
        let plan = async {
            if let (Some(throttle), Some(config)) = (&self.throttle, &self.config.throttle)
                && let Some(default) = &config.plan.default
                && let Err(error) = throttle.store().plan(default).await
            {
                tracing::warn!(%error, "the table can't be read ahead");
            }
        };
        let revocations = async {
            if let Some(revocations) = &self.revocations
                && let Err(error) = revocations.warm().await
            {
                tracing::warn!(%error, "the table of revocations can't be read ahead");
            }
        };
        futures_util::future::join3(self.verifier.prepare(), plan, revocations).await;
    }

    /// Answers one event, and writes its line in the log.
    ///
    /// A panic on the way is answered as a failure, and told by its code alone: what it says can
    /// quote the request.
    ///
    /// # Errors
    ///
    /// What API Gateway makes a 401 or a 500 of.
    pub async fn handle<'a>(
        &self,
        event: &Value,
        invocation: impl Into<Invocation<'a>>,
    ) -> Result<Response, Failure> {
        let (answer, untold) = self.decide_untold(event, invocation.into()).await;
        untold.tell().await;
        answer
    }

    /// Answers one event as `handle` does; its line can be written later.
    pub(crate) async fn decide_untold<'a>(
        &'a self,
        event: &Value,
        invocation: Invocation<'a>,
    ) -> (Result<Response, Failure>, Untold<'a, S, C>) {
        let started = self.clock.monotonic();
        let mut trail = Trail::default();
        let answered = AssertUnwindSafe(self.answer(event, &mut trail)).catch_unwind().await;
        let (answer, end) = answered.unwrap_or_else(|_| {
            let refusal = Refusal::new(Code::Panic, "a fault in the authorizer");
            (Err(refusal.into()), End::Refused(refusal))
        });
        trail.measured.duration = self.clock.monotonic().saturating_sub(started);
        let ended = Ended { trail, end, at: self.clock.now() };
        (answer, Untold { authorizer: self, invocation, ended: Some(ended) })
    }

    /// Answers in the event's own form, also where it can't be read further.
    async fn answer(&self, event: &Value, trail: &mut Trail) -> (Result<Response, Failure>, End) {
        let form = match Form::of(event) {
            Ok(form) => form,
            Err(refusal) => return (Err(refusal.into()), End::Refused(refusal)),
        };
        trail.form = Some(form);
        let event = Event::read(form, event);
        let outcome = match &event {
            Ok(event) => self.decide(event, trail).await,
            Err(refusal) => Err(*refusal),
        };
        match outcome {
            Ok((response, code)) => (Ok(response), End::Decided(code)),
            Err(refusal) => {
                let arn = event.as_ref().ok().map(Event::arn);
                let answer = Response::refused(form, arn, refusal, &self.config.response);
                (answer, End::Refused(refusal))
            }
        }
    }

    async fn decide(
        &self,
        event: &Event<'_>,
        trail: &mut Trail,
    ) -> Result<(Response, &'static str), Refusal> {
        if let Some(throttle) = &self.config.throttle {
            Response::check(event.form(), throttle)?;
            BucketOwner::check(event.form(), throttle)?;
        }
        let token = event.token(&self.config.token)?;
        let Verification { kid, lookup, outcome } = self.verifier.verify(token).await;
        trail.kid = kid;
        trail.measured.cached = Some(lookup == Lookup::Hit);
        let claims = outcome?;
        event.check_cache_key(&self.config.token)?;
        trail.measured.key_age = self.verifier.key_age(&claims);
        trail.sub = claims.subject().map(log::digest_of);
        if self.config.revocation.is_some() {
            let revocations = self.revocations.as_ref();
            let revocations = revocations.ok_or(Refusal::config("no table of revocations"))?;
            let check = revocations.check(&claims).await;
            trail.measured.revocations = Some(check.asked);
            if check.outcome?.is_some() {
                return Err(Refusal::new(Code::Revoked, "the token is revoked"));
            }
        }

        let caller = claims.caller().with_source_ip(event.source_ip());
        let Evaluation { verdict, document, .. } = self.config.rules.evaluate(&caller, event.arn());
        let allowed = match verdict {
            Verdict::Allowed { .. } => true,
            // The event has no address, or none that can be read. API Gateway, which has it, decides
            // by the policy and may well let the request pass, so it is charged. Simple answers,
            // which have no conditions, are refused together with such rules at the start.
            Verdict::Conditional { .. } => true,
            Verdict::Denied { .. } => false,
        };
        let policy = Response::has_policy(event.form(), &self.config.response)
            .then_some(document)
            .transpose();
        let policy = match policy {
            Ok(policy) => policy,
            // The caller's claims make it too long. A policy that is cut would be another.
            Err(error) => {
                // The error names routes of the configuration, and nothing of the caller.
                tracing::info!(%error, "the caller's policy is over a bound");
                return Ok((Response::denied(event, &self.config, &claims), "long_policy"));
            }
        };
        let limited = match &self.config.throttle {
            Some(config) => self.limit(config, event, &claims, allowed, trail).await?,
            None => Limited::Uncounted,
        };
        let charged = match limited {
            Limited::Uncounted => None,
            Limited::Charged(charged) => Some(charged),
            Limited::WithoutPlan => {
                return Ok((Response::denied(event, &self.config, &claims), "no_plan"));
            }
        };
        let code = match &charged {
            _ if !allowed => "forbidden",
            Some(charged) if !charged.decision.is_allowed() => "throttled",
            _ => "allowed",
        };
        let decided = Decided { claims: &claims, allowed, charged: charged.as_ref() };
        Ok((Response::decided(event, &self.config, &decided, policy), code))
    }

    /// Makes a request's line.
    fn line(&self, invocation: Invocation<'_>, ended: Ended) -> String {
        let Ended { trail, end, at } = ended;
        let Trail { form, kid, sub, plan, mut measured } = trail;
        let (message, code, detail) = match end {
            End::Decided(code) => ("decided", code, None),
            End::Refused(refusal) => {
                let code = refusal.code();
                let message = if code.is_callers_fault() { "refused" } else { "failed" };
                (message, code.as_str(), Some(refusal.detail()))
            }
        };
        let mut line = Line::new(message);
        line.put("level", end.weight().as_str());
        line.put("request_id", invocation.request_id);
        line.put_some("trace", invocation.trace.and_then(log::trace_root));
        line.put_some("form", form.map(Form::as_str));
        line.put("code", code);
        line.put_some("detail", detail);
        line.put_some("kid", kid.as_deref());
        line.put_some("sub", sub.as_deref());
        line.put_some("plan", plan.as_ref().map(PlanId::as_str));

        measured.cold_start = !self.warm.swap(true, Ordering::Relaxed);
        measured.fetches = self.verifier.fetches().take();
        if let Some(throttle) = &self.throttle {
            let since = self.told.since(throttle.store().consumed());
            (measured.writes, measured.milliunits) = since;
        }
        self.metrics.embed(&mut line, &measured, at.as_nanos() / 1_000_000);
        line.finish()
    }

    /// Charges a request to its subject's bucket, if the rules allow it.
    async fn limit(
        &self,
        config: &ThrottleConfig,
        event: &Event<'_>,
        claims: &Claims,
        allowed: bool,
        trail: &mut Trail,
    ) -> Result<Limited, Refusal> {
        // A key is a credential: it is looked at for a route that is forbidden too, since the
        // policy may be cached for another.
        if !allowed && !config.counts_by_api_key() {
            return Ok(Limited::Uncounted);
        }
        let asked = self.clock.monotonic();
        let outcome = async {
            let owner = BucketOwner::of(event, claims, config, self.key_lookup.as_ref()).await?;
            // API Gateway refuses a forbidden call by the policy; it is not charged to the caller.
            if !allowed {
                return Ok(Limited::Uncounted);
            }
            self.charge(config, event, owner, trail).await
        };
        let outcome = outcome.await;
        trail.measured.table = Some(self.clock.monotonic().saturating_sub(asked));
        outcome
    }

    /// Charges a request under the plan that was named, or under the default plan.
    ///
    /// A plan that a claim names and the table does not have is the caller's: the default applies.
    /// A missing plan that the table or the configuration names is the operator's: an error.
    async fn charge(
        &self,
        config: &ThrottleConfig,
        event: &Event<'_>,
        owner: BucketOwner,
        trail: &mut Trail,
    ) -> Result<Limited, Refusal> {
        let BucketOwner { subject, plan: named } = owner;
        if let Named::Claimed(plan) = &named
            && self.claimed.may_look_up(plan, &subject, &self.clock)
        {
            match self.decision(event, &subject, plan).await {
                Err(ThrottleError::UnknownPlan { .. }) => {
                    self.claimed.is_missing(plan, &subject, &self.clock);
                }
                Ok(decision) => {
                    if !decision.is_degraded() {
                        self.claimed.exists(plan);
                    }
                    // Else it may be any text of the caller's, which is not logged.
                    trail.plan = self.claimed.is_known(plan).then(|| plan.clone());
                    trail.measured.degraded = decision.is_degraded();
                    return Ok(Limited::Charged(Charged { subject, decision }));
                }
                Err(error) => return Err(undecided(&error, "")),
            }
        }
        let default = config.plan.default.as_ref();
        let (plan, missing) = match &named {
            Named::Assigned(plan) => {
                (Some(plan), "the plan of the key or the subject is not in the table: put it there")
            }
            _ => (default, "the default plan is not in the table: put it there"),
        };
        trail.measured.unknown_plan = matches!(named, Named::Claimed(_) | Named::Unusable);
        let Some(plan) = plan else { return Ok(Limited::WithoutPlan) };
        let decision = self.decision(event, &subject, plan).await;
        let decision = decision.map_err(|error| undecided(&error, missing))?;
        trail.plan = Some(plan.clone());
        trail.measured.degraded = decision.is_degraded();
        Ok(Limited::Charged(Charged { subject, decision }))
    }

    async fn decision(
        &self,
        event: &Event<'_>,
        subject: &Subject,
        plan: &PlanId,
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
        throttle.decide(&request).await
    }
}

/// The outcome of the limits.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment, and is mostly the larger one"
)]
enum Limited {
    /// The request is not counted: there are no limits, or the rules forbid it.
    Uncounted,
    /// It was counted, and is allowed or over its limit.
    Charged(Charged),
    /// No plan applies to the caller, so it may call nothing.
    WithoutPlan,
}

/// The refusal for a request without a decision; `missing` says which plan the table lacks.
fn undecided(error: &ThrottleError, missing: &'static str) -> Refusal {
    if matches!(error, ThrottleError::UnknownPlan { .. }) {
        return Refusal::config(missing);
    }
    tracing::error!(%error, "no decision");
    match error {
        ThrottleError::Unavailable(failure) if !failure.may_pass() => {
            Refusal::config("the table can't be used")
        }
        _ => Refusal::unavailable("the table can't be had"),
    }
}

#[cfg(test)]
mod tests;
