//! The backend behind the API: an echo, or an HTTP service of the user's.
//!
//! An `--upstream` gets the path of the request after its own. A definition's address is called as
//! it is, with the path's parameters in it, as API Gateway does; over TLS with the system's root
//! certificates.
//!
//! Like an HTTP proxy integration of API Gateway, it passes method, path, query, body and headers
//! on, including `Authorization`. It drops the hop-by-hop headers of RFC 9110 section 7.6.1, and
//! replaces `Host` by the service's own.
//!
//! The authorizer's `principalId` and context arrive as `x-authorizer-<name>`. Headers that a caller
//! sends under such a name are removed, with an underscore for a hyphen too: some servers make no
//! difference between the two.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use table::connect::{TlsError, tls};

use super::asked::Asked;
use super::authorizer::Grant;
use super::responses::Refusal;
use super::{Integration, Invoke, MAX_BODY, Options, proxy};

const PREFIX: &str = "x-authorizer-";
/// The characters that are escaped in a path's parameter; a greedy one has slashes.
const OUTSIDE_OF_A_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Headers that are about one connection; those that `Connection` names are added to them.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers of an integration's response that API Gateway gives back under another name.
const REMAPPED: [HeaderName; 3] = [header::DATE, header::SERVER, header::WWW_AUTHENTICATE];

/// An allowed request.
pub(super) struct Call<'a> {
    pub(super) asked: Asked<'a>,
    pub(super) body: Bytes,
    pub(super) grant: &'a Grant,
}

/// The target of allowed requests.
pub(super) enum Backend {
    Echo,
    Upstream(Box<Upstream>),
    Function(Invoke),
    /// An answer that is always the same.
    Fixed(Response<Bytes>),
}

/// An HTTP service behind the API.
pub(super) struct Upstream {
    target: Target,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

/// The address of a service.
enum Target {
    /// The path of the request follows.
    Base(Uri),
    /// Called as it is, with `{name}` for a parameter of the path.
    Address(String),
}

impl Upstream {
    fn new(target: Target, timeout: Duration) -> Result<Self, TlsError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let client = Client::builder(TokioExecutor::new()).build((tcp, tls()?).into());
        Ok(Self { target, client, timeout })
    }
}

impl Backend {
    pub(super) fn new(options: &Options) -> Self {
        let timeout = options.integration_timeout;
        match &options.integration {
            Integration::Echo => Self::Echo,
            Integration::Http(base) => Self::upstream(Target::Base(base.clone()), timeout),
            Integration::Address(text) => Self::upstream(Target::Address(text.clone()), timeout),
            Integration::Function(invoke) => Self::Function(Arc::clone(invoke)),
            Integration::Mock { status, headers, body } => {
                Self::Fixed(fixed(*status, headers, body.clone()))
            }
            Integration::Unserved(reason) => Self::unserved(reason),
        }
    }

    fn upstream(target: Target, timeout: Duration) -> Self {
        match Upstream::new(target, timeout) {
            Ok(upstream) => Self::Upstream(Box::new(upstream)),
            Err(error) => Self::unserved(&error.to_string()),
        }
    }

    fn unserved(reason: &str) -> Self {
        let text = format!("local cannot serve this: {reason}");
        Self::Fixed(fixed(501, &[], json!({ "message": text }).to_string()))
    }

    pub(super) async fn call(&self, mut call: Call<'_>) -> Result<Response<Full<Bytes>>, Refusal> {
        remove_forged(&mut call.asked.head.headers);
        remove_hop_by_hop(&mut call.asked.head.headers);
        match self {
            Self::Echo => Ok(echo(&call)),
            Self::Upstream(upstream) => upstream.call(call).await,
            Self::Function(invoke) => {
                let event = proxy::event(&call.asked, &call.body, call.grant);
                let answer = invoke(uuid::Uuid::new_v4().to_string(), event).await;
                proxy::response(call.asked.kind().is_http(), answer)
            }
            Self::Fixed(response) => Ok(response.clone().map(Full::new)),
        }
    }
}

fn fixed(status: u16, headers: &[(String, String)], body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

impl Upstream {
    async fn call(&self, call: Call<'_>) -> Result<Response<Full<Bytes>>, Refusal> {
        let method = call.asked.head.method.clone();
        let request = forwarded(&self.target, call)?;
        let answer = tokio::time::timeout(self.timeout, self.exchange(request)).await;
        let (parts, body) = answer.map_err(|_| Refusal::IntegrationTimeout)??;
        Ok(returned(&method, parts, body))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(http::response::Parts, Bytes), Refusal> {
        let response =
            self.client.request(request).await.map_err(|_| Refusal::IntegrationFailure)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await;
        Ok((parts, body.map_err(|_| Refusal::BadIntegration)?.to_bytes()))
    }
}

/// Tells the caller what a backend would see.
///
/// Like a backend that enforces limits, it answers 429 if an HTTP API's authorizer allowed a
/// caller with `throttled` in the context, because such an API cannot answer 429 itself.
fn echo(call: &Call<'_>) -> Response<Full<Bytes>> {
    let Call { asked, grant, .. } = call;
    if asked.kind().is_http() && grant.is_throttled() {
        return too_many_requests(grant);
    }
    let mut headers = serde_json::Map::new();
    // Never repeat a token or a key, not even to its sender.
    let secret = |name: &HeaderName| *name == header::AUTHORIZATION || *name == super::X_API_KEY;
    for name in asked.head.headers.keys().filter(|name| !secret(name)) {
        let values: Vec<_> = asked.head.headers.get_all(name).iter().collect();
        let values: Vec<_> =
            values.into_iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        headers.insert(name.to_string(), values.join(",").into());
    }
    let body = json!({
        "method": asked.head.method.as_str(),
        "path": asked.head.uri.path(),
        "query": asked.head.uri.query().unwrap_or_default(),
        "headers": headers,
        "requestContext": request_context(call),
    });
    json_response(&body)
}

/// Returns a short form of the `requestContext` in a Lambda integration's event.
fn request_context(Call { asked, grant, .. }: &Call<'_>) -> Value {
    let mut context = json!({
        "apiId": asked.options.api_id(),
        "stage": asked.options.stage(),
        "requestId": asked.id.as_str(),
    });
    let more = if asked.kind().is_http() {
        json!({
            "routeKey": asked.route.key,
            "http": { "sourceIp": asked.peer },
            "authorizer": { "lambda": grant.context },
        })
    } else {
        let mut authorizer = grant.context.clone();
        authorizer.insert("principalId".to_owned(), json!(grant.principal_id));
        json!({ "identity": { "sourceIp": asked.peer }, "authorizer": authorizer })
    };
    if let (Some(context), Value::Object(more)) = (context.as_object_mut(), more) {
        context.extend(more);
    }
    context
}

fn too_many_requests(grant: &Grant) -> Response<Full<Bytes>> {
    let mut response = json_response(&json!({ "message": "Too Many Requests" }));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    if let Some(seconds) = grant.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn json_response(body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The request as the service gets it.
fn forwarded(target: &Target, call: Call<'_>) -> Result<Request<Full<Bytes>>, Refusal> {
    let uri = target.uri(&call.asked).ok_or(Refusal::ApiConfiguration)?;

    let mut request = Request::new(Full::new(call.body));
    *request.method_mut() = call.asked.head.method;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    *headers = call.asked.head.headers;
    // hyper sets both for the new connection.
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::EXPECT);
    forwarded_for(headers, call.asked.peer);
    let principal = call.grant.principal_id.iter().map(|id| ("principalid", id.clone()));
    let context = call.grant.context.iter().map(|(name, value)| (name.as_str(), text(value)));
    for (name, value) in principal.chain(context) {
        let header = HeaderName::try_from(format!("{PREFIX}{name}"));
        let (Ok(header), Ok(value)) = (header, HeaderValue::from_bytes(value.as_bytes())) else {
            let line =
                format!("the authorizer's context can't be passed on: `{name}` makes no header");
            call.asked.options.log.note(line);
            return Err(Refusal::ApiConfiguration);
        };
        headers.insert(header, value);
    }
    Ok(request)
}

impl Target {
    /// The address for a request; `None` if it is not one.
    fn uri(&self, asked: &Asked<'_>) -> Option<Uri> {
        let text = match self {
            Self::Base(base) => {
                let own = asked.head.uri.path_and_query().map_or("/", |own| own.as_str());
                let prefix = base.path().trim_end_matches('/');
                format!("{}://{}{prefix}{own}", base.scheme_str()?, base.authority()?)
            }
            Self::Address(address) => {
                let mut text = address.clone();
                for (name, value) in &asked.route.parameters {
                    // An HTTP API has decoded it, a REST API has not.
                    let value = match asked.kind().is_http() {
                        true => utf8_percent_encode(value, OUTSIDE_OF_A_PATH).to_string(),
                        false => value.clone(),
                    };
                    text = text.replace(&format!("{{{name}}}"), &value);
                }
                let query = asked.head.uri.query().filter(|query| !query.is_empty());
                let sign = if text.contains('?') { '&' } else { '?' };
                query.into_iter().for_each(|query| text.push_str(&format!("{sign}{query}")));
                text
            }
        };
        text.parse().ok().filter(|_| !text.contains(['{', '}']))
    }
}

/// A context's value in a header: text as it is, anything else in JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Adds the caller's address to those that proxies before us have put down.
pub(super) fn forwarded_for(headers: &mut HeaderMap, peer: IpAddr) {
    let name = HeaderName::from_static("x-forwarded-for");
    let earlier: Vec<&str> =
        headers.get_all(&name).iter().filter_map(|value| value.to_str().ok()).collect();
    let list = [earlier, vec![&peer.to_string()]].concat().join(", ");
    if let Ok(list) = HeaderValue::from_str(&list) {
        headers.insert(name, list);
    }
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
}

/// The service's response as the caller gets it.
fn returned(
    method: &Method,
    mut parts: http::response::Parts,
    body: Bytes,
) -> Response<Full<Bytes>> {
    remove_hop_by_hop(&mut parts.headers);
    if *method != Method::HEAD {
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    for name in REMAPPED {
        let values: Vec<_> = parts.headers.get_all(&name).iter().cloned().collect();
        parts.headers.remove(&name);
        if let Ok(other) = HeaderName::try_from(format!("x-amzn-remapped-{name}")) {
            for value in values {
                parts.headers.append(&other, value);
            }
        }
    }
    // The version is that of our own connection to the caller.
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    response
}

fn remove_forged(headers: &mut HeaderMap) {
    let forged: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().replace('_', "-").starts_with(PREFIX))
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    for name in named.into_iter().chain(HOP_BY_HOP) {
        headers.remove(name);
    }
}
