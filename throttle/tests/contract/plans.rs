//! Several plans of one subject.

use std::sync::Arc;
use std::time::Duration;

use tollgate_throttle::{Clock, Limit, Plan, PlanId, Request};

use crate::bench::Bench;
use crate::setting::{Setting, rate};

const SECOND: Duration = Duration::from_secs(1);

/// A setting with more plans than its own.
async fn with<B: Bench>(bench: &B, plans: &[(&str, &str)]) -> Setting<B::Store> {
    let it = Setting::new(bench, plans[0].1).await;
    for (name, plan) in &plans[1..] {
        let plan = Plan::from_json(*plan).unwrap();
        bench.put(&PlanId::new(*name).unwrap(), plan, it.clock.now()).await;
    }
    it
}

pub(crate) async fn a_guest_is_charged_at_the_hosts_rate(bench: &impl Bench) {
    let (slow, fast) = (rate("1", 4), rate("2", 8));
    let it = with(bench, &[("plan", &slow), ("fast", &fast)]).await;
    let fast = PlanId::new("fast").unwrap();
    let under_fast = Request::new(&it.subject, &fast);
    it.decide_cost(4).await;
    // The first change is made. The next one comes too soon, so the request is a guest.
    let decision = it.fresh().decide(&under_fast).await.unwrap();
    assert_eq!(decision.reset_after(), Duration::from_millis(2_500));
    let refused = it.fresh().decide(&it.request()).await.unwrap();
    assert_eq!(refused.refused_by(), [Limit::BURST]);
    // Five are owed, three may be: one second at two a second.
    assert_eq!(refused.retry_after(), Some(SECOND));
    assert_eq!(refused.plan().as_str(), "plan");
    it.clock.advance(SECOND - Duration::from_nanos(1));
    assert!(!it.fresh().decide(&it.request()).await.unwrap().is_allowed());
    it.clock.advance(Duration::from_nanos(1));
    let guest = it.fresh().decide(&it.request()).await.unwrap();
    assert_eq!((guest.remaining(), guest.reset_after()), (0, 2 * SECOND));
    // Ten seconds after the change another plan may take the bucket over.
    it.clock.advance(9 * SECOND);
    let decision = it.fresh().decide(&it.request()).await.unwrap();
    assert_eq!(decision.reset_after(), SECOND);
}

pub(crate) async fn a_guest_adds_no_rate(bench: &impl Bench) {
    let quota = r#"{"quota": {"limit": 100, "period": "DAY"}}"#;
    let (one, other) = (rate("1", 5), rate("2", 5));
    let it = with(bench, &[("plan", quota), ("one", &one), ("other", &other)]).await;
    let [one, other] = ["one", "other"].map(|name| PlanId::new(name).unwrap());
    it.decide().await;
    let mut admitted = 0;
    for turn in 0..12 {
        let plan = [&one, &other, &it.plan][turn % 3];
        let decision = it.fresh().decide(&Request::new(&it.subject, plan)).await.unwrap();
        admitted += u32::from(decision.is_allowed() && *plan != it.plan);
    }
    assert_eq!(admitted, 5);
}

pub(crate) async fn several_plans_in_a_crowd_share_one_bucket(bench: &impl Bench) {
    let plans = [("plan", rate("0.001", 20)), ("b", rate("0.002", 30)), ("c", rate("0.004", 25))];
    let texts: Vec<_> = plans.iter().map(|(name, plan)| (*name, plan.as_str())).collect();
    let it = with(bench, &texts).await;
    let instances: Vec<_> = (0..10).map(|_| Arc::new(it.fresh())).collect();
    let tasks = instances.iter().cycle().take(150).enumerate().map(|(turn, throttle)| {
        let (throttle, subject) = (Arc::clone(throttle), it.subject.clone());
        let plan = PlanId::new(plans[turn % 3].0).unwrap();
        tokio::spawn(async move { throttle.decide(&Request::new(&subject, &plan)).await })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut admitted = 0;
    for task in tasks {
        let decision = task.await.unwrap().unwrap();
        admitted += usize::from(decision.is_allowed());
        assert!(!decision.is_degraded());
    }
    // No more than the largest burst; and no less than nine tenths of the smallest.
    assert!((18..=30).contains(&admitted), "{admitted}");
}
