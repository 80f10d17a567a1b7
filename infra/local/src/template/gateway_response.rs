//! Gateway responses of REST APIs.

use serde_json::Value;

use super::text::text_of;
use crate::gateway::{Expression, GatewayResponse};

/// Reads a gateway response in the form of OpenAPI and of `AWS::ApiGateway::GatewayResponse`.
///
/// Names what API Gateway does not take.
pub(super) fn gateway_response(
    api: &str,
    name: &str,
    found: &Value,
    notes: &mut Vec<String>,
) -> GatewayResponse {
    let place = format!("{api}: gateway response `{name}`");
    let member = |names: [&str; 2]| names.into_iter().find_map(|name| found.get(name)).cloned();
    let mut texts = Vec::new();
    let parameters = member(["responseParameters", "ResponseParameters"]);
    for (name, value) in parameters.iter().filter_map(Value::as_object).flatten() {
        match (name.strip_prefix("gatewayresponse.header."), value) {
            (Some(header), Value::String(value)) => {
                texts.push((header.to_owned(), value.clone()));
            }
            // SAM's short form: `Headers: {Name: value}`.
            (None, Value::Object(all)) if name == "Headers" => {
                let all = all.iter().filter_map(|(name, value)| Some((name, text_of(value)?)));
                texts.extend(all.map(|(name, value)| (name.clone(), value)));
            }
            _ => {}
        }
    }
    let mut headers = Vec::new();
    for (header, text) in texts {
        match Expression::of_gateway_response(&text) {
            Ok(value) => headers.push((header, value)),
            Err(reason) => notes.push(format!(
                "{place}: the header `{header}` is left out: {reason}: write a text in single \
                 quotes, `method.request.header.NAME`, `context.NAME` or `stageVariables.NAME`"
            )),
        }
    }
    let templates = member(["responseTemplates", "ResponseTemplates"]);
    let body = templates.and_then(|all| text_of(all.get("application/json")?));
    let status = member(["statusCode", "StatusCode"]).as_ref().and_then(text_of);
    let number = status.as_ref().and_then(|status| status.parse().ok());
    if let Some(wrong) = status.filter(|_| number.is_none()) {
        notes.push(format!(
            "{place}: the status `{wrong}` is not a number from 200 to 599; the type's own is sent"
        ));
    }
    GatewayResponse {
        status: number,
        headers,
        body: body.map(|text| Expression::of_gateway_template(&text)),
    }
}
