//! The embedded table: DynamoDB's protocol over SQLite, on loopback.
//!
//! The server is [dynoxide](https://docs.rs/dynoxide-rs), spoken to by the real AWS SDK. It runs
//! SQLite on the threads of its async runtime, so it has its own runtime on its own thread:
//! under load it does not slow other parts down. A front before it does what DynamoDB does and
//! the server does not: the limit of a partition, the rules of time to live, and a few operations.

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::{Client, Config};
use axum::Router;
use dynoxide::{Database, DynoxideError};
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io, thread};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::clock::Now;
pub(crate) use define::DefineError;

mod define;
mod front;
mod partitions;
mod sweep;
#[cfg(test)]
mod tests;

/// The database's file in its folder.
const FILE: &str = "table.db";

/// The time between removals of expired items, unless another is asked for.
///
/// DynamoDB removes them within a few days. An hour is soon, and late enough to be noticed.
pub const SWEEP: Duration = Duration::from_secs(3600);

/// The time that open requests have after the table is asked to stop.
const GRACE: Duration = Duration::from_millis(500);

/// The table's storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// In memory: gone when the table ends.
    Memory,
    /// In this folder, as `table.db`; both are made where they are missing.
    Directory(PathBuf),
}

/// Settings of the table.
#[derive(Clone, Debug)]
pub struct Options {
    /// The place of the data.
    pub data: Data,
    /// True to throttle one partition key's requests as DynamoDB does.
    pub has_partition_limit: bool,
    /// The time between removals of expired items.
    pub sweep: Duration,
    /// The clock of limits and of time to live.
    pub now: Now,
}

impl Options {
    /// A table in memory, with the limit of a partition.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self { data: Data::Memory, has_partition_limit: true, sweep: SWEEP, now }
    }
}

/// Errors of starting the table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder or the file can't be made, read or written.
    #[error("can't use `{}`: {source}; name a folder that can be written", path.display())]
    Path {
        /// The folder or file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The folder's name is not UTF-8, which SQLite's interface asks for.
    #[error("can't use `{}`: its name is not UTF-8; name another folder", .0.display())]
    Name(PathBuf),
    /// The file is not a database of this kind.
    #[error("can't open the database `{}`: {source}; remove it or name another folder", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// The database's error.
        source: DynoxideError,
    },
    /// A database in memory cannot be opened.
    #[error("can't make a database in memory: {0}")]
    Memory(DynoxideError),
    /// The listener or the table's thread fails.
    #[error("can't start the table's thread: {0}")]
    Thread(#[from] io::Error),
}

/// A running table server. Dropping it ends it too, without waiting for its end.
pub struct Table {
    url: String,
    database: Database,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
    there: watch::Sender<bool>,
}

impl Table {
    /// Opens the database and serves it on `listener`. It holds no table at first.
    ///
    /// # Errors
    /// The data cannot be opened, or a thread cannot be started.
    pub async fn start(listener: TcpListener, options: Options) -> Result<Self, Error> {
        let url = format!("http://{}", listener.local_addr()?);
        let listener = listener.into_std()?;
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let (there, is_there) = watch::channel(true);
        // Off the async threads: opening reads the disk, and a runtime may not be dropped on one.
        let database = spawn_blocking(move || -> Result<Database, Error> {
            let database = open(&options.data)?;
            let own = database.clone();
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let listener = {
                let _entered = runtime.enter();
                TcpListener::from_std(listener)?
            };
            thread::Builder::new().name("table".to_owned()).spawn(move || {
                run(runtime, serve(listener, database, options, stopped, is_there));
                // The receiver is gone if the `Table` was dropped.
                let _ = end.send(());
            })?;
            Ok(own)
        })
        .await
        .map_err(io::Error::other)??;
        Ok(Self { url, database, stop, ended, there })
    }

    /// The server's address: an endpoint for any DynamoDB client.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A new client of this server, with credentials that mean nothing and the SDK's defaults.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::from_conf(
            Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::from_static("us-east-1"))
                .credentials_provider(Credentials::new("local", "local", None, None, "local"))
                .endpoint_url(&self.url)
                .build(),
        )
    }

    /// Creates a table by a request of `CreateTable`, with this attribute for its time to live.
    ///
    /// Returns the label of its stream, if it has one.
    ///
    /// # Errors
    /// The request is wrong, or there is another table of the name.
    pub(crate) async fn define(
        &self,
        request: Value,
        expiry: Option<String>,
    ) -> Result<Option<String>, DefineError> {
        let database = self.database.clone();
        let defined = spawn_blocking(move || define::define(&database, &request, expiry)).await;
        defined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// Takes the server off its port while false is sent, with its data. Connections are refused.
    #[must_use]
    pub(crate) fn there(&self) -> watch::Sender<bool> {
        self.there.clone()
    }

    /// Ends the server and waits until the database is closed.
    ///
    /// Requests under way have half a second. What was answered is on disk afterwards, in one file.
    pub async fn shutdown(self) {
        let Self { stop, ended, database, .. } = self;
        // The last one closes it.
        drop(database);
        // Either fails only where the thread has ended already, which is what is wanted.
        let _ = stop.send(());
        drop(ended.await);
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Runs `server` to its end. Dropping the runtime then drops each connection, and with the last
/// one the database, which SQLite so closes in order.
fn run(runtime: Runtime, server: impl Future<Output = ()>) {
    runtime.block_on(server);
    drop(runtime);
}

async fn serve(
    listener: TcpListener,
    database: Database,
    options: Options,
    stopped: oneshot::Receiver<()>,
    is_there: watch::Receiver<bool>,
) {
    let Ok(inner) = hidden().await else { return };
    let Ok(address) = inner.local_addr() else { return };
    tokio::spawn(sweep::run(database.clone(), options.clone()));
    let front = front::router(address, database.clone(), &options);
    let (stop, stopping) = watch::channel(false);
    let stop_of = |mut stopping: watch::Receiver<bool>| async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let server = dynoxide::server::serve_with_shutdown(inner, database, stop_of(stopping.clone()));
    let front = serve_while_there(listener, front, stopping, is_there);
    let both = async {
        let ((), _) = tokio::join!(front, server);
    };
    tokio::select! {
        // They end with an error only if a listener does; clients then see a refused connection.
        () = both => {}
        // A client that sends half a request would hold the server for as long as it likes.
        () = async {
            // A dropped sender ends the server like one that speaks.
            drop(stopped.await);
            stop.send_replace(true);
            sleep(GRACE).await;
        } => {}
    }
}

/// A listener for the server itself, which answers pages of every site.
///
/// Its address is one of 2²⁴ of the loopback, so that no page finds it. Where the system has
/// 127.0.0.1 alone, its port is all that a page does not know.
async fn hidden() -> io::Result<TcpListener> {
    let [a, b, c, ..] = *uuid::Uuid::new_v4().as_bytes();
    match TcpListener::bind((Ipv4Addr::new(127, a, b, c.clamp(1, 254)), 0)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
    }
}

/// Serves until it is to stop, and leaves the port while the table is not to be there.
async fn serve_while_there(
    listener: TcpListener,
    front: Router,
    mut stopping: watch::Receiver<bool>,
    mut is_there: watch::Receiver<bool>,
) {
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    loop {
        if let Some(listener) = listener.take() {
            let (mut stopping, mut is_there) = (stopping.clone(), is_there.clone());
            let leaving = async move {
                tokio::select! {
                    _ = stopping.wait_for(|stop| *stop) => {}
                    Ok(_) = is_there.wait_for(|there| !there) => {}
                }
            };
            let server = axum::serve(listener, front.clone()).with_graceful_shutdown(leaving);
            // It ends with an error only if the listener does.
            drop(server.await);
        }
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            back = is_there.wait_for(|there| *there) => drop(back),
        }
        listener = TcpListener::bind(address).await.ok();
        if listener.is_none() {
            // Another program has the port.
            sleep(GRACE).await;
        }
    }
}

fn open(data: &Data) -> Result<Database, Error> {
    match data {
        Data::Memory => Database::memory().map_err(Error::Memory),
        Data::Directory(directory) => {
            let fault = |path: &Path| {
                let path = path.to_owned();
                move |source| Error::Path { path, source }
            };
            fs::create_dir_all(directory).map_err(fault(directory))?;
            let path = directory.join(FILE);
            // SQLite opens what it can't write for reading, and fails at the first write.
            OpenOptions::new().append(true).create(true).open(&path).map_err(fault(&path))?;
            let name = path.to_str().ok_or_else(|| Error::Name(path.clone()))?;
            Database::new(name).map_err(|source| Error::Database { path: path.clone(), source })
        }
    }
}
