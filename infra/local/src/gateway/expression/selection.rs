//! The expressions that select a template of a WebSocket API: `$request.body.a`, several in braces
//! with text around them, text alone, and `\$` for a dollar sign.
//!
//! The page is "WebSocket selection expressions" of the developer guide. Of the response, the status
//! and single headers are read.

use super::{Part, Path};

/// The longest expression, in bytes.
const MAX_LENGTH: usize = 1024;

/// The parts of an expression; `None` for one that is not read here.
pub(super) fn parts(text: &str) -> Option<Vec<Part>> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    if let Some(name) = text.strip_prefix('$').filter(|name| !name.starts_with('{')) {
        // The reserved key is often written without the escape.
        return Some(vec![if name == "default" { Part::Text(text.to_owned()) } else { of(name)? }]);
    }
    split(text, Part::Text, of)
}

/// Splits an expression at its `${…}`; `\` takes the next character as it is.
///
/// `text` makes the parts between them; empty ones are left out. `None` if `variable` knows no such
/// name.
pub(in crate::gateway) fn split<P>(
    expression: &str,
    text: impl Fn(String) -> P,
    variable: impl Fn(&str) -> Option<P>,
) -> Option<Vec<P>> {
    let (mut parts, mut literal) = (Vec::new(), String::new());
    let mut chars = expression.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => literal.push(chars.next()?),
            '$' => {
                let (name, rest) = chars.as_str().strip_prefix('{')?.split_once('}')?;
                if !literal.is_empty() {
                    parts.push(text(std::mem::take(&mut literal)));
                }
                parts.push(variable(name)?);
                chars = rest.chars();
            }
            other => literal.push(other),
        }
    }
    if !literal.is_empty() {
        parts.push(text(literal));
    }
    Some(parts)
}

/// The variable of this name.
fn of(name: &str) -> Option<Part> {
    if let Some(path) = name.strip_prefix("request.body") {
        return Path::parse(path).filter(|path| !path.is_whole()).map(Part::Body);
    }
    match name.strip_prefix("integration.response.")? {
        "statuscode" => Some(Part::ResponseStatus),
        rest => Some(Part::ResponseHeader(rest.strip_prefix("header.")?.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_texts_and_variables() {
        let text = |text: &str| Part::Text(text.to_owned());
        let body = |path: &str| Part::Body(Path::parse(path).unwrap());
        let status = Part::ResponseStatus;
        for (expression, expected) in [
            ("200", vec![text("200")]),
            ("\\$default", vec![text("$default")]),
            ("$default", vec![text("$default")]),
            ("$request.body.a.b[0]", vec![body(".a.b[0]")]),
            ("${request.body.a}-beta", vec![body(".a"), text("-beta")]),
            ("v${integration.response.statuscode}", vec![text("v"), status.clone()]),
            ("$integration.response.statuscode", vec![status]),
            (
                "${integration.response.header.X-Kind}",
                vec![Part::ResponseHeader("X-Kind".to_owned())],
            ),
            ("", vec![]),
        ] {
            assert_eq!(parts(expression).as_ref(), Some(&expected), "{expression}");
        }
        let long = "a".repeat(MAX_LENGTH + 1);
        for wrong in [
            "$request.body",
            "$request.body..a",
            "$request.header.a",
            "$context.routeKey",
            "${integration.response.multivalueheader.a}",
            "${request.body.a",
            "a$b",
            "a\\",
            &long,
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
