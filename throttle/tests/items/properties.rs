//! Properties of every kind of item with any content.

use std::collections::HashMap;
use std::time::SystemTime;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use table::{
    Assignment, Attributes, Digest, Item, Key, KeyDetails, KeyRecord, KeyRights, Revocable,
    Revocation, RevocationKind, StoredPlan,
};
use tollgate_throttle::{BucketRecord, Timestamp};

fn subject() -> impl Strategy<Value = String> {
    "\\PC{1,100}"
}

fn plan_id() -> impl Strategy<Value = String> {
    "\\PC{1,30}"
}

fn moment() -> impl Strategy<Value = SystemTime> {
    any::<u64>().prop_map(|nanos| Timestamp::from_nanos(nanos).into())
}

fn digest() -> impl Strategy<Value = Digest> {
    "[!-~]{20,128}".prop_map(|text| Key::parse(text).unwrap().digest())
}

fn key() -> impl Strategy<Value = KeyRecord> {
    let plans = (plan_id(), proptest::collection::vec(plan_id(), 0..3));
    let texts = (subject(), proptest::option::of(plans), proptest::option::of("\\PC{1,200}"));
    let rest = (any::<bool>(), proptest::option::of(moment()), digest(), moment(), any::<u64>());
    (texts, rest).prop_map(
        |((subject, plans, text), (enabled, expires, digest, created, version))| {
            let (name, description) = (text.clone(), text);
            let rights = rights(&subject);
            let mut details = KeyDetails {
                name,
                description,
                enabled,
                expires,
                rights,
                ..KeyDetails::new(subject)
            };
            if let Some((plan, others)) = plans {
                details = details.with_plans(plan, others);
            }
            KeyRecord { digest, details, created, version }
        },
    )
}

/// Rights with a text in each field that may hold it.
fn rights(text: &str) -> KeyRights {
    let group = text.chars().take(60).collect::<String>();
    KeyRights {
        scopes: vec!["orders/read".to_owned()],
        context: [("tenant".to_owned(), group.clone())].into(),
        groups: vec![group],
        stages: vec!["prod".to_owned()],
    }
}

fn target() -> impl Strategy<Value = Revocable> {
    let kinds = [
        RevocationKind::Token,
        RevocationKind::Session,
        RevocationKind::User,
        RevocationKind::Client,
    ];
    (proptest::sample::select(kinds.to_vec()), ".{0,50}", ".{0,500}")
        .prop_map(|(kind, issuer, id)| Revocable::new(kind, &issuer, &id))
}

fn revocation() -> impl Strategy<Value = Revocation> {
    let moments = (moment(), moment(), moment());
    (target(), moments, proptest::option::of("\\PC{1,60}")).prop_map(
        |(target, (now, before, expires), reason)| {
            let revocation = Revocation::new(target, now, expires).with_issued_before(before);
            match reason {
                Some(reason) => revocation.with_reason(reason).unwrap(),
                None => revocation,
            }
        },
    )
}

fn plan() -> impl Strategy<Value = StoredPlan> {
    (plan_id(), ".{0,200}", any::<u64>(), moment())
        .prop_map(|(id, json, version, created)| StoredPlan { id, json, version, created })
}

/// An item of the kind with its counters and grants.
fn bucket() -> impl Strategy<Value = (String, Attributes)> {
    let period = ("(d[0-9]{8}|w[0-9]{4}-[0-9]{2}|m[0-9]{6})", 0u64..=1_000_000_000_000_000, 0i64..);
    // A longer name is replaced by its digest.
    ("\\PC{1,32}", proptest::collection::vec(period, 0..20)).prop_map(|(subject, periods)| {
        let mut item = Attributes::new();
        for (name, granted, used) in periods {
            let counter = used - i64::try_from(granted).unwrap();
            item.insert(name.clone(), AttributeValue::N(counter.to_string()));
            item.remove(&format!("g{name}"));
            if granted > 0 {
                item.insert(format!("g{name}"), AttributeValue::N(granted.to_string()));
            }
        }
        (subject, item)
    })
}

/// A value that anybody could have put there.
fn value() -> impl Strategy<Value = AttributeValue> {
    let numbers = [
        "0",
        "1",
        "-1",
        "0.5",
        "1e40",
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775808",
        "-9223372036854775808",
        "",
        "NaN",
        "+5",
        "1_000",
        "99999999999999999999999999999999999999",
    ];
    prop_oneof![
        proptest::sample::select(numbers.to_vec()).prop_map(|n| AttributeValue::N(n.to_owned())),
        any::<i128>().prop_map(|n| AttributeValue::N(n.to_string())),
        any::<u64>().prop_map(|n| AttributeValue::N(n.to_string())),
        ".{0,2000}".prop_map(AttributeValue::S),
        "(free|gold|\\{\\}|\\[\\]|true)".prop_map(AttributeValue::S),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null(true)),
        Just(AttributeValue::B(Blob::new([0xff]))),
        Just(AttributeValue::Ss(vec!["a".to_owned()])),
        Just(AttributeValue::L(vec![AttributeValue::Null(true)])),
        Just(AttributeValue::M(HashMap::new())),
    ]
}

const NAMES: [&str; 19] = [
    "pk",
    "expires_at",
    "plan",
    "version",
    "created",
    "deleted",
    "subject",
    "plan_id",
    "name",
    "description",
    "enabled",
    "expires",
    "issued_before",
    "revoked_at",
    "reason",
    "d20261121",
    "gd20261121",
    "w2026-47",
    "gw2026-47",
];

/// Some attributes of an item, edited or removed or added.
fn edits() -> impl Strategy<Value = Vec<(&'static str, Option<AttributeValue>)>> {
    let edit = (proptest::sample::select(&NAMES), proptest::option::of(value()));
    proptest::collection::vec(edit, 0..8)
}

/// An edited item is refused, or read as its content says.
fn hostile<T: Item + PartialEq + std::fmt::Debug>(
    mut item: Attributes,
    name: &str,
    edits: &[(&'static str, Option<AttributeValue>)],
) -> Result<(), TestCaseError> {
    for (attribute, value) in edits {
        match value {
            Some(value) => item.insert((*attribute).to_owned(), value.clone()),
            None => item.remove(*attribute),
        };
    }
    let read = |item: &Attributes| T::read(name, item);
    match read(&item) {
        Ok(Some(found)) => {
            let again = read(&found.attributes()).unwrap();
            prop_assert_eq!(again, Some(found));
        }
        Ok(None) => prop_assert!(item.contains_key("deleted")),
        Err(damage) => prop_assert!(NAMES.contains(&damage.attribute.as_str()), "{damage}"),
    }
    Ok(())
}

/// A written item reads back, key and all.
fn round_trip<T: Item + PartialEq + Clone + std::fmt::Debug>(
    item: &T,
) -> Result<(), TestCaseError> {
    let read = T::read(&item.id().to_string(), &item.attributes()).unwrap();
    prop_assert_eq!(read, Some(item.clone()));
    Ok(())
}

proptest! {
    #[test]
    fn every_kind_reads_back(
        key in key(),
        revocation in revocation(),
        plan in plan(),
        (subject, bucket) in bucket(),
        version: u64,
    ) {
        round_trip(&key)?;
        round_trip(&revocation)?;
        round_trip(&plan)?;
        let assignment = Assignment { version, ..Assignment::new(subject.clone()) };
        round_trip(&assignment.clone().with_plan(plan.id.as_str()))?;
        let parent = format!("{subject}'s parent").chars().take(100).collect::<String>();
        round_trip(&assignment.clone().with_parent(parent.as_str()))?;
        round_trip(&assignment.with_plan(plan.id).with_parent(parent))?;
        let read = BucketRecord::read(&subject, &bucket).unwrap().unwrap();
        prop_assert_eq!(read.attributes(), bucket);
        round_trip(&read)?;
    }

    #[test]
    fn hostile_items_are_refused_or_read_as_what_they_say(
        key in key(),
        revocation in revocation(),
        plan in plan(),
        (subject, bucket) in bucket(),
        edits in edits(),
    ) {
        hostile::<KeyRecord>(key.attributes(), &key.id().to_string(), &edits)?;
        hostile::<Revocation>(revocation.attributes(), &revocation.id().to_string(), &edits)?;
        hostile::<StoredPlan>(plan.attributes(), &plan.id, &edits)?;
        hostile::<BucketRecord>(bucket, &subject, &edits)?;
        let assignment = Assignment::new(subject).with_plan(plan.id).with_parent("a parent");
        hostile::<Assignment>(assignment.attributes(), &assignment.subject, &edits)?;
    }

    #[test]
    fn no_key_ends_the_process(name in "(\\PC{0,5}|user#|token#)[0-9a-fA-F]{0,65}.{0,3}") {
        let none = Attributes::new();
        let _ = (KeyRecord::read(&name, &none), Revocation::read(&name, &none));
        let _ = (StoredPlan::read(&name, &none), Assignment::read(&name, &none));
        let _ = BucketRecord::read(&name, &none);
    }
}
