//! Requests of cost 0, which take only from named meters, or nothing.

use std::time::Duration;

use tollgate_throttle::{
    Level, Limit, LimitKind, Meter, Refund, Request, Settlement, Store, ThrottleError,
};

use crate::bench::Bench;
use crate::setting::{Setting, rate_and_quota};

const PLAN: &str = r#"{"throttle": {"rateLimit": 1, "burstLimit": 3},
    "quota": {"limit": 4, "period": "DAY"}, "apiStages": [{"apiId": "a", "stage": "s",
        "throttle": {"/x/GET": {"rateLimit": 1, "burstLimit": 2}}}], "meters": {
    "tokens": {"throttle": {"rateLimit": 100, "burstLimit": 1000},
        "quota": {"limit": 5000, "period": "MONTH"}}}}"#;

fn tokens() -> Meter {
    Meter::new("tokens").unwrap()
}

/// The names of the limits, and what each has left.
fn left(decision: &tollgate_throttle::Decision) -> Vec<(String, u64)> {
    decision.standings().iter().map(|it| (it.limit().to_string(), it.remaining())).collect()
}

fn all(burst: u64, daily: u64, tokens_burst: u64, tokens_monthly: u64) -> Vec<(String, u64)> {
    let named = |(name, left): (&str, u64)| (name.to_owned(), left);
    [
        ("burst", burst),
        ("tokens-burst", tokens_burst),
        ("daily", daily),
        ("tokens-monthly", tokens_monthly),
    ]
    .map(named)
    .into()
}

pub(crate) async fn a_request_of_cost_0_takes_only_its_meters(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let ask = it.request().cost(0).meter("tokens", 100);
    let decision = it.throttle.decide(&ask).await.unwrap();
    assert_eq!(left(&decision), all(3, 4, 900, 4_900), "the first use of the item");
    let three = it.request().cost(3).method("a", "s", "/y/GET");
    assert!(it.throttle.decide(&three).await.unwrap().is_allowed());
    // Whether an instance knows that no request is left or not: one call, of one unit.
    for (turn, instance) in [(2, &it.throttle), (3, &it.fresh())] {
        let peeked = instance.peek(&ask).await.unwrap();
        let before = it.store.consumed();
        let decision = instance.decide(&ask.method("a", "s", "/y/GET")).await.unwrap();
        let after = it.store.consumed();
        assert_eq!(left(&decision), all(0, 1, 1_000 - 100 * turn, 5_000 - 100 * turn));
        assert_eq!(peeked.standings(), decision.standings());
        // An instance that knows nothing may try the other form of the meter's rate.
        let calls = after.calls - before.calls;
        assert!(calls == 1 || turn == 3 && calls == 2, "{calls}");
        assert_eq!(after.milliunits - before.milliunits, 1_000 * calls);
        let receipt = decision.into_receipt().unwrap();
        assert_eq!((receipt.cost(), receipt.amount(Meter::REQUESTS)), (0, 0));
        assert_eq!(receipt.amount(tokens()), 100);
    }
    // Requests still wait as before, and a nanosecond less is too early.
    let refused = it.fresh().decide(&it.request()).await.unwrap();
    assert_eq!(refused.refused_by(), [Limit::BURST]);
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
    it.clock.advance(Duration::from_secs(1));
    assert_eq!(it.fresh().decide(&it.request()).await.unwrap().remaining(), 0);
    let refused = it.fresh().decide(&it.request()).await.unwrap();
    assert_eq!(refused.refused_by(), [Limit::BURST, Limit::DAILY]);
    // Its own limits refuse it.
    let refused = it.fresh().decide(&it.request().cost(0).meter("tokens", 900)).await.unwrap();
    assert_eq!(refused.refused_by(), [Limit::of(tokens(), LimitKind::Burst)]);
    let huge = it.throttle.decide(&it.request().cost(0).meter("tokens", 1_001)).await;
    assert!(matches!(huge, Err(ThrottleError::CostAboveBurst { cost: 1_001, .. })), "{huge:?}");
}

pub(crate) async fn a_method_shows_its_rate_and_refuses_nothing_of_cost_0(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let two = it.request().cost(2).method("a", "s", "/x/GET");
    assert!(it.throttle.decide(&two).await.unwrap().is_allowed());
    let ask = it.request().cost(0).meter("tokens", 1).method("a", "s", "/x/GET");
    for instance in [&it.throttle, &it.fresh()] {
        let decision = instance.decide(&ask).await.unwrap();
        assert!(decision.is_allowed());
        assert!(left(&decision).contains(&("method".to_owned(), 0)), "{decision:?}");
    }
}

pub(crate) async fn closed_requests_do_not_refuse_cost_0(bench: &impl Bench) {
    let meters = r#""meters": {"tokens": {"quota": {"limit": 100, "period": "DAY"}}}"#;
    let closed = [
        r#""throttle": {"rateLimit": 0, "burstLimit": 0}"#,
        r#""quota": {"limit": 0, "period": "DAY"}"#,
    ];
    for (turn, requests) in closed.into_iter().enumerate() {
        let plan = format!("{{{requests}, {meters}}}");
        let it = Setting::named(bench, &format!("closed-{turn}"), &plan).await;
        assert!(!it.decide().await.is_allowed());
        let ask = it.request().cost(0).meter("tokens", 60);
        assert!(it.throttle.decide(&ask).await.unwrap().is_allowed(), "{requests}");
        assert!(!it.throttle.decide(&ask).await.unwrap().is_allowed());
        let huge = it.throttle.decide(&it.request().cost(0).meter("tokens", 101)).await;
        assert!(matches!(huge, Err(ThrottleError::CostAboveQuota { .. })), "{huge:?}");
    }
}

pub(crate) async fn a_receipt_of_cost_0_settles_and_refunds(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let receipt = async || {
        let ask = it.request().cost(0).meter("tokens", 100);
        it.fresh().decide(&ask).await.unwrap().into_receipt().unwrap()
    };
    assert_eq!(it.throttle.refund(receipt().await, 1).await, Ok(Refund::Nothing));
    it.throttle.settle(receipt().await, Settlement::nothing()).await.unwrap();
    it.throttle.settle(receipt().await, Settlement::default().meter(tokens(), 40)).await.unwrap();
    let peek = it.request().cost(0).meter("tokens", 1);
    let peeked = it.throttle.peek(&peek).await.unwrap();
    assert_eq!(left(&peeked), all(3, 4, 859, 4_859));
    // Requests that were used after all become debt.
    it.throttle.settle(receipt().await, Settlement::from(5).meter(tokens(), 0)).await.unwrap();
    let peeked = it.throttle.peek(&peek).await.unwrap();
    assert_eq!(left(&peeked), all(0, 0, 859, 4_859));
    let refused = it.fresh().decide(&it.request()).await.unwrap();
    assert_eq!(refused.refused_by(), [Limit::BURST, Limit::DAILY]);
}

pub(crate) async fn a_request_of_nothing_makes_no_call(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let nothing = it.request().cost(0);
    let calls = it.calls();
    let decision = it.throttle.decide(&nothing).await.unwrap();
    assert!(decision.is_allowed() && decision.standings().is_empty(), "nothing is known yet");
    assert_eq!(it.calls(), calls);
    // What it used after all is charged, though its bucket was never written.
    let receipt = decision.into_receipt().unwrap();
    it.throttle.settle(receipt, 2).await.unwrap();
    assert_eq!(it.calls(), calls + 1);
    let decision = it.throttle.decide(&nothing).await.unwrap();
    assert_eq!(left(&decision), [("burst".to_owned(), 1), ("daily".to_owned(), 2)]);
    it.throttle.settle(decision.into_receipt().unwrap(), 0).await.unwrap();
    assert_eq!(it.calls(), calls + 1);
    assert_eq!(it.fresh().decide(&it.request()).await.unwrap().remaining(), 0);
    // Even if no request is left, and for a plan that does not exist.
    assert!(it.fresh().decide(&nothing).await.unwrap().is_allowed());
    let unknown = it.throttle.decide(&nothing.meter("images", 1)).await;
    let meter = "images".to_owned();
    assert_eq!(unknown, Err(ThrottleError::UnknownMeter { plan: it.plan.clone(), meter }));
}

pub(crate) async fn a_parent_without_the_meter_is_not_written(bench: &impl Bench) {
    let user = Setting::named(bench, "user", PLAN).await;
    let tenant = Setting::named(bench, "tenant", &rate_and_quota("1", 2, 9, "DAY")).await;
    let everyone = Setting::named(bench, "all", PLAN).await;
    let ask = user
        .request()
        .cost(0)
        .meter("tokens", 100)
        .within(&Level::new(&tenant.subject, &tenant.plan))
        .within(&Level::new(&everyone.subject, &everyone.plan));
    let before = user.store.consumed();
    let mut decision = user.throttle.decide(&ask).await.unwrap();
    let after = user.store.consumed();
    assert_eq!(after.calls - before.calls, 2, "the user and everyone");
    assert_eq!(decision.parents().len(), 2);
    assert_eq!(left(&decision), all(3, 4, 900, 4_900));
    // A settlement charges requests to all three.
    let receipt = decision.take_receipt().unwrap();
    user.throttle.settle(receipt, Settlement::from(2).meter(tokens(), 50)).await.unwrap();
    for (it, rest) in [(&user, 1), (&tenant, 0), (&everyone, 1)] {
        let peeked = it.fresh().peek(&it.request().cost(0)).await.unwrap();
        assert_eq!(left(&peeked)[0], ("burst".to_owned(), rest), "{:?}", it.plan);
    }
}

pub(crate) async fn a_guest_of_cost_0_moves_only_its_meters(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let other = Setting::named(bench, "other", &PLAN.replace(": 3}", ": 9}")).await;
    let both = it.request().cost(3).meter("tokens", 500);
    assert!(it.throttle.decide(&both).await.unwrap().is_allowed());
    let ask = Request::new(&it.subject, &other.plan).cost(0).meter("tokens", 100);
    for instance in [&other.throttle, &other.fresh()] {
        let decision = instance.decide(&ask).await.unwrap();
        assert!(decision.is_allowed());
        assert_eq!(left(&decision)[0], ("burst".to_owned(), 6), "three of nine are owed");
    }
    let refused = it.fresh().decide(&it.request()).await.unwrap();
    assert_eq!(refused.refused_by(), [Limit::BURST]);
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
    let peeked = it.fresh().peek(&it.request().cost(0).meter("tokens", 1)).await.unwrap();
    assert_eq!(left(&peeked), all(0, 1, 299, 4_299));
}

/// A bucket without a rate of requests, whose plan has just been changed.
pub(crate) async fn a_guest_of_cost_0_needs_no_rate_of_requests(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let other = Setting::named(bench, "other", PLAN).await;
    let (own, foreign) = (it.request(), Request::new(&it.subject, &other.plan));
    let [own, foreign] = [own, foreign].map(|it| it.cost(0).meter("tokens", 1));
    assert!(it.throttle.decide(&own).await.unwrap().is_allowed());
    assert!(other.throttle.decide(&foreign).await.unwrap().is_allowed());
    assert_eq!(other.throttle.stats().converted, 1);
    let back = it.fresh();
    assert!(back.decide(&own).await.unwrap().is_allowed());
    assert_eq!(back.stats().converted, 0, "it is charged as a guest");
}
