//! The APIs of a template: the settings of each route, and the functions behind them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::keys::TemplateKeys;
use super::{Error, Options};
use crate::gateway::{self, Integration, Invoke, Kind, Route, Validation};
use crate::lambda::{self, Function, InvokeError, StartError};
use crate::program::Program;
use crate::ready;
use crate::template::{self, Api, Family, FunctionSettings};

mod socket;
mod values;

pub(super) use socket::{Endpoints, message, token_notes};
pub(super) use values::Values;

/// Lambda's own defaults of `MemorySize` and `Timeout`: the pages "Configure Lambda function memory"
/// and "Configure Lambda function timeout" of its developer guide.
const DEFAULT_MEMORY_MB: u32 = 128;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// The variables by which SDKs find services.
const ENDPOINTS: &str = "AWS_ENDPOINT_URL";
/// Those of the table's server.
const OWN_ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS"];

/// The reason why a route without an integration does nothing.
const NOTHING: &str = "the route has no integration";
/// The routes with one reason that have a note each; more have one together.
const MAX_NAMED: usize = 4;

/// The functions that run, by their names.
#[derive(Debug, Default)]
pub(super) struct Backends {
    running: BTreeMap<String, Arc<Function>>,
    /// Those that did not start, which fail at each call as on Lambda.
    failed: BTreeMap<String, String>,
}

impl Backends {
    /// Starts every command at once; `table` is the table's address, `sockets` the management APIs'.
    pub(super) async fn start(
        options: &Options,
        table: &str,
        sockets: &Endpoints,
        values: &Values,
    ) -> Self {
        let mut starting = JoinSet::new();
        for (name, program) in &options.functions {
            let known = options.template.as_ref().and_then(|all| all.functions.get(name));
            let Some(mut settings) = settings(options, name, program, known, (table, values))
            else {
                continue;
            };
            settings.variables.extend(sockets.variable(name));
            let name = name.clone();
            starting.spawn(async move { (name, Function::start(settings).await) });
        }
        let mut backends = Self::default();
        while let Some(function) = starting.join_next().await {
            match function {
                Ok((name, Ok(function))) => {
                    backends.running.insert(name, Arc::new(function));
                }
                Ok((name, Err(error))) => drop(backends.failed.insert(name, first_line(&error))),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        backends
    }

    /// A line for each function that did not start.
    pub(super) fn notes(&self) -> Vec<String> {
        let note = |(name, error): (&String, &String)| {
            format!(
                "function `{name}`: {error}: what calls it fails; mend it, or add --function \
                 {name}='COMMAND'"
            )
        };
        self.failed.iter().map(note).collect()
    }

    /// Ends every function.
    pub(super) async fn end(&self) {
        for function in self.running.values() {
            function.shutdown().await;
        }
    }

    /// The call of a function that runs.
    fn invoke(&self, name: &str) -> Option<Invoke> {
        if let Some(error) = self.failed.get(name) {
            let error = InvokeError::Exit(error.clone());
            return Some(Arc::new(move |_, _| Box::pin(std::future::ready(Err(error.clone())))));
        }
        let function = Arc::clone(self.running.get(name)?);
        Some(Arc::new(move |id, event| {
            let function = Arc::clone(&function);
            Box::pin(async move { function.invoke_as(id, event).await })
        }))
    }
}

/// The error without the traces that runtimes put below it.
fn first_line(error: &StartError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// A function that is a command; `None` if it is not.
fn settings(
    options: &Options,
    name: &str,
    program: &Program,
    known: Option<&FunctionSettings>,
    (table, values): (&str, &Values),
) -> Option<lambda::Options> {
    let Program::Command { executable, arguments, folder, handler } = program else { return None };
    let mut function = lambda::Options::new(executable.clone(), name, options.now.clone());
    function.arguments.clone_from(arguments);
    function.folder.clone_from(folder);
    function.environments = options.environments;
    function.freezes = options.freezes;
    function.log = options.log.clone();
    function.variables = command_variables();
    function.variables.extend(endpoints());
    for name in OWN_ENDPOINTS {
        function.variables.push((name.to_owned(), table.to_owned()));
    }
    function.variables.extend(handler.iter().map(|own| ("_HANDLER".to_owned(), own.clone())));
    if let Some(known) = known {
        function.memory_mb = known.memory_mb.unwrap_or(DEFAULT_MEMORY_MB);
        function.timeout = known.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let own = known.variables.iter().filter(|(name, _)| !is_reserved(name));
        let own = own.map(|(name, value)| (name, values.fill(value)));
        // What is set where `local` starts goes before the template, as with SAM's own tool.
        let own = own.map(|(name, found)| (name.clone(), std::env::var(name).unwrap_or(found)));
        function.variables.extend(own);
        let unknown = known.unknown.iter().filter(|name| !is_reserved(name));
        let set = unknown.filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
        function.variables.extend(set);
    }
    Some(function)
}

/// Returns true for a variable that no template sets here: Lambda's own, and what runs here.
fn is_reserved(name: &str) -> bool {
    name.starts_with("AWS_") && (!name.starts_with(ENDPOINTS) || OWN_ENDPOINTS.contains(&name))
}

/// The addresses of services that are set where `local` starts, such as `AWS_ENDPOINT_URL_S3`.
fn endpoints() -> Vec<(String, String)> {
    let texts = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter(|(name, _)| name.starts_with(ENDPOINTS)).collect()
}

/// The variables of this process without which a command is not found.
pub(crate) fn command_variables() -> Vec<(String, String)> {
    ["PATH", "HOME"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
        .collect()
}

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
        template::Integration::Unserved(reason) => Integration::Unserved(reason.clone()),
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

/// The routes of an API, to be shown.
pub(super) fn listed(api: &Api, options: &Options) -> Vec<ready::Route> {
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
                template::Integration::Http(_) => !is_socket,
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
pub(super) fn notes(options: &Options) -> Vec<String> {
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
            template::Integration::Unserved(reason) => format!("answers 501: {reason}"),
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
