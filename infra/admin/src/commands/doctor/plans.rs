//! The plans of a table, and the keys and subjects that are on them.

use std::collections::{BTreeMap, BTreeSet};

use authorizer::{Config, is_of_parent, shell_word};
use table::{Assignments, Failure, Items, KeyRecord};
use throttle::{Limit, Period, Plan, PlanId, PlanRecord, Plans, Quota, Throttling};

use super::parents;
use super::report::{Finding, Report, State};
use crate::context::Context;
use crate::error::Error;
use crate::hierarchy::Hierarchy;
use crate::layout::count;
use crate::pages::{MOST_PAGES, first_pages};

/// The keys and subjects on one plan.
#[derive(Default)]
struct Users {
    keys: usize,
    subjects: usize,
    /// True if an entry of `parents` in the configuration names it.
    is_of_parent: bool,
}

/// The plans that a table holds, and those that its keys and subjects name.
#[derive(Default)]
pub(super) struct Read {
    stored: BTreeMap<String, PlanRecord>,
    damaged: Vec<String>,
    named: BTreeMap<String, Users>,
    pub(super) hierarchy: Hierarchy,
    /// The subjects that are assigned a plan.
    pub(super) with_plan: BTreeSet<String>,
    /// The assignments that were read.
    pub(super) assignments: usize,
    /// The keys whose subject is a parent's.
    pub(super) keys_of_parents: Vec<KeyRecord>,
    /// False if the table is longer than was read.
    pub(super) whole: bool,
}

/// Checks that each plan that the configuration, a key or a subject names exists and is sound.
pub(super) async fn check(
    context: &Context,
    table: &str,
    config: Option<&Config>,
    report: &mut Report,
) -> Result<(), Error> {
    let limits = config.and_then(|config| config.throttle.as_ref());
    let mut read = match read(context, table).await {
        Ok(read) => read,
        Err(failure) => return report.add(super::of_failure(&failure)),
    };
    let default = limits.and_then(|limits| limits.plan.default.as_ref());
    if let Some(default) = default {
        read.named.entry(default.to_string()).or_default();
    }
    let of_parents = limits.iter().flat_map(|limits| &limits.parents);
    for plan in of_parents.filter_map(|parent| parent.plan.as_ref()) {
        read.named.entry(plan.to_string()).or_default().is_of_parent = true;
    }
    let plans = Plans::new(context.client.clone(), table);
    let mut missing = 0_usize;
    for (name, users) in &read.named {
        if read.stored.contains_key(name) || read.damaged.contains(name) {
            continue;
        }
        // In a table that was read in part, the plan may be in the rest.
        if !read.whole
            && let Ok(id) = PlanId::new(name.as_str())
            && matches!(plans.get(&id).await, Ok(Some(_)))
        {
            continue;
        }
        missing = missing.saturating_add(1);
        if missing > MOST_SHOWN {
            continue;
        }
        let is_default = default.is_some_and(|default| default.as_str() == name);
        let text = format!("there is no plan `{name}`: {}", of_users(users, is_default));
        let fix = format!("plan put {} --rate 5 --burst 10", shell_word(name));
        report
            .add(Finding::new("plans", State::Fail, text).fix(context.command_at(table, &fix)))?;
    }
    if missing > MOST_SHOWN {
        let text = format!("{} more plans are missing", missing - MOST_SHOWN);
        report.add(Finding::new("plans", State::Fail, text))?;
    }
    for name in &read.damaged {
        let text = format!("the plan `{name}` is damaged: its callers get 500; store it again");
        report.add(Finding::new("plans", State::Fail, text))?;
    }
    for record in read.stored.values().filter(|record| record.plan.is_closed()) {
        let text = format!(
            "the plan `{}` refuses every request: a rate, burst or quota of it is 0",
            record.id
        );
        let id = shell_word(record.id.as_str());
        let fix = format!("plan put {id}{}", opening_flags(&record.plan));
        report
            .add(Finding::new("plans", State::Warn, text).fix(context.command_at(table, &fix)))?;
    }
    let claim = limits.and_then(|limits| limits.plan.claim.as_deref());
    let generous = claim.and(default).and_then(|default| generous(default, &read));
    let is_generous = generous.is_some();
    if let Some(finding) = generous {
        report.add(finding)?;
    }
    if missing == 0 && read.damaged.is_empty() && !is_generous {
        report.add(summary(&read, default, claim))?;
    }
    parents::check(context, table, config, &read, report).await
}

/// Reads a table's plans, keys and assignments, from its first megabytes.
async fn read(context: &Context, table: &str) -> Result<Read, Failure> {
    let now = context.now();
    let (mut found, client) = (Read::default(), &context.client);
    let plans = Plans::new(client.clone(), table);
    let mut whole = first_pages(
        "plans",
        async |from: Option<String>| plans.list(from.as_deref()).await,
        |page| {
            found.stored.extend(page.items.into_iter().map(|it| (it.id.to_string(), it)));
            found.damaged.extend(page.damaged);
        },
    )
    .await?;
    let keys: Items<KeyRecord> = Items::new(client.clone(), table);
    whole &= first_pages(
        "keys",
        async |from: Option<String>| keys.list(from.as_deref()).await,
        |page| {
            for key in page.items.iter().filter(|key| key.details.is_valid(now)) {
                if let Some(plan) = key.details.plan() {
                    let users = found.named.entry(plan.to_owned()).or_default();
                    users.keys = users.keys.saturating_add(1);
                }
                if is_of_parent(&key.details.subject) {
                    found.keys_of_parents.push(key.clone());
                }
            }
        },
    )
    .await?;
    let assignments = Assignments::new(client.clone(), table);
    whole &= first_pages(
        "assignments",
        async |from: Option<String>| assignments.list(from.as_deref()).await,
        |page| {
            found.assignments = found.assignments.saturating_add(page.items.len());
            for assignment in &page.items {
                let Some(plan) = assignment.plan.clone() else { continue };
                found.with_plan.insert(assignment.subject.clone());
                let users = found.named.entry(plan).or_default();
                users.subjects = users.subjects.saturating_add(1);
            }
            found.hierarchy.add(page);
        },
    )
    .await?;
    found.whole = whole;
    Ok(found)
}

/// The flags of `plan put` that replace each limit of 0.
fn opening_flags(plan: &Plan) -> String {
    let mut flags = String::new();
    if plan.throttle().is_some_and(Throttling::is_closed) {
        flags.push_str(" --rate 5 --burst 10");
    }
    for quota in plan.quotas().iter().filter(|quota| quota.limit() == 0) {
        flags.push_str(match quota.period() {
            Period::Day => " --per-day 1000",
            Period::Week => " --per-week 7000",
            Period::Month => " --per-month 30000",
        });
    }
    flags
}

/// The callers that a missing plan refuses.
fn of_users(users: &Users, is_default: bool) -> String {
    let mut parts = Vec::new();
    if is_default {
        parts.push("it is the default, so every caller without another plan gets 500".to_owned());
    }
    if users.is_of_parent {
        parts.push("`parents` names it, so every caller within it gets 500".to_owned());
    }
    if users.keys > 0 {
        parts.push(format!("{} on it", count(users.keys, "key")));
    }
    if users.subjects > 0 {
        parts.push(format!("{} on it", count(users.subjects, "subject")));
    }
    parts.join(", ")
}

fn summary(read: &Read, default: Option<&PlanId>, claim: Option<&str>) -> Finding {
    if read.stored.is_empty() && read.named.is_empty() {
        let finding = Finding::new("plans", State::Skip, "the table has no plans");
        return finding.fix("tollgate plan put --help");
    }
    let mut text = match default {
        Some(default) => format!("the default plan `{default}` exists"),
        None => format!("{} in the table", count(read.stored.len(), "plan")),
    };
    let others = read.named.keys().filter(|name| default.is_none_or(|it| it.as_str() != *name));
    match others.count() {
        0 => {}
        others => text.push_str(&format!(
            "; keys and subjects are on {}, and all exist",
            count(others, "other plan")
        )),
    }
    if let Some(claim) = claim {
        text.push_str(&format!("; plans that the claim `{claim}` names were not checked"));
    }
    if !read.whole {
        text.push_str(&format!("; only the first {MOST_PAGES} MB of the table were read"));
    }
    Finding::new("plans", State::Ok, text)
}

/// Warns if a caller whose claim names no plan gets more from the default plan.
fn generous(default: &PlanId, read: &Read) -> Option<Finding> {
    let plan = &read.stored.get(default.as_str())?.plan;
    let others = read.stored.values().filter_map(|other| {
        let more = allows_more(plan, &other.plan);
        (!more.is_empty()).then(|| format!("`{}` ({})", other.id, more.join(", ")))
    });
    let others: Vec<_> = others.collect();
    if others.is_empty() {
        return None;
    }
    let text = format!(
        "the default plan `{default}` allows more than {}: a caller whose claim names no stored \
         plan gets it; lower these limits of `{default}`",
        others.join(", ")
    );
    Some(Finding::new("plans", State::Warn, text))
}

/// The limits by which a plan allows more than another. Each of two plans may have some.
fn allows_more(plan: &Plan, other: &Plan) -> Vec<String> {
    let mut more = Vec::new();
    if plan.is_closed() {
        return more;
    }
    if let Some(theirs) = other.throttle() {
        let ours = plan.throttle();
        if ours.is_none_or(|ours| ours.rate().interval() < theirs.rate().interval()) {
            more.push("rate".to_owned());
        }
        if ours.is_none_or(|ours| ours.burst() > theirs.burst()) {
            more.push("burst".to_owned());
        }
    }
    let ours = |theirs: &Quota| plan.quotas().iter().find(|it| it.period() == theirs.period());
    for theirs in other.quotas() {
        if ours(theirs).is_none_or(|ours| ours.limit() > theirs.limit()) {
            more.push(format!("{} quota", Limit::from(theirs.period())));
        }
    }
    for (meter, theirs) in other.meters() {
        let Some(ours) = plan.meter(*meter) else {
            more.push(format!("`{meter}`"));
            continue;
        };
        let generous = |theirs: &Quota| {
            let ours = ours.quotas().iter().find(|it| it.period() == theirs.period());
            ours.is_none_or(|ours| ours.limit() > theirs.limit())
        };
        let rate = theirs.throttle().is_some_and(|theirs| {
            ours.throttle().is_none_or(|ours| {
                ours.rate().interval() < theirs.rate().interval() || ours.burst() > theirs.burst()
            })
        });
        if rate || theirs.quotas().iter().any(generous) {
            more.push(format!("`{meter}`"));
        }
    }
    more
}

/// Mistakes of one kind that are shown one by one.
pub(super) const MOST_SHOWN: usize = 10;
