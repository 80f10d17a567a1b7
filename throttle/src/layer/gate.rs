//! The decision on a request, and the correction of its charge by the response's head.

use std::fmt::{self, Debug};
use std::future::Future;
use std::iter;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderMap, request, response};

use super::answer::Refusal;
use super::authorizer::Counted;
use super::fields::{Style, UNNAMED};
use super::levels::{Found, Parent};
use super::plans::NO_PLAN;
use super::settling::{Reader, Reading, Settling};
use super::{Authorizer, By, LimitsError, MethodKey, Plans, Refused, Report};
use crate::clock::Clock;
use crate::decision::Decision;
use crate::failure::ThrottleError;
use crate::id::Subject;
use crate::limit::{Limit, Standing};
use crate::meter::Meter;
use crate::receipt::Receipt;
use crate::request::{Level, Request};
use crate::settlement::Settlement;
use crate::store::Store;
use crate::throttle::Throttle;

/// Settings of a layer, shared by its services.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) throttle: Arc<dyn Decides>,
    pub(super) by: By,
    /// The layer's own name, which begins the names of its buckets.
    pub(super) name: Option<String>,
    pub(super) plans: Plans,
    pub(super) parents: Vec<Parent>,
    /// The authorizer whose parents come before these.
    pub(super) within: Option<Authorizer>,
    pub(super) style: Style,
    pub(super) cost: Option<Arc<CostOf>>,
    pub(super) settled: Option<Arc<Settled>>,
    pub(super) meters: Vec<Metered>,
    pub(super) refunds: bool,
    pub(super) shadow: bool,
    pub(super) method: Option<Arc<MethodOf>>,
    pub(super) authorizer: Option<Authorizer>,
    pub(super) report: Option<Arc<Hook>>,
    /// The mistake in the settings, which refuses every request.
    pub(super) mistake: Option<LimitsError>,
}

/// A meter that each request takes from.
#[derive(Clone)]
pub(super) struct Metered {
    pub(super) meter: Meter,
    pub(super) amount: Arc<Amount>,
    pub(super) settles: Settles,
}

/// The source of a meter's real amount.
#[derive(Clone)]
pub(super) enum Settles {
    Never,
    ByHead(Arc<Actual>),
    ByBody(Arc<MakeReader>),
}

pub(super) type Amount = dyn Fn(&request::Parts) -> u64 + Send + Sync;
pub(super) type Actual = dyn Fn(&response::Parts) -> Option<u64> + Send + Sync;
pub(super) type MakeReader = dyn Fn(&response::Parts) -> Box<Reader> + Send + Sync;
pub(super) type CostOf = dyn Fn(&request::Parts) -> u32 + Send + Sync;
pub(super) type Settled = dyn Fn(&response::Parts) -> u32 + Send + Sync;
pub(super) type MethodOf = dyn Fn(&request::Parts) -> Option<MethodKey> + Send + Sync;
pub(super) type Hook = dyn Fn(&Report<'_>) + Send + Sync;
pub(super) type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A throttle of any store and any clock.
pub(super) trait Decides: Send + Sync {
    fn decide<'a>(&'a self, request: Request<'a>) -> Later<'a, Result<Decision, ThrottleError>>;
    fn settle<'a>(
        &'a self,
        receipt: &'a Receipt,
        actual: Settlement,
    ) -> Later<'a, Result<(), ThrottleError>>;
    /// Returns a level's standings now, as far as this process knows them.
    fn standings(&self, receipt: &Receipt, level: &Subject, before: &[Standing]) -> Vec<Standing>;
}

impl<S: Store, C: Clock> Decides for Throttle<S, C> {
    fn decide<'a>(&'a self, request: Request<'a>) -> Later<'a, Result<Decision, ThrottleError>> {
        Box::pin(async move { Throttle::decide(self, &request).await })
    }

    fn settle<'a>(
        &'a self,
        receipt: &'a Receipt,
        actual: Settlement,
    ) -> Later<'a, Result<(), ThrottleError>> {
        Box::pin(async move { self.settle_by(receipt, &actual).await.map(|_| ()) })
    }

    fn standings(&self, receipt: &Receipt, level: &Subject, before: &[Standing]) -> Vec<Standing> {
        self.standings_now(receipt, level, before)
    }
}

/// An admitted request: its charge, and the limits for its response.
#[derive(Debug, Default)]
pub(super) struct Passed {
    shown: Shown,
    cost: Cost,
    receipt: Option<Receipt>,
}

/// The cost of a request, and the part of it that the authorizer has charged already.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    whole: u32,
    ahead: u32,
}

impl Cost {
    /// The rest that is due here.
    fn due(self) -> u32 {
        self.whole.saturating_sub(self.ahead)
    }
}

/// The limits to write into a response.
#[derive(Debug, Default)]
struct Shown {
    /// One entry for each level, the subject's own first.
    levels: Vec<(Subject, Style, Vec<Standing>)>,
    /// The authorizer's limit, if none of the levels' limits is known here.
    counted: Option<Counted>,
}

impl Gate {
    /// Decides a request. In shadow mode every request passes.
    pub(super) async fn admit(&self, parts: &request::Parts) -> Result<Passed, Box<Refusal>> {
        let counted = self.authorizer.as_ref().and_then(|it| it.counted(parts));
        if let Some(counted @ Counted { refused: Some(retry_after), .. }) = counted {
            let refused = Refused::exhausted(vec![self.style.named(UNNAMED)], retry_after);
            let shown = Shown { counted: Some(counted), ..Shown::default() };
            return self.refuse(refused, &shown, Report::default());
        }
        let whole = self.cost.as_ref().map_or(1, |cost| cost(parts));
        let cost = Cost { whole, ahead: counted.is_some().into() };
        let mut amounts: Vec<_> =
            self.meters.iter().map(|it| (&it.meter, (it.amount)(parts))).collect();
        amounts.retain(|(_, amount)| *amount > 0);
        // A settlement needs a receipt, even of nothing.
        let settles = whole > 0 && self.settled.is_some();
        if cost.due() == 0 && amounts.is_empty() && !settles {
            if whole == 0 {
                return Ok(Passed::default());
            }
            self.tell(Report::default());
            let shown = Shown { counted, ..Shown::default() };
            return Ok(Passed { shown, cost, receipt: None });
        }
        let report = Report { cost: cost.due(), ..Report::default() };
        let (mut own, mut parents) = match self.levels(parts).await {
            Ok(levels) => levels,
            Err(refused) => return self.refuse(refused, &Shown::default(), report),
        };
        let method = self.method.as_ref().and_then(|method| method(parts));
        let decided = loop {
            let mut request = Request::new(&own.subject, &own.choice.plan).cost(cost.due());
            for parent in &parents {
                request = request.within(&Level::new(&parent.subject, &parent.choice.plan));
            }
            if let Some(MethodKey { api_id, stage, key }) = &method {
                request = request.method(api_id, stage, key);
            }
            for (meter, amount) in &amounts {
                request = request.meter(meter.as_str(), *amount);
            }
            if self.refunds || settles {
                request = request.with_receipt();
            }
            let decided = self.throttle.decide(request).await;
            // The caller named a plan that is not stored.
            if let Err(ThrottleError::UnknownPlan { plan }) = &decided
                && iter::once(&mut own).chain(&mut parents).any(|it| it.choice.replace(plan))
            {
                tracing::info!("{NO_PLAN}");
                continue;
            }
            break decided;
        };
        let report = Report { subject: Some(&own.subject), plan: Some(&own.choice.plan), ..report };
        match decided {
            Ok(decision) => self.act((&own, &parents), decision, (cost, counted), report),
            Err(error) => {
                self.refuse(Refused::failed(error, &self.style), &Shown::default(), report)
            }
        }
    }

    /// Lets a request pass or refuses it, by the throttle's decision.
    fn act(
        &self,
        (own, parents): (&Found, &[Found]),
        mut decision: Decision,
        (cost, counted): (Cost, Option<Counted>),
        report: Report<'_>,
    ) -> Result<Passed, Box<Refusal>> {
        let receipt = decision.take_receipt();
        let report = Report { decision: Some(&decision), ..report };
        // Parents that were not asked are left out.
        let asked = parents.iter().filter_map(|it| Some((it, decision.parent(&it.subject)?)));
        let levels: Vec<_> = iter::once((own, &decision)).chain(asked).collect();
        let shown = levels.iter().map(|(level, decision)| {
            (level.subject.clone(), level.style.clone(), decision.standings().to_vec())
        });
        let shown = Shown { levels: shown.collect(), counted };
        if decision.is_allowed() {
            self.tell(report);
            let shown = if self.shadow { Shown::default() } else { shown };
            return Ok(Passed { shown, cost, receipt });
        }
        let violated = levels.iter().flat_map(|(level, decision)| {
            // `RateLimit-Policy` has no entry for contention.
            let limits = decision.refused_here().filter(|it| *it != Limit::CONTENTION);
            limits.map(|limit| level.style.named(&limit.to_string()))
        });
        let violated = violated.collect();
        self.refuse(Refused::exhausted(violated, decision.retry_after_seconds()), &shown, report)
    }

    /// Refuses a request, or lets it pass in shadow mode.
    fn refuse(
        &self,
        refused: Refused,
        shown: &Shown,
        report: Report<'_>,
    ) -> Result<Passed, Box<Refusal>> {
        self.tell(Report { refused: Some(&refused), ..report });
        refused.log(|plan| self.names_plan(plan));
        if self.shadow {
            return Ok(Passed::default());
        }
        let mut response = refused.response();
        self.put(shown, response.headers_mut());
        Err(Box::new(Refusal { refused, response }))
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

    /// Corrects the charge by the response's head, and then writes the limits into it.
    ///
    /// If amounts are to be read out of the body, the whole correction waits for its end.
    pub(super) async fn finish(
        self: &Arc<Self>,
        passed: Passed,
        parts: &mut response::Parts,
    ) -> Option<Settling> {
        let Passed { mut shown, cost, receipt } = passed;
        let mut settling = None;
        if let Some(receipt) = receipt {
            let failed = self.refunds
                && (parts.status.is_server_error() || parts.extensions.get::<Refused>().is_some());
            let whole = match &self.settled {
                Some(settled) if cost.whole > 0 => settled(parts),
                _ => cost.whole,
            };
            let mut actual = Settlement::from(Cost { whole, ..cost }.due());
            let mut readings = Vec::new();
            for metered in self.meters.iter().filter(|it| receipt.amount(it.meter) > 0) {
                match &metered.settles {
                    Settles::Never => {}
                    Settles::ByHead(amount) => {
                        if let Some(amount) = amount(parts) {
                            actual = actual.meter(metered.meter, amount);
                        }
                    }
                    Settles::ByBody(reader) => {
                        let (meter, reader) = (metered.meter, reader(parts));
                        readings.push(Reading { meter, reader, amount: None });
                    }
                }
            }
            let actual = if failed { Settlement::nothing() } else { actual };
            let waits = !failed && !readings.is_empty();
            if !waits {
                self.settle(&receipt, actual.clone()).await;
            }
            for (level, _, standings) in &mut shown.levels {
                *standings = self.throttle.standings(&receipt, level, standings);
            }
            let gate = Arc::clone(self);
            settling = waits.then_some(Settling { gate, receipt, actual, readings });
        }
        self.put(&shown, &mut parts.headers);
        settling
    }

    /// Refunds a request that ended without a response.
    pub(super) async fn fail(&self, passed: Passed) {
        if let Some(receipt) = passed.receipt.filter(|_| self.refunds) {
            self.settle(&receipt, Settlement::nothing()).await;
        }
    }

    pub(super) async fn settle(&self, receipt: &Receipt, actual: Settlement) {
        if let Err(error) = self.throttle.settle(receipt, actual).await {
            tracing::warn!(%error, "a request keeps its first charge");
        }
    }

    fn put(&self, shown: &Shown, headers: &mut HeaderMap) {
        let levels = shown.levels.iter().map(|(_, style, all)| (style.clone(), &**all));
        match &shown.counted {
            Some(counted) if levels.clone().all(|(_, standings)| standings.is_empty()) => {
                self.style.put_counted(headers, counted);
            }
            _ => self.style.put(headers, levels),
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
