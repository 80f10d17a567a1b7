//! Import of API Gateway's plans.

use std::collections::HashMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::without_mark;
use super::{Plan, PlanError, Problem};
use crate::id::PlanId;

/// The meaning of a quota's `offset`, about which AWS's documents contradict each other.
///
/// API Gateway's reference says "requests subtracted in the initial period". Its validation
/// allows 0 for DAY, 0 to 6 for WEEK and 0 to 27 for MONTH, which fits days, and older documentation
/// of the SDK says "the day that a time period starts", with 0 for Sunday and 1 for Monday. Not
/// tried on AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetMeans {
    /// The plan's first period starts with that many requests used.
    Requests,
    /// The day that a period starts, as the quota's `startDay`: of a week 0 is Sunday and 1 is
    /// Monday, of a month 0 is the first. A missing offset is 0.
    Day,
    /// Nothing: the offset is dropped.
    Ignore,
}

/// The plans of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedPlans {
    /// The plans, by API Gateway's ids. Those without limits are [unlimited](Plan::is_unlimited).
    pub plans: Vec<(PlanId, Plan)>,
    /// The items that are not valid plans. Each error names the item's id, or its place in the list
    /// if it has no valid id, and the field.
    pub errors: Vec<PlanError>,
    /// True if the export says that there is another page.
    pub more: bool,
}

impl Plan {
    /// Reads the output of `aws apigateway get-usage-plans`, at most 16 MiB of it.
    ///
    /// Also reads the bare list of its `items`, and the output of `get-usage-plan`. The ids of the
    /// plans are API Gateway's. `productCode` and `tags` are ignored. `offset` is as in
    /// [`from_aws_json`](Self::from_aws_json).
    ///
    /// ```
    /// use tollgate_throttle::Plan;
    ///
    /// let export = r#"{"items": [
    ///     {"id": "a1b2c3", "name": "Gold", "tags": {"team": "web"},
    ///      "throttle": {"rateLimit": 16.666666666666668, "burstLimit": 200}},
    ///     {"id": "d4e5f6", "name": "Internal"},
    ///     {"id": "g7h8i9", "throttle": {"rateLimit": -1.0, "burstLimit": 5}}]}"#;
    /// let imported = Plan::import(export, None).unwrap();
    /// assert_eq!((imported.plans[0].0.as_str(), imported.plans[0].1.name()), ("a1b2c3", Some("Gold")));
    /// assert!(imported.plans[1].1.is_unlimited());
    /// assert_eq!(
    ///     imported.errors[0].to_string(),
    ///     "plan `g7h8i9`: `throttle.rateLimit` must not be negative"
    /// );
    /// ```
    ///
    /// # Errors
    /// The JSON is not an export. An item that is not a valid plan is one of
    /// [`errors`](ImportedPlans::errors) instead.
    pub fn import(
        json: impl AsRef<[u8]>,
        offset: Option<OffsetMeans>,
    ) -> Result<ImportedPlans, PlanError> {
        let json = json.as_ref();
        if json.len() > MAX_EXPORT {
            return Err(PlanError::at("items", Problem::TooLong { max: MAX_EXPORT }));
        }
        let json = without_mark(json);
        let unreadable = |error| PlanError::json("items", &error);
        let export = match json.trim_ascii_start().first() {
            Some(b'[') => Export::of(serde_json::from_slice(json).map_err(unreadable)?),
            _ => serde_json::from_slice(json).map_err(unreadable)?,
        };
        let items = match (export.items, export.id) {
            (Some(items), _) => items,
            (None, Some(_)) => vec![serde_json::from_slice(json).map_err(unreadable)?],
            (None, None) => return Err(PlanError::at("items", Problem::NoItems)),
        };
        let (mut plans, mut errors) = (Vec::<(PlanId, Plan)>::new(), Vec::new());
        let mut places = HashMap::new();
        for (at, raw) in items.iter().enumerate() {
            let (id, name) = match named(raw) {
                Ok(named) => named,
                Err(error) => {
                    errors.push(error.within(&format!("items[{at}]")));
                    continue;
                }
            };
            let read = Self::read(raw.get().as_bytes(), offset).and_then(|(plan, _)| {
                let earlier = places.get(&id).and_then(|place: &usize| plans.get(*place));
                match earlier {
                    None => {
                        places.insert(id.clone(), plans.len());
                        plans.push((id.clone(), plan));
                        Ok(())
                    }
                    Some((_, earlier)) if *earlier == plan => Ok(()),
                    Some(_) => Err(PlanError::at("id", Problem::Twice)),
                }
            });
            if let Err(error) = read {
                let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
                errors.push(error.of(format!("`{id}`{name}")));
            }
        }
        let more =
            [export.position, export.next].into_iter().flatten().any(|text| !text.is_empty());
        Ok(ImportedPlans { plans, errors, more })
    }
}

/// Returns the id and the name of a plan of an export.
fn named(raw: &RawValue) -> Result<(PlanId, Option<String>), PlanError> {
    #[derive(Deserialize)]
    struct Named {
        id: Option<String>,
        #[serde(default, deserialize_with = "text")]
        name: Option<String>,
    }
    let Named { id, name } =
        serde_json::from_str(raw.get()).map_err(|error| PlanError::json("plan", &error))?;
    let id = id.ok_or_else(|| PlanError::at("id", Problem::NoId))?;
    let id = PlanId::new(id).map_err(|error| PlanError::at("id", error.into()))?;
    Ok((id, name))
}

/// Reads a text; anything else is reported later, with the other fields.
fn text<'de, D: Deserializer<'de>>(json: D) -> Result<Option<String>, D::Error> {
    Value::deserialize(json).map(|value| value.as_str().map(str::to_owned))
}

/// An export. If there are more plans, API Gateway writes `position` and its command line
/// `NextToken`. A single plan has an `id`. Other members are ignored.
#[derive(Deserialize)]
struct Export {
    items: Option<Vec<Box<RawValue>>>,
    id: Option<IgnoredAny>,
    position: Option<String>,
    #[serde(rename = "NextToken")]
    next: Option<String>,
}

impl Export {
    fn of(items: Vec<Box<RawValue>>) -> Self {
        Self { items: Some(items), id: None, position: None, next: None }
    }
}

const MAX_EXPORT: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of the command line, with null and absent members.
    const EXPORT: &str = r#"{
        "items": [
            {
                "id": "c7y23b", "name": "Free", "description": "for everybody",
                "apiStages": [{"apiId": "a1b2c3d4e5", "stage": "prod"}],
                "throttle": {"burstLimit": 5, "rateLimit": 0.5},
                "quota": {"limit": 1000, "offset": 0, "period": "DAY"},
                "productCode": "abc", "tags": {}
            },
            {
                "id": "glvrsr", "name": "Methods only", "apiStages": [
                    {"apiId": "a1b2c3d4e5", "stage": "prod", "throttle": {
                        "/pets/{id}/GET": {"burstLimit": 2, "rateLimit": 1.0},
                        "*/*": {"burstLimit": 20, "rateLimit": 10.25}
                    }}
                ]
            },
            {"id": "q", "quota": {"limit": 7, "offset": 2, "period": "WEEK"}, "throttle": null}
        ]
    }"#;

    fn not_an_export(json: &str) -> String {
        Plan::import(json, None).unwrap_err().to_string()
    }

    #[test]
    fn an_export_is_read_and_each_plan_writes_back() {
        let imported = Plan::import(EXPORT, Some(OffsetMeans::Requests)).unwrap();
        assert!(!imported.more);
        assert_eq!(imported.errors, []);
        let ids: Vec<_> = imported.plans.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["c7y23b", "glvrsr", "q"]);
        for (id, plan) in &imported.plans {
            let json = serde_json::to_string(plan).unwrap();
            assert_eq!(Plan::from_json(&json).as_ref(), Ok(plan), "{id}");
        }
        let methods = &imported.plans[1].1;
        assert_eq!((methods.throttle(), methods.quotas().len()), (None, 0));
        let rates = methods.api_stages()[0].throttle();
        assert_eq!(rates["*/*"].rate().to_string(), "10.25/s");
        assert_eq!(rates["/pets/{id}/GET"].burst(), 2);
        assert_eq!(imported.plans[2].1.quotas()[0].offset(), 2);
    }

    #[test]
    fn an_export_that_isnt_whole_says_so() {
        let more = |json: &str| Plan::import(json, None).unwrap().more;
        for member in [r#""position": "xyz""#, r#""NextToken": "xyz""#] {
            assert!(more(&format!(r#"{{"items": [], {member}}}"#)));
        }
        assert!(!more(
            r#"{"items": [], "position": null, "NextToken": "", "ResponseMetadata": {}}"#
        ));
    }

    #[test]
    fn every_wrong_item_is_named_and_the_others_are_read() {
        let imported = Plan::import(
            r#"{"items": [
                {"id": "a", "name": "Gold", "throttle": {"rateLimit": -1, "burstLimit": 1}},
                {"id": "b", "quota": {"limit": 1, "period": "DAY"}},
                {"id": "b", "quota": {"limit": 2, "period": "DAY"}},
                {"id": "b", "quota": {"limit": 1, "period": "DAY"}},
                {"id": "d"},
                {"quota": {"limit": 1, "period": "DAY"}},
                {"id": "e\n", "quota": {"limit": 1, "period": "DAY"}},
                {"id": 5},
                7,
                {"id": "f", "quota": {"limit": 1, "period": "HOUR"}},
                {"id": "g", "quota": {"limit": 9, "offset": 3, "period": "WEEK"}},
                {"id": "h", "unlimited": true}
            ]}"#,
            None,
        );
        let imported = imported.unwrap();
        let starts = [
            "plan `a` (Gold): `throttle.rateLimit` must not be negative",
            "plan `b`: `id` is a duplicate",
            "`items[5].id` is missing",
            "`items[6].id` holds a control character",
            "`items[7].plan` can't be read",
            "`items[8].plan` can't be read",
            "plan `f`: `quota.period` must be",
            "plan `g`: `quota.offset` can mean two things",
        ];
        let errors: Vec<_> = imported.errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), starts.len(), "{errors:#?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(start), "{error}");
        }
        let ids: Vec<_> =
            imported.plans.iter().map(|(id, plan)| (id.as_str(), plan.is_unlimited())).collect();
        assert_eq!(ids, [("b", false), ("d", true), ("h", true)]);
    }

    #[test]
    fn a_list_and_a_single_plan_are_exports_too() {
        let ids = |json: &str| {
            let plans = Plan::import(json, None).unwrap().plans;
            plans.iter().map(|(id, _)| id.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert!(ids("[]").is_empty() && ids(r#"{"items": []}"#).is_empty());
        assert_eq!(ids(" \n[{\"id\": \"a\"}, {\"id\": \"b\"}]"), ["a", "b"]);
        assert_eq!(ids(r#"{"id": "a", "name": "Gold"}"#), ["a"]);
        let wrong = Plan::import(r#"{"id": "a", "name": 5}"#, None).unwrap();
        assert!(wrong.errors[0].to_string().starts_with("plan `a`: `plan` can't be read"));
    }

    #[test]
    fn what_is_not_an_export_is_refused() {
        for json in ["", "5", "[", "[5", r#"{"items": 5}"#] {
            assert!(not_an_export(json).starts_with("`items` can't be read"), "{json}");
        }
        for json in ["{}", r#"{"items": null}"#, r#"{"plans": []}"#] {
            assert!(not_an_export(json).starts_with("`items` is missing: give"), "{json}");
        }
        let long = " ".repeat(MAX_EXPORT + 1);
        assert_eq!(not_an_export(&long), "`items` is longer than 16777216 bytes");
        let many = format!(r#"{{"items": [{}{{}}]}}"#, "{},".repeat(500));
        assert_eq!(Plan::import(many, None).unwrap().errors.len(), 501);
    }
}
