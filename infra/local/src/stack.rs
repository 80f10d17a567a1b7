//! Everything together: table, issuer, execution environments, and the API in front of them.
//!
//! The three ports are bound before anything else happens, so that a taken one costs nothing. With
//! them every address is known, and all parts start at the same time: the environments don't wait
//! for the issuer's keys to be made, nor for the table.

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
use crate::gateway::{self, Gateway};
use crate::issuer::{self, Issuer};
use crate::lambda::{self, Function, StartError};
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
            authorizer,
            authorizer_arguments: Vec::new(),
            now,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
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
    gateway: Gateway,
    function: Arc<Function>,
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
        let api = bind("--api-port", options.api_port).await?;
        let issuer = bind("--issuer-port", options.issuer_port).await?;
        let dynamodb = bind("--dynamodb-port", options.dynamodb_port).await?;

        let api_key = match (&options.api_key, &options.config) {
            (Some(key), _) => Some(key.clone()),
            (None, None) => Some(demo::API_KEY.to_owned()),
            (None, Some(_)) => None,
        };
        let function = function(&options, &issuer, &dynamodb, api_key.as_deref())?;
        // Each on a task of its own: one thread can't start them all at once.
        let behind = start_behind(dynamodb, function, options.data.clone(), options.now.clone());
        let behind = tokio::spawn(behind);
        let issuer = Issuer::start(issuer, demo_pool(&options)).await;

        match (joined(behind).await, issuer) {
            (Ok((table, function)), Ok(issuer)) => {
                let function = Arc::new(function);
                let options = gateway_options(&options, &function, api_key.clone());
                let gateway = Gateway::start(api, options).map_err(Error::Address)?;
                Ok(Self { gateway, function, issuer, table, api_key })
            }
            // What a person can most likely mend comes first.
            (Err(error), issuer) => {
                if let Ok(issuer) = issuer {
                    issuer.shutdown().await;
                }
                Err(error)
            }
            (Ok((table, function)), Err(error)) => {
                function.shutdown().await;
                table.shutdown().await;
                Err(error.into())
            }
        }
    }

    /// What there is to know about it, for a person or a program.
    #[must_use]
    pub fn ready(&self) -> Ready {
        Ready {
            api: self.gateway.url(),
            issuer: self.issuer.url().to_owned(),
            jwks_uri: self.issuer.jwks_uri(),
            token_endpoint: self.issuer.token_endpoint(),
            dynamodb: self.table.url().to_owned(),
            table: demo::TABLE.to_owned(),
            clients: demo::clients().iter().filter_map(Into::into).collect(),
            users: demo::users().into_iter().map(Into::into).collect(),
            client_id: demo::WEB_CLIENT.to_owned(),
            api_key: self.api_key.clone(),
            environments: self.function.pids(),
        }
    }

    /// The token issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Ends everything, from the front to the back, and waits until it has ended.
    pub async fn shutdown(self) {
        self.gateway.shutdown().await;
        self.function.shutdown().await;
        self.issuer.shutdown().await;
        self.table.shutdown().await;
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

fn function(
    options: &Options,
    issuer: &TcpListener,
    dynamodb: &TcpListener,
    api_key: Option<&str>,
) -> Result<lambda::Options, Error> {
    let config = match &options.config {
        Some(path) => path.display().to_string(),
        None => {
            // Where the issuer will be once it has started.
            let issuer = issuer.local_addr().map_err(Error::Address)?;
            let issuer = issuer::url(&format!("http://{issuer}"), demo::POOL);
            demo::config(&issuer, &issuer::jwks_uri(&issuer), api_key.unwrap_or_default())
        }
    };
    let dynamodb = dynamodb.local_addr().map_err(Error::Address)?;
    let mut function =
        lambda::Options::new(options.authorizer.clone(), "tollgate", options.now.clone());
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
    Ok(function)
}

fn gateway_options(
    options: &Options,
    function: &Arc<Function>,
    api_key: Option<String>,
) -> gateway::Options {
    let function = Arc::clone(function);
    let invoke: gateway::Invoke = Arc::new(move |event| {
        let function = Arc::clone(&function);
        Box::pin(async move { function.invoke(event).await })
    });
    let mut gateway = gateway::Options::new(invoke, options.now.clone());
    gateway.cache_ttl = options.authorizer_ttl;
    gateway.api_key = api_key;
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

/// Starts the table and then the function, which looks into the table while it starts.
async fn start_behind(
    listener: TcpListener,
    function: lambda::Options,
    data: Option<PathBuf>,
    now: Now,
) -> Result<(Table, Function), Error> {
    let table = start_table(listener, data, now).await?;
    match Function::start(function).await {
        Ok(function) => Ok((table, function)),
        Err(error) => {
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
