//! The APIs in a template's resources: API Gateway's own, and SAM's.
//!
//! An API that a template only refers to, by a parameter, is served too, as far as the template
//! adds to it: authorizers, routes, methods and gateway responses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::integrations::Target;
use super::openapi::{self, Wanted, gateway_response};
use super::resolve::{Resolver, TRANSFORM, text_of};
use super::{
    Api, Authorizer, Code, Error, Family, FunctionSettings, Inline, Integration, Route, Template,
    document, plans, sam, staged, tables, unserved, web_socket,
};
use crate::gateway::KeySource;

/// The memory in megabytes and the time-out in seconds that Lambda takes: "Lambda quotas" of its
/// developer guide.
const MEMORY_MB: (u32, u32) = (128, 10_240);
const TIMEOUT: (u32, u32) = (1, 900);

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

    /// Returns true unless it is `false` or not there: a value that is not known counts as true.
    fn needs(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| !text.eq_ignore_ascii_case("false"))
    }

    fn is_function(&self) -> bool {
        self.kind.ends_with("::Function")
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.text(name).as_deref() == Some("true")
    }
}

/// Reads every API of a template; files are looked for in `folder`.
pub(super) fn read(
    resolver: &Resolver<'_>,
    folder: &Path,
    variables: &BTreeMap<String, String>,
) -> Result<Template, Error> {
    let mut template = Template::default();
    let resources = resources(resolver, &mut template)?;
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
    let with_responses = web_socket::routes_with_responses(&resources);
    let parts = Parts { paths, integrations, with_responses };
    for resource in &resources {
        add(resource, &mut apis, &parts, &mut template.notes);
    }
    let mut made = BTreeSet::new();
    for resource in &resources {
        sam::events(resource, &mut apis, &mut made, &mut template.notes);
    }
    for resource in resources.iter().filter(|one| one.is_function()) {
        let function = function(resource, folder, &mut template.notes);
        template.functions.insert(resource.name.clone(), function);
    }
    let of_tables = resources.iter().filter(|one| tables::is_table(&one.kind));
    template.tables = of_tables.map(tables::read).collect();
    for api in apis.values_mut() {
        sam::preflights(api, &mut template.notes);
        staged::fill(api, variables, &mut template.notes);
    }
    template.apis = apis.into_values().collect();
    plans::read(&resources, &mut template);
    rename(&resources, &mut template);
    Ok(template)
}

/// Puts a function's logical id where routes and authorizers have its `FunctionName`.
fn rename(resources: &[Resource], template: &mut Template) {
    let functions = resources.iter().filter(|one| one.is_function());
    let names: BTreeMap<String, &str> =
        functions.filter_map(|one| Some((one.text("FunctionName")?, one.name.as_str()))).collect();
    let known = &template.functions;
    let rename = |name: &mut String| {
        if let Some(id) = names.get(name).filter(|_| !known.contains_key(name)) {
            (*id).clone_into(name);
        }
    };
    for api in &mut template.apis {
        for route in &mut api.routes {
            if let Integration::Function(name) | Integration::Custom(name, _) =
                &mut route.integration
            {
                rename(name);
            }
        }
        api.authorizers.values_mut().filter_map(|one| one.function.as_mut()).for_each(rename);
    }
}

/// The resources that are looked at, of those that are made, with SAM's `Globals` in them.
fn resources(resolver: &Resolver<'_>, template: &mut Template) -> Result<Vec<Resource>, Error> {
    let notes = &mut template.notes;
    let mut lacks = Lacks::default();
    let globals = globals(resolver, &mut lacks)?;
    let all = resolver.template.get("Resources").and_then(Value::as_object);
    let mut found = Vec::new();
    for (name, resource) in all.into_iter().flatten() {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        notes.extend(unread(name, kind, resource));
        resolver.at(&format!("Resources.{name}"));
        // One whose condition cannot be evaluated is named too.
        let setting =
            unserved::of_kind(name, kind).filter(|_| resolver.is_made(resource).unwrap_or(true));
        template.unserved.extend(setting);
        if !is_read(kind) {
            continue;
        }
        match resolver.is_made(resource) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(Error::Parameter(names)) => lacks.parameters.extend(names),
            Err(error) => return Err(error.at(name, "Condition")),
        }
        let empty = Value::Object(Map::new());
        let properties = resource.get("Properties").unwrap_or(&empty);
        let included =
            properties.get(TRANSFORM).map(|_| resolver.resolve(properties)).transpose()?;
        let included = included.flatten();
        if included.as_ref().is_some_and(|included| !included.is_object()) {
            return Err(Error::Unknown(TRANSFORM.to_owned()).at(name, "Properties"));
        }
        let properties = included.as_ref().unwrap_or(properties);
        let properties = members(resolver, kind, properties, &mut lacks)?;
        let section = kind.strip_prefix("AWS::Serverless::");
        let global = section.and_then(|section| globals.get(section));
        global.map(|global| resolver.copy(global)).transpose()?;
        let properties = sam::merge(global, &properties);
        let metadata = resource.get("Metadata").cloned().unwrap_or_default();
        found.push(Resource { name: name.clone(), kind: kind.to_owned(), properties, metadata });
    }
    if !lacks.parameters.is_empty() {
        return Err(Error::Parameter(lacks.parameters.into_iter().collect()));
    }
    notes.extend(lacks.notes());
    let implicit = sam::implicit(&found, &globals);
    found.extend(implicit);
    Ok(found)
}

/// Returns true for the kinds that are looked at, whose values must be known.
fn is_read(kind: &str) -> bool {
    const OTHERS: [&str; 3] = ["LayerVersion", "Application", "Connector"];
    const FAMILIES: [&str; 4] =
        ["AWS::ApiGateway::", "AWS::ApiGatewayV2::", "AWS::Serverless::", "AWS::Lambda::Function"];
    tables::is_table(kind)
        || (FAMILIES.iter().any(|family| kind.starts_with(family))
            && !OTHERS.iter().any(|other| kind.ends_with(other)))
}

/// Names a resource that may bring routes and is not read.
fn unread(name: &str, kind: &str, resource: &Value) -> Option<String> {
    if name.starts_with("Fn::") {
        return Some(format!("{name}: the resources that it brings are not read here"));
    }
    let members = ["TemplateURL", "Location"];
    let mut files =
        members.iter().filter_map(|member| resource.get("Properties")?.get(*member)?.as_str());
    let is_nested = ["AWS::CloudFormation::Stack", "AWS::Serverless::Application"].contains(&kind);
    let file = files.next().map(|file| format!(": to serve its APIs, name its template `{file}`"));
    is_nested
        .then(|| format!("{name}: nested stacks are not read here{}", file.unwrap_or_default()))
}

/// The values that are not known here.
#[derive(Default)]
struct Lacks {
    parameters: BTreeSet<String>,
    notes: Vec<String>,
    /// The values of resources for which their logical ids stand, with the places.
    physical: BTreeMap<String, Vec<String>>,
}

impl Lacks {
    fn notes(self) -> Vec<String> {
        let physical = self.physical.into_iter().map(|(name, places)| {
            let more = places.len().saturating_sub(1);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let first = places.into_iter().next().unwrap_or_default();
            format!(
                "{first}{more}: the value of `{name}` on AWS is not known here, and its logical id \
                 stands for it: set the variable where `local` starts"
            )
        });
        self.notes.into_iter().chain(physical).collect()
    }
}

/// Members whose values change nothing here; that they are there is named, as far as it matters.
const UNUSED: [&str; 32] = [
    "AuthorizationScopes",
    "JwtConfiguration",
    "ProviderARNs",
    "UserPoolArn",
    "providerARNs",
    "ResourcePolicy",
    "Description",
    "UsagePlanName",
    "credentials",
    "authorizerCredentials",
    "info",
    "tags",
    "servers",
    "x-amazon-apigateway-policy",
    "AccessLogSetting",
    "AccessLogSettings",
    "AuthorizerCredentialsArn",
    "CanarySetting",
    "CanarySettings",
    "ClientCertificateId",
    "Credentials",
    "CredentialsArn",
    "Domain",
    "EndpointConfiguration",
    "MethodSettings",
    "Models",
    "Name",
    "Policy",
    "PropagateTags",
    "RouteSettings",
    "DefaultRouteSettings",
    "Tags",
];
/// The same of resources that are only named.
const NAMED: [&str; 10] = [
    "DomainNameV2",
    "BasePathMappingV2",
    "DomainNameAccessAssociation",
    "DomainName",
    "BasePathMapping",
    "ApiMapping",
    "VpcLink",
    "Model",
    "RequestValidator",
    "ClientCertificate",
];
/// Members of a function whose values change its routes and its code.
const OF_FUNCTIONS: [&str; 2] = ["Environment", "Events"];

/// Evaluates the members of a resource or of a section of `Globals`.
///
/// A function's variable that is not known is left out. Any other value that is not known is named,
/// and a text stands in its place.
fn members(
    resolver: &Resolver<'_>,
    kind: &str,
    properties: &Value,
    lacks: &mut Lacks,
) -> Result<Value, Error> {
    let is_function = ["Function", "StateMachine"].iter().any(|name| kind.ends_with(name));
    let is_named = NAMED.iter().any(|named| kind.ends_with(&format!("::{named}")));
    let mut found = Map::new();
    for (name, value) in properties.as_object().into_iter().flatten() {
        let mut resolved = match name.as_str() {
            "Environment" if is_function => resolver.seen_member(name, value)?,
            _ => resolver.member(name, value)?,
        };
        let is_used = match name.as_str() {
            name if is_function => OF_FUNCTIONS.contains(&name) || name == "InlineCode",
            name if tables::is_table(kind) => tables::is_used(name),
            _ => !is_named,
        };
        for lack in resolver.lacks() {
            let place = lack.path.join(".");
            if let Error::Physical(name) = lack.error {
                lacks.physical.entry(name).or_default().push(place);
                continue;
            }
            if name == "Environment" {
                if let Some(variables) = resolved.as_mut().and_then(|all| all.get_mut("Variables"))
                    && let (Some(variables), Some(name)) =
                        (variables.as_object_mut(), lack.path.get(3))
                {
                    variables.insert(name.clone(), Value::Null);
                }
                lacks.notes.push(format!(
                    "{place} is left out: {}: or set it where `local` starts",
                    lack.error
                ));
                continue;
            }
            let is_code = is_function && lack.path.last().is_some_and(|name| name == "ZipFile");
            let is_unused = lack.path.iter().any(|name| UNUSED.contains(&name.as_str()));
            if !(is_used || is_code)
                || is_unused
                || (name == "Events" && !is_route(value, &lack.path))
            {
                continue;
            }
            match lack.error {
                Error::Parameter(names) => lacks.parameters.extend(names),
                error => lacks
                    .notes
                    .push(format!("{place} cannot be evaluated: {error}{}", error.cause())),
            }
        }
        found.extend(resolved.map(|value| (name.clone(), value)));
    }
    Ok(Value::Object(found))
}

/// Returns true if the path is to a member of an event that makes a route.
fn is_route(events: &Value, path: &[String]) -> bool {
    let at = path.iter().position(|name| name == "Events").map_or(0, |at| at.saturating_add(1));
    let event = path.get(at).and_then(|name| events.get(name));
    let kind = event.and_then(|event| event.get("Type")).and_then(Value::as_str);
    matches!(kind, None | Some("Api" | "HttpApi"))
}

/// SAM's settings for every resource of a kind.
fn globals(resolver: &Resolver<'_>, lacks: &mut Lacks) -> Result<Value, Error> {
    let sections = resolver.template.get("Globals").and_then(Value::as_object);
    let mut globals = Map::new();
    for (section, found) in sections.into_iter().flatten() {
        resolver.at(&format!("Globals.{section}"));
        let found = members(resolver, section, found, lacks)?;
        // An API's own settings would replace what is not known, and leave its routes open.
        if found.get("Auth").is_some_and(Value::is_string) && lacks.parameters.is_empty() {
            let unknown = found.get("Auth").and_then(text_of).unwrap_or_default();
            return Err(Error::Unknown(unknown).at(&format!("Globals.{section}"), "Auth"));
        }
        globals.insert(section.clone(), found);
    }
    Ok(Value::Object(globals))
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
    api.is_here = true;
    api.key_source = Some(KeySource::Header);
    api.variables = texts(properties.get("Variables").or(properties.get("StageVariables")));
    let own = ["DefinitionBody", "Body"].into_iter().find_map(|name| properties.get(name));
    let definition = match definition(resource, folder, &mut template.notes)? {
        None => own.cloned().map(Ok),
        other => other,
    };
    api.has_definition = definition.is_some() && !resource.is("MergeDefinitions");
    match definition {
        Some(Ok(body)) if body.is_object() => {
            openapi::read(&body, &mut api, &mut template.notes);
            template.unserved.extend(unserved::of_document(&api.name, &body));
        }
        Some(wrong) => {
            // It may guard what an event would open.
            api.has_definition = true;
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

/// The parts of a template that others name.
struct Parts<'a> {
    /// The path of each `AWS::ApiGateway::Resource`.
    paths: BTreeMap<String, String>,
    integrations: BTreeMap<&'a str, &'a Resource>,
    /// The routes of WebSocket APIs that have a route response.
    with_responses: BTreeSet<String>,
}

/// Names a stage that is not served.
fn further_stage(name: &str, api: &Api) -> String {
    let Api { name: api, stage, .. } = api;
    format!("{api}: the stage `{name}` is not served: an API has one stage here, `{stage}`")
}

/// Adds a resource to the API that it belongs to.
fn add(
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
            let path = text("ResourceId").and_then(|id| parts.paths.get(&id).cloned());
            // Any other is the API's root, or it is not known, which is named already.
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
            let needs_key = resource.needs("ApiKeyRequired");
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
        "AWS::ApiGateway::GatewayResponse" => {
            let name = text("ResponseType").unwrap_or_default();
            api.responses.insert(name, gateway_response(properties));
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
            let kind = text("AuthorizationType").unwrap_or_default();
            let named = text("Target");
            let target = named.as_deref().unwrap_or_default();
            let target = target.strip_prefix("integrations/").unwrap_or_default();
            let key = text("RouteKey").unwrap_or_default();
            let place = format!("{}: {key}", api.name);
            let is_socket = api.family == Family::WebSocket;
            let target = match parts.integrations.get(target) {
                Some(found) => Target::read(api.family, &place, &found.properties, notes),
                None if is_socket && named.is_none() => Target::nothing(),
                None => Target::missing("the integration is not in the template"),
            };
            let authorizer = match kind.as_str() {
                "" | "NONE" => None,
                "CUSTOM" => Some(text("AuthorizerId").unwrap_or_default()),
                other => Some(other.to_owned()),
            };
            let needs_key = resource.needs("ApiKeyRequired");
            let mut route = Route::new(key, authorizer, needs_key, target);
            route.responds =
                is_socket && web_socket::responds(resource, &place, &parts.with_responses, notes);
            api.routes.push(route);
        }
        _ => {}
    }
}

/// A number of a function's settings. One that Lambda does not take is named.
fn number(
    resource: &Resource,
    name: &str,
    (least, most): (u32, u32),
    notes: &mut Vec<String>,
) -> Option<u32> {
    let text = resource.text(name)?;
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    if number.is_none() {
        notes.push(format!(
            "{}: `{name}: {text}`: Lambda takes {least} to {most}: its default counts here",
            resource.name
        ));
    }
    number
}

fn function(resource: &Resource, folder: &Path, notes: &mut Vec<String>) -> FunctionSettings {
    let variables = resource.properties.get("Environment").and_then(|all| all.get("Variables"));
    let names = variables.and_then(Value::as_object).into_iter().flatten();
    let unknown = names.filter(|(_, value)| value.is_null()).map(|(name, _)| name.clone());
    let metadata = |path: &str| resource.metadata.pointer(path).and_then(text_of);
    let member = |name: &str| resource.properties.get(name);
    let code = ["CodeUri", "Code"].into_iter().find_map(|name| resource.text(name));
    // CDK keeps the code beside the template, and uploads it when it deploys.
    let is_asset = metadata("/aws:asset:property").as_deref() == Some("Code");
    let asset = || metadata("/aws:asset:path").filter(|_| is_asset);
    let code = code.or_else(asset);
    let inline = member("InlineCode").or_else(|| member("Code")?.get("ZipFile"));
    let inline = inline.and_then(text_of);
    let text = |name: &str| resource.text(name).unwrap_or_default();
    // SAM's own tool takes the template's folder.
    let is_here = resource.kind == "AWS::Serverless::Function"
        && ["CodeUri", "ImageUri"].iter().all(|name| member(name).is_none());
    let code = code.or_else(|| is_here.then(|| ".".to_owned())).filter(|_| inline.is_none());
    FunctionSettings {
        inline: inline.map(|code| Inline {
            text: code,
            handler: text("Handler"),
            runtime: text("Runtime"),
        }),
        memory_mb: number(resource, "MemorySize", MEMORY_MB, notes),
        timeout: number(resource, "Timeout", TIMEOUT, notes)
            .map(|seconds| Duration::from_secs(seconds.into())),
        variables: texts(variables).into_iter().collect(),
        unknown: unknown.collect(),
        code: code.map(|code| Code {
            folder: folder.join(code),
            handler: text("Handler"),
            runtime: text("Runtime"),
            build: metadata("/BuildMethod"),
            binary: metadata("/BuildProperties/Binary"),
            is_inline: false,
        }),
    }
}

/// Texts by name.
fn texts(found: Option<&Value>) -> BTreeMap<String, String> {
    let all = found.and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.clone(), text_of(value)?))).collect()
}
