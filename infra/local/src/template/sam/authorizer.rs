//! Authorizers in SAM's form.

use serde_json::Value;

use crate::template::authorizer::Wanted;
use crate::template::text::text_of;
use crate::template::{Authorizer, Family};

/// Reads an authorizer in SAM's form.
pub(super) fn authorizer(family: Family, found: &Value) -> Authorizer {
    let text = |value: Option<&Value>| value.and_then(text_of);
    let Some(function) = text(found.get("FunctionArn")) else {
        let kind = if found.get("UserPoolArn").is_some() {
            "authorizers of Cognito user pools"
        } else if found.get("JwtConfiguration").is_some() {
            "JWT authorizers"
        } else {
            "authorizers without a function"
        };
        return Authorizer::unserved(kind.to_owned());
    };
    if let Some(unknown) = found.get("Identity").and_then(Value::as_str) {
        return Authorizer::unserved(format!("the identity sources `{unknown}`"));
    }
    let identity = found.get("Identity");
    let part = |name: &str| identity.and_then(|identity| identity.get(name));
    let list = |name: &str| {
        let entries = part(name).and_then(Value::as_array).into_iter().flatten();
        entries.filter_map(text_of).collect::<Vec<_>>()
    };
    let is_request = family != Family::Rest
        || text(found.get("FunctionPayloadType")).as_deref() == Some("REQUEST");
    let request = if family == Family::Rest { "method.request" } else { "$request" };
    let sign = if family == Family::Rest { "" } else { "$" };
    let mut sources = Vec::new();
    let mut headers = list("Headers");
    headers.extend(text(part("Header")));
    sources.extend(headers.iter().map(|name| format!("{request}.header.{name}")));
    let queries = list("QueryStrings");
    sources.extend(queries.iter().map(|name| format!("{request}.querystring.{name}")));
    let variables = list("StageVariables");
    sources.extend(variables.iter().map(|name| format!("{sign}stageVariables.{name}")));
    sources.extend(list("Context").iter().map(|name| format!("{sign}context.{name}")));
    let wanted = Wanted {
        sources,
        ttl: text(part("ReauthorizeEvery")),
        validation: text(part("ValidationExpression")),
        payload: text(found.get("AuthorizerPayloadFormatVersion")),
        is_simple: text(found.get("EnableSimpleResponses")).as_deref() == Some("true"),
        uri: function,
    };
    Authorizer::read(family, if is_request { "request" } else { "token" }, &wanted)
}
