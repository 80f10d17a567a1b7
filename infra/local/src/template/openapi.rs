//! An OpenAPI document with API Gateway's extensions: version 2.0 or 3.0.
//!
//! `security` counts where an operation names it: API Gateway ignores it at the document's root.

use serde_json::{Map, Value};

use super::api::OTHER_FORM;
use super::authorizer::Wanted;
use super::route::Target;
use super::text::text_of;
use super::{Api, Authorizer, Family, Route};
use crate::gateway::{Cors, GatewayResponse, KeySource};

const METHODS: [&str; 8] =
    ["get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"];

/// The media types whose bodies are binary. SAM writes `image~1png` for `image/png`.
pub(super) fn media_types(listed: Option<&Value>) -> impl Iterator<Item = String> {
    let listed = listed.and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(text_of).map(|name| name.replace("~1", "/"))
}

/// Adds what the document defines to an API.
pub(super) fn read(document: &Value, api: &mut Api, notes: &mut Vec<String>) {
    let schemes = document
        .pointer("/components/securitySchemes")
        .or_else(|| document.get("securityDefinitions"))
        .and_then(Value::as_object);
    for (name, scheme) in schemes.into_iter().flatten() {
        if let Some(authorizer) = authorizer(api.family, scheme) {
            api.authorizers.insert(name.clone(), authorizer);
        }
    }
    let is_key = |name: &str| {
        schemes.and_then(|all| all.get(name)).is_some_and(|scheme| {
            let header = scheme.get("name").and_then(Value::as_str).unwrap_or_default();
            header.eq_ignore_ascii_case("x-api-key")
        })
    };
    match document.get("x-amazon-apigateway-api-key-source").and_then(Value::as_str) {
        Some("AUTHORIZER") => api.key_source = Some(KeySource::Authorizer),
        Some("HEADER") => api.key_source = Some(KeySource::Header),
        _ => {}
    }
    let binary = document.get("x-amazon-apigateway-binary-media-types");
    api.binary_types.extend(media_types(binary));
    let responses = document.get("x-amazon-apigateway-gateway-responses");
    for (name, response) in responses.and_then(Value::as_object).into_iter().flatten() {
        api.responses.insert(name.clone(), gateway_response(response));
    }
    api.cors = document.get("x-amazon-apigateway-cors").map(cors);
    let paths = document.get("paths");
    if let Some(unknown) = paths.and_then(Value::as_str) {
        api.routes.extend(unknown_routes(api.family, unknown));
    }
    for (path, item) in paths.and_then(Value::as_object).into_iter().flatten() {
        if item.is_string() || item.get("$ref").is_some() {
            let target = Target::missing("the path is defined elsewhere");
            api.routes.push(Route::new(format!("ANY {path}"), None, false, target));
            continue;
        }
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let verb = match method {
                "x-amazon-apigateway-any-method" => "ANY".to_owned(),
                other => other.to_ascii_uppercase(),
            };
            let key = if path == "/$default" || path == "$default" {
                "$default".to_owned()
            } else {
                format!("{verb} {path}")
            };
            let (authorizer, needs_key) = guards(api, operation, is_key);
            let target = match operation.get("x-amazon-apigateway-integration") {
                Some(found) => {
                    Target::read(api.family, &format!("{}: {key}", api.name), found, notes)
                }
                None => Target::missing("the method has no integration"),
            };
            api.routes.push(Route::new(key, authorizer, needs_key, target));
        }
    }
}

/// Routes for all that a definition may define, which answer 501.
pub(super) fn unknown_routes(family: Family, reason: &str) -> Vec<Route> {
    let keys: &[&str] = match family {
        Family::Rest => &["ANY /", "ANY /{proxy+}"],
        Family::Http => &["$default"],
        Family::WebSocket => &[],
    };
    let reason = format!("the API's definition: {reason}");
    let route = |key: &&str| Route::new((*key).to_owned(), None, false, Target::missing(&reason));
    keys.iter().map(route).collect()
}

/// The authorizer and the key that an operation asks for: all of its requirements together.
///
/// A scheme that is not known is a guard that cannot be kept, so it is named like an authorizer.
fn guards(api: &Api, operation: &Value, is_key: impl Fn(&str) -> bool) -> (Option<String>, bool) {
    let security = operation.get("security");
    let requirements = security.and_then(Value::as_array).into_iter().flatten();
    // What is not known here guards all the same.
    let unknown = security.into_iter().chain(requirements.clone()).find_map(Value::as_str);
    let is_other = |form: &Value, is_known: fn(&Value) -> bool| {
        !form.is_null() && !form.is_string() && !is_known(form)
    };
    let is_other_form = security.is_some_and(|all| is_other(all, Value::is_array))
        || requirements.clone().any(|one| is_other(one, Value::is_object));
    let unknown = unknown.or(is_other_form.then_some(OTHER_FORM));
    let (mut authorizer, mut needs_key) = (unknown.map(str::to_owned), false);
    let names = requirements.filter_map(Value::as_object).flat_map(Map::keys);
    for name in names {
        if api.authorizers.contains_key(name) {
            authorizer = Some(name.clone());
        } else if is_key(name) {
            needs_key = true;
        } else {
            authorizer = authorizer.or_else(|| Some(name.clone()));
        }
    }
    (authorizer, needs_key)
}

/// Reads an authorizer from a security scheme; `None` for a scheme that is not one.
fn authorizer(family: Family, scheme: &Value) -> Option<Authorizer> {
    let found = scheme.get("x-amazon-apigateway-authorizer");
    let Some(found) = found else {
        let kind = scheme.get("x-amazon-apigateway-authtype").and_then(Value::as_str)?;
        return Some(Authorizer::unserved(format!("authorization by {kind}")));
    };
    let text = |name: &str| found.get(name).and_then(text_of);
    let kind = text("type").unwrap_or_default();
    let mut sources = match found.get("identitySource") {
        Some(Value::Array(list)) => list.iter().filter_map(text_of).collect(),
        other => {
            let joined = other.and_then(text_of).unwrap_or_default();
            joined.split(',').map(|source| source.trim().to_owned()).collect::<Vec<_>>()
        }
    };
    // A TOKEN authorizer's token is in the header that its scheme names.
    let header = scheme.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    if kind.eq_ignore_ascii_case("token") && sources.iter().all(String::is_empty) {
        sources = header.map(|name| format!("method.request.header.{name}")).into_iter().collect();
    }
    Some(Authorizer::read(
        family,
        &kind,
        &Wanted {
            sources,
            ttl: text("authorizerResultTtlInSeconds"),
            validation: text("identityValidationExpression"),
            payload: text("authorizerPayloadFormatVersion"),
            is_simple: text("enableSimpleResponses").as_deref() == Some("true"),
            uri: text("authorizerUri").unwrap_or_default(),
        },
    ))
}

/// Reads the CORS settings of an HTTP API: `true` allows everything.
pub(super) fn cors(found: &Value) -> Cors {
    if text_of(found).as_deref() == Some("true") {
        let any = || vec!["*".to_owned()];
        return Cors { origins: any(), methods: any(), headers: any(), ..Cors::default() };
    }
    let member = |name: &str| {
        let mut capital = name.to_owned();
        if let Some(first) = capital.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        found.get(name).or_else(|| found.get(&capital))
    };
    let list = |name: &str| {
        let entries = member(name).and_then(Value::as_array).into_iter().flatten();
        entries.filter_map(text_of).collect()
    };
    Cors {
        origins: list("allowOrigins"),
        methods: list("allowMethods"),
        headers: list("allowHeaders"),
        exposed: list("exposeHeaders"),
        max_age: member("maxAge").and_then(text_of).and_then(|age| age.parse().ok()),
        credentials: member("allowCredentials").and_then(text_of).as_deref() == Some("true"),
    }
}

/// A value in single quotes.
pub(super) fn literal(value: &Value) -> Option<String> {
    Some(value.as_str()?.strip_prefix('\'')?.strip_suffix('\'')?.to_owned())
}

/// Reads a gateway response in the form of OpenAPI and of `AWS::ApiGateway::GatewayResponse`.
pub(super) fn gateway_response(found: &Value) -> GatewayResponse {
    let member = |names: [&str; 2]| names.into_iter().find_map(|name| found.get(name)).cloned();
    let mut headers = Vec::new();
    let parameters = member(["responseParameters", "ResponseParameters"]);
    for (name, value) in parameters.iter().filter_map(Value::as_object).flatten() {
        match (name.strip_prefix("gatewayresponse.header."), value) {
            (Some(header), Value::String(value)) => {
                headers.push((header.to_owned(), value.clone()));
            }
            // SAM's short form: `Headers: {Name: value}`.
            (None, Value::Object(all)) if name == "Headers" => {
                let all = all.iter().filter_map(|(name, value)| Some((name, text_of(value)?)));
                headers.extend(all.map(|(name, value)| (name.clone(), value)));
            }
            _ => {}
        }
    }
    let templates = member(["responseTemplates", "ResponseTemplates"]);
    let status = member(["statusCode", "StatusCode"]);
    GatewayResponse {
        status: status.as_ref().and_then(text_of).and_then(|status| status.parse().ok()),
        headers,
        body: templates.and_then(|all| text_of(all.get("application/json")?)),
    }
}
