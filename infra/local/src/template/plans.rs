//! Usage plans of API Gateway and their keys: `AWS::ApiGateway::UsagePlan`, `ApiKey` and
//! `UsagePlanKey`, and those that SAM makes for `Auth.UsagePlan`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use throttle::Plan;

use super::Template;
use super::resource::Resource;
use super::text::text_of;

/// The plan and the key that SAM shares among APIs.
const SHARED: &str = "Serverless";

/// The lengths of an API key's value: "API Gateway API key file format" of the developer guide.
const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 20..=128;

/// A usage plan.
#[derive(Debug, Default)]
pub(crate) struct UsagePlan {
    /// The APIs whose stages it is for.
    pub(crate) apis: Vec<String>,
    /// Its rate and its quota, if it has any.
    pub(crate) limits: Option<Plan>,
    /// The names of its keys; one that the template does not define is of somewhere else.
    pub(crate) keys: Vec<String>,
}

/// An API key.
#[derive(Debug, Default)]
pub(crate) struct ApiKey {
    /// The value; without one API Gateway makes it.
    pub(crate) value: Option<String>,
    pub(crate) is_enabled: bool,
}

/// Reads the plans and keys of a template.
pub(super) fn read(resources: &[Resource], template: &mut Template) {
    let of = |kind: &'static str| resources.iter().filter(move |one| one.kind == kind);
    let mut plans: BTreeMap<String, UsagePlan> = BTreeMap::new();
    for resource in of("AWS::ApiGateway::UsagePlan") {
        let limits = limits(&resource.name, &resource.properties, &mut template.notes);
        let stages = resource.properties.get("ApiStages").and_then(Value::as_array);
        let mut apis = Vec::new();
        for stage in stages.into_iter().flatten() {
            let id = stage.get("ApiId").and_then(text_of);
            let wanted = stage.get("Stage").and_then(text_of);
            let api = template.apis.iter().find(|api| Some(&api.name) == id.as_ref());
            // SAM names a stage's resource; a stage that is not known is taken for the one here.
            let is_other = api.zip(wanted.as_ref()).is_some_and(|(api, wanted)| {
                let is_stage = |one: &Resource| {
                    one.name == *wanted && one.text("StageName").as_deref() == Some(&api.stage)
                };
                *wanted != api.stage && api.stage != "local" && !resources.iter().any(is_stage)
            });
            if is_other {
                let (plan, wanted) = (&resource.name, wanted.unwrap_or_default());
                template
                    .notes
                    .push(format!("{plan}: it is for the stage `{wanted}`, which is not served"));
                continue;
            }
            apis.extend(id);
            if stage.get("Throttle").is_some() {
                template.notes.push(format!(
                    "{}: its rates for single methods are not held to here",
                    resource.name
                ));
            }
        }
        plans.insert(resource.name.clone(), UsagePlan { apis, limits, keys: Vec::new() });
    }
    for resource in of("AWS::Serverless::Api") {
        sam(resource, &mut plans, template);
    }
    for resource in of("AWS::ApiGateway::ApiKey") {
        let is_enabled = resource.is("Enabled");
        if !is_enabled {
            template
                .notes
                .push(format!("{}: the key is not enabled: set `Enabled: true`", resource.name));
        }
        let value = resource.text("Value");
        if value.as_ref().is_some_and(|value| !KEY_LENGTHS.contains(&value.len())) {
            template.notes.push(format!(
                "{}: a key's value has {} to {} characters on API Gateway, which refuses this one",
                resource.name,
                KEY_LENGTHS.start(),
                KEY_LENGTHS.end()
            ));
        }
        let key = ApiKey { value, is_enabled };
        template.keys.insert(resource.name.clone(), key);
    }
    for resource in of("AWS::ApiGateway::UsagePlanKey") {
        let (plan, key) = (resource.text("UsagePlanId"), resource.text("KeyId"));
        if let (Some(plan), Some(key)) = (plan.and_then(|id| plans.get_mut(&id)), key) {
            plan.keys.push(key);
        }
    }
    template.plans = plans.into_values().collect();
}

/// Adds the plan and the key that SAM makes for an API.
fn sam(resource: &Resource, plans: &mut BTreeMap<String, UsagePlan>, template: &mut Template) {
    let auth = resource.properties.get("Auth");
    let Some(wanted) = auth.and_then(|auth| auth.get("UsagePlan")) else { return };
    let name = match wanted.get("CreateUsagePlan").and_then(Value::as_str) {
        Some("PER_API") => resource.name.as_str(),
        Some("SHARED") => SHARED,
        _ => return,
    };
    let limits = limits(&format!("{name}UsagePlan"), wanted, &mut template.notes);
    let plan = plans.entry(format!("{name}UsagePlan")).or_default();
    plan.apis.push(resource.name.clone());
    plan.limits = limits.or(plan.limits.take());
    let key = format!("{name}ApiKey");
    if !plan.keys.contains(&key) {
        plan.keys.push(key.clone());
    }
    template.keys.insert(key, ApiKey { value: None, is_enabled: true });
}

/// Reads the rate and the quota of a plan.
fn limits(name: &str, found: &Value, notes: &mut Vec<String>) -> Option<Plan> {
    let part = |part: &str, members: [(&str, &str); 3]| {
        let found = found.get(part).filter(|found| !found.is_null())?;
        if !found.is_object() {
            return Some(found.clone());
        }
        let member = |(from, to): (&str, &str)| {
            let found = found.get(from).filter(|found| !found.is_null())?;
            // A parameter's value is a text. The plan refuses another form.
            let known =
                text_of(found).map(|text| serde_json::from_str(&text).unwrap_or(text.into()));
            Some((to.to_owned(), known.unwrap_or_else(|| found.clone())))
        };
        Some(Value::Object(members.into_iter().filter_map(member).collect()))
    };
    let rate = [("RateLimit", "rateLimit"), ("BurstLimit", "burstLimit"), ("", "")];
    let quota = [("Limit", "limit"), ("Period", "period"), ("Offset", "offset")];
    let parts = [("throttle", part("Throttle", rate)), ("quota", part("Quota", quota))];
    let parts = parts.into_iter().filter_map(|(name, part)| Some((name.to_owned(), part?)));
    let limits: Map<String, Value> = parts.collect();
    if limits.is_empty() {
        return None;
    }
    match Plan::from_json(json!(limits).to_string()) {
        Ok(plan) => Some(plan),
        Err(error) => {
            notes.push(format!("{name}: its limits are not held to here: {error}"));
            None
        }
    }
}
