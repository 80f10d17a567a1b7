//! Values of API Gateway's events, as `lambda_http` reads them.

use http::request::Parts;
use lambda_http::aws_lambda_events::apigw::ApiGatewayRequestAuthorizer;
use lambda_http::request::RequestContext;
use serde_json::Value;

use super::MethodKey;

/// A value that a Lambda authorizer has put into its context.
pub(super) fn own(parts: &Parts, name: &str) -> Option<String> {
    text(authorizer(parts)?.fields.get(name)?)
}

/// A value of the context, or else a claim of API Gateway's own authorizers.
pub(super) fn value(parts: &Parts, name: &str) -> Option<String> {
    let authorizer = authorizer(parts)?;
    let claims = authorizer.fields.get("claims");
    let own = authorizer.fields.get(name).or_else(|| claims?.get(name)).and_then(text);
    own.or_else(|| authorizer.jwt.as_ref()?.claims.get(name).cloned())
}

/// The address that API Gateway was called from. Load balancers' events do not have it.
pub(super) fn source_ip(parts: &Parts) -> Option<&str> {
    match parts.extensions.get()? {
        RequestContext::ApiGatewayV1(context) => context.identity.source_ip.as_deref(),
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.as_deref(),
        _ => None,
    }
}

impl MethodKey {
    /// Reads the method of an API Gateway event; `None` for a load balancer's.
    #[must_use]
    pub fn by_event(parts: &Parts) -> Option<Self> {
        let (api_id, stage, path, verb) = match parts.extensions.get()? {
            RequestContext::ApiGatewayV1(context) => {
                let path = context.resource_path.as_deref()?;
                (&context.apiid, &context.stage, path, context.http_method.as_str())
            }
            RequestContext::ApiGatewayV2(context) => {
                // `GET /orders/{id}`; `$default` is not a method.
                let (verb, path) = context.route_key.as_deref()?.split_once(' ')?;
                (&context.apiid, &context.stage, path, verb)
            }
            _ => return None,
        };
        Some(Self::new(api_id.clone()?, stage.clone()?, format!("{path}/{verb}")))
    }
}

fn authorizer(parts: &Parts) -> Option<&ApiGatewayRequestAuthorizer> {
    parts.extensions.get::<RequestContext>()?.authorizer()
}

/// A value as text. REST APIs turn every value into text; HTTP APIs do not.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
