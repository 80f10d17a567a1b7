//! YAML or JSON as data, with CloudFormation's short forms spelled out.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value, json};

/// Reads one document.
///
/// # Errors
/// It is not YAML, is too long or nested too deep, or has an alias, which could make it endless.
pub(super) fn parse(content: &[u8]) -> Result<Value, String> {
    if content.len() as u64 > super::MOST {
        return Err(format!("it is longer than {} bytes", super::MOST));
    }
    let text = str::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
    check(text)?;
    let documents =
        Yaml::load_from_str(text).map_err(|error| format!("it is not YAML: {error}"))?;
    match documents.as_slice() {
        [document] => long_form(document),
        _ => Err("it must have one document".to_owned()),
    }
}

/// Reads the events alone, before anything is built of them.
fn check(text: &str) -> Result<(), String> {
    let mut depth = 0_usize;
    for event in Parser::new_from_str(text) {
        match event.map_err(|error| format!("it is not YAML: {error}"))?.0 {
            Event::Alias(_) => return Err("it has an alias (`*name`): write it out".to_owned()),
            Event::SequenceStart(..) | Event::MappingStart(..) => depth = depth.saturating_add(1),
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(format!("it is nested deeper than {DEEPEST}"));
        }
    }
    Ok(())
}

fn long_form(yaml: &Yaml<'_>) -> Result<Value, String> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(entries) => {
            Value::Array(entries.iter().map(long_form).collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(entries) => {
            let mut members = Map::new();
            for (name, value) in entries {
                let name = match long_form(name)? {
                    Value::String(name) => name,
                    other => other.to_string(),
                };
                members.insert(name, long_form(value)?);
            }
            Value::Object(members)
        }
        Yaml::Tagged(tag, value) => {
            let value = long_form(value)?;
            match (tag.suffix.as_str(), value) {
                (name @ ("Ref" | "Condition"), value) => json!({ name: value }),
                ("GetAtt", Value::String(path)) => {
                    let parts: Vec<&str> = path.splitn(2, '.').collect();
                    json!({ "Fn::GetAtt": parts })
                }
                (name, value) => json!({ format!("Fn::{name}"): value }),
            }
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            return Err("it has a value that is not YAML's".to_owned());
        }
    })
}

const DEEPEST: usize = 100;
