//! Everything together: table, issuer, execution environments, and the API in front of them.
//!
//! The ports are bound before anything else happens, so that a taken one costs nothing. With
//! them every address is known, and all parts start at the same time: the environments don't wait
//! for the issuer's keys to be made, nor for the table.
//!
//! The configuration is read before anything starts, so a mistake in it costs nothing either.
//!
//! One function serves every API that a configuration of one's own is for. The demonstration has
//! two: a REST API refuses by a key that no plan knows, and an HTTP API can't.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ::table::{SchemaError, WriteError};
use console::{Console, Live};
use tempfile::TempDir;
use throttle::PlanError;
use tokio::net::TcpListener;

use crate::examples::Examples;
use crate::gateway::{self, Connections, Gateway, Kind, ValidationError};
use crate::issuer::{self, Issuer};
use crate::lambda::{self, Function, StartError};
use crate::log::Watch;
use crate::ready::{self, Filled, Ready};
use crate::setup::{self, Setup};
use crate::table::{self, Table};

mod fill;
mod keys;
mod parts;
pub(crate) mod routed;
mod see;

pub use crate::options::Options;
use fill::start_table;
use keys::TemplateKeys;
use parts::{configured_key, functions, gateway_options, issuers};
use routed::{Backends, Endpoints, Values};

/// A note about the REST API's authorizer.
const REQUEST_EVENTS: &str = "the REST API has a REQUEST authorizer without identity sources and \
                              without a cache, which API Gateway calls for a request without a token \
                              too";

/// Errors of starting the stack. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port is taken or not allowed.
    #[error(
        "{flag}: can't listen on 127.0.0.1:{port}: {source}; name another port, or 0 for a free one"
    )]
    Port {
        /// The command line's name for it.
        flag: &'static str,
        /// The port.
        port: u16,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The table's server.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// Making the table.
    #[error(transparent)]
    Create(#[from] SchemaError),
    /// A file that the stack is started with.
    #[error(transparent)]
    Setup(#[from] setup::Error),
    /// Writing a plan or a key.
    #[error("can't write `{name}` to the table: {source}")]
    Fill {
        /// The plan or the key.
        name: String,
        /// The table's error.
        source: Box<WriteError>,
    },
    /// A demonstration plan that is none.
    #[error(transparent)]
    Demo(#[from] PlanError),
    /// The token issuer.
    #[error(transparent)]
    Issuer(#[from] issuer::Error),
    /// The authorizer, which names what is wrong with its configuration.
    #[error(transparent)]
    Authorizer(#[from] StartError),
    /// The validation expression of an authorizer in the template.
    #[error("{api}: the validation expression of the authorizer `{authorizer}`: {source}")]
    Validation {
        /// The API's name.
        api: String,
        /// The authorizer's name.
        authorizer: String,
        /// The error of the expression.
        source: ValidationError,
    },
    /// A listener that can't tell its address.
    #[error("a listener has no address: {0}")]
    Address(std::io::Error),
}

/// A running stack.
#[derive(Debug)]
pub struct Stack {
    gateways: Vec<Gateway>,
    functions: Vec<Arc<Function>>,
    /// The functions of a template.
    backends: Backends,
    issuer: Issuer,
    table: Table,
    console: Option<Console>,
    ready: Ready,
    /// The code of functions, which is removed after their end.
    _inline: Option<Arc<TempDir>>,
}

impl Stack {
    /// Starts everything; when this returns, requests are answered.
    ///
    /// # Errors
    /// [`Error`], the first that stands in the way; what had started is ended by then.
    pub async fn start(mut options: Options) -> Result<Self, Error> {
        routed::check(&options)?;
        let is_changed = setup::fit_event(&mut options);
        let apis = bind_apis(&options).await?;
        let issuer = bind("--issuer-port", options.issuer_port).await?;
        let dynamodb = bind("--dynamodb-port", options.dynamodb_port).await?;
        let console = see::bind(&options).await?;
        let live = Live::default();
        if console.is_some() {
            let watch = Watch::start(live.clone()).map_err(Error::Address)?;
            options.log = options.log.clone().watched(watch);
        }

        // Where the issuer will be once it has started.
        let origin = format!("http://{}", issuer.local_addr().map_err(Error::Address)?);
        let mut setup = Setup::read(&options, &origin)?;
        if is_changed {
            setup.notes.push(REQUEST_EVENTS.to_owned());
        }
        let setup = Arc::new(setup);
        let functions = functions(&options, &setup, &dynamodb)?;
        // Separate tasks, because one thread cannot start them all at once.
        let behind = start_behind(dynamodb, functions, options.clone(), Arc::clone(&setup));
        let behind = tokio::spawn(behind);
        let issuer = Issuer::start_all(issuer, issuers(&options, &setup)).await;

        match (joined(behind).await, issuer) {
            (Ok((table, mut filled, functions)), Ok(issuer)) => {
                let of_tables = std::mem::take(&mut filled.notes);
                let sockets = Endpoints::of(&options, &apis);
                let values = Values::of(&options, &apis, &filled.streams);
                let backends = Backends::start(&options, table.url(), &sockets, &values).await;
                let configured = configured_key(&options, &setup);
                let template = options.template.as_deref();
                let keys = template.map(|all| TemplateKeys::of(all, configured, &options));
                let keys = keys.unwrap_or_default();
                let (mut gateways, mut addresses) = (Vec::new(), Vec::new());
                // A function has one address for its clients, whichever API they connected to.
                let connections = Arc::new(Connections::default());
                for Place { kind, api, listener } in apis {
                    let base = |kind| gateway::Options {
                        connections: Arc::clone(&connections),
                        ..gateway_options(kind, &options, &setup, &functions)
                    };
                    let api = api.and_then(|at| options.template.as_ref()?.apis.get(at));
                    let gateway = match api {
                        Some(api) => {
                            let programs = (&options.functions, &backends);
                            let (routes, missing) =
                                routed::options(api, kind, &base, &keys, programs);
                            Gateway::start_routed(listener, routes, missing)
                        }
                        None => Gateway::start(listener, base(kind)),
                    };
                    let gateway = gateway.map_err(Error::Address)?;
                    let name = api.map(|api| api.name.clone());
                    let mut served = ready::Api::new(name, kind, &gateway.url());
                    served.routes =
                        api.map(|api| routed::listed(api, &options)).unwrap_or_default();
                    served.key = api.and_then(|api| keys.of_callers(api));
                    served.message = api.and_then(routed::message);
                    addresses.push(served);
                    gateways.push(gateway);
                }
                let examples = Examples::choose(&setup, &options, &issuer, &table).await;
                let mut ready = ready::of(&setup, &options, &issuer, filled, examples);
                ready.serve(addresses);
                if !routed::asks_authorizer(&options) {
                    ready.without_authorizer();
                }
                let of_caller = keys.of_header(&options);
                ready.hold(keys.made.clone(), of_caller);
                table.url().clone_into(&mut ready.dynamodb);
                ready.notes.extend(of_tables);
                ready.notes.extend(backends.notes());
                ready.notes.extend(routed::notes(&options));
                ready.notes.extend(routed::token_notes(&options, &setup));
                ready
                    .notes
                    .extend(template.map(|all| keys.notes(all, configured)).unwrap_or_default());
                let console = match console {
                    Some(listener) => Some(see::start(listener, &setup, &table, &ready, live)?),
                    None => None,
                };
                ready.console = console.as_ref().map(|console| console.url().to_owned());
                let _inline = options.inline;
                Ok(Self { gateways, functions, backends, issuer, table, console, ready, _inline })
            }
            // What a person can most likely mend comes first.
            (Err(error), issuer) => {
                if let Ok(issuer) = issuer {
                    issuer.shutdown().await;
                }
                Err(error)
            }
            (Ok((table, _, functions)), Err(error)) => {
                end_all(&functions).await;
                table.shutdown().await;
                Err(error.into())
            }
        }
    }

    /// Returns the addresses and callers, for a person or a program.
    #[must_use]
    pub fn ready(&self) -> Ready {
        let mut ready = self.ready.clone();
        ready.environments = self.functions.iter().flat_map(|function| function.pids()).collect();
        ready
    }

    /// The token issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Ends everything, from the front to the back, and waits until it has ended.
    pub async fn shutdown(self) {
        if let Some(console) = self.console {
            console.shutdown().await;
        }
        for gateway in self.gateways {
            gateway.shutdown().await;
        }
        end_all(&self.functions).await;
        self.backends.end().await;
        self.issuer.shutdown().await;
        self.table.shutdown().await;
    }
}

/// An API that there is to be.
struct Place {
    kind: Kind,
    /// Its place among the template's APIs.
    api: Option<usize>,
    listener: TcpListener,
}

/// Binds the ports of the APIs that there are to be. Of a template's APIs the first of each kind
/// gets the port of a flag, and the others get free ones.
async fn bind_apis(options: &Options) -> Result<Vec<Place>, Error> {
    let wanted: Vec<(Kind, Option<usize>)> = match &options.template {
        Some(template) => {
            template.apis.iter().enumerate().map(|(at, api)| (api.kind(), Some(at))).collect()
        }
        None => options.kinds().into_iter().map(|kind| (kind, None)).collect(),
    };
    let (mut apis, mut flags) = (Vec::new(), Vec::new());
    for (kind, api) in wanted {
        let (flag, port) = match kind {
            Kind::RestToken | Kind::RestRequest => ("--api-port", options.api_port),
            Kind::Http(_) => ("--http-port", options.http_port),
            Kind::WebSocket => ("--websocket-port", options.websocket_port),
        };
        let port = if flags.contains(&flag) { 0 } else { port };
        flags.push(flag);
        apis.push(Place { kind, api, listener: bind(flag, port).await? });
    }
    Ok(apis)
}

async fn end_all(functions: &[Arc<Function>]) {
    for function in functions {
        function.shutdown().await;
    }
}

async fn bind(flag: &'static str, port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| Error::Port {
        flag,
        port,
        source,
    })
}

/// The outcome of a task that neither panics nor is aborted; its panic goes on here.
async fn joined<T>(task: tokio::task::JoinHandle<T>) -> T {
    match task.await {
        Ok(outcome) => outcome,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Starts the table and then the functions, which look into the table while they start.
async fn start_behind(
    listener: TcpListener,
    functions: Vec<lambda::Options>,
    options: Options,
    setup: Arc<Setup>,
) -> Result<(Table, Filled, Vec<Arc<Function>>), Error> {
    let (table, filled) = start_table(listener, &options, &setup).await?;
    let starting: Vec<_> =
        functions.into_iter().map(|options| tokio::spawn(Function::start(options))).collect();
    let mut started = Vec::new();
    let mut failed = None;
    for function in starting {
        match joined(function).await {
            Ok(function) => started.push(Arc::new(function)),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        None => Ok((table, filled, started)),
        Some(error) => {
            end_all(&started).await;
            table.shutdown().await;
            Err(error.into())
        }
    }
}
