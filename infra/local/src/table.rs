//! The embedded table: DynamoDB's protocol over SQLite, on loopback.
//!
//! The server is [dynoxide](https://docs.rs/dynoxide-rs), spoken to by the real AWS SDK. It runs
//! SQLite on the threads of its async runtime, so it has its own runtime on its own thread:
//! under load it does not slow other parts down.

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::{Client, Config};
use dynoxide::{Database, DynoxideError};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io, thread};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// The database's file in its folder.
const FILE: &str = "table.db";

/// The interval between removals of expired items.
const SWEEP: Duration = Duration::from_secs(60);

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
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Table {
    /// Opens the database and serves it on `listener`. It holds no table at first.
    ///
    /// # Errors
    /// The data cannot be opened, or a thread cannot be started.
    pub async fn start(listener: TcpListener, data: Data) -> Result<Self, Error> {
        Self::start_sweeping(listener, data, SWEEP).await
    }

    async fn start_sweeping(
        listener: TcpListener,
        data: Data,
        every: Duration,
    ) -> Result<Self, Error> {
        let url = format!("http://{}", listener.local_addr()?);
        let listener = listener.into_std()?;
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        // Off the async threads: opening reads the disk, and a runtime may not be dropped on one.
        spawn_blocking(move || -> Result<(), Error> {
            let database = open(&data)?;
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let listener = {
                let _entered = runtime.enter();
                TcpListener::from_std(listener)?
            };
            thread::Builder::new().name("table".to_owned()).spawn(move || {
                run(runtime, serve(listener, database, every, stopped));
                // The receiver is gone if the `Table` was dropped.
                let _ = end.send(());
            })?;
            Ok(())
        })
        .await
        .map_err(io::Error::other)??;
        Ok(Self { url, stop, ended })
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

    /// Ends the server and waits until the database is closed.
    ///
    /// Requests under way have half a second. What was answered is on disk afterwards, in one file.
    pub async fn shutdown(self) {
        let Self { stop, ended, .. } = self;
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
    every: Duration,
    stopped: oneshot::Receiver<()>,
) {
    tokio::spawn(sweep(database.clone(), every));
    let (tell, told) = oneshot::channel();
    let server = dynoxide::server::serve_with_shutdown(listener, database, async {
        // A dropped sender ends the server like one that speaks.
        drop(stopped.await);
        let _ = tell.send(());
    });
    tokio::select! {
        // It ends with an error only if the listener does; clients then see a refused connection.
        _ = server => {}
        // A client that sends half a request would hold the server for as long as it likes.
        () = async { drop(told.await); sleep(GRACE).await } => {}
    }
}

/// Removes expired items at an interval, while requests go on.
async fn sweep(database: Database, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let database = database.clone();
        // What a failed sweep leaves is expired all the same, and the next one's.
        drop(spawn_blocking(move || database.sweep_ttl()).await);
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

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::SdkError;
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
        ScalarAttributeType, TimeToLiveSpecification,
    };
    use tempfile::TempDir;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;

    use super::*;

    async fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    async fn create(client: &Client) {
        let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build();
        let definition = AttributeDefinition::builder()
            .attribute_name("pk")
            .attribute_type(ScalarAttributeType::S)
            .build();
        client
            .create_table()
            .table_name("test")
            .key_schema(key.unwrap())
            .attribute_definitions(definition.unwrap())
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
    }

    async fn put(client: &Client, pk: &str, expires_at: u64) {
        client
            .put_item()
            .table_name("test")
            .item("pk", AttributeValue::S(pk.to_owned()))
            .item("expires_at", AttributeValue::N(expires_at.to_string()))
            .send()
            .await
            .unwrap();
    }

    async fn has(client: &Client, pk: &str) -> bool {
        let key = AttributeValue::S(pk.to_owned());
        let answer = client.get_item().table_name("test").key("pk", key).send().await.unwrap();
        answer.item.is_some()
    }

    #[tokio::test]
    async fn the_sdk_decides_conditional_writes_on_it() {
        let table = Table::start(listener().await, Data::Memory).await.unwrap();
        let client = table.client();
        create(&client).await;
        let take = async || {
            client
                .update_item()
                .table_name("test")
                .key("pk", AttributeValue::S("BUCKET#a".to_owned()))
                .update_expression("SET #n = if_not_exists(#n, :zero) + :one")
                .condition_expression("attribute_not_exists(#n) OR #n < :two")
                .expression_attribute_names("#n", "taken")
                .expression_attribute_values(":zero", AttributeValue::N("0".to_owned()))
                .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
                .expression_attribute_values(":two", AttributeValue::N("2".to_owned()))
                .send()
                .await
                .map_err(SdkError::into_service_error)
        };
        take().await.unwrap();
        take().await.unwrap();
        assert!(take().await.unwrap_err().is_conditional_check_failed_exception());
        table.shutdown().await;
        assert!(client.list_tables().send().await.is_err());
    }

    #[tokio::test]
    async fn kept_data_is_there_after_a_restart() {
        let home = TempDir::new().unwrap();
        let folder = home.path().join("made/for it");
        let table = Table::start(listener().await, Data::Directory(folder.clone())).await.unwrap();
        create(&table.client()).await;
        put(&table.client(), "a", 0).await;
        // Half a request must not hold the database open.
        let mut hanging =
            TcpStream::connect(table.url().trim_start_matches("http://")).await.unwrap();
        hanging.write_all(b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n").await.unwrap();
        table.shutdown().await;
        // Closed in order: the write-ahead log is folded into the one file.
        let files: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, ["table.db"]);

        let table = Table::start(listener().await, Data::Directory(folder)).await.unwrap();
        assert!(has(&table.client(), "a").await);
        assert!(!has(&table.client(), "b").await);
        table.shutdown().await;
    }

    #[tokio::test]
    async fn the_sweep_removes_what_is_expired() {
        let every = Duration::from_millis(10);
        let table = Table::start_sweeping(listener().await, Data::Memory, every).await.unwrap();
        let client = table.client();
        create(&client).await;
        put(&client, "expired", 1_000_000_000).await;
        put(&client, "current", 10_000_000_000).await;
        let specification =
            TimeToLiveSpecification::builder().attribute_name("expires_at").enabled(true).build();
        client
            .update_time_to_live()
            .table_name("test")
            .time_to_live_specification(specification.unwrap())
            .send()
            .await
            .unwrap();
        let gone = async { while has(&client, "expired").await {} };
        tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
        assert!(has(&client, "current").await);
        table.shutdown().await;
    }

    #[tokio::test]
    async fn data_that_can_not_be_kept_is_an_error_that_names_the_place() {
        let home = TempDir::new().unwrap();
        let start = async |folder: PathBuf| {
            Table::start(listener().await, Data::Directory(folder)).await.unwrap_err()
        };
        let file = home.path().join("file");
        fs::write(&file, "text").unwrap();
        let error = start(file.clone()).await;
        assert!(matches!(&error, Error::Path { path, .. } if *path == file), "{error}");

        let taken = home.path().join("taken");
        fs::create_dir_all(taken.join(FILE)).unwrap();
        let error = start(taken.clone()).await;
        assert!(matches!(&error, Error::Path { path, .. } if *path == taken.join(FILE)), "{error}");

        let other = home.path().join("other");
        fs::create_dir_all(&other).unwrap();
        fs::write(other.join(FILE), "not a database at all, but long enough to look".repeat(99))
            .unwrap();
        let error = start(other.clone()).await;
        assert!(matches!(&error, Error::Database { .. }), "{error}");
        assert!(error.to_string().contains(&*other.join(FILE).to_string_lossy()), "{error}");
    }
}
