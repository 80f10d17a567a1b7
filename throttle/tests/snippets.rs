//! The short examples of `README.md` that are not whole programs.

use std::sync::Arc;

use table as tollgate_table;
use tollgate_throttle::layer::{By, Limits, Plans, json_amount};
use tollgate_throttle::{DynamoStore, Meter, MeterError, PlanId, SystemClock, Throttle};

#[tokio::test]
async fn every_short_example_of_the_readme_is_here() {
    let (readme, here) = (include_str!("../README.md"), include_str!("snippets.rs"));
    let blocks: Vec<_> = readme.split("```rust,ignore\n").skip(1).collect();
    assert_eq!(blocks.len(), 2);
    for line in blocks.iter().flat_map(|block| block.split("```").next().unwrap().lines()) {
        assert!(here.lines().any(|other| other.trim() == line.trim()), "{line}");
    }
    let throttle = Arc::new(Throttle::new(connected().await, SystemClock::new()));
    let plans = Plans::fixed(PlanId::new("free").unwrap());
    settled(Limits::new(throttle, By::header("x-client"), plans)).unwrap();
}

async fn connected() -> DynamoStore {
    let store = DynamoStore::connect("tollgate", &tollgate_table::Connect::new()).await;
    store.clone()
}

fn settled(limits: Limits) -> Result<(), MeterError> {
    let limits = limits.body_meter(
        Meter::new("tokens")?,
        |_request| 800,
        |response| json_amount(response, |json| json.pointer("/usage/total_tokens")?.as_u64()),
    );
    drop(limits);
    Ok(())
}
