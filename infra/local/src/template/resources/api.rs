//! An API that is a resource: its settings and its definition.

use std::path::Path;

use serde_json::{Value, json};

use crate::gateway::KeySource;
use crate::template::api::Events;
use crate::template::openapi::{self, unknown_routes};
use crate::template::resource::Resource;
use crate::template::route::Target;
use crate::template::text::{text_of, texts};
use crate::template::{Api, Error, Family, Route, Template, document, sam, unserved, web_socket};

/// The API that a resource is, if it is one.
pub(super) fn read(
    resource: &Resource,
    folder: &Path,
    template: &mut Template,
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
    api.is_here = true;
    api.key_source = Some(KeySource::Header);
    api.variables = texts(properties.get("Variables").or(properties.get("StageVariables")));
    let own = ["DefinitionBody", "Body"].into_iter().find_map(|name| properties.get(name));
    let definition = match definition(resource, folder, &mut template.notes)? {
        None => own.cloned().map(Ok),
        other => other,
    };
    api.events = events(resource, definition.as_ref(), &mut template.notes);
    match definition {
        Some(Ok(body)) if body.is_object() => {
            openapi::read(&body, &mut api, &mut template.notes);
            template.unserved.extend(unserved::of_document(&api.name, &body));
        }
        Some(wrong) => {
            let reason = wrong.err().unwrap_or_else(|| "it cannot be evaluated".to_owned());
            api.routes.extend(unknown_routes(family, &reason));
        }
        None => {}
    }
    match resource.text("ApiKeySourceType").as_deref() {
        Some("AUTHORIZER") => api.key_source = Some(KeySource::Authorizer),
        Some("HEADER") => api.key_source = Some(KeySource::Header),
        _ => {}
    }
    if family == Family::WebSocket {
        api.selection = web_socket::selection(resource, &mut template.notes);
    }
    api.binary_types.extend(openapi::media_types(properties.get("BinaryMediaTypes")));
    // API Gateway's quick create: one route to a function or an address.
    if let Some(target) = resource.text("Target").filter(|_| family == Family::Http) {
        let key = resource.text("RouteKey").unwrap_or_else(|| "$default".to_owned());
        let kind = if target.contains("://") { "HTTP_PROXY" } else { "AWS_PROXY" };
        let found = json!({"type": kind, "uri": target, "payloadFormatVersion": "2.0"});
        let place = format!("{}: {key}", api.name);
        let target = Target::read(family, &place, &found, &mut template.notes);
        api.quick = Some(key.clone());
        api.routes.push(Route::new(key, None, false, target));
    }
    if let Some(found) = properties.get("CorsConfiguration").filter(|_| family == Family::Http) {
        api.cors = Some(openapi::cors(found));
    }
    if resource.kind.starts_with("AWS::Serverless::") {
        api.has_stage = true;
        sam::settings(resource, &mut api, &mut template.notes);
    }
    Ok(Some(api))
}

/// The effect of SAM's events. They change nothing of a definition that is not known here, because it
/// may guard what they would open.
fn events(
    resource: &Resource,
    definition: Option<&Result<Value, String>>,
    notes: &mut Vec<String>,
) -> Events {
    let Some(definition) = definition else { return Events::Make };
    let has = |name: &str| resource.properties.get(name).is_some();
    let is_sams = resource.kind.starts_with("AWS::Serverless::");
    let is_elsewhere = has("DefinitionUri") || resource.includes;
    if is_sams && is_elsewhere && has("Auth") {
        notes.push(format!(
            "{}: SAM refuses `Auth` with a definition that is not in the template itself",
            resource.name
        ));
    }
    let is_known =
        definition.as_ref().is_ok_and(|body| body.get("paths").is_some_and(Value::is_object));
    match resource.kind.as_str() {
        _ if is_elsewhere || !is_known => Events::Nothing,
        "AWS::Serverless::HttpApi" => Events::Add,
        "AWS::Serverless::Api" if resource.is("MergeDefinitions") => Events::Replace,
        "AWS::Serverless::Api" => Events::Guard,
        _ => Events::Nothing,
    }
}

/// The definition that a resource keeps in a file: its content, or why it is not known here.
fn definition(
    resource: &Resource,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<Option<Result<Value, String>>, Error> {
    let member = |name: &str| resource.properties.get(name);
    let Some(found) = member("DefinitionUri").or(member("BodyS3Location")) else { return Ok(None) };
    let reason = match text_of(found) {
        Some(file) if !file.contains("://") => match document(&folder.join(file)) {
            Ok(document) => {
                notes
                    .extend(document.notes.iter().map(|note| format!("{}: {note}", resource.name)));
                return Ok(Some(Ok(document.value)));
            }
            Err(error @ (Error::Size(_) | Error::Bound { .. })) => return Err(error),
            Err(error) => format!("{error}{}", error.cause()),
        },
        _ => "its file is not on this machine".to_owned(),
    };
    notes.push(format!(
        "{}: the definition is not read, and what it defines answers 501: {reason}",
        resource.name
    ));
    Ok(Some(Err(reason)))
}
