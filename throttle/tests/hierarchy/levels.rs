//! Decisions over two and three levels at a low demand: exact, one write for each level.

use std::time::Duration;

use tollgate_throttle::{
    Level, Limit, LimitKind, Meter, PlanId, Request, Standing, Subject, ThrottleError,
};

use crate::setting::{NAMES, Setting, both, rate};

const CLOSED: &str = r#"{"throttle": {"rateLimit": 0, "burstLimit": 0}}"#;
const A_MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_level_is_charged_once() {
    for levels in 1..=3 {
        let it = Setting::new([&both("1/min", 9, 50), &both("1/min", 7, 40), &rate("1/min", 5)]);
        let throttle = it.instance();
        for n in 1..=3u64 {
            let decision = it.decide(&throttle, levels).await;
            assert!(decision.is_allowed() && !decision.is_degraded());
            assert_eq!(decision.remaining(), [9, 7, 5][levels - 1] - n, "the tightest of all");
            let parents: Vec<_> = decision.parents().iter().map(|(it, _)| it.as_str()).collect();
            assert_eq!(parents, NAMES[1..levels]);
            it.clock.advance(Duration::from_nanos(1));
        }
        assert_eq!(it.left(0).await, [6, 47]);
        let others = if levels > 1 { [4, 37] } else { [7, 40] };
        assert_eq!(it.left(1).await, others);
        assert_eq!(it.left(2).await, [if levels > 2 { 2 } else { 5 }]);
        let counts = throttle.stats();
        assert_eq!((counts.allowed, counts.refused, counts.refunded), (3, 0, 0));
    }
}

/// Calls and write units a decision.
#[tokio::test]
async fn each_level_costs_one_write_at_a_low_demand() {
    for levels in 1..=3 {
        let it = Setting::new([&rate("10/s", 100), &rate("10/s", 100), &rate("10/s", 100)]);
        let throttle = it.instance();
        for _ in 0..40 {
            it.clock.advance(Duration::from_millis(500));
            assert!(it.decide(&throttle, levels).await.is_allowed());
        }
        let consumed = tollgate_throttle::Store::consumed(&it.store);
        let expected = 40 * u64::try_from(levels).unwrap();
        assert_eq!((consumed.calls, consumed.milliunits), (expected, expected * 1_000));
        println!("{levels} levels: {} calls for 40 decisions", consumed.calls);
    }
}

#[tokio::test]
async fn a_request_that_its_own_limits_refuse_charges_no_parent() {
    let it = Setting::new([&rate("1/min", 2), &both("1/min", 9, 50), &rate("1/min", 9)]);
    // Each instance meets the user's bucket without knowing it.
    for n in 0..5 {
        let decision = it.decide(&it.instance(), 3).await;
        assert_eq!(decision.is_allowed(), n < 2);
        if n >= 2 {
            assert_eq!(decision.refused_by(), [Limit::BURST]);
            assert_eq!(decision.refusing_parent(), None);
            assert_eq!(decision.retry_after(), Some(A_MINUTE));
        }
        assert_eq!(it.left(1).await, [9 - (n + 1).min(2), 50 - (n + 1).min(2)]);
        assert_eq!(it.left(2).await, [9 - (n + 1).min(2)]);
    }
}

#[tokio::test]
async fn what_a_parent_refuses_is_not_left_charged_below_it() {
    for refusing in [1, 2] {
        let mut plans = [both("1/min", 9, 50), both("1/min", 8, 40), both("1/min", 7, 30)];
        plans[refusing] = rate("1/h", 1);
        let it = Setting::new([&plans[0], &plans[1], &plans[2]]);
        // The instance knows all levels, and not that another one uses up the parent.
        let throttle = it.instance();
        assert!(it.decide(&throttle, 3).await.is_allowed());
        it.clock.advance(Duration::from_secs(3_600));
        let before = [it.left(0).await, it.left(1).await, it.left(2).await];
        it.use_up(refusing).await;
        it.writes();
        let decision = it.decide(&throttle, 3).await;
        assert!(!decision.is_allowed());
        assert_eq!(decision.refusing_parent().unwrap().as_str(), NAMES[refusing]);
        assert_eq!(decision.refused_by(), [Limit::BURST]);
        assert_eq!(decision.retry_after(), Some(A_MINUTE * 60));
        let own: Vec<_> = decision.standings().iter().map(Standing::remaining).collect();
        assert_eq!(own, before[0], "as it is after what was given back");
        for level in (0..3).filter(|level| *level != refusing) {
            assert_eq!(it.left(level).await, before[level], "{}", NAMES[level]);
        }
        assert_eq!(decision.parents().len(), refusing);
        assert!(decision.into_receipt().is_none());
        assert_eq!(throttle.stats().refunded, u64::try_from(refusing).unwrap());
        // Charged, refused, and given back.
        let names = |range: std::ops::Range<usize>| NAMES[range].to_vec();
        assert_eq!(it.writes(), [names(0..refusing + 1), names(0..refusing)].concat());
    }
}

/// A flood against an exhausted parent makes one write in a second.
#[tokio::test]
async fn a_refusal_of_a_parent_is_remembered_for_a_second() {
    let it = Setting::new([&rate("10/s", 10), &rate("1/h", 1)]);
    let throttle = it.instance();
    assert!(it.decide(&throttle, 2).await.is_allowed());
    it.clock.advance(Duration::from_secs(1));
    for second in 0..5 {
        it.writes();
        for _ in 0..100 {
            let decision = it.decide(&throttle, 2).await;
            assert_eq!(decision.refusing_parent().unwrap().as_str(), "tenant");
            it.clock.advance(Duration::from_millis(10));
        }
        assert!(it.writes().len() <= 3, "second {second}");
    }
    assert_eq!(it.left(0).await, [10]);
    let counts = throttle.stats();
    assert!(counts.remembered >= 490 && counts.refused == 500, "{counts:?}");
}

#[tokio::test]
async fn the_longest_wait_of_all_levels_counts() {
    let it = Setting::new([&rate("1/min", 1), &rate("1/h", 1), CLOSED]);
    let throttle = it.instance();
    assert!(it.decide(&throttle, 2).await.is_allowed());
    let decision = it.decide(&throttle, 2).await;
    assert_eq!(decision.refused_by(), [Limit::BURST, Limit::BURST]);
    assert_eq!(decision.retry_after(), Some(A_MINUTE * 60));
    assert_eq!(decision.refusing_parent(), None, "the subject's own limits do");
    let decision = it.decide(&throttle, 3).await;
    assert_eq!((decision.refused_by().len(), decision.retry_after()), (3, None));
}

#[tokio::test]
async fn impossible_levels_are_errors_and_charge_nothing() {
    let it = Setting::new([&rate("1/s", 9), &rate("1/s", 9), &rate("1/s", 3)]);
    let (other, user) = (Subject::new("other").unwrap(), PlanId::new("user").unwrap());
    let four = it.request(3).within(&Level::new(&other, &user));
    let name = Subject::new("one more").unwrap();
    let fifth = Level::new(&name, &user);
    let is_too_many = |error| matches!(error, ThrottleError::TooManyLevels { max: 4 });
    assert!(is_too_many(it.error(four.within(&fifth)).await));
    assert!(is_too_many(it.error(four.within(&fifth).within(&fifth)).await));
    // A subject under another plan is the same subject.
    let user_again = Subject::new("user").unwrap();
    for ancestor in [it.level(0), it.level(1), Level::new(&user_again, &user)] {
        let error = it.error(it.request(2).within(&ancestor)).await;
        assert!(matches!(error, ThrottleError::OwnAncestor { .. }), "{error}");
    }
    let plan = PlanId::new("missing").unwrap();
    let error = it.error(it.request(2).within(&Level::new(&other, &plan))).await;
    assert_eq!(error, ThrottleError::UnknownPlan { plan });
    // A cost that fits two levels, and never the third.
    let cost = 4;
    let error = it.error(it.request(3).cost(cost)).await;
    assert!(matches!(error, ThrottleError::CostAboveBurst { cost: 4, burst: 3, .. }));
    // Four levels are fine.
    assert!(it.instance().decide(&four).await.unwrap().is_allowed());
}

#[tokio::test]
async fn meters_count_at_the_levels_that_have_them() {
    let tokens = r#"{"throttle": {"rateLimit": 1, "burstLimit": 9},
        "meters": {"tokens": {"quota": {"limit": 1000, "period": "MONTH"}}}}"#;
    let more = tokens.replace("1000", "1500");
    let it = Setting::new([tokens, &rate("1/s", 9), &more]);
    let meter = Meter::new("tokens").unwrap();
    let left = async |at: usize| {
        let request = it.alone(at).meter("tokens", 1);
        let peeked = it.instance().peek(&request).await.unwrap();
        let limit = Limit::of(meter, LimitKind::Monthly);
        let standing = peeked.standings().iter().find(|it| it.limit() == limit).copied();
        standing.unwrap().remaining() + 1
    };
    let throttle = it.instance();
    let request = |amount| it.request(3).meter("tokens", amount);
    let decision = throttle.decide(&request(600)).await.unwrap();
    assert!(decision.is_allowed());
    assert_eq!((left(0).await, left(2).await), (400, 900));
    assert_eq!(it.left(1).await, [8], "the request counts, the tokens do not");
    let receipt = decision.into_receipt().unwrap();
    assert_eq!(receipt.amount(meter), 600);
    let actual = tollgate_throttle::Settlement::default().meter(meter, 250);
    throttle.settle(receipt, actual).await.unwrap();
    assert_eq!((left(0).await, left(2).await), (750, 1_250));
    // The service refuses another user's tokens, which that user gets back.
    let other = Subject::new("other").unwrap();
    let mine = it.instance().decide(&it.alone(2).meter("tokens", 1_000)).await.unwrap();
    assert!(mine.is_allowed());
    let plan = PlanId::new("user").unwrap();
    let request = Request::new(&other, &plan).meter("tokens", 300).within(&it.level(2));
    let refused = it.instance().decide(&request).await.unwrap();
    assert_eq!(refused.refused_by(), [Limit::of(meter, LimitKind::Monthly)]);
    let peeked = it.instance().peek(&Request::new(&other, &plan).meter("tokens", 1)).await.unwrap();
    let months = peeked.standings().iter().filter(|it| it.limit().meter() == meter);
    assert_eq!(months.map(Standing::remaining).collect::<Vec<_>>(), [999]);
    // The subject's own plan must have the meter.
    let it = Setting::new([&rate("1/s", 9), tokens]);
    let error = it.error(it.request(2).meter("tokens", 1)).await;
    assert!(matches!(error, ThrottleError::UnknownMeter { .. }));
}

#[tokio::test]
async fn a_peek_looks_at_every_level() {
    let it = Setting::new([&rate("1/s", 9), &rate("1/s", 5), &rate("1/h", 1)]);
    let throttle = it.instance();
    let peeked = throttle.peek(&it.request(3)).await.unwrap();
    assert!(peeked.is_allowed());
    assert_eq!((peeked.remaining(), peeked.parents().len()), (0, 2));
    it.use_up(2).await;
    let refused = throttle.peek(&it.request(3)).await.unwrap();
    assert_eq!(refused.refusing_parent().unwrap().as_str(), "service");
    assert_eq!((it.left(0).await, it.left(1).await), (vec![9], vec![5]));
    assert!(refused.into_receipt().is_none());
}
