//! Limits with `"enforce": false`: decided and reported, without a refusal.

use tollgate_throttle::{Decision, Meter, Settlement, Store};

use crate::bench::Bench;
use crate::setting::Setting;

/// Tokens are tried, files and requests are enforced.
const PLAN: &str = r#"{"throttle": {"rateLimit": 1, "burstLimit": 20}, "meters": {
    "tokens": {"throttle": {"rateLimit": 100, "burstLimit": 1000},
        "quota": {"limit": 5000, "period": "DAY"}, "enforce": false},
    "files": {"quota": {"limit": 3, "period": "WEEK"}}}}"#;

fn left(decision: &Decision, name: &str) -> u64 {
    let standings = decision.standings();
    standings.iter().find(|it| it.limit().to_string() == name).unwrap().remaining()
}

fn would(decision: &Decision) -> Vec<String> {
    decision.would_refuse().iter().map(ToString::to_string).collect()
}

pub(crate) async fn a_meter_without_enforcement_reports_and_is_not_charged(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let tokens = Meter::new("tokens").unwrap();
    let request = it.request().meter("tokens", 400);
    let before = it.store.consumed();
    for (turn, burst) in [(1, 600), (2, 200), (3, 200), (4, 200)] {
        let peeked = it.throttle.peek(&request).await.unwrap();
        let decision = it.throttle.decide(&request).await.unwrap();
        assert!(decision.is_allowed());
        assert_eq!((peeked.standings(), would(&peeked)), (decision.standings(), would(&decision)));
        let expected: &[&str] = if turn > 2 { &["tokens-burst"] } else { &[] };
        assert_eq!(would(&decision), expected);
        assert_eq!((left(&decision, "burst"), decision.remaining()), (20 - turn, 20 - turn));
        assert_eq!(left(&decision, "tokens-burst"), burst);
        assert_eq!(left(&decision, "tokens-daily"), 5_000 - 400 * turn);
        assert_eq!(it.calls(), turn, "the last answer shows that there is no room");
    }
    assert_eq!(it.store.consumed().milliunits - before.milliunits, 4_000, "a unit each");
    // An instance that knows nothing takes one call more, once.
    let (other, calls) = (it.fresh(), it.calls());
    for more in [2, 3] {
        let mut decision = other.decide(&request).await.unwrap();
        assert_eq!((would(&decision).len(), left(&decision, "tokens-burst")), (1, 200));
        assert_eq!(it.calls(), calls + more);
        // What was not charged is not given back, and not charged afterwards either.
        for actual in [0, 900].into_iter().take(if more == 3 { 2 } else { 0 }) {
            let Some(receipt) = decision.take_receipt() else { break };
            other.settle(receipt, Settlement::default().meter(tokens, actual)).await.unwrap();
        }
    }
    let decision = it.fresh().decide(&it.request().meter("tokens", 100)).await.unwrap();
    assert_eq!((left(&decision, "tokens-burst"), would(&decision).len()), (100, 0));
    assert_eq!(left(&decision, "tokens-daily"), 5_000 - 5 * 400 - 100);
    // More than ever fits is no error, and costs one call.
    let decision = it.throttle.decide(&it.request().meter("tokens", 6_000)).await.unwrap();
    assert!(decision.is_allowed());
    assert_eq!(would(&decision), ["tokens-burst", "tokens-daily"]);
    assert_eq!((left(&decision, "tokens-burst"), left(&decision, "tokens-daily")), (100, 2_900));
}

pub(crate) async fn a_plan_without_enforcement_admits_everything(bench: &impl Bench) {
    let plan = r#"{"throttle": {"rateLimit": 1, "burstLimit": 2}, "enforce": false, "quota": [
        {"limit": 3, "period": "DAY"}, {"limit": 0, "period": "WEEK"}]}"#;
    let it = Setting::new(bench, plan).await;
    for (turn, burst, day, expected) in [
        (1, 1, 2, vec!["weekly"]),
        (2, 0, 1, vec!["weekly"]),
        (3, 0, 0, vec!["burst", "weekly"]),
        (4, 0, 0, vec!["burst", "daily", "weekly"]),
    ] {
        let decision = it.decide().await;
        assert!(decision.is_allowed() && decision.retry_after().is_none());
        assert_eq!(would(&decision), expected);
        assert_eq!((left(&decision, "burst"), left(&decision, "daily")), (burst, day));
        // No limit that is enforced.
        assert_eq!((decision.limit(), decision.remaining()), (0, 0));
        assert_eq!(it.calls(), turn);
    }
    assert_eq!(it.throttle.stats().would_refuse, 4);
    let dear = it.request().cost(9);
    assert_eq!(would(&it.fresh().decide(&dear).await.unwrap()), ["burst", "daily", "weekly"]);
}

pub(crate) async fn other_limits_still_refuse_and_charge(bench: &impl Bench) {
    let it = Setting::new(bench, PLAN).await;
    let request = it.request().meter("tokens", 900).meter("files", 2);
    assert!(it.throttle.decide(&request).await.unwrap().is_allowed());
    for instance in [&it.throttle, &it.fresh()] {
        let refused = instance.decide(&request).await.unwrap();
        assert!(!refused.is_allowed());
        assert_eq!(refused.refused_by()[0].to_string(), "files-weekly");
        assert_eq!(would(&refused), ["tokens-burst"]);
    }
    let fits = it.request().meter("tokens", 200).meter("files", 1);
    let decision = it.fresh().decide(&fits).await.unwrap();
    assert_eq!(would(&decision), ["tokens-burst"]);
    assert_eq!((left(&decision, "files-weekly"), left(&decision, "burst")), (0, 18));
    assert_eq!((left(&decision, "tokens-daily"), left(&decision, "tokens-burst")), (3_900, 100));
}
