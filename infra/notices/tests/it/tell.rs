//! Once each, whatever order records come in and however often.

use std::time::Duration;

use serde_json::json;
use table::{Claim, Notice, NoticeId, Notices};
use throttle::{Clock as _, Period};

use crate::setting::{Setting, TABLE, again, batch, record};

fn told(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter().map(|(subject, percent)| ((*subject).to_owned(), *percent)).collect()
}

#[tokio::test]
async fn each_share_is_told_once() {
    let setting = Setting::start().await;
    let teller = setting.teller();
    for (used, expected) in [
        (7, told(&[])),
        (8, told(&[("maria", 80)])),
        (9, told(&[])),
        (10, told(&[("maria", 100)])),
        (10, told(&[])),
    ] {
        let answer = teller.tell(&batch(&[("1", "maria", used)])).await;
        assert_eq!(again(&answer), None);
        assert_eq!(setting.told(), expected, "{used}");
    }
    // Another environment, which has nothing in its memory.
    setting.teller().tell(&batch(&[("2", "maria", 10)])).await;
    assert_eq!(setting.told(), []);
}

#[tokio::test]
async fn a_message_says_who_what_and_until_when() {
    let setting = Setting::start().await;
    setting.teller().tell(&batch(&[("1", "pool#maria", 9)])).await;
    let expected = json!([{
        "subject": "pool#maria", "plan": "free", "percent": 80, "used": 9, "limit": 10,
        "period": "day", "from": "2026-11-21T00:00:00Z", "to": "2026-11-22T00:00:00Z",
    }]);
    assert_eq!(json!(setting.messages()), expected);
}

#[tokio::test]
async fn the_next_period_has_notices_of_its_own() {
    let setting = Setting::start().await;
    let teller = setting.teller();
    teller.tell(&batch(&[("1", "maria", 8)])).await;
    let mut tomorrow = record("2", "maria", 8);
    let image = tomorrow["dynamodb"]["NewImage"].as_object_mut().unwrap();
    let used = image["d20261121"].clone();
    image.insert("d20261122".to_owned(), used);
    let late = tomorrow["dynamodb"]["ApproximateCreationDateTime"].as_u64().unwrap() + 86_400;
    tomorrow["dynamodb"]["ApproximateCreationDateTime"] = json!(late);
    teller.tell(&json!({"Records": [tomorrow]})).await;
    assert_eq!(setting.told(), told(&[("maria", 80), ("maria", 80)]));
}

#[tokio::test]
async fn a_batch_again_and_in_any_order_tells_nothing_twice() {
    let setting = Setting::start().await;
    let records = [
        ("1", "maria", 7),
        ("2", "maria", 8),
        ("3", "jan", 10),
        ("4", "maria", 10),
        ("5", "li", 1),
    ];
    let expected = told(&[("jan", 80), ("jan", 100), ("maria", 80), ("maria", 100)]);
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 0, 2, 4, 1]] {
        let records: Vec<_> = order.iter().map(|at: &usize| records[*at]).collect();
        setting.teller().tell(&batch(&records)).await;
    }
    let mut all = setting.told();
    all.sort();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn environments_at_once_tell_once() {
    let setting = Setting::start().await;
    let records = batch(&[("1", "maria", 8)]);
    let tellers: Vec<_> = (0..8).map(|_| setting.teller()).collect();
    let mut tasks = Vec::new();
    for teller in tellers {
        let records = records.clone();
        tasks.push(tokio::spawn(async move { teller.tell(&records).await }));
    }
    for task in tasks {
        // Told by another, or being told: then this one comes again.
        let answer = task.await.unwrap();
        assert!(matches!(again(&answer), None | Some("1")), "{answer}");
    }
    assert_eq!(setting.told(), told(&[("maria", 80)]));
}

#[tokio::test]
async fn what_the_topic_refuses_comes_again_from_its_own_number() {
    let setting = Setting::start().await;
    let teller = setting.teller();
    let records = batch(&[("1", "maria", 8), ("2", "jan", 8), ("3", "li", 8)]);
    setting.fail(2);
    assert_eq!(again(&teller.tell(&records).await), Some("1"));
    assert_eq!(setting.told(), []);
    assert_eq!(again(&teller.tell(&records).await), Some("1"), "the claim was given back");
    assert_eq!(again(&teller.tell(&records).await), None);
    assert_eq!(setting.told(), told(&[("maria", 80), ("jan", 80), ("li", 80)]));
    setting.fail(1);
    let later = batch(&[("4", "maria", 9), ("5", "jan", 10), ("6", "li", 10)]);
    assert_eq!(again(&teller.tell(&later).await), Some("5"), "what is before it is done");
}

#[tokio::test]
async fn a_claim_of_one_who_died_ends() {
    let setting = Setting::start().await;
    let notices = Notices::new(setting.client.clone(), TABLE);
    let counter = Period::Day.window(setting.clock.now()).counter.to_string();
    let id = NoticeId::new("maria", &counter, 80).unwrap();
    let now = setting.clock.now();
    let until = now.saturating_add(Duration::from_secs(60));
    let keep = Duration::from_secs(1_000);
    assert_eq!(notices.claim(&id, now, until, keep).await, Ok(Claim::Ours));
    let teller = setting.teller();
    let records = batch(&[("1", "maria", 8)]);
    assert_eq!(again(&teller.tell(&records).await), Some("1"));
    assert_eq!(setting.told(), []);
    setting.clock.advance(Duration::from_secs(60));
    assert_eq!(again(&teller.tell(&records).await), None);
    assert_eq!(setting.told(), told(&[("maria", 80)]));
    let stored: Notice = notices.get(&id).await.unwrap().unwrap();
    assert_eq!(stored.sent_at, Some(setting.clock.now().into()));
    // Whoever claimed it first gives nothing back that is another's by now.
    notices.release(&id, until).await.unwrap();
    assert_eq!(notices.get(&id).await.unwrap(), Some(stored));
}

#[tokio::test]
async fn what_can_never_be_read_holds_nothing_up() {
    let setting = Setting::start().await;
    let mut damaged = record("1", "maria", 8);
    damaged["dynamodb"]["NewImage"]["d20261121"] = json!({"S": "many"});
    let mut unknown = record("2", "maria", 8);
    unknown["dynamodb"]["NewImage"]["pv"] = json!({"S": "1.gone"});
    let mut ungoverned = record("3", "maria", 8);
    ungoverned["dynamodb"]["NewImage"].as_object_mut().unwrap().remove("pv");
    let records = [json!(null), damaged, unknown, ungoverned, record("4", "jan", 8)];
    let answer = setting.teller().tell(&json!({ "Records": records })).await;
    assert_eq!(again(&answer), None);
    assert_eq!(setting.told(), told(&[("jan", 80)]));
    for nothing in [json!(null), json!({}), json!({"Records": 1})] {
        assert_eq!(again(&setting.teller().tell(&nothing).await), None);
    }
}

#[tokio::test]
async fn while_the_table_is_gone_all_comes_again() {
    let setting = Setting::start().await;
    setting.client.delete_table().table_name(TABLE).send().await.unwrap();
    let records = batch(&[("1", "maria", 8)]);
    assert_eq!(again(&setting.teller().tell(&records).await), Some("1"));
}
