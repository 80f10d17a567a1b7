//! `tollgate plan put`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use throttle::{Plan, PlanId};

use super::limits::Limits;
use crate::args::{Offset, note_highest_rate, plan_error, plan_id};
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;
use crate::read::read;

/// Store a plan from a file, or change the limits that flags name.
///
/// A file replaces a stored plan of this name. Flags change the limits that they name and keep
/// everything else of it.
///
/// A file may have `meters`: units besides requests, such as tokens, each with a `throttle`, a
/// `quota`, or both. `"enforce": false`, of a plan or of a meter, only reports what the limits
/// would refuse. `"startDay"` of a weekly or monthly quota is the day that its periods start:
/// `"SUNDAY"`, or 1 to 28.
///
/// A plan without limits needs `"unlimited": true`. A rate, burst or quota of 0 refuses every
/// request. If the stored plan is the same, nothing is written.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Put {
    /// The plan's name, as tokens and configurations write it.
    #[arg(value_parser = plan_id)]
    id: PlanId,
    /// File of API Gateway's JSON, or - for standard input, instead of limits.
    #[arg(conflicts_with = "limits")]
    file: Option<PathBuf>,
    #[command(flatten)]
    limits: Limits,
    /// Write only if the stored plan has this version (`plan show --json`), or, with 0, if there is
    /// none.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    offset: Offset,
    #[command(flatten)]
    dry: Dry,
}

impl Put {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { id, file, limits, if_version, offset, dry } = self;
        if file.is_none() {
            limits.check()?;
        }
        let given = file.as_ref().map(|file| plan_of_file(file, offset)).transpose()?;
        let plans = context.plans();
        let old = plans.get(&id).await?;
        let stored = old.as_ref().map(|old| old.version);
        check_version(&id, if_version, stored)?;
        let old = old.map(|old| old.plan);
        let kept = match (&given, &old) {
            (None, Some(old)) => limits.kept(old),
            _ => Vec::new(),
        };
        let plan = given.map_or_else(|| limits.apply(old.as_ref()), Ok)?;
        note_highest_rate(&id, &plan);
        let same = old.is_some_and(|old| old == plan);
        let version = match stored {
            Some(version) if same => version,
            _ if dry.dry_run => stored.unwrap_or(0).saturating_add(1),
            _ => plans.put(&id, &plan, stored, context.now()).await?.version,
        };
        let and = match kept.is_empty() {
            true => String::new(),
            false => format!("; kept: {}", kept.join(", ")),
        };
        let text = match (same, dry.dry_run) {
            (true, _) => format!("the plan `{id}` is that already, version {version}"),
            (false, true) => format!("would store the plan `{id}`{and}; nothing was done"),
            (false, false) => format!("stored the plan `{id}`, version {version}{and}"),
        };
        let changed = !same && !dry.dry_run;
        let mut json = json!({"plan": id.as_str(), "version": version, "changed": changed});
        if !kept.is_empty()
            && let Some(members) = json.as_object_mut()
        {
            members.insert("kept".to_owned(), kept.into());
        }
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

fn plan_of_file(file: &Path, offset: Offset) -> Result<Plan, Error> {
    let plan = Plan::from_aws_json(read(file, MOST)?, offset.means());
    plan.map_err(|error| Error::misuse(plan_error(&error)))
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
            "there is no plan `{id}`: somebody has deleted it, or its name is misspelt; \
             `--if-version 0` creates it"
        ))),
    }
}

const EXAMPLES: &str = r#"Examples:
  tollgate plan put free --rate 5 --burst 10 --per-day 1000
  tollgate plan put free --per-day 2000 --clear per-month
  tollgate plan put free --no-enforce
  tollgate plan put free plan.json
  tollgate plan put free plan.json --if-version 3
  echo '{"quota": {"limit": 9, "period": "DAY"}}' | tollgate plan put free -
  echo '{"quota": {"limit": 9000, "period": "WEEK", "startDay": "SUNDAY"}}' |
    tollgate plan put free -
  echo '{"meters": {"tokens": {"quota": {"limit": 900000, "period": "DAY"}}}}' |
    tollgate plan put free -
  aws apigateway get-usage-plan --usage-plan-id abc123 |
    tollgate plan put gold - --dry-run"#;

/// The most bytes that a plan may have, as `throttle` reads it.
const MOST: u64 = 64 * 1024;
