//! Plans as AWS prints them, and as an export and an import leave them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![allow(clippy::float_arithmetic, reason = "AWS prints quotients as doubles")]

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tollgate_throttle::{OffsetMeans, Plan};

const SIX: &str = include_str!("../../tests/cases/throttle/g_get-usage-plans.json");
const MARK: &[u8] = include_bytes!("../../tests/cases/throttle/k_bom.json");

#[test]
fn what_aws_prints_is_read() {
    let imported = Plan::import(SIX, None).unwrap();
    let names: Vec<_> = imported.plans.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(names, ["glvrsr", "zero00", "unlim0", "uni000"]);
    let errors: Vec<_> =
        imported.errors.iter().map(|it| (it.field(), it.is_ambiguous_offset())).collect();
    assert_eq!(errors, [("quota.offset", true), ("quota.offset", true)]);

    let all = Plan::import(SIX, Some(OffsetMeans::Ignore)).unwrap();
    assert_eq!((all.plans.len(), all.errors.len()), (6, 0));
    let plan = |id: &str| &all.plans.iter().find(|(it, _)| it.as_str() == id).unwrap().1;
    // 1000 a minute.
    assert_eq!(plan("glvrsr").throttle().unwrap().rate().interval().as_millis(), 60);
    let method = plan("zero00").method("a1b2c3d4e5", "prod", "/ServiceManager.svc/GET");
    assert!(method.unwrap().is_closed());
    assert!(!plan("zero00").is_closed());
    assert!(plan("unlim0").is_unlimited());
    assert_eq!(plan("uni000").name(), Some("Gött 🎉 plan"));
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(MARK[..3], *b"\xef\xbb\xbf");
    let imported = Plan::import(MARK, None).unwrap();
    assert_eq!((imported.plans.len(), imported.errors.len()), (1, 0));
    assert_eq!(imported, Plan::import(&MARK[3..], None).unwrap());
}

/// Any JSON number that is not negative, and texts with units; some are too slow.
fn rate() -> impl Strategy<Value = Value> {
    let double = (0.0..1e6).prop_map(|rate: f64| json!(rate));
    let small = (1e-7..1.0).prop_map(|rate: f64| json!(rate));
    let text = (1u32..100_000, select(vec!["s", "min", "h", "d"]))
        .prop_map(|(rate, unit)| json!(format!("{rate}/{unit}")));
    let quotient = (1u32..10_000, select(vec![60.0, 3_600.0, 86_400.0]))
        .prop_map(|(n, s)| json!(f64::from(n) / s));
    prop_oneof![double, small, text, quotient, (0u32..1_000).prop_map(|rate| json!(rate))]
}

fn throttle() -> impl Strategy<Value = Value> {
    (rate(), 0u32..4).prop_map(|(rate, burst)| json!({"rateLimit": rate, "burstLimit": burst}))
}

fn quota(period: &'static str) -> impl Strategy<Value = Value> {
    (28u64..1_000_000, 0u64..28, any::<bool>()).prop_map(move |(limit, offset, zero)| match zero {
        true => json!({"limit": 0, "period": period}),
        false => json!({"limit": limit, "offset": offset, "period": period}),
    })
}

fn quotas() -> impl Strategy<Value = Option<Value>> {
    let three = (quota("DAY"), quota("WEEK"), quota("MONTH"));
    (three, 0usize..5).prop_map(|((day, week, month), which)| match which {
        0 => None,
        1 => Some(week),
        2 => Some(month),
        3 => Some(json!([day])),
        _ => Some(json!([month, day, week])),
    })
}

fn stages() -> impl Strategy<Value = Vec<Value>> {
    let methods = ["*/*", "//GET", "/pets/{id}/ANY", "/a b/{proxy+}/POST"].map(str::to_owned);
    let methods = btree_map(select(methods.to_vec()), throttle(), 0..4);
    let stage = (select(vec!["a1", "b2"]), option::of(methods)).prop_map(|(api, methods)| {
        let mut stage = json!({"apiId": api, "stage": "prod"});
        if let Some(methods) = methods {
            stage["throttle"] = methods.into_iter().collect();
        }
        stage
    });
    vec(stage, 0..3)
}

/// A plan as AWS prints it, or with Tollgate's own members.
fn plans() -> impl Strategy<Value = Value> {
    let texts = (option::of("\\PC{0,20}"), option::of("\\PC{0,20}"));
    let limits = (option::of(throttle()), quotas(), stages());
    let failure = option::of(select(vec![json!("open"), json!("closed"), json!({"local": "1/3"})]));
    (texts, limits, failure).prop_map(
        |((name, description), (throttle, quota, stages), failure)| {
            let mut plan = json!({"tags": {"a": "b"}, "productCode": "p", "apiStages": stages});
            let members = [
                ("name", name.map(Value::from)),
                ("description", description.map(Value::from)),
                ("throttle", throttle),
                ("quota", quota),
                ("failure", failure),
            ];
            for (member, value) in members {
                if let Some(value) = value {
                    plan[member] = value;
                }
            }
            plan
        },
    )
}

fn export(plans: &[Value]) -> String {
    let items: Vec<_> = plans
        .iter()
        .enumerate()
        .map(|(at, plan)| {
            let mut item = plan.clone();
            item["id"] = format!("plan-{at}").into();
            item
        })
        .collect();
    json!({ "items": items }).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Also through a reader that has numbers as doubles, and without `unlimited`, as API Gateway
    /// writes plans.
    #[test]
    fn an_export_and_an_import_change_nothing(plans in vec(plans(), 1..4), means: bool) {
        let means = if means { OffsetMeans::Requests } else { OffsetMeans::Ignore };
        let imported = Plan::import(export(&plans), Some(means)).unwrap().plans;
        let exported: Vec<_> = imported.iter().map(|(_, plan)| {
            let mut value = serde_json::to_value(plan).unwrap();
            for json in [value.to_string(), serde_json::to_string(plan).unwrap()] {
                let read = Plan::from_json(&json);
                prop_assert_eq!(read.as_ref(), Ok(plan), "{}", json);
            }
            value.as_object_mut().unwrap().remove("unlimited");
            Ok(value)
        }).collect::<Result<_, TestCaseError>>()?;
        let again = Plan::import(export(&exported), None).unwrap();
        prop_assert_eq!(again.errors, []);
        let plans: Vec<_> = imported.into_iter().map(|(_, plan)| plan).collect();
        prop_assert_eq!(again.plans.into_iter().map(|(_, plan)| plan).collect::<Vec<_>>(), plans);
    }

    #[test]
    fn a_wrong_item_takes_no_other_with_it(
        plans in vec(plans(), 1..4),
        wrong in select(vec![json!(5), json!({}), json!({"id": 7}), json!({"quota": 1})]),
        at in 0usize..4,
    ) {
        let before = Plan::import(export(&plans), None).unwrap();
        let mut export: Value = serde_json::from_str(&export(&plans)).unwrap();
        let items = export["items"].as_array_mut().unwrap();
        items.insert(at.min(items.len()), wrong);
        let after = Plan::import(export.to_string(), None).unwrap();
        prop_assert_eq!(after.plans, before.plans);
        prop_assert_eq!(after.errors.len(), before.errors.len() + 1);
    }

    #[test]
    fn no_text_ends_the_process(text in ".{0,200}") {
        let _ = Plan::import(&text, None);
        let _ = Plan::import(format!(r#"{{"items": [{text}]}}"#), None);
    }
}
