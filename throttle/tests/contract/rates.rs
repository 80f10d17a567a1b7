//! Admissions by a rate and a burst.

use std::time::Duration;

use tollgate_throttle::{Clock, Limit, ManualClock, Request, Subject, Throttle};

use crate::bench::Bench;
use crate::setting::{Setting, rate, rate_and_quota};

pub(crate) async fn an_idle_bucket_admits_its_burst_and_no_more(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("10", 5)).await;
    for left in (0..5).rev() {
        let decision = it.decide().await;
        assert!(decision.is_allowed());
        assert_eq!((decision.limit(), decision.remaining()), (5, left));
        assert_eq!((decision.retry_after(), decision.retry_after_seconds()), (None, None));
    }
    let refused = it.decide().await;
    assert!(!refused.is_allowed());
    assert_eq!(refused.refused_by(), [Limit::BURST]);
    assert_eq!(refused.retry_after(), Some(Duration::from_millis(100)));
    assert_eq!(refused.retry_after_seconds(), Some(1));
    assert_eq!(refused.reset_after(), Duration::from_millis(500));
    assert_eq!(refused.plan(), &it.plan);
}

pub(crate) async fn waiting_exactly_long_enough_succeeds(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("3", 2)).await;
    while it.decide().await.is_allowed() {}
    for _ in 0..5 {
        let wait = it.decide().await.retry_after().unwrap();
        it.clock.advance(wait - Duration::from_nanos(1));
        let early = it.fresh().decide(&it.request()).await.unwrap();
        assert_eq!(early.retry_after(), Some(Duration::from_nanos(1)));
        assert_eq!(early.retry_after_seconds(), Some(1));
        it.clock.advance(Duration::from_nanos(1));
        assert!(it.decide().await.is_allowed());
    }
}

pub(crate) async fn idle_for_long_then_all_at_once(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("1", 100)).await;
    assert!(it.decide().await.is_allowed());
    for idle in [1, 50, 99, 100, 1_000, 100_000] {
        it.clock.advance(Duration::from_secs(idle));
        let mut admitted = 0;
        while it.decide().await.is_allowed() {
            admitted += 1;
        }
        assert!(admitted <= 100, "{admitted} of 100 after {idle} s");
        assert!(admitted >= idle.min(99), "{admitted} after {idle} s");
    }
}

pub(crate) async fn instances_share_one_limit(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("1", 10)).await;
    let others = [it.fresh(), it.fresh()];
    let mut admitted = 0;
    for turn in 0..30 {
        let throttle = if turn % 3 == 0 { &it.throttle } else { &others[turn % 3 - 1] };
        admitted += u32::from(throttle.decide(&it.request()).await.unwrap().is_allowed());
    }
    assert_eq!(admitted, 10);
}

pub(crate) async fn a_clock_that_is_behind_refuses_rather_than_admits(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("1", 2)).await;
    let behind = ManualClock::at(it.clock.now().saturating_sub(Duration::from_secs(3)));
    let behind = Throttle::new(bench.store(), behind);
    assert!(it.decide().await.is_allowed());
    assert!(it.decide().await.is_allowed());
    let refused = behind.decide(&it.request()).await.unwrap();
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(4)));
}

pub(crate) async fn costs_count_as_that_many(bench: &impl Bench) {
    let it = Setting::new(bench, &rate_and_quota("1", 10, 12, "DAY")).await;
    assert_eq!(it.decide_cost(7).await.remaining(), 3);
    let refused = it.decide_cost(4).await;
    assert_eq!(refused.refused_by(), [Limit::BURST]);
    assert_eq!((refused.remaining(), refused.retry_after_seconds()), (3, Some(1)));
    it.clock.advance(Duration::from_secs(7));
    assert_eq!(it.decide_cost(6).await.refused_by(), [Limit::DAILY]);
    assert_eq!(it.decide_cost(5).await.remaining(), 0);
}

pub(crate) async fn subjects_do_not_share(bench: &impl Bench) {
    let it = Setting::new(bench, &rate("1", 1)).await;
    let other = Subject::new("another").unwrap();
    assert!(it.decide().await.is_allowed());
    assert!(!it.decide().await.is_allowed());
    assert!(it.throttle.decide(&Request::new(&other, &it.plan)).await.unwrap().is_allowed());
}
