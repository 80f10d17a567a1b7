//! Settings of a template that are not held to here: one note for each kind of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::resource::Resource;
use super::text::text_of;

/// A kind of setting, and the resource or method that has it.
pub(super) type Setting = (&'static str, String);

const POLICY: &str = "resource policies";
const VALIDATION: &str = "models and request validators";
const METHODS: &str = "throttling and caching of stages and methods";
const CANARY: &str = "canary releases";
const ENDPOINT: &str = "`DisableExecuteApiEndpoint`: the address here stands for any";
const LINK: &str = "VPC links: what is behind one answers 501";
const DOMAIN: &str = "custom domains and their mappings";
const MUTUAL_TLS: &str = "mutual TLS";
const URLS: &str = "function URLs";
const MAPPINGS: &str = "event source mappings";
const LAYERS: &str = "layers of functions";
const OTHER: &str = "other events of functions";

/// The events of SAM's functions that are not of an API, each by its type.
const EVENTS: [&str; 16] = [
    "AlexaSkill events of functions",
    "CloudWatchEvent events of functions",
    "CloudWatchLogs events of functions",
    "Cognito events of functions",
    "DocumentDB events of functions",
    "DynamoDB events of functions",
    "EventBridgeRule events of functions",
    "IoTRule events of functions",
    "Kinesis events of functions",
    "MQ events of functions",
    "MSK events of functions",
    "S3 events of functions",
    "SNS events of functions",
    "SQS events of functions",
    "Schedule events of functions",
    "ScheduleV2 events of functions",
];

/// Kinds of resources that call functions, if they have the member.
const CALLERS: [(&str, &str, &str); 11] = [
    ("AWS::Lambda::EventSourceMapping", "", MAPPINGS),
    ("AWS::Lambda::Url", "", URLS),
    ("AWS::Cognito::UserPool", "/Properties/LambdaConfig", "triggers of user pools"),
    ("AWS::Events::Rule", "/Properties/Targets", "rules of EventBridge"),
    ("AWS::IoT::TopicRule", "", "rules of IoT"),
    ("AWS::Logs::SubscriptionFilter", "", "subscriptions of logs"),
    ("AWS::Pipes::Pipe", "", "pipes of EventBridge"),
    ("AWS::S3::Bucket", "/Properties/NotificationConfiguration", "notifications of buckets"),
    ("AWS::SNS::Subscription", "", "subscriptions of SNS"),
    ("AWS::SNS::Topic", "/Properties/Subscription", "subscriptions of SNS"),
    ("AWS::Scheduler::Schedule", "/Properties/Target", "schedules of EventBridge Scheduler"),
];

/// The names that a note has at most.
const MAX_NAMES: usize = 3;

/// Members of a resource's properties, and the kind of setting that they are.
const MEMBERS: [(&str, &str); 14] = [
    ("/Policy", POLICY),
    ("/Auth/ResourcePolicy", POLICY),
    ("/RequestValidatorId", VALIDATION),
    ("/RequestModels", VALIDATION),
    ("/Models", VALIDATION),
    ("/CacheClusterEnabled", METHODS),
    ("/CanarySetting", CANARY),
    ("/CanarySettings", CANARY),
    ("/DisableExecuteApiEndpoint", ENDPOINT),
    ("/ConnectionId", LINK),
    ("/Integration/ConnectionId", LINK),
    ("/Domain", DOMAIN),
    ("/Domain/MutualTlsAuthentication", MUTUAL_TLS),
    ("/MutualTlsAuthentication", MUTUAL_TLS),
];

/// Members with settings of methods or routes, which may also be about logs and metrics.
const SETTINGS: [&str; 3] = ["/MethodSettings", "/DefaultRouteSettings", "/RouteSettings"];
/// Settings of a method or a route that throttle or cache.
const LIMITS: [&str; 3] = ["ThrottlingBurstLimit", "ThrottlingRateLimit", "CachingEnabled"];

/// The settings of a resource.
pub(super) fn of_resource(resource: &Resource) -> Vec<Setting> {
    // A function's properties are others, of the same names.
    if resource.kind.ends_with("::Function") {
        return of_events(resource);
    }
    let name = || resource.name.clone();
    let mut found = Vec::new();
    match resource.kind.as_str() {
        "AWS::ApiGateway::Model" | "AWS::ApiGateway::RequestValidator" => {
            found.push((VALIDATION, name()));
        }
        "AWS::ApiGateway::DomainName"
        | "AWS::ApiGateway::BasePathMapping"
        | "AWS::ApiGatewayV2::DomainName"
        | "AWS::ApiGatewayV2::ApiMapping" => found.push((DOMAIN, name())),
        "AWS::ApiGateway::VpcLink" | "AWS::ApiGatewayV2::VpcLink" => found.push((LINK, name())),
        _ => {}
    }
    let has = |pointer: &str| {
        let value = resource.properties.pointer(pointer);
        value.is_some_and(|value| text_of(value).as_deref() != Some("false"))
    };
    found.extend(MEMBERS.iter().filter(|(at, _)| has(at)).map(|(_, kind)| (*kind, name())));
    let settings = SETTINGS.iter().filter_map(|at| resource.properties.pointer(at));
    found.extend(settings.filter(|all| has_limit(all)).map(|_| (METHODS, name())));
    found
}

/// Returns true for settings of a method or a route that throttle or cache, or a group of settings
/// with such ones.
fn has_limit(settings: &Value) -> bool {
    let is_set = |value: &Value| text_of(value).as_deref() != Some("false");
    LIMITS.iter().any(|name| settings.get(name).is_some_and(is_set))
        || settings.as_array().is_some_and(|list| list.iter().any(has_limit))
        || settings.as_object().is_some_and(|all| all.values().any(has_limit))
}

/// The events of a function that are not served, its layers, its URL, and the models that its
/// events ask for.
fn of_events(resource: &Resource) -> Vec<Setting> {
    let events = resource.properties.get("Events").and_then(Value::as_object);
    let events = || events.into_iter().flatten();
    let place = |name: &String| format!("{}.{name}", resource.name);
    let mut found = Vec::new();
    for (name, event) in events() {
        let kind = event.get("Type").and_then(Value::as_str).unwrap_or_default();
        if !["", "Api", "HttpApi"].contains(&kind) {
            let known = EVENTS.iter().find(|text| text.split(' ').next() == Some(kind));
            found.push((known.copied().unwrap_or(OTHER), place(name)));
        }
    }
    if resource.has_layers() {
        found.push((LAYERS, resource.name.clone()));
    }
    if resource.properties.get("FunctionUrlConfig").is_some() {
        found.push((URLS, resource.name.clone()));
    }
    let has = |event: &Value, name: &str| {
        event.get("Properties").is_some_and(|properties| properties.get(name).is_some())
    };
    let has_policy = |event: &Value| event.pointer("/Properties/Auth/ResourcePolicy").is_some();
    let guarded = events().filter(|(_, event)| has_policy(event));
    found.extend(guarded.map(|(name, _)| (POLICY, place(name))));
    let named =
        events().filter(|(_, event)| has(event, "RequestModel") || has(event, "RequestParameters"));
    found.extend(named.map(|(name, _)| (VALIDATION, place(name))));
    found
}

/// The setting that a resource is by its kind, whose properties are not evaluated.
pub(super) fn of_kind(name: &str, kind: &str, resource: &Value) -> Option<Setting> {
    let (_, member, setting) = CALLERS.iter().find(|(caller, ..)| *caller == kind)?;
    let has_member = member.is_empty() || resource.pointer(member).is_some();
    has_member.then(|| (*setting, name.to_owned()))
}

/// The settings of an OpenAPI document.
pub(super) fn of_document(api: &str, document: &Value) -> Vec<Setting> {
    let mut found = Vec::new();
    for (pointer, kind) in [
        ("/x-amazon-apigateway-policy", POLICY),
        ("/x-amazon-apigateway-request-validators", VALIDATION),
    ] {
        found.extend(document.pointer(pointer).map(|_| (kind, api.to_owned())));
    }
    let servers = document.get("servers").and_then(Value::as_array).into_iter().flatten();
    let places = servers.chain([document]);
    let is_disabled = |place: &Value| {
        let endpoint = place.get("x-amazon-apigateway-endpoint-configuration");
        let disabled = endpoint.and_then(|all| all.get("disableExecuteApiEndpoint"));
        disabled.and_then(text_of).as_deref() == Some("true")
    };
    if places.into_iter().any(is_disabled) {
        found.push((ENDPOINT, api.to_owned()));
    }
    let paths = document.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let method = match method.as_str() {
                "x-amazon-apigateway-any-method" => "ANY".to_owned(),
                other => other.to_ascii_uppercase(),
            };
            let place = || format!("{api}: {method} {path}");
            let of = |pointer: &str| operation.pointer(pointer);
            if of("/x-amazon-apigateway-request-validator").is_some() {
                found.push((VALIDATION, place()));
            }
            if of("/x-amazon-apigateway-integration/connectionId").is_some() {
                found.push((LINK, place()));
            }
        }
    }
    found
}

/// One line for each kind.
pub(super) fn notes(all: &[Setting]) -> Vec<String> {
    let mut kinds: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (kind, name) in all {
        kinds.entry(kind).or_default().insert(name);
    }
    let note = |(kind, names): (&str, BTreeSet<&str>)| {
        let count = names.len();
        let shown: Vec<&str> = names.into_iter().take(MAX_NAMES).collect();
        let more = count.saturating_sub(shown.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("not served here: {kind} ({count}: {}{more})", shown.join(", "))
    };
    kinds.into_iter().map(note).collect()
}
