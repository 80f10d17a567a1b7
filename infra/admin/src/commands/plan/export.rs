//! `tollgate plan export`.

use clap::Args;
use serde_json::{Value, json};
use throttle::PlanRecord;

use super::list::{all, whole};
use crate::context::Context;
use crate::error::Error;
use crate::output::{Output, note, write};

/// Print all plans as JSON, in API Gateway's form. Reads the whole table.
///
/// The form is that of `aws apigateway get-usage-plans`, and `plan import` reads it. A plan that
/// API Gateway cannot have (a rate by the minute, several quotas, `meters`, `failure`) is
/// printed as it is, and named on standard error.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Export;

impl Export {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let (plans, damaged) = all(context).await?;
        let items: Vec<_> = plans.iter().map(item).collect();
        let export = json!({ "items": &items });
        match context.output {
            Output::Json => write(format_args!("{export}\n"))?,
            Output::Text => write(format_args!("{export:#}\n"))?,
        }
        for (record, item) in plans.iter().zip(&items) {
            if let Some(what) = foreign(item) {
                note(format_args!(
                    "API Gateway can't take the plan `{}` as it is: it has {what}",
                    record.id
                ));
            }
        }
        whole(&damaged)
    }
}

/// A plan with its id. API Gateway writes a plan without limits by leaving them out.
fn item(record: &PlanRecord) -> Value {
    let mut item = serde_json::to_value(&record.plan).unwrap_or_default();
    if let Some(members) = item.as_object_mut() {
        members.insert("id".to_owned(), record.id.as_str().into());
        members.remove("unlimited");
    }
    item
}

/// Returns the part of a plan that API Gateway cannot have, or lacks.
fn foreign(item: &Value) -> Option<&'static str> {
    let stages = item["apiStages"].as_array().into_iter().flatten();
    let methods = stages.flat_map(|stage| stage["throttle"].as_object().into_iter().flatten());
    let mut throttles = methods.map(|(_, throttle)| throttle).chain([&item["throttle"]]);
    if throttles.any(|throttle| throttle["rateLimit"].is_string()) {
        Some("a rate that is not a number of requests a second")
    } else if item["quota"].is_array() {
        Some("several quotas")
    } else if item["quota"].get("offsetMeans").is_some() {
        Some("an `offset` that counts requests")
    } else if item["quota"].get("startDay").is_some() {
        Some("a `startDay`")
    } else if item.get("meters").is_some() {
        Some("`meters`")
    } else if item.get("enforce").is_some() {
        Some("`enforce`")
    } else if item.get("failure").is_some() {
        Some("`failure`")
    } else if item.get("name").is_none() {
        Some("no name")
    } else {
        None
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate plan export > plans.json
  tollgate plan export | tollgate plan import - --table tollgate-dev";
