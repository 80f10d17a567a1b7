//! `tollgate subject assign`.

use clap::Args;
use serde_json::json;
use throttle::{PlanId, Subject};

use crate::args::{plan_id, subject};
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;

/// Put a subject under a plan; for those whose keys have none of their own.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Assign {
    /// Subject whose requests are counted.
    #[arg(value_parser = subject)]
    subject: Subject,
    /// The plan's name.
    #[arg(value_parser = plan_id)]
    plan: PlanId,
    /// Only where the assignment still has this version, as `subject show --json` says; 0 for
    /// none.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    dry: Dry,
}

impl Assign {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { subject, plan, if_version, dry } = self;
        context.plan(&plan).await?;
        let assignments = context.assignments();
        let stored = assignments.get(subject.as_str()).await?;
        let version = stored.as_ref().map(|stored| stored.version);
        if if_version.is_some_and(|seen| seen != version.unwrap_or(0)) {
            return Err(Error::refused(format!(
                "the assignment has version {}: somebody has changed it; look at it again",
                version.unwrap_or(0)
            )));
        }
        let name = subject.as_str();
        let same = stored.is_some_and(|stored| stored.plan == plan.as_str());
        if dry.dry_run && !same {
            return context.would(&format!("put `{name}` under `{plan}`"));
        }
        let (text, version) = if same {
            (format!("`{name}` is under `{plan}` already"), version)
        } else {
            let written = assignments.put(subject.as_str(), plan.as_str(), version).await?;
            (format!("`{name}` is under `{plan}`"), Some(written.version))
        };
        let json =
            json!({"subject": name, "plan": plan.as_str(), "version": version, "changed": !same});
        context.output.print(text, &json)
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate subject assign maria gold
  tollgate subject assign 'us-east-1_abcDEF123#client1' gold --if-version 2";
