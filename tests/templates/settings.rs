//! Settings that no test of a request would show to be wrong.

use serde_json::{Value, json};

use crate::files::{each_mapping, resources, templates};

/// A cached Allow goes uncounted, and a cached refusal outlasts the limit.
#[test]
fn no_verdict_is_cached() {
    let mut found = 0;
    for template in templates() {
        for (name, authorizer) in resources(&template.content, "AWS::ApiGatewayV2::Authorizer") {
            found += 1;
            // API Gateway caches nothing on a WebSocket API, and accepts no time for it.
            let is_socket = authorizer["IdentitySource"] == json!([]);
            let ttl = authorizer.get("AuthorizerResultTtlInSeconds");
            assert_eq!(ttl, (!is_socket).then_some(&json!(0)), "{} {name}", template.path);
        }
        for (name, authorizer) in resources(&template.content, "AWS::ApiGateway::Authorizer") {
            found += 1;
            assert_eq!(authorizer["AuthorizerResultTtlInSeconds"], 0, "{} {name}", template.path);
        }
        each_mapping(&template.content, &mut |map| {
            if let Some(authorizer) = map.get("x-amazon-apigateway-authorizer") {
                found += 1;
                assert_eq!(authorizer["authorizerResultTtlInSeconds"], 0, "{}", template.path);
            }
        });
    }
    assert_eq!(found, 5);
}

#[test]
fn logs_end_and_hold_no_requests() {
    for template in templates() {
        let content = &template.content;
        for (name, group) in resources(content, "AWS::Logs::LogGroup") {
            assert!(group.get("RetentionInDays").is_some(), "{} {name}", template.path);
        }
        for (name, function) in resources(content, "AWS::Serverless::Function") {
            let group = function["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap();
            let kind = &content["Resources"][group]["Type"];
            assert_eq!(kind, "AWS::Logs::LogGroup", "{} {name}", template.path);
            assert_ne!(function["LoggingConfig"]["ApplicationLogLevel"], "TRACE", "{name}");
        }
        // API Gateway's execution log would hold whole requests, tokens included.
        each_mapping(content, &mut |map| {
            for name in ["DataTraceEnabled", "LoggingLevel"] {
                assert_eq!(map.get(name), None, "{}: {name}", template.path);
            }
        });
        if let Some(level) = content["Parameters"].get("LogLevel") {
            assert_eq!(level["AllowedValues"], json!(["INFO", "DEBUG"]), "{}", template.path);
        }
    }
}

/// Consoles and logs show outputs.
#[test]
fn no_output_is_a_secret() {
    for template in templates() {
        let mut secrets = vec![json!("ClientSecret")];
        for (_, key) in resources(&template.content, "AWS::ApiGateway::ApiKey") {
            secrets.extend(key.get("Value").cloned());
        }
        let outputs = template.content["Outputs"].as_object().cloned().unwrap_or_default();
        for (name, output) in outputs {
            let shown = holds(&output, &secrets);
            assert!(!shown, "{} {name}", template.path);
        }
    }
}

fn holds(value: &Value, sought: &[Value]) -> bool {
    sought.contains(value)
        || match value {
            Value::Array(entries) => entries.iter().any(|entry| holds(entry, sought)),
            Value::Object(map) => map.values().any(|entry| holds(entry, sought)),
            _ => false,
        }
}
