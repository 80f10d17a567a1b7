//! The calls that decisions make to a store.

use std::time::Duration;

use tollgate_throttle::{Clock, Limit, Plan, PlanId, Request, ThrottleError};

use crate::bench::Bench;
use crate::setting::{Setting, quota, rate, rate_and_quota};

pub(crate) async fn an_idle_or_remembered_bucket_costs_one_call(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("1", 10)).await;
    for turn in 1..=5 {
        it.decide().await;
        assert_eq!(it.calls(), turn, "idle at first, then remembered as busy");
    }
    it.clock.advance(Duration::from_secs(1_000));
    it.decide().await;
    assert_eq!(it.calls(), 6, "remembered as idle by now");
    // An instance that knows nothing takes one call more, once.
    let other = it.fresh();
    other.decide(&it.request()).await.unwrap();
    assert_eq!(it.calls(), 8);
    other.decide(&it.request()).await.unwrap();
    assert_eq!(it.calls(), 9);
}

pub(crate) async fn a_remembered_refusal_costs_no_call_for_a_second(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("0.1", 1)).await;
    assert!(it.decide().await.is_allowed());
    let calls = it.calls();
    it.clock.advance(Duration::from_secs(1));
    let refused = it.decide().await;
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(9)));
    assert_eq!(it.calls(), calls);
    it.clock.advance(Duration::from_nanos(1));
    assert!(!it.decide().await.is_allowed());
    assert_eq!(it.calls(), calls + 1);
}

pub(crate) async fn what_never_fits_is_an_error(bench: &impl Bench) {
    let it = Setting::new(bench, &rate_and_quota("1", 10, 8, "WEEK")).await;
    let cost = |cost| it.request().cost(cost);
    assert_eq!(
        it.throttle.decide(&cost(11)).await,
        Err(ThrottleError::CostAboveBurst { limit: Limit::BURST, cost: 11, burst: 10 })
    );
    assert_eq!(
        it.throttle.decide(&cost(9)).await,
        Err(ThrottleError::CostAboveQuota { limit: Limit::WEEKLY, cost: 9, quota: 8 })
    );
    assert_eq!(it.calls(), 0);
}

pub(crate) async fn an_unknown_plan_is_an_error_and_remembered(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("1", 1)).await;
    let late = PlanId::new("late").unwrap();
    let request = Request::new(&it.subject, &late);
    let unknown = Err(ThrottleError::UnknownPlan { plan: late.clone() });
    assert_eq!(it.throttle.decide(&request).await, unknown);
    bench.put(&late, Plan::from_json(quota(9, "DAY")).unwrap(), it.clock.now()).await;
    it.clock.advance(Duration::from_secs(5) - Duration::from_nanos(1));
    assert_eq!(it.throttle.decide(&request).await, unknown);
    it.clock.advance(Duration::from_nanos(1));
    assert_eq!(it.throttle.decide(&request).await.unwrap().limit(), 9);
    // A plan that is there is kept for a minute, and then read again.
    bench.put(&late, Plan::from_json(quota(7, "DAY")).unwrap(), it.clock.now()).await;
    assert_eq!(it.throttle.decide(&request).await.unwrap().limit(), 9);
    it.clock.advance(Duration::from_secs(60));
    assert_eq!(it.throttle.decide(&request).await.unwrap().limit(), 7);
}
