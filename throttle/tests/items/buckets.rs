//! Operators' work on buckets: read the history, grant more, reset.

use std::num::{NonZeroI64, NonZeroU64};

use table::{Error, TextError};
use tollgate_throttle::{
    Buckets, DynamoStore, GrantError, Limit, ManualClock, NameError, Period, Plan, PlanId, Plans,
    Refund, Request, Store, Subject, Throttle, ThrottleError, Usage,
};

use crate::common::{Served, TABLE, serve_table};
use crate::counted::Counted;
use crate::{after, edit, now, number, raw, text};

fn buckets(served: &Served) -> Buckets {
    Buckets::new(served.client.clone(), TABLE)
}

fn maria() -> Subject {
    Subject::new("maria").unwrap()
}

fn some(extra: u64) -> NonZeroU64 {
    NonZeroU64::new(extra).unwrap()
}

/// Sends so many requests under a plan of five a day.
async fn send(served: &Served, requests: u32) -> u32 {
    let (id, subject) = (PlanId::new("five").unwrap(), maria());
    let plan = Plan::from_json(r#"{"quota": {"limit": 5, "period": "DAY"}}"#).unwrap();
    let plans = Plans::new(served.client.clone(), TABLE);
    let _ = plans.put(&id, &plan, None, now()).await;
    let store = DynamoStore::new(served.client.clone(), TABLE);
    let throttle = Throttle::new(store, ManualClock::default());
    let mut allowed = 0;
    for _ in 0..requests {
        let decision = throttle.decide(&Request::new(&subject, &id)).await.unwrap();
        allowed += u32::from(decision.is_allowed());
    }
    allowed
}

#[tokio::test]
async fn what_was_used_is_read_back() {
    let served = serve_table().await;
    let today = Period::Day.window(now());
    assert_eq!(buckets(&served).usage(&maria()).await.unwrap().used(&today), 0);
    assert_eq!(send(&served, 3).await, 3);
    let history = buckets(&served).usage(&maria()).await.unwrap();
    assert_eq!((history.used(&today), history.granted(&today)), (3, 0));
    let listed = buckets(&served).list(None).await.unwrap().items;
    assert_eq!((&listed[0].subject, &listed[0].history), (&maria(), &history));
}

#[tokio::test]
async fn days_are_counted_whatever_the_plan_limits() {
    let served = serve_table().await;
    let id = PlanId::new("rate").unwrap();
    let plan = Plan::from_json(r#"{"throttle": {"rateLimit": 1, "burstLimit": 9}}"#).unwrap();
    Plans::new(served.client.clone(), TABLE).put(&id, &plan, None, now()).await.unwrap();
    let store = DynamoStore::new(served.client.clone(), TABLE);
    let throttle = Throttle::new(store, ManualClock::default());
    for _ in 0..4 {
        throttle.decide(&Request::new(&maria(), &id)).await.unwrap();
    }
    let history = buckets(&served).usage(&maria()).await.unwrap();
    assert_eq!(history.used(&Period::Day.window(now())), 4);
    assert_eq!(history.used(&Period::Month.window(now())), 0);
}

#[tokio::test]
async fn a_grant_lets_as_much_more_through() {
    let served = serve_table().await;
    let today = Period::Day.window(now());
    assert_eq!(send(&served, 7).await, 5);
    let history = buckets(&served).grant(&maria(), Period::Day, some(3), "1", now()).await.unwrap();
    assert_eq!((history.used(&today), history.granted(&today)), (5, 3));
    assert_eq!(send(&served, 7).await, 3);
    let history = buckets(&served).usage(&maria()).await.unwrap();
    assert_eq!((history.used(&today), history.granted(&today)), (8, 3));
}

/// One who decides, with a plan of five a day.
async fn desk(served: &Served) -> (Throttle<DynamoStore, ManualClock>, Plans, PlanId) {
    let id = PlanId::new("five").unwrap();
    let plans = Plans::new(served.client.clone(), TABLE);
    plans.put(&id, &daily(5), None, now()).await.unwrap();
    let store = DynamoStore::new(served.client.clone(), TABLE);
    (Throttle::new(store, ManualClock::default()), plans, id)
}

fn daily(limit: u32) -> Plan {
    Plan::from_json(format!(r#"{{"quota": {{"limit": {limit}, "period": "DAY"}}}}"#)).unwrap()
}

#[tokio::test]
async fn what_was_granted_first_is_used_to_the_last() {
    let served = serve_table().await;
    let buckets = buckets(&served);
    let (throttle, plans, id) = desk(&served).await;
    let (subject, today) = (maria(), Period::Day.window(now()));
    buckets.grant(&subject, Period::Day, some(3), "1", now()).await.unwrap();
    let request = Request::new(&subject, &id);
    for left in (0..8).rev() {
        let decision = throttle.decide(&request).await.unwrap();
        assert!(decision.is_allowed());
        assert_eq!((decision.limit(), decision.remaining()), (8, left));
    }
    let refused = throttle.decide(&request).await.unwrap();
    assert_eq!(refused.refused_by(), [Limit::DAILY]);
    assert_eq!(refused.retry_after(), Some(today.end.saturating_since(now())));
    let history = buckets.usage(&subject).await.unwrap();
    assert_eq!((history.used(&today), history.granted(&today)), (8, 3));
    let record = plans.get(&id).await.unwrap().unwrap();
    assert_eq!(history.remaining(&record, record.plan.quotas()[0], &today), 0);
    let usage = Usage::report(&record, Period::Day, (now(), now()), [("maria", &history)]).unwrap();
    assert_eq!(usage.values["maria"], [[8, 0]]);
}

#[tokio::test]
async fn a_grant_counts_once_though_others_came_for_other_periods() {
    let served = serve_table().await;
    let buckets = buckets(&served);
    let subject = maria();
    let grant = async |period: Period, id: &str| {
        buckets.grant(&subject, period, some(3), id, now()).await.unwrap()
    };
    grant(Period::Month, "1").await;
    grant(Period::Day, "2").await;
    grant(Period::Week, "3").await;
    for period in [Period::Month, Period::Day, Period::Week] {
        let id = match period {
            Period::Month => "1",
            Period::Day => "2",
            Period::Week => "3",
        };
        let history = grant(period, id).await;
        assert_eq!(history.granted(&period.window(now())), 3, "{period:?} counted twice");
    }
}

#[tokio::test]
async fn a_grant_outlives_a_change_of_plans() {
    let served = serve_table().await;
    let buckets = buckets(&served);
    let (throttle, plans, id) = desk(&served).await;
    let (subject, today) = (maria(), Period::Day.window(now()));
    let request = Request::new(&subject, &id);
    for _ in 0..2 {
        assert!(throttle.decide(&request).await.unwrap().is_allowed());
    }
    buckets.grant(&subject, Period::Day, some(3), "1", now()).await.unwrap();
    plans.put(&id, &daily(6), Some(1), now()).await.unwrap();
    // One that has the new plan, one that has the old, and the first again.
    let store = || DynamoStore::new(served.client.clone(), TABLE);
    let fresh = Throttle::new(store(), ManualClock::default());
    let mut allowed = 0;
    for turn in 0..12 {
        let instance = if turn % 2 == 0 { &fresh } else { &throttle };
        allowed += u32::from(instance.decide(&request).await.unwrap().is_allowed());
    }
    // Six a day and three, less the two before.
    assert_eq!((allowed, fresh.stats().converted), (7, 1));
    // Another plan of four has been used up by those nine: two more must be granted for one.
    let four = PlanId::new("four").unwrap();
    plans.put(&four, &daily(4), None, now()).await.unwrap();
    let fewer = Request::new(&subject, &four);
    for (extra, allowed) in [(2, false), (1, true)] {
        buckets
            .grant(&subject, Period::Day, some(extra), &allowed.to_string(), now())
            .await
            .unwrap();
        let instance = Throttle::new(store(), ManualClock::default());
        assert_eq!(instance.decide(&fewer).await.unwrap().is_allowed(), allowed);
    }
    let history = buckets.usage(&subject).await.unwrap();
    assert_eq!((history.used(&today), history.granted(&today)), (10, 6));
}

#[tokio::test]
async fn what_was_granted_can_be_refunded_and_settled() {
    let served = serve_table().await;
    let buckets = buckets(&served);
    let (throttle, _, id) = desk(&served).await;
    let (subject, today) = (maria(), Period::Day.window(now()));
    let request = Request::new(&subject, &id).cost(2);
    let used = async || {
        let history = buckets.usage(&subject).await.unwrap();
        (history.used(&today), history.granted(&today))
    };
    buckets.grant(&subject, Period::Day, some(3), "1", now()).await.unwrap();
    let mut receipts = Vec::new();
    for _ in 0..3 {
        let decision = throttle.decide(&request).await.unwrap();
        receipts.push(decision.into_receipt().unwrap());
    }
    // While the counter is above zero, at zero, and after another grant below it.
    let mut receipts = receipts.into_iter();
    assert_eq!(throttle.refund(receipts.next().unwrap(), 2).await, Ok(Refund::Made));
    assert_eq!(used().await, (4, 3));
    assert_eq!(throttle.refund(receipts.next().unwrap(), 1).await, Ok(Refund::Made));
    assert_eq!(used().await, (3, 3));
    buckets.grant(&subject, Period::Day, some(10), "2", now()).await.unwrap();
    let receipt = receipts.next().unwrap();
    assert_eq!(throttle.refund(receipt, 2).await, Ok(Refund::Made));
    assert_eq!(used().await, (1, 13));
    // What it came to beyond is counted too.
    let receipt = throttle.decide(&request).await.unwrap().into_receipt().unwrap();
    throttle.settle(receipt, 5).await.unwrap();
    assert_eq!(used().await, (6, 13));
    // A bucket that was reset meanwhile owes nobody anything.
    let receipt = throttle.decide(&request).await.unwrap().into_receipt().unwrap();
    buckets.reset(&subject).await.unwrap();
    assert_eq!(throttle.refund(receipt, 2).await, Ok(Refund::Nothing));
    assert_eq!(used().await, (0, 0));
    buckets.grant(&subject, Period::Day, some(1), "3", now()).await.unwrap();
    assert_eq!(send(&served, 9).await, 6);
}

#[tokio::test]
async fn each_region_has_a_budget_of_its_own() {
    let served = serve_table().await;
    let (here, _, id) = desk(&served).await;
    let subject = maria();
    let request = Request::new(&subject, &id);
    let there = DynamoStore::new(served.client.clone(), TABLE).region("eu-west-1").unwrap();
    let there = Throttle::new(there, ManualClock::default());
    let today = Period::Day.window(now());
    for (throttle, item, name) in
        [(&here, "BUCKET#maria", "maria"), (&there, "BUCKET#eu-west-1#maria", "eu-west-1#maria")]
    {
        assert_eq!(raw(&served, item).await, None);
        for allowed in [true, true, true, true, true, false] {
            assert_eq!(throttle.decide(&request).await.unwrap().is_allowed(), allowed);
        }
        let name = Subject::new(name).unwrap();
        assert_eq!(buckets(&served).usage(&name).await.unwrap().used(&today), 5);
    }
    let store = || DynamoStore::new(served.client.clone(), TABLE);
    assert_eq!(store().region("").err(), Some(NameError::Empty));
    assert_eq!(store().region("eu\n1").err(), Some(NameError::Control));
    assert!(store().region(&"r".repeat(65)).is_err());
}

#[tokio::test]
async fn a_counter_below_what_was_granted_is_not_trusted() {
    let served = serve_table().await;
    let (throttle, _, id) = desk(&served).await;
    let subject = maria();
    buckets(&served).grant(&subject, Period::Day, some(3), "1", now()).await.unwrap();
    edit(&served, "BUCKET#maria", "d20261121", Some(number(-50))).await;
    match throttle.decide(&Request::new(&subject, &id)).await {
        Err(ThrottleError::Damaged(damage)) => assert_eq!(damage.attribute(), "d20261121"),
        other => panic!("{other:?}"),
    }
    let counts = throttle.stats();
    assert_eq!((counts.failed, counts.damaged), (1, 1));
    assert_eq!(throttle.store().consumed().damaged, 1);
}

#[tokio::test]
async fn a_grant_is_made_once_an_id() {
    let served = serve_table().await;
    let buckets = buckets(&served);
    let today = Period::Day.window(now());
    for (id, granted) in [("a", 10), ("a", 10), ("b", 20), ("a", 10 + 10), ("b", 20)] {
        let history = buckets.grant(&maria(), Period::Day, some(10), id, now()).await.unwrap();
        assert_eq!((history.used(&today), history.granted(&today)), (0, granted), "{id}");
    }
    // Another period is another grant.
    let week = Period::Week.window(now());
    let history = buckets.grant(&maria(), Period::Week, some(1), "a", now()).await.unwrap();
    assert_eq!((history.granted(&week), history.granted(&today)), (1, 20));
    let item = raw(&served, "BUCKET#maria").await.unwrap();
    assert_eq!(item["d20261121"], number(-20));
    assert_eq!(item["expires_at"], number(after(400 * 86_400).as_secs()));
}

#[tokio::test]
async fn many_who_grant_at_once_all_do() {
    let served = serve_table().await;
    let buckets = buckets(&served);
    let ids: Vec<_> = (0..20).map(|id| (id / 2).to_string()).collect();
    let subject = maria();
    let all = ids.iter().map(|id| buckets.grant(&subject, Period::Day, some(7), id, now()));
    for granted in futures_util::future::join_all(all).await {
        granted.unwrap();
    }
    let history = buckets.usage(&maria()).await.unwrap();
    assert_eq!(history.granted(&Period::Day.window(now())), 70);
}

#[tokio::test]
async fn what_old_grants_left_is_cleared_away() {
    let served = serve_table().await;
    let buckets = buckets(&served);
    for day in 0..3 {
        let moment = after(day * 86_400);
        buckets.grant(&maria(), Period::Day, some(1), "a", moment).await.unwrap();
    }
    // As a decision does with a counter that is long past.
    edit(&served, "BUCKET#maria", "d20261121", None).await;
    buckets.grant(&maria(), Period::Day, some(1), "b", after(3 * 86_400)).await.unwrap();
    let item = raw(&served, "BUCKET#maria").await.unwrap();
    let mut names: Vec<_> = item.keys().map(String::as_str).collect();
    names.sort_unstable();
    let kept = [
        "d20261122",
        "d20261123",
        "d20261124",
        "expires_at",
        "gd20261122",
        "gd20261123",
        "gd20261124",
        "id20261124",
        "pk",
    ];
    assert_eq!(names, kept);
}

#[tokio::test]
async fn grants_are_bounded() {
    let served = serve_table().await;
    let buckets = buckets(&served);
    let grant = |extra, id: &'static str| {
        let buckets = buckets.clone();
        async move { buckets.grant(&maria(), Period::Month, some(extra), id, now()).await }
    };
    let most = 1_000_000_000_000_000;
    assert_eq!(grant(most + 1, "a").await, Err(GrantError::TooMuch));
    assert!(grant(most, "a").await.is_ok());
    assert_eq!(grant(1, "b").await, Err(GrantError::TooMuch));
    assert!(grant(1, "a").await.is_ok(), "made already");
    assert_eq!(grant(1, "").await, Err(GrantError::Id(TextError::Empty)));
    assert_eq!(grant(1, "a\n").await, Err(GrantError::Id(TextError::Control)));
    let long = "x".repeat(65);
    let long = buckets.grant(&maria(), Period::Day, some(1), &long, now()).await;
    assert_eq!(long, Err(GrantError::Id(TextError::TooLong { bytes: 65, max: 64 })));
}

#[tokio::test]
async fn a_grant_is_a_read_and_a_write() {
    let served = serve_table().await;
    let counted = Counted::default();
    let buckets = Buckets::new(counted.client(&served.client), TABLE);
    buckets.grant(&maria(), Period::Day, some(1), "a", now()).await.unwrap();
    assert_eq!(counted.take().calls, 2);
    buckets.usage(&maria()).await.unwrap();
    assert_eq!(counted.take().calls, 1);
}

#[tokio::test]
async fn a_reset_forgets_everything() {
    let served = serve_table().await;
    assert_eq!(send(&served, 9).await, 5);
    assert_eq!(buckets(&served).reset(&maria()).await, Ok(true));
    assert_eq!(buckets(&served).reset(&maria()).await, Ok(false));
    assert_eq!(raw(&served, "BUCKET#maria").await, None);
    assert_eq!(send(&served, 9).await, 5);
}

#[tokio::test]
async fn damaged_buckets_are_neither_read_nor_granted() {
    let served = serve_table().await;
    let buckets = buckets(&served);
    for (attribute, value) in [
        ("d20261121", text("5")),
        ("d20261121", number(-11)),
        ("d20261121", number(1_i128 << 70)),
        ("gd20261121", number(-1)),
        ("gd20261121", text("1")),
        ("gd20261121", number(1_i128 << 62)),
        ("w2026-47", number(-1)),
    ] {
        buckets.reset(&maria()).await.unwrap();
        buckets.grant(&maria(), Period::Day, some(10), "a", now()).await.unwrap();
        edit(&served, "BUCKET#maria", attribute, Some(value.clone())).await;
        let damaged = |error: Option<Error>| match error {
            Some(Error::Damaged(damage)) => {
                assert_eq!((damage.item, damage.attribute.as_str()), ("bucket", attribute));
            }
            other => panic!("{attribute} = {value:?}: {other:?}"),
        };
        damaged(buckets.usage(&maria()).await.err());
        match buckets.grant(&maria(), Period::Day, some(1), "a", now()).await {
            Err(GrantError::Table(error)) => damaged(Some(error)),
            other => panic!("{attribute} = {value:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_left_is_lowered_and_raised_once_an_id() {
    let served = serve_table().await;
    assert_eq!(send(&served, 2).await, 2);
    let (buckets, today) = (buckets(&served), Period::Day.window(now()));
    let by = |by| NonZeroI64::new(by).unwrap();
    for (change, id, used, changed) in [
        (-2, "a", 4, true),
        (-2, "a", 4, false),
        (1, "b", 3, true),
        (1, "b", 3, false),
        (-9, "a", 3, false),
        (3, "c", 0, true),
        (-7, "d", 7, true),
    ] {
        let (history, is_new) =
            buckets.adjust(&maria(), &today, by(change), id, now()).await.unwrap();
        assert_eq!((history.used(&today), is_new), (used, changed), "{change} {id}");
    }
    assert_eq!(send(&served, 1).await, 0, "of five a day, seven are used");
    let (history, _) = buckets.adjust(&maria(), &today, by(4), "e", now()).await.unwrap();
    assert_eq!(history.used(&today), 3);
    assert_eq!(send(&served, 5).await, 2);
    // A grant is left alone, and its id is taken.
    buckets.grant(&maria(), Period::Day, some(10), "f", now()).await.unwrap();
    let (history, is_new) = buckets.adjust(&maria(), &today, by(5), "f", now()).await.unwrap();
    assert_eq!((history.used(&today), history.granted(&today), is_new), (5, 10, false));
    let (history, _) = buckets.adjust(&maria(), &today, by(5), "g", now()).await.unwrap();
    assert_eq!((history.used(&today), history.granted(&today)), (0, 10));
    let none = buckets.adjust(&maria(), &today, by(1), "h", now()).await;
    assert_eq!(none, Err(GrantError::NotUsed { used: 0 }));
    let most = 1_000_000_000_000_000;
    let (history, _) = buckets.adjust(&maria(), &today, by(-most), "i", now()).await.unwrap();
    assert_eq!(history.used(&today), most.unsigned_abs());
    let more = buckets.adjust(&maria(), &today, by(-1), "j", now()).await;
    assert_eq!(more, Err(GrantError::TooMuch));
    // A subject without a bucket gets one.
    let other = Subject::new("other").unwrap();
    let (history, _) = buckets.adjust(&other, &today, by(-3), "a", now()).await.unwrap();
    assert_eq!(history.used(&today), 3);
    let nothing = buckets.adjust(&other, &today, by(-3), "", now()).await;
    assert!(matches!(nothing, Err(GrantError::Id(_))));
}

#[tokio::test]
async fn many_adjustments_at_once_all_count() {
    let served = serve_table().await;
    let (buckets, today, subject) = (buckets(&served), Period::Day.window(now()), maria());
    let by = NonZeroI64::new(-7).unwrap();
    let ids: Vec<_> = (0..20).map(|id| (id / 2).to_string()).collect();
    let all = ids.iter().map(|id| buckets.adjust(&subject, &today, by, id, now()));
    let done = futures_util::future::join_all(all).await;
    let changed = done.into_iter().filter(|done| matches!(done, Ok((_, true)))).count();
    assert_eq!(changed, 10);
    assert_eq!(buckets.usage(&subject).await.unwrap().used(&today), 70);
}

#[tokio::test]
async fn grants_and_usage_follow_a_quotas_start_day() {
    let served = serve_table().await;
    let id = PlanId::new("mid").unwrap();
    let plan = r#"{"quota": {"limit": 2, "period": "MONTH", "startDay": 15}}"#;
    let plans = Plans::new(served.client.clone(), TABLE);
    let plan = plans.put(&id, &Plan::from_json(plan).unwrap(), None, now()).await.unwrap();
    let window = plan.plan.quotas()[0].window(now());
    let throttle =
        Throttle::new(DynamoStore::new(served.client.clone(), TABLE), ManualClock::default());
    let subject = maria();
    let request = Request::new(&subject, &id);
    for allowed in [true, true, false] {
        assert_eq!(throttle.decide(&request).await.unwrap().is_allowed(), allowed);
    }
    let buckets = buckets(&served);
    let history = buckets.grant_of(&subject, &window, some(1), "a", now()).await.unwrap();
    assert_eq!((history.used(&window), history.granted(&window)), (2, 1));
    let fresh =
        Throttle::new(DynamoStore::new(served.client.clone(), TABLE), ManualClock::default());
    assert!(fresh.decide(&request).await.unwrap().is_allowed());
    assert!(!fresh.decide(&request).await.unwrap().is_allowed());
    let item = raw(&served, "BUCKET#maria").await.unwrap();
    assert_eq!((&item["m20261115"], &item["gm20261115"]), (&number(2), &number(1)));
    // A grant of a later period removes the ids of this one, and not before.
    buckets.grant_of(&subject, &window, some(1), "b", after(20 * 86_400)).await.unwrap();
    assert!(raw(&served, "BUCKET#maria").await.unwrap().contains_key("im20261115"));
    let next = plan.plan.quotas()[0].window(window.end);
    buckets.grant_of(&subject, &next, some(1), "a", next.start).await.unwrap();
    let item = raw(&served, "BUCKET#maria").await.unwrap();
    assert!(!item.contains_key("im20261115") && item.contains_key("gm20261215"));
}
