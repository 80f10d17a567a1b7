//! Buckets whose subject's plan changes.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "common/desk.rs"]
mod desk;

use std::time::Duration;

use desk::{Desk, rate};
use tollgate_throttle::{Clock, Limit, Period, Store};

const SECOND: u64 = 1_000_000_000;

#[tokio::test]
async fn a_new_version_keeps_what_is_owed_in_tokens() {
    let desk = Desk::new();
    desk.put("plan", &rate("10/s", 10));
    let old = desk.instance();
    assert_eq!(desk.decide(&old, "plan", 6).await.remaining(), 4);
    desk.put("plan", &rate("1/s", 9));
    let new = desk.instance();
    let decision = desk.decide(&new, "plan", 1).await;
    assert_eq!(decision.remaining(), 2);
    assert_eq!(decision.reset_after(), Duration::from_secs(7));
    assert_eq!(new.stats().converted, 1);
    // One try, which finds the older version, and the change, which takes the request too.
    assert_eq!(desk.store.consumed().kept + desk.store.consumed().applied, 3);
    // The old instance can't write under the old version any more, and knows the new one at once.
    let decision = desk.decide(&old, "plan", 1).await;
    assert_eq!((decision.limit(), decision.remaining()), (9, 1));
    assert_eq!((old.stats().refreshed, old.stats().converted), (1, 0));
    desk.advance(8 * SECOND);
    assert_eq!(desk.decide(&old, "plan", 9).await.remaining(), 0);
}

/// The change of plan is made from a state that was told before an operator granted requests.
#[tokio::test]
async fn a_request_that_fits_because_of_a_grant_is_charged() {
    let desk = Desk::new();
    let plan = |limit| format!(r#"{{"quota": {{"limit": {limit}, "period": "DAY"}}}}"#);
    desk.put("plan", &plan(100));
    let instance = desk.instance();
    desk.charge(&instance, "plan", 100).await;
    desk.advance(120 * SECOND);
    desk.store.grant(&desk.subject, Period::Day, 50, desk.clock.now());
    desk.put("plan", &plan(99));
    let decision = desk.decide(&instance, "plan", 1).await;
    assert!(decision.is_allowed());
    assert_eq!(decision.remaining(), 48);
    // The store shows 51 used: the next request, of another instance, is the 52nd.
    assert_eq!(desk.decide(&desk.instance(), "plan", 1).await.remaining(), 47);
}

#[tokio::test]
async fn what_is_owed_beyond_the_new_burst_stays_owed() {
    let desk = Desk::new();
    desk.put("plan", &rate("10/s", 10));
    let old = desk.instance();
    desk.decide(&old, "plan", 10).await;
    desk.put("plan", &rate("1/s", 4));
    let new = desk.instance();
    let refused = desk.decide(&new, "plan", 1).await;
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(new.stats().converted, 1);
    // Nobody refills it at the old rate meanwhile.
    desk.advance(7 * SECOND - 1);
    assert!(!desk.decide(&old, "plan", 1).await.is_allowed());
    assert!(!desk.decide(&new, "plan", 1).await.is_allowed());
    desk.advance(1);
    assert!(desk.decide(&desk.instance(), "plan", 1).await.is_allowed());
    assert!(!desk.decide(&desk.instance(), "plan", 1).await.is_allowed());
}

#[tokio::test]
async fn a_change_rounds_against_the_caller() {
    let desk = Desk::new();
    // 333 333 334 ns and 142 857 143 ns for a token: neither divides the other.
    desk.put("three", &rate("3/s", 10));
    desk.put("seven", &rate("7/s", 10));
    let instance = desk.instance();
    desk.decide(&instance, "three", 1).await;
    desk.advance(1);
    let decision = desk.decide(&instance, "seven", 1).await;
    // ⌈333 333 333 · 142 857 143 / 333 333 334⌉ = 142 857 143, and the request's own.
    assert_eq!(decision.reset_after(), Duration::from_nanos(2 * 142_857_143));
}

#[tokio::test]
async fn a_plan_without_a_rate_keeps_what_is_owed_for_one_with() {
    let desk = Desk::new();
    desk.put("rate", &rate("1/s", 5));
    desk.put("quota", r#"{"quota": {"limit": 100, "period": "DAY"}}"#);
    let instance = desk.instance();
    desk.decide(&instance, "rate", 5).await;
    assert_eq!(desk.decide(&instance, "quota", 1).await.remaining(), 94);
    assert!(!desk.decide(&instance, "rate", 1).await.is_allowed());
    desk.advance(SECOND);
    assert!(desk.decide(&instance, "quota", 1).await.is_allowed());
    assert!(desk.decide(&instance, "rate", 1).await.is_allowed());
    assert_eq!(desk.decide(&instance, "rate", 1).await.refused_by(), [Limit::BURST]);
    desk.put("rate", r#"{"quota": {"limit": 100, "period": "DAY"}}"#);
    let instance = desk.instance();
    assert!(desk.decide(&instance, "rate", 1).await.is_allowed());
    desk.put("rate", &rate("1/s", 5));
    assert!(!desk.decide(&desk.instance(), "rate", 1).await.is_allowed());
}

#[tokio::test]
async fn counters_outlive_a_change() {
    let desk = Desk::new();
    desk.put("large", r#"{"quota": {"limit": 100, "period": "MONTH"}}"#);
    desk.put("small", r#"{"quota": {"limit": 10, "period": "MONTH"}}"#);
    let instance = desk.instance();
    desk.decide(&instance, "large", 8).await;
    assert_eq!(desk.decide(&instance, "small", 2).await.remaining(), 0);
    assert_eq!(desk.decide(&instance, "small", 1).await.refused_by(), [Limit::MONTHLY]);
    assert_eq!(desk.decide(&instance, "large", 1).await.remaining(), 89);
}

#[tokio::test]
async fn what_no_plan_may_owe_sinks_at_the_old_rate() {
    let desk = Desk::new();
    desk.put("fast", &rate("1000000/s", 1_000_000));
    desk.put("slow", &rate("1/d", 10));
    let instance = desk.instance();
    desk.decide(&instance, "fast", 1_000_000).await;
    // A million days are not waited for, nor forgotten: nine tokens' time at the old rate are left.
    let refused = desk.decide(&instance, "slow", 1).await;
    let wait = Duration::from_secs(1) - Duration::from_micros(9);
    assert_eq!(refused.retry_after(), Some(wait));
    assert_eq!(refused.remaining(), 0);
    assert_eq!(instance.stats().converted, 0);
    assert_eq!(desk.decide(&instance, "fast", 1).await.refused_by(), [Limit::BURST]);
    desk.clock.advance(wait);
    assert!(desk.decide(&instance, "slow", 1).await.is_allowed());
    assert!(!desk.decide(&instance, "slow", 1).await.is_allowed());

    let desk = Desk::new();
    desk.put("fast", &rate("1000000/s", 1_000_000));
    desk.put("slow", &rate("1/d", 10));
    desk.decide(&desk.instance(), "fast", 1_000_000).await;
    // A request that comes too early waits for the rest at the old rate, which is the faster one.
    desk.clock.advance(wait - Duration::from_nanos(1));
    let refused = desk.decide(&desk.instance(), "slow", 1).await;
    assert_eq!(refused.retry_after(), Some(Duration::from_nanos(1)));
    desk.advance(1);
    let instance = desk.instance();
    assert!(desk.decide(&instance, "slow", 1).await.is_allowed());
    assert_eq!(instance.stats().converted, 1);
}
