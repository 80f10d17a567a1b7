//! The resources of a template that are made, with the values of their members.

use serde_json::{Map, Value};

use super::members::{Lacks, members};
use crate::template::resolve::{Resolver, TRANSFORM};
use crate::template::resource::Resource;
use crate::template::{Error, Template, guard, sam, tables, unserved};

/// The resources that are looked at, of those that are made, with SAM's `Globals` in them.
pub(super) fn resources(
    resolver: &Resolver<'_>,
    template: &mut Template,
) -> Result<Vec<Resource>, Error> {
    let notes = &mut template.notes;
    let mut lacks = Lacks::default();
    let globals = globals(resolver, &mut lacks, notes)?;
    let all = resolver.template.get("Resources").and_then(Value::as_object);
    let mut found = Vec::new();
    for (name, resource) in all.into_iter().flatten() {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        notes.extend(unread(name, kind, resource));
        resolver.at(&format!("Resources.{name}"));
        // One whose condition cannot be evaluated is named too.
        let setting = unserved::of_kind(name, kind, resource)
            .filter(|_| resolver.is_made(resource).unwrap_or(true));
        template.unserved.extend(setting);
        if !is_read(kind) {
            continue;
        }
        match resolver.is_made(resource) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(Error::Parameter(names)) => lacks.parameters.extend(names),
            Err(error) => return Err(error.at(name, "Condition")),
        }
        let empty = Value::Object(Map::new());
        let written = resource.get("Properties").unwrap_or(&empty);
        let properties = written;
        let included =
            properties.get(TRANSFORM).map(|_| resolver.resolve(properties)).transpose()?;
        let included = included.flatten();
        if included.as_ref().is_some_and(|included| !included.is_object()) {
            return Err(Error::Unknown(TRANSFORM.to_owned()).at(name, "Properties"));
        }
        let properties = included.as_ref().unwrap_or(properties);
        let includes = properties.pointer(&format!("/DefinitionBody/{TRANSFORM}")).is_some();
        let mut properties = members(resolver, kind, properties, &mut lacks)?;
        notes.extend(sam::as_written(name, written, &mut properties));
        let section = kind.strip_prefix("AWS::Serverless::");
        let global = section.and_then(|section| globals.get(section));
        global.map(|global| resolver.copy(global)).transpose()?;
        let properties = sam::merge(global, &properties);
        let metadata = resource.get("Metadata").cloned().unwrap_or_default();
        let (name, kind) = (name.clone(), kind.to_owned());
        found.push(Resource { name, kind, properties, metadata, includes });
    }
    if !lacks.parameters.is_empty() {
        return Err(Error::Parameter(lacks.parameters.into_iter().collect()));
    }
    notes.extend(lacks.notes());
    let implicit = sam::implicit(&found, &globals);
    found.extend(implicit);
    Ok(found)
}

/// Returns true for the kinds that are looked at, whose values must be known.
fn is_read(kind: &str) -> bool {
    const OTHERS: [&str; 3] = ["LayerVersion", "Application", "Connector"];
    const FAMILIES: [&str; 4] =
        ["AWS::ApiGateway::", "AWS::ApiGatewayV2::", "AWS::Serverless::", "AWS::Lambda::Function"];
    tables::is_table(kind)
        || (FAMILIES.iter().any(|family| kind.starts_with(family))
            && !OTHERS.iter().any(|other| kind.ends_with(other)))
}

/// Names a resource that may bring routes and is not read.
fn unread(name: &str, kind: &str, resource: &Value) -> Option<String> {
    if name.starts_with("Fn::") {
        return Some(format!("{name}: the resources that it brings are not read here"));
    }
    let members = ["TemplateURL", "Location"];
    let mut files =
        members.iter().filter_map(|member| resource.get("Properties")?.get(*member)?.as_str());
    let is_nested = ["AWS::CloudFormation::Stack", "AWS::Serverless::Application"].contains(&kind);
    let file = files.next().map(|file| format!(": to serve its APIs, name its template `{file}`"));
    is_nested
        .then(|| format!("{name}: nested stacks are not read here{}", file.unwrap_or_default()))
}

/// SAM's settings for every resource of a kind.
fn globals(
    resolver: &Resolver<'_>,
    lacks: &mut Lacks,
    notes: &mut Vec<String>,
) -> Result<Value, Error> {
    let sections = resolver.template.get("Globals").and_then(Value::as_object);
    let mut globals = Map::new();
    for (section, found) in sections.into_iter().flatten() {
        resolver.at(&format!("Globals.{section}"));
        let written = found;
        let mut found = members(resolver, section, found, lacks)?;
        notes.extend(sam::as_written(&format!("Globals.{section}"), written, &mut found));
        // An API's own settings would replace what is not known, and leave its routes open.
        let unknown = guard::name(found.get("Auth").filter(|auth| !auth.is_object()));
        if let Some(unknown) = unknown.filter(|_| lacks.parameters.is_empty()) {
            return Err(Error::Unknown(unknown).at(&format!("Globals.{section}"), "Auth"));
        }
        globals.insert(section.clone(), found);
    }
    Ok(Value::Object(globals))
}
