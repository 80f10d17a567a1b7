//! An HTTP service behind the API.
//!
//! An `--upstream` gets the path of the request after its own, and the authorizer's `principalId`
//! and context as `x-authorizer-<name>`. Headers that a caller sends under such a name are removed,
//! with an underscore for a hyphen too: some servers make no difference between the two.
//!
//! A definition's address is called as it is, with what the definition maps; over TLS with the
//! system's root certificates.
//!
//! Like an HTTP proxy integration of API Gateway, both pass method, path, query, body and headers
//! on, including `Authorization`. They drop the hop-by-hop headers of RFC 9110 section 7.6.1, and
//! replace `Host` by the service's own.

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
use serde_json::Value;
use table::connect::{TlsError, tls};

use super::{Address, Call, Fault, mapping};
use crate::gateway::MAX_BODY;
use crate::gateway::aside::aside;
use crate::gateway::asked::Asked;
use crate::gateway::expression::Values;
use crate::gateway::responses::Refusal;

const PREFIX: &str = "x-authorizer-";

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
    /// Called as it is, with what is mapped.
    Address(Address),
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

    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Response<Full<Bytes>>, Fault> {
        let Call { asked, body, grant } = call;
        let values = Values::new(asked, body, grant);
        let request = match &self.target {
            Target::Base(base) => forwarded(base, call)?,
            Target::Address(address) => {
                aside(body.len(), || mapped(address, call, &values)).await?
            }
        };
        let method = request.method().clone();
        let answer = tokio::time::timeout(self.timeout, self.exchange(request)).await;
        let (parts, body) = answer.map_err(|_| Refusal::IntegrationTimeout)??;
        if let Target::Address(Address { templates: Some(templates), .. }) = &self.target {
            let values = values.answered(parts.status, &parts.headers, &body);
            return aside(body.len(), || templates.respond(Some(parts.status.as_str()), &values))
                .await;
        }
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

/// The request as an `--upstream` gets it.
fn forwarded(base: &Uri, call: &Call<'_>) -> Result<Request<Full<Bytes>>, Fault> {
    let own = call.asked.head.uri.path_and_query().map_or("/", |own| own.as_str());
    let prefix = base.path().trim_end_matches('/');
    if !prefix.is_empty() {
        mapping::stays(call.asked.head.uri.path())?;
    }
    let scheme = base.scheme_str().unwrap_or("http");
    let authority = base.authority().map_or("", |authority| authority.as_str());
    let uri = format!("{scheme}://{authority}{prefix}{own}");
    let uri = uri.parse().map_err(|_| Refusal::ApiConfiguration)?;
    let mut request = passed(&call.asked, uri, call.body.clone());
    let headers = request.headers_mut();
    remove_forged(headers);
    let principal = call.grant.principal_id.iter().map(|id| ("principalid", id.clone()));
    let context = call.grant.context.iter().map(|(name, value)| (name.as_str(), text(value)));
    for (name, value) in principal.chain(context) {
        let header = HeaderName::try_from(format!("{PREFIX}{name}"));
        let (Ok(header), Ok(value)) = (header, HeaderValue::from_bytes(value.as_bytes())) else {
            let reason = format!(
                "the authorizer's context cannot be passed on: `{name}` makes no header, because \
                 its name or value has characters that a header cannot have"
            );
            return Err(Fault { refusal: Refusal::ApiConfiguration, reason: Some(reason) });
        };
        headers.insert(header, value);
    }
    Ok(request)
}

/// The request as a definition's address gets it.
fn mapped(
    address: &Address,
    call: &Call<'_>,
    values: &Values<'_>,
) -> Result<Request<Full<Bytes>>, Fault> {
    let sent = &call.asked.head.headers;
    let mut request = passed(&call.asked, address.uri(&call.asked, values)?, call.body.clone());
    if let Some(templates) = &address.templates {
        if let Some(body) = templates.request(values)? {
            *request.body_mut() = Full::new(body.into());
        }
        // Without a proxy, headers are those that are mapped.
        let json = || HeaderValue::from_static("application/json");
        let kind = sent.get(header::CONTENT_TYPE).cloned().unwrap_or_else(json);
        let plain = [(header::CONTENT_TYPE, kind), (header::ACCEPT, json())];
        *request.headers_mut() = HeaderMap::from_iter(plain);
    }
    if let Some(method) = &address.method {
        request.method_mut().clone_from(method);
    }
    address.change(request.headers_mut(), values)?;
    Ok(request)
}

/// A request with everything that passes through the API.
fn passed(asked: &Asked<'_>, uri: Uri, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    request.method_mut().clone_from(&asked.head.method);
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.clone_from(&asked.head.headers);
    // hyper sets both for the new connection.
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::EXPECT);
    forwarded_for(headers, asked.peer);
    request
}

impl Target {
    fn is_tls(&self) -> bool {
        match self {
            Self::Base(base) => base.scheme_str() == Some("https"),
            Self::Address(address) => address.text.starts_with("https://"),
        }
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
