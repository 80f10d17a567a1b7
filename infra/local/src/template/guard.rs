//! Settings of guards: authorizers, and keys that are needed.
//!
//! A setting of another form than API Gateway takes says that there is a guard, and not which. It
//! closes what it guards, because leaving it out would open that.

use serde_json::Value;

use super::api::OTHER_FORM;
use super::text::text_of;
use super::{Api, Family, Integration, Route};
use crate::gateway;

/// The name of a guard with `AuthorizerId` alone.
const UNTYPED: &str = "AuthorizerId without AuthorizationType";

/// The name of a guard; `None` if the setting is missing or null.
pub(super) fn name(found: Option<&Value>) -> Option<String> {
    let found = found.filter(|found| !found.is_null())?;
    Some(text_of(found).unwrap_or_else(|| OTHER_FORM.to_owned()))
}

/// Returns true unless the setting is `false`, missing or null.
pub(super) fn is_needed(found: Option<&Value>) -> bool {
    name(found).is_some_and(|text| !text.eq_ignore_ascii_case("false"))
}

/// Names a setting that is neither `true` nor `false`, and is taken for `true`.
pub(super) fn note(place: &str, setting: &str, found: Option<&Value>) -> Option<String> {
    let text = name(found)?;
    let is_known = ["true", "false"].iter().any(|known| text.eq_ignore_ascii_case(known));
    (!is_known).then(|| {
        format!("{place}: `{setting}` is neither `true` nor `false`, and is taken for `true`")
    })
}

/// The authorizer of `AuthorizationType` and `AuthorizerId`.
pub(super) fn of_method(
    properties: &Value,
    place: &str,
    notes: &mut Vec<String>,
) -> Option<String> {
    let authorizer = name(properties.get("AuthorizerId"));
    match name(properties.get("AuthorizationType")).as_deref() {
        None => authorizer.map(|_| UNTYPED.to_owned()),
        Some("NONE") => {
            notes.extend(authorizer.map(|_| {
                format!(
                    "{place}: `AuthorizerId` has no effect beside `AuthorizationType: NONE`: the \
                     route is open"
                )
            }));
            None
        }
        Some("CUSTOM") => Some(authorizer.unwrap_or_default()),
        Some(kind) => Some(kind.to_owned()),
    }
}

/// Leaves guards to the routes where API Gateway asks them, and names the others.
pub(super) fn keep_asked(api: &mut Api) -> Vec<String> {
    let (is_socket, reason) = match api.family {
        Family::Rest => return Vec::new(),
        Family::Http => (false, "HTTP APIs have none"),
        Family::WebSocket => (true, "a WebSocket API asks at `$connect` alone"),
    };
    let (mut keys, mut authorizers) = (Vec::new(), Vec::new());
    for route in api.routes.iter_mut().filter(|route| !(is_socket && route.key == "$connect")) {
        if std::mem::take(&mut route.needs_key) {
            keys.push(route.key.as_str());
        }
        if is_socket && route.authorizer.take().is_some() {
            authorizers.push(route.key.as_str());
        }
    }
    let note = |(what, keys): (&str, Vec<&str>)| {
        let (first, more) = (keys.first()?, keys.len().saturating_sub(1));
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Some(format!("{}: no {what} is asked for at {first}{more}: {reason}", api.name))
    };
    [("API key", keys), ("authorizer", authorizers)].into_iter().filter_map(note).collect()
}

/// Closes open routes that could take the requests of a guarded one whose key is not a route.
pub(super) fn close_beside_unread(api: &mut Api) -> Vec<String> {
    if api.family == Family::WebSocket {
        return Vec::new();
    }
    let is_unread = |route: &&Route| {
        (route.authorizer.is_some() || route.needs_key)
            && gateway::Route::parse(&route.key).is_err()
    };
    let Some(unread) = api.routes.iter().find(is_unread).map(|route| route.key.clone()) else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    for route in &mut api.routes {
        let is_open = route.authorizer.is_none() && !route.needs_key;
        if is_open && (route.key == "$default" || route.key.ends_with("+}")) {
            let reason = format!("it could take the requests of the guarded `{unread}`");
            notes.push(format!(
                "{}: {}: answers 501: {reason}, which is not a route",
                api.name, route.key
            ));
            route.integration = Integration::Unserved(reason);
        }
    }
    notes
}

/// A part of an authorizer as a text; `None` if it is missing or null.
///
/// # Errors
/// It has another form.
pub(super) fn text(of: &Value, name: &str) -> Result<Option<String>, String> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(found) => text_of(found).map(Some).ok_or_else(|| other_form(name)),
    }
}

/// A part of an authorizer as a list of texts; empty if it is missing or null.
///
/// # Errors
/// It has another form.
pub(super) fn list(of: &Value, name: &str) -> Result<Vec<String>, String> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(entries)) => {
            entries.iter().map(|entry| text_of(entry).ok_or_else(|| other_form(name))).collect()
        }
        Some(_) => Err(other_form(name)),
    }
}

/// Identity sources: a list of texts, or one text with commas.
///
/// # Errors
/// They have another form.
pub(super) fn sources(of: &Value, name: &str) -> Result<Vec<String>, String> {
    if of.get(name).is_some_and(Value::is_array) {
        return list(of, name);
    }
    let joined = text(of, name)?.unwrap_or_default();
    Ok(joined.split(',').map(|source| source.trim().to_owned()).collect())
}

/// The reason why an authorizer with such a part is not asked.
pub(super) fn other_form(name: &str) -> String {
    format!("an authorizer whose `{name}` has another form")
}
