//! `tollgate plan put`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use throttle::{Plan, PlanBuilder, PlanError, PlanId, Rate};

use crate::args::{Offset, note_highest_rate, plan_error, plan_id};
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;
use crate::read::read;

/// Store a plan from limits or a file. Replaces a plan of the same name.
///
/// A file may have `meters`: units beside requests, such as tokens, each with a `throttle`, a
/// `quota`, or both. `"enforce": false`, of a plan or of a meter, only reports what the limits
/// would refuse.
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

/// A plan's limits on the command line.
#[derive(Args, Debug)]
#[group(id = "limits", multiple = true)]
struct Limits {
    /// Requests a second, such as 5 or 0.5, or with a unit: 100/min, 20/h.
    #[arg(long, requires = "burst", value_parser = Rate::parse)]
    rate: Option<Rate>,
    /// Requests at once after an idle time.
    #[arg(long, value_name = "REQUESTS", requires = "rate")]
    burst: Option<u64>,
    /// Quota of a day, in UTC.
    #[arg(long, value_name = "REQUESTS")]
    per_day: Option<u64>,
    /// Quota of a week, from Monday.
    #[arg(long, value_name = "REQUESTS")]
    per_week: Option<u64>,
    /// Quota of a calendar month.
    #[arg(long, value_name = "REQUESTS")]
    per_month: Option<u64>,
    /// Try the limits before you enforce them: they report what they would refuse, and refuse
    /// nothing.
    #[arg(long)]
    no_enforce: bool,
}

impl Limits {
    fn are_none(&self) -> bool {
        let quotas = [self.per_day, self.per_week, self.per_month];
        self.rate.is_none() && quotas.iter().all(Option::is_none)
    }

    fn plan(&self) -> Result<Plan, PlanError> {
        let mut plan = match (self.rate, self.burst) {
            (Some(rate), Some(burst)) => Plan::with_rate(rate).burst(burst),
            _ => PlanBuilder::default(),
        };
        if let Some(requests) = self.per_day {
            plan = plan.per_day(requests);
        }
        if let Some(requests) = self.per_week {
            plan = plan.per_week(requests);
        }
        if let Some(requests) = self.per_month {
            plan = plan.per_month(requests);
        }
        plan.enforce(!self.no_enforce).build()
    }
}

impl Put {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { id, file, limits, if_version, offset, dry } = self;
        let plan = match file {
            Some(file) => Plan::from_aws_json(read(&file, MOST)?, offset.means()),
            None if limits.are_none() => {
                return Err(Error::misuse(
                    "give limits, such as `--rate 5 --burst 10 --per-day 1000`, or a FILE",
                ));
            }
            None => limits.plan(),
        };
        let plan = plan.map_err(|error| Error::misuse(plan_error(&error)))?;
        note_highest_rate(&id, &plan);
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
  tollgate plan put free --rate 5 --burst 10 --per-day 1000
  tollgate plan put free plan.json
  tollgate plan put free plan.json --if-version 3
  echo '{"quota": {"limit": 9, "period": "DAY"}}' | tollgate plan put free -
  echo '{"meters": {"tokens": {"quota": {"limit": 900000, "period": "DAY"}}}}' |
    tollgate plan put free -
  aws apigateway get-usage-plan --usage-plan-id abc123 |
    tollgate plan put gold - --dry-run"#;

/// The most bytes that a plan may have, as `throttle` reads it.
const MOST: u64 = 64 * 1024;
