//! Settings of a stack.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tempfile::TempDir;
use throttle::Plan;

use crate::clock::Now;
use crate::gateway::{KeySource, Kind, Payload, Route, Source};
use crate::log::Log;
use crate::program::Program;
use crate::template::Template;

/// The port of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsolePort {
    /// There is no console.
    #[default]
    Off,
    /// 9405, or a free port if that is taken.
    Usual,
    /// This port; 0 for a free one.
    At(u16),
}

/// Settings of a stack.
#[derive(Clone)]
pub struct Options {
    /// The REST API's port; 0 for a free one, here and below.
    pub api_port: u16,
    /// The token issuer's port.
    pub issuer_port: u16,
    /// The table's port.
    pub dynamodb_port: u16,
    /// The number of the authorizer's execution environments.
    pub environments: NonZeroUsize,
    /// The time that the API caches an authorizer's result; zero turns its cache off.
    pub authorizer_ttl: Duration,
    /// The lifetime of the issuer's tokens.
    pub token_lifetime: Duration,
    /// True to serve a REST API.
    pub has_rest: bool,
    /// The deployment's template, which says what the APIs are.
    pub(crate) template: Option<Arc<Template>>,
    /// The programs of the template's functions, by the functions' names.
    pub(crate) functions: BTreeMap<String, Program>,
    /// The folder of the template's inline code.
    pub(crate) inline: Option<Arc<TempDir>>,
    /// The HTTP service behind the API; without one requests are echoed.
    pub upstream: Option<Uri>,
    /// The folder that keeps the table; without one it is in memory.
    pub data: Option<PathBuf>,
    /// True to throttle one key of the table as DynamoDB does.
    pub has_partition_limit: bool,
    /// The time between removals of expired items of the table.
    pub ttl_sweep: Duration,
    /// True to suspend the authorizer's processes between invocations, as Lambda does.
    pub freezes: bool,
    /// True to let functions write below `/tmp` only, as Lambda does.
    pub is_read_only: bool,
    /// The memory that one process of the authorizer may use, in megabytes.
    pub memory_mb: u32,
    /// The authorizer's configuration; without one the demonstration's.
    pub config: Option<PathBuf>,
    /// App clients and users, in TOML, beside those that are made up.
    pub users: Option<PathBuf>,
    /// The usage plan's API key; without one, the configuration's `api_key`.
    ///
    /// If neither is there, no key is required.
    pub api_key: Option<String>,
    /// The source of the requests' API keys.
    pub api_key_source: KeySource,
    /// The usage plan that the APIs themselves hold the key to.
    pub usage_plan: Option<Plan>,
    /// The kind of REST API: [`Kind::RestToken`] or [`Kind::RestRequest`].
    pub rest: Kind,
    /// The HTTP API, where there is one.
    pub http: Option<Payload>,
    /// The HTTP API's port.
    pub http_port: u16,
    /// The HTTP API's routes; without any it takes every request.
    pub routes: Vec<Route>,
    /// True to serve a WebSocket API.
    pub websocket: bool,
    /// The WebSocket API's port.
    pub websocket_port: u16,
    /// The console's port.
    pub console: ConsolePort,
    /// Identity sources, each for the APIs that can have it; without one, that of the kind.
    pub identity_sources: Vec<Source>,
    /// The variables of every stage.
    pub stage_variables: BTreeMap<String, String>,
    /// The executable that an execution environment runs.
    pub authorizer: PathBuf,
    /// True if the executable is another authorizer than Tollgate's.
    pub is_other_authorizer: bool,
    /// The arguments of that executable.
    pub authorizer_arguments: Vec<OsString>,
    /// The wall clock.
    pub now: Now,
    /// Prints a line for each request, and the authorizer's warnings and errors.
    pub log: Log,
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
            has_rest: true,
            template: None,
            functions: BTreeMap::new(),
            inline: None,
            upstream: None,
            data: None,
            has_partition_limit: true,
            ttl_sweep: crate::table::SWEEP,
            freezes: true,
            is_read_only: true,
            memory_mb: crate::lambda::MEMORY_MB,
            config: None,
            users: None,
            api_key: None,
            api_key_source: KeySource::default(),
            usage_plan: None,
            rest: Kind::RestToken,
            http: None,
            http_port: 0,
            routes: Vec::new(),
            websocket: false,
            websocket_port: 0,
            console: ConsolePort::Off,
            identity_sources: Vec::new(),
            stage_variables: BTreeMap::new(),
            authorizer,
            is_other_authorizer: false,
            authorizer_arguments: Vec::new(),
            now,
            log: Log::default(),
        }
    }

    /// Every API that there is to be, the REST API first.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        let socket = self.websocket.then_some(Kind::WebSocket);
        let rest = self.has_rest.then_some(self.rest);
        [rest, self.http.map(Kind::Http), socket].into_iter().flatten().collect()
    }

    /// The demonstration's second function, where an API needs one.
    pub(crate) fn has_second_function(&self) -> bool {
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
