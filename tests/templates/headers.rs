//! Headers that a backend behind an HTTP API trusts.

use std::collections::BTreeSet;
use std::fs;

use crate::files::{resources, root, templates};

const PREFIX: &str = "x-authorizer-";

/// Headers that parameter mapping may not change, by AWS's documentation.
const RESERVED: [&str; 4] = ["access-control-", "apigw-", "x-amz-", "x-amzn-"];

/// Returns the names that the authorizer's answers can have in their context.
fn context_names() -> BTreeSet<String> {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let names = |text: &str, before: &str| -> BTreeSet<String> {
        let texts = text.split(before).skip(1);
        texts.map(|text| text.split('"').next().unwrap().to_owned()).collect()
    };
    let claims = read("authorizer/src/config/issuer/context.rs");
    let (_, defaults) = claims.split_once("let entries = [").unwrap();
    let (defaults, _) = defaults.split_once("];").unwrap();
    let claims = names(defaults, "(\"");
    let limits = names(&read("authorizer/src/response.rs"), "put(\"");
    assert!(claims.contains("groups") && limits.contains("throttled"), "{claims:?} {limits:?}");
    claims.union(&limits).cloned().collect()
}

/// A variable without a value may leave the caller's header, so each header is removed as well.
#[test]
fn no_value_of_a_caller_arrives_as_the_authorizer_s() {
    let mut found = 0;
    for template in templates() {
        for (_, integration) in resources(&template.content, "AWS::ApiGatewayV2::Integration") {
            found += 1;
            let mapping = integration["RequestParameters"].as_object().unwrap();
            for name in context_names() {
                let header = format!("{PREFIX}{}", name.to_ascii_lowercase());
                let of = |action: &str| mapping.get(&format!("{action}:header.{header}"));
                assert_eq!(of("remove").unwrap(), "''", "{header}");
                assert_eq!(of("overwrite").unwrap(), &format!("$context.authorizer.{name}"));
                assert!(!RESERVED.iter().any(|reserved| header.starts_with(reserved)));
            }
        }
    }
    assert!(found >= 1);
}

#[test]
fn every_overwritten_header_is_removed_first() {
    for template in templates() {
        for (name, integration) in resources(&template.content, "AWS::ApiGatewayV2::Integration") {
            let mapping = integration["RequestParameters"].as_object().unwrap();
            for key in mapping.keys() {
                assert!(!key.starts_with("append:"), "{name}: {key} keeps a caller's value");
                if let Some(place) = key.strip_prefix("overwrite:header.") {
                    assert!(mapping.contains_key(&format!("remove:header.{place}")), "{place}");
                }
            }
        }
    }
}
