//! Method responses: the statuses and headers that a method of a REST API declares.
//!
//! API Gateway refuses an integration response with another one ("Invalid mapping expression
//! parameter specified", "No method response exists for method"), as users report.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::text::text_of;

/// Integrations that have integration responses.
const KINDS: [&str; 3] = ["aws", "http", "mock"];
/// The start of a header's name in a mapping.
const HEADER: &str = "method.response.header.";
/// The response of an `OpenAPI` document for every other status.
const DEFAULT: &str = "default";

/// The declared headers in lower case, by statuses; `None` for a status whose headers are not known.
pub(super) struct Declared(BTreeMap<String, Option<BTreeSet<String>>>);

impl Declared {
    /// Reads the responses of an operation.
    pub(super) fn of_operation(document: &Value, operation: &Value) -> Self {
        let all = operation.get("responses").and_then(Value::as_object);
        let headers = |response: &Value| {
            let found = match response.get("$ref").and_then(Value::as_str) {
                Some(name) => document.pointer(name.strip_prefix('#')?)?,
                None => response,
            };
            let headers = found.as_object()?.get("headers").and_then(Value::as_object);
            Some(headers.into_iter().flatten().map(|(name, _)| name.to_lowercase()).collect())
        };
        let all = all.into_iter().flatten();
        Self(all.map(|(status, response)| (status.clone(), headers(response))).collect())
    }

    /// Reads the `MethodResponses` of an `AWS::ApiGateway::Method`.
    pub(super) fn of_method(properties: &Value) -> Self {
        let all = properties.get("MethodResponses").and_then(Value::as_array);
        let read = |response: &Value| {
            let headers = response.get("ResponseParameters").and_then(Value::as_object);
            let headers = headers.into_iter().flatten();
            let names = headers.filter_map(|(name, _)| name.strip_prefix(HEADER));
            let names = names.map(str::to_lowercase).collect();
            Some((response.get("StatusCode").and_then(text_of)?, Some(names)))
        };
        Self(all.into_iter().flatten().filter_map(read).collect())
    }

    /// Names what the integration's responses have and the method does not declare.
    pub(super) fn check(&self, place: &str, integration: &Value, notes: &mut Vec<String>) {
        let either = |found: &Value, names: [&str; 2]| {
            names.into_iter().find_map(|name| found.get(name)).cloned()
        };
        let kind = either(integration, ["type", "Type"]).as_ref().and_then(text_of);
        if !kind.is_some_and(|kind| KINDS.contains(&kind.to_ascii_lowercase().as_str())) {
            return;
        }
        let responses = match either(integration, ["responses", "IntegrationResponses"]) {
            Some(Value::Object(by_pattern)) => by_pattern.into_iter().map(|(_, one)| one).collect(),
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        let mut missing = BTreeSet::new();
        for response in &responses {
            let status = either(response, ["statusCode", "StatusCode"]).as_ref().and_then(text_of);
            let Some(status) = status else { continue };
            let Some(known) = self.0.get(&status).or_else(|| self.0.get(DEFAULT)) else {
                missing.insert(format!("the status {status}"));
                continue;
            };
            let parameters = either(response, ["responseParameters", "ResponseParameters"]);
            for (name, _) in parameters.iter().filter_map(Value::as_object).flatten() {
                let header = name.strip_prefix(HEADER).unwrap_or(name);
                if known.as_ref().is_some_and(|known| !known.contains(&header.to_lowercase())) {
                    missing.insert(format!("the header `{header}` of {status}"));
                }
            }
        }
        if !missing.is_empty() {
            let missing = missing.into_iter().collect::<Vec<_>>().join(", ");
            notes.push(format!(
                "{place}: API Gateway refuses this method: its responses must declare {missing}"
            ));
        }
    }
}
