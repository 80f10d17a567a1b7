//! Requests within parents.

use std::sync::Arc;

use tollgate_throttle::{
    Level, Limit, LimitKind, Meter, Request, Settlement, Standing, Store, Subject,
};

use crate::bench::Bench;
use crate::setting::{Setting, rate_and_quota};

/// A plan of requests and tokens.
fn plan(burst: u32, tokens: u32) -> String {
    let quota = format!(r#""quota": {{"limit": {tokens}, "period": "MONTH"}}"#);
    format!(
        r#"{{"throttle": {{"rateLimit": "1/h", "burstLimit": {burst}}},
            "meters": {{"tokens": {{{quota}}}}}}}"#
    )
}

/// The rest of each limit of requests and tokens.
async fn left<S: Store + Clone>(it: &Setting<S>) -> Vec<u64> {
    let peeked = it.fresh().peek(&it.request().meter("tokens", 1)).await.unwrap();
    let one = u64::from(peeked.is_allowed());
    peeked.standings().iter().map(|it| it.remaining() + one).collect()
}

/// I13: for 1, 2 and 3 levels.
pub(crate) async fn each_level_costs_one_write_and_one_unit(bench: &impl Bench) {
    let limits = rate_and_quota("10", 100, 900, "DAY");
    let user = Setting::named(bench, "user", &limits).await;
    let tenant = Setting::named(bench, "tenant", &limits).await;
    let all = Setting::named(bench, "all", &limits).await;
    let levels = [Level::new(&tenant.subject, &tenant.plan), Level::new(&all.subject, &all.plan)];
    for parents in 0..=2 {
        let request = levels[..parents].iter().fold(user.request(), Request::within);
        // The first one finds the levels busy, which an instance that knows nothing cannot know.
        let throttle = user.fresh();
        assert!(throttle.decide(&request).await.unwrap().is_allowed());
        let before = user.store.consumed();
        for _ in 0..3 {
            assert!(throttle.decide(&request).await.unwrap().is_allowed());
        }
        let after = user.store.consumed();
        let expected = 3 * (u64::try_from(parents).unwrap() + 1);
        assert_eq!(after.calls - before.calls, expected);
        assert_eq!(after.milliunits - before.milliunits, 1_000 * expected);
    }
}

pub(crate) async fn what_a_level_refuses_is_charged_on_none(bench: &impl Bench) {
    let user = Setting::named(bench, "user", &plan(9, 1_000)).await;
    let tenant = Setting::named(bench, "tenant", &plan(8, 900)).await;
    let all = Setting::named(bench, "all", &plan(7, 300)).await;
    let request = user
        .request()
        .within(&Level::new(&tenant.subject, &tenant.plan))
        .within(&Level::new(&all.subject, &all.plan))
        .meter("tokens", 200);
    assert!(user.throttle.decide(&request).await.unwrap().is_allowed());
    let expected = [vec![8, 800], vec![7, 700], vec![6, 100]];
    // One that knows the levels, and one that does not.
    for instance in [&user.throttle, &user.fresh()] {
        let refused = instance.decide(&request).await.unwrap();
        let tokens = Meter::new("tokens").unwrap();
        assert_eq!(refused.refused_by(), [Limit::of(tokens, LimitKind::Monthly)]);
        assert_eq!(refused.refusing_parent(), Some(&all.subject));
        let found = [left(&user).await, left(&tenant).await, left(&all).await];
        assert_eq!(found, expected);
    }
}

pub(crate) async fn a_settlement_corrects_every_level_once(bench: &impl Bench) {
    let user = Setting::named(bench, "user", &plan(9, 1_000)).await;
    let tenant = Setting::named(bench, "tenant", &plan(8, 900)).await;
    let request =
        user.request().within(&Level::new(&tenant.subject, &tenant.plan)).meter("tokens", 200);
    let tokens = Meter::new("tokens").unwrap();
    for (actual, used) in [(50, 50), (350, 400)] {
        let decision = user.throttle.decide(&request).await.unwrap();
        let receipt = decision.into_receipt().unwrap();
        let calls = user.calls();
        let settlement = Settlement::default().meter(tokens, actual);
        user.throttle.settle(receipt, settlement).await.unwrap();
        assert_eq!(user.calls(), calls + 2, "a write for each level");
        assert_eq!((left(&user).await[1], left(&tenant).await[1]), (1_000 - used, 900 - used));
    }
    let receipt = user.throttle.decide(&request).await.unwrap().into_receipt().unwrap();
    user.throttle.settle(receipt, Settlement::nothing()).await.unwrap();
    assert_eq!((left(&user).await, left(&tenant).await), (vec![7, 600], vec![6, 500]));
}

/// Each task has a user and an instance of its own: the parent decides.
pub(crate) async fn concurrent_tasks_take_exactly_what_a_parent_holds(bench: &impl Bench) {
    let user = Setting::named(bench, "user", &plan(9, 1_000)).await;
    let tenant = Setting::named(bench, "tenant", &plan(99, 100)).await;
    let tasks: Vec<_> = (0..30)
        .map(|task| {
            let throttle = Arc::new(user.fresh());
            let (plan, parent) = (user.plan.clone(), (tenant.subject.clone(), tenant.plan.clone()));
            tokio::spawn(async move {
                let subject = Subject::new(format!("user-{task}")).unwrap();
                let parent = Level::new(&parent.0, &parent.1);
                let request = Request::new(&subject, &plan).meter("tokens", 7).within(&parent);
                // A task that met a crowd comes again.
                for _ in 0..40 {
                    let decision = throttle.decide(&request).await.unwrap();
                    if decision.refused_by() != [Limit::CONTENTION] {
                        return (subject, decision.is_allowed());
                    }
                }
                (subject, false)
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        let (subject, is_admitted) = task.await.unwrap();
        admitted += u64::from(is_admitted);
        let request = Request::new(&subject, &user.plan).meter("tokens", 1);
        let peeked = user.fresh().peek(&request).await.unwrap();
        let left: Vec<_> = peeked.standings().iter().map(Standing::remaining).collect();
        assert_eq!(left, if is_admitted { [7, 992] } else { [8, 999] });
    }
    assert_eq!((admitted, left(&tenant).await), (14, vec![99 - 14, 2]));
}
