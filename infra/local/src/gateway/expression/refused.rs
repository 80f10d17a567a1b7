//! Values in gateway responses: of the request's context, its stage and its parameters.
//!
//! The developer guide's page "Set up a gateway response for a REST API using the API Gateway
//! console" has them. Templates are plain substitution, without the Velocity language.

use super::{Part, of_request, of_stage};

/// Reads the name of a variable. A gateway response knows no body.
pub(super) fn variable(name: &str) -> Option<Part> {
    let part = of_stage(name).or_else(|| of_request(name, "method.request."));
    part.filter(|part| !matches!(part, Part::Body(_)))
}

/// Reads a template, in which every other text stays as it is.
pub(super) fn template(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        literal.push_str(before);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let end = after.find(|c: char| !is_name(c)).unwrap_or(after.len());
        // A full stop after a variable is a text's.
        let name = after.get(..end).unwrap_or_default().trim_end_matches('.');
        if let Some(part) = variable(name) {
            parts.extend([Part::Text(std::mem::take(&mut literal)), part]);
            rest = after.get(name.len()..).unwrap_or_default();
        } else {
            literal.push('$');
            rest = after;
        }
    }
    literal.push_str(rest);
    parts.push(Part::Text(literal));
    parts.retain(|part| *part != Part::Text(String::new()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_of_a_gateway_response_is_plain_substitution() {
        let text = |text: &str| Part::Text(text.to_owned());
        assert_eq!(
            template("a $context.stage. $$stageVariables.a $method.request.header.X-A $input.body"),
            [
                text("a "),
                Part::Context("stage".to_owned()),
                text(". $"),
                Part::StageVariable("a".to_owned()),
                text(" "),
                Part::Header("X-A".to_owned()),
                text(" $input.body"),
            ]
        );
        for literal in ["$5", "$method.request.body.a", "#if($a)", "$"] {
            assert_eq!(template(literal), [text(literal)]);
        }
    }
}
