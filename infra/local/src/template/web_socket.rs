//! The parts of a template that only WebSocket APIs have.

use std::collections::BTreeSet;

use super::resource::Resource;
use crate::gateway::Selection;

/// The only route response, and the only expression that selects one.
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

/// Returns true if a route's answers go back to the client; one that lacks a part of that is named.
pub(super) fn responds(
    resource: &Resource,
    place: &str,
    with_responses: &BTreeSet<String>,
    notes: &mut Vec<String>,
) -> bool {
    let expression = resource.text("RouteResponseSelectionExpression");
    let selects = expression.as_deref() == Some(DEFAULT);
    let has_response = with_responses.contains(&resource.name);
    let lack = match (selects, has_response) {
        (true, false) => "`AWS::ApiGatewayV2::RouteResponse` with `RouteResponseKey: $default`",
        (false, true) => "`RouteResponseSelectionExpression: $default`",
        _ => return selects,
    };
    notes.push(format!("{place}: answers are not sent back: the route lacks {lack}"));
    false
}
