//! The APIs of a template: the settings of each route, and the functions behind them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::keys::TemplateKeys;
use super::{Error, Options};
use crate::gateway::{self, Integration, Invoke, Kind, Route, Validation};
use crate::lambda::InvokeError;
use crate::log::shortened;
use crate::program::Program;
use crate::template::{self, Api};

mod backends;
mod endpoints;
mod shown;
mod socket;
mod values;

pub(super) use backends::{Backends, command_variables};
pub(super) use endpoints::Endpoints;
pub(super) use shown::{listed, notes};
pub(super) use socket::{message, token_notes};
pub(super) use values::Values;

/// The characters of a reason that are shown: it may have a part of the template.
const MAX_REASON: usize = 300;
/// The reason why a route without an integration does nothing.
const NOTHING: &str = "the route has no integration";

/// The settings of each route of an API, and those for requests that take none.
///
/// `base` gives the settings of a kind that no template changes, `keys` the template's own keys.
pub(super) fn options(
    api: &Api,
    kind: Kind,
    base: &impl Fn(Kind) -> gateway::Options,
    keys: &TemplateKeys,
    programs: (&BTreeMap<String, Program>, &Backends),
) -> (Vec<gateway::Options>, gateway::Options) {
    let backends = programs.1;
    let responses = Arc::new(api.responses.clone());
    // One set for every route, which count together.
    let keys = keys.get(&api.name).cloned().or_else(|| base(kind).keys).unwrap_or_default();
    let defined = |kind: Kind| {
        let mut options = base(kind);
        options.responses = Some(Arc::clone(&responses));
        options.id.clone_from(&api.id);
        options.stage = Some(api.stage.clone());
        options.cors.clone_from(&api.cors);
        // Those of flags go before the template's.
        let given = std::mem::replace(&mut options.stage_variables, api.variables.clone());
        options.stage_variables.extend(given);
        options.api_key_source = api.key_source.unwrap_or(options.api_key_source);
        options.binary_types.clone_from(&api.binary_types);
        options.keys = None;
        options
    };
    let mut missing = defined(kind);
    missing.routes.clear();
    if kind == Kind::WebSocket {
        // Its one route is `$connect`, for which the settings are those of every request.
        let connect = api.routes.iter().find(|route| route.key == "$connect");
        let guard = match connect {
            Some(route) => route.authorizer.clone(),
            // A template that only adds an authorizer means it for the API that it refers to.
            None => api.authorizers.keys().next().cloned(),
        };
        if socket::is_whole(api) {
            missing.socket = Arc::new(socket::routes(api, programs));
        }
        missing.keys = connect.filter(|route| route.needs_key).map(|_| keys);
        guarded(&mut missing, api, guard.as_deref(), backends);
        return (Vec::new(), missing);
    }
    let mut all = Vec::new();
    for route in &api.routes {
        let Ok(parsed) = Route::parse(&route.key) else { continue };
        let authorizer = route.authorizer.as_ref().and_then(|name| api.authorizers.get(name));
        let own = authorizer.and_then(|found| found.kind.clone().ok()).unwrap_or(kind);
        let mut options = defined(own);
        options.routes = vec![parsed];
        options.keys = route.needs_key.then(|| keys.clone());
        options.payload = route.payload;
        options.request_mappings.clone_from(&route.request_mappings);
        options.response_mappings.clone_from(&route.response_mappings);
        options.integration_timeout = route.timeout.unwrap_or(options.integration_timeout);
        let upstream = options.integration.clone();
        options.integration = integration(route, programs, upstream);
        guarded(&mut options, api, route.authorizer.as_deref(), backends);
        all.push(options);
    }
    (all, missing)
}

/// The target of a route; a function without a program of its own has `otherwise`.
fn integration(
    route: &template::Route,
    (programs, backends): (&BTreeMap<String, Program>, &Backends),
    otherwise: Integration,
) -> Integration {
    let function = |name: &String, of: &dyn Fn(Invoke) -> Integration| match (
        backends.invoke(name),
        programs.get(name),
    ) {
        (Some(invoke), _) => of(invoke),
        (None, Some(Program::Missing(reason))) => {
            Integration::Unserved(missing_function(name, reason))
        }
        (None, _) => otherwise,
    };
    match &route.integration {
        template::Integration::Function(name) => function(name, &Integration::Function),
        template::Integration::Custom(name, templates) => {
            function(name, &|invoke| Integration::Custom(invoke, templates.clone()))
        }
        template::Integration::Http(address) => Integration::Address(address.clone()),
        template::Integration::Mock(templates) => Integration::Mock(templates.clone()),
        template::Integration::Nothing => Integration::Unserved(NOTHING.to_owned()),
        template::Integration::Unserved(reason) => {
            Integration::Unserved(shortened(reason, MAX_REASON))
        }
        // `Template::read` has filled every one.
        template::Integration::Staged(_) => Integration::Unserved("its address".to_owned()),
    }
}

/// Puts an authorizer in front. One that cannot be asked here lets nobody through to a backend.
fn guarded(options: &mut gateway::Options, api: &Api, name: Option<&str>, backends: &Backends) {
    options.is_open = name.is_none();
    let Some(name) = name else { return };
    options.authorizer = Some(name.to_owned());
    let found = api.authorizers.get(name).filter(|found| found.kind.is_ok());
    let Some(found) = found else {
        if options.kind == Kind::WebSocket {
            // A handshake has no integration that could refuse it.
            options.function = stopped();
            return;
        }
        options.is_open = true;
        options.keys = None;
        options.integration = Integration::Unserved(unserved(api, name));
        return;
    };
    options.identity_sources.clone_from(&found.sources);
    options.cache_ttl = found.ttl;
    if let Some(expression) = &found.validation {
        match expression.parse() {
            Ok(expression) => options.validation = Some(expression),
            // `check` has refused it.
            Err(_) => options.function = stopped(),
        }
    }
    if let Some(invoke) = found.function.as_ref().and_then(|name| backends.invoke(name)) {
        options.explains = false;
        options.function = invoke;
    }
}

/// A function that answers nobody.
fn stopped() -> Invoke {
    Arc::new(|_, _| Box::pin(std::future::ready(Err(InvokeError::Stopped))))
}

fn unserved(api: &Api, name: &str) -> String {
    match api.authorizers.get(name).map(|found| &found.kind) {
        Some(Err(reason)) => reason.clone(),
        _ if name.is_empty() => "the authorization names no authorizer".to_owned(),
        None if name.chars().all(|c| c.is_ascii_uppercase() || c == '_') => {
            format!("authorization by `{name}`")
        }
        _ => format!("authorization by `{name}`, which is not an authorizer here"),
    }
}

fn missing_function(name: &str, reason: &str) -> String {
    format!("function `{name}` has no command: {reason}; add --function {name}='COMMAND'")
}

/// Refuses a template whose authorizers have an expression that cannot be matched.
pub(super) fn check(options: &Options) -> Result<(), Error> {
    for api in options.template.iter().flat_map(|template| &template.apis) {
        for (name, authorizer) in &api.authorizers {
            let expression = authorizer.validation.as_deref().unwrap_or_default();
            expression.parse::<Validation>().map_err(|source| Error::Validation {
                api: api.name.clone(),
                authorizer: name.clone(),
                source,
            })?;
        }
    }
    Ok(())
}

/// Returns true if a route asks Tollgate's authorizer, or the one that is named in its place.
pub(super) fn asks_authorizer(options: &Options) -> bool {
    let Some(template) = &options.template else { return true };
    let is_asked = |authorizer: &template::Authorizer| {
        let is_own = |name: &String| options.functions.contains_key(name);
        authorizer.kind.is_ok() && !authorizer.function.as_ref().is_some_and(is_own)
    };
    template.apis.iter().any(|api| {
        let mut guards = api.routes.iter().filter_map(|route| route.authorizer.as_ref());
        // A template may only add an authorizer to the routes of another.
        (api.routes.is_empty() && api.authorizers.values().any(is_asked))
            || guards.any(|name| api.authorizers.get(name).is_some_and(is_asked))
    })
}
