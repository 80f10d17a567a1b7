//! What the events of API Gateway say, as `lambda_http` reads them.

use std::borrow::Cow;

use http::request::Parts;
use lambda_http::aws_lambda_events::apigw::ApiGatewayRequestAuthorizer;
use lambda_http::request::RequestContext;

use super::Called;

/// A value that a Lambda authorizer has put into its context.
pub(super) fn said<'a>(parts: &'a Parts, name: &str) -> Option<Cow<'a, str>> {
    text(authorizer(parts)?.fields.get(name)?)
}

/// A value of the context, or else a claim of API Gateway's own authorizers.
pub(super) fn value<'a>(parts: &'a Parts, name: &str) -> Option<Cow<'a, str>> {
    let authorizer = authorizer(parts)?;
    let claims = authorizer.fields.get("claims");
    let said = authorizer.fields.get(name).or_else(|| claims?.get(name)).and_then(text);
    let jwt = || Some(Cow::Borrowed(authorizer.jwt.as_ref()?.claims.get(name)?.as_str()));
    said.or_else(jwt)
}

/// The address that API Gateway was called from. The events of load balancers don't say it.
pub(super) fn source_ip(parts: &Parts) -> Option<&str> {
    match parts.extensions.get()? {
        RequestContext::ApiGatewayV1(context) => context.identity.source_ip.as_deref(),
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.as_deref(),
        _ => None,
    }
}

impl Called {
    /// The method that an API Gateway event says is called; none in a load balancer's.
    #[must_use]
    pub fn by_event(parts: &Parts) -> Option<Self> {
        let (api_id, stage, path, verb) = match parts.extensions.get()? {
            RequestContext::ApiGatewayV1(context) => {
                let path = context.resource_path.as_deref()?;
                (&context.apiid, &context.stage, path, context.http_method.as_str())
            }
            RequestContext::ApiGatewayV2(context) => {
                // `GET /orders/{id}`; `$default` is no method.
                let (verb, path) = context.route_key.as_deref()?.split_once(' ')?;
                (&context.apiid, &context.stage, path, verb)
            }
            _ => return None,
        };
        let (api_id, stage) = (api_id.clone()?, stage.clone()?);
        Some(Self { api_id, stage, key: format!("{path}/{verb}") })
    }
}

fn authorizer(parts: &Parts) -> Option<&ApiGatewayRequestAuthorizer> {
    parts.extensions.get::<RequestContext>()?.authorizer()
}

/// A value as REST APIs tell it, which make text of everything; HTTP APIs don't.
fn text(value: &serde_json::Value) -> Option<Cow<'_, str>> {
    match value {
        serde_json::Value::String(text) => Some(Cow::Borrowed(text)),
        serde_json::Value::Number(number) => Some(Cow::Owned(number.to_string())),
        serde_json::Value::Bool(value) => Some(Cow::Owned(value.to_string())),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            None
        }
    }
}
