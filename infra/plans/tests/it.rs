//! Plans of a deployment, in an embedded table, and answers to an HTTP server.

#![expect(clippy::unwrap_used, reason = "tests fail loudly, in their helpers too")]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::put;
use dynoxide::Database;
use plans::{Error, Event, Status, Wanted};
use serde_json::{Value, json};
use table::Connect;
use throttle::{ManualClock, PlanId, Plans};

const FREE: &str = r#"{"throttle": {"rateLimit": 5, "burstLimit": 10}}"#;

async fn table() -> Plans {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let database = Database::memory().unwrap();
    tokio::spawn(async move { dynoxide::server::serve_on(listener, database).await });
    let connect = Connect::emulator(&url).operation_timeout(std::time::Duration::from_secs(30));
    let client = connect.client().await;
    table::create(&client, "tollgate").await.unwrap();
    Plans::new(client, "tollgate")
}

fn wanted(plans: &str, needed: &[&str]) -> Wanted {
    serde_json::from_value(json!({"Plans": plans, "Needed": needed})).unwrap()
}

async fn version(table: &Plans, id: &str) -> Option<u64> {
    let plan = table.get(&PlanId::new(id).unwrap()).await.unwrap();
    plan.map(|plan| plan.version)
}

#[tokio::test]
async fn a_plan_is_stored_once_and_again_when_it_changes() {
    let (table, clock) = (table().await, ManualClock::default());
    let plans = format!(r#"{{"free": {FREE}, "gold": {{"unlimited": true}}}}"#);
    let first = wanted(&plans, &["free"]);
    assert_eq!(first.store(&table, &clock).await.unwrap(), ["free", "gold"]);
    assert!(first.store(&table, &clock).await.unwrap().is_empty());
    let changed = wanted(&plans.replace("10", "20"), &["free"]);
    assert_eq!(changed.store(&table, &clock).await.unwrap(), ["free"]);
    assert_eq!((version(&table, "free").await, version(&table, "gold").await), (Some(2), Some(1)));
    // A plan that is no longer listed stays: callers may be on it.
    assert!(wanted("{}", &["gold"]).store(&table, &clock).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_wrong_plan_changes_nothing_and_is_named() {
    let (table, clock) = (table().await, ManualClock::default());
    for (plans, said) in [
        ("[]", "`Plans` must be a JSON object of plans by name"),
        ("", "`Plans` must be a JSON object of plans by name"),
        (r#"{"a": FREE, "b": {}}"#, "plan `b`: "),
        (r#"{"a": FREE, "b": {"throttle": {"rateLimit": -1, "burstLimit": 1}}}"#, "plan `b`: "),
        (r#"{"a": FREE, "b": {"throttel": {}}}"#, "plan `b`: "),
        (r#"{"a": FREE, "": FREE}"#, "`` is not a plan's name"),
    ] {
        let error = wanted(&plans.replace("FREE", FREE), &[]).store(&table, &clock).await;
        let error = error.unwrap_err();
        assert!(error.to_string().starts_with(said), "{plans}: {error}");
        assert!(!error.is_temporary(), "{error}");
        assert_eq!(version(&table, "a").await, None, "{plans}");
    }
    let missing = wanted("{}", &["free"]).store(&table, &clock).await.unwrap_err();
    assert!(matches!(missing, Error::Missing(name) if name == "free"));
}

#[tokio::test]
async fn a_layer_without_the_configuration_is_named() {
    let (table, clock) = (table().await, ManualClock::default());
    let plans = format!(r#"{{"free": {FREE}}}"#);
    let with = |file: &str| -> Wanted {
        serde_json::from_value(json!({"Plans": plans, "Configuration": file})).unwrap()
    };
    let error = with("/opt/none.toml").store(&table, &clock).await.unwrap_err();
    assert!(error.to_string().starts_with("no file `/opt/none.toml`: the layer"), "{error}");
    assert!(!error.is_temporary(), "{error}");
    assert_eq!(version(&table, "free").await, None);
    let there = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    assert_eq!(with(there).store(&table, &clock).await.unwrap(), ["free"]);
}

#[tokio::test]
async fn a_table_that_is_unavailable_may_be_tried_again() {
    let client = Connect::emulator("http://127.0.0.1:9").client().await;
    let table = Plans::new(client, "tollgate");
    let plans = format!(r#"{{"free": {FREE}}}"#);
    let error = wanted(&plans, &[]).store(&table, &ManualClock::default()).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
}

/// The request that CloudFormation documents, and the answer that it waits for.
#[tokio::test]
async fn cloudformation_gets_its_answer() {
    let got = Arc::<Mutex<Vec<(Option<String>, Value)>>>::default();
    let sink = Arc::clone(&got);
    let router = Router::new().route(
        "/answer",
        put(move |headers: HeaderMap, body: String| async move {
            let kind = headers.get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
            sink.lock().unwrap().push((kind, serde_json::from_str(&body).unwrap()));
            StatusCode::OK
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/answer", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let event = |kind: &str, id: Option<&str>, rules: &str| {
        let mut event = json!({
            "RequestType": kind, "ResponseURL": url, "StackId": "stack", "RequestId": "request",
            "LogicalResourceId": "Plans", "ResourceType": "Custom::Plans",
            "ResourceProperties": {"ServiceToken": "arn", "Plans": "{}", "Needed": ["free"],
                                   "Settings": ["256", [rules, "free"]]},
        });
        if let Some(id) = id {
            event["PhysicalResourceId"] = id.into();
        }
        let Event::Resource(resource) = serde_json::from_value(event).unwrap() else {
            panic!("it has a request type");
        };
        resource
    };
    assert!(event("Create", None, "a").wanted().is_some());
    assert!(event("Update", Some("plans"), "a").wanted().is_some());
    assert!(event("Delete", Some("old"), "a").wanted().is_none());
    for (kind, id, rules) in [("Create", None, "a"), ("Delete", Some("old"), "a")] {
        event(kind, id, rules).answer(Status::Failed, "why".to_owned()).send().await.unwrap();
    }
    for rules in ["a", "b"] {
        let answer = event("Update", Some("plans"), rules);
        answer.answer(Status::Success, String::new()).send().await.unwrap();
    }
    let mut got = got.lock().unwrap();
    // The digest is another for other settings, and for those alone.
    let digest = |(_, body): &mut (_, Value)| body.as_object_mut().unwrap().remove("Data");
    let digests: Vec<_> = got.iter_mut().map(digest).collect();
    assert_eq!(digests[0].as_ref().unwrap()["Settings"].as_str().unwrap().len(), 64);
    assert_eq!((&digests[0], &digests[1]), (&digests[2], &None));
    assert_ne!(digests[2], digests[3]);
    let expected = |status: &str, reason: &str, id: &str| {
        let body = json!({
            "Status": status, "Reason": reason, "PhysicalResourceId": id, "StackId": "stack",
            "RequestId": "request", "LogicalResourceId": "Plans",
        });
        (None, body)
    };
    let updated = expected("SUCCESS", "", "plans");
    let expected = [
        expected("FAILED", "why", "plans"),
        expected("FAILED", "why", "old"),
        updated.clone(),
        updated,
    ];
    assert_eq!(*got, expected);
}

#[test]
fn a_name_that_no_table_has_is_an_error_at_the_start() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_plans"));
    let ran = command.env("TOLLGATE_TABLE", "t").output().unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(!ran.status.success() && said.contains("cannot name a table"), "{said}");
}
