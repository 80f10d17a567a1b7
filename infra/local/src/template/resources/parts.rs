//! Resources that belong to an API: its authorizers, methods, routes, stages and gateway responses.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::template::authorizer::Wanted;
use crate::template::declared::Declared;
use crate::template::gateway_response::gateway_response;
use crate::template::guard;
use crate::template::resource::Resource;
use crate::template::route::Target;
use crate::template::text::texts;
use crate::template::{Api, Authorizer, Family, Route, web_socket};

/// The parts of a template that others name.
pub(super) struct Parts<'a> {
    /// The path of each `AWS::ApiGateway::Resource`.
    paths: BTreeMap<String, String>,
    /// Each `AWS::ApiGatewayV2::Integration`.
    integrations: BTreeMap<&'a str, Value>,
    /// The routes of WebSocket APIs that have a route response.
    with_responses: BTreeSet<String>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(resources: &'a [Resource]) -> Self {
        let paths = paths(resources);
        let integrations = web_socket::integrations(resources);
        let with_responses = web_socket::routes_with_responses(resources);
        Self { paths, integrations, with_responses }
    }
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

/// Names a stage that is not served.
fn further_stage(name: &str, api: &Api) -> String {
    let Api { name: api, stage, .. } = api;
    format!("{api}: the stage `{name}` is not served: an API has one stage here, `{stage}`")
}

/// Adds a resource to the API that it belongs to.
pub(super) fn add(
    resource: &Resource,
    apis: &mut BTreeMap<String, Api>,
    parts: &Parts<'_>,
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
            let authorizer = authorizer(api.family, properties);
            let authorizer = authorizer.unwrap_or_else(Authorizer::unserved);
            api.authorizers.insert(resource.name.clone(), authorizer);
        }
        "AWS::ApiGateway::Method" => {
            let path = text("ResourceId").and_then(|id| parts.paths.get(&id).cloned());
            // Any other is the API's root, or it is not known, which is named already.
            let path = path.unwrap_or_else(|| "/".to_owned());
            let key = format!("{} {path}", text("HttpMethod").unwrap_or_default());
            let place = format!("{}: {key}", api.name);
            let (authorizer, needs_key) = guards(properties, &place, notes);
            let target = match properties.get("Integration") {
                Some(found) => {
                    Declared::of_method(properties).check(&place, found, notes);
                    Target::read(api.family, &place, found, notes)
                }
                None => Target::missing("the method has no integration"),
            };
            api.routes.push(Route::new(key, authorizer, needs_key, target));
        }
        // A deployment with a stage's name makes that stage, unless there is one.
        "AWS::ApiGateway::Deployment" => {
            let name = text("StageName");
            if let Some(further) = name.as_ref().filter(|name| api.has_stage && **name != api.stage)
            {
                notes.push(further_stage(further, api));
            }
            if let Some(stage) = name.filter(|_| api.stage == "local") {
                api.stage = stage;
                let described = properties.get("StageDescription");
                api.variables = texts(described.and_then(|found| found.get("Variables")));
            }
        }
        "AWS::ApiGatewayV2::ApiGatewayManagedOverrides" => {
            if properties.get("Integration").is_some() || properties.get("Stage").is_some() {
                notes.push(format!("{}: only its `Route` is read here", resource.name));
            }
            let Some(own) = properties.get("Route") else { return };
            let (authorizer, _) = guards(own, &resource.name, notes);
            let quick = api.quick.clone();
            let made = api.routes.iter_mut().filter(|route| Some(&route.key) == quick.as_ref());
            made.for_each(|route| route.authorizer.clone_from(&authorizer));
        }
        "AWS::ApiGateway::GatewayResponse" => {
            let name = text("ResponseType").unwrap_or_default();
            let response = gateway_response(&api.name, &name, properties, notes);
            api.responses.insert(name, response);
        }
        "AWS::ApiGateway::Stage" | "AWS::ApiGatewayV2::Stage" => {
            let name = text("StageName").unwrap_or_else(|| stage.to_owned());
            if api.has_stage {
                notes.push(further_stage(&name, api));
                return;
            }
            let before = std::mem::replace(&mut api.stage, name);
            api.has_stage = true;
            let is_default = ["local", "$default"].contains(&before.as_str());
            if !is_default && before != api.stage {
                notes.push(further_stage(&before, api));
            }
            let variables = properties.get("Variables").or(properties.get("StageVariables"));
            api.variables = texts(variables);
        }
        "AWS::ApiGatewayV2::Route" => {
            let named = text("Target");
            let target = named.as_deref().unwrap_or_default();
            let target = target.strip_prefix("integrations/").unwrap_or_default();
            let key = text("RouteKey").unwrap_or_default();
            let place = format!("{}: {key}", api.name);
            let is_socket = api.family == Family::WebSocket;
            let target = match parts.integrations.get(target) {
                Some(found) => Target::read(api.family, &place, found, notes),
                None if is_socket && named.is_none() => Target::nothing(),
                None => Target::missing("the integration is not in the template"),
            };
            let (authorizer, needs_key) = guards(properties, &place, notes);
            let mut route = Route::new(key, authorizer, needs_key, target);
            route.responds =
                is_socket && web_socket::responds(resource, &place, &parts.with_responses, notes);
            api.routes.push(route);
        }
        _ => {}
    }
}

/// The authorizer of a method or a route, and true if it needs a key.
fn guards(properties: &Value, place: &str, notes: &mut Vec<String>) -> (Option<String>, bool) {
    let key = properties.get("ApiKeyRequired");
    notes.extend(guard::note(place, "ApiKeyRequired", key));
    (guard::of_method(properties, place, notes), guard::is_needed(key))
}

/// Reads an authorizer that is a resource.
fn authorizer(family: Family, properties: &Value) -> Result<Authorizer, String> {
    let text = |name: &str| guard::text(properties, name);
    let kind = text("Type")?.or(text("AuthorizerType")?).unwrap_or_default();
    let wanted = Wanted {
        sources: guard::sources(properties, "IdentitySource")?,
        ttl: text("AuthorizerResultTtlInSeconds")?,
        validation: text("IdentityValidationExpression")?,
        payload: text("AuthorizerPayloadFormatVersion")?,
        is_simple: text("EnableSimpleResponses")?.as_deref() == Some("true"),
        uri: text("AuthorizerUri")?.unwrap_or_default(),
    };
    Authorizer::read(family, &kind, &wanted)
}
