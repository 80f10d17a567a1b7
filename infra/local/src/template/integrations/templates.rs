//! Mapping templates and integration responses.

use serde_json::Value;

use super::Found;
use crate::gateway::{Expression, IntegrationResponse, Passthrough, PatternError, Templates};
use crate::template::Family;
use crate::template::text::text_of;

impl Found<'_> {
    /// The request templates and integration responses.
    pub(super) fn templates(&self, family: Family) -> Result<Templates, String> {
        let passthrough = self.text(&["passthroughBehavior"]).unwrap_or_default();
        let passthrough = match passthrough.to_ascii_lowercase().as_str() {
            "never" => Passthrough::Never,
            "when_no_templates" => Passthrough::NoTemplates,
            _ => Passthrough::NoMatch,
        };
        let mut responses = Vec::new();
        match self.get(&["responses", "integrationResponses"]) {
            Some(Value::Object(by_pattern)) => {
                for (pattern, found) in by_pattern {
                    let pattern = (pattern != "default").then(|| pattern.clone());
                    responses.push(Found(found).response(pattern)?);
                }
            }
            Some(Value::Array(list)) => {
                for found in list.iter().map(Found) {
                    responses.push(match family {
                        Family::WebSocket => found.response_of_socket()?,
                        _ => {
                            let pattern = found.text(&["selectionPattern"]);
                            found.response(pattern.filter(|text| !text.is_empty()))?
                        }
                    });
                }
            }
            _ => {}
        }
        let selection = self.selection()?.filter(|_| family == Family::WebSocket);
        let requests = self.bodies("requestTemplates")?;
        Ok(Templates { requests, selection, passthrough, responses })
    }

    /// The expression that selects a template of a WebSocket API.
    fn selection(&self) -> Result<Option<Expression>, String> {
        let text = self.text(&["templateSelectionExpression"]);
        text.map(|text| Expression::of_selection(&text)).transpose()
    }

    /// An integration response of a WebSocket API, whose key is `$default` or a pattern in slashes.
    fn response_of_socket(&self) -> Result<IntegrationResponse, String> {
        let key = self.text(&["integrationResponseKey"]).unwrap_or_default();
        let inner = key.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let pattern = match inner {
            Some(pattern) => Some(pattern.to_owned()),
            None if key == "$default" => None,
            None => Some(regex_lite::escape(&key)),
        };
        let response = self.response(pattern)?;
        Ok(IntegrationResponse { status: None, selection: self.selection()?, ..response })
    }

    fn response(&self, pattern: Option<String>) -> Result<IntegrationResponse, String> {
        let pattern = pattern.map(|text| text.parse()).transpose();
        let pattern = pattern.map_err(|error: PatternError| format!("the pattern {error}"))?;
        let status = match self.text(&["statusCode"]) {
            Some(text) => {
                let wrong = |_| format!("the status `{text}`: write a number from 200 to 599");
                Some(text.parse().map_err(wrong)?)
            }
            None => None,
        };
        let mut headers = Vec::new();
        let parameters = self.get(&["responseParameters"]).and_then(Value::as_object);
        for (name, value) in parameters.into_iter().flatten() {
            let wrong = || format!("the mapping to `{name}`");
            let header = name.strip_prefix("method.response.header.").ok_or_else(wrong)?;
            let value = Expression::of_rest(&text_of(value).unwrap_or_default())?;
            headers.push((header.to_owned(), value));
        }
        let bodies = self.bodies("responseTemplates")?;
        let status = Some(status.unwrap_or(200));
        Ok(IntegrationResponse { pattern, status, headers, bodies, selection: None })
    }

    /// Mapping templates, by content types or by the keys of a WebSocket API.
    fn bodies(&self, name: &str) -> Result<Vec<(String, Expression)>, String> {
        let all = self.get(&[name]).and_then(Value::as_object).into_iter().flatten();
        all.map(|(kind, text)| {
            let template = Expression::of_template(&text_of(text).unwrap_or_default())?;
            Ok((kind.clone(), template))
        })
        .collect()
    }
}
