//! One request through an API, from its head to the backend.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use throttle::Clock as _;
use uuid::Uuid;

use super::asked::{Asked, Origin};
use super::authorizer::{Grant, Outcome};
use super::backend::{Backend, Call, Fault};
use super::body::{self, ROOM, Unreceived};
use super::cache::Cache;
use super::evaluate;
use super::report;
use super::responses::{Refusal, RequestId, unsendable};
use super::web_socket::{Connection, Targets};
use super::wire::Sent;
use super::{
    KeySource, Kind, MAX_BODY, MAX_HEAD, Options, X_API_KEY, authorizer, customized, event,
    identity,
};
use crate::lambda::InvokeError;
use crate::log::Report;

mod connect;

/// The parts that every request needs.
pub(super) struct Api {
    options: Options,
    cache: Arc<Cache>,
    backend: Backend,
    /// The targets of a WebSocket API's routes.
    targets: Arc<Targets>,
}

impl Api {
    pub(super) fn new(options: Options, cache: Arc<Cache>) -> Self {
        let backend = Backend::new(&options);
        let targets = Arc::new(Targets::new(&options));
        Self { options, cache, backend, targets }
    }

    pub(super) fn kind(&self) -> Kind {
        self.options.kind
    }

    /// Prints a line for the person at the terminal.
    pub(super) fn note(&self, line: String) {
        self.options.log.note(line);
    }

    /// Answers a request; a WebSocket that it becomes is left in `upgraded`.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        sent: Sent,
        peer: IpAddr,
        upgraded: &OnceLock<Connection>,
    ) -> Response<Full<Bytes>> {
        let started = self.options.now.monotonic();
        let id = RequestId::new(self.options.kind);
        let mut report = report::begin(&self.options, &request);
        let origin = request.headers().get(header::ORIGIN).cloned();
        let cors = self.options.cors.as_ref();
        let preflight = cors.and_then(|cors| cors.preflight(request.method(), request.headers()));
        let (head, body) = request.into_parts();
        let is_changed = self.options.responses.is_some() && self.options.kind.is_rest();
        let kept = is_changed.then(|| head.clone());
        let request = Request::from_parts(head, body);
        let mut granted = None;
        let from = Origin { sent, peer, id: &id };
        let answer = if from.sent.is_ambiguous() {
            Err(Refusal::BadRequest)
        } else if let Some(preflight) = preflight {
            Ok(preflight)
        } else if self.options.kind == Kind::WebSocket {
            self.connect(request, from, upgraded, &mut report, &mut granted).await
        } else {
            self.pass(request, from, &mut report, &mut granted).await
        };
        let answer = answer.and_then(|response| match unsendable(response.status().as_u16()) {
            // A handshake that is accepted is the only one that goes on.
            Some(reason) if upgraded.get().is_none() => {
                self.complain(&mut report, reason);
                Err(Refusal::BadIntegration)
            }
            _ => Ok(response),
        });
        let mut response = match answer {
            Ok(response) => id.mark(response),
            Err(refusal) => {
                report::refuse(&self.options, &mut report, refusal);
                // A definition maps the response itself, or leaves API Gateway's own.
                let shown = match refusal {
                    Refusal::InvalidApiKey { .. } if self.options.is_defined() => {
                        Refusal::Forbidden
                    }
                    other => other,
                };
                let response = shown.respond(&id);
                let from = Origin { sent: Sent::default(), peer, id: &id };
                let asked = kept.map(|head| Asked::refused(&self.options, head, from));
                self.changed(refusal, asked, granted.as_deref(), response).await
            }
        };
        if let Some(cors) = cors {
            cors.allow(origin.as_ref(), response.headers_mut());
        }
        report.status = response.status().as_u16();
        report.took = self.options.now.monotonic().saturating_sub(started);
        self.options.log.report(report);
        response
    }

    /// The response to a refusal, as the API's definition has it.
    async fn changed(
        &self,
        refusal: Refusal,
        asked: Option<Asked<'_>>,
        granted: Option<&Grant>,
        mut response: Response<Full<Bytes>>,
    ) -> Response<Full<Bytes>> {
        let (Some(changes), Some(asked)) = (&self.options.responses, asked) else {
            return response;
        };
        let signature = asked.head.headers.get(header::AUTHORIZATION);
        let signature = signature.and_then(|value| value.to_str().ok());
        if refusal == Refusal::NoRoute
            && let Some(body) = signature.and_then(customized::no_signature)
        {
            *response.body_mut() = Full::new(Bytes::from(body));
            let kind = HeaderValue::from_static("IncompleteSignatureException");
            response.headers_mut().insert("x-amzn-errortype", kind);
        }
        let open = Grant::open();
        customized::change(changes, refusal, &asked, granted.unwrap_or(&open), response).await
    }

    async fn pass(
        &self,
        request: Request<Incoming>,
        from: Origin<'_>,
        report: &mut Report,
        granted: &mut Option<Arc<Grant>>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let (head, body) = request.into_parts();
        self.check_head(&head)?;
        let (asked, identity) = match self.identify(head, from, report).await {
            Ok(identified) => identified,
            Err(refusal) => {
                body::discard(body, MAX_BODY).await;
                return Err(refusal);
            }
        };
        // As API Gateway's front does, the body is taken in whole before anything is asked.
        let body = body::receive(body, MAX_BODY, &ROOM).await.map_err(|why| match why {
            Unreceived::TooLarge => Refusal::BodyTooLarge,
            Unreceived::Full => Refusal::TooManyBodies,
            Unreceived::Broken => Refusal::BadRequest,
        })?;
        let grant = self.admit(&asked, &identity, report, granted).await?;
        let started = self.options.now.monotonic();
        let answer =
            self.backend.call(Call { asked, body: body.bytes.clone(), grant: &grant }).await;
        if let Some(trace) = &mut report.trace {
            trace.backend = Some(self.options.now.monotonic().saturating_sub(started));
        }
        if let Some(message) = self.backend.why_unserved() {
            self.complain(report, message.to_owned());
        }
        answer.map_err(|fault| self.refusal(fault, report))
    }

    /// The refusal of a backend's fault, whose reason is reported.
    fn refusal(&self, fault: Fault, report: &mut Report) -> Refusal {
        if let Some(reason) = fault.reason {
            self.complain(report, reason);
        }
        fault.refusal
    }

    /// Holds the head to its quotas.
    ///
    /// A REST API has one for its URL and one for the header values together, the others one for
    /// the request line and the header values (API Gateway's quotas pages).
    fn check_head(&self, head: &Parts) -> Result<(), Refusal> {
        let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
        let line = head.method.as_str().len() + target + " HTTP/1.1\r\n".len() + 1;
        let values = head.headers.values().map(HeaderValue::len).fold(0, usize::saturating_add);
        let is_rest = self.options.kind.is_rest();
        if is_rest && target > MAX_HEAD {
            return Err(Refusal::ArnTooLong);
        }
        let size = if is_rest { values } else { values.saturating_add(line) };
        if size > MAX_HEAD { Err(Refusal::HeadTooLarge) } else { Ok(()) }
    }

    /// Finds the route and the identity of a request, for which nobody is asked.
    async fn identify<'a>(
        &'a self,
        head: Parts,
        from: Origin<'a>,
        report: &mut Report,
    ) -> Result<(Asked<'a>, Vec<String>), Refusal> {
        let asked = Asked::new(&self.options, head, from)?;
        if let Some(trace) = &mut report.trace {
            trace.arn.clone_from(&asked.arn);
        }
        if self.options.is_open {
            return Ok((asked, Vec::new()));
        }
        let identity = identity::values(&asked).map_err(|source| {
            report.reason = Some(format!("no {source}"));
            Refusal::Unauthorized
        })?;
        let token = identity.first().map(String::as_str).unwrap_or_default();
        if let Some(validation) = &self.options.validation
            && !validation.is_match(token).await
        {
            report.reason = Some("the token does not match the validation expression".to_owned());
            return Err(Refusal::Unauthorized);
        }
        Ok((asked, identity))
    }

    /// All that is asked of a caller.
    async fn admit(
        &self,
        asked: &Asked<'_>,
        identity: &[String],
        report: &mut Report,
        granted: &mut Option<Arc<Grant>>,
    ) -> Result<Arc<Grant>, Refusal> {
        if self.options.is_open {
            report::open(&self.options, report);
            let grant = Arc::new(Grant::open());
            if !self.options.kind.is_http() {
                self.check_key(asked, &grant)?;
            }
            return Ok(grant);
        }
        let grant = self.grant(asked, identity, report).await?;
        *granted = Some(Arc::clone(&grant));
        report::grant(report, &grant);
        let now_ms = self.options.now.millis();
        let request = evaluate::Request { arn: &asked.arn, source: asked.peer, now_ms };
        match grant.decide(&request) {
            evaluate::Decision::Allow => {}
            evaluate::Decision::ExplicitDeny => {
                return Err(Refusal::AccessDenied { explicit: true });
            }
            evaluate::Decision::ImplicitDeny => {
                return Err(Refusal::AccessDenied { explicit: false });
            }
        }
        if !self.options.kind.is_http() {
            self.check_key(asked, &grant)?;
        }
        Ok(grant)
    }

    /// The authorizer's result: remembered, or asked for.
    async fn grant(
        &self,
        asked: &Asked<'_>,
        identity: &[String],
        report: &mut Report,
    ) -> Result<Arc<Grant>, Refusal> {
        report::asked(&self.options, report);
        if let Some(grant) = self.cache.get(identity).await {
            report.cached = true;
            return Ok(grant);
        }
        let event = event::event(asked, identity);
        let id = Uuid::new_v4().to_string();
        // Other authorizers have no record to wait for, and their errors are their own to show.
        report.invocation = self.options.explains.then(|| id.clone());
        let started = self.options.now.monotonic();
        let answer = (self.options.function)(id, event).await;
        if let Some(trace) = &mut report.trace {
            trace.authorizer = Some(self.options.now.monotonic().saturating_sub(started));
            trace.output = answer.as_ref().ok().cloned();
        }
        let error = answer.as_ref().err().filter(|_| !self.options.explains);
        let said = error.map(InvokeError::said);
        match authorizer::outcome(self.options.kind, answer) {
            Outcome::Grant(grant) => {
                let grant = Arc::new(grant);
                self.cache.insert(identity, Arc::clone(&grant)).await;
                Ok(grant)
            }
            Outcome::Unauthorized => {
                report.reason = said.map(|_| "the authorizer answers `Unauthorized`".to_owned());
                Err(Refusal::Unauthorized)
            }
            Outcome::Failure(reason) => {
                self.complain(report, format!("the authorizer could not be asked: {reason}"));
                Err(Refusal::AuthorizerFailure)
            }
            Outcome::Configuration(reason) => {
                let reason = said.unwrap_or(reason);
                self.complain(report, format!("the authorizer's result is of no use: {reason}"));
                Err(Refusal::AuthorizerConfiguration)
            }
        }
    }

    /// Reports a fault of the authorizer or the backend; where no reports are printed, in a line of
    /// its own.
    fn complain(&self, report: &mut Report, fault: String) {
        if !self.options.log.has_reports() {
            self.options.log.note(fault.clone());
        }
        report.reason = Some(fault);
    }

    /// Holds the request to the usage plan that its key is on.
    fn check_key(&self, asked: &Asked<'_>, grant: &Grant) -> Result<(), Refusal> {
        let Some(keys) = &self.options.keys else { return Ok(()) };
        let (key, unknown) = match self.options.api_key_source {
            KeySource::Authorizer => (
                grant.usage_identifier_key.clone(),
                Refusal::InvalidApiKey { retry_after: grant.retry_after() },
            ),
            KeySource::Header => (asked.header(&X_API_KEY), Refusal::Forbidden),
        };
        let now_ns = self.options.now.moment().as_nanos();
        keys.take(key.as_deref(), now_ns).unwrap_or(Err(unknown))
    }
}
