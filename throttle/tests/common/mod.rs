//! An embedded DynamoDB-compatible server, spoken to over HTTP by the real SDK.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::sync::mpsc;
use std::time::Duration;

use table::{Client, Connect};

/// A server in memory with a table in it; it ends with the test's process.
pub(crate) struct Served {
    pub url: String,
    pub client: Client,
}

pub(crate) const TABLE: &str = "tollgate";

/// Starts a server without a table.
pub(crate) async fn serve() -> Served {
    let (tell, told) = mpsc::channel();
    // SQLite blocks the threads that it runs on, so it gets its own.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()).await;
        });
    });
    let url = format!("http://{}", told.recv().unwrap());
    let client = connect(&url).client().await;
    Served { url, client }
}

/// Starts a server with the table.
pub(crate) async fn serve_table() -> Served {
    let served = serve().await;
    assert!(table::create(&served.client, TABLE).await.unwrap());
    served
}

/// Patient: a busy test machine is no outage.
pub(crate) fn connect(url: &str) -> Connect {
    let patience = Duration::from_secs(120);
    Connect::emulator(url).operation_timeout(patience).connect_timeout(patience)
}
