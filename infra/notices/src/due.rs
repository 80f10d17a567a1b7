//! The notices that a bucket makes due: pure arithmetic.

use table::NoticeId;
use throttle::{BucketRecord, PlanRecord, Timestamp, Window};

/// The shares of a quota that cause a notice, in hundredths.
pub const THRESHOLDS: [u8; 2] = [80, 100];

/// A due notice with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its identity.
    pub id: NoticeId,
    /// The period.
    pub window: Window,
    /// The amount used, of the meter of the window's counter.
    pub used: u64,
    /// The quota, including grants.
    pub limit: u64,
}

/// Returns the notices that a bucket makes due under its plan, in the periods of `now`.
///
/// Ordered by the plan's meters, requests first, and their quotas; the lower share first.
#[must_use]
pub fn due(bucket: &BucketRecord, plan: &PlanRecord, now: Timestamp) -> Vec<Due> {
    let mut all = Vec::new();
    let quotas = plan.plan.every_meter();
    let quotas = quotas.flat_map(|(meter, it)| it.quotas().iter().map(move |it| (meter, it)));
    for (meter, quota) in quotas {
        let window = quota.window(now).of(meter);
        let used = bucket.history.used(&window);
        let left = bucket.history.remaining(plan, *quota, &window);
        // Use can be above the limit only if the plan was lowered.
        let limit = used.saturating_add(left);
        for percent in THRESHOLDS {
            let reached = u128::from(used) * 100 >= u128::from(limit) * u128::from(percent);
            if used > 0 && reached {
                let counter = window.counter.to_string();
                let id = NoticeId::new(bucket.subject.as_str(), &counter, percent);
                all.extend(id.map(|id| Due { id, window, used, limit }));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use table::{Attributes, Item as _};
    use throttle::{Plan, PlanId};

    use super::*;

    /// 2026-11-21T09:00:00Z.
    const NOW: Timestamp = Timestamp::from_secs(1_795_251_600);

    fn plan(quotas: &str) -> PlanRecord {
        let plan = Plan::from_json(format!(r#"{{"quota": {quotas}}}"#)).unwrap();
        let created = Timestamp::from_secs(1_795_000_000);
        PlanRecord { id: PlanId::new("free").unwrap(), plan, version: 1, created }
    }

    fn used(counters: &[(&str, i64)]) -> BucketRecord {
        let json: Vec<_> =
            counters.iter().map(|(name, used)| format!(r#""{name}":{{"N":"{used}"}}"#)).collect();
        let item: serde_dynamo::Item =
            serde_json::from_str(&format!("{{{}}}", json.join(","))).unwrap();
        let item: Attributes = item.into();
        BucketRecord::read("maria", &item).unwrap().unwrap()
    }

    fn told(quotas: &str, counters: &[(&str, i64)]) -> Vec<(String, u8, u64, u64)> {
        let due = due(&used(counters), &plan(quotas), NOW).into_iter();
        due.map(|due| (due.id.counter().to_owned(), due.id.percent(), due.used, due.limit))
            .collect()
    }

    const DAILY: &str = r#"{"limit": 10, "period": "DAY"}"#;

    #[test]
    fn the_shares_are_reached_exactly() {
        let day = "d20261121";
        assert_eq!(told(DAILY, &[]), []);
        assert_eq!(told(DAILY, &[(day, 7)]), []);
        let eighty = (day.to_owned(), 80, 8, 10);
        assert_eq!(told(DAILY, &[(day, 8)]), [eighty]);
        let both = [(day.to_owned(), 80, 10, 10), (day.to_owned(), 100, 10, 10)];
        assert_eq!(told(DAILY, &[(day, 10)]), both);
    }

    #[test]
    fn another_day_and_another_period_say_nothing_of_this_one() {
        assert_eq!(told(DAILY, &[("d20261120", 10), ("m202611", 10), ("w2026-47", 10)]), []);
        let two = r#"[{"limit": 10, "period": "DAY"}, {"limit": 100, "period": "MONTH"}]"#;
        let month = ("m202611".to_owned(), 80, 80, 100);
        assert_eq!(told(two, &[("d20261121", 5), ("m202611", 80)]), [month]);
    }

    #[test]
    fn what_was_granted_counts_as_quota() {
        // Of ten and ten more, fifteen were used.
        let granted = [("d20261121", 5), ("gd20261121", 10)];
        assert_eq!(told(DAILY, &granted), []);
        let granted = [("d20261121", 6), ("gd20261121", 10)];
        assert_eq!(told(DAILY, &granted), [("d20261121".to_owned(), 80, 16, 20)]);
    }

    #[test]
    fn each_meter_has_notices_of_its_own() {
        let plan = Plan::from_json(
            r#"{"quota": {"limit": 10, "period": "DAY"}, "meters": {
                "tokens": {"quota": {"limit": 900, "period": "MONTH"}}}}"#,
        );
        let id = PlanId::new("free").unwrap();
        let plan = PlanRecord { id, plan: plan.unwrap(), version: 1, created: NOW };
        let of = |counters| due(&used(counters), &plan, NOW);
        assert_eq!(of(&[("d20261121", 7), ("m202611", 900)]), []);
        let due = of(&[("d20261121", 7), ("m202611.tokens", 720)]);
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].id.counter(), due[0].used, due[0].limit), ("m202611.tokens", 720, 900));
    }

    #[test]
    fn a_plan_that_was_lowered_is_used_up() {
        let percents: Vec<_> = told(DAILY, &[("d20261121", 5_000)])
            .into_iter()
            .map(|(_, percent, ..)| percent)
            .collect();
        assert_eq!(percents, THRESHOLDS);
    }

    proptest! {
        #[test]
        fn a_share_is_told_of_exactly_where_it_is_reached(limit in 1u64..10_000, used in 0u64..10_000) {
            let quota = format!(r#"{{"limit": {limit}, "period": "DAY"}}"#);
            let told = told(&quota, &[("d20261121", i64::try_from(used).unwrap())]);
            let is_told = |share| told.iter().any(|(_, percent, ..)| *percent == share);
            prop_assert_eq!(is_told(100), used >= limit);
            prop_assert_eq!(is_told(80), used * 5 >= limit * 4 || used >= limit);
        }
    }
}
