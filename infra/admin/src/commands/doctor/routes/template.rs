//! Routes of a CloudFormation or SAM template.

use serde_json::Value;

use super::definition::{self, at, members};
use super::{Found, Route};

/// Adds the routes of every API of a template.
pub(super) fn read(template: &Value, found: &mut Found) {
    for (name, resource) in members(&template["Resources"]) {
        let properties = &resource["Properties"];
        if properties["ApiKeySourceType"] == "AUTHORIZER" {
            found.keyed_apis.push(name.clone());
        }
        match resource["Type"].as_str().unwrap_or_default() {
            kind @ ("AWS::Serverless::Api" | "AWS::Serverless::HttpApi") => {
                body(name, properties, "DefinitionBody", "DefinitionUri", found);
                serverless_cached(&properties["Auth"], kind == "AWS::Serverless::Api", found);
            }
            "AWS::ApiGateway::RestApi" | "AWS::ApiGatewayV2::Api" => {
                body(name, properties, "Body", "BodyS3Location", found);
                // A quick create makes a route `$default` that has no authorizer.
                if !properties["Target"].is_null() {
                    found.routes.push(route(name, "ANY", "$default", properties));
                }
            }
            "AWS::ApiGateway::Method" => {
                let api = api_of(&properties["RestApiId"]);
                let method = properties["HttpMethod"].as_str().unwrap_or("ANY").to_owned();
                let path = path(template, &properties["ResourceId"], DEEPEST);
                found.routes.push(route(&api, &method, &path, properties));
            }
            "AWS::ApiGatewayV2::Route" => {
                let api = api_of(&properties["ApiId"]);
                let key = properties["RouteKey"].as_str().unwrap_or("?");
                let (method, path) = key.split_once(' ').unwrap_or(("ANY", key));
                // A WebSocket API asks on `$connect` alone.
                let kind =
                    at(template, &["Resources", &api, "Properties", "ProtocolType"]).as_str();
                let is_socket = kind == Some("WEBSOCKET") || matches!(key, "$disconnect");
                if !is_socket || key == "$connect" {
                    found.routes.push(route(&api, method, path, properties));
                }
            }
            "AWS::ApiGateway::Authorizer" | "AWS::ApiGatewayV2::Authorizer" => {
                cached(name, resource, found);
            }
            "AWS::Serverless::Function" => events(template, properties, found),
            _ => {}
        }
    }
    for (api, is_rest) in [("Api", true), ("HttpApi", false)] {
        serverless_cached(at(template, &["Globals", api, "Auth"]), is_rest, found);
    }
}

fn body(name: &str, properties: &Value, inline: &str, other: &str, found: &mut Found) {
    let definition = &properties[inline];
    if definition["paths"].is_object() {
        definition::read(name, definition, found);
    } else if !properties[other].is_null() || definition.get("Fn::Transform").is_some() {
        found.elsewhere.push(format!("`{name}`"));
    }
}

fn route(api: &str, method: &str, path: &str, properties: &Value) -> Route {
    Route {
        api: api.to_owned(),
        method: method.to_uppercase(),
        path: path.to_owned(),
        guarded: properties["AuthorizationType"] == "CUSTOM",
        keyed: properties["ApiKeyRequired"] == true,
        fix: "set its `AuthorizationType` to CUSTOM, and its `AuthorizerId`",
    }
}

/// Routes that SAM makes of a function's events.
fn events(template: &Value, function: &Value, found: &mut Found) {
    for (_, event) in members(&function["Events"]) {
        let kind = event["Type"].as_str().unwrap_or_default();
        let properties = &event["Properties"];
        let (reference, implicit) = match kind {
            "Api" => ("RestApiId", "Api"),
            "HttpApi" => ("ApiId", "HttpApi"),
            _ => continue,
        };
        let api = &properties[reference];
        let (name, of_api) = if api.is_null() {
            (format!("the implicit {implicit}"), at(template, &["Globals", implicit, "Auth"]))
        } else {
            let name = api_of(api);
            let auth = at(template, &["Resources", &name, "Properties", "Auth"]);
            let global = at(template, &["Globals", implicit, "Auth"]);
            (name, if auth.is_object() { auth } else { global })
        };
        let own = &properties["Auth"];
        let authorizer = if own["Authorizer"].is_null() {
            &of_api["DefaultAuthorizer"]
        } else {
            &own["Authorizer"]
        };
        let key = if own["ApiKeyRequired"].is_null() {
            &of_api["ApiKeyRequired"]
        } else {
            &own["ApiKeyRequired"]
        };
        let no_function = ["NONE", "AWS_IAM"].iter().any(|it| *authorizer == **it);
        found.routes.push(Route {
            api: name,
            method: properties["Method"].as_str().unwrap_or("ANY").to_uppercase(),
            path: properties["Path"].as_str().unwrap_or("$default").to_owned(),
            guarded: !authorizer.is_null() && !no_function,
            keyed: *key == true,
            fix: "set `Auth: {Authorizer: …}` of the event, or `DefaultAuthorizer` of the API",
        });
    }
}

fn cached(name: &str, authorizer: &Value, found: &mut Found) {
    let is_rest = authorizer["Type"] == "AWS::ApiGateway::Authorizer";
    let seconds = at(authorizer, &["Properties", "AuthorizerResultTtlInSeconds"]);
    cached_for(name, seconds, is_rest, found);
}

/// Adds the authorizers that SAM makes of an API's `Auth` and that are functions.
fn serverless_cached(auth: &Value, is_rest: bool, found: &mut Found) {
    for (name, authorizer) in members(&auth["Authorizers"]) {
        if !authorizer["FunctionArn"].is_null() {
            let seconds = at(authorizer, &["Identity", "ReauthorizeEvery"]);
            cached_for(name, seconds, is_rest, found);
        }
    }
}

fn cached_for(name: &str, seconds: &Value, by_default: bool, found: &mut Found) {
    // A REST API caches for 300 s without a setting, an HTTP API does not.
    if seconds.is_null() && by_default {
        found.cached.push((name.to_owned(), "300".to_owned()));
    } else if !seconds.is_null() && *seconds != 0 {
        found.cached.push((name.to_owned(), seconds.to_string()));
    }
}

/// Returns the name of an API that a property refers to.
fn api_of(value: &Value) -> String {
    let reference = value.get("Ref").or_else(|| value.get("Fn::GetAtt")?.get(0)).unwrap_or(value);
    reference.as_str().unwrap_or("another stack's API").to_owned()
}

/// Returns the path of a resource of a REST API.
fn path(template: &Value, id: &Value, depth: usize) -> String {
    let resource = at(template, &["Resources", &api_of(id)]);
    if depth == 0 || resource["Type"] != "AWS::ApiGateway::Resource" {
        return if id.get("Fn::GetAtt").is_some() { "/".to_owned() } else { "/?".to_owned() };
    }
    let properties = &resource["Properties"];
    let parent = path(template, &properties["ParentId"], depth.saturating_sub(1));
    let part = properties["PathPart"].as_str().unwrap_or("?");
    format!("{}/{part}", parent.trim_end_matches('/'))
}

/// The most parts of a path.
const DEEPEST: usize = 50;
