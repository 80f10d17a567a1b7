//! Settings that SAM reads as they are written: it evaluates no functions in them.

use serde_json::{Map, Value, json};

use crate::template::text::text_of;

/// The settings in an API's `Auth` that are true or false.
const OF_API: [&str; 3] =
    ["ApiKeyRequired", "AddDefaultAuthorizerToCorsPreflight", "AddApiKeyRequiredToCorsPreflight"];
/// The settings in an event's `Auth` that are true or false.
const OF_EVENT: [&str; 2] = ["ApiKeyRequired", "OverrideApiAuth"];

/// Puts SAM's reading of the settings of guards in the place of their values.
pub(in crate::template) fn as_written(
    place: &str,
    written: &Value,
    evaluated: &mut Value,
) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(auth) = evaluated.get_mut("Auth").and_then(Value::as_object_mut) {
        let written = written.get("Auth");
        let default = written.and_then(|written| written.get("DefaultAuthorizer"));
        // SAM knows the value of a `Ref` to a parameter here.
        if let Some(function) = default.and_then(function).filter(|name| *name != "Ref") {
            notes.push(refused(place, function, "Auth.DefaultAuthorizer"));
            let guard = format!("{function} in DefaultAuthorizer");
            auth.insert("DefaultAuthorizer".to_owned(), json!(guard));
        }
        settings(place, &OF_API, written, auth, &mut notes);
    }
    let events = evaluated.get_mut("Events").and_then(Value::as_object_mut);
    for (name, event) in events.into_iter().flatten() {
        let written = written.get("Events").and_then(|events| events.get(name));
        let written = written.and_then(|event| event.pointer("/Properties/Auth"));
        if let Some(properties) = event.get_mut("Properties").and_then(Value::as_object_mut) {
            of_event(&format!("{place}.{name}"), written, properties, &mut notes);
        }
    }
    notes
}

/// Reads an event's `Auth`. SAM refuses a function as an authorizer, which closes the route.
fn of_event(
    place: &str,
    written: Option<&Value>,
    properties: &mut Map<String, Value>,
    notes: &mut Vec<String>,
) {
    // `Ref` gives a text, which guards all the same, or nothing.
    if let Some(function) = written.and_then(function).filter(|name| *name != "Ref") {
        notes.push(refused(place, function, "Auth"));
        let guard = json!({"Authorizer": format!("{function} in Auth")});
        properties.insert("Auth".to_owned(), guard);
        return;
    }
    let Some(auth) = properties.get_mut("Auth").and_then(Value::as_object_mut) else { return };
    let authorizer = written.and_then(|written| written.get("Authorizer"));
    if let Some(function) = authorizer.and_then(function) {
        notes.push(refused(place, function, "Auth.Authorizer"));
        auth.insert("Authorizer".to_owned(), json!(format!("{function} in Authorizer")));
    }
    settings(place, &OF_EVENT, written, auth, notes);
}

fn refused(place: &str, function: &str, member: &str) -> String {
    format!(
        "{place}: SAM does not evaluate `{function}` in `{member}`: a route that it guards answers \
         501"
    )
}

/// Replaces settings by `true` or `false`, and names those that become `true` by it.
fn settings(
    place: &str,
    names: &[&str],
    written: Option<&Value>,
    auth: &mut Map<String, Value>,
    notes: &mut Vec<String>,
) {
    for name in names {
        // What a function or a file brings is known by its value alone.
        let written = written.and_then(|written| written.get(*name));
        let Some(setting) = written.or_else(|| auth.get(*name)) else { continue };
        if setting.is_null() || setting.is_boolean() {
            continue;
        }
        let is_true = is_true(setting);
        let before = auth.insert((*name).to_owned(), json!(is_true));
        let before = before.as_ref().and_then(text_of).unwrap_or_default();
        if is_true && !before.eq_ignore_ascii_case("true") {
            notes.push(format!(
                "{place}: `Auth.{name}` is neither `true` nor `false` as it is written, and SAM \
                 takes it for `true`: it evaluates no text and no function there"
            ));
        }
    }
}

/// SAM's truth of a written setting, which is Python's: a function and `'false'` are true.
fn is_true(written: &Value) -> bool {
    match written {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(entries) => !entries.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// The function that a value is.
fn function(written: &Value) -> Option<&str> {
    let only = written.as_object().filter(|map| map.len() == 1)?;
    let name = only.keys().next()?;
    (name == "Ref" || name.starts_with("Fn::")).then_some(name)
}
