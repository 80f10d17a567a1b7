//! `tollgate subject show`.

use clap::Args;
use console::Level;
use serde_json::json;
use table::Assignment;

use crate::args::stored_plan_id;
use crate::commands::usage::{QuotaUse, quota_uses};
use crate::context::Context;
use crate::error::Error;
use crate::hierarchy::{levels, read_plans};
use crate::layout::facts;
use crate::who::{Who, hint};

/// Show a subject's plan, its parents with their plans, and the rest of its quotas.
///
/// With `--config` the parents that `parents` in [throttle] adds are shown too: all levels that a
/// request of the subject meets. With `--token` those are named by the token's own claims.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Show {
    #[command(flatten)]
    who: Who,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let found = self.who.find(context)?;
        let (subject, config) = (&found.subject, found.config.as_ref());
        let name = subject.as_str();
        let assignment = context.assignments().get(name).await?;
        let bucket = context.buckets().get(subject).await?;
        if assignment.is_none() && bucket.is_none() {
            return Err(Error::refused(format!(
                "nothing is known of `{name}`: it is assigned no plan and has used nothing; \
                 `tollgate usage export PLAN` lists who has{}",
                hint(name)
            )));
        }
        let last = bucket.as_ref().and_then(|bucket| bucket.stamp.clone()).map(|it| it.plan);
        let assigned = assignment.as_ref().and_then(|it| it.plan.as_deref());
        let own = assignment.clone().unwrap_or_else(|| Assignment::new(name));
        let chain = context.assignments().chain(&own).await?;
        let mut levels = levels(&chain, found.claims.as_ref(), config)?;
        read_plans(&mut levels, context, config).await?;
        let now = context.now();
        let mut rows = vec![
            ["subject".to_owned(), name.to_owned()],
            ["assigned".to_owned(), assigned.unwrap_or("-").to_owned()],
            ["last under".to_owned(), last.as_ref().map_or("-".into(), ToString::to_string)],
        ];
        rows.extend(levels.parents.iter().map(|level| {
            let plan = level.plan.as_deref().map(|plan| format!("plan {plan}"));
            let plan = plan.unwrap_or_else(|| "no plan assigned".to_owned());
            let name = match (&level.subject, &level.entry) {
                (Some(subject), None) => subject.clone(),
                (Some(subject), Some(_)) => format!("{subject} (configured)"),
                (None, entry) => {
                    format!("the claim `{}` (configured)", entry.as_deref().unwrap_or_default())
                }
            };
            ["within".to_owned(), format!("{name}, {plan}")]
        }));
        // A plan that was deleted has no quotas left.
        let plan = match assigned.map(stored_plan_id).transpose()?.or(last) {
            Some(id) => context.plans().get(&id).await?,
            None => None,
        };
        let limits = match &plan {
            Some(plan) if plan.plan.is_unlimited() => Some("none: the plan is unlimited"),
            Some(plan) if !plan.plan.is_enforced() => Some("not enforced: they only report"),
            Some(plan) if plan.plan.is_closed() => Some("closed: every request is refused"),
            _ => None,
        };
        rows.extend(limits.map(|limits| ["limits", limits].map(str::to_owned)));
        let history = bucket.map(|bucket| bucket.history).unwrap_or_default();
        let quotas = plan.as_ref().map(|plan| quota_uses(plan, &history, now)).unwrap_or_default();
        rows.extend(quotas.iter().map(|it| {
            let granted = it.granted;
            let more = if granted > 0 { format!(", {granted} granted") } else { String::new() };
            [it.name(), format!("{} used, {} left{more}", it.used, it.left)]
        }));
        if levels.problem.is_some() {
            rows.push(["requests", "refused with 403, because of the parents"].map(str::to_owned));
        }
        let parents: Vec<_> = levels.parents.iter().map(Level::json).collect();
        let json = json!({
            "subject": name,
            "assigned": assigned,
            "version": assignment.as_ref().map(|it| it.version),
            "plan": plan.map(|plan| plan.id.to_string()),
            "parents": parents,
            "problem": levels.problem,
            "quotas": quotas.iter().map(QuotaUse::json).collect::<Vec<_>>(),
        });
        context.output.print(facts(&rows), &json)?;
        match levels.problem {
            Some(problem) => Err(Error::refused(problem)),
            None => Ok(()),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate subject show 'us-east-1_abcDEF123#client1'
  tollgate subject show client1 --config tollgate.toml
  echo \"$TOKEN\" | tollgate subject show --token - --config tollgate.toml";
