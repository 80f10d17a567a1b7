//! The variables of mapping templates, by plain substitution.

use super::Part;

/// Words after `#` that are directives of the Velocity language.
const DIRECTIVES: [&str; 13] = [
    "if", "elseif", "else", "end", "set", "foreach", "break", "stop", "include", "parse", "macro",
    "define", "evaluate",
];

/// Reads a template; an error is the reason why it is not served.
pub(super) fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '#']) {
        let (before, from) = rest.split_at(at);
        literal.push_str(before);
        if let Some(directive) = directive(from) {
            return Err(format!("`{directive}` in a mapping template"));
        }
        match reference(from)? {
            Some((part, after)) => {
                parts.extend([Part::Text(std::mem::take(&mut literal)), part]);
                rest = after;
            }
            // Velocity leaves a name that stands for nothing as it is.
            None => {
                let (sign, after) = from.split_at(1);
                literal.push_str(sign);
                rest = after;
            }
        }
    }
    literal.push_str(rest);
    parts.push(Part::Text(literal));
    parts.retain(|part| *part != Part::Text(String::new()));
    Ok(parts)
}

/// The directive that a text begins with.
fn directive(text: &str) -> Option<&str> {
    let after = text.strip_prefix('#')?;
    if after.starts_with(['#', '*', '[']) {
        return text.get(..2).filter(|_| !after.starts_with('[') || after.starts_with("[["));
    }
    let inner = after.strip_prefix('{').unwrap_or(after);
    let end = inner.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(inner.len());
    let name = inner.get(..end)?;
    let start = text.len().checked_sub(inner.len())?;
    DIRECTIVES.contains(&name).then(|| text.get(..start.saturating_add(end)).unwrap_or("#"))
}

/// The variable that a text begins with, and the text after it.
fn reference(text: &str) -> Result<Option<(Part, &str)>, String> {
    let Some(after) = text.strip_prefix('$') else { return Ok(None) };
    let after = after.strip_prefix('!').unwrap_or(after);
    let (braces, inner) = match after.strip_prefix('{') {
        Some(inner) => (true, inner),
        None => (false, after),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let end = inner.find(|c: char| !is_name(c)).unwrap_or(inner.len());
    // A full stop after a variable is a text's.
    let name = inner.get(..end).unwrap_or_default().trim_end_matches('.');
    let root = name.split('.').next().unwrap_or_default();
    if !["context", "stageVariables", "input", "util", "method"].contains(&root) {
        return Ok(None);
    }
    let rest = inner.get(name.len()..).unwrap_or_default();
    let wrong = || format!("`${name}` in a mapping template");
    let (part, rest) = match name.split_once('.') {
        Some(("context", path)) if !rest.starts_with('(') => (Part::Context(path.to_owned()), rest),
        Some(("stageVariables", own)) if !rest.starts_with('(') => {
            (Part::StageVariable(own.to_owned()), rest)
        }
        Some(("input", "body")) => (Part::Body, rest),
        Some(("input", "params")) => {
            let (argument, rest) =
                rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or_else(wrong)?;
            let argument = argument.trim();
            let quoted = |quote| argument.strip_prefix(quote)?.strip_suffix(quote);
            let argument = quoted('\'').or_else(|| quoted('"')).ok_or_else(wrong)?;
            // A method of the value, or an object of all parameters.
            if rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(char::is_alphabetic)) {
                return Err(wrong());
            }
            (Part::Parameter(argument.to_owned()), rest)
        }
        _ => return Err(wrong()),
    };
    match (braces, rest.strip_prefix('}')) {
        (true, Some(rest)) => Ok(Some((part, rest))),
        (true, None) => Err(wrong()),
        (false, _) => Ok(Some((part, rest))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Expression;

    fn template(text: &str) -> Vec<Part> {
        parts(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_template_has_texts_and_variables() {
        let text = |text: &str| Part::Text(text.to_owned());
        assert_eq!(
            template(
                r##"{"id": "$context.requestId.", "who": "$input.params('who')", "c": "#fff"}"##
            ),
            [
                text(r#"{"id": ""#),
                Part::Context("requestId".to_owned()),
                text(r#".", "who": ""#),
                Part::Parameter("who".to_owned()),
                text(r##"", "c": "#fff"}"##),
            ]
        );
        let braces = template("${context.stage}s$!{stageVariables.a}");
        let expected = [Part::Context("stage".into()), text("s"), Part::StageVariable("a".into())];
        assert_eq!(braces, expected);
        assert_eq!(template("$5, $name and #1"), [text("$5, $name and #1")]);
        assert_eq!(Expression::of_template("").unwrap().constant(), Some(""));
    }

    #[test]
    fn what_needs_velocity_is_named() {
        for (given, named) in [
            ("a #if($x)b#end", "`#if`"),
            ("#set($a = 1)", "`#set`"),
            ("#{foreach}", "`#{foreach`"),
            ("## a comment", "`##`"),
            ("#[[raw]]#", "`#[`"),
            ("$util.urlEncode('a')", "`$util.urlEncode`"),
            ("$input.path('$.a')", "`$input.path`"),
            ("$input.params().header", "`$input.params`"),
            ("$input.params('a').length()", "`$input.params`"),
            ("$context.requestId.length()", "`$context.requestId.length`"),
            ("${context.a", "`$context.a`"),
        ] {
            let reason = parts(given).unwrap_err();
            assert_eq!(reason, format!("{named} in a mapping template"), "{given}");
        }
    }
}
