//! A function that is a resource: its settings, variables and code.

use std::path::Path;
use std::time::Duration;

use super::variables;
use crate::template::resource::Resource;
use crate::template::text::text_of;
use crate::template::{Code, FunctionSettings, Inline};

/// The memory in megabytes and the time-out in seconds that Lambda takes: "Lambda quotas" of its
/// developer guide.
const MEMORY_MB: (u32, u32) = (128, 10_240);
const TIMEOUT: (u32, u32) = (1, 900);
/// The longest `FunctionName`: the same.
const MAX_NAME: usize = 64;

pub(super) fn read(
    resource: &Resource,
    folder: &Path,
    notes: &mut Vec<String>,
) -> FunctionSettings {
    let variables = variables::read(resource, notes);
    let metadata = |path: &str| resource.metadata.pointer(path).and_then(text_of);
    let member = |name: &str| resource.properties.get(name);
    let code = ["CodeUri", "Code"].into_iter().find_map(|name| resource.text(name));
    // CDK keeps the code beside the template, and uploads it when it deploys.
    let is_asset = metadata("/aws:asset:property").as_deref() == Some("Code");
    let asset = || metadata("/aws:asset:path").filter(|_| is_asset);
    let code = code.or_else(asset);
    let inline = member("InlineCode").or_else(|| member("Code")?.get("ZipFile"));
    let inline = inline.and_then(text_of);
    let text = |name: &str| resource.text(name).unwrap_or_default();
    // SAM's own tool takes the template's folder.
    let is_here = resource.kind == "AWS::Serverless::Function"
        && ["CodeUri", "ImageUri"].iter().all(|name| member(name).is_none());
    let code = code.or_else(|| is_here.then(|| ".".to_owned())).filter(|_| inline.is_none());
    FunctionSettings {
        name: name(resource, notes),
        inline: inline.map(|code| Inline {
            text: code,
            handler: text("Handler"),
            runtime: text("Runtime"),
        }),
        memory_mb: number(resource, "MemorySize", MEMORY_MB, notes),
        timeout: number(resource, "Timeout", TIMEOUT, notes)
            .map(|seconds| Duration::from_secs(seconds.into())),
        variables: variables.known.into_iter().collect(),
        unknown: variables.unknown,
        has_layers: resource.has_layers(),
        code: code.map(|code| Code {
            folder: folder.join(code),
            handler: text("Handler"),
            runtime: text("Runtime"),
            build: metadata("/BuildMethod"),
            binary: metadata("/BuildProperties/Binary"),
            is_inline: false,
        }),
    }
}

/// The function's own name. One that Lambda does not take is named.
fn name(resource: &Resource, notes: &mut Vec<String>) -> Option<String> {
    let own = resource.text("FunctionName")?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !(1..=MAX_NAME).contains(&own.len()) || !own.chars().all(is_part) {
        notes.push(format!(
            "{}: `FunctionName: {own}`: Lambda takes up to {MAX_NAME} letters, digits, `-` and `_`: \
             the logical id counts here",
            resource.name
        ));
        return None;
    }
    Some(own)
}

/// A number of a function's settings. One that Lambda does not take is named.
fn number(
    resource: &Resource,
    name: &str,
    (least, most): (u32, u32),
    notes: &mut Vec<String>,
) -> Option<u32> {
    let text = resource.text(name)?;
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    if number.is_none() {
        notes.push(format!(
            "{}: `{name}: {text}`: Lambda takes {least} to {most}: its default counts here",
            resource.name
        ));
    }
    number
}
