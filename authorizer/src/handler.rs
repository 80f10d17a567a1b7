//! One request, from the event to the answer.

use policy::{Caller, Document, DocumentError, MethodArn, Verdict};
use serde_json::Value;
use throttle::{Clock, Decision, Request, Store, Subject, Throttle, ThrottleError};

use crate::claims::Claims;
use crate::config::{Config, ThrottleConfig};
use crate::event::TokenEvent;
use crate::log;
use crate::refusal::Refusal;
use crate::response::{Failure, Response};
use crate::token;
use crate::verify::{Verification, Verifier};

/// The authorizer: what it was configured with, and what it remembers between requests.
pub struct Authorizer<S, C> {
    config: Config,
    verifier: Verifier<C>,
    throttle: Option<Throttle<S, C>>,
}

impl<S, C> std::fmt::Debug for Authorizer<S, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorizer").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What was learned of a request on its way, for its one line in the log.
#[derive(Default)]
struct Trail {
    kid: Option<String>,
    sub: Option<String>,
    plan: Option<String>,
}

impl<S: Store, C: Clock + Clone> Authorizer<S, C> {
    /// Makes an authorizer; `store` keeps the buckets, where the configuration has limits.
    ///
    /// Limits without a store to keep them in let nobody through.
    ///
    /// # Errors
    ///
    /// The HTTP client for the key sets can't be made.
    pub fn new(config: Config, store: Option<S>, clock: C) -> Result<Self, reqwest::Error> {
        let verifier = Verifier::new(config.issuers.clone(), clock.clone())?;
        let throttle = store.map(|store| Throttle::new(store, clock));
        Ok(Self { config, verifier, throttle })
    }

    /// Fetches what the first request will need; a failure is left to that request.
    pub async fn prepare(&self) {
        self.verifier.prepare().await;
    }

    /// Answers one event, and writes its line in the log.
    ///
    /// # Errors
    ///
    /// What API Gateway makes a 401 or a 500 of.
    pub async fn handle(&self, event: &Value, request_id: &str) -> Result<Response, Failure> {
        let mut trail = Trail::default();
        let outcome = self.decide(event, &mut trail).await;
        let Trail { kid, sub, plan } = trail;
        match outcome {
            Ok((response, decision)) => {
                tracing::info!(request_id, code = decision, kid, sub, plan, "decided");
                Ok(response)
            }
            Err(refusal) => {
                let (code, detail) = (refusal.code().as_str(), refusal.detail());
                if refusal.code().is_callers_fault() {
                    tracing::info!(request_id, code, detail, kid, sub, plan, "refused");
                } else {
                    tracing::error!(request_id, code, detail, kid, sub, plan, "failed");
                }
                Err(refusal.into())
            }
        }
    }

    async fn decide(
        &self,
        event: &Value,
        trail: &mut Trail,
    ) -> Result<(Response, &'static str), Refusal> {
        let event = TokenEvent::read(event)?;
        let arn = MethodArn::parse(event.method_arn)
            .map_err(|_| Refusal::malformed("the methodArn is not one"))?;
        let Verification { kid, outcome, .. } =
            self.verifier.verify(token::bearer(event.authorization)?).await;
        trail.kid = kid;
        let claims = outcome?;
        trail.sub = Some(log::digest_of(claims.subject()));

        let caller = Caller::new(claims.members())
            .with_client(claims.client())
            .with_scopes(claims.scopes())
            .with_groups(claims.groups());
        let too_long = |error: DocumentError| {
            // It names routes of the configuration, and nothing of the caller.
            tracing::error!(%error, "no policy");
            Refusal::config("the caller's policy is over a bound")
        };
        let document = self.config.rules.document(&caller, &arn).map_err(too_long)?;
        let allowed = matches!(self.config.rules.verdict(&caller, &arn), Verdict::Allowed { .. });
        let response = Response::of(&claims, document);

        let Some(config) = &self.config.throttle else {
            return Ok((response, if allowed { "allowed" } else { "forbidden" }));
        };
        let throttle = self.throttle.as_ref().ok_or(Refusal::config("limits without a store"))?;
        // API Gateway refuses this call by the policy; it is not charged to the caller. The key is
        // there all the same, since the policy may be cached for another route.
        if !allowed {
            return Ok((response.with_key(config), "forbidden"));
        }
        let decision = self.charge(throttle, config, &claims).await?;
        trail.plan = Some(decision.plan().to_string());
        let code = if decision.is_allowed() { "allowed" } else { "throttled" };
        let deny = || Document::deny_all(&arn);
        Ok((response.with_decision(&decision, config, deny).map_err(too_long)?, code))
    }

    /// Charges one request to the caller's bucket.
    async fn charge(
        &self,
        throttle: &Throttle<S, C>,
        config: &ThrottleConfig,
        claims: &Claims,
    ) -> Result<Decision, Refusal> {
        let subject = claims
            .text(&config.subject)
            .and_then(|text| Subject::new(claims.qualified(text)).ok())
            .ok_or(Refusal::claim("the claim that limits are kept by is missing"))?;
        let chosen = config.plan.claim.as_deref().and_then(|claim| claims.members().get(claim));
        let named = match chosen {
            None => None,
            Some(value) => Some(
                value
                    .as_str()
                    .and_then(|text| throttle::PlanId::new(text).ok())
                    .ok_or(Refusal::config("the token's plan is not a plan's name"))?,
            ),
        };
        let plan = named.as_ref().unwrap_or(&config.plan.default);
        throttle.decide(&Request::new(&subject, plan)).await.map_err(|error| match error {
            // Not logged with its plan: that can be a claim's text.
            ThrottleError::UnknownPlan { .. } => {
                Refusal::config("the plan is not in the table: put it there")
            }
            error => {
                tracing::error!(%error, "no decision");
                match error {
                    ThrottleError::Unavailable(failure) if !failure.may_pass() => {
                        Refusal::config("the table can't be used")
                    }
                    _ => Refusal::unavailable("the table can't be had"),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
