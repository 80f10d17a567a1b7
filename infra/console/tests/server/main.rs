//! The server without a browser: who may come in, what is written, and what is vendored.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bench;
mod family;
mod lists;
mod permission;
mod stream;
mod table_spy;

use aws_lc_rs::digest::{SHA256, digest};
use bench::{Bench, TABLE};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use table::Connect;
use throttle::{Buckets, Clock as _, Meter, Period, Plan, Subject, SystemClock};

fn plan(version: u64, burst: u64) -> Value {
    let json = format!(r#"{{"throttle":{{"rateLimit":1,"burstLimit":{burst}}}}}"#);
    json!({"do": "plan_put", "id": "free", "json": json, "version": version})
}

#[tokio::test]
async fn the_token_opens_and_nothing_else_does() {
    let bench = Bench::start(true).await;
    let url = format!("{}/api/about", bench.origin);
    let name = bench.cookie.split('=').next().unwrap();
    for cookie in
        ["", "a=b", &format!("{name}="), &format!("{name}=0"), &format!("{}0", bench.cookie)]
    {
        let answer = bench.client.get(&url).header(header::COOKIE, cookie).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{cookie}");
    }
    let known = bench.client.get(&url).header(header::COOKIE, &bench.cookie);
    for (header, value) in [
        (header::HOST, "evil.example"),
        (header::HOST, "127.0.0.1:1"),
        (header::ORIGIN, "http://evil.example"),
        (header::ORIGIN, "null"),
        (header::HeaderName::from_static("sec-fetch-site"), "cross-site"),
    ] {
        let request = known.try_clone().unwrap().header(&header, value);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{header}: {value}");
    }
    let own = known.try_clone().unwrap().header(header::ORIGIN, &bench.origin);
    assert_eq!(own.send().await.unwrap().status(), StatusCode::OK);
    for wrong in ["?token=", "?token=0", "", "?other=1"] {
        let answer = bench.client.get(format!("{}/{wrong}", bench.origin)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(!answer.headers().contains_key(header::SET_COOKIE));
    }
    bench.console.shutdown().await;
}

#[tokio::test]
async fn a_write_needs_its_header_and_a_console_that_writes() {
    let bench = Bench::start(false).await;
    let url = format!("{}/api/change", bench.origin);
    let body = json!({"change": plan(0, 1)});
    let plain = bench.client.post(&url).header(header::COOKIE, &bench.cookie).json(&body);
    assert_eq!(plain.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let (status, answer) = bench.change(&plan(0, 1)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(answer["error"].as_str().unwrap().contains("--allow-writes"), "{answer}");
    assert_eq!(bench.get("plans").await["items"], json!([]));
    // The command is shown all the same.
    let body = json!({"change": plan(0, 1), "preview": true});
    let shown: Value = bench.post("change", &body).await.json().await.unwrap();
    let command = shown["command"].as_str().unwrap();
    assert!(command.starts_with("echo '{") && command.contains("plan put free - --if-version 0"));
}

#[tokio::test]
async fn every_change_has_an_undo_and_the_second_of_two_a_conflict() {
    let bench = Bench::start(true).await;
    let (status, made) = bench.change(&plan(0, 10)).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let (_, changed) = bench.change(&plan(1, 20)).await;
    assert_eq!(bench.change(&plan(1, 30)).await.0, StatusCode::CONFLICT);
    assert_eq!(bench.change(&plan(0, 30)).await.0, StatusCode::CONFLICT);
    assert_eq!(bench.get("plans").await["items"][0]["burst"], 20);
    let (_, undone) = bench.change(&changed["undo"]).await;
    assert_eq!(bench.get("plans").await["items"][0]["burst"], 10, "{undone}");

    let assign = json!({"do": "subject_assign", "subject": "a#b", "plan": "free", "version": 0});
    let (_, assigned) = bench.change(&assign).await;
    assert_eq!(bench.change(&assign).await.0, StatusCode::CONFLICT);
    let delete = json!({"do": "plan_delete", "id": "free", "version": 3});
    let (status, used) = bench.change(&delete).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(used["error"].as_str().unwrap().contains("assigned to 1"), "{used}");
    bench.change(&assigned["undo"]).await;
    assert_eq!(bench.get("assignments").await["items"], json!([]));
    let (_, deleted) = bench.change(&delete).await;
    assert_eq!(bench.get("plans").await["items"], json!([]));
    bench.change(&deleted["undo"]).await;
    assert_eq!(bench.get("plans").await["items"][0]["id"], "free");

    let create = json!({"do": "key_create", "subject": null, "plan": null, "name": "n", "days": 1});
    let (_, created) = bench.change(&create).await;
    assert_eq!(created["key"].as_str().unwrap().len(), 80);
    bench.change(&created["undo"]).await;
    let keys = bench.get("keys").await;
    assert_eq!(
        (&keys["items"][0]["enabled"], &keys["items"][0]["name"]),
        (&json!(false), &json!("n"))
    );
    assert!(!keys.to_string().contains(created["key"].as_str().unwrap()));

    let revoke = json!({"do": "revoke", "kind": "user", "issuer": "i", "id": "u", "hours": 1,
        "reason": "left"});
    let (_, revoked) = bench.change(&revoke).await;
    let before = bench.get("revocations").await["items"][0].clone();
    let (_, undone) = bench.change(&revoked["undo"]).await;
    assert_eq!(bench.get("revocations").await["items"], json!([]));
    bench.change(&undone["undo"]).await;
    let after = bench.get("revocations").await["items"][0].clone();
    for member in ["id", "reason", "issuedBefore", "expires"] {
        assert_eq!(before[member], after[member], "{member}");
    }
}

#[tokio::test]
async fn plans_are_listed_with_start_days_and_meters_that_only_report() {
    let bench = Bench::start(true).await;
    let plan = r#"{"quota": [{"limit": 5, "period": "DAY"},
        {"limit": 7, "period": "WEEK", "startDay": "SUNDAY"}],
        "meters": {"tokens": {"quota": {"limit": 9, "period": "DAY"}, "enforce": false}}}"#;
    let put = json!({"do": "plan_put", "id": "a", "json": plan, "version": 0});
    assert_eq!(bench.change(&put).await.0, StatusCode::OK);
    let listed = bench.get("plans").await["items"][0].clone();
    let quotas = json!([
        {"period": "DAY", "limit": 5, "startDay": 1},
        {"period": "WEEK", "limit": 7, "startDay": 7},
    ]);
    assert_eq!((&listed["quotas"], &listed["reports"]), (&quotas, &json!(["tokens"])));
}

/// A grant in another period or meter has no effect, so it is refused, as in the command line.
#[tokio::test]
async fn a_grant_is_for_a_quota_of_the_subjects_plan() {
    let endpoint = bench::database().await;
    let client = Connect::emulator(&endpoint).client().await;
    table::create(&client, TABLE).await.unwrap();
    let bench = Bench::on(client.clone(), &endpoint, true).await;
    let grant = |subject: &str, meter: Option<&str>, period: &str| {
        json!({"do": "usage_grant", "subject": subject, "extra": 7, "meter": meter,
            "period": period, "id": "ticket"})
    };
    let plan = r#"{"quota": {"limit": 5, "period": "MONTH", "startDay": 28},
        "meters": {"tokens": {"quota": {"limit": 9, "period": "WEEK"}}}}"#;
    bench.change(&json!({"do": "plan_put", "id": "a", "json": plan, "version": 0})).await;
    bench
        .change(&json!({"do": "subject_assign", "subject": "i#u", "plan": "a", "version": 0}))
        .await;
    for (subject, meter, period, why) in [
        ("i#v", None, "MONTH", "`i#v` has no plan, and so no quota: assign it one first"),
        ("i#u", None, "DAY", "the plan `a` has no quota of requests for a day: choose a month"),
        ("i#u", Some("tokens"), "MONTH", "no quota of tokens for a month: choose a week"),
        ("i#u", Some("images"), "DAY", "the plan `a` has no meter `images`: it has `requests`"),
    ] {
        let change = grant(subject, meter, period);
        let body = json!({"change": change, "preview": true});
        let seen: Value = bench.post("change", &body).await.json().await.unwrap();
        assert!(seen["error"].as_str().unwrap_or_default().contains(why), "{seen}");
        let (status, answer) = bench.change(&change).await;
        assert_eq!((status.as_u16(), &answer["error"]), (400, &seen["error"]));
    }
    // Nothing has been used, so the assigned plan names the month.
    let (_, granted) = bench.change(&grant("i#u", None, "MONTH")).await;
    assert_eq!(granted["text"], "granted `i#u` 7 requests, 7 in all");
    let bucket = Buckets::new(client, TABLE).get(&Subject::new("i#u").unwrap()).await;
    let (now, plan) = (SystemClock::new().now(), Plan::from_json(plan).unwrap());
    let month = plan.window(Meter::REQUESTS, Period::Month, now);
    assert_eq!(bucket.unwrap().unwrap().history.granted(&month), 7);
}

#[tokio::test]
async fn hostile_input_is_refused_in_words() {
    let bench = Bench::start(true).await;
    let long = "x".repeat(70_000);
    for change in [
        json!({"do": "plan_put", "id": "", "json": "{\"unlimited\":true}", "version": 0}),
        json!({"do": "plan_put", "id": "a\u{7}b", "json": "{\"unlimited\":true}", "version": 0}),
        json!({"do": "plan_put", "id": "a", "json": "{", "version": 0}),
        json!({"do": "plan_put", "id": "a", "json": long, "version": 0}),
        json!({"do": "key_enable", "id": "../../etc"}),
        json!({"do": "subject_assign", "subject": "a\nb", "plan": "free", "version": 0}),
        json!({"do": "subject_assign", "subject": "*", "parent": "a", "version": 0}),
        json!({"do": "subject_assign", "subject": "a", "parent": "*", "version": 0}),
        json!({"do": "key_create", "subject": "*", "plan": null, "name": null, "days": 1}),
        json!({"do": "key_create", "subject": "everyone", "plan": null, "name": null, "days": 1}),
        json!({"do": "usage_grant", "subject": "a", "extra": 0, "period": "DAY", "id": "1"}),
        json!({"do": "revoke", "kind": "planet", "issuer": "i", "id": "u"}),
        json!({"do": "revoke_undo", "id": "user#0"}),
    ] {
        let (status, answer) = bench.change(&change).await;
        assert!(status.is_client_error(), "{change}: {status} {answer}");
        assert!(answer["error"].is_string(), "{change}");
    }
    for body in [json!(null), json!({"change": {"do": "drop_table"}}), json!([long])] {
        assert!(bench.post("change", &body).await.status().is_client_error());
    }
}

#[tokio::test]
async fn a_table_that_is_missing_is_said_and_not_a_panic() {
    let client = Connect::emulator("http://127.0.0.1:9").client().await;
    let bench = Bench::on(client, "http://127.0.0.1:9", true).await;
    for path in ["plans", "keys", "buckets", "assignments", "revocations", "subject?name=a"] {
        let answer = bench.get(path).await;
        assert!(answer["error"].is_string(), "{path}: {answer}");
    }
}

#[test]
fn the_vendored_files_are_the_ones_that_are_listed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor");
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let listed = readme.lines().filter(|line| line.get(64..66) == Some("  "));
    let mut count = 0;
    for (sum, name) in listed.filter_map(|line| line.split_once("  ")) {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let found: String =
            digest(&SHA256, &bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, sum, "{name}");
        count += 1;
    }
    assert_eq!(count, 3);
}
