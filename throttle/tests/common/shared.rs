//! A store in memory for instances whose clocks differ, as a table has them. It forgets nothing.

use tollgate_throttle::internal::{Answer, State, Write};
use tollgate_throttle::{Consumed, MemoryStore, PlanId, PlanRecord, Store, StoreError, Subject};

#[derive(Clone, Debug)]
pub(crate) struct Shared(pub MemoryStore);

impl tollgate_throttle::internal::Sealed for Shared {}

impl Store for Shared {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        self.0.plan(id).await
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        self.0.write(subject, write).await
    }

    async fn read(&self, subject: &Subject, write: &Write) -> Result<State, StoreError> {
        self.0.read(subject, write).await
    }

    fn consumed(&self) -> Consumed {
        self.0.consumed()
    }
}
