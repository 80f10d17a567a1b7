//! The parts of a template that only WebSocket APIs have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::resource::Resource;
use crate::gateway::Selection;

/// The key of the only route response.
const DEFAULT: &str = "$default";

/// The expression that names the route of a message; one that is not evaluated here is named.
pub(super) fn selection(resource: &Resource, notes: &mut Vec<String>) -> Selection {
    let Some(text) = resource.text("RouteSelectionExpression") else { return Selection::default() };
    text.parse().unwrap_or_else(|error| {
        notes.push(format!(
            "{}: the `RouteSelectionExpression` {error}; every message takes `$default`",
            resource.name
        ));
        Selection::nothing()
    })
}

/// The routes that have a route response, by their logical ids.
pub(super) fn routes_with_responses(resources: &[Resource]) -> BTreeSet<String> {
    let responses =
        resources.iter().filter(|resource| resource.kind == "AWS::ApiGatewayV2::RouteResponse");
    let responses =
        responses.filter(|resource| resource.text("RouteResponseKey").as_deref() == Some(DEFAULT));
    responses.filter_map(|resource| resource.text("RouteId")).collect()
}

/// Returns true if a route's answers go back to the client: if it has a route response.
///
/// `LocalStack`'s validated tests of deployed APIs have no `RouteResponseSelectionExpression` on routes
/// that answer. One without a route response is named.
pub(super) fn responds(
    resource: &Resource,
    place: &str,
    with_responses: &BTreeSet<String>,
    notes: &mut Vec<String>,
) -> bool {
    let has_response = with_responses.contains(&resource.name);
    let expression = resource.text("RouteResponseSelectionExpression");
    if !has_response && expression.as_deref() == Some(DEFAULT) {
        notes.push(format!(
            "{place}: answers are not sent back: the route lacks \
             `AWS::ApiGatewayV2::RouteResponse` with `RouteResponseKey: $default`"
        ));
    }
    has_response
}

/// Every `AWS::ApiGatewayV2::Integration` by its logical id, with its integration responses.
pub(super) fn integrations(resources: &[Resource]) -> BTreeMap<&str, Value> {
    let of = |kind: &'static str| resources.iter().filter(move |resource| resource.kind == kind);
    let mut all: BTreeMap<&str, Value> = of("AWS::ApiGatewayV2::Integration")
        .map(|resource| (resource.name.as_str(), resource.properties.clone()))
        .collect();
    for response in of("AWS::ApiGatewayV2::IntegrationResponse") {
        let id = response.text("IntegrationId").unwrap_or_default();
        let Some(found) = all.get_mut(id.as_str()).and_then(Value::as_object_mut) else { continue };
        let list = found.entry("IntegrationResponses").or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(response.properties.clone());
        }
    }
    all
}
