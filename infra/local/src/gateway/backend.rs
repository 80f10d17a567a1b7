//! The backend behind the API: an echo, a function, an answer, or an HTTP service of the user's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::aside::aside;
use super::asked::Asked;
use super::authorizer::Grant;
use super::expression::{TooLong, Values};
use super::responses::Refusal;
use super::{Integration, Invoke, Options, proxy};

mod custom;
mod mapping;
mod templates;
mod upstream;

pub(super) use mapping::FRAMING;
pub use mapping::{Address, Mapping, ResponseMappings};
pub use templates::{IntegrationResponse, Passthrough, Templates};
pub(super) use upstream::forwarded_for;
use upstream::{Target, Upstream, remove_forged, remove_hop_by_hop};

/// An allowed request.
pub(super) struct Call<'a> {
    pub(super) asked: Asked<'a>,
    pub(super) body: Bytes,
    pub(super) grant: &'a Grant,
}

/// A refusal of a backend, with the reason for the log if it is not the usual one.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) refusal: Refusal,
    pub(super) reason: Option<String>,
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, reason: None }
    }
}

impl From<TooLong> for Fault {
    fn from(TooLong: TooLong) -> Self {
        let reason = "a mapping or a template makes a text larger than 10 MB, or reads too large bodies too often"
                .to_owned();
        Self { refusal: Refusal::ApiConfiguration, reason: Some(reason) }
    }
}

/// The target of allowed requests.
pub(super) enum Backend {
    Echo,
    Upstream(Box<Upstream>),
    Function(Invoke),
    Custom(Invoke, Templates),
    Mock(Templates),
    /// A 501 with this message.
    Unserved(String),
}

impl Backend {
    pub(super) fn new(options: &Options) -> Self {
        let timeout = options.integration_timeout;
        match &options.integration {
            Integration::Echo => Self::Echo,
            Integration::Http(base) => Self::service(Target::Base(base.clone()), timeout),
            Integration::Address(address) => {
                Self::service(Target::Address(address.clone()), timeout)
            }
            Integration::Function(invoke) => Self::Function(Arc::clone(invoke)),
            Integration::Custom(invoke, templates) => {
                Self::Custom(Arc::clone(invoke), templates.clone())
            }
            Integration::Mock(templates) => Self::Mock(templates.clone()),
            Integration::Unserved(reason) => Self::unserved(reason),
        }
    }

    fn service(target: Target, timeout: Duration) -> Self {
        match Upstream::new(target, timeout) {
            Ok(upstream) => Self::Upstream(Box::new(upstream)),
            Err(error) => Self::unserved(&error.to_string()),
        }
    }

    fn unserved(reason: &str) -> Self {
        Self::Unserved(format!("local cannot serve this: {reason}"))
    }

    /// The message of a 501.
    pub(super) fn why_unserved(&self) -> Option<&str> {
        match self {
            Self::Unserved(message) => Some(message),
            _ => None,
        }
    }

    pub(super) async fn call(&self, mut call: Call<'_>) -> Result<Response<Full<Bytes>>, Fault> {
        remove_hop_by_hop(&mut call.asked.head.headers);
        let response = self.answer(&mut call).await?;
        match self {
            Self::Unserved(_) => Ok(response),
            _ => call.asked.options.response_mappings.change(&call, response).await,
        }
    }

    async fn answer(&self, call: &mut Call<'_>) -> Result<Response<Full<Bytes>>, Fault> {
        match self {
            Self::Echo => {
                remove_forged(&mut call.asked.head.headers);
                Ok(echo(call))
            }
            Self::Upstream(upstream) => upstream.call(call).await,
            Self::Function(invoke) => {
                mapping::function::change(call)?;
                let made = || proxy::event(&call.asked, &call.body, call.grant);
                let event = aside(call.body.len(), made).await?;
                let limit = call.asked.options.integration_timeout;
                let answer = invoke(uuid::Uuid::new_v4().to_string(), event);
                let answer = tokio::time::timeout(limit, answer).await;
                let answer = answer.map_err(|_| Refusal::IntegrationTimeout)?;
                let length = answer.as_ref().map_or(0, Bytes::len);
                aside(length, || proxy::response(&call.asked, answer)).await
            }
            Self::Custom(invoke, templates) => custom::answer(invoke, templates, call).await,
            Self::Mock(templates) => {
                let Call { asked, body, grant } = &*call;
                let made = || templates.mock(Values::new(asked, body, grant), body);
                aside(body.len(), made).await
            }
            Self::Unserved(message) => {
                let mut response = json_response(&json!({ "message": message }));
                *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
                Ok(response)
            }
        }
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
