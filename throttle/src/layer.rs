//! Limits around any service of `http` requests: axum, hyper, tonic, or a Lambda by `lambda_http`.
//!
//! Three lines: a throttle, whose requests are counted under which plan, and the service. This
//! runs on a store in memory; in production it is a [`DynamoStore`](crate::DynamoStore), which
//! any number of instances share.
//!
//! ```
//! # use std::convert::Infallible;
//! # use std::sync::Arc;
//! # use http::{HeaderName, Request, Response};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use throttle::layer::{By, Limits, Plans};
//! use throttle::{Clock, MemoryStore, Plan, PlanId, SystemClock, Throttle};
//!
//! # async fn orders(_: Request<String>) -> Result<Response<String>, Infallible> {
//! #     Ok(Response::new("[]".to_owned()))
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let (store, clock, free) = (MemoryStore::new(), SystemClock::new(), PlanId::new("free").unwrap());
//! # let plan = Plan::from_json(r#"{"throttle": {"rateLimit": 1, "burstLimit": 2}}"#).unwrap();
//! # store.put_plan(free.clone(), plan, clock.now());
//! # let client = HeaderName::from_static("x-client");
//! let throttle = Arc::new(Throttle::new(store, SystemClock::new()));
//! let limits = Limits::new(throttle, By::header(client), Plans::fixed(free));
//! let service = ServiceBuilder::new().layer(limits).service_fn(orders);
//!
//! # let request = || Request::get("/orders").header("x-client", "maria").body(String::new()).unwrap();
//! let response = service.clone().oneshot(request()).await.unwrap();
//! assert_eq!(response.headers()["ratelimit-policy"], r#""burst";q=2;w=2"#);
//! assert_eq!(response.headers()["ratelimit"], r#""burst";r=1;t=1"#);
//! # service.clone().oneshot(request()).await.unwrap();
//! let response = service.oneshot(request()).await.unwrap();
//! assert_eq!(response.status(), 429);
//! assert_eq!(response.headers()["retry-after"], "1");
//! # });
//! ```
//!
//! # What a caller sees
//!
//! | | status | fields |
//! |---|---|---|
//! | allowed | the service's | `RateLimit-Policy`, `RateLimit` |
//! | over a limit | 429 | these and `Retry-After` |
//! | costs more than a limit ever holds | 422, `"code": "cost-above-limit"` | none: waiting doesn't help |
//! | has no subject | 403 | none |
//! | no decision, and the failure policy is closed | 503 | `Retry-After` where it may pass by itself |
//!
//! The fields describe the limits at the response, after refunds and settlements, as far as this
//! process knows them. A refusal's body is an RFC 9457 problem, in JSON; [`Limits::answer`] changes
//! it. The service behind is not called for a request that is refused.
//!
//! A caller can't cause a 503 or a line at ERROR: a request without a subject, a cost that never
//! fits, and a claimed plan that is not stored are logged at INFO. What the service itself sets is
//! its own mistake: a plan of [`Plans::fixed`] or [`Plans::function`] that is not stored is a 503,
//! and [`Throttle::decide`] with a cost that never fits is an error.
//!
//! A refused request never counts, so a caller that goes on after a 429 waits no longer than one
//! that stops. There is no penalty and no ban. To build one, count refusals in
//! [`Limits::report`], under a plan of their own.
//!
//! # With an authorizer in front
//!
//! Tollgate's authorizer and this layer share a subject's state where they share a table and name
//! the subject alike (`By::authorizer(…).of_issuer(…)`). There are two set-ups:
//!
//! - **The authorizer counts** (it has a `[throttle]`, and API Gateway keeps its results for 0
//!   seconds). Say [`Limits::counted_by`]: what its context says was counted isn't counted again, a
//!   request that it let through with `throttled` (`refuse = "context"`) is answered with 429, and
//!   of a request that costs more than 1 here the rest is charged.
//! - **The layer counts** (no `[throttle]`, and results are kept for as long as you like). The
//!   authorizer says who calls, and its context names the subject and the plan.
//!
//! Don't say `counted_by` where API Gateway keeps results: it repeats a kept context for requests
//! that nobody has counted.
//!
//! # Costs, refunds, several layers
//!
//! [`Limits::cost`] sets what a request costs before it is let through, and [`Limits::settled`]
//! what it came to, once the response is there. With [`Limits::refund_on_error`] a request that
//! fails costs nothing. The response waits until that is written; so does nothing else.
//! A layer with either takes no tokens from leases, which have no receipts.
//!
//! Layers compose: give each a [`name`](Limits::name), and their limits stand side by side in the
//! fields. The outermost decides first, and what it has charged stays charged when one further in
//! refuses, unless it refunds on error.

mod address;
mod answer;
mod authorizer;
#[cfg(feature = "lambda")]
mod event;
mod fields;
mod future;
mod gate;
mod plans;
mod report;
mod service;
mod subject;

use std::fmt::{self, Debug};
use std::sync::Arc;

use http::{Response, request, response};

pub use answer::{Answer, Cause, Problem, Refused, Shaped};
pub use authorizer::Authorizer;
pub use future::ResponseFuture;
pub use gate::Called;
pub use plans::Plans;
pub use report::Report;
pub use service::Limited;
pub use subject::{By, Unidentified};

use crate::clock::Clock;
use crate::store::Store;
use crate::throttle::Throttle;
use fields::Style;
use gate::Gate;

/// The layer: puts [`Limited`] around a service.
#[derive(Clone)]
pub struct Limits<A = Problem> {
    gate: Gate,
    answer: A,
}

impl Limits {
    /// Limits by this throttle: whose requests they are, and under which plan.
    #[must_use]
    pub fn new<S: Store, C: Clock>(throttle: Arc<Throttle<S, C>>, by: By, plans: Plans) -> Self {
        let gate = Gate {
            throttle,
            by,
            plans,
            style: Style::default(),
            cost: None,
            settled: None,
            refunds: false,
            shadow: false,
            method: None,
            authorizer: None,
            report: None,
        };
        Self { gate, answer: Problem }
    }
}

impl<A> Limits<A> {
    /// Sets what a request costs, in tokens; 1 unless set. A request that costs 0 passes uncounted.
    ///
    /// A cost that the caller chooses may be above what a limit ever holds: that is a 422.
    #[must_use]
    pub fn cost(mut self, cost: impl Fn(&request::Parts) -> u32 + Send + Sync + 'static) -> Self {
        self.gate.cost = Some(Arc::new(cost));
        self
    }

    /// Sets what a request has cost in all, by its response.
    ///
    /// The charge is corrected before the response: the rest is given back, or charged even where it
    /// doesn't fit, and later requests wait for it. The response's fields describe the limits after
    /// that; if the correction fails, as they are without it. A request whose service fails with an
    /// error, and has no response, stays charged. Where the two costs differ, that is a second
    /// write: let [`cost`](Self::cost) return what most requests come to.
    #[must_use]
    pub fn settled(
        mut self,
        cost: impl Fn(&response::Parts) -> u32 + Send + Sync + 'static,
    ) -> Self {
        self.gate.settled = Some(Arc::new(cost));
        self
    }

    /// Charges nothing for a request that fails.
    ///
    /// That is one whose service ends with an error, panics, or answers with a status of 500 or
    /// more; and one that a layer further in refuses. Not one whose caller hangs up.
    #[must_use]
    pub fn refund_on_error(mut self) -> Self {
        self.gate.refunds = true;
        self
    }

    /// Refuses nothing, and tells callers nothing. Requests are counted all the same.
    ///
    /// What would have been refused is logged, or told to [`report`](Self::report). A request that
    /// would be is not counted, as it would not be.
    #[must_use]
    pub fn shadow(mut self) -> Self {
        self.gate.shadow = true;
        self
    }

    /// Sets who is told of each request that is decided.
    #[must_use]
    pub fn report(mut self, hook: impl Fn(&Report<'_>) + Send + Sync + 'static) -> Self {
        self.gate.report = Some(Arc::new(hook));
        self
    }

    /// Believes the authorizer that it has counted what its context says it has.
    ///
    /// Only where API Gateway keeps no results of it: a kept context is repeated for requests that
    /// nobody has counted. What it didn't count is counted here.
    #[must_use]
    pub fn counted_by(mut self, authorizer: Authorizer) -> Self {
        self.gate.authorizer = Some(authorizer);
        self
    }

    /// Sets which method of an API is called, for plans with rates of their own for methods.
    #[must_use]
    pub fn method(
        mut self,
        method: impl Fn(&request::Parts) -> Option<Called> + Send + Sync + 'static,
    ) -> Self {
        self.gate.method = Some(Arc::new(method));
        self
    }

    /// Puts a name before those of the limits: `"search-burst"`, to tell several layers apart.
    ///
    /// What isn't a letter, a digit, `-`, `_` or `.` becomes `_`.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.gate.style.name(name);
        self
    }

    /// Adds `X-RateLimit-Limit`, `-Remaining` and `-Reset`, of the tightest limit.
    ///
    /// `Reset` is in seconds from now, until that limit is whole again.
    #[must_use]
    pub fn legacy_fields(mut self) -> Self {
        self.gate.style.legacy = true;
        self
    }

    /// Sets what is answered to a request that is refused.
    ///
    /// The function gets the whole answer, its body as text, and makes of it one with a body of the
    /// service's kind: for bodies that can't be made from a `String`, and for answers of one's own.
    #[must_use]
    pub fn answer<B, F>(self, answer: F) -> Limits<Shaped<F>>
    where
        F: Fn(&Refused, Response<String>) -> Response<B> + Clone,
    {
        Limits { gate: self.gate, answer: Shaped(answer) }
    }
}

impl<S, A: Clone> tower_layer::Layer<S> for Limits<A> {
    type Service = Limited<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Limited::new(inner, Arc::new(self.gate.clone()), self.answer.clone())
    }
}

impl<A> Debug for Limits<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("gate", &self.gate).finish_non_exhaustive()
    }
}
