//! Requests that take from several meters at once.

use std::sync::Arc;
use std::time::Duration;

use tollgate_throttle::{
    Limit, LimitKind, Meter, Period, Request, Settlement, Store, ThrottleError,
};

use crate::bench::Bench;
use crate::setting::{Setting, rate};

/// 10 requests at once, 1,000 tokens at once and 5,000 a day, 30 images a month, 3 files a week.
const PLAN: &str = r#"{"throttle": {"rateLimit": 1, "burstLimit": 10}, "meters": {
    "tokens": {"throttle": {"rateLimit": 100, "burstLimit": 1000},
        "quota": {"limit": 5000, "period": "DAY"}},
    "images": {"quota": {"limit": 30, "period": "MONTH"}},
    "files": {"throttle": {"rateLimit": "1/min", "burstLimit": 2},
        "quota": {"limit": 3, "period": "WEEK"}}}}"#;

fn meter(name: &str) -> Meter {
    Meter::new(name).unwrap()
}

fn limit(name: &str, kind: LimitKind) -> Limit {
    Limit::of(meter(name), kind)
}

fn left(decision: &tollgate_throttle::Decision, name: &str) -> u64 {
    let standings = decision.standings();
    standings.iter().find(|it| it.limit().to_string() == name).unwrap().remaining()
}

pub(crate) async fn several_meters_are_charged_in_one_write(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let before = it.store.consumed();
    for turn in 1..=2_u64 {
        let request = it.request().meter("tokens", 300).meter("images", 4).meter("files", 1);
        let decision = it.throttle.decide(&request).await.unwrap();
        assert!(decision.is_allowed());
        let names: Vec<_> = decision.standings().iter().map(|it| it.limit().to_string()).collect();
        let all = ["burst", "files-burst", "tokens-burst", "tokens-daily", "images-monthly"];
        assert_eq!(names[..5], all);
        assert_eq!(names[5], "files-weekly");
        assert_eq!(left(&decision, "burst"), 10 - turn);
        assert_eq!(left(&decision, "tokens-burst"), 1_000 - 300 * turn);
        assert_eq!(left(&decision, "tokens-daily"), 5_000 - 300 * turn);
        assert_eq!(left(&decision, "images-monthly"), 30 - 4 * turn);
        assert_eq!(left(&decision, "files-weekly"), 3 - turn);
        assert_eq!(it.calls(), turn);
    }
    let after = it.store.consumed();
    assert_eq!(after.milliunits - before.milliunits, 2_000, "a unit each");
}

/// I13: with 1, 2 and 3 meters beside requests, each enforced or only tried.
pub(crate) async fn a_decision_costs_one_call_and_one_unit_for_any_number_of_meters(
    bench: &impl Bench,
) {
    let limits = r#"{"throttle": {"rateLimit": 10, "burstLimit": 40},
        "quota": [{"limit": 99, "period": "DAY"}, {"limit": 999, "period": "MONTH"}]"#;
    for (meters, enforced) in [(1, true), (2, true), (3, true), (1, false), (2, false), (3, false)]
    {
        let names = &["a", "b", "c"][..meters];
        let of_meter = |name| format!(r#""{name}": {limits}, "enforce": {enforced}}}"#);
        let all: Vec<_> = names.iter().map(of_meter).collect();
        let plan = format!(
            r#"{{"throttle": {{"rateLimit": 1, "burstLimit": 9}}, "meters": {{{}}}}}"#,
            all.join(", ")
        );
        let it = Setting::named(bench, &format!("{meters}-{enforced}"), &plan).await;
        let request = names.iter().fold(it.request(), |request, name| request.meter(name, 15));
        let before = it.store.consumed();
        // Idle, busy, and then without room: which is remembered, or reported in one write.
        for (turn, calls) in [(1, 1), (2, 2), (3, if enforced { 2 } else { 3 })] {
            let decision = it.throttle.decide(&request).await.unwrap();
            assert_eq!(decision.is_allowed(), turn < 3 || !enforced);
            assert_eq!(it.calls(), calls, "{meters} meters, {enforced}, turn {turn}");
        }
        let used = it.store.consumed().milliunits - before.milliunits;
        assert_eq!(used, 1_000 * it.calls(), "{meters} meters, {enforced}");
        // An instance that knows nothing: the other form, once.
        let calls = it.calls();
        it.clock.advance(Duration::from_secs(1));
        let ten = names.iter().fold(it.request(), |request, name| request.meter(name, 10));
        assert!(it.fresh().decide(&ten).await.unwrap().is_allowed());
        assert_eq!(it.calls(), calls + 2);
        println!("{meters} meters, enforced {enforced}: {:?}", it.store.consumed());
    }
}

pub(crate) async fn a_refusal_names_every_limit_and_charges_nothing(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let request = it.request().meter("tokens", 900).meter("images", 29).meter("files", 2);
    assert!(it.throttle.decide(&request).await.unwrap().is_allowed());
    // Tokens for 3 seconds, images until the month ends, files for a minute and until the week ends.
    let request = it.request().meter("tokens", 400).meter("images", 2).meter("files", 2);
    for instance in [&it.throttle, &it.fresh()] {
        let refused = instance.decide(&request).await.unwrap();
        assert_eq!(
            refused.refused_by(),
            [
                limit("tokens", LimitKind::Burst),
                limit("files", LimitKind::Burst),
                limit("images", LimitKind::Monthly),
                limit("files", LimitKind::Weekly),
            ]
        );
        // From Saturday, 2026-11-21T09:00:00Z, to the first of December.
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(15 * 3_600 + 9 * 86_400)));
    }
    // A request without these meters is not limited by them, and nothing was taken of it.
    let decision = it.decide().await;
    assert_eq!(decision.remaining(), 8);
    let few = it.request().meter("tokens", 100).meter("images", 1);
    let decision = it.throttle.decide(&few).await.unwrap();
    assert_eq!((left(&decision, "tokens-daily"), left(&decision, "images-monthly")), (4_000, 0));
}

pub(crate) async fn each_meter_opens_again_at_its_own_moment(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let tokens = it.request().meter("tokens", 1_000);
    assert!(it.throttle.decide(&tokens).await.unwrap().is_allowed());
    let refused = it.throttle.decide(&it.request().meter("tokens", 250)).await.unwrap();
    assert_eq!(refused.retry_after(), Some(Duration::from_millis(2_500)));
    it.clock.advance(Duration::from_millis(2_500) - Duration::from_nanos(1));
    let request = it.request().meter("tokens", 250);
    assert!(!it.fresh().decide(&request).await.unwrap().is_allowed());
    it.clock.advance(Duration::from_nanos(1));
    assert!(it.fresh().decide(&request).await.unwrap().is_allowed());
}

pub(crate) async fn a_wrong_amount_is_an_error_before_any_call(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let unknown = |meter: &str| {
        let (plan, meter) = (it.plan.clone(), meter.to_owned());
        ThrottleError::UnknownMeter { plan, meter }
    };
    let tokens = meter("tokens");
    let huge = |cost, burst| {
        let limit = Limit::of(tokens, LimitKind::Burst);
        ThrottleError::CostAboveBurst { limit, cost, burst }
    };
    let many = it.request().meter("tokens", 1).meter("images", 1).meter("files", 1).meter("x", 1);
    for (request, error) in [
        (it.request().meter("token", 1), unknown("token")),
        (it.request().meter("", 1), unknown("")),
        (it.request().meter("requests", 1), unknown("requests")),
        (it.request().meter("tokens.", 1), unknown("tokens.")),
        (many, unknown("x")),
        (many.meter("y", 1), unknown("x")),
        (it.request().meter("tokens", 0), ThrottleError::NoAmount { meter: tokens }),
        (it.request().meter("tokens", 1_001), huge(1_001, 1_000)),
        (it.request().meter("tokens", u64::MAX), huge(u64::MAX, 1_000)),
        (
            it.request().meter("images", 31),
            ThrottleError::CostAboveQuota {
                limit: Limit::quota(meter("images"), Period::Month),
                cost: 31,
                quota: 30,
            },
        ),
    ] {
        assert_eq!(it.throttle.decide(&request).await, Err(error));
    }
    assert_eq!(it.calls(), 0);
    // The last amount of a meter counts.
    let request = it.request().meter("tokens", 1_001).meter("tokens", 1);
    let decision = it.throttle.decide(&request).await.unwrap();
    assert_eq!(left(&decision, "tokens-daily"), 4_999);
}

pub(crate) async fn a_settlement_corrects_each_meter_in_one_write(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let request = it.request().meter("tokens", 800).meter("images", 5);
    let receipt = it.throttle.decide(&request).await.unwrap().into_receipt().unwrap();
    assert_eq!(receipt.amount(meter("tokens")), 800);
    let calls = it.calls();
    // More of one, less of the other; requests stay.
    let actual = Settlement::default().meter(meter("tokens"), 1_700).meter(meter("images"), 2);
    it.throttle.settle(receipt, actual).await.unwrap();
    assert_eq!(it.calls(), calls + 1);
    // 700 tokens are owed beyond the burst: one more fits after 701 of them are refilled.
    let one = it.request().meter("tokens", 1);
    for instance in [&it.throttle, &it.fresh()] {
        let refused = instance.decide(&one).await.unwrap();
        assert_eq!(refused.refused_by(), [limit("tokens", LimitKind::Burst)]);
        assert_eq!(refused.retry_after(), Some(Duration::from_millis(7_010)));
    }
    it.clock.advance(Duration::from_millis(7_010));
    let decision = it.throttle.decide(&one.meter("images", 1)).await.unwrap();
    assert!(decision.is_allowed());
    assert_eq!((left(&decision, "tokens-daily"), left(&decision, "images-monthly")), (3_299, 27));
}

/// The instance's last answer then says nothing of the meter.
pub(crate) async fn a_settlement_after_a_request_without_the_meter_corrects_it(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let request = it.request().meter("tokens", 800).meter("images", 5);
    let receipt = it.throttle.decide(&request).await.unwrap().into_receipt().unwrap();
    assert!(it.decide().await.is_allowed());
    let calls = it.calls();
    let actual = Settlement::default().meter(meter("tokens"), 100).meter(meter("images"), 2);
    it.throttle.settle(receipt, actual).await.unwrap();
    assert_eq!(it.calls(), calls + 1);
    let request = it.request().meter("tokens", 1).meter("images", 1);
    let decision = it.fresh().decide(&request).await.unwrap();
    assert_eq!((left(&decision, "tokens-daily"), left(&decision, "images-monthly")), (4_899, 27));
}

pub(crate) async fn a_peek_tells_the_decision_and_writes_nothing(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    for tokens in [700, 200, 101, 100, 1] {
        let request = it.request().meter("tokens", tokens).meter("images", 1);
        let (calls, state) = (it.calls(), it.fresh());
        let peeked = it.throttle.peek(&request).await.unwrap();
        assert_eq!(state.peek(&request).await.unwrap(), peeked);
        assert_eq!(it.calls(), calls);
        let decided = it.throttle.decide(&request).await.unwrap();
        assert_eq!(peeked.standings(), decided.standings(), "{tokens}");
        assert_eq!(peeked.refused_by(), decided.refused_by());
        assert_eq!(peeked.retry_after(), decided.retry_after());
        assert!(peeked.into_receipt().is_none());
    }
    let unknown = it.throttle.peek(&it.request().meter("token", 1)).await;
    let (plan, meter) = (it.plan.clone(), "token".to_owned());
    assert_eq!(unknown, Err(ThrottleError::UnknownMeter { plan, meter }));
    // Under another plan: nothing is changed to it.
    let other = Setting::named(bench, "other", &rate("2", 5)).await;
    let request = Request::new(&it.subject, &other.plan);
    let peeked = other.throttle.peek(&request).await.unwrap();
    assert!(peeked.is_allowed());
    assert_eq!(other.throttle.peek(&request).await.unwrap(), peeked);
}

pub(crate) async fn a_wrong_settlement_changes_nothing(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let receipt = || async {
        let request = it.request().meter("tokens", 10);
        it.throttle.decide(&request).await.unwrap().into_receipt().unwrap()
    };
    let settled = |receipt, meter, amount| {
        it.throttle.settle(receipt, Settlement::default().meter(meter, amount))
    };
    let images = settled(receipt().await, meter("images"), 1).await;
    assert_eq!(images, Err(ThrottleError::NotReserved));
    let huge = settled(receipt().await, meter("tokens"), u64::MAX).await;
    let (amount, max) = (u64::MAX, 1_000_000_000_000_000);
    assert_eq!(huge, Err(ThrottleError::AmountTooLarge { amount, max }));
    assert_eq!(it.calls(), 2);
    // Everything is given back, requests too.
    it.throttle.settle(receipt().await, Settlement::nothing()).await.unwrap();
    let decision = it.throttle.decide(&it.request().meter("tokens", 10)).await.unwrap();
    assert_eq!((left(&decision, "burst"), left(&decision, "tokens-daily")), (7, 4_970));
}

pub(crate) async fn concurrent_tasks_take_exactly_what_a_meter_holds(bench: &impl Bench) {
    let plan = r#"{"throttle": {"rateLimit": 1, "burstLimit": 100}, "meters": {
        "tokens": {"quota": {"limit": 100, "period": "DAY"}},
        "images": {"throttle": {"rateLimit": "1/h", "burstLimit": 30}}}}"#;
    let it = Setting::new(bench, plan).await;
    let tasks: Vec<_> = (0..40)
        .map(|task| {
            let throttle = Arc::new(it.fresh());
            let (subject, plan) = (it.subject.clone(), it.plan.clone());
            tokio::spawn(async move {
                // A task that met a crowd comes again.
                for _ in 0..40 {
                    let request = Request::new(&subject, &plan).meter("tokens", 7);
                    let request = if task % 2 == 0 { request.meter("images", 2) } else { request };
                    let decision = throttle.decide(&request).await.unwrap();
                    if decision.refused_by() != [Limit::CONTENTION] {
                        return decision.is_allowed();
                    }
                }
                false
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += u64::from(task.await.unwrap());
    }
    assert_eq!(admitted, 14);
    let one = it.fresh().decide(&it.request().meter("tokens", 1)).await.unwrap();
    assert_eq!((left(&one, "burst"), left(&one, "tokens-daily")), (100 - 14 - 1, 1));
}

pub(crate) async fn plans_with_and_without_meters_share_one_bucket(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let other = Setting::named(bench, "other", &rate("2", 5)).await;
    let tokens = it.request().meter("tokens", 1_000);
    assert!(it.throttle.decide(&tokens).await.unwrap().is_allowed());
    // A change to a plan without the meter and back keeps the debt of tokens.
    let request = Request::new(&it.subject, &other.plan).cost(1);
    it.clock.advance(Duration::from_secs(1));
    assert!(other.throttle.decide(&request).await.unwrap().is_allowed());
    let refused = it.fresh().decide(&it.request().meter("tokens", 101)).await.unwrap();
    assert_eq!(refused.refused_by(), [limit("tokens", LimitKind::Burst)]);
    let decision = it.fresh().decide(&it.request().meter("tokens", 100)).await.unwrap();
    assert!(decision.is_allowed());
}
