//! Events of API Gateway: the method that is called, and the caller's credentials.

mod payload;
mod token;

use std::fmt;
use std::net::IpAddr;

use policy::{MethodArn, Target};
use serde::Serialize;
use serde_json::Value;

use crate::config::{API_KEY, TokenSource};
use crate::refusal::{Code, Refusal};
use payload::Payload;

/// The header of cookies (RFC 6265 section 5.4).
const COOKIE: &str = "cookie";

/// The header that offers subprotocols (RFC 6455 section 11.3.4).
const SUBPROTOCOLS: &str = "sec-websocket-protocol";

/// The longest API key of API Gateway, in bytes.
const MAX_KEY: usize = 128;

/// The longest path of a method that is looked up, in bytes: the longest method ARN.
const MAX_PATH: usize = 1_600;

/// The refusal of an event that should have a token.
pub(crate) const NO_TOKEN: Refusal = Refusal::malformed("the event has no token");

/// The kind of API that sent an event, and its payload format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub(crate) enum EventKind {
    /// A REST API's TOKEN authorizer: a token and an ARN, nothing else.
    #[serde(rename = "rest-token")]
    RestToken,
    /// A REST API's REQUEST authorizer.
    #[serde(rename = "rest-request")]
    RestRequest,
    /// An HTTP API with payload format 1.0.
    #[serde(rename = "http-1.0")]
    Http1,
    /// An HTTP API with payload format 2.0.
    #[serde(rename = "http-2.0")]
    Http2,
    /// A WebSocket API's REQUEST authorizer, which is called for `$connect` only.
    #[serde(rename = "websocket")]
    WebSocket,
}

impl EventKind {
    /// Returns the kind of an event.
    ///
    /// # Errors
    ///
    /// `config` if it is not an authorizer's event: the function is attached to something else.
    pub(crate) fn of(event: &Value) -> Result<Self, Refusal> {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        match (text("type"), text("version")) {
            (Some("TOKEN"), _) => Ok(Self::RestToken),
            (Some("REQUEST"), Some("2.0")) => Ok(Self::Http2),
            (Some("REQUEST"), Some("1.0")) => Ok(Self::Http1),
            (Some("REQUEST"), _) => {
                let arn = text("methodArn").and_then(|arn| MethodArn::parse(arn).ok());
                match arn.map(|arn| arn.target()) {
                    Some(Target::RouteKey(_)) => Ok(Self::WebSocket),
                    _ => Ok(Self::RestRequest),
                }
            }
            _ => Err(Refusal::config("not an authorizer's event: attach it as an authorizer")),
        }
    }

    /// Returns true for an HTTP API, which has neither usage plans nor API keys.
    pub(crate) const fn is_http(self) -> bool {
        matches!(self, Self::Http1 | Self::Http2)
    }
}

/// One event. Debug shows its kind only.
pub(crate) struct Event<'a> {
    kind: EventKind,
    arn: MethodArn<'a>,
    payload: Payload,
    cookies: Vec<String>,
    source: &'a TokenSource,
    identity_source: Option<&'a Value>,
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl<'a> Event<'a> {
    /// Reads an event of this kind, with its token at the place that `source` names.
    ///
    /// # Errors
    ///
    /// `malformed` if the ARN of the called method is missing or invalid, or if the event cannot be
    /// read as its kind.
    pub(crate) fn read(
        kind: EventKind,
        event: &'a Value,
        source: &'a TokenSource,
    ) -> Result<Self, Refusal> {
        let name = if kind == EventKind::Http2 { "routeArn" } else { "methodArn" };
        let arn = event.get(name).and_then(Value::as_str);
        let arn = arn
            .and_then(|arn| MethodArn::parse(arn).ok())
            .ok_or(Refusal::malformed("the event has no valid ARN of the called method"))?;
        let payload = Payload::read(kind, event, source)?;
        let identity_source = event.get("identitySource").filter(|source| !source.is_null());
        let cookies = match source.cookie() {
            Some(_) => payload::cookies(kind, event),
            None => Vec::new(),
        };
        Ok(Self { kind, arn, payload, cookies, source, identity_source })
    }

    /// The event's kind.
    pub(crate) const fn kind(&self) -> EventKind {
        self.kind
    }

    /// The ARN of the called method.
    pub(crate) const fn arn(&self) -> &MethodArn<'a> {
        &self.arn
    }

    /// Returns the token, without `Bearer` before it.
    ///
    /// # Errors
    ///
    /// `malformed` if the event has no token or several, or other text around it.
    pub(crate) fn token(&self) -> Result<&str, Refusal> {
        token::find(self.kind, &self.payload, &self.cookies, self.source)
    }

    /// Checks that an HTTP API caches its responses by the token, if it caches any.
    ///
    /// Call this only after the token is verified, because otherwise a caller could cause the
    /// error.
    ///
    /// # Errors
    ///
    /// `config` if the token's header or cookie is not among the API's identity sources.
    pub(crate) fn check_cache_key(&self) -> Result<(), Refusal> {
        if !self.kind.is_http() {
            return Ok(());
        }
        let header = self.payload.header(self.source.header())?;
        let cookie = token::cookie(&self.cookies, self.source)?;
        let is_cached = match (header, cookie) {
            (Some(header), _) => {
                token::is_cached_by(self.identity_source, |value| value.trim() == header.trim())
            }
            (None, cookie) => token::is_cached_by(self.identity_source, |value| {
                let value = [value.to_owned()];
                cookie.is_some() && token::cookie(&value, self.source) == Ok(cookie)
            }),
        };
        if is_cached {
            return Ok(());
        }
        Err(Refusal::config(
            "the token's header or cookie is not the API's identity source: make it one",
        ))
    }

    /// Returns the caller's address, if the event has one that can be parsed.
    ///
    /// API Gateway writes it into `requestContext`. It is the peer's address; no header is trusted.
    pub(crate) fn source_ip(&self) -> Option<IpAddr> {
        self.payload.source_ip()?.parse().ok()
    }

    /// Returns the called method as a usage plan writes it: `/orders/{id}/GET`.
    ///
    /// The path is the API's resource with its parameters' names. A TOKEN event has only the path
    /// that was called, which is the same for a resource without parameters. `None` for a WebSocket
    /// and for an HTTP API's `$default` route.
    pub(crate) fn method(&self) -> Option<String> {
        let (path, verb) = match &self.payload {
            _ if self.kind == EventKind::WebSocket => return None,
            Payload::Token(_) => match self.arn.target() {
                Target::Method { verb, path } => (path, verb),
                Target::RouteKey(_) => return None,
            },
            Payload::Request(event) => {
                (event.resource.as_deref()?, event.http_method.as_ref()?.as_str())
            }
            Payload::Http2(event) => {
                let (verb, path) = event.route_key.as_deref()?.split_once(' ')?;
                (path, verb)
            }
        };
        (path.starts_with('/') && path.len() <= MAX_PATH).then(|| format!("{path}/{verb}"))
    }

    /// Returns the request's API key; `None` if it has none.
    ///
    /// It is in the header `x-api-key`, or where API Gateway copies it: `requestContext.identity`.
    /// Look up its digest and do not log it.
    ///
    /// # Errors
    ///
    /// `api_key` if there are several keys, or if the key is empty, too long or not ASCII text.
    pub(crate) fn api_key(&self) -> Result<Option<&str>, Refusal> {
        let refusal = |detail| Err(Refusal::new(Code::ApiKey, detail));
        let Ok(sent) = self.payload.header(API_KEY) else {
            return refusal("more than one API key, or one that is not ASCII text");
        };
        match (sent, self.payload.api_key()) {
            (Some(sent), Some(copied)) if sent != copied => refusal("two different API keys"),
            (sent, copied) => match sent.or(copied) {
                Some("") => refusal("the API key is empty"),
                Some(key) if key.len() > MAX_KEY => refusal("the API key is too long"),
                key => Ok(key),
            },
        }
    }

    /// Checks that an HTTP API caches its responses by the API key, if it caches any.
    ///
    /// Call this only after the key is verified.
    ///
    /// # Errors
    ///
    /// `config` if the key's header is not among the API's identity sources.
    pub(crate) fn check_key_in_cache_key(&self) -> Result<(), Refusal> {
        let key = self.payload.header(API_KEY)?.unwrap_or_default();
        let is_key = |value: &str| value.trim() == key.trim();
        if !self.kind.is_http() || token::is_cached_by(self.identity_source, is_key) {
            return Ok(());
        }
        Err(Refusal::config("`x-api-key` is not the API's identity source: make it one"))
    }

    /// Checks that an HTTP API caches no responses for a request without a credential.
    ///
    /// # Errors
    ///
    /// `malformed` if the API has identity sources, because it may then apply this response to
    /// other callers' requests with the same values.
    pub(crate) fn check_uncached(&self) -> Result<(), Refusal> {
        if !self.kind.is_http() || token::is_cached_by(self.identity_source, |_| false) {
            return Ok(());
        }
        Err(Refusal::malformed(
            "no credential, and the API has identity sources, which must be removed for such callers",
        ))
    }
}

#[cfg(test)]
mod tests;
