//! A user within a tenant within the whole service, and a store that fails for one of them.

use std::sync::{Arc, Mutex};

use tollgate_throttle::internal::{Answer, Sealed, State, Write};
use tollgate_throttle::{
    Clock, Consumed, Decision, Failure, Level, ManualClock, MemoryStore, Plan, PlanId, PlanRecord,
    Request, Standing, Store, StoreError, Subject, Throttle, ThrottleError,
};

pub(crate) const NAMES: [&str; 3] = ["user", "tenant", "service"];

pub(crate) type Instance = Throttle<Failing, ManualClock>;

/// A store whose writes fail for one subject; before or after they are applied.
#[derive(Clone)]
pub(crate) struct Failing {
    pub memory: MemoryStore,
    pub fault: Arc<Mutex<Option<(Subject, Failure, bool)>>>,
    /// The subjects of the writes, in order.
    pub writes: Arc<Mutex<Vec<String>>>,
}

impl Sealed for Failing {}

impl Store for Failing {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        self.memory.plan(id).await
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        self.writes.lock().unwrap().push(subject.as_str().to_owned());
        let fault = self.fault.lock().unwrap().clone();
        match fault.filter(|(failing, ..)| failing == subject) {
            Some((_, failure, true)) => {
                self.memory.write(subject, write).await?;
                Err(failure.into())
            }
            Some((_, failure, false)) => Err(failure.into()),
            None => self.memory.write(subject, write).await,
        }
    }

    async fn read(&self, subject: &Subject, write: &Write) -> Result<State, StoreError> {
        self.memory.read(subject, write).await
    }

    fn consumed(&self) -> Consumed {
        self.memory.consumed()
    }
}

/// Subjects and plans with the names of the levels.
pub(crate) struct Setting {
    pub store: Failing,
    pub clock: ManualClock,
    subjects: Vec<Subject>,
    plans: Vec<PlanId>,
}

impl Setting {
    /// Plans of the levels, the subject's own first.
    pub(crate) fn new<const N: usize>(plans: [&str; N]) -> Self {
        let (memory, clock) = (MemoryStore::new(), ManualClock::default());
        let ids: Vec<_> = NAMES.iter().map(|name| PlanId::new(*name).unwrap()).collect();
        for (id, plan) in ids.iter().zip(plans) {
            memory.put_plan(id.clone(), Plan::from_json(plan).unwrap(), clock.now());
        }
        let subjects = NAMES.iter().map(|name| Subject::new(*name).unwrap()).collect();
        let store = Failing { memory, fault: Arc::default(), writes: Arc::default() };
        Self { store, clock, subjects, plans: ids }
    }

    pub(crate) fn instance(&self) -> Instance {
        Throttle::new(self.store.clone(), self.clock.clone())
    }

    pub(crate) fn level(&self, at: usize) -> Level<'_> {
        Level::new(&self.subjects[at], &self.plans[at])
    }

    /// A request of the user with so many levels.
    pub(crate) fn request(&self, levels: usize) -> Request<'_> {
        let own = Request::new(&self.subjects[0], &self.plans[0]);
        (1..levels).fold(own, |request, at| request.within(&self.level(at)))
    }

    /// A request of one level for itself.
    pub(crate) fn alone(&self, at: usize) -> Request<'_> {
        Request::new(&self.subjects[at], &self.plans[at])
    }

    pub(crate) async fn decide(&self, instance: &Instance, levels: usize) -> Decision {
        instance.decide(&self.request(levels)).await.unwrap()
    }

    /// Uses up what a level has left, by requests of its own at another instance.
    pub(crate) async fn use_up(&self, at: usize) {
        let other = self.instance();
        while other.decide(&self.alone(at)).await.unwrap().is_allowed() {}
    }

    /// The rest of each limit, level by level.
    pub(crate) async fn left(&self, at: usize) -> Vec<u64> {
        let peeked = self.instance().peek(&self.alone(at)).await.unwrap();
        // Standings are those after the request, if it would be allowed.
        let one = u64::from(peeked.is_allowed());
        peeked.standings().iter().map(|it: &Standing| it.remaining() + one).collect()
    }

    pub(crate) fn fail(&self, at: usize, failure: Failure, is_applied: bool) {
        *self.store.fault.lock().unwrap() = Some((self.subjects[at].clone(), failure, is_applied));
    }

    pub(crate) fn recover(&self) {
        *self.store.fault.lock().unwrap() = None;
    }

    /// The subjects of the writes since the last call.
    pub(crate) fn writes(&self) -> Vec<String> {
        std::mem::take(&mut *self.store.writes.lock().unwrap())
    }

    /// A request that charges nothing and is an error.
    pub(crate) async fn error(&self, request: Request<'_>) -> ThrottleError {
        self.writes();
        let throttle = self.instance();
        let error = throttle.decide(&request).await.unwrap_err();
        assert_eq!(throttle.peek(&request).await.unwrap_err(), error);
        assert_eq!(self.writes(), [""; 0]);
        error
    }
}

pub(crate) fn rate(rate: &str, burst: u32) -> String {
    format!(r#"{{"throttle": {{"rateLimit": "{rate}", "burstLimit": {burst}}}}}"#)
}

/// A rate, a burst, and a quota of a day.
pub(crate) fn both(rate: &str, burst: u32, quota: u32) -> String {
    format!(
        r#"{{"throttle": {{"rateLimit": "{rate}", "burstLimit": {burst}}},
            "quota": {{"limit": {quota}, "period": "DAY"}}}}"#
    )
}
