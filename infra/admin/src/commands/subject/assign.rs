//! `tollgate subject assign`.

use clap::Args;
use serde_json::json;
use throttle::PlanId;

use crate::args::plan_id;
use crate::confirm::Confirm;
use crate::context::Context;
use crate::error::Error;
use crate::output::note;
use crate::who::Who;

/// Assign a plan to a subject. A key's own plan precedes it.
///
/// A subject that has never been seen needs `--yes`, because it may be misspelt: it has no
/// requests, no plan and no key. With `--token` it needs none.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, allow_missing_positional = true)]
pub(crate) struct Assign {
    #[command(flatten)]
    who: Who,
    /// The plan's name.
    #[arg(value_parser = plan_id)]
    plan: PlanId,
    /// Write only if the assignment has this version (`subject show --json`), or, with 0, if there
    /// is none.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    confirm: Confirm,
}

impl Assign {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { who, plan, if_version, confirm } = self;
        let found = who.find(context)?;
        let subject = &found.subject;
        context.plan(&plan).await?;
        found.require_seen(context, confirm).await?;
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
        if confirm.dry_run() && !same {
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
        context.output.print(text, &json)?;
        // The assignment of a key's subject is always read.
        let by_token = found.config.as_ref().filter(|config| !config.callers.takes_keys());
        let throttle = by_token.and_then(|config| config.throttle.as_ref());
        if throttle.is_some_and(|throttle| !throttle.plan.assigned) {
            note("the configuration reads no assignments: write `plan = { assigned = true, … }`");
        }
        Ok(())
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate subject assign 'us-east-1_abcDEF123#client1' gold
  tollgate subject assign client1 gold --config tollgate.toml --yes
  echo \"$TOKEN\" | tollgate subject assign --token - gold --config tollgate.toml";
