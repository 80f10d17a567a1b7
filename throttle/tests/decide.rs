//! Decisions on a store's answers, from a scripted store that can return any answer.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tollgate_throttle::internal::Answer;
use tollgate_throttle::internal::{Form, Move, RateId, Scope, Stamp, State, To, When, Write};
use tollgate_throttle::{
    Clock, Consumed, Decision, Failure, Limit, ManualClock, Plan, PlanId, PlanRecord, Request,
    Store, StoreError, Subject, Throttle, ThrottleError, Timestamp,
};

/// Answers from a list, and tells what was tried.
#[derive(Default)]
struct Script {
    plans: Mutex<VecDeque<Result<Option<PlanRecord>, StoreError>>>,
    answers: Mutex<VecDeque<Result<Answer, StoreError>>>,
    tried: Mutex<Vec<Write>>,
    reads: AtomicU64,
}

impl tollgate_throttle::internal::Sealed for Script {}

impl Store for Script {
    async fn plan(&self, _: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        // Others get their turn while the look-up is on its way.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.plans.lock().unwrap().pop_front().unwrap_or_else(|| Ok(Some(record())))
    }

    async fn write(&self, _: &Subject, write: &Write) -> Result<Answer, StoreError> {
        self.tried.lock().unwrap().push(write.clone());
        self.answers.lock().unwrap().pop_front().unwrap()
    }

    fn consumed(&self) -> Consumed {
        Consumed::default()
    }
}

struct Setting {
    script: Arc<Script>,
    clock: ManualClock,
    throttle: Arc<Throttle<Arc<Script>, ManualClock>>,
}

impl Setting {
    fn new(answers: impl IntoIterator<Item = Result<Answer, StoreError>>) -> Self {
        let script = Arc::new(Script::default());
        *script.answers.lock().unwrap() = answers.into_iter().collect();
        let clock = ManualClock::default();
        let throttle = Arc::new(Throttle::new(Arc::clone(&script), clock.clone()));
        Self { script, clock, throttle }
    }

    async fn decide(&self) -> Result<Decision, ThrottleError> {
        decide(&self.throttle).await
    }

    fn tried(&self) -> Vec<Form> {
        let tried = std::mem::take(&mut *self.script.tried.lock().unwrap());
        tried.iter().map(form).collect()
    }

    fn reads(&self) -> u64 {
        self.script.reads.load(Ordering::Relaxed)
    }
}

async fn decide<S: Store>(throttle: &Throttle<S, ManualClock>) -> Result<Decision, ThrottleError> {
    let (subject, plan) = (Subject::new("subject").unwrap(), id());
    throttle.decide(&Request::new(&subject, &plan)).await
}

/// The form in which a write takes from the plan's rate.
fn form(write: &Write) -> Form {
    match write.moves.first().unwrap().to {
        To::Forward(_) => Form::Busy,
        _ => Form::Idle,
    }
}

fn id() -> PlanId {
    PlanId::new("plan").unwrap()
}

/// Ten tokens, one a second.
fn record() -> PlanRecord {
    let plan = Plan::from_json(r#"{"throttle": {"rateLimit": 1, "burstLimit": 10}}"#).unwrap();
    PlanRecord { id: id(), plan, version: 1, created: Timestamp::EPOCH }
}

/// A state so many milliseconds ahead of the clock's start, or behind it.
fn ahead(millis: i64) -> State {
    let start = ManualClock::default().now();
    let duration = Duration::from_millis(millis.unsigned_abs());
    let tat =
        if millis < 0 { start.saturating_sub(duration) } else { start.saturating_add(duration) };
    let interval = 1_000_000_000.try_into().unwrap();
    State {
        stamp: Some(Stamp { plan: id(), version: 1 }),
        tats: [(RateId { scope: Scope::PLAN, interval }, tat)].into(),
        ..State::default()
    }
}

fn taken(millis: i64) -> Result<Answer, StoreError> {
    Ok(Answer::Applied(ahead(millis)))
}

fn kept(millis: i64) -> Result<Answer, StoreError> {
    Ok(Answer::Kept(ahead(millis)))
}

/// The state of a bucket under another version of the plan.
fn kept_under(version: u64, millis: i64) -> Result<Answer, StoreError> {
    let stamp = Some(Stamp { plan: id(), version });
    Ok(Answer::Kept(State { stamp, ..ahead(millis) }))
}

fn failed(failure: Failure) -> Result<Answer, StoreError> {
    Err(failure.into())
}

#[tokio::test]
async fn a_busy_bucket_is_tried_as_idle_once() {
    let it = Setting::new([kept(500), taken(1_500), taken(2_500)]);
    assert_eq!(it.decide().await.unwrap().remaining(), 8);
    assert_eq!(it.tried(), [Form::Idle, Form::Busy]);
    assert!(it.decide().await.unwrap().is_allowed());
    assert_eq!(it.tried(), [Form::Busy]);
    it.clock.advance(Duration::from_millis(2_500));
    it.script.answers.lock().unwrap().push_back(taken(3_500));
    assert!(it.decide().await.unwrap().is_allowed());
    assert_eq!(it.tried(), [Form::Idle]);
}

#[tokio::test]
async fn a_bucket_that_was_deleted_is_idle_again() {
    let it = Setting::new([taken(5_000), Ok(Answer::Kept(State::default())), taken(1_000)]);
    it.decide().await.unwrap();
    assert!(it.decide().await.unwrap().is_allowed());
    assert_eq!(it.tried(), [Form::Idle, Form::Busy, Form::Idle]);
}

#[tokio::test]
async fn an_answer_that_refuses_ends_it() {
    let it = Setting::new([kept(9_001)]);
    let refused = it.decide().await.unwrap();
    assert_eq!(refused.retry_after(), Some(Duration::from_millis(1)));
    assert_eq!(it.tried(), [Form::Idle]);
}

#[tokio::test]
async fn an_item_that_always_changes_is_given_up() {
    let it = Setting::new([500, -1, 500, -1, 500, -1].map(kept));
    let refused = it.decide().await.unwrap();
    assert_eq!(refused.refused_by(), [Limit::CONTENTION]);
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(it.tried().len(), 6);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_not_asked_again() {
    for failure in [Failure::TimedOut, Failure::Outage, Failure::Throttled, Failure::Unreachable] {
        let it = Setting::new([failed(failure.clone())]);
        assert_eq!(it.decide().await, Err(ThrottleError::Unavailable(failure)));
        assert_eq!(it.tried(), [Form::Idle]);
    }
}

#[tokio::test]
async fn a_state_of_next_year_is_not_believed() {
    let most = (366 + 1) * 86_400_000;
    let it = Setting::new([kept(most)]);
    assert!(!it.decide().await.unwrap().is_allowed());
    for answer in [kept(most + 1), taken(most + 1)] {
        let it = Setting::new([answer]);
        assert!(matches!(it.decide().await, Err(ThrottleError::Damaged(_))));
    }
}

#[tokio::test]
async fn answers_that_overtake_each_other_keep_the_newest() {
    let it = Setting::new([taken(5_000), taken(3_000)]);
    assert!(it.decide().await.unwrap().is_allowed());
    assert!(it.decide().await.unwrap().is_allowed());
    it.tried();
    // Had the older answer stayed, the bucket would look idle by now.
    it.clock.advance(Duration::from_millis(4_000));
    it.script.answers.lock().unwrap().push_back(taken(7_000));
    it.decide().await.unwrap();
    assert_eq!(it.tried(), [Form::Busy]);
}

#[tokio::test]
async fn one_look_up_serves_all_who_wait() {
    let it = Setting::new((1..=100).map(|n| taken(n * 10)));
    for reads in 1..=2 {
        let one = || {
            let throttle = Arc::clone(&it.throttle);
            tokio::spawn(async move { decide(&throttle).await.unwrap().is_allowed() })
        };
        let tasks: Vec<_> = (0..50).map(|_| one()).collect();
        for task in tasks {
            assert!(task.await.unwrap());
        }
        assert_eq!(it.reads(), reads);
        it.clock.advance(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_look_up_that_failed_is_not_remembered() {
    let it = Setting::new([taken(1_000)]);
    it.script.plans.lock().unwrap().push_back(Err(Failure::TimedOut.into()));
    assert_eq!(it.decide().await, Err(ThrottleError::Unavailable(Failure::TimedOut)));
    assert!(it.decide().await.unwrap().is_allowed());
    assert_eq!(it.reads(), 2);
}

#[tokio::test]
async fn a_plan_that_is_not_there_is_remembered() {
    let it = Setting::new([taken(1_000)]);
    it.script.plans.lock().unwrap().push_back(Ok(None));
    for _ in 0..3 {
        assert_eq!(it.decide().await, Err(ThrottleError::UnknownPlan { plan: id() }));
    }
    assert_eq!(it.reads(), 1);
}

#[tokio::test]
async fn a_bucket_ahead_of_the_table_is_refused_until_it_is_repaired() {
    let it = Setting::new([kept_under(5, 500), kept_under(5, 500), kept_under(5, 500)]);
    match it.decide().await {
        Err(ThrottleError::Damaged(damage)) => assert_eq!(damage.attribute(), "pv"),
        other => panic!("{other:?}"),
    }
    assert_eq!(it.throttle.stats().failed, 1);
    // It is deleted: nobody goes by what is remembered of it.
    let deleted = [Ok(Answer::Kept(State::default())), taken(1_000)];
    it.script.answers.lock().unwrap().extend(deleted);
    assert!(it.decide().await.unwrap().is_allowed());
}

#[tokio::test]
async fn a_newer_bucket_makes_the_plan_be_looked_up_once() {
    let it = Setting::new([kept_under(2, 500)]);
    let newer = |version| Ok(Some(PlanRecord { version, ..record() }));
    it.script.plans.lock().unwrap().extend([newer(1), newer(2)]);
    let applied = State { stamp: Some(Stamp { plan: id(), version: 2 }), ..ahead(1_500) };
    it.script.answers.lock().unwrap().push_back(Ok(Answer::Applied(applied)));
    assert!(it.decide().await.unwrap().is_allowed());
    assert_eq!((it.reads(), it.throttle.stats().refreshed), (2, 1));
    let tried = it.script.tried.lock().unwrap();
    assert!(tried.iter().all(|write| write.found.as_ref() == Some(&write.stamp)), "no write back");
}

#[tokio::test]
async fn an_older_bucket_is_changed_on_condition_of_all_that_was_seen() {
    let it = Setting::new([kept_under(3, 500), taken(1_500)]);
    let newer = PlanRecord { version: 4, ..record() };
    it.script.plans.lock().unwrap().push_back(Ok(Some(newer)));
    assert!(it.decide().await.unwrap().is_allowed());
    let tried = it.script.tried.lock().unwrap();
    let change = tried.last().unwrap();
    assert_eq!(change.found, Some(Stamp { plan: id(), version: 3 }));
    assert_eq!(change.stamp.version, 4);
    assert!(matches!(change.moves.as_slice(), [Move { when: When::Is(_), to: To::At(_), .. }]));
}

#[tokio::test]
async fn what_is_remembered_for_longer_than_a_second_refuses_nothing() {
    let it = Setting::new([kept(15_000), taken(1_000)]);
    assert!(!it.decide().await.unwrap().is_allowed());
    it.clock.advance(Duration::from_secs(1));
    assert!(!it.decide().await.unwrap().is_allowed());
    assert_eq!((it.tried().len(), it.throttle.stats().remembered), (1, 1));
    it.clock.advance(Duration::from_nanos(1));
    assert!(it.decide().await.unwrap().is_allowed());
    assert_eq!(it.tried(), [Form::Busy]);
}

#[tokio::test]
async fn what_is_remembered_ages_while_the_monotonic_clock_stands_still() {
    let it = Setting::new([kept(15_000), taken(1_000)]);
    assert!(!it.decide().await.unwrap().is_allowed());
    it.clock.advance_wall(Duration::from_secs(1));
    assert!(!it.decide().await.unwrap().is_allowed());
    assert_eq!((it.tried().len(), it.throttle.stats().remembered), (1, 1));
    it.clock.advance_wall(Duration::from_nanos(1));
    assert!(it.decide().await.unwrap().is_allowed());
    assert_eq!(it.tried(), [Form::Busy]);
}
