//! A parent that 64 instances share stays cool, holds its limit, and can be used up.

use std::time::Duration;

use tollgate_throttle::{Clock, Limit};

use crate::crowd::{Crowd, Seen, two_waves};
use crate::setting::{Setting, rate};

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
        seen.most_writes_a_second(0),
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
    assert!(seen.most_writes_a_second(0) <= 500);
    assert!(seen.most_over() <= 12_000, "more than I2 allows");
    // Two levels, and hardly more than one write a request.
    assert!(seen.all_writes * 10 <= 11 * 40_000, "{}", seen.all_writes);
}

#[tokio::test(start_paused = true)]
async fn a_saturated_parent_is_used_up_and_stays_cool() {
    for burst in [5_000, 1_000] {
        let seen = Crowd { limit: 5_000, burst, ..BUSY }.run().await;
        show(&format!("5,000/s, burst {burst}"), &seen);
        assert!(seen.most_writes_a_second(0) <= 500);
        // What a lease holds is used within a second.
        assert!(seen.most_over() <= 5_000, "more than I2 allows");
        assert!(seen.admitted() <= usize::try_from(burst + 5_000 * 4 + 200).unwrap());
        assert!(seen.used_from(2) >= 950);
    }
}

/// Each instance knows the parent and has a low demand: it charges request by request.
#[tokio::test(start_paused = true)]
async fn a_crowd_at_once_admits_what_the_parent_holds() {
    let (first, second, left) = two_waves(100, 130).await;
    assert_eq!((first, second), (100, 30));
    assert_eq!(left, 100 * 9 - 130, "nobody pays for what the parent refused");
}

#[tokio::test]
async fn a_pause_tells_when_to_come_again() {
    let it = Setting::new([&rate("10000/s", 10_000), &rate("100/s", 100)]);
    let throttle = it.instance();
    let (mut admitted, mut refused) = (0, 0);
    for _ in 0..4_000 {
        it.clock.advance(Duration::from_millis(1));
        let decision = it.decide(&throttle, 2).await;
        if decision.is_allowed() {
            admitted += 1;
            continue;
        }
        refused += 1;
        assert_eq!(decision.refused_by(), [Limit::BURST]);
        assert_eq!(decision.refusing_parent().unwrap().as_str(), "tenant");
        let wait = decision.retry_after().unwrap();
        assert!(wait <= Duration::from_millis(385), "{wait:?}");
        // What is shown as left fits the refusal: nothing, until that wait is over.
        let standing = decision.parents()[0].1.standings()[0];
        assert_eq!(standing.remaining(), 0);
        assert_eq!(standing.resets_after(), Duration::from_millis(990) + wait);
        if refused % 500 == 0 {
            it.clock.advance(wait - Duration::from_nanos(1));
            assert!(!it.decide(&throttle, 2).await.is_allowed(), "a nanosecond too early");
            it.clock.advance(Duration::from_nanos(1));
            assert!(it.decide(&throttle, 2).await.is_allowed());
            admitted += 1;
        }
    }
    // 100 at once, and 100 a second.
    let refilled = it.clock.monotonic().as_millis() / 10;
    assert!(admitted <= 100 + refilled, "{admitted}, and {refilled} refilled");
    assert!(admitted >= refilled, "{admitted}, and {refilled} refilled");
    let of_parent = it.writes().iter().filter(|it| *it == "tenant").count();
    assert!(of_parent <= 70, "{of_parent} writes for {refused} refusals");
}
