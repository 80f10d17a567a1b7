//! Mapping templates and integration responses.

use serde_json::Value;

use super::Found;
use crate::gateway::{Expression, IntegrationResponse, Passthrough, PatternError, Templates};
use crate::template::text::text_of;

impl Found<'_> {
    /// The request templates and integration responses.
    pub(super) fn templates(&self) -> Result<Templates, String> {
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
                    let pattern = found.text(&["selectionPattern"]);
                    responses.push(found.response(pattern.filter(|text| !text.is_empty()))?);
                }
            }
            _ => {}
        }
        Ok(Templates { requests: self.bodies("requestTemplates")?, passthrough, responses })
    }

    fn response(&self, pattern: Option<String>) -> Result<IntegrationResponse, String> {
        let pattern = pattern.map(|text| text.parse()).transpose();
        let pattern = pattern.map_err(|error: PatternError| format!("the pattern {error}"))?;
        let status = self.text(&["statusCode"]).and_then(|status| status.parse().ok());
        let mut headers = Vec::new();
        let parameters = self.get(&["responseParameters"]).and_then(Value::as_object);
        for (name, value) in parameters.into_iter().flatten() {
            let wrong = || format!("the mapping to `{name}`");
            let header = name.strip_prefix("method.response.header.").ok_or_else(wrong)?;
            let value = Expression::of_rest(&text_of(value).unwrap_or_default())?;
            headers.push((header.to_owned(), value));
        }
        let bodies = self.bodies("responseTemplates")?;
        Ok(IntegrationResponse { pattern, status: status.unwrap_or(200), headers, bodies })
    }

    /// Mapping templates, by content types.
    fn bodies(&self, name: &str) -> Result<Vec<(String, Expression)>, String> {
        let all = self.get(&[name]).and_then(Value::as_object).into_iter().flatten();
        all.map(|(kind, text)| {
            let template = Expression::of_template(&text_of(text).unwrap_or_default())?;
            Ok((kind.clone(), template))
        })
        .collect()
    }
}
