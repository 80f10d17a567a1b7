//! An embedded table with a plan, two keys and a revocation.

use std::time::Duration;

use table::{Client, Connect, Key, KeyDetails, Keys, Revocable, Revocation, Revocations};
use throttle::{Buckets, Clock as _, History, Plan, PlanId, Plans, Subject, SystemClock};

const TABLE: &str = "tollgate";

/// The subject of the good key.
const HOLDER: &str = "secret-key-holder";

/// The `sub` whose tokens are revoked.
pub(crate) const REVOKED: &str = "mallory@example";

pub(crate) struct Table {
    pub(crate) url: String,
    /// A key that is good, under a plan that lets two requests through.
    pub(crate) good: Key,
    /// A key that was disabled.
    pub(crate) disabled: Key,
    client: Client,
}

impl Table {
    /// Serves it; `issuer` is the configuration's name of the tokens' issuer.
    pub(crate) async fn serve(issuer: &str) -> Self {
        let url = listen();
        let client = Connect::emulator(&url).operation_timeout(PATIENCE).client().await;
        table::create(&client, TABLE).await.unwrap();
        let now = SystemClock::new().now();
        let plan = Plan::from_json(r#"{"quota": {"limit": 2, "period": "MONTH"}}"#).unwrap();
        let id = PlanId::new("free").unwrap();
        Plans::new(client.clone(), TABLE).put(&id, &plan, None, now).await.unwrap();

        let keys = Keys::new(client.clone(), TABLE);
        let details = KeyDetails::new(HOLDER);
        let [good, disabled] = [(); 2].map(|()| Key::generate().unwrap());
        keys.put(&good, details.clone(), now).await.unwrap();
        let details = KeyDetails { enabled: false, ..details };
        keys.put(&disabled, details, now).await.unwrap();

        let expires = now.saturating_add(Duration::from_secs(86_400));
        let revocation = Revocation::new(Revocable::user(issuer, REVOKED), now, expires);
        let revocation = revocation.with_issued_before(expires);
        Revocations::new(client.clone(), TABLE).put(&revocation).await.unwrap();
        Self { url, good, disabled, client }
    }

    /// Returns true if the good key's subject was charged in this Region.
    pub(crate) async fn has_charged(&self, region: &str) -> bool {
        let subject = Subject::new(format!("{region}{HOLDER}")).unwrap();
        let buckets = Buckets::new(self.client.clone(), TABLE);
        buckets.usage(&subject).await.unwrap() != History::default()
    }

    /// The variables that lead the SDK here.
    pub(crate) fn variables(url: &str) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL_DYNAMODB", url.to_owned()),
            ("AWS_ACCESS_KEY_ID", "emulator".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "emulator".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
    }
}

/// SQLite blocks the threads that it runs on, so it gets its own, for as long as the process lives.
fn listen() -> String {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.unwrap().block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
            dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()).await;
        });
    });
    told.recv().unwrap()
}

const PATIENCE: Duration = Duration::from_secs(30);
