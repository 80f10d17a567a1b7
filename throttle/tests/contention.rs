//! Several plans on one subject, in bursts, over a table that takes 8 ms a call.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use throttle::bucket::Write;
use throttle::store::Answer;
use throttle::{
    Clock, Consumed, Decision, MemoryStore, Plan, PlanId, PlanRecord, Request, Store, StoreError,
    Subject, Throttle, ThrottleError, Timestamp,
};

/// Tokio's clock, which a test lets pass as fast as nothing happens.
#[derive(Clone, Copy)]
struct TokioClock(tokio::time::Instant);

impl TokioClock {
    fn new() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_795_251_600).saturating_add(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A memory store that takes 6 to 10 ms for a call.
#[derive(Clone)]
struct Slow {
    memory: MemoryStore,
    random: Arc<Mutex<Random>>,
}

impl Slow {
    async fn wait(&self) {
        let micros = 3_000 + self.random.lock().unwrap().below(2_000);
        tokio::time::sleep(Duration::from_micros(micros)).await;
    }
}

impl Store for Slow {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        self.wait().await;
        self.memory.plan(id).await
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        self.wait().await;
        let answer = self.memory.write(subject, write).await;
        self.wait().await;
        answer
    }

    fn consumed(&self) -> Consumed {
        self.memory.consumed()
    }
}

/// A small generator of numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A plan of a crowd: its name, its JSON, and its rate and burst, if it has a rate.
#[derive(Clone, Copy)]
struct Under {
    name: &'static str,
    json: &'static str,
    /// Milliseconds for a token, and the burst.
    rate: Option<(u64, u64)>,
}

/// Bursts of requests under several plans.
#[derive(Clone, Copy)]
struct Crowd<'a> {
    plans: &'a [Under],
    failure: &'static str,
    instances: u64,
    bursts: u64,
    /// The time from one burst to the next.
    gap: Duration,
    /// How many requests a burst has.
    size: u64,
    seed: u64,
}

struct Asked {
    plan: usize,
    at: Duration,
    told: Duration,
    outcome: Result<Decision, ThrottleError>,
}

struct Seen {
    asked: Vec<Asked>,
    calls: u64,
}

impl Crowd<'_> {
    /// Runs the bursts; all under one plan, if `alone` says which.
    async fn run(&self, alone: Option<usize>) -> Seen {
        let clock = TokioClock::new();
        let random = |salt| Arc::new(Mutex::new(Random(self.seed * 0x9e37_79b9 + salt)));
        let store = Slow { memory: MemoryStore::new(), random: random(7) };
        for plan in self.plans {
            let json = plan.json.replacen('{', &format!(r#"{{"failure": "{}", "#, self.failure), 1);
            let plan_id = PlanId::new(plan.name).unwrap();
            store.memory.put_plan(plan_id, Plan::from_json(json).unwrap(), clock.now());
        }
        let instance = || Arc::new(Throttle::new(store.clone(), clock));
        let instances: Vec<_> = (0..self.instances).map(|_| instance()).collect();
        let chance = random(3);
        let mut running = Vec::new();
        for burst in 0..self.bursts {
            for request in 0..self.size {
                let instance = chance.lock().unwrap().below(self.instances);
                let throttle = Arc::clone(&instances[usize::try_from(instance).unwrap()]);
                let plan = (burst + request) % u64::try_from(self.plans.len()).unwrap();
                let plan = alone.unwrap_or(usize::try_from(plan).unwrap());
                let id = PlanId::new(self.plans[plan].name).unwrap();
                running.push(tokio::spawn(async move {
                    let at = clock.monotonic();
                    let subject = Subject::new("subject").unwrap();
                    let outcome = throttle.decide(&Request::new(&subject, &id)).await;
                    Asked { plan, at, told: clock.monotonic(), outcome }
                }));
            }
            tokio::time::sleep(self.gap).await;
        }
        let mut asked = Vec::new();
        for task in running {
            asked.push(task.await.unwrap());
        }
        Seen { asked, calls: store.consumed().calls }
    }
}

impl Seen {
    fn admitted(&self) -> usize {
        let admitted = |it: &&Asked| it.outcome.as_ref().is_ok_and(Decision::is_allowed);
        self.asked.iter().filter(admitted).count()
    }
}

const SLOW: Under = Under {
    name: "slow",
    json: r#"{"throttle": {"rateLimit": 5, "burstLimit": 10}}"#,
    rate: Some((200, 10)),
};
const FAST: Under = Under {
    name: "fast",
    json: r#"{"throttle": {"rateLimit": 10, "burstLimit": 20}}"#,
    rate: Some((100, 20)),
};

#[tokio::test(start_paused = true)]
async fn measure() {
    for failure in ["open", "closed"] {
        for gap in [50, 200, 1_000] {
            let crowd = Crowd {
                plans: &[SLOW, FAST],
                failure,
                instances: 25,
                bursts: 10,
                gap: Duration::from_millis(gap),
                size: 100,
                seed: 1,
            };
            let seen = crowd.run(None).await;
            let errors = seen.asked.iter().filter(|it| it.outcome.is_err()).count();
            let uncharged = seen.asked.iter().filter(|it| it.outcome.as_ref().is_ok_and(Decision::is_degraded)).count();
            let strict = crowd.run(Some(0)).await;
            eprintln!(
                "{failure} {gap} ms: {} of {} admitted (strictest alone {}), {errors} errors, {uncharged} uncharged, {} calls (alone {})",
                seen.admitted(), seen.asked.len(), strict.admitted(), seen.calls, strict.calls
            );
        }
    }
}
