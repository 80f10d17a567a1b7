//! How often a decision asks the allocator; a count, so that it holds on any machine.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

mod shop;

use policy::{Caller, MethodArn};
use serde_json::{Map, json};

/// Allocations of one decision: the caller, the document, its JSON.
fn allocations(rules: usize) -> u64 {
    let rules = shop::rules(rules);
    let claims =
        Map::from_iter([("sub".to_owned(), json!("7e1a2b3c-0000-4000-8000-000000000001"))]);
    let arn = format!("{}/GET/resource-0", shop::STAGE);
    let decide = || {
        let arn = MethodArn::parse(&arn).unwrap();
        let caller = Caller::new(&claims).with_scopes(["even"]);
        rules.document(&caller, &arn).unwrap().to_json()
    };
    assert!(decide().contains("/resource-0/export"));
    allocation_counter::measure(|| {
        std::hint::black_box(decide());
    })
    .count_total
}

#[test]
fn allocations_do_not_grow_with_the_rules() {
    let (few, many) = (allocations(20), allocations(200));
    assert!(few <= 30, "{few} for 20 rules");
    assert_eq!(few, many);
}
