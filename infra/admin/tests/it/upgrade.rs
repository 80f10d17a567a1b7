//! Items that an earlier version wrote: every one is read, and counting goes on.

#![allow(clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::time::Duration;

use dynoxide::actions::scan::ScanRequest;
use dynoxide::{Database, ImportOptions, Item};
use serde_json::{Value, json};
use table::Connect;
use throttle::{
    Buckets, Decision, DynamoStore, Leases, Level, Limit, ManualClock, Meter, Period, PlanId,
    Request, Settlement, Subject, Throttle, Timestamp,
};

use crate::support::{Tollgate, fill, serve_database};

/// A table of version 0.1.0 at commit 50d7ecb: four calls, plans, a key and a revocation.
const ITEMS: &str = include_str!("../../../../tests/cases/items/0.1.0-50d7ecb.json");
/// A table of version 0.1.0 at commit e59165e, as [`write`] fills it: meters, a settlement,
/// parents, a key with rights, and leases. `ITEMS=write` writes it anew, by the version that runs.
const LATER: &str = "../../tests/cases/items/0.1.0-e59165e.json";
/// 2026-11-29, a Sunday.
const NOW: u64 = 1_795_910_400_000_000_000;

#[test]
fn items_of_the_earlier_version_are_read_and_counted_on() {
    let recorded: Value = serde_json::from_str(ITEMS).unwrap();
    let (url, database) = serve_database();
    let tollgate = Tollgate::at(&url);
    tollgate.run(&["table", "create"]).done();
    fill(&database, recorded["items"].as_array().unwrap().clone());

    let plans = tollgate.run(&["plan", "list", "--json"]).json();
    let ids: Vec<_> = plans["plans"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, ["free", "gold", "silver"], "{plans}");
    let keys = tollgate.run(&["key", "list", "--json"]).json();
    assert_eq!(keys["keys"][0]["plan"], "silver", "{keys}");
    let revoked = tollgate.run(&["revoke", "list", "--json"]).json().to_string();
    assert!(revoked.contains("2aabd313"), "{revoked}");
    let subject = recorded["subject"].as_str().unwrap();
    let shown = tollgate.run(&["subject", "show", subject, "--json"]).json();
    assert!(shown.to_string().contains("silver"), "{shown}");
    // A plan that was deleted keeps its version, so the next one is newer.
    tollgate.run(&["plan", "put", "old", "--rate", "1", "--burst", "1"]).done();
    let old = tollgate.run(&["plan", "show", "old", "--json"]).json();
    assert_eq!(old["version"], 3, "{old}");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let remaining = runtime.block_on(async {
        let now = Timestamp::from_nanos(recorded["now"].as_u64().unwrap());
        let connect = Connect::emulator(&url).operation_timeout(Duration::from_secs(30));
        let store = DynamoStore::connect("tollgate", &connect).await;
        let throttle = Throttle::new(store, ManualClock::at(now));
        let (subject, plan) = (Subject::new(subject).unwrap(), PlanId::new("free").unwrap());
        let decision = throttle.decide(&Request::new(&subject, &plan)).await.unwrap();
        assert!(decision.is_allowed());
        decision.remaining()
    });
    // At the moment of the file, two tokens of a burst of ten have not come back.
    assert_eq!(remaining, 7);
    for by in ["day", "month"] {
        let line = ["usage", "show", subject, "--by", by, "--to", "2026-11-29", "--json"];
        let used = tollgate.run(&line).json();
        let last = used["values"][subject].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last[0], 5, "{used}");
    }
}

fn id(name: &str) -> PlanId {
    PlanId::new(name).unwrap()
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

async fn throttle(url: &str) -> Throttle<DynamoStore, ManualClock> {
    let connect = Connect::emulator(url).operation_timeout(Duration::from_secs(30));
    let store = DynamoStore::connect("tollgate", &connect).await;
    Throttle::new(store, ManualClock::at(Timestamp::from_nanos(NOW)))
}

/// A request of Maria's within Acme, of 50 tokens.
async fn ask(throttle: &Throttle<DynamoStore, ManualClock>) -> Decision {
    let (maria, acme, user, tenant) = (subject("maria"), subject("acme"), id("user"), id("tenant"));
    let acme = Level::new(&acme, &tenant);
    let request = Request::new(&maria, &user).within(&acme).meter("tokens", 50);
    throttle.decide(&request).await.unwrap()
}

/// The requests of a subject that were counted today, those of its leases included.
async fn used(url: &str, name: &str) -> u64 {
    let client = Connect::emulator(url).client().await;
    let history = Buckets::new(client, "tollgate").usage(&subject(name)).await.unwrap();
    history.used(&Period::Day.window(Timestamp::from_nanos(NOW)))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Fills a table by commands and requests, and returns its items.
fn write() -> Value {
    let (url, database) = serve_database();
    let tollgate = Tollgate::at(&url);
    tollgate.run(&["table", "create"]).done();
    let limits = |rate: u32, burst: u32| {
        json!({"throttle": {"rateLimit": rate, "burstLimit": burst},
               "quota": {"limit": 1_000, "period": "DAY"}})
    };
    let mut user = limits(5, 10);
    user["meters"] = json!({"tokens": {"quota": {"limit": 10_000, "period": "MONTH"}}});
    for (name, plan) in [("user", user), ("tenant", limits(100, 200)), ("busy", limits(500, 500))] {
        tollgate.feed(&["plan", "put", name, "-"], &plan.to_string()).done();
    }
    tollgate.run(&["subject", "assign", "acme", "tenant", "--yes"]).done();
    tollgate.run(&["subject", "assign", "maria", "user", "--parent", "acme", "--yes"]).done();
    let key = ["key", "create", "--plan", "user", "--scope", "orders/read", "--scope"];
    tollgate.run(&[&key[..], &["orders/write", "--context", "tenant=acme"]].concat()).done();
    run(async {
        let throttle = throttle(&url).await;
        for _ in 0..2 {
            assert!(ask(&throttle).await.is_allowed());
        }
        let receipt = ask(&throttle).await.into_receipt().unwrap();
        let real = Settlement::default().meter(Meter::new("tokens").unwrap(), 20);
        throttle.settle(receipt, real).await.unwrap();
        let (paul, busy) = (subject("paul"), id("busy"));
        let throttle = self::throttle(&url).await.leases(Leases::adaptive());
        for _ in 0..100 {
            let decision = throttle.decide(&Request::new(&paul, &busy)).await.unwrap();
            assert!(decision.is_allowed());
        }
    });
    let scan = ScanRequest { table_name: "tollgate".to_owned(), ..ScanRequest::default() };
    let items = database.scan(scan).unwrap().items;
    let used = |name| run(used(&url, name));
    json!({"used": {"paul": used("paul"), "acme": used("acme")}, "items": items})
}

/// A table with the recorded items.
fn later() -> (Value, String, Database) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(LATER);
    if std::env::var("ITEMS").is_ok_and(|it| it == "write") {
        std::fs::write(&file, format!("{:#}\n", write())).unwrap();
    }
    let recorded: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let items: Vec<Item> = serde_json::from_value(recorded["items"].clone()).unwrap();
    let (url, database) = serve_database();
    Tollgate::at(&url).run(&["table", "create"]).done();
    database.import_items("tollgate", items, ImportOptions::default()).unwrap();
    (recorded, url, database)
}

#[test]
fn meters_parents_rights_and_leases_of_the_earlier_version_are_read_and_counted_on() {
    let (recorded, url, _database) = later();
    let tollgate = Tollgate::at(&url);
    let keys = tollgate.run(&["key", "list", "--json"]).json();
    let key = tollgate.run(&["key", "show", keys["keys"][0]["id"].as_str().unwrap(), "--json"]);
    let key = key.json().to_string();
    for right in ["orders/read", "orders/write", "tenant", "acme"] {
        assert!(key.contains(right), "{key}");
    }
    let shown = tollgate.run(&["subject", "show", "maria", "--json"]).json().to_string();
    assert!(shown.contains("\"acme\"") && shown.contains("\"tenant\""), "{shown}");

    run(async {
        let throttle = throttle(&url).await;
        let decision = ask(&throttle).await;
        let left = |decision: &Decision, limit| {
            decision.standings().iter().find(|it| it.limit() == limit).unwrap().remaining()
        };
        // Three were counted before, and the third was settled to 20 of its 50 tokens.
        assert_eq!(left(&decision, Limit::BURST), 10 - 4);
        assert_eq!(left(&decision, Limit::DAILY), 1_000 - 4);
        let tokens = Limit::quota(Meter::new("tokens").unwrap(), Period::Month);
        assert_eq!(left(&decision, tokens), 10_000 - 50 - 50 - 20 - 50);
        // A lease is counted when it is taken, so nothing of it can be used a second time.
        let before = |name: &str| recorded["used"][name].as_u64().unwrap();
        assert!(before("acme") > 3 && before("paul") > 100, "{recorded}");
        let (parent, of_parent) = &decision.parents()[0];
        let expected = ("acme", 1_000 - before("acme") - 1);
        assert_eq!((parent.as_str(), left(of_parent, Limit::DAILY)), expected);
        assert_eq!(used(&url, "paul").await, before("paul"));
        let (paul, busy) = (subject("paul"), id("busy"));
        let decision = throttle.decide(&Request::new(&paul, &busy)).await.unwrap();
        assert_eq!(left(&decision, Limit::DAILY), 1_000 - before("paul") - 1);
    });
}
