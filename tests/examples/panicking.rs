//! The authorizer with a store that panics at every other write, to see what a panic costs.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};

use authorizer::{Authorizer, Config};
use throttle::internal::Answer;
use throttle::internal::Write;
use throttle::{
    Clock as _, Consumed, MemoryStore, Plan, PlanId, PlanRecord, Store, StoreError, Subject,
    SystemClock,
};

struct Panicking {
    memory: MemoryStore,
    writes: AtomicU32,
}

impl throttle::internal::Sealed for Panicking {}

impl Store for Panicking {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        self.memory.plan(id).await
    }

    #[expect(clippy::panic, reason = "it is what this store is for")]
    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        if self.writes.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            // A panic's text can quote what was being read: here it does.
            panic!("panic-text of {}", subject.as_str());
        }
        self.memory.write(subject, write).await
    }

    fn consumed(&self) -> Consumed {
        self.memory.consumed()
    }
}

fn main() -> ExitCode {
    authorizer::run(async {
        let clock = SystemClock::new();
        let memory = MemoryStore::new();
        let plan = Plan::from_json(r#"{"throttle": {"rateLimit": 1, "burstLimit": 100}}"#);
        if let (Ok(id), Ok(plan)) = (PlanId::new("free"), plan) {
            memory.put_plan(id, plan, clock.now());
        }
        let store = Panicking { memory, writes: AtomicU32::new(0) };
        Ok(Authorizer::new(Config::from_env()?, Some(store), clock)?)
    })
}
