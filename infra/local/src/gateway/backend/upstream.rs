//! An HTTP service behind the API.
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
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use table::connect::{TlsError, tls};

use super::Call;
use crate::gateway::MAX_BODY;
use crate::gateway::asked::Asked;
use crate::gateway::responses::Refusal;

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

/// An HTTP service behind the API.
pub(in crate::gateway) struct Upstream {
    target: Target,
    client: Service,
    timeout: Duration,
}

/// The client of a service.
enum Service {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// The address of a service.
pub(super) enum Target {
    /// The path of the request follows.
    Base(Uri),
    /// Called as it is, with `{name}` for a parameter of the path.
    Address(String),
}

impl Upstream {
    /// A client for the address, which connects when it is called.
    ///
    /// # Errors
    /// The address needs TLS, and the system has no root certificates.
    pub(super) fn new(target: Target, timeout: Duration) -> Result<Self, TlsError> {
        let client = Client::builder(TokioExecutor::new());
        let client = if target.is_tls() {
            let mut tcp = HttpConnector::new();
            tcp.enforce_http(false);
            Service::Tls(client.build((tcp, tls()?).into()))
        } else {
            Service::Plain(client.build_http())
        };
        Ok(Self { target, client, timeout })
    }

    pub(super) async fn call(&self, call: Call<'_>) -> Result<Response<Full<Bytes>>, Refusal> {
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
        let response = match &self.client {
            Service::Plain(client) => client.request(request).await,
            Service::Tls(client) => client.request(request).await,
        };
        let response = response.map_err(|_| Refusal::IntegrationFailure)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await;
        Ok((parts, body.map_err(|_| Refusal::BadIntegration)?.to_bytes()))
    }
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
    fn is_tls(&self) -> bool {
        match self {
            Self::Base(base) => base.scheme_str() == Some("https"),
            Self::Address(address) => address.starts_with("https://"),
        }
    }

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
pub(in crate::gateway) fn forwarded_for(headers: &mut HeaderMap, peer: IpAddr) {
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

/// Removes headers that look like the authorizer's context.
pub(super) fn remove_forged(headers: &mut HeaderMap) {
    let forged: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().replace('_', "-").starts_with(PREFIX))
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
}

/// Removes headers that are about one connection.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
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
