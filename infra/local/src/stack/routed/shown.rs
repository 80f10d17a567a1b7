//! The list of a template's routes, and notes on everything that is not as on AWS.

use super::{MAX_REASON, Options, missing_function, socket, unserved};
use crate::gateway::{Route, unsendable};
use crate::log::shortened;
use crate::program::Program;
use crate::ready;
use crate::template::{self, Api, Family};

/// The routes with one reason that have a note each; more have one together.
const MAX_NAMED: usize = 4;

/// The routes of an API, to be shown.
pub(in super::super) fn listed(api: &Api, options: &Options) -> Vec<ready::Route> {
    let has_program = |name: &String| {
        let program = options.functions.get(name);
        options.upstream.is_some() || !matches!(program, Some(Program::Missing(_)))
    };
    let is_socket = api.family == Family::WebSocket;
    let is_served = |route: &template::Route| {
        let guard = route.authorizer.as_ref();
        let is_asked = |name| api.authorizers.get(name).is_some_and(|found| found.kind.is_ok());
        guard.is_none_or(is_asked)
            && match &route.integration {
                template::Integration::Function(name) | template::Integration::Custom(name, _) => {
                    has_program(name)
                }
                template::Integration::Unserved(_) => false,
                _ => true,
            }
    };
    let routes = api.routes.iter().filter(|route| is_socket || Route::parse(&route.key).is_ok());
    routes
        .map(|route| ready::Route {
            key: route.key.clone(),
            authorizer: route.authorizer.clone(),
            needs_key: route.needs_key,
            is_served: is_served(route),
        })
        .collect()
}

/// One line for each thing of the template that is not as it is on AWS.
pub(in super::super) fn notes(options: &Options) -> Vec<String> {
    let Some(template) = &options.template else { return Vec::new() };
    let mut notes = template.notes.clone();
    for (name, program) in &options.functions {
        if let Program::Missing(reason) = program {
            let reason = missing_function(name, reason);
            notes.push(format!("{reason}, or {name}=echo; its routes answer 501"));
        }
    }
    for api in &template.apis {
        for (name, authorizer) in &api.authorizers {
            let function = authorizer.function.as_ref();
            if let Some(own) = function.filter(|name| !options.functions.contains_key(*name)) {
                let whose =
                    if options.is_other_authorizer { "--authorizer-command" } else { "Tollgate's" };
                let code = template.functions.get(own).and_then(|known| known.code.as_ref());
                let why = match Program::of_handler(code) {
                    Some(Program::Missing(reason)) => format!(" ({reason})"),
                    _ => String::new(),
                };
                notes.push(format!(
                    "{}: the authorizer `{name}` is {whose}{why}: to run `{own}`, add --function \
                     {own}='COMMAND'",
                    api.name
                ));
            }
        }
        for (name, response) in &api.responses {
            let reason = response.status.and_then(unsendable);
            notes.extend(reason.map(|reason| {
                format!("{}: gateway response `{name}`: {reason}; the type's own is sent", api.name)
            }));
        }
        if api.family == Family::WebSocket {
            notes.extend(socket::notes(api));
            continue;
        }
        notes.extend(of_routes(api));
    }
    notes
}

/// The routes that are not served, by their reasons.
fn of_routes(api: &Api) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for route in &api.routes {
        let guard = route.authorizer.as_deref();
        let is_served = guard
            .is_none_or(|name| api.authorizers.get(name).is_some_and(|found| found.kind.is_ok()));
        let reason = match &route.integration {
            _ if Route::parse(&route.key).is_err() => "not served: it is not a route".to_owned(),
            _ if !is_served => {
                format!("answers 501: {}", unserved(api, guard.unwrap_or_default()))
            }
            template::Integration::Unserved(reason) => {
                format!("answers 501: {}", shortened(reason, MAX_REASON))
            }
            _ => continue,
        };
        match reasons.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, keys)) => keys.push(&route.key),
            None => reasons.push((reason, vec![route.key.as_str()])),
        }
    }
    let mut notes = Vec::new();
    for (reason, keys) in reasons {
        if let [first, second, .., last] = &keys[..]
            && keys.len() > MAX_NAMED
        {
            let more = keys.len().saturating_sub(3);
            let named = format!("{first}, {second}, {last} and {more} more");
            notes.push(format!("{}: {named}: each {reason}", api.name));
        } else {
            notes.extend(keys.iter().map(|key| format!("{}: {key}: {reason}", api.name)));
        }
    }
    notes
}
