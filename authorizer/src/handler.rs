//! One request, from the event to the response and its record.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use policy::{Evaluation, Verdict};
use reqwest::Client;
use serde_json::Value;
use throttle::{ApiKey, Clock, KeyLookup, Store};

use crate::bucket_owner;
use crate::caller::VerifiedCaller;
use crate::claims::Claims;
use crate::config::Config;
use crate::credential::{self, Credentials};
use crate::event::{Event, EventKind};
use crate::http::ClientError;
use crate::limits::Limits;
use crate::record::{Invocation, Record, Recorder};
use crate::refusal::{Code, Refusal};
use crate::response::{Decided, Failure, Outcome, Response};
use crate::revocation::Revocations;
use crate::token::digest_of;
use crate::verify::{self, Lookup, Verification, Verifier};

/// The authorizer: its configuration, and its state between requests.
pub struct Authorizer<S, C> {
    config: Config,
    verifier: Verifier<C>,
    revocations: Option<Revocations<C>>,
    key_lookup: Option<KeyLookup<C>>,
    limits: Option<Limits<S, C>>,
    recorder: Recorder,
    clock: C,
    #[cfg(feature = "otel")]
    traces: Option<crate::otel::Traces>,
}

impl<S, C> std::fmt::Debug for Authorizer<S, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorizer").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<S: Store, C: Clock + Clone> Authorizer<S, C> {
    /// Makes an authorizer. `store` has the buckets, if the configuration has limits.
    ///
    /// If the configuration has limits and there is no store, every request fails.
    ///
    /// # Errors
    ///
    /// The HTTP client for the key sets cannot be made.
    pub fn new(config: Config, store: Option<S>, clock: C) -> Result<Self, ClientError> {
        let client = verify::client(&config.issuers)?;
        Ok(Self::with_client(config, store, clock, &client))
    }

    /// Makes an authorizer that fetches keys by this client.
    pub(crate) fn with_client(config: Config, store: Option<S>, clock: C, client: &Client) -> Self {
        let verifier = Verifier::with_client(config.issuers.clone(), clock.clone(), client);
        let limits = config.throttle.clone();
        let limits = limits.map(|limits| Limits::new(limits, store, clock.clone()));
        let recorder = Recorder::new(&config.metrics);
        Self {
            config,
            verifier,
            revocations: None,
            key_lookup: None,
            limits,
            recorder,
            clock,
            #[cfg(feature = "otel")]
            traces: crate::otel::Traces::from_env(),
        }
    }

    /// Reads revocations from this table.
    ///
    /// If the configuration has revocations, every request fails without this table.
    #[must_use]
    pub fn with_revocations(self, revocations: Revocations<C>) -> Self {
        Self { revocations: Some(revocations), ..self }
    }

    /// Reads API keys and assigned plans from this table.
    ///
    /// If the configuration has API keys or assigned plans, every request fails without this table.
    #[must_use]
    pub fn with_key_lookup(self, key_lookup: KeyLookup<C>) -> Self {
        Self { key_lookup: Some(key_lookup), ..self }
    }

    /// Fetches keys and opens the connections to the table before the first request.
    ///
    /// A failure is only logged; the first request that needs the keys or the table tries again.
    pub async fn prepare(&self) {
        let limits = async {
            if let Some(limits) = &self.limits {
                limits.prepare().await;
            }
        };
        let revocations = async {
            if let Some(revocations) = &self.revocations
                && let Err(error) = revocations.warm().await
            {
                tracing::warn!(%error, "the table of revocations cannot be read ahead");
            }
        };
        futures_util::future::join3(self.verifier.prepare(), limits, revocations).await;
    }

    /// Answers one event and writes its record.
    ///
    /// If the code panics, only this request fails. Its record has the code but not the panic's
    /// message, which may quote the request.
    ///
    /// # Errors
    ///
    /// The failures that API Gateway answers with 401 or 500.
    pub async fn handle<'a>(
        &self,
        event: &Value,
        invocation: impl Into<Invocation<'a>>,
    ) -> Result<Response, Failure> {
        let invocation = invocation.into();
        let started = self.clock.monotonic();
        let mut record = Record::new(invocation);
        let answer = AssertUnwindSafe(self.answer(event, &mut record)).catch_unwind().await;
        let answer = answer.unwrap_or_else(|_| {
            let refusal = Refusal::new(Code::Panic, "a fault in the authorizer");
            record.refuse(refusal);
            Err(refusal.into())
        });
        let took = self.clock.monotonic().saturating_sub(started);
        record.metrics.time("Duration", took);
        record.metrics.fetches(&self.verifier.fetches().take());
        if let Some(throttle) = self.limits.as_ref().and_then(|limits| limits.throttle.as_ref()) {
            self.recorder.add_writes(&mut record.metrics, throttle.store());
        }
        if let Some(lookup) = &self.key_lookup {
            self.recorder.add_reads(&mut record.metrics, lookup.reads());
        }
        let now = self.clock.now();
        let _line = self.recorder.write(record, now);
        #[cfg(feature = "otel")]
        if let Some(traces) = &self.traces {
            traces.export(&_line, invocation.trace, now.saturating_sub(took), took).await;
        }
        answer
    }

    /// Answers an event in the form of its kind.
    async fn answer(&self, event: &Value, record: &mut Record<'_>) -> Result<Response, Failure> {
        let kind = EventKind::of(event);
        record.kind = kind.ok();
        let event = kind.and_then(|kind| Event::read(kind, event, &self.config.token));
        let answer = match &event {
            Ok(event) => self.decide(event, record).await,
            Err(refusal) => Err(*refusal),
        };
        answer.or_else(|refusal| {
            record.refuse(refusal);
            let arn = event.as_ref().ok().map(Event::arn);
            Response::refused(record.kind, arn, refusal, &self.config.response)
        })
    }

    /// Decides a request: credentials, caller, rules, plan and bucket, response.
    async fn decide(
        &self,
        event: &Event<'_>,
        record: &mut Record<'_>,
    ) -> Result<Response, Refusal> {
        if let Some(limits) = &self.limits {
            limits.check(event.kind())?;
        }
        let callers = &self.config.callers;
        let has_public = self.config.rules.has_anonymous();
        let credentials = Credentials::of(event, callers, has_public)?;
        let caller = self.identify(event, credentials, record).await?;

        let seen = caller.for_rules().with_source_ip(event.source_ip());
        let Evaluation { verdict, document: policy, .. } =
            self.config.rules.evaluate(&seen, event.arn());
        let ruled = match verdict {
            // The route is not public, so the caller must send a credential.
            Verdict::Denied { .. } if caller.is_anonymous() => {
                return Err(credential::missing(callers));
            }
            Verdict::Denied { .. } => Outcome::Forbidden,
            // The event has no usable address. API Gateway, which has it, decides by the policy, so
            // the request is charged.
            Verdict::Allowed { .. } | Verdict::Conditional { .. } => Outcome::Allowed,
        };
        let (outcome, charged) = match (&policy, &self.limits) {
            (Err(error), _) if Response::has_policy(event.kind(), &self.config.response) => {
                // The error names the configuration's routes and nothing of the caller.
                tracing::info!(%error, "the caller's claims make the policy too long");
                (Outcome::LongPolicy, None)
            }
            (_, Some(limits)) => {
                let lookup = self.key_lookup.as_ref();
                limits.charge(event, &caller, lookup, ruled, record).await?
            }
            (_, None) => (ruled, None),
        };
        record.decide(outcome.as_str());
        let decided =
            Decided { caller: &caller, outcome, policy: policy.ok(), charged: charged.as_ref() };
        Ok(Response::decided(event, &self.config, decided))
    }

    /// Verifies every credential of a request, and returns its caller.
    ///
    /// A bad credential is refused even if the other one is good.
    async fn identify(
        &self,
        event: &Event<'_>,
        credentials: Credentials<'_>,
        record: &mut Record<'_>,
    ) -> Result<VerifiedCaller, Refusal> {
        let claims = match credentials.token {
            Some(token) => {
                let claims = self.verify(token, record).await?;
                self.check_revocation(&claims, record).await?;
                Some(claims)
            }
            None => None,
        };
        let key = match credentials.key {
            Some(text) => Some(self.look_up(text, event, record).await?),
            None => None,
        };
        let caller = VerifiedCaller::new(claims, key, self.config.callers.prefer);
        // The API's cache key must have every credential that counts.
        if caller.claims.is_some() {
            event.check_cache_key()?;
        }
        if caller.key.is_some() {
            event.check_key_in_cache_key()?;
        }
        if caller.is_anonymous() {
            event.check_uncached()?;
        }
        Ok(caller)
    }

    /// Looks up an API key.
    async fn look_up(
        &self,
        text: &str,
        event: &Event<'_>,
        record: &mut Record<'_>,
    ) -> Result<Arc<ApiKey>, Refusal> {
        // The beginning of the key's id, which is its SHA-256.
        record.key = Some(digest_of(text));
        let lookup = self.key_lookup.as_ref();
        let lookup = lookup.ok_or(Refusal::config("no table of keys"))?;
        let started = self.clock.monotonic();
        let found = bucket_owner::look_up(text, event, lookup).await;
        record.metrics.time("KeyTime", self.clock.monotonic().saturating_sub(started));
        found
    }

    /// Verifies a token and returns its claims.
    async fn verify(&self, token: &str, record: &mut Record<'_>) -> Result<Arc<Claims>, Refusal> {
        let Verification { kid, lookup, outcome } = self.verifier.verify(token).await;
        record.kid = kid;
        record.metrics.hit("CacheHits", "CacheMisses", lookup == Lookup::Hit);
        let claims = outcome?;
        record.sub = claims.subject().map(digest_of);
        if let Some(age) = self.verifier.key_age(&claims) {
            record.metrics.time("KeyAge", age);
        }
        Ok(claims)
    }

    /// Checks that a token is not revoked, if the configuration has revocations.
    async fn check_revocation(
        &self,
        claims: &Claims,
        record: &mut Record<'_>,
    ) -> Result<(), Refusal> {
        if self.config.revocation.is_none() {
            return Ok(());
        }
        let revocations = self.revocations.as_ref();
        let revocations = revocations.ok_or(Refusal::config("no table of revocations"))?;
        let check = revocations.check(claims).await;
        record.metrics.hit("RevocationHits", "RevocationMisses", check.asked.is_none());
        if let Some(asked) = check.asked {
            record.metrics.time("RevocationTime", asked);
        }
        match check.outcome? {
            None => Ok(()),
            Some(_) => Err(Refusal::new(Code::Revoked, "the token is revoked")),
        }
    }
}

#[cfg(test)]
mod tests;
