//! Admissions by quotas.

use std::time::Duration;

use tollgate_throttle::{Clock, Limit, Plan};

use crate::bench::Bench;
use crate::setting::{Setting, quota, rate_and_quota};

pub(crate) async fn quotas_count_and_start_afresh(bench: &impl Bench) {
    for (period, limit, seconds_left) in [
        ("DAY", Limit::DAILY, 15 * 3_600),
        ("WEEK", Limit::WEEKLY, 15 * 3_600 + 86_400),
        ("MONTH", Limit::MONTHLY, 15 * 3_600 + 9 * 86_400),
    ] {
        // From Saturday, 2026-11-21T09:00:00Z.
        let it = Setting::named(bench, period, &quota(3, period)).await;
        for left in (0..3).rev() {
            assert_eq!(it.decide().await.remaining(), left);
        }
        let refused = it.decide().await;
        assert_eq!(refused.refused_by(), [limit]);
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(seconds_left)));
        assert_eq!(refused.reset_after(), Duration::from_secs(seconds_left));
        it.clock.advance(Duration::from_secs(seconds_left) - Duration::from_nanos(1));
        assert!(!it.decide().await.is_allowed());
        it.clock.advance(Duration::from_nanos(1));
        assert_eq!(it.decide().await.remaining(), 2);
    }
}

pub(crate) async fn several_limits_are_all_named(bench: &impl Bench) {
    let plan = r#"{"throttle": {"rateLimit": 1, "burstLimit": 3}, "quota": [
        {"limit": 3, "period": "DAY"}, {"limit": 4, "period": "WEEK"}, {"limit": 3, "period": "MONTH"}]}"#;
    let it = Setting::new(bench, plan).await;
    for _ in 0..3 {
        assert!(it.decide().await.is_allowed());
    }
    let refused = it.decide().await;
    assert_eq!(refused.refused_by(), [Limit::BURST, Limit::DAILY, Limit::MONTHLY]);
    assert_eq!(refused.retry_after().unwrap().as_secs(), 15 * 3_600 + 9 * 86_400);
    assert_eq!((refused.limit(), refused.remaining()), (3, 0));
    it.clock.advance(Duration::from_secs(10 * 86_400));
    assert!(it.decide().await.is_allowed());
}

pub(crate) async fn an_offset_counts_in_the_first_period_only(bench: &impl Bench) {
    let plan = r#"{"quota": {"limit": 5, "offset": 3, "period": "DAY"}}"#;
    let it = Setting::new(bench, plan).await;
    assert_eq!(it.decide().await.remaining(), 1);
    assert_eq!(it.decide_cost(4).await.refused_by(), [Limit::DAILY]);
    assert!(it.decide().await.is_allowed());
    assert!(!it.decide().await.is_allowed());
    it.clock.advance(Duration::from_secs(15 * 3_600));
    assert_eq!(it.decide_cost(5).await.remaining(), 0);
}

pub(crate) async fn a_refused_request_is_not_counted(bench: &impl Bench) {
    let it = Setting::new(bench, &rate_and_quota("1", 1, 2, "DAY")).await;
    for _ in 0..2 {
        assert!(it.decide().await.is_allowed());
        for _ in 0..5 {
            assert!(!it.fresh().decide(&it.request()).await.unwrap().is_allowed());
        }
        it.clock.advance(Duration::from_secs(2));
    }
    assert_eq!(it.decide().await.refused_by(), [Limit::DAILY]);
}

pub(crate) async fn a_quota_starts_on_its_day(bench: &impl Bench) {
    let plan = |day: &str, period: &str| {
        format!(r#"{{"quota": {{"limit": 2, "period": "{period}", "startDay": {day}}}}}"#)
    };
    // From Saturday, 2026-11-21T09:00:00Z.
    let to_midnight = Duration::from_secs(15 * 3_600);
    for (name, period, day, wait) in [
        ("month", "MONTH", "22", to_midnight),
        ("month-ago", "MONTH", "21", to_midnight + 29 * DAY),
        ("week", "WEEK", r#""SUNDAY""#, to_midnight),
        ("week-ago", "WEEK", r#""SATURDAY""#, to_midnight + 6 * DAY),
    ] {
        let it = Setting::named(bench, name, &plan(day, period)).await;
        for left in [1, 0] {
            assert_eq!(it.decide().await.remaining(), left);
        }
        let refused = it.decide().await;
        assert_eq!(refused.retry_after(), Some(wait), "{name}");
        it.clock.advance(wait - Duration::from_nanos(1));
        assert!(!it.fresh().decide(&it.request()).await.unwrap().is_allowed(), "{name}");
        it.clock.advance(Duration::from_nanos(1));
        assert_eq!(it.decide().await.remaining(), 1, "{name}");
    }
    // After a change of the day no use of the old period counts in the new one, in any order.
    let it = Setting::named(bench, "changed", &quota(2, "MONTH")).await;
    for (change, left) in
        [(plan("15", "MONTH"), [1, 0]), (plan("20", "MONTH"), [1, 0]), (quota(2, "MONTH"), [1, 0])]
    {
        let change = Plan::from_json(change).unwrap();
        bench.put(&it.plan, change, it.clock.now()).await;
        for left in left {
            assert_eq!(it.fresh().decide(&it.request()).await.unwrap().remaining(), left);
        }
        assert!(!it.fresh().decide(&it.request()).await.unwrap().is_allowed());
    }
    bench.put(&it.plan, Plan::from_json(plan("15", "MONTH")).unwrap(), it.clock.now()).await;
    assert!(!it.fresh().decide(&it.request()).await.unwrap().is_allowed(), "it is used up");
}

const DAY: Duration = Duration::from_secs(86_400);
