//! A few instances on one store in memory, and plans that change under them.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::time::Duration;

use tollgate_throttle::Receipt;
use tollgate_throttle::internal::Answer;
use tollgate_throttle::internal::{Stamp, State, Write};
use tollgate_throttle::{
    Clock, Decision, ManualClock, MemoryStore, Plan, PlanId, Request, Store, Subject, Throttle,
    Timestamp,
};

pub(crate) type Instance = Throttle<MemoryStore, ManualClock>;

pub(crate) struct Desk {
    pub store: MemoryStore,
    pub clock: ManualClock,
    pub subject: Subject,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let subject = Subject::new("subject").unwrap();
        Self { store: MemoryStore::new(), clock: ManualClock::default(), subject }
    }

    /// Stores a plan; over an older one of the same name as its next version.
    pub(crate) fn put(&self, id: &str, plan: &str) {
        self.store.put_plan(
            PlanId::new(id).unwrap(),
            Plan::from_json(plan).unwrap(),
            self.clock.now(),
        );
    }

    /// An instance that knows nothing yet.
    pub(crate) fn instance(&self) -> Instance {
        Throttle::new(self.store.clone(), self.clock.clone())
    }

    pub(crate) fn advance(&self, nanos: u64) {
        self.clock.advance(Duration::from_nanos(nanos));
    }

    pub(crate) async fn decide(&self, instance: &Instance, plan: &str, cost: u32) -> Decision {
        self.call(instance, plan, cost, "/none/GET").await
    }

    pub(crate) async fn call(
        &self,
        instance: &Instance,
        plan: &str,
        cost: u32,
        method: &str,
    ) -> Decision {
        let plan = PlanId::new(plan).unwrap();
        let request = Request::new(&self.subject, &plan).cost(cost).method("api", "prod", method);
        instance.decide(&request).await.unwrap()
    }

    /// A request that must be let through, and its receipt.
    pub(crate) async fn charge(&self, instance: &Instance, plan: &str, cost: u32) -> Receipt {
        self.decide(instance, plan, cost).await.into_receipt().unwrap()
    }
}

pub(crate) fn rate(rate: &str, burst: u32) -> String {
    format!(r#"{{"throttle": {{"rateLimit": "{rate}", "burstLimit": {burst}}}}}"#)
}

impl Desk {
    /// The subject's state, by a write that never applies.
    pub(crate) async fn state(&self) -> State {
        let stamp = Stamp { plan: PlanId::new("nobody's").unwrap(), version: 0 };
        let write = Write {
            found: Some(Stamp { version: 1, ..stamp.clone() }),
            stamp,
            moves: Default::default(),
            counts: Default::default(),
            forgotten: Default::default(),
            returned: Default::default(),
            writes: None,
            unchanged: None,
            changed: None,
            now: Timestamp::EPOCH,
        };
        let answer = self.store.write(&self.subject, &write).await.unwrap();
        let (Answer::Kept(state) | Answer::Applied(state)) = answer;
        state
    }
}
