//! A store that fails on demand, for tests of the code around a throttle.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::bucket::{State, Write};
use crate::failure::{Failure, StoreError};
use crate::id::{PlanId, Subject};
use crate::lock::{Mutex, lock};
use crate::plan::PlanRecord;
use crate::store::{Answer, Consumed, Sealed, Store};

/// A fault of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request never arrives; the caller sees a time-out.
    Lost,
    /// The write is applied, but its answer never arrives; the caller sees a time-out.
    AnswerLost,
    /// The connection is refused.
    Unreachable,
    /// The service fails before anything is applied.
    Outage,
    /// The service throttles the table.
    Throttled,
    /// The service throttles one item.
    HotKey,
    /// The table does not exist.
    NoTable,
    /// The call succeeds after this delay, by tokio's clock.
    Late(Duration),
}

/// A store with faults. Clones share the faults.
///
/// ```
/// use tollgate_throttle::testing::{Fault, Faulty};
/// use tollgate_throttle::{Clock, Failure, ManualClock, MemoryStore, Plan, PlanId, Request, Subject};
/// use tollgate_throttle::{Throttle, ThrottleError};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (memory, clock) = (MemoryStore::new(), ManualClock::default());
/// let free = PlanId::new("free").unwrap();
/// memory.put_plan(free.clone(), Plan::per_day(5).build().unwrap(), clock.now());
/// let store = Faulty::new(memory);
/// let throttle = Throttle::new(store.clone(), clock);
///
/// let client = Subject::new("client-1").unwrap();
/// let request = Request::new(&client, &free);
/// assert!(throttle.decide(&request).await.unwrap().is_allowed());
/// store.fail_with(Fault::Lost);
/// let timed_out = ThrottleError::Unavailable(Failure::TimedOut);
/// assert_eq!(throttle.decide(&request).await, Err(timed_out));
/// store.recover();
/// assert!(throttle.decide(&request).await.unwrap().is_allowed());
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    store: S,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Debug, Default)]
struct Faults {
    next: VecDeque<Fault>,
    lasting: Option<Fault>,
    asked: u64,
}

impl<S> Faulty<S> {
    /// Wraps a store, without faults at first.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store, faults: Arc::default() }
    }

    /// Adds a fault of one call to the queue of faults.
    pub fn fail_once(&self, fault: Fault) {
        lock(&self.faults).next.push_back(fault);
    }

    /// Lets every call fail like this from now on, once the queue is empty.
    pub fn fail_with(&self, fault: Fault) {
        lock(&self.faults).lasting = Some(fault);
    }

    /// Ends all faults.
    pub fn recover(&self) {
        let mut faults = lock(&self.faults);
        faults.next.clear();
        faults.lasting = None;
    }

    /// The number of calls so far, including failed ones and look-ups of plans.
    #[must_use]
    pub fn asked(&self) -> u64 {
        lock(&self.faults).asked
    }

    async fn suffer<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let fault = {
            let mut faults = lock(&self.faults);
            faults.asked = faults.asked.saturating_add(1);
            faults.next.pop_front().or(faults.lasting)
        };
        let failure = match fault {
            None => return call.await,
            Some(Fault::Late(by)) => {
                tokio::time::sleep(by).await;
                return call.await;
            }
            Some(Fault::AnswerLost) => {
                call.await?;
                Failure::TimedOut
            }
            Some(Fault::Lost) => Failure::TimedOut,
            Some(Fault::Unreachable) => Failure::Unreachable,
            Some(Fault::Outage) => Failure::Outage,
            Some(Fault::Throttled) => Failure::Throttled,
            Some(Fault::HotKey) => Failure::HotKey,
            Some(Fault::NoTable) => Failure::NoTable,
        };
        Err(failure.into())
    }
}

impl<S: Store> Sealed for Faulty<S> {}

impl<S: Store> Store for Faulty<S> {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        self.suffer(self.store.plan(id)).await
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        self.suffer(self.store.write(subject, write)).await
    }

    async fn read(&self, subject: &Subject, write: &Write) -> Result<State, StoreError> {
        self.suffer(self.store.read(subject, write)).await
    }

    fn consumed(&self) -> Consumed {
        self.store.consumed()
    }
}
