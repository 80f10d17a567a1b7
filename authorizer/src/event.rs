//! What API Gateway sends, read leniently: what can't be read must still be answered.
//!
//! One function serves every kind of API, so the form is worked out first, from `type` and
//! `version` alone, and everything else is looked up in the way of that form:
//!
//! | `type` | `version` | form | ARN | token |
//! |---|---|---|---|---|
//! | `TOKEN` | – | REST API, TOKEN authorizer | `methodArn` | `authorizationToken` |
//! | `REQUEST` | `2.0` | HTTP API, payload 2.0 | `routeArn` | the configured header |
//! | `REQUEST` | `1.0` | HTTP API, payload 1.0 | `methodArn` | the configured header |
//! | `REQUEST` | any other | WebSocket API where the ARN ends in a route key, else REST API | `methodArn` | the configured header; for WebSocket a query parameter or subprotocol too |
//!
//! The forms are those of "Input to an API Gateway Lambda authorizer" and "Control access to HTTP
//! APIs with AWS Lambda authorizers". A member that a form does not have is passed over, a map may
//! be null or missing, and a member of a wrong type is a missing one, unless it holds the token.

mod api_key;
mod credential;
mod members;
mod method;

use std::net::IpAddr;

use policy::{MethodArn, Target};
use serde_json::Value;

pub use api_key::ApiKey;

use crate::config::TokenSource;
use crate::refusal::Refusal;
use members::Members;

/// The kind of API that asks, and the payload that it asks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A REST API's TOKEN authorizer: a token and an ARN, nothing else.
    RestToken,
    /// A REST API's REQUEST authorizer.
    RestRequest,
    /// An HTTP API with payload format 1.0.
    Http1,
    /// An HTTP API with payload format 2.0.
    Http2,
    /// A WebSocket API's REQUEST authorizer, which is asked for `$connect` alone.
    WebSocket,
}

impl Form {
    /// Works out the form of an event.
    ///
    /// # Errors
    ///
    /// `config` where it is not an authorizer's event: the function is attached to something else.
    pub fn of(event: &Value) -> Result<Self, Refusal> {
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

    /// The form's name in the log and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RestToken => "rest-token",
            Self::RestRequest => "rest-request",
            Self::Http1 => "http-1.0",
            Self::Http2 => "http-2.0",
            Self::WebSocket => "websocket",
        }
    }

    /// Whether the API is an HTTP API, which knows neither usage plans nor API keys.
    #[must_use]
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http1 | Self::Http2)
    }
}

/// One event: what is called, and where its credentials are.
///
/// Nothing of it is shown by Debug but the form.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    form: Form,
    arn: MethodArn<'a>,
    members: Members<'a>,
}

impl std::fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event").field("form", &self.form).finish_non_exhaustive()
    }
}

impl<'a> Event<'a> {
    /// Reads an event of this form.
    ///
    /// # Errors
    ///
    /// `malformed` where there is no ARN of what is called, or it is not one.
    pub fn read(form: Form, event: &'a Value) -> Result<Self, Refusal> {
        let members = Members::new(event);
        let name = if form == Form::Http2 { "routeArn" } else { "methodArn" };
        let arn = members
            .text(name)
            .and_then(|arn| MethodArn::parse(arn).ok())
            .ok_or(Refusal::malformed("the event has no ARN of what is called"))?;
        Ok(Self { form, arn, members })
    }

    /// The event's form.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// What is called.
    #[must_use]
    pub const fn arn(&self) -> &MethodArn<'a> {
        &self.arn
    }

    /// The token, without `Bearer` before it.
    ///
    /// # Errors
    ///
    /// `malformed` where there is none, more than one, or anything around it.
    pub fn token(&self, source: &TokenSource) -> Result<&'a str, Refusal> {
        credential::token(self.form, self.members, source)
    }

    /// Checks that an HTTP API which caches the answer caches it by the token.
    ///
    /// To be asked only after the token was verified: before, a caller could cause the error.
    ///
    /// # Errors
    ///
    /// `config` if the token's header is not among the API's identity sources.
    pub(crate) fn check_cache_key(&self, source: &TokenSource) -> Result<(), Refusal> {
        if credential::is_cached_by_token(self.form, self.members, source) {
            Ok(())
        } else {
            Err(Refusal::config("the token's header is not the API's identity source: make it one"))
        }
    }

    /// The address that the request came from, where the form has one and it can be read.
    ///
    /// API Gateway puts it into `requestContext`, under `http` for payload 2.0 and under
    /// `identity` else; it is the peer's, and no header of the caller's is believed.
    #[must_use]
    pub fn source_ip(&self) -> Option<IpAddr> {
        let holder = match self.form {
            Form::RestToken => return None,
            Form::Http2 => "http",
            Form::RestRequest | Form::Http1 | Form::WebSocket => "identity",
        };
        let context = self.members.get("requestContext")?;
        context.get(holder)?.get("sourceIp")?.as_str()?.parse().ok()
    }

    /// The method that is called, as a usage plan writes it: `/orders/{id}/GET`.
    ///
    /// The resource is the API's own, with its parameters' names, where the form tells it. A TOKEN
    /// event has the path that was called alone, which is the same for a resource without any.
    #[must_use]
    pub fn method(&self) -> Option<String> {
        method::of(self.form, self.members, self.arn.target())
    }

    /// The API key that the request came with, where there is exactly one.
    ///
    /// The `x-api-key` header, or what API Gateway took it for in `requestContext.identity`.
    #[must_use]
    pub fn api_key(&self) -> Option<ApiKey<'a>> {
        api_key::of(self.members)
    }
}

#[cfg(test)]
mod tests;
