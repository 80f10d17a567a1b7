//! A parent that 64 instances share stays cool, holds its limit, and can be used up.

use crate::crowd::{Crowd, Seen};

/// 10,000 requests a second.
const BUSY: Crowd =
    Crowd { instances: 64, demand: 10, limit: 12_000, burst: 12_000, secs: 4, subjects: 5_000 };

fn show(what: &str, seen: &Seen) {
    let leased: u64 = seen.stats.iter().map(|it| it.parents_leased).sum();
    println!(
        "{what}: {} admitted, {} refused, {} writes of {} to the parent, at most {} in a second, \
         {} leased, {} \u{2030} used, {} over",
        seen.admitted(),
        seen.refused(),
        seen.writes_of_parent(),
        seen.all_writes,
        seen.most_writes_a_second(),
        leased,
        seen.used_from(2),
        seen.most_over(),
    );
}

#[tokio::test(start_paused = true)]
async fn a_parent_with_room_refuses_nothing_and_stays_cool() {
    let seen = BUSY.run().await;
    show("12,000/s", &seen);
    assert_eq!(seen.refused(), 0);
    assert!(seen.most_writes_a_second() <= 500);
}

#[tokio::test(start_paused = true)]
async fn a_saturated_parent_is_used_up_and_stays_cool() {
    for burst in [5_000, 1_000, 200] {
        let seen = Crowd { limit: 5_000, burst, ..BUSY }.run().await;
        show(&format!("5,000/s, burst {burst}"), &seen);
    }
}
