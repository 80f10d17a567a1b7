//! Templates as JSON, with CloudFormation's short forms spelled out.

use std::fs;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// A template and its path below the repository's root.
pub(crate) struct Template {
    pub(crate) path: String,
    pub(crate) content: Value,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns every file below `infra/` that has resources.
pub(crate) fn templates() -> Vec<Template> {
    let mut files = Vec::new();
    walk(&root().join("infra"), &mut files);
    files.sort();
    let templates: Vec<Template> = files
        .into_iter()
        .map(|file| Template {
            path: file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
            content: parse(&fs::read_to_string(&file).unwrap()),
        })
        .filter(|template| template.content.get("Resources").is_some())
        .collect();
    assert!(templates.len() >= 7, "the demo, its two parts and four examples");
    templates
}

pub(crate) fn template(path: &str) -> Value {
    templates().into_iter().find(|template| template.path == path).unwrap().content
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && !["node_modules", "tests"].contains(&name) {
            walk(&path, files);
        } else if name.ends_with(".yaml") || name.ends_with(".yml") {
            files.push(path);
        }
    }
}

pub(crate) fn parse(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap();
    assert_eq!(documents.len(), 1);
    long_form(&documents[0])
}

fn long_form(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(entries) => entries.iter().map(long_form).collect(),
        Yaml::Mapping(entries) => {
            let pairs = entries.iter().map(|(name, value)| (key(name), long_form(value)));
            let map: Map<String, Value> = pairs.collect();
            assert_eq!(map.len(), entries.len(), "a name occurs twice");
            Value::Object(map)
        }
        Yaml::Tagged(tag, value) => {
            assert_eq!(tag.handle, "!");
            let value = long_form(value);
            match (tag.suffix.as_str(), value) {
                (name @ ("Ref" | "Condition"), value) => json!({ name: value }),
                ("GetAtt", Value::String(path)) => {
                    let (resource, attribute) = path.split_once('.').unwrap();
                    json!({"Fn::GetAtt": [resource, attribute]})
                }
                (name, value) => json!({ format!("Fn::{name}"): value }),
            }
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            panic!("CloudFormation does not read this: {yaml:?}")
        }
    }
}

fn key(yaml: &Yaml<'_>) -> String {
    match yaml {
        Yaml::Value(Scalar::String(name)) => name.to_string(),
        Yaml::Value(Scalar::Integer(name)) => name.to_string(),
        other => panic!("not a name: {other:?}"),
    }
}

/// Returns each resource of a type, with its logical name and properties.
pub(crate) fn resources<'a>(content: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let resources = content["Resources"].as_object().unwrap().iter();
    resources
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
        .collect()
}

/// Calls `visit` with every mapping, from the outside in.
pub(crate) fn each_mapping<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            visit(map);
            map.values().for_each(|value| each_mapping(value, visit));
        }
        Value::Array(entries) => entries.iter().for_each(|value| each_mapping(value, visit)),
        _ => {}
    }
}

#[test]
fn short_forms_are_spelled_out() {
    let read = parse(
        "a: !Ref B\nb: !GetAtt C.D.E\nc: !If [F, !Sub '${G}', !Ref AWS::NoValue]\n\
         d: !Join [',', [1, true]]\n4\\d{2}: !Equals\n  - x\n  - y\n",
    );
    let expected = json!({
        "a": {"Ref": "B"},
        "b": {"Fn::GetAtt": ["C", "D.E"]},
        "c": {"Fn::If": ["F", {"Fn::Sub": "${G}"}, {"Ref": "AWS::NoValue"}]},
        "d": {"Fn::Join": [",", [1, true]]},
        "4\\d{2}": {"Fn::Equals": ["x", "y"]},
    });
    assert_eq!(read, expected);
}
