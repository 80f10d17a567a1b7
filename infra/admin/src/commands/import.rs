//! `tollgate import`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use throttle::{Plan, PlanId};

use super::{key, plan};
use crate::args::Offset;
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;
use crate::output::note;
use crate::read::read;

/// Import API Gateway's usage plans, keys and their links from a folder.
///
/// `infra/examples/export-usage-plans DIR` fills the folder with what the AWS CLI prints. Plans are
/// imported as by `plan import`, then keys as by `key import`. Left out: keys on no plan, and
/// Tollgate's own plan for callers within their limits. Invalid ones are reported and the others
/// are stored. The command can be repeated. The folder has the keys' values: delete it afterwards.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// The folder: usage-plans.json, api-keys.json, and usage-plan-keys-ID.json for each plan.
    #[arg(long, value_name = "DIR", required = true)]
    from_export: PathBuf,
    #[command(flatten)]
    offset: Offset,
    /// For a key on several plans: use the plan that is attached to this API. Add the stage if
    /// several of them are.
    #[arg(long, value_name = "ID[/STAGE]")]
    api: Option<String>,
    /// Overwrite stored keys whose details differ.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    dry: Dry,
}

impl Import {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { from_export: folder, offset, api, replace, dry } = self;
        let file = |name: &str| folder.join(name);
        let plans_file = file("usage-plans.json");
        let exported = items(&plans_file)?;
        let (own, exported): (Vec<_>, Vec<_>) = exported.into_iter().partition(is_own);
        for plan in &own {
            let id = text(plan, "id");
            note(format_args!("left out: plan `{id}`, for callers within Tollgate's limits"));
        }
        let links = links(&folder, &exported)?;
        let keys_file = file("api-keys.json");
        let (keys, without) = linked(items(&keys_file)?, &links);
        if without > 0 {
            note(format_args!("left out: keys on no plan: {without}"));
        }

        let plans = json!({ "items": exported }).to_string();
        let place = plans_file.display().to_string();
        let importer = plan::import::Import::of(offset, dry);
        let of_plans = importer.import(context, &place, plans.as_bytes()).await;
        if let Err(error) = &of_plans
            && !error.is_partial()
        {
            return of_plans;
        }
        // A dry run has stored no plan that keys could be under.
        let known = if dry.dry_run { known(&plans, offset) } else { BTreeMap::new() };
        let keys = json!({ "items": keys }).to_string();
        let place = keys_file.display().to_string();
        let importer = key::import::Import::of(api, replace, dry);
        match (of_plans, importer.import(context, &place, keys.as_bytes(), known).await) {
            (Err(plans), Err(keys)) => Err(plans.and(keys)),
            (of_plans, of_keys) => of_plans.and(of_keys),
        }
    }
}

/// Reads the list `items` of a file.
fn items(file: &Path) -> Result<Vec<Value>, Error> {
    let content = read(file, plan::import::MOST)?;
    let wrong = |problem: String| Error::refused(format!("{}: {problem}", file.display()));
    let json: Value = serde_json::from_slice(&content).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        wrong(format!("it is not JSON at line {line}, column {column}; export it again"))
    })?;
    match json.get("items") {
        Some(Value::Array(items)) => Ok(items.clone()),
        // An account without any prints no list.
        None | Some(Value::Null) if json.is_object() => Ok(Vec::new()),
        _ => Err(wrong("it has no list `items`; export it again".to_owned())),
    }
}

/// Returns true for the plan whose key the authorizer gives to admitted callers. It has no limits.
fn is_own(plan: &Value) -> bool {
    let is_set = |value: &Value| value.as_object().is_some_and(|members| !members.is_empty());
    let stages = plan["apiStages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let limited = is_set(&plan["throttle"])
        || is_set(&plan["quota"])
        || stages.iter().any(|stage| is_set(&stage["throttle"]));
    !limited && text(plan, "description").contains("Tollgate")
}

/// Reads the ids of the plans that each key is on.
fn links(folder: &Path, plans: &[Value]) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut links: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for plan in plans {
        let id = text(plan, "id");
        // An id names a file: no other folder may be named.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            continue;
        }
        for key in items(&folder.join(format!("usage-plan-keys-{id}.json")))? {
            links.entry(text(&key, "id").to_owned()).or_default().push(id.to_owned());
        }
    }
    Ok(links)
}

/// Adds to each key its plans. Returns the keys with one, and the number of those without.
fn linked(keys: Vec<Value>, links: &BTreeMap<String, Vec<String>>) -> (Vec<Value>, usize) {
    let count = keys.len();
    let linked = keys.into_iter().filter_map(|mut key| {
        let plans = links.get(text(&key, "id"))?;
        key.as_object_mut()?.insert("usagePlanIds".to_owned(), json!(plans));
        Some(key)
    });
    let linked: Vec<Value> = linked.collect();
    let without = count.saturating_sub(linked.len());
    (linked, without)
}

fn known(plans: &str, offset: Offset) -> BTreeMap<PlanId, Option<Plan>> {
    let plans = Plan::import(plans, offset.means()).map(|imported| imported.plans);
    plans.unwrap_or_default().into_iter().map(|(id, plan)| (id, Some(plan))).collect()
}

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}

const EXAMPLES: &str = "\
Examples:
  infra/examples/export-usage-plans exported
  tollgate import --from-export exported --dry-run
  tollgate import --from-export exported --offset-means ignore";
