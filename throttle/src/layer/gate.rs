//! The decision on a request: everything but the service behind.

use std::fmt::{self, Debug};
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, request, response};

use super::authorizer::Counted;
use super::fields::{Style, UNNAMED};
use super::plans::{Choice, NO_PLAN};
use super::{Authorizer, By, Plans, Refused, Report};
use crate::bucket::Receipt;
use crate::clock::Clock;
use crate::decision::{Decision, Limit, Standing, Standings};
use crate::failure::{StoreError, ThrottleError};
use crate::name::{PlanId, Subject};
use crate::request::Request;
use crate::store::Store;
use crate::throttle::Throttle;

/// How requests are decided.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) throttle: Arc<dyn Decides>,
    pub(super) by: By,
    pub(super) plans: Plans,
    pub(super) style: Style,
    pub(super) cost: Option<Arc<Cost>>,
    pub(super) settled: Option<Arc<Settled>>,
    pub(super) refunds: bool,
    pub(super) shadow: bool,
    pub(super) method: Option<Arc<MethodOf>>,
    pub(super) authorizer: Option<Authorizer>,
    pub(super) report: Option<Arc<Hook>>,
}

pub(super) type Cost = dyn Fn(&request::Parts) -> u32 + Send + Sync;
pub(super) type Settled = dyn Fn(&response::Parts) -> u32 + Send + Sync;
pub(super) type MethodOf = dyn Fn(&request::Parts) -> Option<Called> + Send + Sync;
pub(super) type Hook = dyn Fn(&Report<'_>) + Send + Sync;
pub(super) type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The method of an API that a request calls, for plans that have rates of their own for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// The API's id, such as `a1b2c3d4e5`.
    pub api_id: String,
    /// The stage, such as `prod`.
    pub stage: String,
    /// The method, as a usage plan writes it: `/pets/{id}/GET`.
    pub key: String,
}

/// A throttle, whatever its store and clock are.
pub(super) trait Decides: Send + Sync {
    /// Decides without waiting, where a lease is held.
    fn at_once(&self, asked: &Asked) -> Option<Decision>;
    fn decide(self: Arc<Self>, asked: Asked) -> Later<Decided>;
    /// Returns the standings at this moment, as far as this process can tell.
    fn standings(&self, receipt: &Receipt, before: &[Standing]) -> Standings;
    /// Settles a request, and returns its standings afterwards if it had any before.
    fn settle(
        self: Arc<Self>,
        receipt: Box<Receipt>,
        actual: u32,
        before: Option<Standings>,
    ) -> Later<Option<Standings>>;
}

/// A request to decide.
pub(super) struct Asked {
    subject: Subject,
    plan: Choice,
    cost: NonZeroU32,
    method: Option<Called>,
    receipt: bool,
}

/// A throttle that is asked, from the first poll on.
pub(super) enum Asking {
    First(Option<Asked>),
    Waiting(Later<Decided>),
}

/// A throttle's answer.
pub(super) struct Decided {
    subject: Subject,
    cost: NonZeroU32,
    outcome: Result<Decision, Undecided>,
}

/// The reason why there is no decision.
enum Undecided {
    NotLookedUp(StoreError),
    Failed { plan: PlanId, error: ThrottleError },
}

/// The next step of a request at first sight.
pub(super) enum First {
    /// The throttle is asked; the authorizer has charged so many tokens.
    Ask(Asking, u32),
    Pass(Box<Passed>),
    Refuse(Box<Refusal>),
}

/// A request that goes on: its charge, and the limits for its response.
#[derive(Debug, Default)]
pub(super) struct Passed {
    told: Told,
    /// What the authorizer has charged already.
    counted: u32,
    /// To refund or settle by.
    receipt: Option<Box<Receipt>>,
}

/// A request that doesn't go on.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) why: Refused,
    told: Told,
}

/// The limits to write into a response.
#[derive(Debug, Default)]
enum Told {
    #[default]
    Nothing,
    Here(Standings),
    Counted(Counted),
}

impl Asked {
    fn request<'a>(&'a self, plan: &'a PlanId) -> Request<'a> {
        let mut request = Request::new(&self.subject, plan).cost(self.cost);
        if let Some(Called { api_id, stage, key }) = &self.method {
            request = request.method(api_id, stage, key);
        }
        if self.receipt { request.with_receipt() } else { request }
    }
}

impl Asking {
    pub(super) fn poll(&mut self, gate: &Gate, cx: &mut Context<'_>) -> Poll<Decided> {
        loop {
            match self {
                Self::Waiting(waiting) => return waiting.as_mut().poll(cx),
                Self::First(asked) => {
                    // Polled again after its end, which nobody does, it waits for ever.
                    let Some(asked) = asked.take() else { return Poll::Pending };
                    if let Some(decision) = gate.throttle.at_once(&asked) {
                        let Asked { subject, cost, .. } = asked;
                        return Poll::Ready(Decided { subject, cost, outcome: Ok(decision) });
                    }
                    *self = Self::Waiting(Arc::clone(&gate.throttle).decide(asked));
                }
            }
        }
    }
}

impl<S: Store, C: Clock> Decides for Throttle<S, C> {
    fn at_once(&self, asked: &Asked) -> Option<Decision> {
        match &asked.plan {
            Choice::Known(plan) | Choice::Claimed(plan, _) => self.by_lease(&asked.request(plan)),
            Choice::LookUp(..) => None,
        }
    }

    fn decide(self: Arc<Self>, mut asked: Asked) -> Later<Decided> {
        Box::pin(async move {
            let mut instead = asked.plan.instead();
            let outcome = match asked.plan.plan().await {
                Err(error) => Err(Undecided::NotLookedUp(error)),
                Ok(mut plan) => loop {
                    let request = asked.request(&plan);
                    match (Throttle::decide(&self, &request).await, instead.take()) {
                        (Err(ThrottleError::UnknownPlan { .. }), Some(default)) => {
                            tracing::info!("{NO_PLAN}");
                            plan = default;
                        }
                        (outcome, _) => {
                            break outcome.map_err(|error| Undecided::Failed { plan, error });
                        }
                    }
                },
            };
            let Asked { subject, cost, .. } = asked;
            Decided { subject, cost, outcome }
        })
    }

    fn standings(&self, receipt: &Receipt, before: &[Standing]) -> Standings {
        self.standings_now(receipt, before)
    }

    fn settle(
        self: Arc<Self>,
        receipt: Box<Receipt>,
        actual: u32,
        before: Option<Standings>,
    ) -> Later<Option<Standings>> {
        Box::pin(async move {
            if let Err(error) = self.settle_by(&receipt, actual).await {
                tracing::warn!(%error, "a request keeps its first charge");
            }
            before.map(|before| self.standings_now(&receipt, &before))
        })
    }
}

impl Gate {
    /// Resolves requests that need no throttle call.
    pub(super) fn first(&self, parts: &request::Parts) -> First {
        let counted = self.authorizer.as_ref().and_then(|it| it.counted(parts));
        if let Some(counted @ Counted { refused: Some(seconds), .. }) = counted {
            let why = Refused::exhausted(vec![self.style.named(UNNAMED)], seconds);
            let refusal = Refusal { why, told: Told::Counted(counted) };
            return self.refuse(refusal, Report::default());
        }
        let whole = self.cost.as_ref().map_or(1, |cost| cost(parts));
        if whole == 0 {
            return First::Pass(Box::default());
        }
        let ahead = u32::from(counted.is_some());
        // What is settled afterwards must have been charged something, to be settled by.
        let least = u32::from(self.settled.is_some());
        let Some(cost) = NonZeroU32::new(whole.saturating_sub(ahead).max(least)) else {
            let told = counted.map_or(Told::Nothing, Told::Counted);
            self.tell(Report::default());
            return First::Pass(Box::new(Passed { told, counted: ahead, receipt: None }));
        };
        let subject = match self.by.find(parts) {
            Ok(subject) => subject,
            Err(why) => {
                let refusal = Refusal { why: Refused::unidentified(why), told: Told::Nothing };
                return self.refuse(refusal, Report { cost: cost.get(), ..Report::default() });
            }
        };
        let plan = self.plans.choose(parts, &subject);
        let method = self.method.as_ref().and_then(|method| method(parts));
        let receipt = self.refunds || self.settled.is_some();
        let asked = Asked { subject, plan, cost, method, receipt };
        First::Ask(Asking::First(Some(asked)), ahead)
    }

    /// Lets a request pass or refuses it, by the throttle's answer.
    pub(super) fn then(&self, decided: Decided, counted: u32) -> Result<Passed, Box<Refusal>> {
        let Decided { subject, cost, outcome } = decided;
        let report = Report { subject: Some(&subject), cost: cost.get(), ..Report::default() };
        let mut decision = match outcome {
            Ok(decision) => decision,
            Err(undecided) => {
                let (why, plan) = match undecided {
                    Undecided::NotLookedUp(error) => (Refused::not_looked_up(error), None),
                    Undecided::Failed { plan, error } => {
                        (Refused::failed(error, |limit| self.style.named(limit)), Some(plan))
                    }
                };
                let refusal = Refusal { why, told: Told::Nothing };
                return self.stop(refusal, Report { plan: plan.as_ref(), ..report });
            }
        };
        let report = |decision| Report {
            plan: Some(Decision::plan(decision)),
            decision: Some(decision),
            ..report
        };
        if !decision.is_allowed() {
            // `RateLimit-Policy` has no entry for contention.
            let violated = decision.refused_by().into_iter();
            let violated = violated.filter(|limit| *limit != Limit::Contention);
            let violated = violated.map(|limit| self.style.named(limit.name())).collect();
            let why = Refused::exhausted(violated, decision.retry_after_seconds());
            self.tell(Report { refused: Some(&why), ..report(&decision) });
            return self.closed(Refusal { why, told: Told::Here(decision.standings) });
        }
        self.tell(report(&decision));
        let receipt = decision.receipt.take();
        let told = if self.shadow { Told::Nothing } else { Told::Here(decision.standings) };
        Ok(Passed { told, counted, receipt })
    }

    fn refuse(&self, refusal: Refusal, report: Report<'_>) -> First {
        match self.stop(refusal, report) {
            Ok(passed) => First::Pass(Box::new(passed)),
            Err(refusal) => First::Refuse(refusal),
        }
    }

    fn stop(&self, refusal: Refusal, report: Report<'_>) -> Result<Passed, Box<Refusal>> {
        self.tell(Report { refused: Some(&refusal.why), ..report });
        self.closed(refusal)
    }

    /// The request is refused, or in shadow mode goes on.
    fn closed(&self, refusal: Refusal) -> Result<Passed, Box<Refusal>> {
        refusal.why.log();
        if self.shadow { Ok(Passed::default()) } else { Err(Box::new(refusal)) }
    }

    fn tell(&self, report: Report<'_>) {
        if let Some(hook) = &self.report {
            hook(&Report { shadow: self.shadow, ..report });
        } else if self.shadow
            && let Some(refused) = report.refused
        {
            tracing::info!(status = refused.status().as_u16(), violated = ?refused.violated(),
                "shadow: the request would be refused");
        }
    }
}

impl Gate {
    /// Writes the limits into a response, or returns the correction of the charge that comes first.
    pub(super) fn response(
        &self,
        passed: Passed,
        parts: &mut response::Parts,
    ) -> Option<Later<Option<Standings>>> {
        let Passed { told, counted, receipt } = passed;
        let Some(receipt) = receipt else {
            told.put(&self.style, &mut parts.headers);
            return None;
        };
        let before = match told {
            Told::Here(before) => Some(before),
            Told::Nothing | Told::Counted(_) => None,
        };
        let failed = self.refunds
            && (parts.status.is_server_error() || parts.extensions.get::<Refused>().is_some());
        let charged = receipt.cost().get();
        let actual = match &self.settled {
            _ if failed => 0,
            Some(settled) => settled(parts).saturating_sub(counted),
            None => charged,
        };
        if actual != charged {
            return Some(Arc::clone(&self.throttle).settle(receipt, actual, before));
        }
        let now = before.map(|before| self.throttle.standings(&receipt, &before));
        self.put(now.as_ref(), parts);
        None
    }

    /// Returns the refund of a request that ended without a response.
    pub(super) fn error(&self, passed: Passed) -> Option<Later<Option<Standings>>> {
        let receipt = passed.receipt.filter(|_| self.refunds)?;
        Some(Arc::clone(&self.throttle).settle(receipt, 0, None))
    }

    /// Writes the standings into a response.
    pub(super) fn put(&self, standings: Option<&Standings>, parts: &mut response::Parts) {
        if let Some(standings) = standings {
            self.style.put(&mut parts.headers, standings);
        }
    }
}

impl Passed {
    /// Returns whether something could be given back.
    pub(super) fn is_charged(&self) -> bool {
        self.receipt.is_some()
    }
}

impl Refusal {
    /// The answer, its body as text.
    pub(super) fn response(&self, style: &Style) -> http::Response<String> {
        let mut response = self.why.response();
        self.told.put(style, response.headers_mut());
        response
    }
}

impl Told {
    fn put(&self, style: &Style, headers: &mut HeaderMap) {
        match self {
            Self::Nothing => {}
            Self::Here(standings) => style.put(headers, standings),
            Self::Counted(counted) => style.put_counted(headers, counted),
        }
    }
}

impl Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("by", &self.by)
            .field("plans", &self.plans)
            .field("authorizer", &self.authorizer)
            .field("refunds", &self.refunds)
            .field("shadow", &self.shadow)
            .finish_non_exhaustive()
    }
}
