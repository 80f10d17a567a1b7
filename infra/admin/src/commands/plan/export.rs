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
            let mut foreign = foreign(item);
            if item.get("name").is_none() {
                foreign.push("no name");
            }
            if !foreign.is_empty() {
                note(format_args!(
                    "API Gateway can't take the plan `{}` as it is: it has {}",
                    record.id,
                    foreign.join(", ")
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

/// Returns the parts of a plan that API Gateway cannot have.
pub(super) fn foreign(item: &Value) -> Vec<&'static str> {
    let stages = item["apiStages"].as_array().into_iter().flatten();
    let methods = stages.flat_map(|stage| stage["throttle"].as_object().into_iter().flatten());
    let mut throttles = methods.map(|(_, throttle)| throttle).chain([&item["throttle"]]);
    let quotas = match &item["quota"] {
        Value::Array(quotas) => quotas.as_slice(),
        quota => std::slice::from_ref(quota),
    };
    let has = |name| item.get(name).is_some();
    let quota_has = |name| quotas.iter().any(|quota| quota.get(name).is_some());
    let parts = [
        (
            throttles.any(|throttle| throttle["rateLimit"].is_string()),
            "a rate that is not a number of requests a second",
        ),
        (quotas.len() > 1, "several quotas"),
        (quota_has("offsetMeans"), OFFSET),
        (quota_has("startDay"), "a `startDay`"),
        (has("meters"), "`meters`"),
        (has("enforce"), "`enforce`"),
        (has("failure"), "`failure`"),
    ];
    parts.into_iter().filter_map(|(has, what)| has.then_some(what)).collect()
}

pub(super) const OFFSET: &str = "an `offset` that counts requests";

const EXAMPLES: &str = "\
Examples:
  tollgate plan export > plans.json
  tollgate plan export | tollgate plan import - --table tollgate-dev";
