//! The OPTIONS methods of `Cors`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::gateway::{Expression, IntegrationResponse, Payload, Templates};
use crate::template::openapi::literal;
use crate::template::route::Target;
use crate::template::text::text_of;
use crate::template::{Api, Integration, Route};

/// The methods that SAM names for `ANY`.
const EVERY_METHOD: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// The headers of `Cors`, as expressions: a text in single quotes, as in any method's answer.
pub(super) fn cors(
    found: &Value,
    api: &str,
    notes: &mut Vec<String>,
) -> BTreeMap<&'static str, Value> {
    let mut headers = BTreeMap::new();
    let whole = json!({ "AllowOrigin": found });
    let found = if found.is_string() { &whole } else { found };
    for (name, member) in [
        ("Access-Control-Allow-Origin", "AllowOrigin"),
        ("Access-Control-Allow-Headers", "AllowHeaders"),
        ("Access-Control-Allow-Methods", "AllowMethods"),
        ("Access-Control-Max-Age", "MaxAge"),
    ] {
        let Some(value) = found.get(member) else { continue };
        if literal(value).is_none() {
            notes.push(format!(
                "{api}: `{member}` of `Cors` is left out: API Gateway takes a text in single \
                 quotes, such as \"'*'\""
            ));
        }
        headers.insert(name, value.clone());
    }
    headers.entry("Access-Control-Allow-Origin").or_insert_with(|| json!("'*'"));
    if found.get("AllowCredentials").and_then(text_of).as_deref() == Some("true") {
        headers.insert("Access-Control-Allow-Credentials", json!("'true'"));
    }
    headers
}

/// Adds a method OPTIONS to each path that has none, if the API has `Cors`.
pub(in crate::template) fn preflights(api: &mut Api, notes: &mut Vec<String>) {
    let Some(cors) = &api.sam.cors else { return };
    let mut paths: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for route in &api.routes {
        if let Some((method, path)) = route.key.split_once(' ') {
            paths.entry(path).or_default().insert(method);
        }
    }
    let mut added = Vec::new();
    for (path, mut methods) in paths {
        if methods.contains("OPTIONS") {
            continue;
        }
        if methods.contains("ANY") {
            methods.extend(EVERY_METHOD);
            methods.remove("ANY");
        }
        methods.insert("OPTIONS");
        let methods: Vec<&str> = methods.into_iter().collect();
        let mut headers = cors.clone();
        let methods = json!(format!("'{}'", methods.join(",")));
        headers.entry("Access-Control-Allow-Methods").or_insert(methods);
        let texts = headers.iter().filter_map(|(name, value)| Some((*name, literal(value)?)));
        let headers = texts.map(|(name, value)| (name.to_owned(), value)).collect();
        let key = format!("OPTIONS {path}");
        let (authorizer, needs_key) = api.sam.guards(&key, None, None);
        let integration = preflight(headers);
        let target = Target::new(integration, Payload::V2, None);
        added.push(Route::new(key, authorizer, needs_key, target));
    }
    let names = |guarded: bool, remedy: &str| {
        guarded.then(|| {
            format!(
                "{}: preflight requests need what browsers do not send with them: {remedy}",
                api.name
            )
        })
    };
    let is_guarded = added.iter().any(|route| route.authorizer.is_some());
    let needs_key = added.iter().any(|route| route.needs_key);
    let has_default = api.sam.default_authorizer.is_some() && api.sam.guards_preflights;
    let has_key = api.sam.needs_key && api.sam.needs_key_for_preflights;
    for (guarded, remedy) in [
        (is_guarded && has_default, "set `Auth.AddDefaultAuthorizerToCorsPreflight: false`"),
        (needs_key && has_key, "set `Auth.AddApiKeyRequiredToCorsPreflight: false`"),
        (
            (is_guarded && !has_default) || (needs_key && !has_key),
            "the definition's `security` is for them too: add a method OPTIONS with `security: []` \
             to its paths",
        ),
    ] {
        notes.extend(names(guarded, remedy));
    }
    api.routes.extend(added);
}

/// The answer of the OPTIONS methods that SAM makes for `Cors`.
fn preflight(headers: BTreeMap<String, String>) -> Integration {
    let of = |text: &str| vec![("application/json".to_owned(), Expression::text(text))];
    let headers = headers.into_iter().map(|(name, value)| (name, Expression::text(&value)));
    let headers = headers.collect();
    Integration::Mock(Templates {
        requests: of(r#"{"statusCode": 200}"#),
        responses: vec![IntegrationResponse {
            status: Some(200),
            headers,
            bodies: of("{}\n"),
            ..IntegrationResponse::default()
        }],
        ..Templates::default()
    })
}
