//! The stores under test, and how a plan gets into each.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use tollgate_throttle::{DynamoStore, MemoryStore, Plan, PlanId, Plans, Store, Timestamp};

use crate::common;
use crate::shared::Shared;

/// A store under test, and how a plan gets into it.
pub(crate) trait Bench: Sync {
    type Store: Store + Clone;

    fn store(&self) -> Self::Store;

    fn put(&self, id: &PlanId, plan: Plan, now: Timestamp) -> impl Future<Output = ()> + Send;
}

pub(crate) struct Memory(MemoryStore);

impl Memory {
    pub(crate) async fn new() -> Self {
        Self(MemoryStore::new())
    }
}

impl Bench for Memory {
    type Store = Shared;

    fn store(&self) -> Shared {
        Shared(self.0.clone())
    }

    async fn put(&self, id: &PlanId, plan: Plan, now: Timestamp) {
        self.0.put_plan(id.clone(), plan, now);
    }
}

/// A table of its own: embedded, or at the endpoint that the environment names.
pub(crate) struct Dynamo {
    store: DynamoStore,
    plans: Plans,
}

impl Dynamo {
    pub(crate) async fn new() -> Self {
        static TABLES: AtomicU32 = AtomicU32::new(0);
        let client = match std::env::var("DYNAMODB_ENDPOINT") {
            Ok(url) => common::connect(&url).client().await,
            Err(_) => common::serve().await.client,
        };
        let number = TABLES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{}-{number}", common::TABLE, std::process::id());
        assert!(table::create(&client, &name).await.unwrap(), "`{name}` is there already");
        let plans = Plans::new(client.clone(), &name);
        Self { store: DynamoStore::new(client, &name), plans }
    }
}

impl Bench for Dynamo {
    type Store = DynamoStore;

    fn store(&self) -> DynamoStore {
        self.store.clone()
    }

    async fn put(&self, id: &PlanId, plan: Plan, now: Timestamp) {
        let old = self.plans.get(id).await.unwrap().map(|record| record.version);
        self.plans.put(id, &plan, old, now).await.unwrap();
    }
}
