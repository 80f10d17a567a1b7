//! An embedded table with one plan that never refuses.

use std::sync::mpsc;

use table::Connect;
use throttle::{Clock, Plan, PlanId, Plans, SystemClock};

pub(crate) const TABLE: &str = "tollgate";

/// Serves the table, and gives its address.
pub(crate) fn serve() -> String {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.unwrap().block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let ready = async {
                let client = Connect::emulator(&url).client().await;
                table::create(&client, TABLE).await.unwrap();
                let json = r#"{"throttle": {"rateLimit": 1000000, "burstLimit": 1000000}}"#;
                let plan = Plan::from_json(json).unwrap();
                let (id, now) = (PlanId::new("free").unwrap(), SystemClock::new().now());
                Plans::new(client, TABLE).put(&id, &plan, None, now).await.unwrap();
                tell.send(url.clone()).unwrap();
            };
            let database = dynoxide::Database::memory().unwrap();
            tokio::join!(dynoxide::server::serve_on(listener, database), ready);
        });
    });
    told.recv().unwrap()
}
