//! Requests while the table fails, by failure policy.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::Duration;

use proptest::prelude::*;
use tollgate_throttle::testing::{Fault, Faulty};
use tollgate_throttle::{
    Clock, Decision, Failure, FailurePolicy, Limit, ManualClock, MemoryStore, Plan, PlanId,
    Request, Subject, Throttle, ThrottleError,
};

struct Setting {
    memory: MemoryStore,
    store: Faulty<MemoryStore>,
    clock: ManualClock,
    throttle: Throttle<Faulty<MemoryStore>, ManualClock>,
    plan: PlanId,
    subject: Subject,
}

type Decided = Result<Decision, ThrottleError>;

impl Setting {
    fn new(plan: &str) -> Self {
        Self::with(plan, |throttle| throttle)
    }

    fn with(
        plan: &str,
        build: impl FnOnce(
            Throttle<Faulty<MemoryStore>, ManualClock>,
        ) -> Throttle<Faulty<MemoryStore>, ManualClock>,
    ) -> Self {
        let (memory, clock) = (MemoryStore::new(), ManualClock::default());
        let id = PlanId::new("plan").unwrap();
        memory.put_plan(id.clone(), Plan::from_json(plan).unwrap(), clock.now());
        let store = Faulty::new(memory.clone());
        let throttle = build(Throttle::new(store.clone(), clock.clone()));
        let subject = Subject::new("subject").unwrap();
        Self { memory, store, clock, throttle, plan: id, subject }
    }

    fn put(&self, plan: &str) {
        self.memory.put_plan(self.plan.clone(), Plan::from_json(plan).unwrap(), self.clock.now());
    }

    async fn decide(&self) -> Decided {
        self.cost(1).await
    }

    async fn cost(&self, cost: u32) -> Decided {
        self.throttle.decide(&Request::new(&self.subject, &self.plan).cost(cost)).await
    }

    async fn method(&self) -> Decided {
        let request = Request::new(&self.subject, &self.plan).method("api", "prod", "/a/GET");
        self.throttle.decide(&request).await
    }

    async fn admitted(&self, tries: u32) -> u32 {
        let mut admitted = 0;
        for _ in 0..tries {
            admitted += u32::from(self.decide().await.unwrap().is_allowed());
        }
        admitted
    }

    fn advance_secs(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }
}

fn plan(rest: &str) -> String {
    format!(r#"{{"throttle": {{"rateLimit": 10, "burstLimit": 20}}{rest}}}"#)
}

fn failed(failure: Failure) -> Decided {
    Err(ThrottleError::Unavailable(failure))
}

#[tokio::test]
async fn closed_unless_said() {
    for rest in ["", r#", "failure": "closed""#] {
        let it = Setting::new(&plan(rest));
        assert!(!it.decide().await.unwrap().is_degraded());
        for (fault, failure) in [
            (Fault::Lost, Failure::TimedOut),
            (Fault::Unreachable, Failure::Unreachable),
            (Fault::Outage, Failure::Outage),
            (Fault::Throttled, Failure::Throttled),
        ] {
            it.store.fail_once(fault);
            assert_eq!(it.decide().await, failed(failure));
        }
        assert_eq!(it.throttle.stats().degraded, 0);
    }
}

#[tokio::test]
async fn a_plan_that_says_closed_is_so_whatever_the_default_is() {
    let it = Setting::with(&plan(r#", "failure": "closed""#), |throttle| {
        throttle.default_failure(FailurePolicy::Open)
    });
    assert!(it.decide().await.unwrap().is_allowed());
    it.store.fail_with(Fault::Lost);
    assert_eq!(it.decide().await, failed(Failure::TimedOut));
}

#[tokio::test]
async fn open_lets_through_and_says_so() {
    let it = Setting::new(&plan(r#", "failure": "open""#));
    assert!(it.decide().await.unwrap().is_allowed());
    it.store.fail_with(Fault::Unreachable);
    for _ in 0..100 {
        let decision = it.decide().await.unwrap();
        assert!(decision.is_allowed() && decision.is_degraded());
        assert_eq!((decision.plan(), decision.standings()), (&it.plan, [].as_slice()));
        assert_eq!(decision.into_receipt(), None);
    }
    assert_eq!(it.throttle.stats().degraded, 100);
    // Nothing of it was charged.
    it.store.recover();
    it.advance_secs(1);
    assert_eq!(it.admitted(100).await, 20);
}

#[tokio::test]
async fn local_admits_its_share() {
    let it = Setting::new(&plan(r#", "failure": {"local": "1/10"}"#));
    assert_eq!(it.admitted(20).await, 20);
    it.store.fail_with(Fault::Lost);
    // The bucket in memory holds two, and gets one a second.
    it.advance_secs(1);
    assert_eq!(it.admitted(50).await, 2);
    let refused = it.decide().await.unwrap();
    assert!(refused.is_degraded() && !refused.is_allowed());
    assert_eq!((refused.limit(), refused.refused_by()), (2, vec![Limit::BURST]));
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
    for _ in 0..20 {
        it.clock.advance(Duration::from_secs(1) - Duration::from_nanos(1));
        assert_eq!(it.admitted(3).await, 0);
        it.clock.advance(Duration::from_nanos(1));
        assert_eq!(it.admitted(3).await, 1);
    }
    // Nothing of it is charged to the table afterwards.
    it.store.recover();
    it.advance_secs(1);
    assert!(!it.decide().await.unwrap().is_degraded());
    assert_eq!(it.admitted(30).await, 19);
}

#[tokio::test]
async fn local_counts_a_share_of_the_quotas_over_all_outages_of_a_day() {
    let it = Setting::new(
        r#"{"quota": {"limit": 100, "period": "DAY"}, "failure": {"local": "3/100"}}"#,
    );
    assert!(it.decide().await.unwrap().is_allowed());
    for admitted in [2, 1, 0] {
        it.store.fail_with(Fault::Lost);
        assert_eq!(it.admitted(2).await, admitted);
        it.store.recover();
        it.advance_secs(2);
        assert!(!it.decide().await.unwrap().is_degraded());
    }
    it.store.fail_with(Fault::Lost);
    assert_eq!(it.decide().await.unwrap().refused_by(), [Limit::DAILY]);
    it.advance_secs(15 * 3_600);
    assert_eq!(it.admitted(9).await, 3);
}

#[tokio::test]
async fn local_keeps_subjects_and_methods_apart() {
    let it = Setting::new(&plan(
        r#", "failure": {"local": "1/2"}, "apiStages": [{"apiId": "api", "stage": "prod",
            "throttle": {"/a/GET": {"rateLimit": 1, "burstLimit": 4}}}]"#,
    ));
    assert!(it.decide().await.unwrap().is_allowed());
    it.store.fail_with(Fault::Lost);
    assert!(it.method().await.unwrap().is_allowed());
    assert!(it.method().await.unwrap().is_allowed());
    assert_eq!(it.method().await.unwrap().refused_by(), [Limit::METHOD]);
    assert_eq!(it.admitted(30).await, 8, "two went to the method");
    let other = Subject::new("other").unwrap();
    assert!(it.throttle.decide(&Request::new(&other, &it.plan)).await.unwrap().is_allowed());
}

#[tokio::test]
async fn local_lets_a_big_request_through_that_fits_the_plan() {
    let it = Setting::new(&plan(r#", "failure": {"local": "1/10"}"#));
    assert!(it.decide().await.unwrap().is_allowed());
    it.store.fail_with(Fault::Lost);
    assert!(it.cost(15).await.unwrap().is_allowed());
    assert_eq!(it.cost(15).await.unwrap().retry_after(), Some(Duration::from_secs(15)));
    let above = ThrottleError::CostAboveBurst { limit: Limit::BURST, cost: 21, burst: 20 };
    assert_eq!(it.cost(21).await, Err(above));
}

#[tokio::test]
async fn local_keeps_its_debt_when_the_plan_changes() {
    let it = Setting::new(&plan(r#", "failure": {"local": "1/2"}"#));
    assert!(it.decide().await.unwrap().is_allowed());
    it.store.fail_with(Fault::Lost);
    assert_eq!(it.admitted(20).await, 10);
    it.store.recover();
    it.put(&plan(r#", "failure": {"local": "1/1"}"#));
    it.advance_secs(60);
    assert!(it.decide().await.unwrap().is_allowed());
    it.store.fail_with(Fault::Lost);
    assert_eq!(it.admitted(30).await, 20);
}

#[tokio::test]
async fn a_default_local_share_needs_a_known_plan() {
    let local = FailurePolicy::Local("1/10".parse().unwrap());
    let it = Setting::with(&plan(""), |throttle| throttle.default_failure(local));
    it.store.fail_with(Fault::Outage);
    assert_eq!(it.decide().await, failed(Failure::Outage));
    it.store.recover();
    assert!(it.decide().await.unwrap().is_allowed());
    it.store.fail_with(Fault::Outage);
    assert_eq!(it.admitted(9).await, 2);
}

#[tokio::test]
async fn a_default_of_open_needs_no_plan() {
    let it = Setting::with(&plan(""), |throttle| throttle.default_failure(FailurePolicy::Open));
    it.store.fail_with(Fault::Lost);
    assert!(it.decide().await.unwrap().is_degraded());
}

#[tokio::test]
async fn a_table_that_is_set_up_wrongly_is_an_error_under_every_policy() {
    let it = Setting::with(&plan(r#", "failure": "open""#), |throttle| {
        throttle.default_failure(FailurePolicy::Open)
    });
    it.store.fail_once(Fault::NoTable);
    assert_eq!(it.decide().await, failed(Failure::NoTable), "for the plan");
    assert!(it.decide().await.unwrap().is_allowed());
    it.store.fail_once(Fault::NoTable);
    assert_eq!(it.decide().await, failed(Failure::NoTable), "for the bucket");
}

#[tokio::test]
async fn a_plan_is_known_for_a_day_while_it_cannot_be_read() {
    let it = Setting::new(&plan(r#", "failure": {"local": "1/10"}"#));
    assert!(it.decide().await.unwrap().is_allowed());
    it.advance_secs(86_399);
    it.store.fail_with(Fault::Lost);
    assert!(it.decide().await.unwrap().is_degraded());
    it.advance_secs(1);
    assert_eq!(it.decide().await, failed(Failure::TimedOut));
}

#[tokio::test]
async fn a_plan_that_cannot_be_read_still_decides_by_the_table() {
    let it = Setting::new(&plan(""));
    assert!(it.decide().await.unwrap().is_allowed());
    it.advance_secs(3_600);
    // The look-up of the plan fails, and the write doesn't.
    it.store.fail_once(Fault::Lost);
    let decision = it.decide().await.unwrap();
    assert!(decision.is_allowed() && !decision.is_degraded());
    assert_eq!(decision.remaining(), 19);
}

#[tokio::test]
async fn a_plan_that_was_not_there_is_not_there_while_it_cannot_be_read() {
    let it = Setting::with(&plan(""), |throttle| throttle.default_failure(FailurePolicy::Open));
    let none = PlanId::new("none").unwrap();
    let unknown = Err(ThrottleError::UnknownPlan { plan: none.clone() });
    let request = Request::new(&it.subject, &none);
    assert_eq!(it.throttle.decide(&request).await, unknown);
    it.advance_secs(3_600);
    it.store.fail_with(Fault::Lost);
    assert_eq!(it.throttle.decide(&request).await, unknown);
}

#[tokio::test]
async fn after_five_failures_the_table_is_left_alone_for_a_second() {
    let it = Setting::new(&plan(""));
    assert!(it.decide().await.unwrap().is_allowed());
    it.store.fail_with(Fault::Lost);
    for _ in 0..5 {
        assert_eq!(it.decide().await, failed(Failure::TimedOut));
    }
    let asked = it.store.asked();
    for _ in 0..100 {
        assert_eq!(it.decide().await, failed(Failure::Suspended));
    }
    assert_eq!(it.store.asked(), asked);
    it.advance_secs(1);
    assert_eq!(it.decide().await, failed(Failure::TimedOut), "one tries");
    assert_eq!(it.decide().await, failed(Failure::Suspended));
    assert_eq!(it.store.asked(), asked + 1);
    it.store.recover();
    it.advance_secs(1);
    assert!(it.decide().await.unwrap().is_allowed());
    assert!(it.decide().await.unwrap().is_allowed());
}

#[tokio::test]
async fn a_hot_subject_does_not_suspend_the_others() {
    let it = Setting::new(&plan(""));
    assert!(it.decide().await.unwrap().is_allowed());
    for _ in 0..50 {
        it.store.fail_once(Fault::Throttled);
        assert_eq!(it.decide().await, failed(Failure::Throttled));
    }
    let other = Subject::new("other").unwrap();
    assert!(it.throttle.decide(&Request::new(&other, &it.plan)).await.unwrap().is_allowed());
}

#[tokio::test]
async fn a_refusal_that_is_remembered_is_no_failure() {
    let it = Setting::new(&plan(r#", "failure": "open""#));
    assert_eq!(it.admitted(21).await, 20);
    it.store.fail_with(Fault::Lost);
    let refused = it.decide().await.unwrap();
    assert!(!refused.is_allowed() && !refused.is_degraded());
}

fn faults() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Fault::Lost)),
        2 => Just(Some(Fault::AnswerLost)),
        1 => Just(Some(Fault::Throttled)),
        1 => Just(Some(Fault::Unreachable)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// I9: whatever is lost, with or without leases: never more is admitted than charged.
    #[test]
    fn i9_never_more_is_admitted_than_charged(
        steps in prop::collection::vec((0..400u64, faults()), 1..60),
        leases in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let quota = r#"{"throttle": {"rateLimit": 500, "burstLimit": 500},
                "quota": {"limit": 1000000, "period": "MONTH"}}"#;
            let it = Setting::with(quota, |throttle| {
                if leases { throttle.leases(tollgate_throttle::Leases::adaptive()) } else { throttle }
            });
            let mut admitted = 0;
            for (gap, fault) in steps {
                it.clock.advance(Duration::from_millis(gap));
                if let Some(fault) = fault {
                    it.store.fail_once(fault);
                }
                for _ in 0..20 {
                    admitted += u64::from(it.decide().await.is_ok_and(|it| it.is_allowed()));
                }
            }
            // What the store has counted, told by another instance.
            it.store.recover();
            let other = Throttle::new(it.memory.clone(), it.clock.clone());
            it.advance_secs(60);
            let decision = other.decide(&Request::new(&it.subject, &it.plan)).await.unwrap();
            let month = decision.standings().iter().find(|it| it.limit() == Limit::MONTHLY).unwrap();
            let charged = 1_000_000 - month.remaining() - 1;
            assert!(admitted <= charged, "{admitted} of {charged}");
        });
    }
}
