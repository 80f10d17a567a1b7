//! A store in memory for instances whose clocks differ, as a table has them. It forgets nothing.

use throttle::internal::Answer;
use throttle::internal::{State, Write};
use throttle::{Consumed, MemoryStore, PlanId, PlanRecord, Store, StoreError, Subject};

#[derive(Clone, Debug)]
pub(crate) struct Shared(pub MemoryStore);

impl throttle::internal::Sealed for Shared {}

impl Store for Shared {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        self.0.plan(id).await
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        self.0.write(subject, write).await
    }

    fn is_in_place(&self) -> bool {
        self.0.is_in_place()
    }

    fn change<R>(&self, subject: &Subject, change: impl FnOnce(&mut State) -> R) -> Option<R> {
        self.0.change(subject, change)
    }

    fn consumed(&self) -> Consumed {
        self.0.consumed()
    }
}
