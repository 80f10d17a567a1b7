//! The APIs of a template: the settings of each route, and the functions behind them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use super::Options;
use crate::gateway::{self, Integration, Invoke, Kind, Route};
use crate::lambda::{self, Function, InvokeError, StartError};
use crate::template::{self, Api, Family, FunctionSettings};

/// The functions that have a command, by their names.
#[derive(Debug, Default)]
pub(super) struct Backends(BTreeMap<String, Arc<Function>>);

impl Backends {
    /// Starts each command; `table` is the table's address.
    pub(super) async fn start(options: &Options, table: &str) -> Result<Self, StartError> {
        let mut started = Self::default();
        for (name, command) in &options.functions {
            let known = options.template.as_ref().and_then(|all| all.functions.get(name));
            let settings = settings(options, name, command, known, table);
            match Function::start(settings).await {
                Ok(function) => started.0.insert(name.clone(), Arc::new(function)),
                Err(error) => {
                    started.end().await;
                    return Err(error);
                }
            };
        }
        Ok(started)
    }

    /// Ends every function.
    pub(super) async fn end(&self) {
        for function in self.0.values() {
            function.shutdown().await;
        }
    }

    /// The call of a function that has a command.
    fn invoke(&self, name: &str) -> Option<Invoke> {
        let function = Arc::clone(self.0.get(name)?);
        Some(Arc::new(move |id, event| {
            let function = Arc::clone(&function);
            Box::pin(async move { function.invoke_as(id, event).await })
        }))
    }
}

/// A function that is a command of the shell.
fn settings(
    options: &Options,
    name: &str,
    command: &str,
    known: Option<&FunctionSettings>,
    table: &str,
) -> lambda::Options {
    let mut function = lambda::Options::new(PathBuf::from("/bin/sh"), name, options.now.clone());
    function.arguments = shell(command);
    function.environments = options.environments;
    function.freezes = options.freezes;
    function.log = options.log.clone();
    function.variables = command_variables();
    function.variables.push(("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), table.to_owned()));
    if let Some(known) = known {
        function.memory_mb = known.memory_mb.unwrap_or(function.memory_mb);
        function.timeout = known.timeout.unwrap_or(function.timeout);
        let own = known.variables.iter().filter(|(name, _)| !name.starts_with("AWS_"));
        function.variables.extend(own.cloned());
    }
    function
}

/// The arguments of `sh` for a command.
///
/// A single command takes the shell's place, so that its memory is what is measured.
pub(crate) fn shell(command: &str) -> Vec<OsString> {
    let is_single = !command.contains(|c: char| "&|;<>()$`\n".contains(c))
        && command.split_whitespace().next().is_some_and(|word| !word.contains('='));
    let command = if is_single { format!("exec {command}") } else { command.to_owned() };
    vec!["-c".into(), command.into()]
}

/// The variables of this process without which a command is not found.
pub(crate) fn command_variables() -> Vec<(String, String)> {
    ["PATH", "HOME"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
        .collect()
}

/// The template's API of a kind, if there is a template.
pub(super) fn api(options: &Options, kind: Kind) -> Option<&Api> {
    let template = options.template.as_ref()?;
    template.apis.iter().find(|api| family(kind) == api.family)
}

fn family(kind: Kind) -> Family {
    match kind {
        Kind::RestToken | Kind::RestRequest => Family::Rest,
        Kind::Http(_) => Family::Http,
        Kind::WebSocket => Family::WebSocket,
    }
}

/// The settings of each route of an API, and those for requests that take none.
///
/// `base` gives the settings of a kind that no template changes.
pub(super) fn options(
    api: &Api,
    kind: Kind,
    base: &impl Fn(Kind) -> gateway::Options,
    backends: &Backends,
) -> (Vec<gateway::Options>, gateway::Options) {
    let responses = Arc::new(api.responses.clone());
    let defined = |kind: Kind| {
        let mut options = base(kind);
        options.responses = Some(Arc::clone(&responses));
        options.stage = Some(api.stage.clone());
        options.cors.clone_from(&api.cors);
        options.stage_variables.extend(api.variables.clone());
        options.api_key_source = api.key_source.unwrap_or(options.api_key_source);
        options
    };
    let mut missing = defined(kind);
    missing.routes.clear();
    if kind == Kind::WebSocket {
        // Its one route is `$connect`, for which the settings are those of every request.
        let connect = api.routes.iter().find(|route| route.key == "$connect");
        let guard = connect.and_then(|route| route.authorizer.clone());
        let guard = guard.or_else(|| api.authorizers.keys().next().cloned());
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
        if !route.needs_key {
            options.api_key = None;
        }
        let upstream = options.integration.clone();
        options.integration = match &route.integration {
            template::Integration::Function(name) => match backends.invoke(name) {
                Some(invoke) => Integration::Function(invoke),
                None => upstream,
            },
            template::Integration::Http(uri) => match uri.parse() {
                Ok(uri) => Integration::Http(uri),
                Err(_) => Integration::Unserved(format!("`{uri}` is not an address")),
            },
            template::Integration::Mock { status, headers, body } => {
                Integration::Mock { status: *status, headers: headers.clone(), body: body.clone() }
            }
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
        options.api_key = None;
        options.integration = Integration::Unserved(unserved(api, name));
        return;
    };
    options.identity_sources.clone_from(&found.sources);
    options.cache_ttl = found.ttl;
    if let Some(expression) = &found.validation {
        match regex_lite::Regex::new(&format!("^(?:{expression})$")) {
            Ok(expression) => options.validation = Some(expression),
            Err(_) => options.function = stopped(),
        }
    }
    if let Some(invoke) = found.function.as_ref().and_then(|name| backends.invoke(name)) {
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

/// One line for each thing of the template that is not as it is on AWS.
pub(super) fn notes(options: &Options, backends: &Backends) -> Vec<String> {
    let Some(template) = &options.template else { return Vec::new() };
    let mut notes = template.notes.clone();
    let mut seen = Vec::new();
    for api in &template.apis {
        if !std::ptr::eq(api, self::api(options, api.kind()).unwrap_or(api)) {
            notes.push(format!("{}: not served: there is one API of each kind here", api.name));
            continue;
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
                template::Integration::Function(name)
                    if !backends.0.contains_key(name) && !seen.contains(name) =>
                {
                    seen.push(name.clone());
                    notes.push(format!(
                        "{}: function `{name}` is an echo: add --function {name}='COMMAND'",
                        api.name
                    ));
                }
                _ => {}
            }
        }
    }
    notes
}
