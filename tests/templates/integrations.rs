//! Integrations with templates: accepted content types, and the status of errors.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::files::templates;
use crate::operations::operations;

/// An integration with templates, and its operation.
struct Mapped {
    of: String,
    operation: Value,
    integration: Value,
}

fn is_proxy(integration: &Value) -> bool {
    integration["type"].as_str().unwrap().ends_with("_proxy")
}

fn mapped() -> Vec<Mapped> {
    let mut found = Vec::new();
    for template in templates() {
        for operation in operations(&template.content) {
            let integration = operation.body["x-amazon-apigateway-integration"].clone();
            if !is_proxy(&integration) {
                let of = format!("{}: {} {}", template.path, operation.method, operation.path);
                found.push(Mapped { of, operation: operation.body.clone(), integration });
            }
        }
    }
    assert!(found.len() >= 5, "three services and two preflights");
    found
}

/// Otherwise API Gateway passes on a body whose content type has no template, and the caller
/// writes the call to the service.
#[test]
fn a_content_type_without_a_template_is_refused() {
    for Mapped { of, integration, .. } in mapped() {
        assert_eq!(integration["passthroughBehavior"], "never", "{of}");
        let templates = integration["requestTemplates"].as_object().unwrap();
        let types: Vec<_> = templates.keys().collect();
        // API Gateway assumes this type if a request has none.
        assert_eq!(types, ["application/json"], "{of}");
        let template = templates["application/json"].clone();
        let text = template.as_str().or_else(|| template["Fn::Sub"].as_str()).unwrap();
        assert!(!text.is_empty(), "{of}: an import drops an empty template");
    }
}

#[test]
fn a_proxy_has_no_settings_that_it_would_ignore() {
    for template in templates() {
        for operation in operations(&template.content) {
            let integration = &operation.body["x-amazon-apigateway-integration"];
            if is_proxy(integration) {
                for name in ["passthroughBehavior", "requestTemplates", "responses"] {
                    assert_eq!(integration.get(name), None, "{} {}", template.path, operation.path);
                }
            }
        }
    }
}

/// Returns the status that a caller gets for a service's status.
///
/// A pattern must match the whole status. All patterns here are one digit and `\d{2}`.
fn status_for(responses: &Value, of_service: u32) -> u32 {
    let responses = responses.as_object().unwrap();
    for pattern in responses.keys().filter(|pattern| *pattern != "default") {
        let digit = pattern.strip_suffix("\\d{2}").unwrap();
        assert!(["2", "3", "4", "5"].contains(&digit), "{pattern}");
    }
    let own = format!("{}\\d{{2}}", of_service / 100);
    let response = responses.get(&own).unwrap_or(&responses["default"]);
    response["statusCode"].as_str().unwrap().parse().unwrap()
}

#[test]
fn an_error_of_a_service_stays_an_error() {
    for Mapped { of, integration, .. } in mapped() {
        if integration["type"] == "mock" {
            continue;
        }
        let responses = &integration["responses"];
        for status in 100..600 {
            let seen = status_for(responses, status);
            match status / 100 {
                2 => assert_eq!(seen, 200, "{of}: {status}"),
                4 => assert!((400..600).contains(&seen), "{of}: {status} is {seen}"),
                _ => assert!((500..600).contains(&seen), "{of}: {status} is {seen}"),
            }
        }
    }
}

/// API Gateway keeps one integration response for each status, which must be a method response.
#[test]
fn each_status_is_declared_and_has_one_integration_response() {
    for Mapped { of, operation, integration } in mapped() {
        let mut patterns = BTreeMap::new();
        for (pattern, response) in integration["responses"].as_object().unwrap() {
            let status = response["statusCode"].as_str().unwrap().to_owned();
            assert_eq!(patterns.insert(status.clone(), pattern), None, "{of}: {status}");
            assert!(operation["responses"].get(&status).is_some(), "{of}: {status}");
        }
    }
}

/// The service's own text may name accounts, buckets and topics.
#[test]
fn an_error_has_its_own_text() {
    for Mapped { of, integration, .. } in mapped() {
        for response in integration["responses"].as_object().unwrap().values() {
            let status: u32 = response["statusCode"].as_str().unwrap().parse().unwrap();
            let body = response["responseTemplates"]["application/json"].as_str();
            if status >= 400 {
                let body: Value = serde_json::from_str(body.unwrap()).unwrap();
                assert!(body["message"].is_string(), "{of}: {status}");
            }
        }
    }
}
