//! A table without a permission: the page names it, and other views go on.

use reqwest::StatusCode;
use serde_json::{Value, json};
use table::Connect;

use crate::bench::{Bench, TABLE};
use crate::plan;
use crate::table_spy::TableSpy;

async fn start(writes: bool) -> (TableSpy, Bench) {
    let spy = TableSpy::start().await;
    let client = Connect::emulator(spy.endpoint()).client().await;
    table::create(&client, TABLE).await.unwrap();
    let bench = Bench::on(client, spy.endpoint(), writes).await;
    (spy, bench)
}

/// Asserts that an answer names the action, and has a policy for these actions.
fn assert_explained(answer: &Value, action: &str, actions: &Value) {
    let error = answer["error"].as_str().unwrap();
    assert!(error.contains(&format!("`dynamodb:{action}` on the table `tollgate`")), "{error}");
    assert!(!answer.to_string().contains("123456789012"), "{answer}");
    let policy: Value = serde_json::from_str(answer["policy"].as_str().unwrap()).unwrap();
    let statement = &policy["Statement"][0];
    assert_eq!(statement["Resource"], json!(["arn:aws:dynamodb:*:*:table/tollgate"]));
    assert_eq!(&statement["Action"], actions);
}

#[tokio::test]
async fn a_list_names_the_missing_permission_and_a_subject_is_still_shown() {
    let (spy, bench) = start(false).await;
    spy.deny(&["Scan"]);
    let reads = json!(["dynamodb:GetItem", "dynamodb:Scan"]);
    for path in ["buckets", "plans", "keys", "assignments", "revocations"] {
        assert_explained(&bench.get(path).await, "Scan", &reads);
    }
    assert_eq!(bench.get("subject?name=i%23u").await["subject"], "i#u");
    assert_eq!(bench.get("about").await["table"], "tollgate");

    spy.deny(&["GetItem"]);
    assert_explained(&bench.get("subject?name=i%23u").await, "GetItem", &reads);
    assert_eq!(bench.get("keys").await["items"], json!([]));
}

#[tokio::test]
async fn a_change_names_the_missing_permission_and_every_one_that_changes_need() {
    let (spy, bench) = start(true).await;
    spy.deny(&["PutItem", "UpdateItem"]);
    let (status, answer) = bench.change(&plan(0, 1)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let denied = spy.take().pop().unwrap().0;
    let all = json!([
        "dynamodb:GetItem",
        "dynamodb:Scan",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem"
    ]);
    assert_explained(&answer, &denied, &all);
    spy.deny(&[]);
    assert_eq!(bench.change(&plan(0, 1)).await.0, StatusCode::OK);
}
