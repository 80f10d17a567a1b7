//! The parents of a table's subjects.

use std::collections::BTreeMap;

use authorizer::{Config, EVERYONE, is_of_parent, shell_word};
use table::{Assignment, Assignments};

use super::plans::{MOST_SHOWN, Read};
use super::report::{Finding, Report, State};
use crate::context::Context;
use crate::error::Error;
use crate::hierarchy::levels;
use crate::layout::count;
use crate::pages::MOST_PAGES;

/// Checks that the parents of each subject are a chain of at most four levels, that each has a plan,
/// and that no key has a parent's subject.
pub(super) async fn check(
    context: &Context,
    table: &str,
    config: Option<&Config>,
    read: &Read,
    report: &mut Report,
) -> Result<(), Error> {
    let (mut wrong, mut subjects) = (0_usize, 0_usize);
    let mut without_plan = BTreeMap::<String, usize>::new();
    for own in read.hierarchy.assigned() {
        subjects = subjects.saturating_add(1);
        let chain = read.hierarchy.chain(own).await;
        let levels = levels(&chain, None, config)?;
        for level in levels.parents.into_iter().filter(|level| level.plan.is_none()) {
            if let Some(parent) = level.subject.filter(|it| !read.with_plan.contains(it)) {
                let within = without_plan.entry(parent).or_default();
                *within = within.saturating_add(1);
            }
        }
        let Some(problem) = levels.problem else { continue };
        wrong = wrong.saturating_add(1);
        if wrong <= MOST_SHOWN {
            let text = format!("{problem}; its requests get 403");
            let name = shell_word(&own.subject);
            let fix = match own.plan {
                Some(_) => format!("subject assign {name} --no-parent"),
                None => format!("subject unassign {name}"),
            };
            let fix = context.command_at(table, &fix);
            report.add(Finding::new("parents", State::Fail, text).fix(fix))?;
        }
    }
    if wrong > MOST_SHOWN {
        let text = format!("the parents of {} more subjects are wrong", wrong - MOST_SHOWN);
        report.add(Finding::new("parents", State::Fail, text))?;
    }
    let is_star = |it: &Assignment| it.subject == STAR || it.parent.as_deref() == Some(STAR);
    if read.with_plan.contains(STAR) || read.hierarchy.assigned().any(is_star) {
        without_plan.remove(STAR);
        let text =
            format!("`{STAR}` is assigned, but is not a subject: all callers are `{EVERYONE}`");
        let fix = context.command_at(table, "subject unassign '*'");
        report.add(Finding::new("parents", State::Warn, text).fix(fix))?;
    }
    wrong = wrong
        .saturating_add(check_plans(context, table, config, read, without_plan, report).await?);
    for name in read.hierarchy.damaged.iter().take(MOST_SHOWN) {
        wrong = wrong.saturating_add(1);
        let text = format!("the assignment of `{name}` is damaged: delete it, and assign it again");
        let fix = context.command_at(table, &format!("subject unassign {}", shell_word(name)));
        report.add(Finding::new("parents", State::Fail, text).fix(fix))?;
    }
    for key in read.keys_of_parents.iter().take(MOST_SHOWN) {
        wrong = wrong.saturating_add(1);
        let text = format!(
            "a key has the subject `{}`, which is a parent's: its requests get 403 if that is also \
             its parent; make another key",
            key.details.subject
        );
        let fix = context.command_at(table, &format!("key disable {}", key.digest));
        report.add(Finding::new("parents", State::Fail, text).fix(fix))?;
    }
    let by_token = config.filter(|config| !config.callers.takes_keys());
    let throttle = by_token.and_then(|config| config.throttle.as_ref());
    if subjects > 0 && throttle.is_some_and(|throttle| !throttle.plan.assigned) {
        let text = "assigned parents limit nobody, because the configuration reads no assignments: \
                    write `plan = { assigned = true, … }` in [throttle]";
        report.add(Finding::new("parents", State::Fail, text.to_owned()))?;
    } else if wrong == 0 && subjects > 0 {
        let text = format!(
            "{} within a parent, in at most four levels, each with a plan; {}",
            count(subjects, "subject"),
            of_reads(read)
        );
        report.add(Finding::new("parents", State::Ok, text))?;
    }
    Ok(())
}

/// Reports the parents without a plan; returns their number.
async fn check_plans(
    context: &Context,
    table: &str,
    config: Option<&Config>,
    read: &Read,
    parents: BTreeMap<String, usize>,
    report: &mut Report,
) -> Result<usize, Error> {
    let assignments = Assignments::new(context.client.clone(), table);
    let (mut wrong, mut unread) = (0_usize, 0_usize);
    for (at, (parent, within)) in parents.into_iter().enumerate() {
        let mut exists = read.hierarchy.assigned().any(|it| it.subject == parent);
        // In a table that was read in part, the parent may be in the rest.
        if !read.whole && !exists {
            if at >= MOST_READ {
                unread = unread.saturating_add(1);
                continue;
            }
            let stored = assignments.get(&parent).await?;
            if stored.as_ref().is_some_and(|it| it.plan.is_some()) {
                continue;
            }
            exists = stored.is_some();
        }
        wrong = wrong.saturating_add(1);
        if wrong > MOST_SHOWN {
            continue;
        }
        let is = if exists { "is assigned no plan" } else { "has no assignment, and so no plan" };
        let within = count(within, "subject");
        // Only a configuration can give a plan to such a parent.
        let (state, unless) = match config {
            None if is_of_parent(&parent) => {
                (State::Warn, ", unless `parents` in the configuration has a plan for it")
            }
            _ => (State::Fail, ""),
        };
        let text =
            format!("the parent `{parent}` {is}: requests of {within} within it get 403{unless}");
        let fix = format!("subject assign {} PLAN --yes", shell_word(&parent));
        let fix = context.command_at(table, &fix);
        report.add(Finding::new("parents", state, text).fix(fix))?;
    }
    if wrong > MOST_SHOWN {
        let text = format!("{} more parents have no plan", wrong - MOST_SHOWN);
        report.add(Finding::new("parents", State::Fail, text))?;
    }
    if unread > 0 {
        let text = format!(
            "{unread} more parents were not found; {}, and {MOST_READ} parents beyond them",
            of_reads(read)
        );
        report.add(Finding::new("parents", State::Skip, text))?;
    }
    Ok(wrong.saturating_add(unread))
}

/// The part of the table that a check has read.
fn of_reads(read: &Read) -> String {
    let mut text = format!("{} read", count(read.assignments, "assignment"));
    if !read.whole {
        text.push_str(&format!(", in the first {MOST_PAGES} MB of the table"));
    }
    text
}

/// All callers, in `parents` of the configuration only.
const STAR: &str = "*";

/// The parents that are read one by one in a table that was read in part.
const MOST_READ: usize = 100;
