//! The parents of a table's subjects.

use authorizer::{Config, shell_word};

use super::count;
use super::plans::{MOST_SHOWN, Read};
use super::report::{Finding, Report, State};
use crate::context::Context;
use crate::error::Error;
use crate::hierarchy::Levels;
use crate::pages::MOST_PAGES;

/// Checks that the parents of each subject are a chain of at most four levels, and that no key has a
/// parent's subject.
pub(super) async fn check(
    context: &Context,
    table: &str,
    config: Option<&Config>,
    read: &Read,
    report: &mut Report,
) -> Result<(), Error> {
    let (mut wrong, mut subjects) = (0_usize, 0_usize);
    for own in read.hierarchy.assigned() {
        subjects = subjects.saturating_add(1);
        let chain = read.hierarchy.chain(own).await;
        let Some(problem) = Levels::of(&chain, None, config)?.problem else { continue };
        wrong = wrong.saturating_add(1);
        if wrong <= MOST_SHOWN {
            let text = format!("{problem}; its requests get 403");
            let name = shell_word(&own.subject);
            let fix = match own.plan {
                Some(_) => format!("subject assign {name} --no-parent"),
                None => format!("subject unassign {name}"),
            };
            let fix = context.command(table, &fix);
            report.add(Finding::new("parents", State::Fail, text).fix(fix))?;
        }
    }
    if wrong > MOST_SHOWN {
        let text = format!("the parents of {} more subjects are wrong", wrong - MOST_SHOWN);
        report.add(Finding::new("parents", State::Fail, text))?;
    }
    for key in read.keys_of_parents.iter().take(MOST_SHOWN) {
        let text = format!(
            "a key has the subject `{}`, which is a parent's: its requests get 403 if that is also \
             its parent; make another key",
            key.details.subject
        );
        let fix = context.command(table, &format!("key disable {}", key.digest));
        report.add(Finding::new("parents", State::Fail, text).fix(fix))?;
    }
    let by_token = config.filter(|config| !config.callers.takes_keys());
    let throttle = by_token.and_then(|config| config.throttle.as_ref());
    if subjects > 0 && throttle.is_some_and(|throttle| !throttle.plan.assigned) {
        let text = "assigned parents limit nobody, because the configuration reads no assignments: \
                    write `plan = { assigned = true, … }` in [throttle]";
        report.add(Finding::new("parents", State::Fail, text.to_owned()))?;
    } else if wrong == 0 && subjects > 0 && read.keys_of_parents.is_empty() {
        let mut text =
            format!("{} within a parent, in at most four levels", count(subjects, "subject"));
        if !read.whole {
            text.push_str(&format!("; only the first {MOST_PAGES} MB of the table were read"));
        }
        report.add(Finding::new("parents", State::Ok, text))?;
    }
    Ok(())
}
