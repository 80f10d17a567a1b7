//! `tollgate plan put`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use throttle::{Plan, PlanId};

use crate::args::{Offset, plan_error, plan_id};
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;
use crate::read::read;

/// Store a plan, new or over the one of its name.
///
/// A plan without limits needs `"unlimited": true`. A rate, burst or quota of 0 refuses every
/// request. If the stored plan is the same, nothing is written.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Put {
    /// The plan's name, as tokens and configurations have it.
    #[arg(value_parser = plan_id)]
    id: PlanId,
    /// A file of API Gateway's JSON, or - for standard input.
    file: PathBuf,
    /// Only where the stored plan still has this version, as `plan show --json` says; 0 for none.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    offset: Offset,
    #[command(flatten)]
    dry: Dry,
}

impl Put {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { id, file, if_version, offset, dry } = self;
        let plan = Plan::from_aws_json(read(&file, MOST)?, offset.means())
            .map_err(|error| Error::refused(plan_error(&error)))?;
        let plans = context.plans();
        let old = plans.get(&id).await?;
        let stored = old.as_ref().map(|old| old.version);
        check_version(&id, if_version, stored)?;
        let same = old.is_some_and(|old| old.plan == plan);
        let version = match stored {
            Some(version) if same => version,
            _ if dry.dry_run => stored.unwrap_or(0).saturating_add(1),
            _ => plans.put(&id, &plan, stored, context.now()).await?.version,
        };
        let text = match (same, dry.dry_run) {
            (true, _) => format!("the plan `{id}` is that already, version {version}"),
            (false, true) => format!("would store the plan `{id}`; nothing was done"),
            (false, false) => format!("stored the plan `{id}`, version {version}"),
        };
        let changed = !same && !dry.dry_run;
        let mut json = json!({"plan": id.as_str(), "version": version, "changed": changed});
        if dry.dry_run
            && let Some(members) = json.as_object_mut()
        {
            members.insert("dryRun".to_owned(), true.into());
            members.remove("version");
            members.insert("changed".to_owned(), (!same).into());
        }
        context.output.print(text, &json)
    }
}

/// Refuses where the operator has seen another version than is stored.
pub(super) fn check_version(
    id: &PlanId,
    seen: Option<u64>,
    stored: Option<u64>,
) -> Result<(), Error> {
    match (seen, stored) {
        (None, _) | (Some(0), None) => Ok(()),
        (Some(seen), Some(stored)) if seen == stored => Ok(()),
        (Some(_), Some(stored)) => Err(Error::refused(format!(
            "the plan `{id}` has version {stored}: somebody has changed it; look at it again"
        ))),
        (Some(_), None) => Err(Error::refused(format!(
            "there is no plan `{id}`: somebody has deleted it, or its name is another"
        ))),
    }
}

const EXAMPLES: &str = r#"Examples:
  tollgate plan put free plan.json
  tollgate plan put free plan.json --if-version 3
  echo '{"throttle": {"rateLimit": 10, "burstLimit": 20}}' | tollgate plan put free -
  aws apigateway get-usage-plan --usage-plan-id abc123 | tollgate plan put gold - --dry-run"#;

/// The most bytes that a plan may have, as `throttle` reads it.
const MOST: u64 = 64 * 1024;
