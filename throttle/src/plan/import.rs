//! Reading all plans that API Gateway has.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Plan, PlanError, Problem};
use crate::name::PlanId;

/// The plans of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedPlans {
    /// The plans, by API Gateway's ids.
    pub plans: Vec<(PlanId, Plan)>,
    /// Whether the export says that there are more than it has.
    pub more: bool,
}

impl Plan {
    /// Reads what `aws apigateway get-usage-plans` prints, at most 16 MiB of it.
    ///
    /// The ids of the plans are API Gateway's. `productCode` and `tags` are dropped.
    ///
    /// ```
    /// use throttle::Plan;
    ///
    /// let export = r#"{"items": [{"id": "a1b2c3", "name": "Gold", "tags": {"team": "web"},
    ///     "apiStages": [{"apiId": "x9", "stage": "prod",
    ///         "throttle": {"/pets/GET": {"rateLimit": 0.5, "burstLimit": 2}}}]}]}"#;
    /// let plans = Plan::import(export).unwrap().plans;
    /// assert_eq!((plans[0].0.as_str(), plans[0].1.name()), ("a1b2c3", Some("Gold")));
    ///
    /// let errors = Plan::import(r#"{"items": [{"id": "a1b2c3"}]}"#).unwrap_err();
    /// assert!(errors[0].to_string().starts_with("`items[0].throttle` is missing"));
    /// ```
    ///
    /// # Errors
    /// Every item that can't be a plan, at most a hundred of them, by its place in the list and
    /// its field.
    pub fn import(json: impl AsRef<[u8]>) -> Result<ImportedPlans, Vec<PlanError>> {
        let json = json.as_ref();
        if json.len() > MAX_EXPORT {
            return Err(vec![PlanError::at("items", Problem::TooLong { max: MAX_EXPORT })]);
        }
        let export: Export =
            serde_json::from_slice(json).map_err(|error| vec![PlanError::json("items", &error)])?;
        let (mut plans, mut errors, mut ids) = (Vec::new(), Vec::new(), HashSet::new());
        for (at, raw) in export.items.iter().enumerate() {
            let read = item(raw).and_then(|(id, plan)| {
                let new = ids.insert(id.clone());
                if new { Ok((id, plan)) } else { Err(PlanError::at("id", Problem::Twice)) }
            });
            match read {
                Ok(plan) => plans.push(plan),
                Err(error) => errors.push(error.within(&format!("items[{at}]"))),
            }
            if errors.len() >= MAX_ERRORS {
                break;
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let more =
            [export.position, export.next].into_iter().flatten().any(|text| !text.is_empty());
        Ok(ImportedPlans { plans, more })
    }
}

fn item(raw: &RawValue) -> Result<(PlanId, Plan), PlanError> {
    #[derive(Deserialize)]
    struct Named {
        id: Option<String>,
    }
    let Named { id } =
        serde_json::from_str(raw.get()).map_err(|error| PlanError::json("plan", &error))?;
    let id = id.ok_or_else(|| PlanError::at("id", Problem::NoId))?;
    let id = PlanId::new(id).map_err(|error| PlanError::at("id", error.into()))?;
    Ok((id, Plan::from_json(raw.get())?))
}

/// API Gateway says `position` where there are more; its command line `NextToken`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    items: Vec<Box<RawValue>>,
    position: Option<String>,
    #[serde(rename = "NextToken")]
    next: Option<String>,
    /// What some clients print beside the answer.
    #[serde(rename = "ResponseMetadata")]
    _metadata: Option<IgnoredAny>,
}

const MAX_EXPORT: usize = 16 * 1024 * 1024;
const MAX_ERRORS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    /// As the command line prints two pages' worth, with what may be null or absent.
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

    fn refused(json: &str) -> Vec<String> {
        Plan::import(json).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_export_is_read_and_each_plan_writes_back() {
        let imported = Plan::import(EXPORT).unwrap();
        assert!(!imported.more);
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
        for more in [r#""position": "xyz""#, r#""NextToken": "xyz""#] {
            assert!(Plan::import(format!(r#"{{"items": [], {more}}}"#)).unwrap().more);
        }
        assert!(!Plan::import(r#"{"items": [], "position": null, "NextToken": ""}"#).unwrap().more);
    }

    #[test]
    fn every_wrong_item_is_named() {
        let errors = refused(
            r#"{"items": [
                {"id": "a", "throttle": {"rateLimit": -1, "burstLimit": 1}},
                {"id": "b", "quota": {"limit": 1, "period": "DAY"}},
                {"id": "b", "quota": {"limit": 1, "period": "DAY"}},
                {"id": "d"},
                {"quota": {"limit": 1, "period": "DAY"}},
                {"id": "e\n", "quota": {"limit": 1, "period": "DAY"}},
                {"id": 5},
                7,
                {"id": "f", "quota": {"limit": 1, "period": "HOUR"}}
            ]}"#,
        );
        let starts = [
            "`items[0].throttle.rateLimit` must not be negative",
            "`items[2].id` is there twice",
            "`items[3].throttle` is missing",
            "`items[4].id` is missing",
            "`items[5].id` holds a control character",
            "`items[6].plan` can't be read",
            "`items[7].plan` can't be read",
            "`items[8].quota.period` must be",
        ];
        assert_eq!(errors.len(), starts.len(), "{errors:#?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn what_is_no_export_is_refused() {
        for json in ["", "[]", "{}", r#"{"items": 5}"#, r#"{"items": [], "plans": []}"#] {
            assert_eq!(refused(json).len(), 1, "{json}");
            assert!(refused(json)[0].starts_with("`items` can't be read"), "{json}");
        }
        assert_eq!(refused(&" ".repeat(MAX_EXPORT + 1)), ["`items` is longer than 16777216 bytes"]);
        let many = format!(r#"{{"items": [{}{{}}]}}"#, "{},".repeat(500));
        assert_eq!(refused(&many).len(), MAX_ERRORS);
    }
}
