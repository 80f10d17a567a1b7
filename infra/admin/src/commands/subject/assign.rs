//! `tollgate subject assign`.

use authorizer::{is_of_parent, shell_word};
use clap::Args;
use serde_json::json;
use table::Assignment;
use throttle::{PlanId, Subject};

use super::standing;
use crate::args::{check_subject, plan_id, subject};
use crate::confirm::Confirm;
use crate::context::Context;
use crate::error::Error;
use crate::hierarchy::{Hierarchy, levels, read_plans};
use crate::output::note;
use crate::pages::MOST_PAGES;
use crate::who::{Found, Who};

/// Assign a plan, a parent or both to a subject.
///
/// A key's own plan precedes the one that its subject is assigned.
///
/// A request of a subject with a parent must also fit the parent's limits, which all subjects
/// within it share, such as those of a tenant. A parent may have a parent: up to four levels.
/// With `--config` the levels that `parents` in [throttle] adds are counted too. The subjects within
/// this one are counted in the first 10 MB of the table.
///
/// A subject that has never been seen needs `--yes`, because it may be misspelt: it has no
/// requests, no plan and no key. With `--token` it needs none.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Assign {
    #[command(flatten)]
    who: Who,
    /// The plan's name; by default the plan stays as it is.
    #[arg(value_parser = plan_id)]
    plan: Option<PlanId>,
    /// Subject that this one is within, written in full; its assignment names its plan.
    #[arg(long, value_name = "SUBJECT", value_parser = subject)]
    parent: Option<Subject>,
    /// Remove the parent.
    #[arg(long, conflicts_with = "parent")]
    no_parent: bool,
    /// Write only if the assignment has this version (`subject show --json`), or, with 0, if there
    /// is none.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    confirm: Confirm,
}

impl Assign {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { mut who, mut plan, parent, no_parent, if_version, confirm } = self;
        if plan.is_none()
            && let Some(word) = who.word_beside_token()
        {
            let word = plan_id(word.as_str());
            plan = Some(word.map_err(|error| Error::misuse(format!("the plan's name {error}")))?);
        }
        if plan.is_none() && parent.is_none() && !no_parent {
            return Err(Error::misuse("name a plan, `--parent SUBJECT` or `--no-parent`"));
        }
        if let Some(parent) = &parent {
            check_subject(parent.as_str())?;
        }
        let found = who.check()?.find(context)?;
        let name = found.subject.as_str();
        if let Some(plan) = &plan {
            context.plan(plan).await?;
        }
        found.require_seen(context, confirm).await?;
        let assignments = context.assignments();
        let stored = assignments.get(name).await?;
        let stored = stored.unwrap_or_else(|| Assignment::new(name));
        if if_version.is_some_and(|seen| seen != stored.version) {
            return Err(Error::refused(format!(
                "the assignment has version {}: somebody has changed it; look at it again",
                stored.version
            )));
        }
        let mut wanted = stored.clone();
        if let Some(plan) = plan {
            wanted = wanted.with_plan(plan.as_str());
        }
        if no_parent {
            wanted.parent = None;
        }
        if let Some(parent) = parent {
            wanted = wanted.with_parent(parent.as_str());
            check(context, &found, &wanted, confirm).await?;
        }
        if wanted.plan.is_none() && wanted.parent.is_none() {
            return Err(Error::refused(format!(
                "`{name}` would have neither a plan nor a parent: name a plan, or delete its \
                 assignment with `{}`",
                context.command(&format!("subject unassign {}", shell_word(name)))
            )));
        }
        let (changed, moved) = (wanted != stored, wanted.parent != stored.parent);
        if moved && wanted.parent.is_some() {
            check_below(context, &found, &wanted).await?;
        }
        let is = standing(wanted.plan.as_deref(), wanted.parent.as_deref());
        if confirm.dry_run() && changed {
            return context.would(&format!("put `{name}` {is}"));
        }
        let text = format!("`{name}` is {is}");
        let (text, written) = match (changed, moved && wanted.parent.is_some()) {
            (false, _) => (format!("{text} already"), stored),
            (true, false) => (text, assignments.put(wanted).await?),
            (true, true) => (text, assignments.put_within(wanted, &stored).await?),
        };
        let json = json!({
            "subject": name, "plan": written.plan, "parent": written.parent,
            "version": written.version, "changed": changed,
        });
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

/// Refuses a parent that makes a loop or too many levels; a parent without a plan needs `--yes`.
async fn check(
    context: &Context,
    found: &Found,
    wanted: &Assignment,
    confirm: Confirm,
) -> Result<(), Error> {
    let (name, parent) = (&wanted.subject, wanted.parent.as_deref().unwrap_or_default());
    if is_of_parent(name) {
        note(format_args!(
            "requests that are within `{name}` by `parents` in [throttle] are not within \
             `{parent}`: only those are that are assigned `{name}` as parent"
        ));
    }
    let chain = context.assignments().chain(wanted).await?;
    let config = found.config.as_ref();
    let mut levels = levels(&chain, found.claims.as_ref(), config)?;
    if let Some(problem) = levels.problem {
        return Err(Error::refused(problem));
    }
    read_plans(&mut levels, context, config).await?;
    let Some(level) = levels.parents.iter().find(|level| level.plan.is_none()) else {
        return Ok(());
    };
    let unless = match config {
        Some(_) => "",
        None => ", unless `parents` in the configuration has a plan for it",
    };
    let why =
        format!("{} is assigned no plan, so requests within it are refused{unless}", level.name());
    if confirm.dry_run() {
        note(format_args!("{why}; this needs --yes"));
        return Ok(());
    }
    let Some(subject) = &level.subject else { return confirm.insist(&why, "add --yes") };
    let line = format!("subject assign {} PLAN --yes", shell_word(subject));
    let fix = format!("run `{}` first, or add --yes", context.command(&line));
    confirm.insist(&why, &fix)
}

/// Refuses a parent that makes too many levels for a subject within the assigned one.
async fn check_below(context: &Context, found: &Found, wanted: &Assignment) -> Result<(), Error> {
    let mut all = Hierarchy::read_first(context).await?;
    for parent in context.assignments().chain(wanted).await?.parents {
        all.put(parent);
    }
    all.put(wanted.clone());
    for own in all.assigned() {
        let chain = all.chain(own).await;
        if !chain.names.contains(&wanted.subject) {
            continue;
        }
        let levels = levels(&chain, None, found.config.as_ref())?;
        if let Some(problem) = levels.problem.filter(|_| own.subject != wanted.subject) {
            return Err(Error::refused(problem));
        }
    }
    if !all.whole {
        note(format_args!(
            "subjects within `{}` were looked for in the first {MOST_PAGES} MB of the table: \
             requests of one with more than four levels are refused",
            wanted.subject
        ));
    }
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  tollgate subject assign 'us-east-1_abcDEF123#client1' gold
  tollgate subject assign '#tenant#acme' tenant-gold --yes
  tollgate subject assign 'us-east-1_abcDEF123#client1' --parent '#tenant#acme'
  tollgate subject assign 'us-east-1_abcDEF123#client1' --no-parent
  tollgate subject assign client1 gold --config tollgate.toml --yes
  echo \"$TOKEN\" | tollgate subject assign --token - gold --config tollgate.toml";
