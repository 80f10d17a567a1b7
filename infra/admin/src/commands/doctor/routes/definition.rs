//! Routes of an OpenAPI definition with API Gateway's extensions.

use serde_json::{Map, Value};

use super::{Found, Route};
use crate::yaml::follow;

/// Members of a path item that are not operations.
const SHARED: [&str; 5] = ["parameters", "summary", "description", "servers", "$ref"];

/// Adds the routes of a definition.
pub(super) fn read(api: &str, definition: &Value, found: &mut Found) {
    if definition["x-amazon-apigateway-api-key-source"] == "AUTHORIZER" {
        found.keyed_apis.push(api.to_owned());
    }
    let schemes = at(definition, &["components", "securitySchemes"]);
    // OpenAPI 2 has them elsewhere.
    let schemes = if schemes.is_object() { schemes } else { &definition["securityDefinitions"] };
    let followed = |(name, it): (&String, &Value)| {
        (name.clone(), follow(definition, it).unwrap_or(it).clone())
    };
    let schemes = &Value::Object(members(schemes).map(followed).collect());
    for (name, scheme) in members(schemes) {
        let authorizer = &scheme["x-amazon-apigateway-authorizer"];
        let seconds = &authorizer["authorizerResultTtlInSeconds"];
        if authorizer.is_object() && *seconds != 0 {
            let seconds = if seconds.is_null() { "300".to_owned() } else { seconds.to_string() };
            found.cached.push((name.clone(), seconds));
        }
    }
    for (path, item) in members(&definition["paths"]) {
        let shared = item.get("$ref").map(|_| follow(definition, item));
        if let Some(Err(reason)) = &shared {
            found.unread.push(format!("`{}` of {api}: {reason}", path.escape_debug()));
        }
        let shared = shared.and_then(Result::ok).into_iter().flat_map(members);
        for (method, operation) in members(item).chain(shared) {
            if SHARED.contains(&method.as_str()) {
                continue;
            }
            let any = ["x-amazon-apigateway-any-method", "x-yaml-any"].contains(&method.as_str());
            let method = if any { "ANY".to_owned() } else { method.to_uppercase() };
            let all = |wanted: fn(&Value) -> bool| {
                let branches = branches(&operation["security"]);
                !branches.is_empty() && branches.iter().all(|it| requires(it, schemes, wanted))
            };
            found.routes.push(Route {
                api: api.to_owned(),
                method,
                path: path.clone(),
                guarded: all(is_authorizer),
                keyed: branches(&operation["security"])
                    .iter()
                    .any(|it| requires(it, schemes, |scheme| scheme["name"] == "x-api-key")),
                fix: "give the operation a `security` with the authorizer; API Gateway ignores the \
                      one at the root",
            });
        }
    }
}

/// Returns the lists of requirements, one for each branch of a condition.
fn branches(security: &Value) -> Vec<&Value> {
    match security.get("Fn::If").and_then(Value::as_array).map(Vec::as_slice) {
        Some([_, yes, no]) => [branches(yes), branches(no)].concat(),
        _ if security.is_array() => vec![security],
        _ => Vec::new(),
    }
}

/// Returns true if each alternative of a list has a scheme like this.
fn requires(security: &Value, schemes: &Value, wanted: impl Fn(&Value) -> bool) -> bool {
    let alternatives = security.as_array().map(Vec::as_slice).unwrap_or_default();
    !alternatives.is_empty()
        && alternatives.iter().all(|alternative| {
            members(alternative).any(|(name, _)| schemes.get(name).is_some_and(&wanted))
        })
}

/// Returns true for a Lambda authorizer: `custom` for REST APIs, `request` for HTTP APIs.
fn is_authorizer(scheme: &Value) -> bool {
    let authorizer = &scheme["x-amazon-apigateway-authorizer"];
    scheme["x-amazon-apigateway-authtype"] == "custom"
        || (authorizer.is_object() && authorizer["type"] != "jwt")
}

/// Returns the value at a path of members, or null.
pub(super) fn at<'v>(value: &'v Value, path: &[&str]) -> &'v Value {
    path.iter().fold(value, |value, name| value.get(name).unwrap_or(&Value::Null))
}

/// Returns the members of an object; none for another value.
pub(super) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().map(Map::iter).into_iter().flatten()
}
