//! The APIs in a template's resources: API Gateway's own, and SAM's.
//!
//! An API that a template only refers to, by a parameter, is served too, as far as the template
//! adds to it: authorizers, routes, methods and gateway responses.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::openapi::{self, Wanted, function_of, gateway_response, integration};
use super::resolve::{Resolver, text_of};
use super::{
    Api, Authorizer, Error, Family, FunctionSettings, Integration, Route, Template, document,
};
use crate::gateway::KeySource;

/// A resource with its properties resolved.
struct Resource {
    name: String,
    kind: String,
    properties: Value,
}

impl Resource {
    fn text(&self, name: &str) -> Option<String> {
        self.properties.get(name).and_then(text_of)
    }

    fn is(&self, name: &str) -> bool {
        self.text(name).as_deref() == Some("true")
    }
}

/// Reads every API of a template; files are looked for in `folder`.
pub(super) fn read(resolver: &Resolver<'_>, folder: &Path) -> Result<Template, Error> {
    let mut template = Template::default();
    let resources = resources(resolver)?;
    let globals = match resolver.template.get("Globals") {
        Some(globals) => resolver.resolve(globals)?.unwrap_or_default(),
        None => Value::Null,
    };
    let mut apis: BTreeMap<String, Api> = BTreeMap::new();
    // First the APIs themselves, then what belongs to them.
    for resource in &resources {
        if let Some(api) = api(resource, &globals, folder, &mut template.notes)? {
            apis.insert(resource.name.clone(), api);
        }
    }
    let paths = paths(&resources);
    let integrations: BTreeMap<&str, &Resource> = resources
        .iter()
        .filter(|resource| resource.kind == "AWS::ApiGatewayV2::Integration")
        .map(|resource| (resource.name.as_str(), resource))
        .collect();
    for resource in &resources {
        add(resource, &mut apis, &paths, &integrations);
    }
    for resource in resources.iter().filter(|one| one.kind == "AWS::Serverless::Function") {
        let settings = function(resource, &globals);
        template.functions.insert(resource.name.clone(), settings);
        events(resource, &globals, &mut apis);
    }
    for resource in resources.iter().filter(|one| one.kind == "AWS::Lambda::Function") {
        template.functions.insert(resource.name.clone(), function(resource, &globals));
    }
    template.apis = apis.into_values().collect();
    Ok(template)
}

/// The resources that are looked at, of those that are made.
fn resources(resolver: &Resolver<'_>) -> Result<Vec<Resource>, Error> {
    const FAMILIES: [&str; 4] =
        ["AWS::ApiGateway::", "AWS::ApiGatewayV2::", "AWS::Serverless::", "AWS::Lambda::Function"];
    let all = resolver.template.get("Resources").and_then(Value::as_object);
    let mut found = Vec::new();
    for (name, resource) in all.into_iter().flatten() {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        let is_function = kind == "AWS::Lambda::Function" || kind == "AWS::Serverless::Function";
        if !FAMILIES.iter().any(|family| kind.starts_with(family)) || !resolver.is_made(resource)? {
            continue;
        }
        let empty = Value::Object(Map::new());
        let properties = resource.get("Properties").unwrap_or(&empty);
        let properties = if is_function {
            // A function's policies and the like may need what is not evaluated here.
            let Value::Object(properties) = properties else { continue };
            let resolved = properties
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), resolver.resolve(value).ok()??)));
            Value::Object(resolved.collect())
        } else {
            resolver.resolve(properties)?.unwrap_or_default()
        };
        found.push(Resource { name: name.clone(), kind: kind.to_owned(), properties });
    }
    Ok(found)
}

/// The API that a resource is, if it is one.
fn api(
    resource: &Resource,
    globals: &Value,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<Option<Api>, Error> {
    let properties = &resource.properties;
    let family = match resource.kind.as_str() {
        "AWS::Serverless::Api" | "AWS::ApiGateway::RestApi" => Family::Rest,
        "AWS::Serverless::HttpApi" => Family::Http,
        "AWS::ApiGatewayV2::Api" => match resource.text("ProtocolType").as_deref() {
            Some("WEBSOCKET") => Family::WebSocket,
            _ => Family::Http,
        },
        _ => return Ok(None),
    };
    let default = if family == Family::Http { "$default" } else { "local" };
    let stage = resource.text("StageName").unwrap_or_else(|| default.to_owned());
    let mut api = Api::new(&resource.name, family, &stage);
    api.variables = texts(properties.get("Variables").or(properties.get("StageVariables")));
    let own = ["DefinitionBody", "Body"].into_iter().find_map(|name| properties.get(name));
    let file = resource.text("DefinitionUri").map(|file| document(&folder.join(file)));
    if let Some(body) = file.transpose()?.as_ref().or(own) {
        openapi::read(body, &mut api);
    }
    match resource.text("ApiKeySourceType").as_deref() {
        Some("AUTHORIZER") => api.key_source = Some(KeySource::Authorizer),
        Some("HEADER") => api.key_source = Some(KeySource::Header),
        _ => {}
    }
    let global = if family == Family::Rest { "Api" } else { "HttpApi" };
    let globals = globals.get(global);
    let auth = properties.get("Auth").or_else(|| globals?.get("Auth"));
    let authorizers = auth.and_then(|auth| auth.get("Authorizers")).and_then(Value::as_object);
    for (name, authorizer) in authorizers.into_iter().flatten() {
        api.authorizers.insert(name.clone(), sam_authorizer(family, authorizer));
    }
    let of_auth = |name: &str| auth.and_then(|auth| auth.get(name)).and_then(text_of);
    api.default_authorizer = of_auth("DefaultAuthorizer");
    api.needs_key = of_auth("ApiKeyRequired").as_deref() == Some("true");
    let responses = properties.get("GatewayResponses").and_then(Value::as_object);
    for (name, response) in responses.into_iter().flatten() {
        api.responses.insert(name.clone(), gateway_response(response));
    }
    if let Some(found) = properties.get("CorsConfiguration").filter(|_| family == Family::Http) {
        api.cors = Some(openapi::cors(found));
    }
    if properties.get("Cors").is_some() {
        notes.push(format!("{}: `Cors` is not served: define the method OPTIONS", api.name));
    }
    Ok(Some(api))
}

/// Reads an authorizer in SAM's form.
fn sam_authorizer(family: Family, found: &Value) -> Authorizer {
    let text = |value: Option<&Value>| value.and_then(text_of);
    let Some(function) = text(found.get("FunctionArn")) else {
        return Authorizer::unserved("authorizers without a function".to_owned());
    };
    let identity = found.get("Identity");
    let part = |name: &str| identity.and_then(|identity| identity.get(name));
    let list = |name: &str| {
        let entries = part(name).and_then(Value::as_array).into_iter().flatten();
        entries.filter_map(text_of).collect::<Vec<_>>()
    };
    let is_request = family != Family::Rest
        || text(found.get("FunctionPayloadType")).as_deref() == Some("REQUEST");
    let request = if family == Family::Rest { "method.request" } else { "$request" };
    let sign = if family == Family::Rest { "" } else { "$" };
    let mut sources = Vec::new();
    let mut headers = list("Headers");
    headers.extend(text(part("Header")));
    sources.extend(headers.iter().map(|name| format!("{request}.header.{name}")));
    let queries = list("QueryStrings");
    sources.extend(queries.iter().map(|name| format!("{request}.querystring.{name}")));
    let variables = list("StageVariables");
    sources.extend(variables.iter().map(|name| format!("{sign}stageVariables.{name}")));
    sources.extend(list("Context").iter().map(|name| format!("{sign}context.{name}")));
    let wanted = Wanted {
        sources,
        ttl: text(part("ReauthorizeEvery")),
        validation: text(part("ValidationExpression")),
        payload: text(found.get("AuthorizerPayloadFormatVersion")),
        is_simple: text(found.get("EnableSimpleResponses")).as_deref() == Some("true"),
        uri: function,
    };
    Authorizer::read(family, if is_request { "request" } else { "token" }, &wanted)
}

/// The path of each `AWS::ApiGateway::Resource`.
fn paths(resources: &[Resource]) -> BTreeMap<String, String> {
    let parts: BTreeMap<&str, &Resource> = resources
        .iter()
        .filter(|resource| resource.kind == "AWS::ApiGateway::Resource")
        .map(|resource| (resource.name.as_str(), resource))
        .collect();
    let path = |resource: &Resource| {
        let mut path = String::new();
        let mut at = Some(resource);
        // A parent that is its own child ends here too.
        for _ in 0..64 {
            let Some(resource) = at else { break };
            path = format!("/{}{path}", resource.text("PathPart").unwrap_or_default());
            at = resource.text("ParentId").and_then(|id| parts.get(id.as_str()).copied());
        }
        path
    };
    parts.iter().map(|(name, resource)| ((*name).to_owned(), path(resource))).collect()
}

/// Adds a resource to the API that it belongs to.
fn add(
    resource: &Resource,
    apis: &mut BTreeMap<String, Api>,
    paths: &BTreeMap<String, String>,
    integrations: &BTreeMap<&str, &Resource>,
) {
    let properties = &resource.properties;
    let text = |name: &str| resource.text(name);
    let (family, id) = match resource.kind.split("::").nth(1) {
        Some("ApiGateway") => (Family::Rest, text("RestApiId")),
        Some("ApiGatewayV2") => (Family::Http, text("ApiId")),
        _ => return,
    };
    let Some(id) = id else { return };
    let is_socket = text("RouteKey").is_some_and(|key| key == "$connect")
        || (resource.kind.ends_with("Authorizer")
            && family == Family::Http
            && text("AuthorizerPayloadFormatVersion").is_none());
    let family = if is_socket { Family::WebSocket } else { family };
    let stage = if family == Family::Http { "$default" } else { "local" };
    let api = apis.entry(id.clone()).or_insert_with(|| Api::new(&id, family, stage));
    match resource.kind.as_str() {
        "AWS::ApiGateway::Authorizer" | "AWS::ApiGatewayV2::Authorizer" => {
            let kind = text("Type").or_else(|| text("AuthorizerType")).unwrap_or_default();
            let sources = match properties.get("IdentitySource") {
                Some(Value::Array(list)) => list.iter().filter_map(text_of).collect(),
                other => {
                    let joined = other.and_then(text_of).unwrap_or_default();
                    joined.split(',').map(|source| source.trim().to_owned()).collect()
                }
            };
            let wanted = Wanted {
                sources,
                ttl: text("AuthorizerResultTtlInSeconds"),
                validation: text("IdentityValidationExpression"),
                payload: text("AuthorizerPayloadFormatVersion"),
                is_simple: resource.is("EnableSimpleResponses"),
                uri: text("AuthorizerUri").unwrap_or_default(),
            };
            let authorizer = Authorizer::read(api.family, &kind, &wanted);
            api.authorizers.insert(resource.name.clone(), authorizer);
        }
        "AWS::ApiGateway::Method" => {
            let path = text("ResourceId").and_then(|id| paths.get(&id).cloned());
            let path = path.unwrap_or_else(|| "/".to_owned());
            let kind = text("AuthorizationType").unwrap_or_default();
            let authorizer = match kind.as_str() {
                "" | "NONE" => None,
                "CUSTOM" => Some(text("AuthorizerId").unwrap_or_default()),
                other => Some(other.to_owned()),
            };
            let integration = properties.get("Integration").map(integration);
            api.routes.push(Route {
                key: format!("{} {path}", text("HttpMethod").unwrap_or_default()),
                authorizer,
                needs_key: resource.is("ApiKeyRequired"),
                integration: integration.unwrap_or_else(|| {
                    Integration::Unserved("the method has no integration".to_owned())
                }),
            });
        }
        "AWS::ApiGateway::GatewayResponse" => {
            let name = text("ResponseType").unwrap_or_default();
            api.responses.insert(name, gateway_response(properties));
        }
        "AWS::ApiGateway::Stage" | "AWS::ApiGatewayV2::Stage" => {
            api.stage = text("StageName").unwrap_or_else(|| stage.to_owned());
            let variables = properties.get("Variables").or(properties.get("StageVariables"));
            api.variables = texts(variables);
        }
        "AWS::ApiGatewayV2::Route" => {
            let kind = text("AuthorizationType").unwrap_or_default();
            let target = text("Target").unwrap_or_default();
            let target = target.strip_prefix("integrations/").unwrap_or_default();
            let integration = match integrations.get(target) {
                Some(found) => v2_integration(found),
                None => Integration::Unserved("the integration is not in the template".to_owned()),
            };
            api.routes.push(Route {
                key: text("RouteKey").unwrap_or_default(),
                authorizer: match kind.as_str() {
                    "" | "NONE" => None,
                    "CUSTOM" => Some(text("AuthorizerId").unwrap_or_default()),
                    other => Some(other.to_owned()),
                },
                needs_key: resource.is("ApiKeyRequired"),
                integration,
            });
        }
        _ => {}
    }
}

fn v2_integration(found: &Resource) -> Integration {
    let uri = found.text("IntegrationUri").unwrap_or_default();
    match found.text("IntegrationType").as_deref() {
        Some("AWS_PROXY") if function_of(&uri).is_some() => {
            Integration::Function(function_of(&uri).unwrap_or_default())
        }
        Some("HTTP_PROXY") => openapi::http(uri),
        other => Integration::Unserved(format!("the integration `{}`", other.unwrap_or_default())),
    }
}

fn function(resource: &Resource, globals: &Value) -> FunctionSettings {
    let globals = globals.get("Function");
    let number = |name: &str| {
        let found = resource.properties.get(name).or_else(|| globals?.get(name));
        found.and_then(text_of).and_then(|number| number.parse::<u32>().ok())
    };
    let variables = |of: Option<&Value>| {
        texts(of.and_then(|of| of.get("Environment")).and_then(|of| of.get("Variables")))
    };
    let mut all = variables(globals);
    all.extend(variables(Some(&resource.properties)));
    FunctionSettings {
        memory_mb: number("MemorySize"),
        timeout: number("Timeout").map(|seconds| Duration::from_secs(seconds.into())),
        variables: all.into_iter().collect(),
    }
}

/// The routes that a function's events in SAM's form make.
fn events(resource: &Resource, globals: &Value, apis: &mut BTreeMap<String, Api>) {
    let events = resource.properties.get("Events").and_then(Value::as_object);
    for event in events.into_iter().flat_map(Map::values) {
        let kind = event.get("Type").and_then(Value::as_str).unwrap_or_default();
        let (family, member, implicit) = match kind {
            "Api" => (Family::Rest, "RestApiId", "ServerlessRestApi"),
            "HttpApi" => (Family::Http, "ApiId", "ServerlessHttpApi"),
            _ => continue,
        };
        let empty = json!({});
        let properties = event.get("Properties").unwrap_or(&empty);
        let text = |value: Option<&Value>| value.and_then(text_of);
        let id = text(properties.get(member)).unwrap_or_else(|| implicit.to_owned());
        let stage = if family == Family::Http { "$default" } else { "Prod" };
        let global = globals.get(if family == Family::Rest { "Api" } else { "HttpApi" });
        let auth_of_api = global.and_then(|global| global.get("Auth"));
        let api = apis.entry(id.clone()).or_insert_with(|| {
            let mut api = Api::new(&id, family, stage);
            let all = auth_of_api.and_then(|auth| auth.get("Authorizers"));
            for (name, found) in all.and_then(Value::as_object).into_iter().flatten() {
                api.authorizers.insert(name.clone(), sam_authorizer(family, found));
            }
            api
        });
        let method = text(properties.get("Method")).unwrap_or_else(|| "ANY".to_owned());
        let key = match text(properties.get("Path")) {
            Some(path) => format!("{} {path}", method.to_ascii_uppercase()),
            None => "$default".to_owned(),
        };
        let auth = properties.get("Auth");
        let own = text(auth.and_then(|auth| auth.get("Authorizer")));
        let default = api
            .default_authorizer
            .clone()
            .or_else(|| text(auth_of_api.and_then(|auth| auth.get("DefaultAuthorizer"))));
        let authorizer = own.or(default).filter(|name| name != "NONE");
        let needs_key = text(auth.and_then(|auth| auth.get("ApiKeyRequired")));
        let needs_key = needs_key.map_or(api.needs_key, |needs| needs == "true");
        let integration = Integration::Function(resource.name.clone());
        api.routes.push(Route { key, authorizer, needs_key, integration });
    }
}

/// Texts by name.
fn texts(found: Option<&Value>) -> BTreeMap<String, String> {
    let all = found.and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.clone(), text_of(value)?))).collect()
}
