//! Many instances under one parent, in virtual time, over a table that takes some milliseconds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tollgate_throttle::internal::{Answer, State, Write};
use tollgate_throttle::{
    Clock, Consumed, Level, MemoryStore, Plan, PlanId, PlanRecord, Request, Stats, Store,
    StoreError, Subject, Throttle,
};

use crate::tokio_clock::TokioClock;

/// A memory store that takes 6 to 10 ms for a call, and notes the parent's writes.
#[derive(Clone)]
pub(crate) struct Slow {
    pub memory: MemoryStore,
    random: Arc<Mutex<Random>>,
    clock: TokioClock,
    parent: Subject,
    writes: Arc<Mutex<Vec<Duration>>>,
}

impl Slow {
    /// An empty store that notes the writes of this parent.
    pub(crate) fn new(clock: TokioClock, parent: &str) -> Self {
        Self {
            memory: MemoryStore::new(),
            random: Arc::new(Mutex::new(Random(0x9e37_79b9))),
            clock,
            parent: Subject::new(parent).unwrap(),
            writes: Arc::default(),
        }
    }

    async fn wait(&self) {
        let millis = 3 + self.random.lock().unwrap().below(3);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

impl tollgate_throttle::internal::Sealed for Slow {}

impl Store for Slow {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        self.memory.plan(id).await
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        self.wait().await;
        if *subject == self.parent {
            self.writes.lock().unwrap().push(self.clock.monotonic());
        }
        let answer = self.memory.write(subject, write).await;
        self.wait().await;
        answer
    }

    async fn read(&self, subject: &Subject, write: &Write) -> Result<State, StoreError> {
        self.memory.read(subject, write).await
    }

    fn consumed(&self) -> Consumed {
        self.memory.consumed()
    }
}

/// A small generator of numbers (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A demand on one parent.
#[derive(Clone, Copy)]
pub(crate) struct Crowd {
    pub instances: u64,
    /// Requests a millisecond, over all instances.
    pub demand: u64,
    /// The parent's rate a second, and its burst.
    pub limit: u64,
    pub burst: u64,
    pub secs: u64,
    /// The number of subjects within the parent.
    pub subjects: u64,
}

/// The results of a crowd.
pub(crate) struct Seen {
    crowd: Crowd,
    /// The times at which requests were admitted, in order.
    admitted: Vec<Duration>,
    /// The times at which requests were refused, in order.
    refused: Vec<Duration>,
    /// The times of the writes to the parent's item, applied or not.
    writes: Vec<Duration>,
    pub all_writes: u64,
    pub stats: Vec<Stats>,
}

impl Crowd {
    pub(crate) async fn run(self) -> Seen {
        let clock = TokioClock::new();
        let (parent, service) = (Subject::new("*").unwrap(), PlanId::new("service").unwrap());
        let user = PlanId::new("user").unwrap();
        let store = Slow::new(clock, "*");
        let plan = Plan::per_second(self.limit).burst(self.burst).build().unwrap();
        store.memory.put_plan(service.clone(), plan, clock.now());
        let plan = Plan::per_second(1_000).burst(1_000).build().unwrap();
        store.memory.put_plan(user.clone(), plan, clock.now());
        let throttle = |_| Arc::new(Throttle::new(store.clone(), clock));
        let instances: Vec<_> = (0..self.instances).map(throttle).collect();
        let subject = |n| Subject::new(format!("user-{n}")).unwrap();
        let subjects: Vec<_> = (0..self.subjects).map(subject).collect();
        let outcomes = Arc::new(Mutex::new((Vec::new(), Vec::new())));
        let (mut chance, mut running) = (Random(7), Vec::new());
        for _ in 0..self.secs * 1_000 {
            for _ in 0..self.demand {
                let mut pick = |bound| usize::try_from(chance.below(bound)).unwrap();
                let throttle = Arc::clone(&instances[pick(self.instances)]);
                let subject = subjects[pick(self.subjects)].clone();
                let (parent, service, user) = (parent.clone(), service.clone(), user.clone());
                let outcomes = Arc::clone(&outcomes);
                running.push(tokio::spawn(async move {
                    let parent = Level::new(&parent, &service);
                    let request = Request::new(&subject, &user).within(&parent);
                    let decision = throttle.decide(&request).await.unwrap();
                    let (admitted, refused) = &mut *outcomes.lock().unwrap();
                    let times = if decision.is_allowed() { admitted } else { refused };
                    times.push(clock.monotonic());
                }));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for task in running {
            task.await.unwrap();
        }
        let (admitted, refused) = std::mem::take(&mut *outcomes.lock().unwrap());
        let writes = store.writes.lock().unwrap().clone();
        let stats = instances.iter().map(|it| it.stats()).collect();
        Seen { crowd: self, admitted, refused, writes, all_writes: store.calls(), stats }
    }
}

/// The numbers of requests that are admitted of two waves of one request for each instance, under
/// a parent that holds so many and refills none; and what all subjects have left afterwards.
///
/// Each subject has 9 at first, and comes once in each wave.
pub(crate) async fn two_waves(instances: u64, burst: u64) -> (usize, usize, u64) {
    let clock = TokioClock::new();
    let (parent, service) = (Subject::new("*").unwrap(), PlanId::new("service").unwrap());
    let user = PlanId::new("user").unwrap();
    let store = Slow::new(clock, "*");
    for (id, burst) in [(&service, burst), (&user, 9)] {
        let plan = Plan::per_hour(1).burst(burst).build().unwrap();
        store.memory.put_plan(id.clone(), plan, clock.now());
    }
    let throttle = |n| {
        let subject = Subject::new(format!("user-{n}")).unwrap();
        (Arc::new(Throttle::new(store.clone(), clock)), subject)
    };
    let instances: Vec<_> = (0..instances).map(throttle).collect();
    let mut admitted = [0, 0];
    for wave in &mut admitted {
        let mut running = Vec::new();
        for (throttle, subject) in instances.clone() {
            let (parent, service, user) = (parent.clone(), service.clone(), user.clone());
            running.push(tokio::spawn(async move {
                let parent = Level::new(&parent, &service);
                let request = Request::new(&subject, &user).within(&parent);
                throttle.decide(&request).await.unwrap().is_allowed()
            }));
        }
        for task in running {
            *wave += usize::from(task.await.unwrap());
        }
        tokio::time::sleep(SECOND * 3).await;
    }
    let mut left = 0;
    for (throttle, subject) in &instances {
        let peeked = throttle.peek(&Request::new(subject, &user)).await.unwrap();
        left += peeked.remaining() + 1;
    }
    (admitted[0], admitted[1], left)
}

impl Seen {
    /// The most writes to the parent's item within any second that begins at this one or later.
    pub(crate) fn most_writes_a_second(&self, second: u64) -> usize {
        let first = Duration::from_secs(second);
        let writes: Vec<_> = self.writes.iter().filter(|at| **at >= first).collect();
        let mut from = 0;
        let within = |(to, end): (usize, &&Duration)| {
            while *writes[from] + SECOND <= **end {
                from += 1;
            }
            to - from + 1
        };
        writes.iter().enumerate().map(within).max().unwrap_or_default()
    }

    pub(crate) fn writes_of_parent(&self) -> usize {
        self.writes.len()
    }

    pub(crate) fn admitted(&self) -> usize {
        self.admitted.len()
    }

    pub(crate) fn refused(&self) -> usize {
        self.refused.len()
    }

    /// The admitted part of the limit from this second on, in thousandths.
    pub(crate) fn used_from(&self, second: u64) -> u64 {
        let (from, to) = (Duration::from_secs(second), Duration::from_secs(self.crowd.secs));
        let admitted = self.admitted.iter().filter(|at| (from..to).contains(*at)).count();
        u64::try_from(admitted).unwrap() * 1_000 / (self.crowd.limit * (self.crowd.secs - second))
    }

    /// The most by which a window's admissions exceed burst + rate · w, in requests.
    pub(crate) fn most_over(&self) -> i64 {
        let (limit, burst) = (self.crowd.limit, self.crowd.burst);
        let refilled = |at: &Duration| {
            i64::try_from(at.as_nanos() * u128::from(limit) / 1_000_000_000).unwrap()
        };
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for (n, at) in (0i64..).zip(&self.admitted) {
            least = least.min(n - refilled(at));
            most = most.max(n - refilled(at) - least + 1);
        }
        most - i64::try_from(burst).unwrap()
    }
}

const SECOND: Duration = Duration::from_secs(1);
