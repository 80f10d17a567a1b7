//! The fields as structured fields, and what must hold of them whatever the limits are.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Request, Response};
use proptest::prelude::*;
use sfv::{BareItem, Item, List, ListEntry, Parser};
use tollgate_throttle::{Subject, Timestamp};
use tower::{Layer, service_fn};

use crate::setting::{Setting, answer, field, plan, yes};

/// The Items of a List of Strings, each with Integer parameters.
fn items(response: &Response<String>, name: &str) -> BTreeMap<String, BTreeMap<String, i64>> {
    let list: List = Parser::new(field(response, name).unwrap()).parse().unwrap();
    let item = |entry: ListEntry| match entry {
        ListEntry::Item(Item { bare_item: BareItem::String(name), params }) => {
            let params = params.into_iter().map(|(key, value)| match value {
                BareItem::Integer(number) => (key.to_string(), i64::from(number)),
                other => panic!("no Integer: {other:?}"),
            });
            (name.to_string(), params.collect())
        }
        other => panic!("no String Item: {other:?}"),
    };
    let count = list.len();
    let items: BTreeMap<_, _> = list.into_iter().map(item).collect();
    assert_eq!(items.len(), count, "each limit is named once");
    items
}

/// Checks the rules of every response; returns `Retry-After`.
fn check(response: &Response<String>) -> Option<i64> {
    let (policies, limits) = (items(response, "ratelimit-policy"), items(response, "ratelimit"));
    assert!(policies.keys().eq(limits.keys()), "{policies:?} {limits:?}");
    let retry_after = field(response, "retry-after").map(|it| it.parse::<i64>().unwrap());
    assert_eq!(retry_after.is_some(), response.status() == 429);
    for (name, limit) in &limits {
        let policy = &policies[name];
        assert!(policy.keys().eq(["q", "w"].iter()), "{policy:?}");
        assert!(policy["q"] >= 1 && policy["w"] >= 1, "{policy:?}");
        assert!((0..=policy["q"]).contains(&limit["r"]), "{limit:?} of {policy:?}");
        if let Some(t) = limit.get("t") {
            assert!(*t >= 0 && retry_after.is_none_or(|after| *t <= after), "{limit:?}");
        } else {
            assert!(limit["r"] == policy["q"] || retry_after.is_some(), "{limit:?} of {policy:?}");
        }
    }
    if retry_after.is_some_and(|after| after < 1) {
        panic!("come back at once: {retry_after:?}");
    }
    retry_after
}

#[derive(Clone, Debug)]
struct Step {
    wait: Duration,
    cost: u32,
}

fn units() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("s"), Just("min"), Just("h")]
}

fn plans() -> impl Strategy<Value = (String, u32)> {
    let rate = (1..2_000u32, units(), 1..300u32);
    let quota =
        prop::option::of((1..500u64, prop_oneof![Just("DAY"), Just("WEEK"), Just("MONTH")]));
    (rate, quota).prop_map(|((per, unit, burst), quota)| {
        let quota = quota.map(|(limit, period)| {
            format!(r#", "quota": {{"limit": {limit}, "period": "{period}"}}"#)
        });
        let json = format!(
            r#"{{"throttle": {{"rateLimit": "{per}/{unit}", "burstLimit": {burst}}}{}}}"#,
            quota.unwrap_or_default()
        );
        (json, burst)
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![Just(0), 0..2_000_000_000u64, 0..100_000_000_000_000u64];
    let step = (wait, 1..400u32)
        .prop_map(|(nanos, cost)| Step { wait: Duration::from_nanos(nanos), cost });
    prop::collection::vec(step, 1..40)
}

fn request(cost: u32) -> Request<String> {
    let request = Request::get("/").header("x-client", "maria").header("x-cost", cost);
    request.body(String::new()).unwrap()
}

fn cost(parts: &http::request::Parts) -> u32 {
    parts.headers["x-cost"].to_str().unwrap().parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// `t` is never later than `Retry-After`, `r` is never negative nor above `q`, and waiting
    /// exactly `Retry-After` is enough.
    #[test]
    fn fields_hold((plan, burst) in plans(), steps in steps(), start in 0..4_000_000_000u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let setting = Setting::at(&plan, Timestamp::from_secs(start));
            let service = setting.limits().cost(cost).layer(service_fn(yes));
            for Step { wait, cost } in steps {
                setting.clock.advance(wait);
                let response = answer(&service, request(cost)).await;
                if field(&response, "ratelimit").is_none() {
                    // It never fits.
                    assert!(cost > burst || plan.contains("quota"), "{response:?}");
                    continue;
                }
                if let Some(seconds) = check(&response) {
                    setting.clock.advance(Duration::from_secs(seconds.try_into().unwrap()));
                    assert_eq!(answer(&service, request(cost)).await.status(), 200);
                }
            }
        });
    }

    /// After `t` there is more of a rate, unless it is whole.
    #[test]
    fn t_is_when_there_is_more(
        per in 1..2_000u32, unit in units(), burst in 1..300u32, used in 1..300u32,
        wait in 0..3_000_000_000u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let plan = format!(
                r#"{{"throttle": {{"rateLimit": "{per}/{unit}", "burstLimit": {burst}}}}}"#
            );
            let setting = Setting::new(&plan);
            let service = setting.limits().cost(cost).layer(service_fn(yes));
            answer(&service, request(used.min(burst))).await;
            setting.clock.advance(Duration::from_nanos(wait));
            let response = answer(&service, request(1)).await;
            let limit = &items(&response, "ratelimit")["burst"];
            let t = limit["t"].try_into().unwrap();
            setting.clock.advance(Duration::from_secs(t));
            let left = setting.left("maria").await;
            assert!(left > limit["r"].try_into().unwrap(), "{left} after {limit:?}");
        });
    }

    /// A client that spreads `r` over `t` comes no faster than the rate allows.
    #[test]
    fn a_quota_near_its_end_promises_no_more_than_the_rate(before in 0..3_600u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let setting = Setting::at(
                r#"{"throttle": {"rateLimit": 2, "burstLimit": 5},
                    "quota": {"limit": 100000, "period": "DAY"}}"#,
                Timestamp::from_secs(10 * 86_400 - 1 - before),
            );
            let service = setting.limits().cost(cost).layer(service_fn(yes));
            let response = answer(&service, request(1)).await;
            let limits = items(&response, "ratelimit");
            let daily = &limits["daily"];
            assert_eq!(daily["t"], i64::try_from(before + 1).unwrap());
            assert_eq!(daily["r"], limits["burst"]["r"] + 2 * daily["t"]);
        });
    }
}

#[tokio::test]
async fn numbers_fit_structured_fields() {
    let setting = Setting::new(r#"{"quota": {"limit": 1000000000000000, "period": "MONTH"}}"#);
    let service = setting.limits().layer(service_fn(yes));
    let request = Request::get("/").header("x-client", "maria").body(String::new()).unwrap();
    let response = answer(&service, request).await;
    assert_eq!(items(&response, "ratelimit-policy")["monthly"]["q"], 999_999_999_999_999);
    assert_eq!(items(&response, "ratelimit")["monthly"]["r"], 999_999_999_999_999);
}

#[tokio::test]
async fn a_lease_that_is_held_is_told_as_left() {
    let setting = Setting::new(r#"{"throttle": {"rateLimit": 1000, "burstLimit": 1000}}"#);
    let throttle = tollgate_throttle::Throttle::new(setting.store.clone(), setting.clock.clone());
    let throttle = throttle.leases(tollgate_throttle::Leases::adaptive());
    let (subject, plan) = (Subject::new("maria").unwrap(), plan("free"));
    for _ in 0..300 {
        let request = tollgate_throttle::Request::new(&subject, &plan).cost(1);
        assert!(throttle.decide(&request).await.unwrap().is_allowed());
    }
    assert!(throttle.stats().leased > 0);
    let limits = tollgate_throttle::layer::Limits::new(
        std::sync::Arc::new(throttle),
        crate::setting::client(),
        tollgate_throttle::layer::Plans::fixed(plan),
    );
    let request = Request::get("/").header("x-client", "maria").body(String::new()).unwrap();
    let response = answer(&limits.layer(service_fn(yes)), request).await;
    assert_eq!(check(&response), None);
    assert_eq!(items(&response, "ratelimit")["burst"]["r"], 699);
}
