//! The parts of a template that SAM writes for its user: settings of `Globals`, implicit APIs,
//! routes of events, default authorizers, and the OPTIONS methods of `Cors`.
//!
//! `Globals` are merged as SAM's documentation says: maps by their members, lists one after the
//! other, and a resource's own value replaces a global one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::api::{Events, OTHER_FORM, SamSettings};
use super::gateway_response::gateway_response;
use super::guard;
use super::integrations;
use super::resource::Resource;
use super::route::{self, Target};
use super::text::text_of;
use super::{Api, Family, Integration};
use crate::gateway::Payload;

mod authorizer;
mod cors;
mod defined;
mod written;

use authorizer::authorizer;
use cors::cors;
pub(super) use cors::preflights;
pub(super) use written::as_written;

/// Merges a section of `Globals` into a resource's properties.
pub(super) fn merge(global: Option<&Value>, own: &Value) -> Value {
    match (global, own) {
        (Some(Value::Object(global)), Value::Object(own)) => {
            let mut merged = global.clone();
            for (name, value) in own {
                let value = merge(global.get(name), value);
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Some(Value::Array(global)), Value::Array(own)) => {
            global.iter().chain(own).cloned().collect()
        }
        _ => own.clone(),
    }
}

/// The APIs that SAM makes for events that name none.
pub(super) fn implicit(resources: &[Resource], globals: &Value) -> Vec<Resource> {
    let events = resources.iter().flat_map(events_of);
    let kinds: BTreeSet<&str> = events
        .filter_map(|event| {
            let kind = event.get("Type")?.as_str()?;
            let (member, implicit) = match kind {
                "Api" => ("RestApiId", "ServerlessRestApi"),
                _ => ("ApiId", "ServerlessHttpApi"),
            };
            let named = guard::name(event.get("Properties").and_then(|all| all.get(member)));
            named.is_none_or(|name| name == implicit).then_some(kind)
        })
        .collect();
    let api = |event: &str, name: &str, kind: &str, global: &str, own: Value| {
        kinds.contains(event).then(|| Resource {
            name: name.to_owned(),
            kind: kind.to_owned(),
            properties: merge(globals.get(global), &own),
            metadata: Value::Null,
            includes: false,
        })
    };
    let rest = json!({"StageName": "Prod"});
    let rest = api("Api", "ServerlessRestApi", "AWS::Serverless::Api", "Api", rest);
    let http =
        api("HttpApi", "ServerlessHttpApi", "AWS::Serverless::HttpApi", "HttpApi", json!({}));
    rest.into_iter().chain(http).collect()
}

fn events_of(resource: &Resource) -> impl Iterator<Item = &Value> {
    let has_events = ["AWS::Serverless::Function", "AWS::Serverless::StateMachine"];
    let has_events = has_events.contains(&resource.kind.as_str());
    let events = resource.properties.get("Events").filter(|_| has_events);
    events.and_then(Value::as_object).into_iter().flat_map(Map::values)
}

/// Reads what an API's properties say of authorizers and of all of its routes.
///
/// Routes that are there already, from a definition, get the default authorizer too.
pub(super) fn settings(resource: &Resource, api: &mut Api, notes: &mut Vec<String>) {
    let properties = &resource.properties;
    let auth = properties.get("Auth");
    let authorizers = auth.and_then(|auth| auth.get("Authorizers")).and_then(Value::as_object);
    for (name, found) in authorizers.into_iter().flatten() {
        api.authorizers.insert(name.clone(), authorizer(api.family, found));
    }
    let of_auth = |name: &str| auth.and_then(|auth| auth.get(name)).and_then(text_of);
    let default = guard::name(auth.and_then(|auth| auth.get("DefaultAuthorizer")));
    // SAM refuses `NONE` beside authorizers.
    let is_refused = |name: &String| name == "NONE" && !api.authorizers.is_empty();
    let default = default.map(|name| if is_refused(&name) { OTHER_FORM.to_owned() } else { name });
    let needs_key = auth.and_then(|auth| auth.get("ApiKeyRequired"));
    let SamSettings { own, root, listed, .. } = std::mem::take(&mut api.sam);
    api.sam = SamSettings {
        default_authorizer: default.or_else(|| unknown(auth)),
        needs_key: guard::is_needed(needs_key),
        cors: None,
        // SAM gives the OPTIONS methods of an HTTP API no default authorizer.
        guards_preflights: api.family == Family::Rest
            && of_auth("AddDefaultAuthorizerToCorsPreflight").as_deref() != Some("false"),
        needs_key_for_preflights: of_auth("AddApiKeyRequiredToCorsPreflight").as_deref()
            != Some("false"),
        own,
        root,
        listed,
        has_keys: api.family == Family::Rest,
    };
    let responses = properties.get("GatewayResponses").and_then(Value::as_object);
    for (name, response) in responses.into_iter().flatten() {
        let response = gateway_response(&api.name, name, response, notes);
        api.responses.insert(name.clone(), response);
    }
    if let Some(found) = properties.get("Cors").filter(|_| api.family == Family::Rest) {
        api.sam.cors = Some(cors(found, &api.name, notes));
    }
    let Api { routes, sam, .. } = api;
    for route in routes {
        let found = || (route.authorizer.take(), route.needs_key);
        let (own, needs_key) = sam.own.entry(route.key.clone()).or_insert_with(found).clone();
        let needs_key = needs_key.then_some(true);
        (route.authorizer, route.needs_key) = sam.guards(&route.key, own, needs_key);
    }
}

/// The guard of an `Auth` that is not an object: an authorizer that is not there.
fn unknown(auth: Option<&Value>) -> Option<String> {
    let name = guard::name(auth.filter(|auth| !auth.is_object()))?;
    Some(if name == "NONE" { OTHER_FORM.to_owned() } else { name })
}

impl SamSettings {
    /// Returns a route's authorizer, and true if it needs a key. Its own settings come first, then
    /// the API's; the guards at the definition's root are for a route that has neither.
    fn guards(
        &self,
        key: &str,
        own: Option<String>,
        needs_key: Option<bool>,
    ) -> (Option<String>, bool) {
        let is_preflight = key.starts_with("OPTIONS ");
        let has_default = self.guards_preflights || !is_preflight;
        let default = self.default_authorizer.clone().filter(|_| has_default);
        let needs_all = self.needs_key && (self.needs_key_for_preflights || !is_preflight);
        let authorizer = own.or(default);
        let needs_key = needs_key.unwrap_or(needs_all);
        let has_security = authorizer.is_some() || (needs_key && self.has_keys);
        if !has_security && !self.listed.contains(key) {
            let (authorizer, root_needs_key) = self.root.clone();
            return (authorizer, root_needs_key || needs_key);
        }
        (authorizer.filter(|name| name != "NONE"), needs_key)
    }
}

/// Adds the routes that the events of a function or a state machine make; `made` are those so far.
pub(super) fn events(
    resource: &Resource,
    apis: &mut BTreeMap<String, Api>,
    made: &mut BTreeSet<(String, String)>,
    notes: &mut Vec<String>,
) {
    for event in events_of(resource) {
        let kind = event.get("Type").and_then(Value::as_str).unwrap_or_default();
        let (family, member, implicit) = match kind {
            "Api" => (Family::Rest, "RestApiId", "ServerlessRestApi"),
            "HttpApi" => (Family::Http, "ApiId", "ServerlessHttpApi"),
            _ => continue,
        };
        let empty = json!({});
        let properties = event.get("Properties").unwrap_or(&empty);
        let text = |value: Option<&Value>| value.and_then(text_of);
        let named = guard::name(properties.get(member));
        let path = guard::name(properties.get("Path"));
        // The API or the path that was meant may have guards.
        let is_other = |name: &Option<String>| name.as_deref() == Some(OTHER_FORM);
        let is_unknown = is_other(&named) || is_other(&path) || !properties.is_object();
        let id = named.filter(|named| named != OTHER_FORM).unwrap_or_else(|| implicit.to_owned());
        let stage = if family == Family::Http { "$default" } else { "Prod" };
        let api = apis.entry(id.clone()).or_insert_with(|| Api::new(&id, family, stage));
        let method = text(properties.get("Method")).unwrap_or_else(|| "ANY".to_owned());
        let key = match path.filter(|path| path != OTHER_FORM) {
            Some(path) => route::key(family, &method.to_ascii_uppercase(), &path),
            None => "$default".to_owned(),
        };
        let place = format!("{}: {key}", api.name);
        let is_there = defined::has(api, &key);
        let makes_none = api.events == Events::Nothing || api.events == Events::Guard;
        if (makes_none && !is_there) || defined::is_elsewhere(api, &key) {
            notes
                .push(format!("{place}: the event makes no route of an API that has a definition"));
            continue;
        }
        let is_second = !makes_none && !made.insert((id, key.clone()));
        if is_second {
            notes.push(format!("{place}: two events make the route{}", defined::twice(api.events)));
        }
        if is_there && api.events == Events::Nothing {
            continue;
        }
        let auth = properties.get("Auth");
        if api.events == Events::Guard && !auth.is_some_and(defined::overrides) {
            continue;
        }
        let own = guard::name(auth.and_then(|auth| auth.get("Authorizer")));
        let own = own.or_else(|| unknown(auth));
        let own = if is_unknown { Some(OTHER_FORM.to_owned()) } else { own };
        let needs_key = auth.and_then(|auth| auth.get("ApiKeyRequired"));
        let needs_key = needs_key.filter(|it| !it.is_null()).map(|it| guard::is_needed(Some(it)));
        let own = own.or_else(|| defined::named_default(api, auth));
        // SAM's own default is 2.0.
        let payload = match text(properties.get("PayloadFormatVersion")).as_deref() {
            Some("1.0") => Payload::V1,
            _ => Payload::V2,
        };
        let timeout = properties.get("TimeoutInMillis");
        let timeout = integrations::timeout(family, &place, timeout, notes);
        let integration = match resource.kind.as_str() {
            "AWS::Serverless::Function" => Integration::Function(resource.name.clone()),
            _ => Integration::Unserved(format!("the state machine `{}` needs AWS", resource.name)),
        };
        let refused = defined::refused(api, auth, (own.as_deref(), needs_key));
        // Which of two counts in a merged definition is not known.
        let is_unclear = is_second && api.events == Events::Replace;
        let refused = refused.or(is_unclear.then(|| "two events make the route".to_owned()));
        let target = refused.map_or(Ok(Target::new(integration, payload, timeout)), Err);
        defined::add(api, &key, (own, needs_key), target);
    }
}
