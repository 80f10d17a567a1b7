//! An OpenAPI document with API Gateway's extensions: version 2.0 or 3.0.
//!
//! `security` at the document's root is for the operations that have none of their own.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::api::OTHER_FORM;
use super::authorizer::Wanted;
use super::declared::Declared;
use super::gateway_response::gateway_response;
use super::guard;
use super::route::{self, ANY, ELSEWHERE, NO_INTEGRATION, Target};
use super::text::text_of;
use super::{Api, Authorizer, Family, Route};
use crate::gateway::{Cors, KeySource};

/// The members of a path that are not methods.
const OTHERS: [&str; 6] = ["$ref", "summary", "description", "servers", "parameters", SECURITY];
const SECURITY: &str = "security";

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
        let response = gateway_response(&api.name, name, response, notes);
        api.responses.insert(name.clone(), response);
    }
    api.cors = document.get("x-amazon-apigateway-cors").map(cors);
    if api.family == Family::Http && security(document).is_some() {
        notes.push(format!(
            "{}: the document's `security` guards here; that an HTTP API takes it is not confirmed: \
             set it at each method",
            api.name
        ));
    }
    let root = security(document);
    api.sam.root = guards(api, &[document], root, is_key);
    let paths = document.get("paths");
    if let Some(unknown) = paths.and_then(Value::as_str) {
        api.routes.extend(unknown_routes(api.family, unknown));
    }
    for (path, item) in paths.and_then(Value::as_object).into_iter().flatten() {
        if item.is_string() || item.get("$ref").is_some() {
            let target = Target::missing(ELSEWHERE);
            api.routes.push(Route::new(format!("ANY {path}"), None, false, target));
            continue;
        }
        // OpenAPI has none for a path, so that it opens nothing.
        let of_path = security(item).filter(|found| {
            let (name, needs_key) = guards(api, &[], Some(found), is_key);
            name.is_some_and(|name| name != "NONE") || (needs_key && root.is_none())
        });
        if of_path.is_some() {
            notes.push(format!(
                "{}: {path}: its `security` guards here; OpenAPI has none for a path: set it at each \
                 method",
                api.name
            ));
        }
        let methods = item.as_object().into_iter().flatten();
        let mut methods: Vec<_> = methods.filter(|(name, _)| is_method(name)).collect();
        // Of two with one name, that in lower case counts.
        methods.sort_by_key(|(name, _)| has_capitals(name));
        for (method, operation) in methods {
            let verb = match method.as_str() {
                ANY => "ANY".to_owned(),
                other => other.to_ascii_uppercase(),
            };
            let key = if path == "/$default" || path == "$default" {
                "$default".to_owned()
            } else {
                route::key(api.family, &verb, path)
            };
            let places = [operation, item, document];
            let own = security(operation).or(of_path);
            let (authorizer, needs_key) = guards(api, &places, own.or(root), is_key);
            if !api.sam.own.contains_key(&key) {
                let (mut name, needs_key) = guards(api, &places, own, is_key);
                // SAM gives an operation of an HTTP API with any entry no default authorizer.
                let list = security(operation).and_then(Value::as_array);
                if api.family == Family::Http && list.is_some_and(|list| !list.is_empty()) {
                    name = name.or_else(|| Some("NONE".to_owned()));
                }
                api.sam.own.insert(key.clone(), (name, needs_key));
                api.sam.listed.extend(own.map(|_| key.clone()));
            }
            let target = match operation.get("x-amazon-apigateway-integration") {
                _ if has_capitals(method) => Target::missing(&format!(
                    "the name of the method `{method}` is not in lower case"
                )),
                Some(found) => {
                    let place = format!("{}: {key}", api.name);
                    if api.family == Family::Rest {
                        let declared = Declared::of_operation(document, operation);
                        declared.check(&place, found, notes);
                    }
                    Target::read(api.family, &place, found, notes)
                }
                None if operation.is_string() => Target::missing(ELSEWHERE),
                None => Target::missing(NO_INTEGRATION),
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

/// The `security` of an operation, a path or a document.
fn security(of: &Value) -> Option<&Value> {
    of.get(SECURITY).filter(|found| !found.is_null())
}

/// The authorizer and the key that an operation asks for: all requirements of its `security` together,
/// and `x-amazon-apigateway-auth` of the first of `places` that has it.
///
/// A scheme that is not known is a guard that cannot be kept, so it is named like an authorizer. So
/// are several, because only one can be asked.
fn guards(
    api: &Api,
    places: &[&Value],
    security: Option<&Value>,
    is_key: impl Fn(&str) -> bool,
) -> (Option<String>, bool) {
    let mut auths = places.iter().filter_map(|of| of.get("x-amazon-apigateway-auth"));
    let mut guards = BTreeSet::new();
    guards.extend(auths.find(|found| !found.is_null()).and_then(iam));
    let is_list = security.is_none_or(Value::is_array);
    guards.extend(security.filter(|_| !is_list).map(unknown));
    let mut needs_key = false;
    for requirement in security.and_then(Value::as_array).into_iter().flatten() {
        let Some(names) = requirement.as_object().map(Map::keys) else {
            guards.insert(unknown(requirement));
            continue;
        };
        for name in names {
            if is_key(name) && !api.authorizers.contains_key(name) {
                needs_key = true;
            } else {
                guards.insert(name.clone());
            }
        }
    }
    let all: Vec<String> = guards.into_iter().collect();
    ((!all.is_empty()).then(|| all.join(" and ")), needs_key)
}

/// The name of a guard in another form: the text that stands for what is not known, if it is one.
fn unknown(found: &Value) -> String {
    found.as_str().unwrap_or(OTHER_FORM).to_owned()
}

/// The guard in `x-amazon-apigateway-auth`, whose values have any case.
fn iam(found: &Value) -> Option<String> {
    let kind = match found.as_object() {
        Some(all) => guard::name(all.get("type"))?,
        None => OTHER_FORM.to_owned(),
    };
    match kind.to_ascii_uppercase() {
        none if none == "NONE" => None,
        iam if iam == "AWS_IAM" => Some(iam),
        _ => Some(kind),
    }
}

/// Returns true for the members of a path that are methods, in any case.
fn is_method(name: &str) -> bool {
    name == ANY || !(name.starts_with("x-") || OTHERS.contains(&name))
}

fn has_capitals(name: &str) -> bool {
    name.contains(|c: char| c.is_ascii_uppercase())
}

/// Reads an authorizer from a security scheme; `None` for a scheme that is not one.
fn authorizer(family: Family, scheme: &Value) -> Option<Authorizer> {
    let found = scheme.get("x-amazon-apigateway-authorizer");
    let Some(found) = found else {
        let kind = scheme.get("x-amazon-apigateway-authtype").and_then(Value::as_str)?;
        return Some(Authorizer::unserved(format!("authorization by {kind}")));
    };
    Some(extension(family, scheme, found).unwrap_or_else(Authorizer::unserved))
}

/// Reads the extension of a security scheme that is an authorizer.
fn extension(family: Family, scheme: &Value, found: &Value) -> Result<Authorizer, String> {
    let text = |name: &str| guard::text(found, name);
    let kind = text("type")?.unwrap_or_default();
    let mut sources = guard::sources(found, "identitySource")?;
    // A TOKEN authorizer's token is in the header that its scheme names.
    let header = guard::text(scheme, "name")?.filter(|name| !name.is_empty());
    if kind.eq_ignore_ascii_case("token") && sources.iter().all(String::is_empty) {
        sources = header.map(|name| format!("method.request.header.{name}")).into_iter().collect();
    }
    let wanted = Wanted {
        sources,
        ttl: text("authorizerResultTtlInSeconds")?,
        validation: text("identityValidationExpression")?,
        payload: text("authorizerPayloadFormatVersion")?,
        is_simple: text("enableSimpleResponses")?.as_deref() == Some("true"),
        uri: text("authorizerUri")?.unwrap_or_default(),
    };
    Authorizer::read(family, &kind, &wanted)
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
