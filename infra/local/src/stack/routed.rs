//! The APIs of a template: the settings of each route, and the functions behind them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::keys::TemplateKeys;
use super::{Error, Options};
use crate::gateway::{self, Integration, Invoke, Kind, Route, Validation};
use crate::lambda::{self, Function, InvokeError};
use crate::program::Program;
use crate::template::{self, Api, FunctionSettings};

/// Lambda's own defaults of `MemorySize` and `Timeout`: the pages "Configure Lambda function memory"
/// and "Configure Lambda function timeout" of its developer guide.
const DEFAULT_MEMORY_MB: u32 = 128;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// The functions that run, by their names.
#[derive(Debug, Default)]
pub(super) struct Backends(BTreeMap<String, Arc<Function>>);

impl Backends {
    /// Starts every command at once; `table` is the table's address.
    pub(super) async fn start(options: &Options, table: &str) -> Result<Self, Error> {
        let mut starting = JoinSet::new();
        for (name, program) in &options.functions {
            let known = options.template.as_ref().and_then(|all| all.functions.get(name));
            let Some(settings) = settings(options, name, program, known, table) else { continue };
            let name = name.clone();
            starting.spawn(async move { (name, Function::start(settings).await) });
        }
        let (mut started, mut failed) = (Self::default(), BTreeMap::new());
        while let Some(function) = starting.join_next().await {
            match function {
                Ok((name, Ok(function))) => drop(started.0.insert(name, Arc::new(function))),
                Ok((name, Err(source))) => drop(failed.insert(name, source)),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        match failed.pop_first() {
            None => Ok(started),
            Some((name, source)) => {
                started.end().await;
                Err(Error::Function { name, source })
            }
        }
    }

    /// Ends every function.
    pub(super) async fn end(&self) {
        for function in self.0.values() {
            function.shutdown().await;
        }
    }

    /// The call of a function that runs.
    fn invoke(&self, name: &str) -> Option<Invoke> {
        let function = Arc::clone(self.0.get(name)?);
        Some(Arc::new(move |id, event| {
            let function = Arc::clone(&function);
            Box::pin(async move { function.invoke_as(id, event).await })
        }))
    }
}

/// A function that is a command; `None` if it is not.
fn settings(
    options: &Options,
    name: &str,
    program: &Program,
    known: Option<&FunctionSettings>,
    table: &str,
) -> Option<lambda::Options> {
    let Program::Command { executable, arguments, folder, handler } = program else { return None };
    let mut function = lambda::Options::new(executable.clone(), name, options.now.clone());
    function.arguments.clone_from(arguments);
    function.folder.clone_from(folder);
    function.environments = options.environments;
    function.freezes = options.freezes;
    function.log = options.log.clone();
    function.variables = command_variables();
    function.variables.push(("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), table.to_owned()));
    function.variables.extend(handler.iter().map(|own| ("_HANDLER".to_owned(), own.clone())));
    if let Some(known) = known {
        function.memory_mb = known.memory_mb.unwrap_or(DEFAULT_MEMORY_MB);
        function.timeout = known.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let own = known.variables.iter().filter(|(name, _)| !name.starts_with("AWS_"));
        // What is set where `local` starts goes before the template, as with SAM's own tool.
        let value = |name, value: &String| std::env::var(name).unwrap_or_else(|_| value.clone());
        let own = own.map(|(name, found)| (name.clone(), value(name, found)));
        function.variables.extend(own);
    }
    Some(function)
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
    let (programs, backends) = programs;
    let responses = Arc::new(api.responses.clone());
    // One set for every route, which count together.
    let keys = keys.get(&api.name).cloned().or_else(|| base(kind).keys).unwrap_or_default();
    let defined = |kind: Kind| {
        let mut options = base(kind);
        options.responses = Some(Arc::clone(&responses));
        options.id.clone_from(&api.id);
        options.stage = Some(api.stage.clone());
        options.cors.clone_from(&api.cors);
        options.stage_variables.extend(api.variables.clone());
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
        let guard = connect.and_then(|route| route.authorizer.clone());
        let guard = guard.or_else(|| api.authorizers.keys().next().cloned());
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
        options.integration_timeout = route.timeout.unwrap_or(options.integration_timeout);
        let upstream = options.integration.clone();
        options.integration = match &route.integration {
            template::Integration::Function(name) => {
                match (backends.invoke(name), programs.get(name)) {
                    (Some(invoke), _) => Integration::Function(invoke),
                    (None, Some(Program::Missing(reason))) => {
                        Integration::Unserved(missing_function(name, reason))
                    }
                    (None, _) => upstream,
                }
            }
            template::Integration::Http(address) => Integration::Address(address.clone()),
            template::Integration::Mock(templates) => Integration::Mock(templates.clone()),
            template::Integration::Unserved(reason) => Integration::Unserved(reason.clone()),
        };
        guarded(&mut options, api, route.authorizer.as_deref(), backends);
        all.push(options);
    }
    (all, missing)
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
        _ => format!("authorization by `{name}`"),
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
            let own = function.filter(|name| template.functions.contains_key(*name));
            if let Some(own) = own.filter(|name| !options.functions.contains_key(*name)) {
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
        for route in &api.routes {
            let place = format!("{}: {}", api.name, route.key);
            let guard = route.authorizer.as_deref();
            let is_served = guard.is_none_or(|name| {
                api.authorizers.get(name).is_some_and(|found| found.kind.is_ok())
            });
            match &route.integration {
                _ if Route::parse(&route.key).is_err() && !route.key.starts_with('$') => {
                    notes.push(format!("{place}: not served: it is not a route"));
                }
                _ if !is_served => {
                    let reason = unserved(api, guard.unwrap_or_default());
                    notes.push(format!("{place}: answers 501: {reason}"));
                }
                template::Integration::Unserved(reason) => {
                    notes.push(format!("{place}: answers 501: {reason}"));
                }
                _ => {}
            }
        }
    }
    notes
}
