//! YAML and JSON as JSON values, with CloudFormation's short forms spelled out.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Number, Value, json};

/// The largest file, in bytes: CloudFormation's own limit for a template.
pub(super) const MAX_FILE: usize = 1024 * 1024;
/// The deepest nesting of lists and mappings.
const MAX_DEPTH: usize = 64;

/// Reads one document.
///
/// # Errors
/// The reason why it cannot be read.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    check(text)?;
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    match &documents[..] {
        [one] => value(one),
        _ => Err("it must hold one document".to_owned()),
    }
}

/// Refuses what would take up more memory or stack than its text, before anything is built of it.
fn check(text: &str) -> Result<(), String> {
    let mut depth: usize = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        let line = span.start.line();
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                depth = depth.saturating_add(1);
                if depth > MAX_DEPTH {
                    return Err(format!("it is nested too deep in line {line}"));
                }
            }
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            Event::Alias(_) => {
                return Err(format!(
                    "it has an alias in line {line}, which CloudFormation does not read: write the \
                     value out"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn value(yaml: &Yaml<'_>) -> Result<Value, String> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => {
            Number::from_f64(value.into_inner()).map_or(Value::Null, Value::Number)
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
