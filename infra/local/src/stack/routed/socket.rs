//! The routes of a template's WebSocket API, and the functions behind them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::backends::Backends;
use super::{Integration, NOTHING, Options, integration, unserved};
use crate::gateway::{Kind, SocketRoute, SocketRoutes};
use crate::program::Program;
use crate::setup::Setup;
use crate::template::{self, Api, Family};

/// The reason why an answer cannot go back.
const NO_RESPONSE: &str = "the integration has no `AWS::ApiGatewayV2::IntegrationResponse`";
/// The routes that no message takes.
const EVENTS: [&str; 2] = ["$connect", "$disconnect"];

/// Returns true if the template defines the API's routes; one that only adds `$connect` to an API
/// that is elsewhere does not say which there are.
pub(super) fn is_whole(api: &Api) -> bool {
    api.is_here || api.routes.iter().any(|route| !EVENTS.contains(&&*route.key))
}

/// The routes of an API.
///
/// `--upstream` is for requests of HTTP: where it takes the place of functions, messages are echoed.
pub(super) fn routes(api: &Api, programs: (&BTreeMap<String, Program>, &Backends)) -> SocketRoutes {
    let is_called = |route: &&template::Route| {
        // Nobody is told of these events.
        route.integration != template::Integration::Nothing || !EVENTS.contains(&&*route.key)
    };
    let route = |route: &template::Route| {
        let mut target = integration(route, programs, Integration::Echo);
        if !route.responds {
            target.pass_others();
        }
        let mut served = SocketRoute::new(&route.key, target);
        served.responds = route.responds;
        served.timeout = route.timeout.unwrap_or(served.timeout);
        served
    };
    let routes = api.routes.iter().filter(is_called).map(route).collect();
    SocketRoutes { selection: api.selection.clone(), routes }
}

/// A message that takes a route of a WebSocket API, for a person to try.
pub(in super::super) fn message(api: &Api) -> Option<Value> {
    if api.family != Family::WebSocket {
        return None;
    }
    let custom = api.routes.iter().find(|route| !route.key.starts_with('$'));
    let message = custom.and_then(|route| api.selection.message(&route.key));
    let is_default = |route: &template::Route| route.key == "$default";
    message.or_else(|| api.routes.iter().any(is_default).then(|| "hello".into()))
}

/// A line for each API whose callers have the token in the query where Tollgate does not look.
pub(in super::super) fn token_notes(options: &Options, setup: &Setup) -> Vec<String> {
    let template = options.template.as_ref().filter(|_| !options.is_other_authorizer);
    let apis = template.into_iter().flat_map(|template| &template.apis);
    let read = setup.of(Kind::WebSocket).and_then(|one| one.token.query.as_deref());
    let note = |api: &Api| {
        let connect = api.routes.iter().find(|route| route.key == "$connect");
        let guard = api.authorizers.get(connect?.authorizer.as_ref()?)?;
        let is_run = |name: &String| options.functions.contains_key(name);
        let [source] = &guard.sources[..] else { return None };
        let name = source.query()?;
        if guard.kind.is_err() || guard.function.as_ref().is_some_and(is_run) || read == Some(name)
        {
            return None;
        }
        Some(format!(
            "{}: $connect: Tollgate does not look for a token in the query's `{name}`: add `query \
             = \"{name}\"` under `[token]` of its configuration",
            api.name
        ))
    };
    apis.filter(|api| api.family == Family::WebSocket).filter_map(note).collect()
}

/// A line for each part of an API that is not as on AWS.
pub(super) fn notes(api: &Api) -> Vec<String> {
    let mut notes = Vec::new();
    let connect = api.routes.iter().find(|route| route.key == "$connect");
    let guard = connect.and_then(|route| route.authorizer.as_deref());
    let is_served =
        |name: &&str| api.authorizers.get(*name).is_some_and(|found| found.kind.is_ok());
    if let Some(guard) = guard.filter(|name| !is_served(name)) {
        let reason = unserved(api, guard);
        notes.push(format!("{}: $connect: every handshake answers 500: {reason}", api.name));
    }
    if !is_whole(api) {
        let other = "the template does not define what messages there are: they are echoed";
        notes.push(format!("{}: {other}", api.name));
        return notes;
    }
    for route in &api.routes {
        let reason = match &route.integration {
            template::Integration::Unserved(reason) => reason.as_str(),
            template::Integration::Nothing if !EVENTS.contains(&&*route.key) => NOTHING,
            target if route.responds && target.lacks_response() => NO_RESPONSE,
            _ => continue,
        };
        let answer = match route.key.as_str() {
            "$connect" if reason == NO_RESPONSE => "every handshake answers 500",
            "$connect" => "every handshake answers 501",
            "$disconnect" => "nothing is called",
            _ => "messages are answered `Internal server error`",
        };
        notes.push(format!("{}: {}: {answer}: {reason}", api.name, route.key));
    }
    notes
}
