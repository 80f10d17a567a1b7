//! The variables of mapping templates, by plain substitution.

use super::{Function, Part, Path};

/// The largest template, in bytes (API Gateway's quotas page).
const MAX_TEMPLATE: usize = 300 * 1024;
/// The most functions around one another.
const MAX_DEPTH: usize = 4;

/// Words after `#` that are directives of the Velocity language.
const DIRECTIVES: [&str; 13] = [
    "if", "elseif", "else", "end", "set", "foreach", "break", "stop", "include", "parse", "macro",
    "define", "evaluate",
];

/// Reads a template; an error is the reason why it is not served.
pub(super) fn parts(text: &str) -> Result<Vec<Part>, String> {
    if text.len() > MAX_TEMPLATE {
        return Err("a mapping template larger than 300 KB".to_owned());
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '#']) {
        let (before, from) = rest.split_at(at);
        literal.push_str(before);
        if let Some(directive) = directive(from) {
            return Err(format!("`{directive}` in a mapping template"));
        }
        match reference(from, 0)? {
            Some(_) if literal.ends_with('\\') => {
                return Err("a `\\` before a variable in a mapping template".to_owned());
            }
            Some((part, after)) => {
                parts.extend([Part::Text(std::mem::take(&mut literal)), part]);
                rest = after;
            }
            // Velocity leaves a name that stands for nothing as it is, or leaves it out after `$!`.
            None if let Some(after) = quiet(from)? => rest = after,
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

/// The variable that a text begins with, and the text after it; `depth` functions are around it.
fn reference(text: &str, depth: usize) -> Result<Option<(Part, &str)>, String> {
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
        Some(("input", "body")) => (Part::Input, rest),
        Some(("input", "params")) => {
            let (name, rest) = argument(rest).ok_or_else(wrong)?;
            (Part::Parameter(name.to_owned()), rest)
        }
        Some(("input", form @ ("json" | "path"))) => {
            let (path, rest) = argument(rest).ok_or_else(wrong)?;
            let own = path.strip_prefix('$').and_then(Path::parse);
            let own = own.ok_or_else(|| format!("the path `{path}` in a mapping template"))?;
            (if form == "json" { Part::InputJson(own) } else { Part::InputPath(own) }, rest)
        }
        Some(("util", function)) if depth < MAX_DEPTH => {
            let function = Function::named(function).ok_or_else(wrong)?;
            let inner = rest.strip_prefix('(').ok_or_else(wrong)?.trim_start();
            let (part, rest) = reference(inner, depth.saturating_add(1))?.ok_or_else(wrong)?;
            let rest = rest.trim_start().strip_prefix(')').ok_or_else(wrong)?;
            let (function, rest) = function.with_quotes(rest);
            (Part::Function(function, Box::new(part)), rest)
        }
        _ => return Err(wrong()),
    };
    // A method, a member or an item of the value.
    let is_method = |rest: &str| rest.starts_with(char::is_alphabetic);
    if rest.strip_prefix('.').is_some_and(is_method) || rest.starts_with('[') {
        return Err(wrong());
    }
    match (braces, rest.strip_prefix('}')) {
        (true, Some(rest)) => Ok(Some((part, rest))),
        (true, None) => Err(wrong()),
        (false, _) => Ok(Some((part, rest))),
    }
}

/// The text after a name that a text begins with and that stands for nothing, if it is after `$!`.
fn quiet(text: &str) -> Result<Option<&str>, String> {
    let Some(after) = text.strip_prefix("$!") else { return Ok(None) };
    let inner = after.strip_prefix('{').unwrap_or(after);
    if !inner.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return Ok(None);
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let end = inner.find(|c: char| !is_name(c)).unwrap_or(inner.len());
    let name = inner.get(..end).unwrap_or_default().trim_end_matches('.');
    let rest = inner.get(name.len()..).unwrap_or_default();
    let after = if inner.len() < after.len() { rest.strip_prefix('}') } else { Some(rest) };
    match after.filter(|_| !rest.starts_with(['(', '['])) {
        Some(after) => Ok(Some(after)),
        None => Err(format!("`$!{name}` in a mapping template")),
    }
}

/// The text in quotes that a call has as its only argument, and the text after the call.
fn argument(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('(')?.trim_start();
    let quote = text.chars().next().filter(|c| "'\"".contains(*c))?;
    let (argument, rest) = text.strip_prefix(quote)?.split_once(quote)?;
    Some((argument, rest.trim_start().strip_prefix(')')?))
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
        let path = Path::parse(".a['b']").unwrap();
        assert_eq!(
            template(r#"$input.json('$') ${input.path("$.a['b']")}. $input.body"#),
            [
                Part::InputJson(Path::default()),
                text(" "),
                Part::InputPath(path.clone()),
                text(". "),
                Part::Input,
            ]
        );
        assert_eq!(
            template(r#"$util.urlEncode( $util.base64Decode($input.path("$.a['b']")) )&a"#),
            [
                Part::Function(
                    Function::UrlEncode,
                    Box::new(Part::Function(
                        Function::Base64Decode,
                        Box::new(Part::InputPath(path))
                    ))
                ),
                text("&a"),
            ]
        );
        let escaped = r#""$util.escapeJavaScript($input.json('$')).replaceAll("\\'","'")""#;
        let json = Box::new(Part::InputJson(Path::default()));
        assert_eq!(
            template(escaped),
            [text("\""), Part::Function(Function::EscapeJson, json), text("\"")]
        );
        assert_eq!(template("$5, $name and #1"), [text("$5, $name and #1")]);
        assert_eq!(template("$!name, $!{a.b}c $!x. $!5"), [text(", c . $!5")]);
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
            ("$util.parseJson($input.body)", "`$util.parseJson`"),
            ("$util.urlEncode($name)", "`$util.urlEncode`"),
            ("$util.urlEncode($input.body", "`$util.urlEncode`"),
            ("$util.urlEncode($input.body).length()", "`$util.urlEncode`"),
            ("$input.body.a", "`$input.body.a`"),
            ("$input.json($context.path)", "`$input.json`"),
            ("$input.path('$.a').size()", "`$input.path`"),
            ("$input.path('$.a')[0]", "`$input.path`"),
            ("$input.path('$..a')", "the path `$..a`"),
            ("$input.json('$.a[?(@.b)]')", "the path `$.a[?(@.b)]`"),
            ("$input.json('a')", "the path `a`"),
            ("$input.params().header", "`$input.params`"),
            ("$input.params('a').length()", "`$input.params`"),
            ("$context.requestId.length()", "`$context.requestId.length`"),
            ("${context.a", "`$context.a`"),
            ("\\$context.stage", "a `\\` before a variable"),
            ("$!name.size()", "`$!name.size`"),
            ("$!name[0]", "`$!name`"),
            ("$!{name", "`$!name`"),
        ] {
            let reason = parts(given).unwrap_err();
            assert_eq!(reason, format!("{named} in a mapping template"), "{given}");
        }
    }

    #[test]
    fn a_template_is_bounded() {
        assert!(parts(&"a".repeat(MAX_TEMPLATE)).is_ok());
        let error = parts(&"a".repeat(MAX_TEMPLATE + 1)).err();
        assert_eq!(error.as_deref(), Some("a mapping template larger than 300 KB"));
    }

    #[test]
    fn functions_around_one_another_are_bounded() {
        let nested = |depth: usize| {
            format!("{}$input.body{}", "$util.urlEncode(".repeat(depth), ")".repeat(depth))
        };
        assert!(parts(&nested(MAX_DEPTH)).is_ok());
        assert!(parts(&nested(100_000)).is_err());
    }
}
