//! Plans that refuse everything, and plans that refuse nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

#[path = "common/desk.rs"]
mod desk;

use std::time::Duration;

use desk::{Desk, Instance, rate};
use tollgate_throttle::testing::{Fault, Faulty};
use tollgate_throttle::{
    Clock, Leases, Limit, Period, Plan, PlanId, Request, Standing, Store, Throttle, ThrottleError,
};

const CLOSED: [(&str, Limit); 4] = [
    (r#"{"throttle": {"rateLimit": 0.0, "burstLimit": 0}}"#, Limit::BURST),
    (r#"{"throttle": {"rateLimit": 0, "burstLimit": 5}}"#, Limit::BURST),
    (r#"{"throttle": {"rateLimit": 5, "burstLimit": 0}}"#, Limit::BURST),
    (
        r#"{"throttle": {"rateLimit": 5, "burstLimit": 5}, "quota": {"limit": 0, "period": "DAY"}}"#,
        Limit::DAILY,
    ),
];

/// Instances that decide in different ways: without leases, and with them.
fn instances(desk: &Desk) -> [Instance; 2] {
    [desk.instance(), desk.instance().leases(Leases::adaptive())]
}

#[tokio::test]
async fn a_closed_plan_refuses_everything_for_ever_without_a_call() {
    for (plan, limit) in CLOSED {
        let desk = Desk::new();
        desk.put("plan", plan);
        for instance in instances(&desk) {
            for cost in [1, 2, 1_000_000] {
                let decision = desk.decide(&instance, "plan", cost).await;
                assert!(!decision.is_allowed(), "{plan}");
                assert_eq!(decision.refused_by(), [limit]);
                assert_eq!(decision.retry_after(), None);
                assert_eq!(decision.retry_after_seconds(), None);
                assert_eq!((decision.limit(), decision.remaining()), (0, 0));
                desk.advance(400 * 86_400 * 1_000_000_000);
            }
        }
        assert_eq!(desk.store.consumed().calls, 0, "{plan}");
    }
}

#[tokio::test]
async fn a_method_may_be_closed_alone_and_keeps_the_order_of_limits() {
    let desk = Desk::new();
    let closed = r#"{"throttle": {"rateLimit": 1, "burstLimit": 3},
        "apiStages": [{"apiId": "api", "stage": "prod", "throttle": {
            "/ServiceManager.svc/ANY": {"burstLimit": 0, "rateLimit": 0.0}}}]}"#;
    desk.put("plan", closed);
    let [open, leases] = instances(&desk);
    for instance in [&open, &leases] {
        let refused = desk.call(instance, "plan", 9, "/ServiceManager.svc/GET").await;
        assert_eq!(refused.refused_by(), [Limit::METHOD]);
        assert_eq!(refused.retry_after(), None);
        let limits: Vec<_> = refused.standings().iter().map(Standing::limit).collect();
        assert_eq!(limits, [Limit::BURST, Limit::METHOD]);
        assert_eq!(refused.standings()[1].max(), 0);
    }
    assert_eq!(desk.store.consumed().calls, 0);
    for _ in 0..3 {
        assert!(desk.call(&open, "plan", 1, "/other/GET").await.is_allowed());
    }
    // The plan's rate refuses for a time, the method for ever.
    let refused = desk.call(&open, "plan", 1, "/ServiceManager.svc/GET").await;
    assert_eq!(refused.refused_by(), [Limit::METHOD, Limit::BURST]);
    assert_eq!(refused.retry_after(), None);
    let refused = desk.call(&open, "plan", 1, "/other/GET").await;
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_closed_limit_is_the_tightest() {
    let desk = Desk::new();
    let quota = r#""quota": {"limit": 1, "period": "DAY"}"#;
    desk.put("plan", &format!("{{{quota}}}"));
    desk.charge(&desk.instance(), "plan", 1).await;
    desk.put("plan", &format!(r#"{{"throttle": {{"rateLimit": 0, "burstLimit": 9}}, {quota}}}"#));
    for instance in instances(&desk) {
        let refused = desk.decide(&instance, "plan", 1).await;
        assert_eq!((refused.limit(), refused.remaining()), (0, 0));
        assert_eq!(refused.reset_after(), Duration::ZERO);
    }
}

#[tokio::test]
async fn granted_requests_do_not_open_a_quota_of_0() {
    let desk = Desk::new();
    desk.put("plan", &rate("5/s", 5));
    desk.charge(&desk.instance(), "plan", 1).await;
    desk.put("plan", CLOSED[3].0);
    desk.advance(60_000_000_000);
    desk.store.grant(&desk.subject, Period::Day, 6, desk.clock.now());
    let instance = desk.instance();
    let refused = desk.decide(&instance, "plan", 1).await;
    assert_eq!((refused.refused_by(), refused.retry_after()), (vec![Limit::DAILY], None));
}

#[tokio::test]
async fn a_plan_that_was_closed_and_opens_again_keeps_its_debt() {
    let desk = Desk::new();
    desk.put("plan", &rate("1/h", 5));
    desk.charge(&desk.instance(), "plan", 5).await;
    desk.put("plan", CLOSED[0].0);
    for instance in instances(&desk) {
        assert_eq!(desk.decide(&instance, "plan", 1).await.retry_after(), None);
    }
    desk.put("plan", &rate("1/h", 5));
    let refused = desk.decide(&desk.instance(), "plan", 1).await;
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(3_600)));
}

#[tokio::test]
async fn a_closed_plan_is_closed_while_the_table_fails_whatever_the_policy() {
    for policy in [r#""closed""#, r#""open""#, r#"{"local": "1/10"}"#] {
        let desk = Desk::new();
        let plan = |rate: u32| {
            format!(
                r#"{{"throttle": {{"rateLimit": {rate}, "burstLimit": 9}}, "failure": {policy}}}"#
            )
        };
        desk.put("plan", &plan(0));
        let store = Faulty::new(desk.store.clone());
        let throttle = Throttle::new(store.clone(), desk.clock.clone());
        let id = PlanId::new("plan").unwrap();
        let request = Request::new(&desk.subject, &id);
        for down in [false, true] {
            if down {
                store.fail_with(Fault::Outage);
            }
            let decision = throttle.decide(&request).await.unwrap();
            assert!(!decision.is_allowed() && !decision.is_degraded(), "{policy}");
        }
    }
}

#[tokio::test]
async fn a_share_of_a_closed_method_is_closed() {
    let desk = Desk::new();
    let plan = r#"{"failure": {"local": "1/2"}, "throttle": {"rateLimit": 1, "burstLimit": 8},
        "apiStages": [{"apiId": "api", "stage": "prod", "throttle": {
            "/a/GET": {"burstLimit": 7, "rateLimit": 0.0}}}]}"#;
    desk.put("plan", plan);
    let store = Faulty::new(desk.store.clone());
    let throttle = Throttle::new(store.clone(), desk.clock.clone());
    let id = PlanId::new("plan").unwrap();
    let open = Request::new(&desk.subject, &id);
    let closed = open.method("api", "prod", "/a/GET");
    throttle.decide(&open).await.unwrap();
    store.fail_with(Fault::Outage);
    assert!(throttle.decide(&open).await.unwrap().is_degraded());
    assert!(!throttle.decide(&closed).await.unwrap().is_allowed());
}

#[tokio::test]
async fn a_cost_that_never_fits_an_open_quota_is_still_an_error() {
    let desk = Desk::new();
    desk.put("plan", r#"{"quota": {"limit": 5, "period": "DAY"}}"#);
    let id = PlanId::new("plan").unwrap();
    let request = Request::new(&desk.subject, &id).cost(6);
    let error = desk.instance().decide(&request).await.unwrap_err();
    assert!(matches!(error, ThrottleError::CostAboveQuota { quota: 5, .. }));
}

#[tokio::test]
async fn an_unlimited_plan_refuses_nothing_and_counts_by_day() {
    let desk = Desk::new();
    desk.put("plan", r#"{"unlimited": true}"#);
    let mut used = 0;
    for instance in instances(&desk) {
        for cost in [1, 7, u32::MAX] {
            let decision = desk.decide(&instance, "plan", cost).await;
            assert!(decision.is_allowed());
            assert_eq!(decision.standings(), []);
            used += u64::from(cost);
        }
    }
    // The next plan finds what was used.
    desk.put("plan", r#"{"quota": {"limit": 1000000000000000, "period": "DAY"}}"#);
    let left = desk.decide(&desk.instance(), "plan", 1).await.remaining();
    assert_eq!(left, 1_000_000_000_000_000 - used - 1);
}

#[test]
fn retry_after_is_exact_wherever_there_is_one() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for rate in ["0", "1e-7", "0.16666666666666666", "16.666666666666668", "1e300"] {
        for burst in [0, 1, 3] {
            let plan = format!(r#"{{"throttle": {{"rateLimit": {rate}, "burstLimit": {burst}}}}}"#);
            let closed = Plan::from_json(&plan).unwrap().is_closed();
            assert_eq!(closed, rate == "0" || burst == 0, "{plan}");
            runtime.block_on(async {
                let desk = Desk::new();
                desk.put("plan", &plan);
                let instance = desk.instance();
                for _ in 0..burst {
                    assert_eq!(desk.decide(&instance, "plan", 1).await.is_allowed(), !closed);
                }
                let refused = desk.decide(&instance, "plan", 1).await;
                assert_eq!(refused.retry_after().is_none(), closed, "{plan}");
                if let Some(wait) = refused.retry_after() {
                    desk.advance(u64::try_from(wait.as_nanos()).unwrap() - 1);
                    assert!(!desk.decide(&instance, "plan", 1).await.is_allowed(), "{plan}");
                    desk.advance(1);
                    assert!(desk.decide(&instance, "plan", 1).await.is_allowed(), "{plan}");
                }
            });
        }
    }
}
