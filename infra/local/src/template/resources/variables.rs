//! The variables of a function, without those that Lambda refuses.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::template::resource::Resource;
use crate::template::text::text_of;

/// The variables that Lambda sets itself: "Reserved environment variables" of its developer guide.
const RESERVED: [&str; 21] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];
/// The bytes of all names and values together: "Lambda quotas".
const MAX_BYTES: usize = 4096;

/// The variables of a function.
#[derive(Default)]
pub(super) struct Variables {
    pub(super) known: BTreeMap<String, String>,
    /// The names of those whose values are not known here.
    pub(super) unknown: Vec<String>,
}

/// Reads the variables of a function, and names those that make a deployment fail.
pub(super) fn read(resource: &Resource, notes: &mut Vec<String>) -> Variables {
    let all = resource.properties.pointer("/Environment/Variables").and_then(Value::as_object);
    let mut variables = Variables::default();
    for (name, value) in all.into_iter().flatten() {
        let reason = if RESERVED.contains(&name.as_str()) {
            "Lambda sets it itself"
        } else if !is_name(name) {
            "a name has two or more letters, digits and `_`, and begins with a letter"
        } else if value.is_null() {
            variables.unknown.push(name.clone());
            continue;
        } else if let Some(text) = text_of(value) {
            variables.known.insert(name.clone(), text);
            continue;
        } else {
            "its value is not a text"
        };
        notes.push(format!(
            "{}: the variable `{name}` is not set, and the deployment fails on AWS: {reason}",
            resource.name
        ));
    }
    let bytes: usize =
        variables.known.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
    if bytes > MAX_BYTES {
        notes.push(format!(
            "{}: its variables have {bytes} bytes: Lambda takes {MAX_BYTES}",
            resource.name
        ));
    }
    variables
}

/// The pattern of "Environment" in Lambda's API reference.
fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(is_part)
}
