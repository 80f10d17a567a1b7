//! HTTP client of the calls to DynamoDB.
//!
//! After a Lambda's execution environment was frozen, a keep-alive connection can be dead without
//! notice. So connections stay idle for at most 15 seconds by both clocks. If a reused connection
//! breaks before any byte of the answer, the call is made once more.

use std::error::Error;
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents};
use aws_sdk_dynamodb::error::ConnectorError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::connector::{self, Connector, Progress};

/// HTTP/1.1 client for the SDK. Clones share its connections.
///
/// It reads no proxy from the environment and follows no redirect. If a reused connection breaks
/// before any byte of an answer, it makes a read or a charge once more, on a new connection. The
/// first call may have been applied, so a request may be charged twice, but it is always charged.
/// Any other write fails instead, because a repeated write could give tokens back twice, or report
/// a conflict with the first.
#[derive(Clone)]
pub struct Transport(Arc<Shared>);

struct Shared {
    connector: Connector,
    clock: Box<dyn Fn() -> Moment + Send + Sync>,
    pool: Mutex<Pool>,
}

type Client = legacy::Client<Connector, Full<Bytes>>;

/// The connections in use, and the moment of their last use.
struct Pool {
    client: Client,
    number: u64,
    used: Moment,
}

/// A reading of both clocks.
///
/// The wall clock can be set back. The monotonic clock can stop while a Lambda's execution
/// environment is frozen. So the time since an earlier reading is the larger of both differences.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The wall clock.
    pub wall: SystemTime,
    /// Time since a fixed moment of this process, on the monotonic clock.
    pub monotonic: Duration,
}

impl Moment {
    fn since(self, earlier: Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        wall.max(self.monotonic.saturating_sub(earlier.monotonic))
    }
}

/// Permission to repeat a write, as an extension of its request. Counts the repetitions.
#[derive(Clone, Debug, Default)]
pub struct Repeats(Arc<AtomicU64>);

impl Repeats {
    /// Returns the number of repetitions.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Transport {
    /// Makes a client without a connection. `connect_timeout` bounds name look-up, TCP and TLS.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of this crate that reads the time"
    )]
    pub fn new(connect_timeout: Duration) -> Self {
        let start = Instant::now();
        let now = move || Moment { wall: SystemTime::now(), monotonic: start.elapsed() };
        Self::with_clock(connect_timeout, now)
    }

    /// Makes a client that reads the time from `clock`, for tests.
    #[must_use]
    pub fn with_clock(
        connect_timeout: Duration,
        clock: impl Fn() -> Moment + Send + Sync + 'static,
    ) -> Self {
        let connector = Connector::new(connect_timeout);
        let pool = Pool { client: client(&connector), number: 0, used: clock() };
        Self(Arc::new(Shared { connector, clock: Box::new(clock), pool: Mutex::new(pool) }))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let repeats = request.extension::<Repeats>().cloned();
        let request = request.try_into_http1x().map_err(|error| never_left(error.into()))?;
        let (head, body) = request.into_parts();
        let body = body.bytes().map(Bytes::copy_from_slice);
        let body = body.ok_or_else(|| never_left("the request's body is a stream".into()))?;
        let request = || http::Request::from_parts(head.clone(), Full::new(body.clone()));
        let may_repeat = repeats.is_some() || is_read(&head.headers);
        let (client, number) = self.0.pool();
        let answer = match self.0.call(&client, request()).await {
            Err(error) if may_repeat && error.on_reused_before_answer() => {
                if let Some(Repeats(count)) = repeats {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                self.0.call(&self.0.pool_after(number), request()).await
            }
            answer => answer,
        };
        answer.map_err(Broken::into)
    }
}

impl Shared {
    /// Makes one call.
    async fn call(
        &self,
        client: &Client,
        request: http::Request<Full<Bytes>>,
    ) -> Result<HttpResponse, Broken> {
        let answer = client.request(request).await.map_err(Broken::Call)?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| Broken::Answer(error.into()))?.to_bytes();
        if let Some(progress) = head.extensions.get::<Progress>() {
            progress.answered();
        }
        self.lock().used = (self.clock)();
        let answer = http::Response::from_parts(head, SdkBody::from(body));
        HttpResponse::try_from(answer).map_err(|error| Broken::Answer(error.into()))
    }

    /// Returns the connections, or none of them if they may have been idle for too long.
    fn pool(&self) -> (Client, u64) {
        let now = (self.clock)();
        let mut pool = self.lock();
        if now.since(pool.used) >= MAX_IDLE {
            pool.renew(&self.connector);
        }
        pool.used = now;
        (pool.client.clone(), pool.number)
    }

    /// Returns connections that are newer than those of this number.
    ///
    /// If one idle connection broke, the others probably broke too.
    fn pool_after(&self, number: u64) -> Client {
        let mut pool = self.lock();
        if pool.number == number {
            pool.renew(&self.connector);
        }
        pool.client.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    fn renew(&mut self, connector: &Connector) {
        self.client = client(connector);
        self.number = self.number.wrapping_add(1);
    }
}

fn client(connector: &Connector) -> Client {
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(MAX_IDLE)
        .build(connector.clone())
}

/// An error of one call.
enum Broken {
    /// The answer has no head.
    Call(legacy::Error),
    /// The answer is incomplete or unreadable.
    Answer(Box<dyn Error + Send + Sync>),
}

impl Broken {
    /// Returns true if the connection had answered before, and has sent no byte of this answer.
    fn on_reused_before_answer(&self) -> bool {
        let Self::Call(error) = self else { return false };
        let Some(connected) = error.connect_info() else { return false };
        let mut extras = http::Extensions::new();
        connected.get_extras(&mut extras);
        extras.get::<Progress>().is_some_and(Progress::is_waiting)
    }
}

impl From<Broken> for ConnectorError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Call(error) if error.is_connect() && connector::is_timeout(&error) => {
                Self::timeout(error.into())
            }
            Broken::Call(error) if error.is_connect() => Self::io(error.into()),
            Broken::Call(error) => Self::other(error.into(), Some(ErrorKind::TransientError)),
            Broken::Answer(error) => Self::other(error, Some(ErrorKind::TransientError)),
        }
    }
}

/// Returns true for DynamoDB's operations that change nothing.
fn is_read(headers: &http::HeaderMap) -> bool {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.rsplit('.').next());
    operation.is_some_and(|operation| READS.contains(&operation))
}

fn never_left(error: Box<dyn Error + Send + Sync>) -> ConnectorError {
    ConnectorError::user(error)
}

impl HttpClient for Transport {
    /// Ignores the SDK's settings, because the time-out of the whole call bounds reading.
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let transport = self.clone();
        HttpConnectorFuture::new(async move { transport.send(request).await })
    }
}

impl Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

const READS: [&str; 6] =
    ["GetItem", "BatchGetItem", "Query", "Scan", "DescribeTable", "DescribeTimeToLive"];
/// The longest time that a connection is kept without a request, by both clocks: less than the 20
/// seconds after which DynamoDB is reported to close it.
const MAX_IDLE: Duration = Duration::from_secs(15);
