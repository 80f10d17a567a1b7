//! YAML and JSON as JSON values, with CloudFormation's short forms spelled out.

use std::borrow::Cow;
use std::collections::BTreeSet;

use saphyr::{Scalar, Yaml, YamlLoader};
use saphyr_parser::{Event, Parser, ScanError};
use serde_json::{Map, Number, Value, json};

/// The largest file, in bytes: CloudFormation's own limit for a template.
pub(super) const MAX_FILE: usize = 1024 * 1024;
/// The deepest nesting of lists and mappings.
const MAX_DEPTH: usize = 64;

/// The lines that are mended at most, each of which is one more reading.
const MAX_MENDED: usize = 50;

/// A document, and a line for each thing that was not as it should be.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) notes: Vec<String>,
}

/// Reads one document.
///
/// # Errors
/// The reason why it cannot be read.
pub(super) fn parse(text: &str) -> Result<Document, String> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut text = Cow::Borrowed(text);
    let mut checked = check(&text);
    for _ in 0..MAX_MENDED {
        let Err(Fault::Scan(error)) = &checked else { break };
        let Some(mended) = indented(&text, error) else { break };
        text = mended.into();
        checked = check(&text);
    }
    let notes = checked.map_err(|fault| match fault {
        Fault::Scan(error) if error.info() == "invalid indentation in quoted scalar" => {
            format!("{error}: indent the lines that continue the text in quotes")
        }
        Fault::Scan(error) => error.to_string(),
        Fault::Refused(reason) => reason,
    })?;
    let mut loader = YamlLoader::<Yaml<'_>>::default();
    // The last one counts, as with CloudFormation; `check` names them.
    loader.allow_duplicate_keys(true);
    let loaded = Parser::new_from_str(&text).load(&mut loader, true);
    loaded.map_err(|error| error.to_string())?;
    match &loader.into_documents()[..] {
        [one] => Ok(Document { value: value(one)?, notes }),
        _ => Err("it must hold one document".to_owned()),
    }
}

/// Errors of [`check`].
enum Fault {
    /// The parser's own.
    Scan(ScanError),
    /// A form that is not read.
    Refused(String),
}

/// Indents a line of a list or map in brackets.
///
/// CloudFormation takes it at any indentation; this parser wants it deeper than its parent.
fn indented(text: &str, error: &ScanError) -> Option<String> {
    // Both are of lists and maps in brackets alone.
    if !["invalid indentation", "invalid indentation in flow construct"].contains(&error.info()) {
        return None;
    }
    let mut mended = String::with_capacity(text.len().saturating_add(MAX_DEPTH));
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if at.saturating_add(1) == error.marker().line() {
            mended.push_str(&" ".repeat(MAX_DEPTH));
        }
        mended.push_str(line);
    }
    Some(mended)
}

/// The members of a map so far, in the order of their reading; `None` for a list.
type Frame = Option<(BTreeSet<String>, bool)>;

/// Refuses what would take up more memory or stack than its text, before anything is built of it.
/// Names members that are defined twice.
fn check(text: &str) -> Result<Vec<String>, Fault> {
    let refused = |reason: String| Err(Fault::Refused(reason));
    let mut frames: Vec<Frame> = Vec::new();
    let mut notes = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(Fault::Scan)?;
        let line = span.start.line();
        let is_node =
            matches!(event, Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..));
        if let Some(Some((names, is_value))) = frames.last_mut().filter(|_| is_node) {
            if let (false, Event::Scalar(name, ..)) = (*is_value, &event) {
                if name == "<<" {
                    return refused(format!(
                        "it has a merge key `<<` in line {line}, which CloudFormation does not \
                         read: write the members out"
                    ));
                }
                if !names.insert(name.to_string()) {
                    notes.push(format!(
                        "`{name}` is defined a second time in line {line}: the last one counts"
                    ));
                }
            }
            if !*is_value && !matches!(event, Event::Scalar(..)) {
                return refused(format!(
                    "a member's name in line {line} must be a text or a number: put a value in \
                     braces in quotes"
                ));
            }
            *is_value = !*is_value;
        }
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if frames.len() >= MAX_DEPTH {
                    return refused(format!("it is nested too deep in line {line}"));
                }
                let is_map = matches!(event, Event::MappingStart(..));
                frames.push(is_map.then(|| (BTreeSet::new(), false)));
            }
            Event::SequenceEnd | Event::MappingEnd => drop(frames.pop()),
            Event::Alias(_) => {
                return refused(format!(
                    "it has an alias in line {line}, which CloudFormation does not read: write the \
                     value out"
                ));
            }
            _ => {}
        }
    }
    Ok(notes)
}

fn value(yaml: &Yaml<'_>) -> Result<Value, String> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => {
            // JSON has no such number as `.nan`, and null would be nothing at all.
            let value = value.into_inner();
            Number::from_f64(value).map_or_else(|| json!(value.to_string()), Value::Number)
        }
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(entries) => entries.iter().map(value).collect::<Result<_, _>>()?,
        Yaml::Mapping(entries) => {
            let mut map = Map::new();
            for (name, entry) in entries {
                let name = match name {
                    Yaml::Value(Scalar::String(name)) => name.to_string(),
                    Yaml::Value(Scalar::Integer(name)) => name.to_string(),
                    _ => return Err("a member's name must be a text or a number".to_owned()),
                };
                if map.insert(name.clone(), value(entry)?).is_some() {
                    return Err(format!("`{name}` is defined twice"));
                }
            }
            Value::Object(map)
        }
        Yaml::Tagged(tag, inner) => {
            let inner = value(inner)?;
            match (tag.suffix.as_str(), inner) {
                (name @ ("Ref" | "Condition"), inner) => json!({ name: inner }),
                ("GetAtt", Value::String(path)) => {
                    let (resource, attribute) = path.split_once('.').unwrap_or((&path, ""));
                    json!({"Fn::GetAtt": [resource, attribute]})
                }
                (name, inner) => json!({ format!("Fn::{name}"): inner }),
            }
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            return Err("it has something that CloudFormation does not read".to_owned());
        }
    })
}
