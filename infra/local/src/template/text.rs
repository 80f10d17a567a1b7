//! Scalars of a template as texts.

use std::collections::BTreeMap;

use serde_json::Value;

/// A scalar as text, as CloudFormation writes it.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}

/// Texts by name.
pub(super) fn texts(found: Option<&Value>) -> BTreeMap<String, String> {
    let all = found.and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.clone(), text_of(value)?))).collect()
}
