//! An OpenAPI document with API Gateway's extensions: version 2.0 or 3.0.
//!
//! `security` counts where an operation names it: API Gateway ignores it at the document's root.

use std::time::Duration;

use serde_json::{Map, Value};

use super::resolve::text_of;
use super::{Api, Authorizer, Family, Integration, Route};
use crate::gateway::{Cors, GatewayResponse, KeySource, Kind, Payload};

const METHODS: [&str; 8] =
    ["get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"];
/// The time that results are cached for if an authorizer of a REST API does not say it.
pub(super) const REST_TTL: u64 = 300;

/// Adds what the document defines to an API.
pub(super) fn read(document: &Value, api: &mut Api) {
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
    let responses = document.get("x-amazon-apigateway-gateway-responses");
    for (name, response) in responses.and_then(Value::as_object).into_iter().flatten() {
        api.responses.insert(name.clone(), gateway_response(response));
    }
    api.cors = document.get("x-amazon-apigateway-cors").map(cors);
    let paths = document.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
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
            let integration = match operation.get("x-amazon-apigateway-integration") {
                Some(integration) => self::integration(integration),
                None => Integration::Unserved("the method has no integration".to_owned()),
            };
            api.routes.push(Route { key, authorizer, needs_key, integration });
        }
    }
}

/// The authorizer and the key that an operation asks for: all of its requirements together.
///
/// A scheme that is not known is a guard that cannot be kept, so it is named like an authorizer.
fn guards(api: &Api, operation: &Value, is_key: impl Fn(&str) -> bool) -> (Option<String>, bool) {
    let requirements = operation.get("security").and_then(Value::as_array).into_iter().flatten();
    let names = requirements.filter_map(Value::as_object).flat_map(Map::keys);
    let (mut authorizer, mut needs_key) = (None, false);
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
    let sources = match found.get("identitySource") {
        Some(Value::Array(list)) => list.iter().filter_map(text_of).collect(),
        other => {
            let joined = other.and_then(text_of).unwrap_or_default();
            joined.split(',').map(|source| source.trim().to_owned()).collect::<Vec<_>>()
        }
    };
    Some(Authorizer::read(
        family,
        &text("type").unwrap_or_default(),
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

/// A definition's settings of an authorizer, of any form.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) sources: Vec<String>,
    pub(super) ttl: Option<String>,
    pub(super) validation: Option<String>,
    pub(super) payload: Option<String>,
    pub(super) is_simple: bool,
    pub(super) uri: String,
}

impl Authorizer {
    /// One that cannot be asked here.
    pub(super) fn unserved(reason: String) -> Self {
        Self {
            kind: Err(reason),
            sources: Vec::new(),
            ttl: Duration::ZERO,
            validation: None,
            function: None,
        }
    }

    pub(super) fn read(family: Family, kind: &str, wanted: &Wanted) -> Self {
        let kind = match (family, kind.to_ascii_lowercase().as_str()) {
            (Family::Rest, "token") => Kind::RestToken,
            (Family::Rest, "request") => Kind::RestRequest,
            (Family::Http, "request") => Kind::Http(match wanted.payload.as_deref() {
                Some("1.0") => Payload::V1,
                _ if wanted.is_simple => Payload::Simple,
                _ => Payload::V2,
            }),
            (Family::WebSocket, "request") => Kind::WebSocket,
            (_, other) => return Self::unserved(format!("authorizers of the type `{other}`")),
        };
        let mut sources = Vec::new();
        for source in wanted.sources.iter().filter(|source| !source.is_empty()) {
            match source.parse() {
                Ok(source) => sources.push(source),
                // Without it the guard would be another one.
                Err(_) => return Self::unserved(format!("the identity source `{source}`")),
            }
        }
        if sources.is_empty() && kind == Kind::RestToken {
            sources.push(crate::gateway::Source::authorization(kind));
        }
        let default = if family == Family::Rest { REST_TTL } else { 0 };
        let ttl = wanted.ttl.as_ref().and_then(|ttl| ttl.parse().ok()).unwrap_or(default);
        Self {
            kind: Ok(kind),
            sources,
            ttl: Duration::from_secs(ttl),
            validation: wanted.validation.clone().filter(|_| kind == Kind::RestToken),
            function: function_of(&wanted.uri),
        }
    }
}

/// The name of the function in an invocation's URI or in an ARN.
pub(super) fn function_of(uri: &str) -> Option<String> {
    let (_, after) = uri.split_once(":function:")?;
    let name: String =
        after.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    (!name.is_empty()).then_some(name)
}

/// Reads an integration, in the form of OpenAPI and of `AWS::ApiGateway::Method`.
pub(super) fn integration(found: &Value) -> Integration {
    let member = |name: &str| {
        let mut capital = name.to_owned();
        if let Some(first) = capital.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        found.get(name).or_else(|| found.get(&capital))
    };
    let text = |name: &str| member(name).and_then(text_of).unwrap_or_default();
    let kind = text("type").to_ascii_lowercase();
    match kind.as_str() {
        "aws_proxy" => match function_of(&text("uri")) {
            Some(name) => Integration::Function(name),
            None => Integration::Unserved(format!("the integration of `{}`", text("uri"))),
        },
        "http_proxy" => http(mapped(text("uri"), member("requestParameters"))),
        "mock" => mock(member("responses"), member("integrationResponses")),
        "aws" => Integration::Unserved(format!(
            "the service integration `{}` needs AWS",
            service(&text("uri"))
        )),
        "http" => Integration::Unserved("mapping templates in front of HTTP".to_owned()),
        other => Integration::Unserved(format!("integrations of the type `{other}`")),
    }
}

/// The integration that passes requests on to an address.
pub(super) fn http(uri: String) -> Integration {
    let is_http = uri.starts_with("http://") || uri.starts_with("https://");
    if is_http && !uri.contains("${") {
        Integration::Http(uri)
    } else {
        Integration::Unserved(format!("`{uri}` is not an address, or has a stage variable in it"))
    }
}

/// An address with the names of the request's parameters for its own.
fn mapped(mut uri: String, parameters: Option<&Value>) -> String {
    for (to, from) in parameters.and_then(Value::as_object).into_iter().flatten() {
        let from = from.as_str().and_then(|from| from.strip_prefix("method.request.path."));
        if let (Some(to), Some(from)) = (to.strip_prefix("integration.request.path."), from) {
            uri = uri.replace(&format!("{{{to}}}"), &format!("{{{from}}}"));
        }
    }
    uri
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

/// The service and action in a URI of API Gateway.
fn service(uri: &str) -> &str {
    uri.splitn(5, ':').nth(4).unwrap_or(uri)
}

/// Reads a mock's answer: the default one, or else that of the lowest status.
fn mock(by_pattern: Option<&Value>, list: Option<&Value>) -> Integration {
    let responses: Vec<&Value> = match (by_pattern, list) {
        (Some(Value::Object(map)), _) => match map.get("default") {
            Some(default) => vec![default],
            None => map.values().collect(),
        },
        (_, Some(Value::Array(list))) => list.iter().collect(),
        _ => Vec::new(),
    };
    let member = |response: &Value, names: [&str; 2]| {
        names.iter().find_map(|name| response.get(*name)).cloned()
    };
    let status = |response: &&Value| {
        let status = member(response, ["statusCode", "StatusCode"]);
        status.as_ref().and_then(text_of).and_then(|status| status.parse().ok()).unwrap_or(200_u16)
    };
    let Some(response) = responses.into_iter().min_by_key(status) else {
        return Integration::Mock { status: 200, headers: Vec::new(), body: String::new() };
    };
    let mut headers = Vec::new();
    let given = member(response, ["responseParameters", "ResponseParameters"]);
    for (name, value) in given.iter().filter_map(Value::as_object).flatten() {
        let header = name.strip_prefix("method.response.header.");
        if let (Some(header), Some(value)) = (header, literal(value)) {
            headers.push((header.to_owned(), value));
        }
    }
    let templates = member(response, ["responseTemplates", "ResponseTemplates"]);
    let body = templates.and_then(|all| text_of(all.get("application/json")?)).unwrap_or_default();
    Integration::Mock { status: status(&response), headers, body }
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
