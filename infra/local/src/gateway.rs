//! A REST API in front: what API Gateway does between a caller, a Lambda authorizer and a backend.
//!
//! Every method on every path (the resources `/` and `/{proxy+}`) has the same TOKEN authorizer
//! with the identity source `Authorization`. The stage is called `local` and is not in the URL, as
//! behind a custom domain. For one request:
//!
//! ```text
//! limits ─> token? ─> cached policy, else the function ─> policy against methodArn ─> API key ─> backend
//!  413 431    401        401 (its word), 500 (any other)      403                      429       504
//! ```
//!
//! What is deliberately absent: other kinds of authorizer, mapping templates, request validation,
//! CORS, WAF, API Gateway's own throttling, and binary media types.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::Now;
use crate::lambda::{ACCOUNT, InvokeError, REGION};
use crate::note;

mod authorizer;
mod backend;
mod cache;
mod evaluate;
mod responses;

use authorizer::{Grant, Outcome};
use backend::{Backend, Call};
use cache::Cache;
use evaluate::Decision;
use responses::{Refusal, RequestId};

/// The API's id, as in its methods' ARNs.
pub const API_ID: &str = "t0llgate00";
/// The only stage.
pub const STAGE: &str = "local";

/// The request line and the header values together, in bytes (API Gateway's quotas page).
const MAX_HEAD: usize = 10_240;
/// A request's or an integration response's body, in bytes (the same page).
const MAX_BODY: usize = 10 * 1024 * 1024;
/// A method's ARN with the request's path in it, in bytes (the same page).
const MAX_METHOD_ARN: usize = 1600;
/// What the parser takes at most before it gives up with an answer of its own.
const PARSER_BUFFER: usize = 64 * 1024;
/// How many connections are open at once; more wait.
const MAX_CONNECTIONS: usize = 1024;
/// How long a caller may take for its request's head, and again for its body.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(30);

/// The function behind the authorizer: an event in, its output or an error out.
pub type Invoke = Arc<
    dyn Fn(Bytes) -> Pin<Box<dyn Future<Output = Result<Bytes, InvokeError>> + Send>> + Send + Sync,
>;

/// How the API is set up.
#[derive(Clone)]
pub struct Options {
    /// The authorizer's function.
    pub function: Invoke,
    /// How long an authorizer's result is kept, up to an hour; zero turns the cache off.
    pub cache_ttl: Duration,
    /// The one API key of the stage's usage plan, which makes a key required on every method.
    ///
    /// `ApiKeySourceType` is then `AUTHORIZER`: an authorizer that allows a caller names the key in
    /// `usageIdentifierKey`, and any other value is the gateway response `INVALID_API_KEY`.
    pub api_key: Option<String>,
    /// The HTTP service that requests are passed on to; without one they are echoed.
    pub upstream: Option<Uri>,
    /// How long the integration may take.
    pub integration_timeout: Duration,
    /// The wall clock, for the cache's ages and for `aws:CurrentTime`.
    pub now: Now,
}

impl Options {
    /// An echo behind `function`, without a cache or an API key, and 29 s for an integration.
    #[must_use]
    pub fn new(function: Invoke, now: Now) -> Self {
        Self {
            function,
            cache_ttl: Duration::ZERO,
            api_key: None,
            upstream: None,
            integration_timeout: Duration::from_secs(29),
            now,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("cache_ttl", &self.cache_ttl)
            .field("api_key", &self.api_key.as_ref().map(|_| "…"))
            .field("upstream", &self.upstream)
            .field("integration_timeout", &self.integration_timeout)
            .finish_non_exhaustive()
    }
}

/// A running API.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Gateway {
    /// Serves the API on `listener` until it is shut down or dropped.
    ///
    /// # Errors
    /// Where the listener can't tell its address.
    pub fn start(listener: TcpListener, options: Options) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, Arc::new(Api::new(options))));
        Ok(Self { address, accepting })
    }

    /// Where the API is, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes the listener and every connection.
    pub async fn shutdown(mut self) {
        self.accepting.abort();
        // An aborted task ends with an error that says so.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts connections; the set of their tasks ends with this one.
async fn accept(listener: TcpListener, api: Arc<Api>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of file descriptors, most likely: wait for some to be closed.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let api = Arc::clone(&api);
        connections.spawn(async move {
            serve(stream, peer.ip(), api).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, peer: IpAddr, api: Arc<Api>) {
    // Latency on loopback matters more than packets.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let api = Arc::clone(&api);
        async move { Ok::<_, std::convert::Infallible>(api.answer(request, peer).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(RECEIVE_TIMEOUT)
        .max_buf_size(PARSER_BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // What breaks here is the caller's own connection, and hyper answered where it could.
    drop(served);
}

/// What every request needs.
struct Api {
    options: Options,
    cache: Cache,
    backend: Backend,
}

impl Api {
    fn new(options: Options) -> Self {
        let cache = Cache::new(options.cache_ttl, options.now.clone());
        let backend = Backend::new(options.upstream.clone(), options.integration_timeout);
        Self { options, cache, backend }
    }

    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Full<Bytes>> {
        let id = RequestId::new();
        match self.pass(request, peer, &id).await {
            Ok(response) => id.mark(response),
            Err(refusal) => refusal.respond(&id),
        }
    }

    async fn pass(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        id: &RequestId,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let (head, body) = request.into_parts();
        if head_size(&head) > MAX_HEAD {
            return Err(Refusal::HeadTooLarge);
        }
        // As API Gateway's front does, the body is taken in whole before anything is asked.
        let body = receive(body).await?;
        let arn = method_arn(&head.method, head.uri.path())?;
        let token = token(&head.headers)?;

        let grant = self.grant(token, &arn).await?;
        let now_ms = self.options.now.millis();
        match grant.policy.evaluate(&evaluate::Request { arn: &arn, source: peer, now_ms }) {
            Decision::Allow => {}
            Decision::ExplicitDeny => return Err(Refusal::AccessDenied { explicit: true }),
            Decision::ImplicitDeny => return Err(Refusal::AccessDenied { explicit: false }),
        }
        if let Some(key) = &self.options.api_key
            && grant.usage_identifier_key.as_ref() != Some(key)
        {
            return Err(Refusal::InvalidApiKey { retry_after: grant.retry_after() });
        }
        self.backend.call(Call { head, body, peer, grant: &grant, request_id: id.as_str() }).await
    }

    /// The authorizer's result for a token: remembered, or asked for.
    async fn grant(&self, token: &str, arn: &str) -> Result<Arc<Grant>, Refusal> {
        if let Some(grant) = self.cache.get(token).await {
            return Ok(grant);
        }
        let event = authorizer::event(token, arn);
        match authorizer::outcome((self.options.function)(event).await) {
            Outcome::Grant(grant) => {
                let grant = Arc::new(grant);
                self.cache.insert(token, Arc::clone(&grant)).await;
                Ok(grant)
            }
            Outcome::Unauthorized => Err(Refusal::Unauthorized),
            Outcome::Failure(reason) => {
                note(&format!("the authorizer could not be asked: {reason}"));
                Err(Refusal::AuthorizerFailure)
            }
            Outcome::Configuration(reason) => {
                note(&format!("the authorizer's result is of no use: {reason}"));
                Err(Refusal::AuthorizerConfiguration)
            }
        }
    }
}

/// The request line and the header values, as the quota counts them.
fn head_size(head: &http::request::Parts) -> usize {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let line = head.method.as_str().len() + target + " HTTP/1.1\r\n".len() + 1;
    head.headers.values().map(http::HeaderValue::len).fold(line, usize::saturating_add)
}

async fn receive(body: Incoming) -> Result<Bytes, Refusal> {
    let collected = tokio::time::timeout(RECEIVE_TIMEOUT, Limited::new(body, MAX_BODY).collect());
    match collected.await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Refusal::BodyTooLarge)
        }
        Ok(Err(_)) | Err(_) => Err(Refusal::BadRequest),
    }
}

/// The ARN that stands for this request in events and policies.
///
/// It holds the path of the request as it was received, not the resource's template: that much is
/// reported by several who looked at deployed APIs. Nothing was found on whether API Gateway decodes
/// percent-encoding or drops a slash at the end, so neither is done here: `/a%2Fb` and `/a/b`, `/a`
/// and `/a/` are four different resources, and a policy that does not name one does not allow it.
fn method_arn(method: &Method, path: &str) -> Result<String, Refusal> {
    let known = [
        Method::DELETE,
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::POST,
        Method::PUT,
    ];
    // `ANY` stands for these seven; whatever has no method is "Missing Authentication Token".
    if !known.contains(method) {
        return Err(Refusal::MissingAuthenticationToken);
    }
    // `OPTIONS *` names no resource.
    let Some(path) = path.strip_prefix('/') else { return Err(Refusal::BadRequest) };
    let arn = format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}/{STAGE}/{method}/{path}");
    if arn.len() > MAX_METHOD_ARN { Err(Refusal::ArnTooLong) } else { Ok(arn) }
}

/// The identity source. Without one the authorizer is not asked.
///
/// Of several `Authorization` headers the last counts, as in the single-value `headers` of API
/// Gateway's own events; not confirmed for authorizers.
fn token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let value = headers.get_all(header::AUTHORIZATION).iter().next_back();
    match value.and_then(|value| value.to_str().ok()) {
        Some(token) if !token.is_empty() => Ok(token),
        _ => Err(Refusal::Unauthorized),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(path: &str) -> Result<String, Refusal> {
        method_arn(&Method::GET, path)
    }

    #[test]
    fn the_method_arn_has_the_path_as_it_came() {
        let prefix = "arn:aws:execute-api:us-east-1:123456789012:t0llgate00/local/GET/";
        for path in ["", "orders", "orders/", "a%2Fb", "a:b//c", "../x", "*"] {
            assert_eq!(arn(&format!("/{path}")), Ok(format!("{prefix}{path}")));
        }
    }

    #[test]
    fn what_has_no_arn_is_refused() {
        assert_eq!(arn("*"), Err(Refusal::BadRequest));
        let trace = method_arn(&Method::TRACE, "/");
        assert_eq!(trace, Err(Refusal::MissingAuthenticationToken));
        let prefix = arn("/").unwrap().len();
        let fits = format!("/{}", "a".repeat(MAX_METHOD_ARN - prefix));
        assert!(arn(&fits).is_ok());
        assert_eq!(arn(&format!("{fits}a")), Err(Refusal::ArnTooLong));
    }
}
