//! Hundreds of tasks at once on one subject.

use std::time::Duration;

use crate::bench::Bench;
use crate::setting::{Setting, rate, rate_and_quota};

pub(crate) async fn concurrent_tasks_get_exactly_the_allowed_number(bench: &impl Bench) {
    let it = Setting::new(bench, &rate_and_quota("1000", 120, 70, "DAY")).await;
    assert_eq!(it.storm(500).await, 70);
    it.clock.advance(Duration::from_secs(86_400));
    assert_eq!(it.storm(500).await, 70);

    let it = Setting::named(bench, "burst only", &rate("0.001", 150)).await;
    assert_eq!(it.storm(500).await, 150);
    it.clock.advance(Duration::from_secs(30_000));
    assert_eq!(it.storm(500).await, 30);
}
