//! Events for routes that an API's definition may have, and events that SAM refuses.

use serde_json::Value;

use crate::template::api::{Events, OTHER_FORM};
use crate::template::route::{ELSEWHERE, NO_INTEGRATION, Target};
use crate::template::{Api, Family, Integration, Route, guard};

/// Returns true if the API has the route.
pub(super) fn has(api: &Api, key: &str) -> bool {
    api.routes.iter().any(|route| route.key == key)
}

/// Returns true for a route whose definition is not known here: it may guard the route.
pub(super) fn is_elsewhere(api: &Api, key: &str) -> bool {
    let (_, path) = key.split_once(' ').unwrap_or_default();
    let any = format!("ANY {path}");
    let mut found = api.routes.iter().filter(|route| route.key == key || route.key == any);
    found.any(|route| is_unserved(route, ELSEWHERE))
}

/// The rest of a note on a route that two events make.
pub(super) fn twice(events: Events) -> &'static str {
    match events {
        Events::Make => {
            ", which SAM refuses: the first function by its logical id has it here, with the guards \
             of both"
        }
        Events::Replace => ", which answers 501: which of them counts on AWS is not known here",
        _ => ": the first function by its logical id has it here, with the guards of both",
    }
}

fn is_unserved(route: &Route, wanted: &str) -> bool {
    matches!(&route.integration, Integration::Unserved(reason) if reason == wanted)
}

/// Returns true for an event's `Auth` that counts for a definition too.
pub(super) fn overrides(auth: &Value) -> bool {
    guard::is_needed(auth.get("OverrideApiAuth"))
}

/// The default authorizer for an HTTP API's event with an `Auth` that names none.
///
/// SAM puts it on OPTIONS methods too, which have no default authorizer otherwise.
pub(super) fn named_default(api: &Api, auth: Option<&Value>) -> Option<String> {
    let is_named = api.family == Family::Http && is_filled(auth);
    api.sam.default_authorizer.clone().filter(|_| is_named)
}

fn is_filled(auth: Option<&Value>) -> bool {
    auth.and_then(Value::as_object).is_some_and(|auth| !auth.is_empty())
}

/// The reason why SAM refuses an event's `Auth`, whose authorizer and need of a key are these.
pub(super) fn refused(
    api: &Api,
    auth: Option<&Value>,
    (own, needs_key): (Option<&str>, Option<bool>),
) -> Option<String> {
    if !api.is_here {
        return None;
    }
    let default = api.sam.default_authorizer.as_deref();
    let lacks_default = default.is_none_or(|name| name == OTHER_FORM);
    let is_http = api.family == Family::Http;
    let (wrong, lacking) = match own {
        Some("NONE") if lacks_default => ("Authorizer: NONE", "DefaultAuthorizer"),
        None if lacks_default && is_http && is_filled(auth) => {
            ("Auth` without `Authorizer", "DefaultAuthorizer")
        }
        _ if needs_key == Some(false) && !api.sam.needs_key && !is_http => {
            ("ApiKeyRequired: false", "ApiKeyRequired: true")
        }
        _ => return None,
    };
    Some(format!("SAM refuses `{wrong}` where the API has no `{lacking}`"))
}

/// Adds an event's route, or its part of a route that the definition has.
///
/// The guard is the event's authorizer and need of a key. A target that is refused closes the route.
pub(super) fn add(
    api: &mut Api,
    key: &str,
    (own, needs_key): (Option<String>, Option<bool>),
    target: Result<Target, String>,
) {
    let is_refused = target.is_err();
    let target = target.unwrap_or_else(|reason| Target::missing(&reason));
    // A method `any` that SAM merges stands beside the definition's.
    let (is_merged, is_any) = (api.events == Events::Replace, key.starts_with("ANY "));
    let is_replaced = is_merged && !is_any && (own.is_some() || needs_key.is_some());
    if is_merged && is_any {
        api.sam.listed.remove(key);
    }
    let known = || {
        let found = api.routes.iter().find(|route| route.key == key);
        found.map(|route| (route.authorizer.clone(), route.needs_key))
    };
    let known = api
        .sam
        .own
        .get(key)
        .cloned()
        .or_else(known)
        .filter(|_| !is_replaced && api.events != Events::Make);
    let (own, needs_key) = match known {
        Some((other, needs)) => (both(other, own), needs.then_some(true).or(needs_key)),
        None => (own, needs_key),
    };
    api.sam.own.insert(key.to_owned(), (own.clone(), needs_key == Some(true)));
    let (authorizer, needs_key) = api.sam.guards(key, own, needs_key);
    let made = Route::new(key.to_owned(), authorizer, needs_key, target);
    if !has(api, key) {
        api.routes.push(made);
        return;
    }
    let events = api.events;
    for route in api.routes.iter_mut().filter(|route| route.key == key) {
        let lacks = events == Events::Add && is_unserved(route, NO_INTEGRATION);
        if is_refused || lacks || events == Events::Replace {
            *route = made.clone();
        } else if events == Events::Make {
            route.authorizer = route.authorizer.take().or_else(|| made.authorizer.clone());
            route.needs_key |= made.needs_key;
        } else {
            route.authorizer.clone_from(&made.authorizer);
            route.needs_key = made.needs_key;
        }
    }
}

/// The authorizer of a definition with that of an event. Which of two counts is not known, so that
/// they close the route.
fn both(definition: Option<String>, event: Option<String>) -> Option<String> {
    match (definition, event) {
        (None, one) | (one, None) => one,
        (Some(one), Some(other)) if one == other || other == "NONE" => Some(one),
        (Some(one), Some(other)) if one == "NONE" => Some(other),
        (Some(one), Some(other)) => Some(format!("{one} and {other}")),
    }
}
