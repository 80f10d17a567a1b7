//! Refunds and settlements of requests within parents, also of parents that a lease serves.

use std::time::Duration;

use tollgate_throttle::{Receipt, Refund};

use crate::setting::{Instance, Setting, both};

async fn charge(it: &Setting, throttle: &Instance, cost: u32) -> Receipt {
    let request = it.request(3).cost(cost).with_receipt();
    throttle.decide(&request).await.unwrap().into_receipt().unwrap()
}

#[tokio::test]
async fn a_correction_reaches_every_level() {
    let it = Setting::new([&both("1/h", 90, 500), &both("1/h", 80, 400), &both("1/h", 70, 300)]);
    let throttle = it.instance();
    let left = async || [it.left(0).await, it.left(1).await, it.left(2).await];
    let minus = |n: u64| [[90 - n, 500 - n], [80 - n, 400 - n], [70 - n, 300 - n]];
    let receipt = charge(&it, &throttle, 5).await;
    assert_eq!(receipt.cost(), 5);
    assert_eq!(left().await, minus(5));
    assert_eq!(throttle.refund(receipt, 3).await, Ok(Refund::Made));
    assert_eq!(left().await, minus(2));
    let receipt = charge(&it, &throttle, 5).await;
    throttle.settle(receipt, 9).await.unwrap();
    assert_eq!(left().await, minus(11));
    // Above what is left: debt, at each level.
    let receipt = charge(&it, &throttle, 1).await;
    throttle.settle(receipt, 75).await.unwrap();
    assert_eq!(it.left(0).await, [90 - 86, 500 - 86]);
    assert_eq!(it.left(2).await, [0, 300 - 86]);
    let refused = it.decide(&throttle, 3).await;
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(3_600) * 17));
}

/// Many requests a second: the parents are served from leases.
async fn busy(it: &Setting) -> Instance {
    let throttle = it.instance();
    for _ in 0..300 {
        it.clock.advance(Duration::from_millis(5));
        assert!(it.decide(&throttle, 3).await.is_allowed());
    }
    assert!(throttle.stats().parents_leased > 400, "{:?}", throttle.stats());
    it.writes();
    throttle
}

#[tokio::test]
async fn tokens_of_a_lease_go_back_to_it_and_are_used_again() {
    let plan = both("1/min", 9_000, 900_000);
    let it = Setting::new([&plan, &plan, &plan]);
    let throttle = busy(&it).await;
    // One request again and again: what it gives back serves the next one.
    for _ in 0..2_000 {
        let receipt = charge(&it, &throttle, 1).await;
        assert_eq!(throttle.refund(receipt, 1).await, Ok(Refund::Made));
    }
    let writes = it.writes();
    let of_parents = writes.iter().filter(|it| *it != "user").count();
    assert!(of_parents <= 4, "{of_parents}");
    // A settlement above the reservation takes from the lease too, and the rest is charged.
    let used = async |at| 9_000 - it.left(at).await[0];
    let before = [used(0).await, used(1).await, used(2).await];
    let receipt = charge(&it, &throttle, 1).await;
    throttle.settle(receipt, 500).await.unwrap();
    let grew = [used(0).await - before[0], used(1).await - before[1], used(2).await - before[2]];
    assert_eq!(grew[0], 500);
    // The leases held at most a hundred tokens.
    assert!(grew[1] >= 380 && grew[2] >= 380, "{grew:?}");
}

#[tokio::test]
async fn after_a_lease_has_ended_a_correction_goes_to_the_item() {
    let plan = both("1/min", 9_000, 900_000);
    let it = Setting::new([&plan, &plan, &plan]);
    let throttle = busy(&it).await;
    let mut receipts = Vec::new();
    for _ in 0..2 {
        let receipt = charge(&it, &throttle, 3).await;
        receipts.push(receipt);
    }
    it.clock.advance(Duration::from_secs(2));
    let before = [it.left(1).await, it.left(2).await];
    throttle.refund(receipts.pop().unwrap(), 2).await.unwrap();
    throttle.settle(receipts.pop().unwrap(), 7).await.unwrap();
    let after = [it.left(1).await, it.left(2).await];
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after[1] + 2, before[1], "the quota: two back, four more");
        assert_eq!(after[0] + 2, before[0], "and the rate");
    }
}

/// The subject's limits refuse: the tokens of the parents' leases serve others.
#[tokio::test]
async fn a_lease_gets_back_what_another_level_refuses() {
    let plan = both("1/min", 9_000, 900_000);
    let it = Setting::new([&both("1/min", 800, 900_000), &plan, &plan]);
    let throttle = busy(&it).await;
    // Until there are new leases.
    while !it.writes().contains(&"service".to_owned()) {
        assert!(it.decide(&throttle, 3).await.is_allowed());
    }
    it.use_up(0).await;
    let used = it.left(2).await;
    for _ in 0..300 {
        // Nothing is remembered for longer than a second.
        let other = it.instance();
        assert!(!it.decide(&other, 1).await.is_allowed());
        assert!(!it.decide(&throttle, 3).await.is_allowed());
    }
    assert_eq!(it.left(2).await, used);
}
