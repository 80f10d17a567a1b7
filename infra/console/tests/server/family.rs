//! Hierarchies: parents are a few reads, children one part of the table at a time.

use authorizer::Config;
use console::{Options, Source, TableAt};
use serde_json::{Value, json};
use table::{Assignment, Connect, Items};

use crate::bench::{Bench, TABLE, database};
use crate::table_spy::TableSpy;

async fn start(assigned: &[(&str, &str)]) -> (TableSpy, Bench) {
    let spy = TableSpy::start().await;
    let client = Connect::emulator(spy.endpoint()).client().await;
    table::create(&client, TABLE).await.unwrap();
    let assignments = Items::<Assignment>::new(client.clone(), TABLE);
    for (subject, parent) in assigned {
        assignments.put(Assignment::new(*subject).with_parent(*parent)).await.unwrap();
    }
    let bench = Bench::on(client, spy.endpoint(), true).await;
    spy.take();
    (spy, bench)
}

fn names(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|it| it["subject"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn parents_are_listed_nearest_first_and_a_wrong_chain_ends() {
    let chain = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("x", "y"), ("y", "x")];
    let (spy, bench) = start(&chain).await;
    let parents = bench.get("subject?name=b").await["parents"].clone();
    assert_eq!(
        (names(&parents["items"]), &parents["problem"]),
        (vec!["c", "d", "e"], &json!(null))
    );
    spy.take();
    let long = bench.get("subject?name=a").await["parents"].clone();
    assert_eq!(names(&long["items"]), ["b", "c", "d"]);
    assert!(long["problem"].as_str().unwrap().contains("four levels"), "{long}");
    // The subject's bucket and assignment, and those of three parents.
    let calls = spy.take();
    assert_eq!(calls.len(), 8, "{calls:?}");
    assert!(calls.iter().all(|(action, _)| action == "GetItem"));
    let ring = bench.get("subject?name=x").await["parents"].clone();
    assert_eq!(names(&ring["items"]), ["y"]);
    assert!(ring["problem"].as_str().unwrap().contains("loop"), "{ring}");
}

#[tokio::test]
async fn a_parent_is_assigned_and_removed_and_its_chain_is_checked_before() {
    let (_spy, bench) = start(&[("team", "acme"), ("a", "b"), ("b", "c"), ("c", "d")]).await;
    let assign = |parent: &str, version: u64| {
        let change = "subject_assign";
        json!({"do": change, "subject": "zoe", "parent": parent, "version": version})
    };
    let preview = async |change: Value| {
        let body = json!({"change": change, "preview": true});
        bench.post("change", &body).await.json::<Value>().await.unwrap()
    };
    let seen = preview(assign("team", 0)).await;
    let command = seen["command"].as_str().unwrap();
    assert!(command.contains("subject assign zoe --parent team --if-version 0 --yes"), "{seen}");
    assert!(seen["warning"].as_str().unwrap().contains("`team` is assigned no plan"), "{seen}");
    let (_, assigned) = bench.change(&assign("team", 0)).await;
    assert_eq!(assigned["text"], "`zoe` is within `team`");
    assert_eq!(bench.change(&assign("team", 0)).await.0, 409);
    for (parent, why) in [("zoe", "loop"), ("a", "four levels"), ("a\nb", "parent's name")] {
        let (status, answer) = bench.change(&assign(parent, 1)).await;
        assert_eq!(status, 400, "{parent}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
        assert!(preview(assign(parent, 1)).await["error"].is_string(), "{parent}");
    }
    // What would be left is nothing.
    assert_eq!(bench.change(&assign("", 1)).await.0, 400);
    let (_, moved) = bench.change(&assign("acme", 1)).await;
    let (_, undone) = bench.change(&moved["undo"]).await;
    assert_eq!(undone["text"], "`zoe` is within `team`");
    let delete = json!({"do": "subject_unassign", "subject": "zoe"});
    let (_, deleted) = bench.change(&delete).await;
    bench.change(&deleted["undo"]).await;
    let found = bench.get("assignments?search=zoe").await["items"][0].clone();
    assert_eq!((&found["parent"], &found["plan"]), (&json!("team"), &json!(null)));
}

/// Assigned below, where only a search of the table finds them.
#[tokio::test]
async fn levels_below_the_subject_count_before_the_write() {
    let chain = [("u", "team"), ("team", "acme"), ("x", "y"), ("v", "acme")];
    let (_spy, bench) = start(&chain).await;
    let within = |parent: &str| json!({"do": "subject_assign", "subject": "acme", "parent": parent, "version": 0});
    let (status, answer) = bench.change(&within("x")).await;
    assert_eq!(status, 400, "{answer}");
    let error = answer["error"].as_str().unwrap();
    assert!(
        error.contains("`u` → `team` → `acme` → `x` → `y` has more than four levels"),
        "{error}"
    );
    assert_eq!(
        bench.get("assignments?search=acme&from=").await["items"].as_array().unwrap().len(),
        2
    );
    // `u` is at the fourth level then.
    let (status, answer) = bench.change(&within("y")).await;
    assert_eq!((status.as_u16(), &answer["text"]), (200, &json!("`acme` is within `y`")));
}

const CONFIG: &str = r#"
[[issuer]]
user_pool = "us-east-1_abcDEF123"
clients = "any"
token_use = "access"

[[rule]]
name = "all"
allow = ["GET /*"]
everyone = true

[throttle]
table = "tollgate"
subject = "sub"
plan = { assigned = true, default = "free" }
parents = ["custom:tenant", { parent = "*", plan = "all" }]
refuse = "deny"
"#;

#[tokio::test]
async fn parents_of_the_configuration_are_levels_too() {
    let endpoint = database().await;
    let client = Connect::emulator(&endpoint).client().await;
    table::create(&client, TABLE).await.unwrap();
    let assignments = Items::<Assignment>::new(client.clone(), TABLE);
    for (subject, parent) in [("team", "acme"), ("user", "lead")] {
        assignments.put(Assignment::new(subject).with_parent(parent)).await.unwrap();
    }
    let config = Config::parse(CONFIG, "tollgate.toml").unwrap();
    let source = Source { place: "tollgate.toml".into(), text: CONFIG.into(), config };
    let at = TableAt { client, table: TABLE.to_owned(), endpoint: Some(endpoint) };
    let options = Options { at, sources: vec![source], writes: true, local: None };
    let bench = Bench::with(options).await;
    let assign = |subject: &str, parent: &str| json!({"do": "subject_assign", "subject": subject, "parent": parent, "version": 0});
    for (subject, parent, why) in [
        (
            "zoe",
            "team",
            "`zoe` → `team` → `acme` → the claim `custom:tenant` → `everyone` has more",
        ),
        // `user` is two levels below.
        (
            "lead",
            "acme",
            "`user` → `lead` → `acme` → the claim `custom:tenant` → `everyone` has more",
        ),
    ] {
        let (status, answer) = bench.change(&assign(subject, parent)).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
    }
    // A plan of the configuration is one.
    let change = json!({"change": assign("zoe", "everyone"), "preview": true});
    let seen: Value = bench.post("change", &change).await.json().await.unwrap();
    assert_eq!((&seen["warning"], &seen["error"]), (&json!(null), &json!(null)), "{seen}");
    let (status, answer) = bench.change(&assign("zoe", "acme")).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn levels_below_are_looked_for_within_bounds() {
    let (spy, bench) = start(&[]).await;
    let client = Connect::emulator(spy.endpoint()).client().await;
    for at in 0..40 {
        let text = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
        let item = client.put_item().table_name(TABLE).item("pk", text(format!("Z#{at:02}")));
        item.item("filler", text("x".repeat(390_000))).send().await.unwrap();
    }
    spy.take();
    let within = json!({"do": "subject_assign", "subject": "a", "parent": "b", "version": 0});
    let (status, answer) = bench.change(&within).await;
    assert_eq!(status, 200, "{answer}");
    let text = answer["text"].as_str().unwrap();
    assert!(text.contains("in the first 10 MB of the table"), "{text}");
    assert_eq!(spy.take().iter().filter(|(action, _)| action == "Scan").count(), 10);
}

#[tokio::test]
async fn children_are_those_with_this_parent_alone() {
    let (spy, bench) = start(&[("u1", "team"), ("u2", "team"), ("u3", "teams")]).await;
    let answer = bench.get("children?search=team").await;
    let calls = spy.take();
    let mut found = names(&answer["items"]);
    found.sort_unstable();
    assert_eq!(found, ["u1", "u2"]);
    assert_eq!(answer["next"], json!(null));
    assert_eq!(calls.iter().filter(|(action, _)| action == "Scan").count(), 1);
    assert_eq!(calls.len(), 3, "one part, and the bucket of each child: {calls:?}");
    assert_eq!(bench.get("children?search=").await["items"], json!([]));
}
