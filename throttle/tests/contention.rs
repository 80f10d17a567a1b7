//! Several plans on one subject, in bursts, over a table that takes 8 ms a call.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![allow(clippy::disallowed_methods, reason = "the clock of these tests is tokio's paused one")]

#[path = "common/tokio_clock.rs"]
mod tokio_clock;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tollgate_throttle::internal::Answer;
use tollgate_throttle::internal::Write;
use tollgate_throttle::testing::{Fault, Faulty};
use tollgate_throttle::{
    Clock, Consumed, Decision, Failure, Limit, ManualClock, MemoryStore, Plan, PlanId, PlanRecord,
    Request, Store, StoreError, Subject, Throttle, ThrottleError,
};

use tokio_clock::TokioClock;

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

impl tollgate_throttle::internal::Sealed for Slow {}

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
    /// The number of requests in a burst.
    size: u64,
    /// True if the requests call a method that the plans may have a rate for.
    method: bool,
    /// A new version of the first plan, and when it comes.
    replan: Option<(Duration, &'static str)>,
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
    /// Instances, to ask them more.
    instances: Vec<Arc<Throttle<Slow, TokioClock>>>,
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
        if let Some((after, json)) = self.replan {
            let (memory, name) = (store.memory.clone(), self.plans[0].name);
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                let plan = Plan::from_json(json).unwrap();
                memory.put_plan(PlanId::new(name).unwrap(), plan, clock.now());
            });
        }
        let (mut running, method) = (Vec::new(), self.method);
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
                    let mut request = Request::new(&subject, &id);
                    if method {
                        request = request.method("a", "s", "/pets/GET");
                    }
                    let outcome = throttle.decide(&request).await;
                    Asked { plan, at, told: clock.monotonic(), outcome }
                }));
            }
            tokio::time::sleep(self.gap).await;
        }
        let mut asked = Vec::new();
        for task in running {
            asked.push(task.await.unwrap());
        }
        Seen { asked, calls: store.consumed().calls, instances }
    }
}

impl Crowd<'_> {
    /// Runs the crowd, and looks at what must hold of any.
    async fn holds(&self) -> Seen {
        let seen = self.run(None).await;
        for it in &seen.asked {
            let decision = it.outcome.as_ref().unwrap();
            assert!(!decision.is_degraded(), "uncharged");
            if let Some(wait) = decision.retry_after() {
                assert!(!wait.is_zero());
                if decision.refused_by() == [Limit::CONTENTION] {
                    assert!(wait <= Duration::from_secs(1), "{wait:?}");
                }
            }
        }
        self.stays_within_the_bound(&seen);
        let mut strictest = usize::MAX;
        for plan in 0..self.plans.len() {
            strictest = strictest.min(self.run(Some(plan)).await.admitted());
        }
        let admitted = seen.admitted();
        assert!(admitted * 10 >= strictest * 9, "{admitted}, the strictest plan alone {strictest}");
        seen
    }

    /// In every window: the largest burst, and the largest rate over the window and a decision.
    fn stays_within_the_bound(&self, seen: &Seen) {
        let rates = || self.plans.iter().filter_map(|plan| plan.rate);
        let Some(interval) = rates().map(|(interval, _)| interval).min() else { return };
        let burst = rates().map(|(_, burst)| burst).max().unwrap();
        let longest = seen.asked.iter().map(|it| it.told.saturating_sub(it.at)).max().unwrap();
        let mut told: Vec<_> = seen
            .asked
            .iter()
            .filter(|it| it.admitted() && self.plans[it.plan].rate.is_some())
            .map(|it| it.told)
            .collect();
        told.sort_unstable();
        for (from, first) in told.iter().enumerate() {
            for (taken, last) in (1u64..).zip(&told[from..]) {
                let window = (*last + longest).saturating_sub(*first).as_millis();
                let refilled = u64::try_from(window).unwrap() / interval + 1;
                assert!(taken <= burst + refilled, "{taken} within {window} ms");
            }
        }
    }
}

impl Asked {
    fn admitted(&self) -> bool {
        self.outcome.as_ref().is_ok_and(Decision::is_allowed)
    }
}

impl Seen {
    fn admitted(&self) -> usize {
        self.asked.iter().filter(|it| it.admitted()).count()
    }

    fn converted(&self) -> u64 {
        self.instances.iter().map(|instance| instance.stats().converted).sum()
    }

    /// One more request, at an instance that has seen the crowd.
    async fn ask(&self, plan: &str) -> Decision {
        let (subject, id) = (Subject::new("subject").unwrap(), PlanId::new(plan).unwrap());
        self.instances[0].decide(&Request::new(&subject, &id)).await.unwrap()
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
const DAILY: Under = Under {
    name: "daily",
    json: r#"{"throttle": {"rateLimit": "1/d", "burstLimit": 2}}"#,
    rate: Some((86_400_000, 2)),
};
const HUNDRED: Under = Under {
    name: "hundred",
    json: r#"{"throttle": {"rateLimit": 100, "burstLimit": 50}}"#,
    rate: Some((10, 50)),
};
const QUOTAS: Under = Under {
    name: "quotas",
    json: r#"{"quota": [{"limit": 40, "period": "DAY"}, {"limit": 90, "period": "MONTH"}]}"#,
    rate: None,
};
const BOTH: Under = Under {
    name: "both",
    json: r#"{"throttle": {"rateLimit": 7, "burstLimit": 30}, "quota": {"limit": 60, "period": "DAY"}}"#,
    rate: Some((142, 30)),
};
const METHODS: Under = Under {
    name: "methods",
    json: r#"{"throttle": {"rateLimit": 8, "burstLimit": 25}, "apiStages": [{"apiId": "a",
        "stage": "s", "throttle": {"/pets/GET": {"rateLimit": 4, "burstLimit": 6}}}]}"#,
    rate: Some((125, 25)),
};

const TWO: Crowd<'static> = Crowd {
    plans: &[SLOW, FAST],
    failure: "open",
    instances: 25,
    bursts: 8,
    gap: Duration::from_millis(200),
    size: 100,
    method: false,
    replan: None,
    seed: 1,
};

#[tokio::test(start_paused = true)]
async fn two_plans_in_bursts_admit_no_more_than_the_larger_and_open_nothing() {
    for failure in ["open", "closed"] {
        for (gap, instances) in [(50, 25), (200, 100), (1_000, 25), (3_000, 1)] {
            let gap = Duration::from_millis(gap);
            let seen = Crowd { failure, gap, instances, ..TWO }.holds().await;
            // Two plans cost few calls more than one does.
            let crowd = Crowd { failure, gap, instances, ..TWO };
            let alone = crowd.run(Some(0)).await.calls.max(crowd.run(Some(1)).await.calls);
            let (calls, asked) = (seen.calls, seen.asked.len() as u64);
            assert!(calls <= alone + asked / 2, "{calls} calls of {asked}, {alone} under one plan");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn more_plans_of_every_kind_do_too() {
    let crowds: [&[Under]; 6] = [
        &[SLOW, FAST, HUNDRED],
        &[SLOW, FAST, HUNDRED, BOTH, METHODS],
        &[QUOTAS, SLOW],
        &[SLOW, QUOTAS, BOTH],
        &[DAILY, METHODS, QUOTAS],
        &[METHODS, FAST],
    ];
    for (seed, plans) in (2..).zip(crowds) {
        for method in [false, true] {
            Crowd { plans, method, seed, ..TWO }.holds().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_version_in_the_middle_of_a_burst_does_too() {
    let faster = r#"{"throttle": {"rateLimit": 10, "burstLimit": 15}}"#;
    let slower = r#"{"throttle": {"rateLimit": 1, "burstLimit": 3}}"#;
    for (seed, json) in (20..).zip([faster, slower]) {
        let replan = Some((Duration::from_millis(205), json));
        let seen = Crowd { replan, seed, bursts: 3, ..TWO }.run(None).await;
        assert!(seen.asked.iter().all(|it| it.outcome.is_ok()));
        TWO.stays_within_the_bound(&seen);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_takes_effect_while_the_old_plan_is_still_used() {
    let crowd = Crowd { plans: &[DAILY, HUNDRED], bursts: 20, gap: Duration::from_secs(1), ..TWO };
    let seen = crowd.holds().await;
    // Of 50 a second under the new plan, nearly all. The old plan's rate would let 50 through.
    let new = seen.asked.iter().filter(|it| it.plan == 1 && it.admitted()).count();
    assert!(new >= 700, "{new} of 1000");
}

#[tokio::test(start_paused = true)]
async fn a_downgrade_takes_effect_once_only_the_new_plan_is_used() {
    let seen = TWO.holds().await;
    let changes = seen.converted();
    tokio::time::sleep(Duration::from_secs(20)).await;
    // Whatever the bucket was under, it is now under the plan that is used.
    for plan in ["slow", "fast", "slow"] {
        tokio::time::sleep(Duration::from_secs(20)).await;
        let decision = seen.ask(plan).await;
        assert!(decision.is_allowed());
        let one = if plan == "slow" { 200 } else { 100 };
        assert_eq!(decision.reset_after(), Duration::from_millis(one), "{plan}");
    }
    assert!(seen.converted() >= changes + 2);
}

/// Plans that take turns don't change the bucket's plan at each request.
#[tokio::test(start_paused = true)]
async fn a_bucket_changes_its_plan_at_most_every_ten_seconds() {
    let gap = Duration::from_millis(500);
    let seen = Crowd { bursts: 60, size: 2, instances: 2, gap, ..TWO }.holds().await;
    assert!((1..=4).contains(&seen.converted()), "{} changes in 30 s", seen.converted());
}

#[tokio::test]
async fn a_hot_key_is_refused_under_every_policy() {
    for failure in [r#""open""#, r#""closed""#, r#"{"local": "1/2"}"#] {
        let (memory, clock) = (MemoryStore::new(), ManualClock::default());
        let json = FAST.json.replacen('{', &format!(r#"{{"failure": {failure}, "#), 1);
        let (id, subject) = (PlanId::new("fast").unwrap(), Subject::new("subject").unwrap());
        memory.put_plan(id.clone(), Plan::from_json(json).unwrap(), clock.now());
        let store = Faulty::new(memory);
        let throttle = Throttle::new(store.clone(), clock.clone());
        let request = Request::new(&subject, &id);
        assert!(throttle.decide(&request).await.unwrap().is_allowed());
        store.fail_with(Fault::HotKey);
        for _ in 0..20 {
            let refused = throttle.decide(&request).await.unwrap();
            assert_eq!(refused.refused_by(), [Limit::CONTENTION]);
            assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
            assert!(!refused.is_degraded() && refused.plan() == &id);
        }
        let counts = throttle.stats();
        assert_eq!((counts.refused, counts.failed, counts.degraded), (20, 0, 0));
        // Twenty in a row, and the table is still asked.
        store.recover();
        assert!(throttle.decide(&request).await.unwrap().is_allowed());
        assert!(!Failure::HotKey.may_have_charged());
    }
}
