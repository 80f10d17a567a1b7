//! The members of a resource with their values, and what is not known of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::template::resolve::{Lack, Resolver};
use crate::template::{Error, tables};

/// The values that are not known here.
#[derive(Default)]
pub(super) struct Lacks {
    pub(super) parameters: BTreeSet<String>,
    notes: Vec<String>,
    /// The values of resources for which their logical ids stand, each with a way to give it, and the
    /// places.
    physical: BTreeMap<(String, &'static str), Vec<String>>,
}

impl Lacks {
    pub(super) fn notes(self) -> Vec<String> {
        let physical = self.physical.into_iter().map(|((name, fix), places)| {
            let more = places.len().saturating_sub(1);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let first = places.into_iter().next().unwrap_or_default();
            format!(
                "{first}{more}: the value of `{name}` on AWS is not known here, and its logical id \
                 stands for it{fix}"
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
pub(super) fn members(
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
            if is_function && name == "FunctionName" {
                lacks.notes.push(format!("{place}: {}: the logical id counts here", lack.error));
                resolved = None;
                continue;
            }
            let is_code = is_function && lack.path.last().is_some_and(|name| name == "ZipFile");
            let is_unused = name != "Environment"
                && (!(is_used || is_code)
                    || lack.path.iter().any(|name| UNUSED.contains(&name.as_str()))
                    || (name == "Events" && !is_route(value, &lack.path)));
            if is_unused {
                continue;
            }
            if let Some(of) = stands_in(&lack) {
                lacks.physical.entry((of, fix(name))).or_default().push(place);
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

/// The name of a value for which the logical id stands. In an address nothing does.
fn stands_in(lack: &Lack) -> Option<String> {
    let is_address =
        lack.path.last().is_some_and(|name| name.to_ascii_lowercase().ends_with("uri"));
    match &lack.error {
        Error::Physical(of) if !is_address => Some(of.clone()),
        _ => None,
    }
}

/// The way to give a value that is not known here.
fn fix(member: &str) -> &'static str {
    match member {
        "Environment" => ": set the variable where `local` starts",
        "Variables" | "StageVariables" | "StageDescription" => {
            ": give it by --stage-variable NAME=VALUE"
        }
        _ => "",
    }
}

/// Returns true if the path is to a member of an event that makes a route.
fn is_route(events: &Value, path: &[String]) -> bool {
    let at = path.iter().position(|name| name == "Events").map_or(0, |at| at.saturating_add(1));
    let event = path.get(at).and_then(|name| events.get(name));
    let kind = event.and_then(|event| event.get("Type")).and_then(Value::as_str);
    matches!(kind, None | Some("Api" | "HttpApi"))
}
