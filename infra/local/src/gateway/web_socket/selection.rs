//! The expression that names the route of a message: `$request.body.action`.
//!
//! Its forms and what they evaluate to are those of the developer guide's page "Create routes for
//! WebSocket APIs": one path, several in braces with text around them, text alone, and `\$` for a
//! dollar sign. A path that the message does not have is an empty text.

use std::iter::Peekable;
use std::str::{Chars, FromStr};

use serde_json::{Value, json};

use crate::gateway::expression::selection::split;
use crate::json::Step;
use crate::log::shortened;

/// The longest expression, in bytes.
const MAX_LENGTH: usize = 1024;
/// The characters of an expression that an error shows.
const SHOWN: usize = 200;
/// The start of every path.
const BODY: &str = "request.body";

/// An expression that selects a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Path(Vec<Step>),
}

/// Errors of parsing an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not evaluated here: write `$request.body.action`, or `${{request.body.a.b}}` with text around it"
)]
pub struct SelectionError(String);

impl Default for Selection {
    /// `$request.body.action`.
    fn default() -> Self {
        Self(vec![Part::Path(vec![Step::Member("action".to_owned())])])
    }
}

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let parts = if text.len() > MAX_LENGTH { None } else { parts(text) };
        parts.map(Self).ok_or_else(|| SelectionError(shortened(text, SHOWN)))
    }
}

/// The parts of an expression; `None` if it has another form.
fn parts(text: &str) -> Option<Vec<Part>> {
    if let Some(path) = text.strip_prefix('$').and_then(|rest| rest.strip_prefix(BODY)) {
        return Some(vec![Part::Path(steps(path)?)]);
    }
    let path = |inner: &str| Some(Part::Path(steps(inner.strip_prefix(BODY)?)?));
    split(text, Part::Text, path).filter(|parts| !parts.is_empty())
}

/// The steps of a path after the body: `.a`, `['a']`, `[0]`.
fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        steps.push(match c {
            '.' => Step::Member(name(&mut chars)?),
            '[' => step_in_brackets(&mut chars)?,
            _ => return None,
        });
    }
    (!steps.is_empty()).then_some(steps)
}

fn name(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut name = String::new();
    let is_part = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-');
    while let Some(c) = chars.next_if(is_part) {
        name.push(c);
    }
    (!name.is_empty()).then_some(name)
}

fn step_in_brackets(chars: &mut Peekable<Chars<'_>>) -> Option<Step> {
    let mut inner = String::new();
    loop {
        match chars.next()? {
            ']' => break,
            c => inner.push(c),
        }
    }
    let quoted = ['\'', '"']
        .iter()
        .find_map(|quote| inner.strip_prefix(*quote).and_then(|rest| rest.strip_suffix(*quote)));
    match quoted {
        Some(name) => Some(Step::Member(name.to_owned())),
        None => inner.parse().ok().map(Step::Item),
    }
}

impl Selection {
    /// An expression that names no route.
    pub(crate) const fn nothing() -> Self {
        Self(Vec::new())
    }

    /// Evaluates the expression for a message; `None` if the message is not JSON.
    pub(super) fn evaluate(&self, message: &str) -> Option<String> {
        let body: Value = serde_json::from_str(message).ok()?;
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Path(steps) => {
                steps.iter().try_fold(&body, member).map_or_else(String::new, text)
            }
        });
        Some(parts.collect())
    }

    /// A message that takes the route of this key, if there is a simple one.
    pub(crate) fn message(&self, key: &str) -> Option<Value> {
        let [Part::Path(steps)] = &self.0[..] else { return None };
        steps.iter().rev().try_fold(json!(key), |value, step| match step {
            Step::Member(name) => Some(json!({ name: value })),
            Step::Item(_) => None,
        })
    }
}

fn member<'v>(value: &'v Value, step: &Step) -> Option<&'v Value> {
    match step {
        Step::Member(name) => value.get(name),
        Step::Item(at) => value.get(at),
    }
}

/// The text of a value; a list is `[a, b]`.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(text).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str =
        r#"{"service": "chat", "action": "join", "data": {"room": "r1", "seats": [1, "b"]}}"#;

    fn of(expression: &str, message: &str) -> Option<String> {
        expression.parse::<Selection>().unwrap().evaluate(message)
    }

    #[test]
    fn expressions_evaluate_as_the_guide_says() {
        for (expression, expected) in [
            ("$request.body.action", "join"),
            ("${request.body.action}", "join"),
            ("${request.body.service}/${request.body.action}", "chat/join"),
            ("${request.body.action}-${request.body.none.at.all}", "join-"),
            ("action", "action"),
            ("\\$default", "$default"),
            ("$request.body.data.room", "r1"),
            ("$request.body['data'][\"room\"]", "r1"),
            ("$request.body.data.seats", "[1, b]"),
            ("$request.body.data.seats[1]", "b"),
            ("$request.body.data.seats[2]", ""),
            ("v-${request.body.data.seats[0]}", "v-1"),
        ] {
            assert_eq!(of(expression, CHAT).as_deref(), Some(expected), "{expression}");
        }
        assert_eq!(of("$request.body.a", r#"{"a": true}"#).as_deref(), Some("true"));
        assert_eq!(of("$request.body.a", r#"{"a": null}"#).as_deref(), Some(""));
        for message in ["", "text", "{", &"[".repeat(100_000)] {
            assert_eq!(of("$request.body.a", message), None, "no JSON");
        }
        assert_eq!(of("$request.body.a", "[]").as_deref(), Some(""));
    }

    #[test]
    fn other_expressions_are_refused() {
        let long = format!("$request.body.{}", "a".repeat(MAX_LENGTH));
        for wrong in [
            "",
            "$request.body",
            "$request.body.",
            "$request.body..a",
            "$request.bodya",
            "$request.body.a/b",
            "$request.body.*",
            "$request.body[-1]",
            "$request.body[0",
            "$request.header.a",
            "${request.body.a",
            "$context.routeKey",
            "$",
            "a\\",
            &long,
        ] {
            let error = wrong.parse::<Selection>().unwrap_err().to_string();
            assert!(error.chars().count() < 400, "{error}");
        }
    }

    #[test]
    fn a_message_that_takes_a_route_is_made_up() {
        let message = |text: &str| text.parse::<Selection>().unwrap().message("send");
        assert_eq!(message("$request.body.a.b"), Some(json!({"a": {"b": "send"}})));
        for other in ["send", "$request.body.a[0]", "${request.body.a}/${request.body.b}"] {
            assert_eq!(message(other), None, "{other}");
        }
    }
}
