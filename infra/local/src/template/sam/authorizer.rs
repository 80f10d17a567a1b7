//! Authorizers in SAM's form.

use serde_json::Value;

use crate::template::authorizer::Wanted;
use crate::template::guard::{list, other_form, text};
use crate::template::{Authorizer, Family};

/// Reads an authorizer in SAM's form.
pub(super) fn authorizer(family: Family, found: &Value) -> Authorizer {
    read(family, found).unwrap_or_else(Authorizer::unserved)
}

fn read(family: Family, found: &Value) -> Result<Authorizer, String> {
    let Some(function) = text(found, "FunctionArn")? else {
        let kind = if found.get("UserPoolArn").is_some() {
            "authorizers of Cognito user pools"
        } else if found.get("JwtConfiguration").is_some() {
            "JWT authorizers"
        } else {
            "authorizers without a function"
        };
        return Err(kind.to_owned());
    };
    let identity = match found.get("Identity") {
        None => &Value::Null,
        Some(Value::String(unknown)) => return Err(format!("the identity sources `{unknown}`")),
        Some(identity) if identity.is_object() || identity.is_null() => identity,
        Some(_) => return Err(other_form("Identity")),
    };
    let kind = match text(found, "FunctionPayloadType")?.as_deref() {
        _ if family != Family::Rest => "request",
        None | Some("TOKEN") => "token",
        Some("REQUEST") => "request",
        Some(other) => return Err(format!("authorizers of the type `{other}`")),
    };
    let request = if family == Family::Rest { "method.request" } else { "$request" };
    let sign = if family == Family::Rest { "" } else { "$" };
    let mut sources = Vec::new();
    let mut headers = list(identity, "Headers")?;
    headers.extend(text(identity, "Header")?);
    sources.extend(headers.iter().map(|name| format!("{request}.header.{name}")));
    let queries = list(identity, "QueryStrings")?;
    sources.extend(queries.iter().map(|name| format!("{request}.querystring.{name}")));
    let variables = list(identity, "StageVariables")?;
    sources.extend(variables.iter().map(|name| format!("{sign}stageVariables.{name}")));
    let context = list(identity, "Context")?;
    sources.extend(context.iter().map(|name| format!("{sign}context.{name}")));
    let wanted = Wanted {
        sources,
        ttl: text(identity, "ReauthorizeEvery")?,
        validation: text(identity, "ValidationExpression")?,
        payload: text(found, "AuthorizerPayloadFormatVersion")?,
        is_simple: text(found, "EnableSimpleResponses")?.as_deref() == Some("true"),
        uri: function,
    };
    Authorizer::read(family, kind, &wanted)
}
