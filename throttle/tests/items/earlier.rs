//! Items that an earlier version wrote are still read: one of every kind, and of every form.
//!
//! `earlier.json` was written by commit 5b23852. Its keys are throwaway keys, made for this test.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use table::{Assignments, Key, Keys, NoticeId, Notices, Revocable, RevocationKind, Revocations};
use tollgate_throttle::{
    Buckets, DynamoStore, FailurePolicy, Limit, ManualClock, Period, PlanId, Plans, Request,
    Subject, Throttle,
};

use crate::common::{Served, TABLE, serve_table};
use crate::{AttributeValue, after, now};

async fn earlier() -> Served {
    let served = serve_table().await;
    let items: Vec<HashMap<String, HashMap<String, serde_json::Value>>> =
        serde_json::from_str(include_str!("earlier.json")).unwrap();
    for item in items {
        let item = item.into_iter().map(|(name, value)| {
            let (kind, value) = value.into_iter().next().unwrap();
            let text = || value.as_str().unwrap().to_owned();
            let value = match kind.as_str() {
                "S" => AttributeValue::S(text()),
                "N" => AttributeValue::N(text()),
                "BOOL" => AttributeValue::Bool(value.as_bool().unwrap()),
                "SS" => AttributeValue::Ss(serde_json::from_value(value).unwrap()),
                kind => panic!("{kind}"),
            };
            (name, value)
        });
        let item = Some(item.collect());
        served.client.put_item().table_name(TABLE).set_item(item).send().await.unwrap();
    }
    served
}

fn id(name: &str) -> PlanId {
    PlanId::new(name).unwrap()
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

#[tokio::test]
async fn what_operators_stored_is_read() {
    let served = earlier().await;
    let client = || served.client.clone();
    let plans = Plans::new(client(), TABLE);
    let gold = plans.get(&id("gold")).await.unwrap().unwrap();
    assert_eq!((gold.version, gold.created), (2, now()));
    assert_eq!((gold.plan.quotas().len(), gold.plan.quotas()[0].offset()), (3, 3));
    assert_eq!(gold.plan.api_stages()[0].throttle().len(), 2);
    assert!(matches!(gold.plan.failure(), Some(FailurePolicy::Local(_))));
    let rate = plans.get(&id("rate")).await.unwrap().unwrap().plan;
    let rate = (rate.throttle().unwrap().rate().to_string(), rate.failure());
    assert_eq!(rate, ("0.5/s".to_owned(), Some(FailurePolicy::Open)));
    assert_eq!(plans.get(&id("old")).await.unwrap(), None, "deleted");

    let keys = Keys::new(client(), TABLE);
    let key = |number| Key::parse(format!("throwaway-key-for-tests-{number:04}")).unwrap();
    let first = keys.find(&key(1)).await.unwrap().unwrap().details;
    assert_eq!((first.subject.as_str(), first.plan()), ("maria", Some("gold")));
    assert_eq!((first.name.as_deref(), first.expires), (Some("first"), Some(after(86_400).into())));
    assert!(!keys.find(&key(2)).await.unwrap().unwrap().details.enabled);

    let assignments = Assignments::new(client(), TABLE);
    let assigned = assignments.get("maria").await.unwrap().unwrap();
    assert_eq!(assigned.parent, None);
    assert_eq!((assigned.plan.as_deref(), assigned.version), (Some("gold"), 2));

    let targets = [
        (RevocationKind::Token, "jti-1"),
        (RevocationKind::Session, "session-1"),
        (RevocationKind::User, "user-1"),
        (RevocationKind::Client, "client-1"),
    ];
    let targets = targets.map(|(kind, name)| Revocable::new(kind, "https://issuer.example", name));
    let found = Revocations::new(client(), TABLE).get_many(&targets).await.unwrap();
    assert_eq!(found.len(), 4);
    assert!(
        found
            .iter()
            .all(|it| it.expires() == SystemTime::from(after(3_600))
                && it.reason() == Some("a test"))
    );

    let notices = Notices::new(client(), TABLE);
    let counter = Period::Day.window(now()).counter.to_string();
    let notice = |percent| NoticeId::new("maria", &counter, percent).unwrap();
    assert_eq!(notices.get(&notice(80)).await.unwrap().unwrap().sent_at, Some(after(1).into()));
    assert_eq!(notices.get(&notice(100)).await.unwrap().unwrap().sent_at, None);
}

#[tokio::test]
async fn buckets_are_read_and_go_on() {
    let served = earlier().await;
    let maria = subject("maria");
    let today = Period::Day.window(now());
    let history = Buckets::new(served.client.clone(), TABLE).usage(&maria).await.unwrap();
    // Four under one plan, two under another, of which one was given back.
    assert_eq!((history.used(&today), history.granted(&today)), (5, 50));
    assert_eq!(history.used(&Period::Week.window(now())), 1);

    let store = DynamoStore::new(served.client.clone(), TABLE);
    let throttle = Throttle::new(store, ManualClock::default());
    let (gold, five) = (id("gold"), 5);
    let decision = throttle.decide(&Request::new(&maria, &gold).cost(five)).await.unwrap();
    let left = |limit| decision.standings().iter().find(|it| it.limit() == limit).unwrap();
    // Of a burst of 20, with five owed; of 1,000 a day, with an offset of 3 and a grant of 50.
    assert_eq!(left(Limit::BURST).remaining(), 10);
    assert_eq!(left(Limit::DAILY).remaining(), 1_000 - 3 + 50 - 10);
    assert_eq!(left(Limit::WEEKLY).remaining(), 5_000 - 6);
    let method = Request::new(&maria, &gold).method("api1", "prod", "/pets/GET");
    let decision = throttle.decide(&method).await.unwrap();
    assert_eq!(decision.standings()[1].remaining(), 1, "of 3, one was taken");

    // What is owed in a Region's own bucket.
    let regional = DynamoStore::new(served.client.clone(), TABLE).region("eu-central-1").unwrap();
    let regional = Throttle::new(regional, ManualClock::default());
    let decision = regional.decide(&Request::new(&maria, &id("rate"))).await.unwrap();
    assert_eq!((decision.remaining(), decision.reset_after()), (5, Duration::from_secs(4)));

    // A bucket with a long name in its key is listed, and not found by decisions any more.
    let long = subject(&format!("https://issuer.example/{}#user-7", "t".repeat(150)));
    let decision = throttle.decide(&Request::new(&long, &id("rate"))).await.unwrap();
    assert_eq!(decision.remaining(), 6, "a full bucket, once");
    let listed = Buckets::new(served.client.clone(), TABLE).list(None).await.unwrap();
    assert!(listed.damaged.is_empty());
    assert!(listed.items.iter().any(|it| it.subject == long && it.history.used(&today) == 1));
}
