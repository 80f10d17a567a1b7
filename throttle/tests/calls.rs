//! I13: how many calls to the store a decision costs, counted and not timed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

#[path = "common/load.rs"]
mod load;

use load::{INSTANCES, LOADS, Load, Outcome};

/// The most calls in thousandths a decision, at each of the loads.
const MOST: [u64; 7] = [1_150, 1_350, 1_500, 1_350, 1_150, 1_150, 1_150];

async fn run(percent: u32, instances: usize, burst: u32, slack: u32) -> Outcome {
    Load { percent, instances, burst, slack }.run(4_000).await
}

#[tokio::test]
async fn a_strict_decision_stays_within_its_calls() {
    for (percent, most) in LOADS.into_iter().zip(MOST) {
        for instances in INSTANCES {
            let most = if instances == 1 { 1_020 } else { most };
            let it = run(percent, instances, 20, 0).await;
            assert!(it.calls <= most, "{} at {percent} % of {instances}", it.calls);
            assert_eq!(it.calls, it.units);
            // Nobody is refused for it: all that comes is let through, or all that is refilled.
            let due = u64::from(percent.min(100)) * 10;
            assert!(it.admitted + 80 >= due, "{} at {percent} %", it.admitted);
        }
    }
}

#[tokio::test]
async fn a_slack_of_a_twentieth_saves_most_of_the_second_calls() {
    for percent in LOADS {
        for instances in INSTANCES {
            let it = run(percent, instances, 400, 20).await;
            assert!(it.calls <= 1_150, "{} at {percent} % of {instances}", it.calls);
            let due = u64::from(percent.min(100)) * 10;
            assert!(it.admitted + 80 >= due, "{} at {percent} %", it.admitted);
        }
    }
}
