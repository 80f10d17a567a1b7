//! Items that an earlier version wrote: every one is read, and counting goes on.

#![allow(clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::time::Duration;

use serde_json::Value;
use table::Connect;
use throttle::{DynamoStore, ManualClock, PlanId, Request, Subject, Throttle, Timestamp};

use crate::support::{Tollgate, fill, serve_database};

/// A table of version 0.1.0 at commit 50d7ecb: four calls, plans, a key and a revocation.
const ITEMS: &str = include_str!("../../../../tests/cases/items/0.1.0-50d7ecb.json");

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
