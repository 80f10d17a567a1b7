//! Everything together: table, issuer, execution environments, and the API in front of them.
//!
//! The ports are bound before anything else happens, so that a taken one costs nothing. With
//! them every address is known, and all parts start at the same time: the environments don't wait
//! for the issuer's keys to be made, nor for the table.
//!
//! One function serves every API that a configuration of one's own is for. The demonstration has
//! two: a REST API refuses by a key that no plan knows, and an HTTP API can't.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use throttle::table::{Plans, TableError, WriteError};
use throttle::{Plan, PlanError, PlanId};
use tokio::net::TcpListener;

use crate::clock::Now;
use crate::demo;
use crate::gateway::{self, Gateway, KeySource, Kind, Payload, Route, Source};
use crate::issuer::{self, Issuer};
use crate::lambda::{self, Function, InvokeError, StartError};
use crate::ready::Ready;
use crate::table::{self, Data, Table};

/// What is started, and how.
#[derive(Clone)]
pub struct Options {
    /// The REST API's port; 0 for a free one, here and below.
    pub api_port: u16,
    /// The token issuer's port.
    pub issuer_port: u16,
    /// The table's port.
    pub dynamodb_port: u16,
    /// How many execution environments the authorizer has.
    pub environments: NonZeroUsize,
    /// How long the API keeps an authorizer's result; zero turns its cache off.
    pub authorizer_ttl: Duration,
    /// How long the issuer's tokens are good for.
    pub token_lifetime: Duration,
    /// The HTTP service behind the API; without one requests are echoed.
    pub upstream: Option<Uri>,
    /// The folder that keeps the table; without one it is in memory.
    pub data: Option<PathBuf>,
    /// The authorizer's configuration; without one the demonstration's.
    pub config: Option<PathBuf>,
    /// The usage plan's API key.
    ///
    /// The demonstration needs one and has its own; with a configuration of one's own a key is
    /// required of nobody unless it is given here.
    pub api_key: Option<String>,
    /// Where the API keys of requests come from.
    pub api_key_source: KeySource,
    /// The usage plan that the APIs themselves hold the key to.
    pub usage_plan: Option<Plan>,
    /// Which REST API there is: [`Kind::RestToken`] or [`Kind::RestRequest`].
    pub rest: Kind,
    /// The HTTP API, where there is one.
    pub http: Option<Payload>,
    /// The HTTP API's port.
    pub http_port: u16,
    /// The HTTP API's routes; without any it takes every request.
    pub routes: Vec<Route>,
    /// Whether there is a WebSocket API.
    pub websocket: bool,
    /// The WebSocket API's port.
    pub websocket_port: u16,
    /// Identity sources, each for the APIs that can have it; without one, that of the kind.
    pub identity_sources: Vec<Source>,
    /// The variables of every stage.
    pub stage_variables: BTreeMap<String, String>,
    /// What an execution environment runs.
    pub authorizer: PathBuf,
    /// The arguments of that executable.
    pub authorizer_arguments: Vec<OsString>,
    /// The wall clock.
    pub now: Now,
}

impl Options {
    /// The demonstration on free ports, in memory, with two environments of `authorizer`.
    #[must_use]
    pub fn new(authorizer: PathBuf, now: Now) -> Self {
        Self {
            api_port: 0,
            issuer_port: 0,
            dynamodb_port: 0,
            environments: NonZeroUsize::MIN.saturating_add(1),
            authorizer_ttl: Duration::ZERO,
            token_lifetime: Duration::from_secs(3600),
            upstream: None,
            data: None,
            config: None,
            api_key: None,
            api_key_source: KeySource::default(),
            usage_plan: None,
            rest: Kind::RestToken,
            http: None,
            http_port: 0,
            routes: Vec::new(),
            websocket: false,
            websocket_port: 0,
            identity_sources: Vec::new(),
            stage_variables: BTreeMap::new(),
            authorizer,
            authorizer_arguments: Vec::new(),
            now,
        }
    }

    /// Every API that there is to be, the REST API first.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        let socket = self.websocket.then_some(Kind::WebSocket);
        [Some(self.rest), self.http.map(Kind::Http), socket].into_iter().flatten().collect()
    }

    /// The demonstration's second function, where an API needs one.
    fn has_second_function(&self) -> bool {
        self.config.is_none() && (self.http.is_some() || self.websocket)
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("kinds", &self.kinds())
            .field("environments", &self.environments)
            .field("authorizer_ttl", &self.authorizer_ttl)
            .field("data", &self.data)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Why the stack did not start. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port can't be had.
    #[error(
        "{flag}: can't listen on 127.0.0.1:{port}: {source}; name another port, or 0 for a free one"
    )]
    Port {
        /// The command line's name for it.
        flag: &'static str,
        /// The port.
        port: u16,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The table's server.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// Making the table.
    #[error(transparent)]
    Create(#[from] TableError),
    /// Writing a demonstration plan.
    #[error("can't write the plan `{plan}`: {source}")]
    Plan {
        /// The plan.
        plan: &'static str,
        /// What the table says.
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
    /// A listener that can't tell its address.
    #[error("a listener has no address: {0}")]
    Address(std::io::Error),
}

/// A running stack.
#[derive(Debug)]
pub struct Stack {
    /// One for each of [`Options::kinds`], in that order.
    gateways: Vec<(Kind, Gateway)>,
    functions: Vec<Arc<Function>>,
    issuer: Issuer,
    table: Table,
    api_key: Option<String>,
}

impl Stack {
    /// Starts everything; when this returns, requests are answered.
    ///
    /// # Errors
    /// [`Error`], the first that stands in the way; what had started is ended by then.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let apis = bind_apis(&options).await?;
        let issuer = bind("--issuer-port", options.issuer_port).await?;
        let dynamodb = bind("--dynamodb-port", options.dynamodb_port).await?;

        let api_key = match (&options.api_key, &options.config) {
            (Some(key), _) => Some(key.clone()),
            (None, None) => Some(demo::API_KEY.to_owned()),
            (None, Some(_)) => None,
        };
        let functions = functions(&options, &issuer, &dynamodb, api_key.as_deref())?;
        // Each on a task of its own: one thread can't start them all at once.
        let behind = start_behind(dynamodb, functions, options.data.clone(), options.now.clone());
        let behind = tokio::spawn(behind);
        let issuer = Issuer::start(issuer, demo_pool(&options)).await;

        match (joined(behind).await, issuer) {
            (Ok((table, functions)), Ok(issuer)) => {
                let mut gateways = Vec::new();
                for (kind, listener) in apis {
                    let options = gateway_options(kind, &options, &functions, api_key.as_deref());
                    let gateway = Gateway::start(listener, options).map_err(Error::Address)?;
                    gateways.push((kind, gateway));
                }
                Ok(Self { gateways, functions, issuer, table, api_key })
            }
            // What a person can most likely mend comes first.
            (Err(error), issuer) => {
                if let Ok(issuer) = issuer {
                    issuer.shutdown().await;
                }
                Err(error)
            }
            (Ok((table, functions)), Err(error)) => {
                end_all(&functions).await;
                table.shutdown().await;
                Err(error.into())
            }
        }
    }

    /// What there is to know about it, for a person or a program.
    #[must_use]
    pub fn ready(&self) -> Ready {
        let url = |wanted: fn(Kind) -> bool| {
            self.gateways.iter().find(|(kind, _)| wanted(*kind)).map(|(_, gateway)| gateway.url())
        };
        let socket = url(|kind| kind == Kind::WebSocket);
        Ready {
            api: url(Kind::is_rest).unwrap_or_default(),
            http_api: url(Kind::is_http),
            websocket_api: socket.map(|url| url.replacen("http://", "ws://", 1)),
            issuer: self.issuer.url().to_owned(),
            jwks_uri: self.issuer.jwks_uri(),
            token_endpoint: self.issuer.token_endpoint(),
            dynamodb: self.table.url().to_owned(),
            table: demo::TABLE.to_owned(),
            clients: demo::clients().iter().filter_map(Into::into).collect(),
            users: demo::users().into_iter().map(Into::into).collect(),
            client_id: demo::WEB_CLIENT.to_owned(),
            api_key: self.api_key.clone(),
            environments: self.functions.iter().flat_map(|function| function.pids()).collect(),
        }
    }

    /// The token issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Ends everything, from the front to the back, and waits until it has ended.
    pub async fn shutdown(self) {
        for (_, gateway) in self.gateways {
            gateway.shutdown().await;
        }
        end_all(&self.functions).await;
        self.issuer.shutdown().await;
        self.table.shutdown().await;
    }
}

/// Binds the ports of the APIs that there are to be.
async fn bind_apis(options: &Options) -> Result<Vec<(Kind, TcpListener)>, Error> {
    let mut apis = Vec::new();
    for kind in options.kinds() {
        let (flag, port) = match kind {
            Kind::RestToken | Kind::RestRequest => ("--api-port", options.api_port),
            Kind::Http(_) => ("--http-port", options.http_port),
            Kind::WebSocket => ("--websocket-port", options.websocket_port),
        };
        apis.push((kind, bind(flag, port).await?));
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

/// The functions that there are to be: one, or the demonstration's two.
fn functions(
    options: &Options,
    issuer: &TcpListener,
    dynamodb: &TcpListener,
    api_key: Option<&str>,
) -> Result<Vec<lambda::Options>, Error> {
    // Where the issuer will be once it has started.
    let issuer = issuer.local_addr().map_err(Error::Address)?;
    let issuer = issuer::url(&format!("http://{issuer}"), demo::POOL);
    let jwks_uri = issuer::jwks_uri(&issuer);
    let mut configs = match &options.config {
        Some(path) => vec![("tollgate", path.display().to_string())],
        None => vec![("tollgate", demo::config(&issuer, &jwks_uri, api_key.unwrap_or_default()))],
    };
    if options.has_second_function() {
        let simple = options.http == Some(Payload::Simple);
        configs.push(("tollgate-http", demo::http_config(&issuer, &jwks_uri, simple)));
    }
    let dynamodb = dynamodb.local_addr().map_err(Error::Address)?;
    let function = |(name, config): (&str, String)| {
        let mut function =
            lambda::Options::new(options.authorizer.clone(), name, options.now.clone());
        function.arguments.clone_from(&options.authorizer_arguments);
        function.environments = options.environments;
        function.variables = vec![
            ("AUTHORIZER_CONFIG".to_owned(), config),
            ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), format!("http://{dynamodb}")),
        ];
        // The person who starts the stack says how much its authorizer tells.
        if let Ok(level) = std::env::var("AWS_LAMBDA_LOG_LEVEL") {
            function.variables.push(("AWS_LAMBDA_LOG_LEVEL".to_owned(), level));
        }
        function
    };
    Ok(configs.into_iter().map(function).collect())
}

fn gateway_options(
    kind: Kind,
    options: &Options,
    functions: &[Arc<Function>],
    api_key: Option<&str>,
) -> gateway::Options {
    // The second function, where there is one, is for all but the REST API.
    let function = if kind.is_rest() { functions.first() } else { functions.last() }.cloned();
    let invoke: gateway::Invoke = Arc::new(move |event| {
        let function = function.clone();
        Box::pin(async move {
            match function {
                Some(function) => function.invoke(event).await,
                None => Err(InvokeError::Stopped),
            }
        })
    });
    let mut gateway = gateway::Options::of(kind, invoke, options.now.clone());
    let sources = options.identity_sources.iter().filter(|source| source.serves(kind));
    let sources: Vec<Source> = sources.cloned().collect();
    if !sources.is_empty() {
        gateway.identity_sources = sources;
    }
    if !options.routes.is_empty() {
        gateway.routes.clone_from(&options.routes);
    }
    gateway.stage_variables.clone_from(&options.stage_variables);
    gateway.cache_ttl = options.authorizer_ttl;
    // The demonstration's second function knows no key.
    let has_keys = kind.is_rest() || !options.has_second_function();
    gateway.api_key = api_key.filter(|_| has_keys).map(str::to_owned);
    gateway.api_key_source = options.api_key_source;
    gateway.usage_plan.clone_from(&options.usage_plan);
    gateway.upstream.clone_from(&options.upstream);
    gateway
}

fn demo_pool(options: &Options) -> issuer::Options {
    let now = options.now.clone();
    issuer::Options {
        pool: demo::POOL.to_owned(),
        clients: demo::clients(),
        users: demo::users(),
        token_lifetime: options.token_lifetime,
        now: Box::new(move || now.moment().as_secs()),
    }
}

/// Starts the table and then the functions, which look into the table while they start.
async fn start_behind(
    listener: TcpListener,
    functions: Vec<lambda::Options>,
    data: Option<PathBuf>,
    now: Now,
) -> Result<(Table, Vec<Arc<Function>>), Error> {
    let table = start_table(listener, data, now).await?;
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
        None => Ok((table, started)),
        Some(error) => {
            end_all(&started).await;
            table.shutdown().await;
            Err(error.into())
        }
    }
}

/// Starts the table's server and puts the demonstration's plans into it.
async fn start_table(
    listener: TcpListener,
    data: Option<PathBuf>,
    now: Now,
) -> Result<Table, Error> {
    let data = data.map_or(Data::Memory, Data::Directory);
    let table = Table::start(listener, data).await?;
    match fill(&table, &now).await {
        Ok(()) => Ok(table),
        Err(error) => {
            table.shutdown().await;
            Err(error)
        }
    }
}

async fn fill(table: &Table, now: &Now) -> Result<(), Error> {
    let client = table.client();
    throttle::table::create(&client, demo::TABLE).await?;
    let plans = Plans::new(client, demo::TABLE);
    for (name, json) in demo::PLANS {
        let failed = |source: WriteError| Error::Plan { plan: name, source: Box::new(source) };
        let plan = Plan::from_json(json)?;
        let Ok(id) = PlanId::new(name) else { continue };
        match plans.put(&id, &plan, None, now.moment()).await {
            // A folder that was used before has its own idea of the plan, which stays.
            Ok(_) | Err(WriteError::Conflict { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}
