//! A tower layer that limits any service of `http` requests: axum, hyper, tonic, or a Lambda by
//! `lambda_http`. The crate's front page has complete examples.
//!
//! # Responses
//!
//! | | status | fields |
//! |---|---|---|
//! | allowed | the service's | `RateLimit-Policy`, `RateLimit` |
//! | over a limit | 429 | these and `Retry-After` |
//! | costs more than a limit ever holds | 422, `"code": "cost-above-limit"` | none: waiting does not help |
//! | has no subject | 403 | none |
//! | no decision, and the failure policy is closed | 503 | `Retry-After` if the failure may be temporary |
//!
//! The fields describe the limits at the response, after refunds and settlements, as far as this
//! process knows them. A refusal's body is an RFC 9457 problem, in JSON; [`Limits::answer`] changes
//! it. The service behind is not called for a refused request.
//!
//! A caller cannot cause a 503 or a line at ERROR: a request without a subject, a cost that never
//! fits, and a claimed plan that is not stored are logged at INFO. A plan of [`Plans::fixed`] or
//! [`Plans::function`] that is not stored is the service's own mistake: a 503. So are settings that
//! do not fit together: [`Limits::checked`] finds them at the start.
//!
//! A refused request is not charged, so a caller that continues after a 429 waits no longer than
//! one that stops. The layer has no penalties and bans. To build one, count refusals in
//! [`Limits::report`], by a subject and a plan of their own.
//!
//! # With an authorizer in front
//!
//! Tollgate's authorizer and this layer share a subject's bucket if they share a table and name
//! the subject alike (`By::authorizer(…).of_issuer(…)`). There are two set-ups:
//!
//! - **The authorizer counts** (it has a `[throttle]`, and API Gateway caches its results for 0
//!   seconds). Call [`Limits::counted_by`]: requests that the authorizer has counted, according to
//!   its context, are not counted again. A request that it allowed with `throttled`
//!   (`refuse = "context"`) gets a 429. If a request costs more than 1 here, the rest is charged,
//!   and its meters are charged without a second request. If its callers have parents, call
//!   [`Limits::within_authorizer`], so that the rest and all meters are charged to the same parents.
//! - **The layer counts** (no `[throttle]`; results may be cached). The authorizer identifies the
//!   caller, and its context names the subject and the plan.
//!
//! Do not call `counted_by` if API Gateway caches results: it repeats a cached context for requests
//! that were not counted.
//!
//! # Meters
//!
//! [`Limits::meter`] charges each request an amount of a named meter, such as a maximum of `tokens`
//! that its caller asks for. [`Limits::settled_meter`] corrects it to the amount that the
//! response's head states, and [`Limits::body_meter`] to one that is known when the body ends, such
//! as the usage in the last event of a stream. `RateLimit` and `RateLimit-Policy` then also show
//! limits such as `tokens-burst` and `tokens-monthly`.
//!
//! # Costs, refunds, several layers
//!
//! [`Limits::cost`] sets the cost of a request before the service is called, and
//! [`Limits::settled`] its final cost, by the response. With [`Limits::refund_on_error`] a request
//! that fails costs nothing. Only the response waits for that write. A layer with either takes no
//! tokens from leases, which have no receipts.
//!
//! Layers compose: give each a [`name`](Limits::name). Then each has buckets of its own, and the
//! fields list the limits of all. The outermost layer decides first. If an inner layer refuses, the
//! outer layer's charge stays, unless it refunds on error.
//!
//! Two layers without a name that find the same subject share its bucket, and so do a layer and an
//! authorizer. Give them the same plan: under two plans, the caller gets the larger burst and the
//! larger rate of the two, and `Retry-After` may be wrong ([`guide`](crate::guide), I14).

mod address;
mod answer;
mod authorizer;
mod body;
#[cfg(feature = "lambda")]
mod event;
mod fields;
mod gate;
mod json;
mod levels;
mod mistake;
mod plans;
mod report;
mod service;
mod settling;
mod subject;

use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::sync::Arc;

use http::{Response, request, response};

pub use answer::{Answer, Cause, Problem, Refused};
pub use authorizer::Authorizer;
pub use body::{MeteredBody, Part};
pub use json::json_amount;
pub use mistake::LimitsError;
pub use plans::Plans;
pub use report::Report;
pub use service::Limited;
pub use subject::{By, Unidentified};

use crate::clock::Clock;
use crate::meter::Meter;
use crate::store::Store;
use crate::throttle::Throttle;
use answer::MISCONFIGURED;
use fields::Style;
use gate::{Gate, Metered, Settles};
use levels::Parent;
use settling::Reader;

/// The layer: puts [`Limited`] around a service.
///
/// A refusal's body is made from a `String`. If the service's body is not, such as a `BoxBody`, the
/// compiler says that trait bounds of `Limited` are not satisfied: call [`answer`](Self::answer),
/// as in `.answer(|_, response| response.map(|text| Full::from(text).boxed()))`.
#[derive(Clone)]
pub struct Limits<A = Problem, M = ()> {
    gate: Gate,
    answer: A,
    body: PhantomData<M>,
}

/// Marks a layer that reads the bodies of responses: see [`Limits::body_meter`].
#[derive(Clone, Copy, Debug)]
pub struct ReadsBody;

/// A method of an API's stage, for plans with rates for methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodKey {
    api_id: String,
    stage: String,
    key: String,
}

impl Limits {
    /// Limits requests of these subjects under these plans, by this throttle.
    #[must_use]
    pub fn new<S: Store, C: Clock>(throttle: Arc<Throttle<S, C>>, by: By, plans: Plans) -> Self {
        let gate = Gate {
            throttle,
            by,
            name: None,
            plans,
            parents: Vec::new(),
            within: None,
            style: Style::default(),
            cost: None,
            settled: None,
            meters: Vec::new(),
            refunds: false,
            shadow: false,
            method: None,
            authorizer: None,
            report: None,
            mistake: None,
        };
        Self { gate, answer: Problem, body: PhantomData }
    }
}

impl<A, M> Limits<A, M> {
    /// Limits the subjects within one more parent, such as a tenant: nearest first, at most three.
    ///
    /// A request is admitted only if every level admits it, and is charged at each: its cost, and
    /// the amounts of the meters that the parent's plan has. If one level refuses, no level stays
    /// charged. In the fields, the names of the parent's limits begin with `name`, such as
    /// `"tenant-burst"`.
    ///
    /// The parent's subject is `#name#` and the text that `by` finds: `#tenant#acme`. So a user and
    /// a tenant of the same name have different buckets. Users of the same name in two tenants
    /// share a bucket, unless `by` of the layer distinguishes them.
    ///
    /// A request without this parent gets 403. A caller that names itself like a parent has another
    /// bucket: see [`By`].
    #[must_use]
    pub fn within(mut self, name: &str, by: By, plans: Plans) -> Self {
        self.gate.parents.push(Parent { name: name.to_owned(), by, plans });
        self
    }

    /// Limits the subjects within the parents that Tollgate's authorizer has used, such as a tenant.
    ///
    /// Reads the value `parents` of its context, with each parent's subject and plan, so that meters
    /// of the request, such as tokens, are charged to the same buckets. They come before the
    /// parents of [`within`](Self::within); together they are at most three. Use it with the
    /// subject of the same context: `By::authorizer(…, "subject")`.
    ///
    /// In the fields, the names of a parent's limits begin with its name: `"assigned-burst"`,
    /// `"everyone-burst"`, or that of its claim. Without the value a request has no such parents; a
    /// value of another form is a 403.
    #[must_use]
    pub fn within_authorizer(mut self, authorizer: Authorizer) -> Self {
        self.gate.within = Some(authorizer);
        self
    }

    /// Sets the cost of a request in tokens; 1 by default.
    ///
    /// A request that costs 0 takes only its meters, at every level. Limits of requests do not
    /// refuse it, and [`settled`](Self::settled) does not charge it. Without meters it is not
    /// counted.
    ///
    /// A cost that the caller chooses may be above what a limit ever holds: that is a 422.
    #[must_use]
    pub fn cost(mut self, cost: impl Fn(&request::Parts) -> u32 + Send + Sync + 'static) -> Self {
        self.gate.cost = Some(Arc::new(cost));
        self
    }

    /// Sets the final cost of a request, by its response.
    ///
    /// The charge is corrected before the response: the rest is refunded, or charged even if it
    /// does not fit, and later requests wait for it. The response's fields describe the limits
    /// after that; if the correction fails, the limits without it. If the service fails with an
    /// error and has no response, the request stays charged. If the two costs differ, the
    /// correction is a second write, so let [`cost`](Self::cost) return the most common final cost.
    #[must_use]
    pub fn settled(
        mut self,
        cost: impl Fn(&response::Parts) -> u32 + Send + Sync + 'static,
    ) -> Self {
        self.gate.settled = Some(Arc::new(cost));
        self
    }

    /// Charges each request an amount of a meter in addition to its cost; nothing if the amount is
    /// 0.
    ///
    /// An amount that never fits a limit of the meter is a 422. A meter that the plan does not
    /// have is the service's mistake: a 503.
    #[must_use]
    pub fn meter(
        mut self,
        meter: Meter,
        amount: impl Fn(&request::Parts) -> u64 + Send + Sync + 'static,
    ) -> Self {
        self.gate.meters.push(Metered { meter, amount: Arc::new(amount), settles: Settles::Never });
        self
    }

    /// Like [`meter`](Self::meter), and sets the real amount by the response, from a header for
    /// example.
    ///
    /// The charge of `amount` is corrected before the response, in one write for all meters and
    /// the cost: see [`settled`](Self::settled). With `None` the first charge stays.
    #[must_use]
    pub fn settled_meter(
        mut self,
        meter: Meter,
        amount: impl Fn(&request::Parts) -> u64 + Send + Sync + 'static,
        settled: impl Fn(&response::Parts) -> Option<u64> + Send + Sync + 'static,
    ) -> Self {
        let settles = Settles::ByHead(Arc::new(settled));
        self.gate.meters.push(Metered { meter, amount: Arc::new(amount), settles });
        self
    }

    /// Like [`meter`](Self::meter), and sets the real amount by the response's body.
    ///
    /// `reader` gets a response's head and returns a function that gets each [`Part`] of its body,
    /// which passes unchanged and is not held back. The last amount that the function returns
    /// counts. [`json_amount`] is such a function, for JSON and for server-sent events.
    ///
    /// The charge is corrected once, for all meters and the cost, see [`settled`](Self::settled):
    ///
    /// - At the body's end, at its trailers, or when it fails. Only that last frame waits for the
    ///   write. An amount above the charge becomes debt, one below it is refunded.
    /// - When the body is dropped before that, for example because the client hung up. The last
    ///   amount that the function has returned by then counts. A task on tokio's runtime makes the
    ///   write; without a runtime, the first charge stays.
    /// - Without any amount, the first charge stays, also for a 4xx and for a HEAD request. To charge
    ///   nothing, return `Some(0)` by the head, and 0 as the amount of a HEAD request. It also stays if the process ends, if the
    ///   write fails, which is logged, and if the client hangs up or the handler panics before
    ///   there is a response. With [`refund_on_error`](Self::refund_on_error) the handler's panic
    ///   costs nothing, and neither does a response with a status of 500 or more.
    ///
    /// The response's fields describe the limits at its start. Its body is a [`MeteredBody`], for
    /// which the service's body must have [`Bytes`](bytes::Bytes) as its data.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use axum::{Router, routing::get};
    /// # use tollgate_throttle::layer::{By, Limits, Plans, json_amount};
    /// # use tollgate_throttle::{MemoryStore, Meter, PlanId, SystemClock, Throttle};
    /// # let throttle = Arc::new(Throttle::new(MemoryStore::new(), SystemClock::new()));
    /// # let free = Plans::fixed(PlanId::new("free")?);
    /// let limits = Limits::new(throttle, By::header("x-client"), free).body_meter(
    ///     Meter::new("tokens")?,
    ///     |_request| 800,
    ///     |response| json_amount(response, |json| json.pointer("/usage/total_tokens")?.as_u64()),
    /// );
    /// let service: Router = Router::new().route("/chat", get(|| async { "{}" })).layer(limits);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn body_meter<R>(
        mut self,
        meter: Meter,
        amount: impl Fn(&request::Parts) -> u64 + Send + Sync + 'static,
        reader: impl Fn(&response::Parts) -> R + Send + Sync + 'static,
    ) -> Limits<A, ReadsBody>
    where
        R: FnMut(Part<'_>) -> Option<u64> + Send + 'static,
    {
        let reader = move |parts: &response::Parts| -> Box<Reader> { Box::new(reader(parts)) };
        let settles = Settles::ByBody(Arc::new(reader));
        self.gate.meters.push(Metered { meter, amount: Arc::new(amount), settles });
        Limits { gate: self.gate, answer: self.answer, body: PhantomData }
    }

    /// Charges nothing for a request that fails.
    ///
    /// A request fails if its service ends with an error, panics, or answers with a status of 500
    /// or more, or if an inner layer refuses it. It does not fail if its caller hangs up. If a
    /// function that the layer calls panics, such as [`report`](Self::report) or
    /// [`settled`](Self::settled), the request stays charged.
    ///
    /// A response with another status, such as 404, keeps what meters reserve if it states no
    /// amount: see [`body_meter`](Self::body_meter).
    #[must_use]
    pub fn refund_on_error(mut self) -> Self {
        self.gate.refunds = true;
        self
    }

    /// Refuses nothing, and adds no fields to responses. Requests are still counted.
    ///
    /// A refusal is only logged, or passed to [`report`](Self::report), and not charged, as without
    /// shadow mode. Shadow mode is for this whole service, and also admits requests that have no
    /// subject or no decision. To try one plan everywhere, or one of its meters, give it
    /// `"enforce": false`: see [`Plan`](crate::Plan).
    #[must_use]
    pub fn shadow(mut self) -> Self {
        self.gate.shadow = true;
        self
    }

    /// Sets a function that is called with each decided request.
    #[must_use]
    pub fn report(mut self, hook: impl Fn(&Report<'_>) + Send + Sync + 'static) -> Self {
        self.gate.report = Some(Arc::new(hook));
        self
    }

    /// Does not count again what the authorizer counted, according to its context.
    ///
    /// The authorizer has charged 1 request. What a request [costs](Self::cost) or
    /// [settles](Self::settled) above 1 is charged here, and so are its meters.
    ///
    /// Use it only if API Gateway does not cache the authorizer's results: a cached context is
    /// repeated for requests that were not counted. Other requests are counted here. A layer with a
    /// [`name`](Self::name) has buckets that the authorizer does not count in, so this layer cannot
    /// have one.
    #[must_use]
    pub fn counted_by(mut self, authorizer: Authorizer) -> Self {
        self.gate.authorizer = Some(authorizer);
        self
    }

    /// Sets the method of an API that a request calls, for plans with a rate for it.
    #[must_use]
    pub fn method(
        mut self,
        method: impl Fn(&request::Parts) -> Option<MethodKey> + Send + Sync + 'static,
    ) -> Self {
        self.gate.method = Some(Arc::new(method));
        self
    }

    /// Names the layer, to distinguish several: it gets buckets of its own, and the names of its
    /// limits in the fields begin with the name, such as `"search-burst"`.
    ///
    /// The subject of Maria's bucket is then `#search#maria`, also for [`Plans::assigned`] and
    /// [`report`](Self::report). Without a name it is `maria`, which Tollgate's authorizer and other
    /// layers without a name share. The subjects of parents are the same in all layers.
    ///
    /// Changing the name resets all limits of the layer. In the fields, a character other than a
    /// letter, a digit, `-`, `_` or `.` becomes `_`.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.gate.style.name(name);
        self.gate.name = Some(name.to_owned());
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

    /// Returns the layer if its settings fit together.
    ///
    /// A layer with a mistake logs it at ERROR when it is put around a service, and refuses requests
    /// with 503. Call this at the start to fail there instead. Plans and their meters are read with
    /// the first requests, so they are not checked.
    ///
    /// # Errors
    /// A name of the layer or of a parent is empty, longer than 128 bytes, used twice, or has a `#`
    /// or a control character; a header's name or an issuer is invalid; a meter is set twice; there
    /// are more than three parents or meters; a named layer has
    /// [`counted_by`](Self::counted_by).
    pub fn checked(self) -> Result<Self, LimitsError> {
        self.gate.check()?;
        Ok(self)
    }

    /// Sets the response to a refused request.
    ///
    /// The function gets the complete response, its body as text, and returns one with a body of
    /// the service's type: for body types that are not made from a `String`, and for other answers.
    #[must_use]
    pub fn answer<B, F>(self, answer: F) -> Limits<F, M>
    where
        F: Fn(&Refused, Response<String>) -> Response<B> + Clone,
    {
        Limits { gate: self.gate, answer, body: PhantomData }
    }
}

impl<S, A: Clone, M> tower_layer::Layer<S> for Limits<A, M> {
    type Service = Limited<S, A, M>;

    fn layer(&self, inner: S) -> Self::Service {
        let gate = Gate { mistake: self.gate.check().err(), ..self.gate.clone() };
        if let Some(mistake) = &gate.mistake {
            tracing::error!(%mistake, "{MISCONFIGURED}");
        }
        Limited::new(inner, Arc::new(gate), self.answer.clone())
    }
}

impl MethodKey {
    /// A method as a usage plan writes it, such as `/pets/{id}/GET`, of an API's stage.
    #[must_use]
    pub fn new(
        api_id: impl Into<String>,
        stage: impl Into<String>,
        key: impl Into<String>,
    ) -> Self {
        Self { api_id: api_id.into(), stage: stage.into(), key: key.into() }
    }
}

impl<A, M> Debug for Limits<A, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("gate", &self.gate).finish_non_exhaustive()
    }
}
