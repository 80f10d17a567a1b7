//! The table as a whole: many items, many writers, half an answer.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::future::join_all;
use table::{
    Assignment, Assignments, Attributes, Error, Failure, Item, Key, KeyDetails, KeyRecord, Keys,
    Revocable, Revocations, WriteError,
};
use tollgate_throttle::{Plan, PlanId, Plans};

use crate::common::{self, Served, TABLE, serve_table};
use crate::counted::Counted;
use crate::{now, text};

const KEYS: u64 = 3_000;

/// Fills a table with keys among twice as many larger buckets, and some assignments.
async fn fill(served: &Served) {
    let mut items = Vec::new();
    for at in 0..KEYS {
        let key = Key::parse(format!("a-key-that-is-long-enough-{at}")).unwrap();
        let details = KeyDetails::new(format!("subject-{at}"));
        let record = KeyRecord { digest: key.digest(), details, created: now().into(), version: 1 };
        items.push(whole(&record));
        for bucket in [2 * at, 2 * at + 1] {
            let pk = ("pk".to_owned(), text(&format!("BUCKET#{bucket}")));
            let tat = ("tat".to_owned(), AttributeValue::N("1".to_owned()));
            items.push(HashMap::from([pk, tat, ("x".to_owned(), text(&"x".repeat(300)))]));
        }
    }
    for at in 0..10 {
        items.push(whole(&Assignment::new(format!("subject-{at}")).with_plan("free")));
    }
    for some in items.chunks(25) {
        let puts = some.iter().map(|item| {
            let put = PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        });
        let batch = served.client.batch_write_item().request_items(TABLE, puts.collect());
        batch.send().await.unwrap();
    }
}

fn whole<T: Item>(item: &T) -> Attributes {
    let mut attributes = item.attributes();
    attributes.insert("pk".to_owned(), text(&format!("{}{}", T::PREFIX, item.id())));
    attributes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_are_listed_page_by_page_at_the_price_of_a_scan() {
    let served = serve_table().await;
    fill(&served).await;
    let counted = Counted::default();
    let client = counted.client(&served.client);
    let keys = Keys::new(client.clone(), TABLE);
    let (mut subjects, mut from) = (Vec::new(), None);
    loop {
        let page = keys.list(from.as_deref()).await.unwrap();
        let counts = counted.take();
        // A page is one call, of a megabyte at most: 128 units, and never more than that in memory.
        assert_eq!(counts.calls, 1);
        assert!((1..=1_290).contains(&counts.tenths), "{counts:?}");
        assert!(page.items.len() < 2_000 && page.damaged.is_empty());
        subjects.extend(page.items.into_iter().map(|key| key.details.subject));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len() as u64, KEYS);
    let (mut found, mut from) = (0, None);
    loop {
        let page = Assignments::new(client.clone(), TABLE).list(from.as_deref()).await.unwrap();
        found += page.items.len();
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(found, 10);
    assert!(counted.take().calls > 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_write_one_item_at_once_one_wins() {
    let served = serve_table().await;
    let conflict = |item| Some(WriteError::Conflict { item });
    let ids: Vec<_> = (0..20).map(|id| PlanId::new(format!("plan {id}")).unwrap()).collect();
    let lost = |errors: Vec<Option<WriteError>>, item| {
        assert_eq!(errors.iter().filter(|error| error.is_none()).count(), 1, "{item}");
        assert_eq!(errors.iter().filter(|error| **error == conflict(item)).count(), 19, "{item}");
    };

    let assignments = Assignments::new(served.client.clone(), TABLE);
    for version in [0, 1, 2] {
        let replaced = Assignment { version, ..Assignment::new("maria") };
        let all = ids.iter().map(|id| assignments.put(replaced.clone().with_plan(id.as_str())));
        let errors = join_all(all).await.into_iter().map(Result::err).collect();
        lost(errors, "assignment");
    }
    assert_eq!(assignments.get("maria").await.unwrap().unwrap().version, 3);

    let plans = Plans::new(served.client.clone(), TABLE);
    for (replaced, limit) in [(None, 1), (Some(1), 2), (Some(2), 3)] {
        let json = format!(r#"{{"quota": {{"limit": {limit}, "period": "DAY"}}}}"#);
        let plan = Plan::from_json(json).unwrap();
        let all = ids.iter().map(|_| plans.put(&ids[0], &plan, replaced, now()));
        let errors = join_all(all).await.into_iter().map(Result::err).collect();
        lost(errors, "plan");
    }
    let all = ids.iter().map(|_| plans.delete(&ids[0], 3, now()));
    lost(join_all(all).await.into_iter().map(Result::err).collect(), "plan");

    let keys = Keys::new(served.client.clone(), TABLE);
    let details = KeyDetails::new("maria");
    let record = keys.put(&Key::generate().unwrap(), details.clone(), now()).await.unwrap();
    let all = ids.iter().map(|id| keys.update(&record, details.clone().with_plan(id.as_str())));
    lost(join_all(all).await.into_iter().map(Result::err).collect(), "key");
}

/// A server that answers everything with this.
async fn answering(body: &'static str) -> Served {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 65_536]).await;
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close";
            let page = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let _ = socket.write_all(page.as_bytes()).await;
        }
    });
    let client = common::connect(&url).client().await;
    Served { url, client }
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let token = Revocable::token("issuer", "jti");
    let half = r#"{"Responses": {"tollgate": []},
        "UnprocessedKeys": {"tollgate": {"Keys": [{"pk": {"S": "REVOKED#token#0"}}]}}}"#;
    let served = answering(half).await;
    let got = Revocations::new(served.client, TABLE).get_many(&[token]).await;
    assert_eq!(got, Err(Error::Failure(Failure::Throttled)));
    // Nothing left to do is a whole answer.
    let served = answering(r#"{"Responses": {"tollgate": []}, "UnprocessedKeys": {}}"#).await;
    assert_eq!(Revocations::new(served.client, TABLE).get_many(&[token]).await, Ok(Vec::new()));
    // An answer without the table in it isn't about what was asked.
    let served = answering("{}").await;
    let got = Revocations::new(served.client, TABLE).get_many(&[token]).await;
    assert_eq!(got, Err(Error::Failure(Failure::Outage)));
}
