//! The functions behind a template's APIs, which run as commands.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Options;
use super::endpoints::Endpoints;
use super::values::Values;
use crate::gateway::Invoke;
use crate::lambda::{self, Function, InvokeError, StartError};
use crate::program::Program;
use crate::template::FunctionSettings;

/// Lambda's own defaults of `MemorySize` and `Timeout`: the pages "Configure Lambda function memory"
/// and "Configure Lambda function timeout" of its developer guide.
const DEFAULT_MEMORY_MB: u32 = 128;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// The variables by which SDKs find services.
const ENDPOINTS: &str = "AWS_ENDPOINT_URL";
/// Those of the table's server.
const OWN_ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS"];

/// The functions that run, by their names.
#[derive(Debug, Default)]
pub(in super::super) struct Backends {
    running: BTreeMap<String, Arc<Function>>,
    /// Those that did not start, which fail at each call as on Lambda.
    failed: BTreeMap<String, String>,
}

impl Backends {
    /// Starts every command at once; `table` is the table's address, `sockets` the management APIs'.
    pub(in super::super) async fn start(
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
                Ok((name, Err(error))) => {
                    let template = options.template.as_ref();
                    let known = template.and_then(|all| all.functions.get(&name));
                    let has_layers = known.is_some_and(|known| known.has_layers);
                    let layers = if has_layers { " (its layers are not applied here)" } else { "" };
                    backends.failed.insert(name, format!("{}{layers}", first_line(&error)));
                }
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        backends
    }

    /// A line for each function that did not start.
    pub(in super::super) fn notes(&self) -> Vec<String> {
        let note = |(name, error): (&String, &String)| {
            format!(
                "function `{name}`: {error}: what calls it fails; mend it, or add --function \
                 {name}='COMMAND'"
            )
        };
        self.failed.iter().map(note).collect()
    }

    /// Ends every function.
    pub(in super::super) async fn end(&self) {
        for function in self.running.values() {
            function.shutdown().await;
        }
    }

    /// The call of a function that runs.
    pub(super) fn invoke(&self, name: &str) -> Option<Invoke> {
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
    let own = known.and_then(|known| known.name.as_deref()).unwrap_or(name);
    let mut function = lambda::Options::new(executable.clone(), own, options.now.clone());
    function.arguments.clone_from(arguments);
    function.folder.clone_from(folder);
    function.environments = options.environments;
    function.freezes = options.freezes;
    function.is_read_only = options.is_read_only;
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
        let own = known.variables.iter().filter(|(name, _)| !is_here(name));
        let own = own.map(|(name, value)| (name, values.fill(value)));
        // What is set where `local` starts goes before the template, as with SAM's own tool.
        let own = own.map(|(name, found)| (name.clone(), std::env::var(name).unwrap_or(found)));
        function.variables.extend(own);
        let unknown = known.unknown.iter().filter(|name| !is_here(name));
        let set = unknown.filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
        function.variables.extend(set);
    }
    Some(function)
}

/// Returns true for the address of what runs here, which no template sets.
fn is_here(name: &str) -> bool {
    OWN_ENDPOINTS.contains(&name)
}

/// The addresses of services that are set where `local` starts, such as `AWS_ENDPOINT_URL_S3`.
fn endpoints() -> Vec<(String, String)> {
    let texts = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter(|(name, _)| name.starts_with(ENDPOINTS)).collect()
}

/// The variables of this process without which a command is not found.
pub(in super::super) fn command_variables() -> Vec<(String, String)> {
    ["PATH", "HOME"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
        .collect()
}
