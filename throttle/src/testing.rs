//! A store that fails when it is told to, for tests of what uses a throttle.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bucket::Write;
use crate::failure::{Failure, StoreError};
use crate::lock::Lock;
use crate::name::{PlanId, Subject};
use crate::plan::PlanRecord;
use crate::store::{Answer, Consumed, Store};

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request never arrives; the caller sees a time-out.
    Lost,
    /// It is applied, and the answer never arrives; the caller sees a time-out.
    AnswerLost,
    /// There is no connection.
    Unreachable,
    /// The service fails before anything is applied.
    Outage,
    /// The service refuses to serve so much.
    Throttled,
    /// The service refuses to serve so much of one item.
    HotKey,
    /// The table isn't there.
    NoTable,
    /// It is applied after so long, by tokio's clock.
    Late(Duration),
}

/// A store with faults. Clones share them.
///
/// ```
/// use throttle::testing::{Fault, Faulty};
/// use throttle::{Clock, Failure, ManualClock, MemoryStore, Plan, PlanId, Request, Subject};
/// use throttle::{Throttle, ThrottleError};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (memory, clock) = (MemoryStore::new(), ManualClock::default());
/// let free = PlanId::new("free").unwrap();
/// let plan = Plan::from_json(r#"{"quota": {"limit": 5, "period": "DAY"}}"#).unwrap();
/// memory.put_plan(free.clone(), plan, clock.now());
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
    /// A store without faults as yet.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store, faults: Arc::default() }
    }

    /// Lets one more of the calls to come fail like this, after those that were named before.
    pub fn fail_once(&self, fault: Fault) {
        self.faults.with(|faults| faults.next.push_back(fault));
    }

    /// Lets every call fail like this from now on.
    pub fn fail_with(&self, fault: Fault) {
        self.faults.with(|faults| faults.lasting = Some(fault));
    }

    /// Ends all faults.
    pub fn recover(&self) {
        self.faults.with(|faults| {
            faults.next.clear();
            faults.lasting = None;
        });
    }

    /// How many calls there were: failed ones and look-ups of plans too.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.faults.with(|faults| faults.asked)
    }

    async fn suffer<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let fault = self.faults.with(|faults| {
            faults.asked = faults.asked.saturating_add(1);
            faults.next.pop_front().or(faults.lasting)
        });
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

impl<S: Store> Store for Faulty<S> {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        self.suffer(self.store.plan(id)).await
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        self.suffer(self.store.write(subject, write)).await
    }

    fn consumed(&self) -> Consumed {
        self.store.consumed()
    }
}
