//! Lists of a large table: how much each answer reads, and what a search finds.

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use serde_json::{Value, json};
use table::{Client, Connect};

use crate::bench::{Bench, TABLE};
use crate::table_spy::TableSpy;

/// The buckets of the table.
const BUCKETS: usize = 5_000;

async fn start() -> (TableSpy, Bench) {
    let spy = TableSpy::start().await;
    let client = Connect::emulator(spy.endpoint()).client().await;
    table::create(&client, TABLE).await.unwrap();
    fill(&client).await;
    let bench = Bench::on(client, spy.endpoint(), true).await;
    for (change, expected) in [
        (json!({"do": "plan_put", "id": "free", "json": PLAN, "version": 0}), 200),
        (json!({"do": "subject_assign", "subject": "i#zoe", "plan": "free", "version": 0}), 200),
    ] {
        assert_eq!(bench.change(&change).await.0, expected);
    }
    spy.take();
    (spy, bench)
}

const PLAN: &str = r#"{"throttle":{"rateLimit":1,"burstLimit":10}}"#;

async fn fill(client: &Client) {
    let text = |text: String| AttributeValue::S(text);
    for chunk in (0..BUCKETS).collect::<Vec<_>>().chunks(25) {
        let writes = chunk.iter().map(|at| {
            let put = PutRequest::builder()
                .item("pk", text(format!("BUCKET#i#client-{at:05}")))
                .item("pv", text("1.free".to_owned()));
            WriteRequest::builder().put_request(put.build().unwrap()).build()
        });
        let batch = client.batch_write_item().request_items(TABLE, writes.collect());
        batch.send().await.unwrap();
    }
}

fn scans(calls: &[(String, Value)]) -> Vec<u64> {
    let scans = calls.iter().filter(|(action, _)| action == "Scan");
    scans.map(|(_, sent)| sent["Limit"].as_u64().unwrap()).collect()
}

/// Reads a list as the page does, and returns its items and the items of the table that were read.
async fn all(bench: &Bench, path: &str, search: &str) -> (Vec<Value>, u64, usize) {
    let (mut items, mut read, mut answers) = (Vec::new(), 0, 0);
    let mut from = String::new();
    for most in [250, 500, 1_000, 2_000].into_iter().chain(std::iter::repeat(4_000)) {
        let url = format!("{path}?search={search}&most={most}{from}");
        let answer = bench.get(&url).await;
        items.extend(answer["items"].as_array().unwrap().iter().cloned());
        read += answer["read"].as_u64().unwrap();
        answers += 1;
        match answer["next"].as_str() {
            Some(next) => from = format!("&from={}", next.replace('#', "%23")),
            None => break,
        }
    }
    (items, read, answers)
}

#[tokio::test]
async fn the_first_page_is_one_small_scan_and_its_plan() {
    let (spy, bench) = start().await;
    for path in ["buckets", "keys", "plans", "assignments", "revocations"] {
        let answer = bench.get(path).await;
        let calls = spy.take();
        assert_eq!(scans(&calls), [250], "{path}");
        assert_eq!(answer["read"], 250, "{path}");
        // The buckets are under one plan, which is read once.
        assert_eq!(calls.len(), if path == "buckets" { 2 } else { 1 }, "{path}");
        assert!(answer["next"].is_string(), "{path}");
    }
    let buckets = bench.get("buckets").await;
    assert_eq!(buckets["items"].as_array().unwrap().len(), 100);
    spy.take();
    // Whatever a page asks for, an answer reads and holds so much and no more.
    let much = bench.get("buckets?most=65535").await;
    assert_eq!((scans(&spy.take()), much["items"].as_array().unwrap().len()), (vec![4_000], 100));
    bench.get("buckets?most=0").await;
    assert_eq!(scans(&spy.take()), [1]);
}

#[tokio::test]
async fn an_exact_name_is_one_read_and_the_rest_is_searched_on_demand() {
    let (spy, bench) = start().await;
    let key = json!({"do": "key_create", "subject": "i#zoe", "plan": null, "name": "n",
        "days": null});
    bench.change(&key).await;
    let revoke = json!({"do": "revoke", "kind": "user", "issuer": "i", "id": "u", "hours": 1,
        "reason": null});
    bench.change(&revoke).await;
    let id = |items: &[Value]| items[0]["id"].as_str().unwrap().replace('#', "%23");
    let key = id(&all(&bench, "keys", "").await.0);
    let revoked = id(&all(&bench, "revocations", "").await.0);
    spy.take();
    for (path, name) in [
        ("buckets", "i%23client-04321"),
        ("plans", "free"),
        ("assignments", "i%23zoe"),
        ("keys", &key),
        ("revocations", &revoked),
    ] {
        let answer = bench.get(&format!("{path}?search={name}")).await;
        let calls = spy.take();
        assert_eq!(answer["items"].as_array().unwrap().len(), 1, "{path}: {answer}");
        assert_eq!((&answer["read"], &answer["next"]), (&json!(1), &json!("")), "{path}");
        assert!(calls.iter().all(|(action, _)| action == "GetItem"), "{path}: {calls:?}");
    }
    // The search goes on from the start, and does not show the match again.
    let (items, read, _) = all(&bench, "buckets", "i%23client-04321").await;
    assert_eq!((items.len(), read), (1, 1 + BUCKETS as u64 + 4));
}

#[tokio::test]
async fn a_search_finds_everything_once_in_a_few_bounded_parts() {
    let (spy, bench) = start().await;
    let (items, read, answers) = all(&bench, "buckets", "CLIENT-0432").await;
    let mut found: Vec<&str> = items.iter().map(|it| it["subject"].as_str().unwrap()).collect();
    found.sort_unstable();
    let expected: Vec<String> = (4_320..4_330).map(|at| format!("i#client-{at:05}")).collect();
    assert_eq!(found, expected);
    assert_eq!((read, answers), (BUCKETS as u64 + 2, 5));
    assert_eq!(scans(&spy.take()), [250, 500, 1_000, 2_000, 4_000]);
    // A part with more matches than an answer holds goes on after the last of them.
    let (items, ..) = all(&bench, "buckets", "client-01").await;
    let mut found: Vec<&str> = items.iter().map(|it| it["subject"].as_str().unwrap()).collect();
    assert_eq!(found.len(), 1_000);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 1_000);
    let (plans, read, _) = all(&bench, "plans", "").await;
    assert_eq!((plans[0]["id"].as_str(), plans.len()), (Some("free"), 1));
    assert_eq!(read, BUCKETS as u64 + 2);
}
