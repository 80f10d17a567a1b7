//! YAML and JSON as JSON values, and references within them.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use serde_json::{Map, Number, Value, json};

/// The most values of a document, those that an anchor keeps and an alias repeats counted again.
const MOST_VALUES: usize = 500_000;

/// The bytes of a text that count as one more value.
const BYTES_OF_A_VALUE: usize = 32;

/// The deepest nesting of values.
const MOST_DEPTH: usize = 100;

/// The most references that lead from one to the next.
const MOST_STEPS: usize = 16;

/// Parses one YAML document; JSON is YAML. CloudFormation's short forms, such as `!Ref`, are spelled
/// out.
///
/// Aliases are replaced by what they name, so few of them could stand for any number of values.
/// All of those count.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax(&error))?;
        let at = |message: String| format!("line {}: {message}", span.start.line());
        reader.take(event).map_err(at)?;
    }
    reader.document.ok_or_else(|| "is empty".to_owned())
}

fn syntax(error: &ScanError) -> String {
    let marker = error.marker();
    let column = marker.col().saturating_add(1);
    format!("line {}, column {column}: not YAML: {}", marker.line(), error.info())
}

#[derive(Default)]
struct Reader {
    /// The collections that are open, from the outside in.
    open: Vec<Open>,
    /// Finished values with an anchor, each with its number of values.
    anchors: HashMap<usize, (Value, usize)>,
    values: usize,
    document: Option<Value>,
}

struct Open {
    anchor: usize,
    /// The number of values before it.
    before: usize,
    /// The function of a short form.
    function: Option<String>,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    /// The members, and the name of the next one.
    Map(Map<String, Value>, Option<String>),
}

impl Reader {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let text_values = (text.len() / BYTES_OF_A_VALUE).saturating_add(1);
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let value = if is_plain { plain(&text) } else { Value::String(text.into()) };
                let value = spelled_out(function(tag), value);
                let before = self.values;
                self.count(text_values)?;
                self.add(value, anchor, before)
            }
            Event::Alias(anchor) => {
                let Some((value, values)) = self.anchors.get(&anchor) else {
                    return Err(
                        "an alias names a value that contains it: write the value out".to_owned()
                    );
                };
                let (values, before) = (*values, self.values);
                // Counted before it is copied.
                if self.values.saturating_add(values) > MOST_VALUES {
                    return Err(too_many());
                }
                let value = value.clone();
                self.count(values)?;
                self.add(value, 0, before)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(anchor, function(tag), Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.open(anchor, function(tag), Content::Map(Map::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let Open { anchor, before, function, content } = open;
                let value = match content {
                    Content::List(items) => Value::Array(items),
                    Content::Map(members, _) => Value::Object(members),
                };
                self.add(spelled_out(function, value), anchor, before)
            }
            Event::DocumentStart(_) if self.document.is_some() => {
                Err("has a second document: give one".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        anchor: usize,
        function: Option<String>,
        content: Content,
    ) -> Result<(), String> {
        if self.open.len() >= MOST_DEPTH {
            return Err(format!(
                "is nested deeper than {MOST_DEPTH} levels: bring it closer to the top"
            ));
        }
        let before = self.values;
        self.count(1)?;
        self.open.push(Open { anchor, before, function, content });
        Ok(())
    }

    fn count(&mut self, values: usize) -> Result<(), String> {
        self.values = self.values.saturating_add(values);
        if self.values > MOST_VALUES { Err(too_many()) } else { Ok(()) }
    }

    /// Adds a finished value to the collection around it.
    fn add(&mut self, value: Value, anchor: usize, before: usize) -> Result<(), String> {
        if anchor > 0 {
            // The copy counts too: anchors within anchors would copy their content again and again.
            let values = self.values.saturating_sub(before);
            self.count(values)?;
            self.anchors.insert(anchor, (value.clone(), values));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.document = Some(value),
            Some(Content::List(items)) => items.push(value),
            Some(Content::Map(members, next)) => match next.take() {
                Some(name) => {
                    members.insert(name, value);
                }
                None => {
                    let name = name(value)?;
                    if members.contains_key(&name) {
                        return Err(format!("`{}` occurs twice: remove one", name.escape_debug()));
                    }
                    *next = Some(name);
                }
            },
        }
        Ok(())
    }
}

fn too_many() -> String {
    format!("has more than {MOST_VALUES} values, those of aliases included")
}

/// The function of a short form: `Ref` of `!Ref`.
fn function(tag: Option<Cow<'_, Tag>>) -> Option<String> {
    let tag = tag.filter(|tag| tag.handle == "!" && !tag.suffix.is_empty())?;
    Some(tag.into_owned().suffix)
}

/// A value as the argument of a function.
fn spelled_out(function: Option<String>, value: Value) -> Value {
    match (function, value) {
        (None, value) => value,
        (Some(name), value) if name == "Ref" || name == "Condition" => json!({ name: value }),
        (Some(name), Value::String(path)) if name == "GetAtt" => {
            json!({"Fn::GetAtt": path.splitn(2, '.').collect::<Vec<_>>()})
        }
        (Some(name), value) => json!({ format!("Fn::{name}"): value }),
    }
}

/// The name of a member; numbers such as `200` are written without quotes.
fn name(value: Value) -> Result<String, String> {
    match value {
        Value::String(name) if name == "<<" => {
            Err("`<<` is not in YAML 1.2: write the members out".to_owned())
        }
        Value::String(name) => Ok(name),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(name) => Ok(name.to_string()),
        Value::Null => Ok("null".to_owned()),
        Value::Array(_) | Value::Object(_) => {
            Err("a list or a mapping is the name of a member: write a text".to_owned())
        }
    }
}

/// A scalar without quotes. Only whole numbers are numbers: nothing here reads others.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        text => match text.parse::<i64>() {
            Ok(number) => Value::Number(Number::from(number)),
            Err(_) => Value::String(text.to_owned()),
        },
    }
}

/// Follows `$ref` from a value to one without it.
pub(crate) fn follow<'d>(document: &'d Value, from: &'d Value) -> Result<&'d Value, String> {
    let mut value = from;
    for _ in 0..MOST_STEPS {
        let Some(reference) = value.get("$ref") else { return Ok(value) };
        let Some(reference) = reference.as_str() else {
            return Err("`$ref` must be a text, such as `#/components/schemas/Order`".to_owned());
        };
        let shown = reference.escape_debug();
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(format!(
                "`$ref: {shown}` leads out of the file, and nothing else is read: bundle the \
                 description into one file"
            ));
        };
        let pointer = percent_decoded(pointer);
        value = document
            .pointer(&pointer)
            .ok_or_else(|| format!("`$ref: {shown}` leads to nothing in the file"))?;
    }
    Err(format!("`$ref` leads on for more than {MOST_STEPS} steps, or in a loop"))
}

/// Decodes `%7B`, as fragments of URIs write braces.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let decoded = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, decoded) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_are_read() {
        for (text, value) in [
            ("a: 1\nb: [x, true, ~]\n", json!({"a": 1, "b": ["x", true, null]})),
            ("{\n\t\"a\": \"\\u00e9\",\n\t\"b\": {}\n}", json!({"a": "é", "b": {}})),
            ("'200': x\n404: y", json!({"200": "x", "404": "y"})),
            ("a: &x {b: 1}\nc: *x", json!({"a": {"b": 1}, "c": {"b": 1}})),
            ("a: !!str 1\nb: '1'\nc: 1.5", json!({"a": "1", "b": "1", "c": "1.5"})),
            (
                "a: !Ref x\nb: !GetAtt x.Arn.y\nc: !If [d, !Sub 'x', {}]",
                json!({
                    "a": {"Ref": "x"}, "b": {"Fn::GetAtt": ["x", "Arn.y"]},
                    "c": {"Fn::If": ["d", {"Fn::Sub": "x"}, {}]},
                }),
            ),
            ("a: !Join\n  - ''\n  - [b]", json!({"a": {"Fn::Join": ["", ["b"]]}})),
            ("a: |\n  x\n  y\n", json!({"a": "x\ny\n"})),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (text, says) in [
            ("", "is empty"),
            ("a: 1\n---\nb: 1", "has a second document"),
            ("a: 1\na: 2", "line 2: `a` occurs twice"),
            ("{\"a\": 1, \"a\": 2}", "line 1: `a` occurs twice"),
            ("a: 1\nb: *x", "line 2"),
            ("a: &x [*x]", "line 1: an alias names a value that contains it"),
            ("b: &x {y: 1}\na:\n  <<: *x", "line 3: `<<` is not in YAML 1.2"),
            ("? [a, b]\n: 1", "a list or a mapping is the name"),
            ("a: [1", "not YAML"),
            ("a: b: c", "not YAML"),
        ] {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.contains(says), "{text}: {refusal}");
        }
    }

    #[test]
    fn hostile_documents_end_soon() {
        let laughs: String = (1..30)
            .map(|n| {
                let before = n - 1;
                format!("a{n}: &a{n} [{}]\n", vec![format!("*a{before}"); 9].join(", "))
            })
            .collect();
        let laughs = format!("a0: &a0 [lol, lol]\n{laughs}");
        let long = 1024 * 1024;
        for (name, text) in [
            ("laughs", laughs),
            ("lists", "[".repeat(long)),
            ("maps", "{".repeat(long)),
            ("entries", "- ".repeat(long)),
            ("keys", "? ".repeat(long)),
            ("values", "[a,".repeat(long)),
            ("items", format!("[{}]", "1,".repeat(long))),
            ("anchors", "&a ".repeat(long)),
            (
                "nested anchors",
                format!("{}{}{}", "&a [".repeat(90), "1,".repeat(100_000), "]".repeat(90)),
            ),
            ("long texts", format!("- &a {}\n{}", "x".repeat(long), "- *a\n".repeat(100_000))),
            ("tags", "!".repeat(long)),
            ("quotes", format!("\"{}", "\\x41".repeat(long))),
            ("indents", (0..2000).map(|n| format!("{}a:\n", " ".repeat(n))).collect()),
            ("comments", "#\n".repeat(long)),
            ("colons", "a: ".repeat(long)),
            ("control", "\0".repeat(long)),
            ("pipes", format!("a: |\n{}", " \n".repeat(long))),
        ] {
            let refused = parse(&text);
            assert!(refused.is_err() || name == "pipes" || name == "comments", "{name}");
        }
    }

    #[test]
    fn references_are_followed_within_the_file() {
        let document = json!({
            "a": {"$ref": "#/b"}, "b": {"$ref": "#/x~1{id}"}, "x/{id}": {"here": 1},
            "c": {"$ref": "#/x~1%7Bid%7D"}, "loop": {"$ref": "#/pool"}, "pool": {"$ref": "#/loop"},
            "self": {"$ref": "#/self"}, "file": {"$ref": "other.yaml#/a"},
            "remote": {"$ref": "https://example.com/x"}, "none": {"$ref": "#/zzz"},
            "number": {"$ref": 1},
        });
        let from = |name: &str| follow(&document, &document[name]);
        for name in ["a", "b", "c", "x/{id}"] {
            assert_eq!(from(name), Ok(&json!({"here": 1})), "{name}");
        }
        for (name, says) in [
            ("loop", "in a loop"),
            ("self", "in a loop"),
            ("file", "`$ref: other.yaml#/a` leads out of the file"),
            ("remote", "leads out of the file"),
            ("none", "leads to nothing"),
            ("number", "must be a text"),
        ] {
            let refusal = from(name).unwrap_err();
            assert!(refusal.contains(says), "{name}: {refusal}");
        }
    }
}
