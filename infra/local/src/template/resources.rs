//! The APIs in a template's resources: API Gateway's own, and SAM's.
//!
//! An API that a template only refers to, by a parameter, is served too, as far as the template
//! adds to it: authorizers, routes, methods and gateway responses.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use super::integrations::Target;
use super::openapi::{self, Wanted, gateway_response};
use super::resolve::{Resolver, is_call, text_of};
use super::{
    Api, Authorizer, Code, Error, Family, FunctionSettings, Route, Template, document, plans, sam,
    unserved,
};
use crate::gateway::KeySource;

/// A resource with its properties resolved.
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) properties: Value,
    pub(super) metadata: Value,
}

impl Resource {
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.properties.get(name).and_then(text_of)
    }

    fn is_function(&self) -> bool {
        self.kind.ends_with("::Function")
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.text(name).as_deref() == Some("true")
    }
}

/// Reads every API of a template; files are looked for in `folder`.
pub(super) fn read(resolver: &Resolver<'_>, folder: &Path) -> Result<Template, Error> {
    let mut template = Template::default();
    let resources = resources(resolver, &mut template.notes)?;
    let mut apis: BTreeMap<String, Api> = BTreeMap::new();
    // First the APIs themselves, then what belongs to them.
    for resource in &resources {
        template.unserved.extend(unserved::of_resource(resource));
        if let Some(api) = api(resource, folder, &mut template)? {
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
        add(resource, &mut apis, &paths, &integrations, &mut template.notes);
    }
    for resource in resources.iter().filter(|one| one.kind == "AWS::Serverless::Function") {
        sam::events(resource, &mut apis, &mut template.notes);
    }
    for resource in resources.iter().filter(|one| one.is_function()) {
        template.functions.insert(resource.name.clone(), function(resource, folder));
    }
    for api in apis.values_mut() {
        sam::preflights(api, &mut template.notes);
    }
    plans::read(&resources, &mut template);
    template.apis = apis.into_values().collect();
    Ok(template)
}

/// The resources that are looked at, of those that are made, with SAM's `Globals` in them.
fn resources(resolver: &Resolver<'_>, notes: &mut Vec<String>) -> Result<Vec<Resource>, Error> {
    const FAMILIES: [&str; 4] =
        ["AWS::ApiGateway::", "AWS::ApiGatewayV2::", "AWS::Serverless::", "AWS::Lambda::Function"];
    let globals = globals(resolver, notes)?;
    let all = resolver.template.get("Resources").and_then(Value::as_object);
    let mut found = Vec::new();
    for (name, resource) in all.into_iter().flatten() {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        resolver.at(&format!("Resources.{name}"));
        if !FAMILIES.iter().any(|family| kind.starts_with(family)) || !resolver.is_made(resource)? {
            continue;
        }
        let empty = Value::Object(Map::new());
        let properties = resource.get("Properties").unwrap_or(&empty);
        let properties = if kind.ends_with("::Function") {
            members(resolver, name, properties, notes)?
        } else {
            resolver.resolve(properties)?.unwrap_or_default()
        };
        let section = kind.strip_prefix("AWS::Serverless::");
        let global = section.and_then(|section| globals.get(section));
        global.map(|global| resolver.copy(global)).transpose()?;
        let properties = sam::merge(global, &properties);
        let metadata = resource.get("Metadata").cloned().unwrap_or_default();
        found.push(Resource { name: name.clone(), kind: kind.to_owned(), properties, metadata });
    }
    let implicit = sam::implicit(&found, &globals);
    found.extend(implicit);
    Ok(found)
}

/// SAM's settings for every resource of a kind.
fn globals(resolver: &Resolver<'_>, notes: &mut Vec<String>) -> Result<Value, Error> {
    let Some(globals) = resolver.template.get("Globals") else { return Ok(Value::Null) };
    resolver.at("Globals");
    let functions = globals.get("Function");
    let functions =
        functions.map(|function| members(resolver, "Globals.Function", function, notes));
    let functions = functions.transpose()?;
    let mut rest = globals.clone();
    if let Some(rest) = rest.as_object_mut() {
        rest.remove("Function");
    }
    let mut globals = resolver.resolve(&rest)?.unwrap_or_default();
    if let (Some(functions), Some(globals)) = (functions, globals.as_object_mut()) {
        globals.insert("Function".to_owned(), functions);
    }
    Ok(globals)
}

/// A function's properties: its policies and the like may need what is not evaluated here.
///
/// A variable or an event with such a value is left out and named.
fn members(
    resolver: &Resolver<'_>,
    place: &str,
    properties: &Value,
    notes: &mut Vec<String>,
) -> Result<Value, Error> {
    let mut found = Map::new();
    for (name, value) in properties.as_object().into_iter().flatten() {
        let told = ["Environment", "Events"].contains(&name.as_str());
        let mut left_out = Vec::new();
        let value = known(resolver, &format!("{place}.{name}"), value, &mut left_out)?;
        found.extend(value.map(|value| (name.clone(), value)));
        if told {
            notes.extend(left_out);
        }
    }
    Ok(Value::Object(found))
}

/// Returns a value without the parts that are not evaluated here, and names those.
fn known(
    resolver: &Resolver<'_>,
    place: &str,
    value: &Value,
    left_out: &mut Vec<String>,
) -> Result<Option<Value>, Error> {
    match (resolver.resolve(value), value) {
        (Ok(value), _) => Ok(value),
        (Err(error @ Error::Bound { .. }), _) => Err(error),
        (Err(_), Value::Object(map)) if !is_call(map) => {
            let mut rest = Map::new();
            for (name, value) in map {
                let value = known(resolver, &format!("{place}.{name}"), value, left_out)?;
                rest.extend(value.map(|value| (name.clone(), value)));
            }
            Ok(Some(Value::Object(rest)))
        }
        (Err(error), _) => {
            left_out.push(format!("{place} is left out: {error}"));
            Ok(None)
        }
    }
}

/// The API that a resource is, if it is one.
fn api(resource: &Resource, folder: &Path, template: &mut Template) -> Result<Option<Api>, Error> {
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
    api.key_source = Some(KeySource::Header);
    api.variables = texts(properties.get("Variables").or(properties.get("StageVariables")));
    let own = ["DefinitionBody", "Body"].into_iter().find_map(|name| properties.get(name));
    let file = resource.text("DefinitionUri").map(|file| document(&folder.join(file)));
    if let Some(body) = file.transpose()?.as_ref().or(own) {
        openapi::read(body, &mut api, &mut template.notes);
        template.unserved.extend(unserved::of_document(&api.name, body));
    }
    match resource.text("ApiKeySourceType").as_deref() {
        Some("AUTHORIZER") => api.key_source = Some(KeySource::Authorizer),
        Some("HEADER") => api.key_source = Some(KeySource::Header),
        _ => {}
    }
    api.binary_types.extend(openapi::media_types(properties.get("BinaryMediaTypes")));
    if let Some(found) = properties.get("CorsConfiguration").filter(|_| family == Family::Http) {
        api.cors = Some(openapi::cors(found));
    }
    if resource.kind.starts_with("AWS::Serverless::") {
        sam::settings(resource, &mut api, &mut template.notes);
    }
    Ok(Some(api))
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
    notes: &mut Vec<String>,
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
            let key = format!("{} {path}", text("HttpMethod").unwrap_or_default());
            let place = format!("{}: {key}", api.name);
            let target = match properties.get("Integration") {
                Some(found) => Target::read(api.family, &place, found, notes),
                None => Target::missing("the method has no integration"),
            };
            let needs_key = resource.is("ApiKeyRequired");
            api.routes.push(Route::new(key, authorizer, needs_key, target));
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
            let key = text("RouteKey").unwrap_or_default();
            let place = format!("{}: {key}", api.name);
            let target = match integrations.get(target) {
                Some(found) => Target::read(api.family, &place, &found.properties, notes),
                None => Target::missing("the integration is not in the template"),
            };
            let authorizer = match kind.as_str() {
                "" | "NONE" => None,
                "CUSTOM" => Some(text("AuthorizerId").unwrap_or_default()),
                other => Some(other.to_owned()),
            };
            let needs_key = resource.is("ApiKeyRequired");
            api.routes.push(Route::new(key, authorizer, needs_key, target));
        }
        _ => {}
    }
}

fn function(resource: &Resource, folder: &Path) -> FunctionSettings {
    let number = |name: &str| resource.text(name).and_then(|number| number.parse::<u32>().ok());
    let variables = resource.properties.get("Environment").and_then(|all| all.get("Variables"));
    let metadata = |path: &str| resource.metadata.pointer(path).and_then(text_of);
    let code = ["CodeUri", "Code"].into_iter().find_map(|name| resource.text(name));
    FunctionSettings {
        memory_mb: number("MemorySize"),
        timeout: number("Timeout").map(|seconds| Duration::from_secs(seconds.into())),
        variables: texts(variables).into_iter().collect(),
        code: code.map(|code| Code {
            folder: folder.join(code),
            handler: resource.text("Handler").unwrap_or_default(),
            runtime: resource.text("Runtime").unwrap_or_default(),
            build: metadata("/BuildMethod"),
            binary: metadata("/BuildProperties/Binary"),
        }),
    }
}

/// Texts by name.
fn texts(found: Option<&Value>) -> BTreeMap<String, String> {
    let all = found.and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.clone(), text_of(value)?))).collect()
}
