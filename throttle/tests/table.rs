//! The table as DynamoDB has it: its shape, its plans, and what can be wrong with both.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod common;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use common::{Served, TABLE, serve, serve_table};
use table::{Connect, Error, SchemaError, WriteError};
use tollgate_throttle::{
    Clock, DynamoStore, Failure, Limit, ManualClock, Plan, PlanId, Plans, Request, Store, Subject,
    SystemClock, Throttle, ThrottleError, Timestamp,
};

const PLAN: &str = r#"{"throttle": {"rateLimit": 1, "burstLimit": 5},
    "quota": {"limit": 100, "period": "DAY"}}"#;

fn free() -> PlanId {
    PlanId::new("free").unwrap()
}

fn plan(json: &str) -> Plan {
    Plan::from_json(json).unwrap()
}

async fn put_free(served: &Served) -> Plans {
    let plans = Plans::new(served.client.clone(), TABLE);
    plans.put(&free(), &plan(PLAN), None, ManualClock::default().now()).await.unwrap();
    plans
}

async fn decide<S: Store>(store: S) -> Result<tollgate_throttle::Decision, ThrottleError> {
    let subject = Subject::new("client").unwrap();
    let throttle = Throttle::new(store, ManualClock::default());
    throttle.decide(&Request::new(&subject, &free())).await
}

// --------------------------------------------------------------------------------- shape

#[tokio::test]
async fn a_table_is_created_once() {
    let served = serve().await;
    let missing = SchemaError::Missing { table: TABLE.to_owned() };
    assert_eq!(table::check(&served.client, TABLE).await, Err(missing));
    assert_eq!(table::create(&served.client, TABLE).await, Ok(true));
    assert_eq!(table::create(&served.client, TABLE).await, Ok(false));
    let status = table::check(&served.client, TABLE).await.unwrap();
    assert!(status.active && status.expiring);
}

#[tokio::test]
async fn a_table_of_another_shape_is_refused() {
    let served = serve().await;
    for (name, key, kind) in
        [("other-key", "id", ScalarAttributeType::S), ("other-type", "pk", ScalarAttributeType::N)]
    {
        let attribute =
            AttributeDefinition::builder().attribute_name(key).attribute_type(kind).build();
        let schema = KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash);
        served
            .client
            .create_table()
            .table_name(name)
            .attribute_definitions(attribute.unwrap())
            .key_schema(schema.build().unwrap())
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
        let created = table::create(&served.client, name).await;
        assert!(matches!(created, Err(SchemaError::Schema { .. })), "{created:?}");
    }
}

// --------------------------------------------------------------------------------- plans

#[tokio::test]
async fn two_operators_do_not_overwrite_each_other() {
    let served = serve_table().await;
    let plans = put_free(&served).await;
    let (old, new) = (plan(PLAN), plan(r#"{"quota": {"limit": 7, "period": "WEEK"}}"#));
    let first = plans.get(&free()).await.unwrap().unwrap();
    assert_eq!((&first.id, &first.plan, first.version), (&free(), &old, 1));
    assert_eq!(first.created, ManualClock::default().now());

    let later = first.created.saturating_add(Duration::from_secs(60));
    let second = plans.put(&free(), &new, Some(1), later).await.unwrap();
    assert_eq!((&second.plan, second.version), (&new, 2));
    assert_eq!(second.created, first.created, "kept");

    let conflict = WriteError::Conflict { item: "plan" };
    assert_eq!(plans.put(&free(), &old, Some(1), later).await, Err(conflict.clone()));
    assert_eq!(plans.put(&free(), &old, None, later).await, Err(conflict.clone()));
    let absent = PlanId::new("absent").unwrap();
    let conflict = WriteError::Conflict { item: "plan" };
    assert_eq!(plans.put(&absent, &old, Some(1), later).await, Err(conflict));
    assert_eq!(plans.get(&free()).await.unwrap(), Some(second));
    assert_eq!(plans.get(&absent).await.unwrap(), None);
}

#[tokio::test]
async fn a_plan_that_nobody_could_read_is_not_stored() {
    let served = serve_table().await;
    let plans = put_free(&served).await;
    let long = Plan::per_second(1).name("x".repeat(70_000)).build().unwrap();
    let refused = plans.put(&free(), &long, Some(1), ManualClock::default().now()).await;
    assert!(matches!(refused, Err(WriteError::Damaged(_))), "{refused:?}");
    assert_eq!(plans.get(&free()).await.unwrap().unwrap().version, 1);
}

#[tokio::test]
async fn a_version_of_a_plan_never_comes_twice() {
    let served = serve_table().await;
    let plans = put_free(&served).await;
    let (now, conflict) = (Timestamp::from_secs(9), WriteError::Conflict { item: "plan" });
    assert_eq!(plans.delete(&free(), 2, now).await, Err(conflict.clone()));
    plans.delete(&free(), 1, now).await.unwrap();
    assert_eq!(plans.get(&free()).await.unwrap(), None);
    assert_eq!(plans.list(None).await.unwrap().items, []);
    // Neither who read it before nor who knows of the deletion writes or deletes it.
    for version in [1, 2] {
        let put = plans.put(&free(), &plan(PLAN), Some(version), now).await;
        assert_eq!(put, Err(conflict.clone()));
        assert_eq!(plans.delete(&free(), version, now).await, Err(conflict.clone()));
    }
    let again = plans.put(&free(), &plan(PLAN), None, now).await.unwrap();
    assert_eq!((again.version, again.created), (3, now));
    assert_eq!(plans.get(&free()).await.unwrap(), Some(again));
    let absent = PlanId::new("absent").unwrap();
    assert_eq!(plans.delete(&absent, 1, now).await, Err(conflict));
}

#[tokio::test]
async fn plans_are_listed_in_pages() {
    let served = serve_table().await;
    let plans = put_free(&served).await;
    // Plans among so many buckets that a page of a megabyte doesn't reach all of them.
    let filling = "x".repeat(300_000);
    for bucket in 0..6 {
        let item = [
            ("pk", AttributeValue::S(format!("BUCKET#{bucket}"))),
            ("filling", AttributeValue::S(filling.clone())),
        ];
        put_raw(&served, item).await;
    }
    for n in 0..20 {
        let id = PlanId::new(format!("plan {n}")).unwrap();
        plans.put(&id, &plan(PLAN), None, Timestamp::EPOCH).await.unwrap();
    }
    put_raw(&served, [("pk", AttributeValue::S("PLAN#broken".to_owned()))]).await;

    let (mut found, mut damaged, mut pages, mut from) = (Vec::new(), Vec::new(), 0, None);
    loop {
        let page = plans.list(from.as_deref()).await.unwrap();
        found.extend(page.items.into_iter().map(|record| record.id.to_string()));
        damaged.extend(page.damaged);
        pages += 1;
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert!(pages > 1);
    assert_eq!(damaged, ["broken"]);
    let mut expected: Vec<_> = (0..20).map(|n| format!("plan {n}")).collect();
    expected.push("free".to_owned());
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

// ------------------------------------------------------------------------------ failures

#[tokio::test]
async fn a_missing_table_is_unavailable() {
    let served = serve().await;
    let store = DynamoStore::connect(TABLE, &common::connect(&served.url)).await;
    assert_eq!(decide(store).await, Err(ThrottleError::Unavailable(Failure::NoTable)));
}

#[tokio::test]
async fn a_dead_endpoint_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = DynamoStore::connect(TABLE, &Connect::emulator(url)).await;
    assert_eq!(decide(store).await, Err(ThrottleError::Unavailable(Failure::Unreachable)));
}

#[tokio::test]
async fn a_silent_endpoint_is_unavailable_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let store = DynamoStore::connect(TABLE, &Connect::emulator(&url)).await;
    assert_eq!(decide(store).await, Err(ThrottleError::Unavailable(Failure::TimedOut)));
    // A client that was made without time-outs gets one, and so does one with others alone.
    let connect = TimeoutConfig::builder().connect_timeout(Duration::from_secs(9)).build();
    for timeouts in [None, Some(connect)] {
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version_latest()
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "c"))
            .endpoint_url(&url);
        config.set_timeout_config(timeouts);
        let client = aws_sdk_dynamodb::Client::from_conf(config.build());
        let decided = decide(DynamoStore::new(client, TABLE));
        let decided = tokio::time::timeout(Duration::from_secs(20), decided).await.unwrap();
        assert_eq!(decided, Err(ThrottleError::Unavailable(Failure::TimedOut)));
    }
    drop(listener);
}

#[tokio::test]
async fn an_endpoint_that_is_no_dynamodb_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 4096]).await;
            let page = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>";
            let _ = socket.write_all(page.as_bytes()).await;
        }
    });
    let store = DynamoStore::new(common::connect(&url).client().await, TABLE);
    assert_eq!(decide(store).await, Err(ThrottleError::Unavailable(Failure::Outage)));
    serving.abort();
}

/// A DynamoDB that knows the plan `free`, and throttles every write with these reasons.
async fn throttling(code: &str, reasons: &[&str]) -> (String, tokio::task::JoinHandle<()>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let reasons = reasons.iter().map(|reason| {
        format!(r#"{{"reason": "{reason}", "resource": "arn:aws:dynamodb:eu-west-1:1:table/t"}}"#)
    });
    let throttled = format!(
        r#"{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "throttled",
            "{}": [{}]}}"#,
        if code == "ThrottlingException" { "throttlingReasons" } else { "ThrottlingReasons" },
        reasons.collect::<Vec<_>>().join(", ")
    );
    let plan = PLAN.replace('"', "\\\"").replace('\n', " ");
    let found = format!(
        r#"{{"Item": {{"pk": {{"S": "PLAN#free"}}, "plan": {{"S": "{plan}"}},
            "version": {{"N": "1"}}, "created": {{"N": "1"}}}}}}"#
    );
    let serving = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 16_384];
            let read = socket.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).to_lowercase();
            let (status, body) = if request.contains("updateitem") {
                ("400 Bad Request", &throttled)
            } else {
                ("200 OK", &found)
            };
            let head = "content-type: application/x-amz-json-1.0\r\nconnection: close";
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (url, serving)
}

#[tokio::test]
async fn a_hot_key_is_told_from_a_throttled_table() {
    const HOT: &str = "TableWriteKeyRangeThroughputExceeded";
    const TABLES: &str = "TableWriteMaxOnDemandThroughputExceeded";
    for code in ["ThrottlingException", "ProvisionedThroughputExceededException"] {
        for (reasons, hot) in [
            (&[HOT][..], true),
            (&[TABLES], false),
            (&["TableWriteAccountLimitExceeded"], false),
            (&[HOT, TABLES], false),
            (&[], false),
        ] {
            let (url, serving) = throttling(code, reasons).await;
            let store = DynamoStore::new(common::connect(&url).client().await, TABLE);
            let decided = decide(store).await;
            if hot {
                assert_eq!(decided.unwrap().refused_by(), [Limit::CONTENTION], "{code}");
            } else {
                let throttled = Err(ThrottleError::Unavailable(Failure::Throttled));
                assert_eq!(decided, throttled, "{code} {reasons:?}");
            }
            serving.abort();
        }
    }
}

/// The attribute of one token a second.
const TAT: &str = "t3b9aca00";

#[tokio::test]
async fn damaged_buckets_are_refused() {
    let served = serve_table().await;
    put_free(&served).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: &str| AttributeValue::N(number.to_owned());
    let now = ManualClock::default().now().as_nanos();
    for (attribute, value) in [
        (TAT, text("soon")),
        (TAT, AttributeValue::Null(true)),
        (TAT, number("1e30")),
        (TAT, number(&(now + 400 * 86_400 * 1_000_000_000).to_string())),
        (TAT, number(&format!("{now}.5"))),
        ("d20261121", text("5")),
        ("d20261121", number("-4000000000000001")),
        ("pv", text("free")),
        ("pv", text("01.free")),
        ("pv", number("1")),
        ("rt", text("1")),
        ("d20261121", number("0.5")),
        ("d20261121", number("1e30")),
    ] {
        let key = ("pk", text("BUCKET#client"));
        put_raw(&served, [key, (attribute, value.clone())]).await;
        // Neither an instance that thinks it idle nor one that tries again gets through.
        for _ in 0..2 {
            let store = DynamoStore::new(served.client.clone(), TABLE);
            match decide(store).await {
                Err(ThrottleError::Damaged(damage)) => {
                    assert_eq!((damage.item(), damage.attribute()), ("bucket", attribute));
                    assert!(!damage.to_string().contains("client"));
                }
                other => panic!("{attribute} = {value:?} gave {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_negative_tat_is_repaired_as_an_idle_one() {
    let served = serve_table().await;
    put_free(&served).await;
    let key = ("pk", AttributeValue::S("BUCKET#client".to_owned()));
    put_raw(&served, [key, (TAT, AttributeValue::N("-7".to_owned()))]).await;
    let store = DynamoStore::new(served.client.clone(), TABLE);
    assert_eq!(decide(store).await.unwrap().remaining(), 4);
}

#[tokio::test]
async fn damaged_plans_are_refused() {
    let served = serve_table().await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: u64| AttributeValue::N(number.to_string());
    let whole = [
        ("pk", text("PLAN#free")),
        ("plan", text(PLAN)),
        ("version", number(1)),
        ("created", number(0)),
    ];
    put_raw(&served, whole.clone()).await;
    let store = || DynamoStore::new(served.client.clone(), TABLE);
    assert!(decide(store()).await.unwrap().is_allowed());
    for (attribute, value) in [
        ("plan", Some(text("{}"))),
        ("plan", Some(number(5))),
        ("plan", None),
        ("version", Some(text("1"))),
        ("version", None),
        ("created", None),
    ] {
        let mut item = HashMap::from(whole.clone());
        item.remove(attribute);
        item.extend(value.map(|value| (attribute, value)));
        put_raw(&served, item).await;
        match decide(store()).await {
            Err(ThrottleError::Damaged(damage)) => assert_eq!(damage.attribute(), attribute),
            other => panic!("a damaged {attribute} gave {other:?}"),
        }
        let got = Plans::new(served.client.clone(), TABLE).get(&free()).await;
        assert!(matches!(got, Err(Error::Damaged(_))));
    }
}

#[tokio::test]
async fn a_bucket_is_one_small_item_that_expires() {
    let served = serve_table().await;
    put_free(&served).await;
    let number = |number: &str| AttributeValue::N(number.to_owned());
    let old = ["d20261020", "d20250101", "gd20250101", "id20250102", "w2026-34", "m202510"];
    let kept = [("d20261021", number("8")), ("w2026-35", number("8")), ("m202511", number("8"))];
    let key = ("pk", AttributeValue::S("BUCKET#client".to_owned()));
    put_raw(
        &served,
        old.map(|name| (name, number("9"))).into_iter().chain(kept).chain([key.clone()]),
    )
    .await;
    let subject = Subject::new("client").unwrap();
    let store = DynamoStore::new(served.client.clone(), TABLE);
    let throttle = Throttle::new(store, ManualClock::default());
    // The answer to the first write tells what the second one removes.
    for _ in 0..2 {
        assert!(throttle.decide(&Request::new(&subject, &free())).await.unwrap().is_allowed());
    }
    assert_eq!(throttle.store().calls(), 2);
    let (_, key) = key;
    let answer = served.client.get_item().table_name(TABLE).key("pk", key).send().await.unwrap();
    let item = answer.item.unwrap();
    let mut names: Vec<_> = item.keys().map(String::as_str).collect();
    names.sort_unstable();
    let names_left =
        ["d20261021", "d20261121", "expires_at", "m202511", "pk", "pv", TAT, "w2026-35", "wn"];
    assert_eq!(names, names_left);
    let now = ManualClock::default().now();
    let number = |name: &str| item.get(name).unwrap().as_n().unwrap().parse::<u64>().unwrap();
    assert_eq!(number(TAT), now.as_nanos() + 2_000_000_000);
    assert_eq!(number("d20261121"), 2);
    assert_eq!(item.get("pv"), Some(&AttributeValue::S("1.free".to_owned())));
    assert_eq!(number("expires_at"), now.as_secs() + 400 * 86_400);
}

/// DynamoDB's size of an item: names, texts, and numbers at a byte for two digits and one more.
fn size(item: &HashMap<String, AttributeValue>) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.trim_start_matches('-').len().div_ceil(2) + 1,
        other => panic!("{other:?}"),
    };
    item.iter().map(|(name, it)| name.len() + value(it)).sum()
}

#[tokio::test]
async fn a_whole_history_costs_one_unit() {
    let served = serve_table().await;
    let plans = Plans::new(served.client.clone(), TABLE);
    let plan = r#"{
        "throttle": {"rateLimit": 100, "burstLimit": 1000},
        "quota": [{"limit": 99999999, "period": "DAY"}, {"limit": 99999999, "period": "WEEK"},
            {"limit": 99999999, "period": "MONTH"}],
        "apiStages": [{"apiId": "a", "stage": "s", "throttle": {
            "/1/GET": {"rateLimit": 10, "burstLimit": 5}, "/2/GET": {"rateLimit": 10, "burstLimit": 5},
            "/3/GET": {"rateLimit": 10, "burstLimit": 5}, "/4/GET": {"rateLimit": 10, "burstLimit": 5}}}]
    }"#;
    let clock = ManualClock::default();
    let id = PlanId::new("a-plan-of-28-characters-here").unwrap();
    plans.put(&id, &Plan::from_json(plan).unwrap(), None, clock.now()).await.unwrap();
    let store = DynamoStore::new(served.client.clone(), TABLE);
    let throttle = Throttle::new(store, clock.clone());
    let subject = Subject::new("a-client-id-of-twenty-six-").unwrap();
    let request = Request::new(&subject, &id);
    // Fourteen months, with something used on every day, and every method on the last one.
    for _ in 0..430 {
        clock.advance(Duration::from_secs(86_400));
        assert!(throttle.decide(&request).await.unwrap().is_allowed());
    }
    for method in ["/1/GET", "/2/GET", "/3/GET", "/4/GET"] {
        let request = request.method("a", "s", method);
        assert!(throttle.decide(&request).await.unwrap().is_allowed());
    }
    let key = AttributeValue::S(format!("BUCKET#{}", subject.as_str()));
    let answer = served.client.get_item().table_name(TABLE).key("pk", key).send().await.unwrap();
    let mut item = answer.item.unwrap();
    let counters = |letter: char| {
        let of = |name: &&String| name.starts_with(letter) && name.len() > 2;
        item.keys().filter(of).count()
    };
    assert_eq!((counters('d'), counters('w'), counters('m')), (32, 13, 13));
    assert_eq!(counters('t'), 5);
    // Each counter as large as the quotas let it be.
    for (name, value) in &mut item {
        if name.starts_with(['d', 'w', 'm']) && name.len() > 2 {
            *value = AttributeValue::N("99999999".to_owned());
        }
    }
    assert!(size(&item) <= 1_024, "{} bytes", size(&item));
    assert_eq!(throttle.store().consumed().milliunits, throttle.store().calls() * 1_000);
}

#[tokio::test]
async fn decisions_can_be_spawned() {
    let served = serve_table().await;
    put_free(&served).await;
    let throttle = Throttle::new(DynamoStore::new(served.client, TABLE), SystemClock::new());
    let spawned = tokio::spawn(async move {
        let subject = Subject::new("client").unwrap();
        throttle.decide(&Request::new(&subject, &free())).await.map(|d| d.is_allowed())
    });
    assert_eq!(spawned.await.unwrap(), Ok(true));
}

async fn put_raw<'a>(served: &Served, item: impl IntoIterator<Item = (&'a str, AttributeValue)>) {
    let item = item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    served.client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
}
