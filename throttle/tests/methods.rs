//! Rates of methods, beside the plan's own and in the same write.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

#[path = "common/desk.rs"]
mod desk;

use std::time::Duration;

use desk::Desk;
use tollgate_throttle::{Limit, Plan, PlanId, Request, Standing, Store, ThrottleError, Throttling};

const PLAN: &str = r#"{
    "throttle": {"rateLimit": 1, "burstLimit": 10},
    "apiStages": [
        {"apiId": "api", "stage": "prod", "throttle": {
            "/pets/GET": {"rateLimit": 2, "burstLimit": 3},
            "/pets/{id}/ANY": {"rateLimit": 1, "burstLimit": 2},
            "*/*": {"rateLimit": 1, "burstLimit": 4}}},
        {"apiId": "api", "stage": "test"}
    ],
    "quota": {"limit": 12, "period": "DAY"}
}"#;

async fn desk() -> Desk {
    let desk = Desk::new();
    desk.put("plan", PLAN);
    desk
}

#[tokio::test]
async fn a_methods_rate_is_taken_beside_the_plans() {
    let desk = desk().await;
    let instance = desk.instance();
    for left in (0..3).rev() {
        let decision = desk.call(&instance, "plan", 1, "/pets/GET").await;
        assert!(decision.is_allowed());
        let standings = decision.standings();
        let limits: Vec<_> = standings.iter().map(|it| (it.limit(), it.remaining())).collect();
        let expected = [(Limit::BURST, left + 7), (Limit::METHOD, left), (Limit::DAILY, left + 9)];
        assert_eq!(limits, expected);
        let windows: Vec<_> = standings.iter().map(|it| it.window().as_millis()).collect();
        assert_eq!(windows, [10_000, 1_500, 86_400_000]);
        assert_eq!(standings.iter().map(Standing::max).collect::<Vec<_>>(), [10, 3, 12]);
    }
    assert_eq!(desk.store.consumed().calls, 3, "both rates are remembered as busy");
    let refused = desk.call(&instance, "plan", 1, "/pets/GET").await;
    assert_eq!(refused.refused_by(), [Limit::METHOD]);
    assert_eq!(refused.retry_after(), Some(Duration::from_millis(500)));
    // Another method's are left; all count towards the plan's.
    assert_eq!(desk.call(&instance, "plan", 4, "/other/POST").await.remaining(), 0);
    assert_eq!(desk.call(&instance, "plan", 1, "/another/PUT").await.refused_by(), [Limit::METHOD]);
    assert!(desk.call(&instance, "plan", 2, "/pets/{id}/DELETE").await.is_allowed());
    let refused = desk.call(&desk.instance(), "plan", 2, "/pets/{id}/GET").await;
    assert_eq!(refused.refused_by(), [Limit::BURST, Limit::METHOD]);
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(2)));
}

#[tokio::test]
async fn a_limit_that_refuses_leaves_the_others_untouched() {
    let desk = desk().await;
    let instance = desk.instance();
    assert!(desk.call(&instance, "plan", 3, "/pets/GET").await.is_allowed());
    for _ in 0..5 {
        assert!(!desk.call(&desk.instance(), "plan", 1, "/pets/GET").await.is_allowed());
    }
    assert_eq!(desk.call(&instance, "plan", 4, "/other/GET").await.standings()[0].remaining(), 3);
}

#[tokio::test]
async fn each_rate_has_its_own_form() {
    let desk = desk().await;
    let instance = desk.instance();
    desk.call(&instance, "plan", 4, "/other/GET").await;
    // The plan's is busy, and the method's idle; then the other way round.
    assert!(desk.call(&instance, "plan", 3, "/pets/GET").await.is_allowed());
    desk.advance(7_100_000_000);
    desk.put("slow", &PLAN.replace(r#""rateLimit": 2"#, r#""rateLimit": "1/h""#));
    assert!(desk.call(&instance, "slow", 3, "/pets/GET").await.is_allowed());
    desk.advance(3_600_000_000_000);
    let calls = desk.store.consumed().calls;
    assert!(desk.call(&instance, "slow", 1, "/pets/GET").await.is_allowed());
    assert_eq!(desk.store.consumed().calls, calls + 1);
    assert_eq!(desk.call(&instance, "slow", 1, "/pets/GET").await.refused_by(), [Limit::METHOD]);
}

#[tokio::test]
async fn a_change_of_plans_keeps_what_methods_owe() {
    let desk = desk().await;
    let instance = desk.instance();
    assert!(desk.call(&instance, "plan", 3, "/pets/GET").await.is_allowed());
    // Three tokens at 2/s are three tokens at 1/s; the plan in between doesn't know the method.
    desk.put("none", r#"{"throttle": {"rateLimit": 1, "burstLimit": 10}}"#);
    assert!(desk.call(&instance, "none", 1, "/pets/GET").await.is_allowed());
    desk.put("plan", &PLAN.replace(r#""rateLimit": 2"#, r#""rateLimit": 1"#));
    let refused = desk.call(&desk.instance(), "plan", 1, "/pets/GET").await;
    assert_eq!(refused.refused_by(), [Limit::METHOD]);
    // The bucket is still under the plan in between, where the debt sinks at 2/s.
    assert_eq!(refused.retry_after(), Some(Duration::from_millis(500)));
    desk.advance(500_000_000);
    let admitted = desk.call(&desk.instance(), "plan", 1, "/pets/GET").await;
    assert_eq!(admitted.standings()[1].resets_after(), Duration::from_millis(1_500));
}

#[tokio::test]
async fn a_cost_above_a_methods_burst_is_an_error() {
    let desk = desk().await;
    let (id, cost) = (PlanId::new("plan").unwrap(), 4.try_into().unwrap());
    let request = Request::new(&desk.subject, &id).cost(cost);
    let instance = desk.instance();
    let outcome = instance.decide(&request.method("api", "prod", "/pets/GET")).await;
    assert_eq!(
        outcome,
        Err(ThrottleError::CostAboveBurst { limit: Limit::METHOD, cost: 4, burst: 3 })
    );
    assert!(instance.decide(&request.method("api", "test", "/pets/GET")).await.is_ok());
    assert!(instance.decide(&request.method("other", "prod", "/pets/GET")).await.is_ok());
}

#[test]
fn the_most_exact_key_counts() {
    let plan = Plan::from_json(PLAN).unwrap();
    let burst = |method| plan.method("api", "prod", method).map(Throttling::burst);
    assert_eq!(burst("/pets/GET"), Some(3));
    assert_eq!(burst("/pets/{id}/GET"), Some(2));
    assert_eq!(burst("/pets/POST"), Some(4));
    assert_eq!(burst("pets"), None);
    assert_eq!(plan.method("api", "test", "/pets/GET"), None);
    assert_eq!(plan.method("other", "prod", "/pets/GET"), None);
}

#[tokio::test]
async fn what_methods_leave_is_removed() {
    let desk = Desk::new();
    let methods: Vec<_> =
        (0..40).map(|at| format!(r#""/m{at}/GET": {{"rateLimit": 1, "burstLimit": 1}}"#)).collect();
    desk.put(
        "plan",
        &format!(
            r#"{{"throttle": {{"rateLimit": 100, "burstLimit": 100}},
                "apiStages": [{{"apiId": "api", "stage": "prod", "throttle": {{{}}}}}]}}"#,
            methods.join(",")
        ),
    );
    let instance = desk.instance();
    for at in 0..40 {
        desk.call(&instance, "plan", 1, &format!("/m{at}/GET")).await;
    }
    assert_eq!(desk.state().await.tats.len(), 41);
    desk.advance(3_600_000_000_000);
    desk.decide(&instance, "plan", 1).await;
    assert_eq!(desk.state().await.tats.len(), 41, "not within the hour");
    desk.advance(2_000_000_000);
    for _ in 0..20 {
        desk.decide(&instance, "plan", 1).await;
    }
    assert_eq!(desk.state().await.tats.len(), 1);
}
