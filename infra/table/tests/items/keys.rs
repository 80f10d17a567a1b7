//! Keys: shown once, found by their digest.

use aws_sdk_dynamodb::types::AttributeValue;
use table::{Error, Key, KeyDetails, KeyRecord, KeyRights, Keys, WriteError};

use crate::common::{Served, TABLE, serve_table};
use crate::counted::Counted;
use crate::{after, edit, now, number, raw, since_epoch, text};

fn keys(served: &Served) -> Keys {
    Keys::new(served.client.clone(), TABLE)
}

async fn create(keys: &Keys, details: KeyDetails) -> (Key, KeyRecord) {
    let key = Key::generate().unwrap();
    let record = keys.put(&key, details, now()).await.unwrap();
    (key, record)
}

fn expiring(secs: u64) -> KeyDetails {
    KeyDetails { expires: Some(after(secs)), ..details() }
}

fn named(name: &str) -> KeyDetails {
    KeyDetails { name: Some(name.to_owned()), ..details() }
}

fn details() -> KeyDetails {
    KeyDetails::new("maria")
}

#[tokio::test]
async fn a_key_is_told_once_and_never_stored() {
    let served = serve_table().await;
    let details = KeyDetails {
        name: Some("laptop".to_owned()),
        description: Some("at home".to_owned()),
        ..expiring(60).with_plan("gold")
    };
    let (key, record) = create(&keys(&served), details).await;
    assert_eq!((record.version, record.created), (1, now()));
    assert_eq!(keys(&served).find(&key).await.unwrap(), Some(record.clone()));
    assert_eq!(keys(&served).get(&record.digest).await.unwrap(), Some(record.clone()));
    let item = raw(&served, &format!("KEY#{}", record.digest)).await.unwrap();
    assert!(!format!("{item:?}").contains(key.expose()));
    // What expired stays to be seen for 31 days.
    assert_eq!(item["expires_at"], number(since_epoch(after(60 + 31 * 86_400)).as_secs()));
    let other = Key::generate().unwrap();
    assert_eq!(keys(&served).find(&other).await.unwrap(), None);
}

#[tokio::test]
async fn a_key_on_several_plans_keeps_them_all() {
    let served = serve_table().await;
    let [gold, free, other] = ["gold", "free", "other"].map(str::to_owned);
    let several = details().with_plans(free.clone(), [gold.clone(), free.clone(), gold.clone()]);
    assert_eq!(several.plans, [free.clone(), gold.clone()]);
    let (_, record) = create(&keys(&served), several).await;
    let read = keys(&served).get(&record.digest).await.unwrap().unwrap();
    assert_eq!(read, record);
    assert_eq!(read.details.plan(), Some("free"));
    // Another of them counts: it keeps the first. One from elsewhere replaces them all.
    let switched = read.details.clone().with_plan(gold.clone());
    assert_eq!(switched.plans, [gold.clone(), free.clone()]);
    assert_eq!(switched.with_plan(other.clone()).plans, [other]);

    // As items were written before a key could be on several.
    let pk = format!("KEY#{}", record.digest);
    edit(&served, &pk, "plan_ids", None).await;
    let read = keys(&served).get(&record.digest).await.unwrap().unwrap();
    assert_eq!(read.details.plans, [free]);
    for wrong in [text("gold"), AttributeValue::L(vec![number(5)])] {
        edit(&served, &pk, "plan_ids", Some(wrong)).await;
        let damaged = keys(&served).get(&record.digest).await.unwrap_err();
        assert!(damaged.to_string().contains("`plan_ids` is not a list of texts"), "{damaged}");
    }
}

#[tokio::test]
async fn a_key_is_valid_while_enabled_and_not_expired() {
    let details = expiring(60);
    assert!(details.is_valid(after(59)) && !details.is_valid(after(60)));
    assert!(!KeyDetails { enabled: false, ..details }.is_valid(now()));
}

#[tokio::test]
async fn a_key_from_elsewhere_is_stored_once() {
    let served = serve_table().await;
    let key = Key::parse("apikey1234abcdefghij0123456789").unwrap();
    let record = keys(&served).put(&key, details(), now()).await.unwrap();
    let again = keys(&served).put(&key, KeyDetails { enabled: false, ..details() }, now()).await;
    assert_eq!(again, Err(WriteError::Conflict { item: "key" }));
    assert_eq!(keys(&served).find(&key).await.unwrap(), Some(record));
}

#[tokio::test]
async fn disabling_succeeds_whoever_else_writes() {
    let served = serve_table().await;
    let keys = keys(&served);
    let (key, record) = create(&keys, details()).await;
    let disabled = keys.set_enabled(&record.digest, false).await.unwrap();
    assert_eq!((disabled.version, disabled.details.enabled), (2, false));
    assert_eq!(keys.find(&key).await.unwrap(), Some(disabled.clone()));
    // Who read it before can't enable it by the way.
    let stale = keys.update(&record, named("new")).await;
    assert_eq!(stale, Err(WriteError::Conflict { item: "key" }));
    assert!(keys.set_enabled(&record.digest, true).await.unwrap().details.enabled);
    let missing = Key::generate().unwrap().digest();
    assert_eq!(keys.set_enabled(&missing, false).await, Err(WriteError::Missing { item: "key" }));
    assert_eq!(raw(&served, &format!("KEY#{missing}")).await, None);
}

#[tokio::test]
async fn a_rotated_key_is_valid_for_a_while() {
    let served = serve_table().await;
    let keys = keys(&served);
    let (old, record) = create(&keys, named("laptop")).await;
    let new = Key::generate().unwrap();
    let rotated = keys.rotate(&record.digest, &new, after(3_600), after(1)).await.unwrap();
    assert_ne!(old, new);
    assert_eq!((&rotated.details, rotated.created), (&record.details, after(1)));
    assert_eq!(keys.find(&new).await.unwrap(), Some(rotated));
    let limited = keys.find(&old).await.unwrap().unwrap();
    assert_eq!((limited.details.expires, limited.version), (Some(after(3_600)), 2));
    // A second rotation doesn't prolong it.
    let newer = Key::generate().unwrap();
    keys.rotate(&record.digest, &newer, after(7_200), after(2)).await.unwrap();
    assert_eq!(keys.find(&old).await.unwrap().unwrap().details.expires, Some(after(3_600)));
    let missing = Key::generate().unwrap().digest();
    let rotated = keys.rotate(&missing, &newer, after(1), now()).await;
    assert_eq!(rotated, Err(WriteError::Missing { item: "key" }));
}

#[tokio::test]
async fn of_two_who_rotate_at_once_one_does() {
    let served = serve_table().await;
    let keys = keys(&served);
    let (_, record) = create(&keys, details()).await;
    let new = [(); 2].map(|()| Key::generate().unwrap());
    let rotate = |new| keys.rotate(&record.digest, new, after(60), now());
    let (one, other) = tokio::join!(rotate(&new[0]), rotate(&new[1]));
    let conflict = WriteError::Conflict { item: "key" };
    let lost = [one, other].into_iter().filter(|rotated| rotated.as_ref().err() == Some(&conflict));
    assert_eq!(lost.count(), 1);
    // The loser's new key isn't left behind.
    assert_eq!(keys.list(None).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn a_deleted_key_is_unknown() {
    let served = serve_table().await;
    let (key, record) = create(&keys(&served), details()).await;
    assert_eq!(keys(&served).delete(&record.digest).await, Ok(true));
    assert_eq!(keys(&served).delete(&record.digest).await, Ok(false));
    assert_eq!(keys(&served).find(&key).await.unwrap(), None);
}

#[tokio::test]
async fn a_look_up_is_one_call() {
    let served = serve_table().await;
    let counted = Counted::default();
    let keys = Keys::new(counted.client(&served.client), TABLE);
    let (key, record) = create(&keys, details()).await;
    assert_eq!(counted.take().calls, 1);
    keys.find(&key).await.unwrap();
    assert_eq!(counted.take().calls, 1);
    keys.set_enabled(&record.digest, false).await.unwrap();
    assert_eq!(counted.take().calls, 1);
}

#[tokio::test]
async fn damaged_keys_are_refused() {
    let served = serve_table().await;
    let keys = keys(&served);
    for (attribute, value) in [
        ("subject", None),
        ("subject", Some(text(""))),
        ("subject", Some(text("a\nb"))),
        ("subject", Some(number(5))),
        ("plan_id", Some(text("\0"))),
        ("plan_id", Some(number(5))),
        ("name", Some(text(&"x".repeat(1_025)))),
        ("description", Some(number(5))),
        ("enabled", None),
        ("enabled", Some(text("true"))),
        ("created", None),
        ("created", Some(number(-1))),
        ("expires", Some(text("never"))),
        ("version", None),
        ("version", Some(number(1_i128 << 64))),
    ] {
        let (key, record) = create(&keys, details()).await;
        edit(&served, &format!("KEY#{}", record.digest), attribute, value).await;
        match keys.find(&key).await {
            Err(Error::Damaged(damage)) => {
                assert_eq!((damage.item, damage.attribute.as_str()), ("key", attribute));
                assert!(!damage.to_string().contains("maria"));
            }
            other => panic!("{attribute}: {other:?}"),
        }
        assert_eq!(keys.list(None).await.unwrap().damaged, [record.digest.to_string()]);
        assert_eq!(keys.delete(&record.digest).await, Ok(true));
    }
}

fn rights() -> KeyRights {
    KeyRights {
        scopes: vec!["orders/read".to_owned(), "orders/write".to_owned()],
        groups: vec!["partners of ours".to_owned()],
        context: [("tenant".to_owned(), "acme \u{e9}".to_owned())].into(),
        stages: vec!["prod".to_owned(), "$default".to_owned()],
    }
}

#[tokio::test]
async fn a_key_keeps_its_rights_and_a_rotated_one_has_them_too() {
    let served = serve_table().await;
    let keys = keys(&served);
    let (_, record) = create(&keys, KeyDetails { rights: rights(), ..details() }).await;
    assert_eq!(keys.get(&record.digest).await.unwrap().unwrap().details.rights, rights());
    let new = Key::generate().unwrap();
    let rotated = keys.rotate(&record.digest, &new, after(60), now()).await.unwrap();
    assert_eq!(rotated.details.rights, rights());
    let record = keys.get(&record.digest).await.unwrap().unwrap();
    let none = KeyDetails { rights: KeyRights::default(), ..record.details.clone() };
    keys.update(&record, none).await.unwrap();
    let item = raw(&served, &format!("KEY#{}", record.digest)).await.unwrap();
    for name in ["scopes", "groups", "context", "stages"] {
        assert!(!item.contains_key(name), "{name}: {item:?}");
    }
}

#[tokio::test]
async fn rights_out_of_bounds_are_neither_written_nor_read() {
    let served = serve_table().await;
    let keys = keys(&served);
    let many = |count: usize| (0..count).map(|n| format!("s{n}")).collect::<Vec<_>>();
    let value = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    assert_eq!(rights().check(), Ok(()));
    assert_eq!(KeyRights { scopes: many(100), ..rights() }.check(), Ok(()));
    let mut all = (0..33).map(|n| (format!("n{n}"), "v".to_owned()));
    for (wrong, attribute) in [
        (KeyRights { scopes: many(101), ..rights() }, "scopes"),
        (KeyRights { scopes: vec!["a b".to_owned()], ..rights() }, "scopes"),
        (KeyRights { scopes: vec![String::new()], ..rights() }, "scopes"),
        (KeyRights { scopes: vec!["a".to_owned(), "a".to_owned()], ..rights() }, "scopes"),
        (KeyRights { groups: vec!["g".repeat(257)], ..rights() }, "groups"),
        (KeyRights { groups: vec!["g\n".to_owned()], ..rights() }, "groups"),
        (KeyRights { context: value("a b", "v"), ..rights() }, "context"),
        (KeyRights { context: value("", "v"), ..rights() }, "context"),
        (KeyRights { context: value("a", ""), ..rights() }, "context"),
        (KeyRights { context: value("a", &"v".repeat(1_025)), ..rights() }, "context"),
        (KeyRights { context: all.by_ref().collect(), ..rights() }, "context"),
        (KeyRights { stages: vec!["a/b".to_owned()], ..rights() }, "stages"),
    ] {
        assert_eq!(wrong.check().unwrap_err().attribute, attribute, "{wrong:?}");
        let key = Key::generate().unwrap();
        let details = KeyDetails { rights: wrong, ..details() };
        assert!(matches!(keys.put(&key, details, now()).await, Err(WriteError::Damaged(_))));
    }
    let (_, record) = create(&keys, KeyDetails { rights: rights(), ..details() }).await;
    for wrong in [
        AttributeValue::S("orders/read".to_owned()),
        AttributeValue::L(vec![AttributeValue::Bool(true)]),
        AttributeValue::L(vec![AttributeValue::S("a b".to_owned())]),
    ] {
        edit(&served, &format!("KEY#{}", record.digest), "scopes", Some(wrong)).await;
        assert!(matches!(keys.get(&record.digest).await, Err(Error::Damaged(_))));
    }
}
