//! The backend behind the API: an echo, a function, an answer, or an HTTP service of the user's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::asked::Asked;
use super::authorizer::Grant;
use super::responses::Refusal;
use super::{Integration, Invoke, Options, proxy};

mod upstream;

pub(super) use upstream::forwarded_for;
use upstream::{Target, Upstream, remove_forged, remove_hop_by_hop};

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

impl Backend {
    pub(super) fn new(options: &Options) -> Self {
        let timeout = options.integration_timeout;
        match &options.integration {
            Integration::Echo => Self::Echo,
            Integration::Http(base) => Self::service(Target::Base(base.clone()), timeout),
            Integration::Address(text) => Self::service(Target::Address(text.clone()), timeout),
            Integration::Function(invoke) => Self::Function(Arc::clone(invoke)),
            Integration::Mock { status, headers, body } => {
                Self::Fixed(fixed(*status, headers, body.clone()))
            }
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
