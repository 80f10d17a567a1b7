//! `tollgate usage show --tree`.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use table::Assignment;
use throttle::{History, PlanId, PlanRecord, Subject};

use super::quota_uses;
use crate::args::stored_plan_id;
use crate::context::Context;
use crate::error::Error;
use crate::hierarchy::Hierarchy;
use crate::listing::Listing;
use crate::output::note;
use crate::progress::Progress;
use crate::who::hint;

/// The columns of the list.
const HEADINGS: [&str; 5] = ["SUBJECT", "PLAN", "QUOTA", "USED", "LEFT"];

/// Subjects that a tree shows.
const MOST: usize = 10_000;

/// Subjects that are read and printed together.
const PAGE: usize = 100;

/// Reads of the table that are in flight at once.
const READS: usize = 8;

/// One subject of the tree.
struct Member {
    subject: String,
    /// The plan that it is assigned.
    plan: Option<String>,
    /// The subject that it is within; `None` at the top of the tree.
    parent: Option<String>,
    /// The levels above it in the tree.
    depth: usize,
}

/// The bucket of a member.
struct Used {
    member: Member,
    /// The plan of the last request, else the assigned one.
    plan: Option<PlanId>,
    /// `None` if the bucket is damaged.
    history: Option<History>,
}

/// Shows what is left of the quotas of a subject, and of all within it by their assigned parents.
pub(super) async fn show(context: &Context, top: Subject) -> Result<(), Error> {
    let (members, left_out, damaged) = members(context, top.as_str()).await?;
    let mut plans = BTreeMap::new();
    let mut listing = Listing::new(context.output, "quotas", HEADINGS);
    listing.page(&[], damaged)?;
    let progress = Progress::new("subjects", Some(members.len()));
    let mut members =
        stream::iter(members).map(|member| used(context, member)).buffered(READS).try_chunks(PAGE);
    while let Some(page) = members.next().await {
        let page = page.map_err(|error| error.1)?;
        progress.add(page.len());
        let (mut rows, mut damaged) = (Vec::new(), Vec::new());
        for Used { member, plan, history } in page {
            let Some(history) = history else {
                damaged.push(format!("BUCKET#{}", member.subject));
                continue;
            };
            if let Some(id) = &plan
                && !plans.contains_key(id)
            {
                plans.insert(id.clone(), context.plans().get(id).await?);
            }
            let record = plan.as_ref().and_then(|id| plans.get(id)?.as_ref());
            rows.extend(self::rows(context, &member, plan.as_ref(), record, &history));
        }
        listing.page(&rows, damaged)?;
    }
    if left_out > 0 {
        note(format_args!(
            "{left_out} subjects within `{}` were left out, after the first {MOST}: show a part of \
             the tree by naming a subject of it",
            top.as_str()
        ));
    }
    listing.end("items")
}

/// Finds the subjects of the tree, the top first; the number of those that are too many; and the keys
/// of damaged assignments.
async fn members(context: &Context, top: &str) -> Result<(Vec<Member>, usize, Vec<String>), Error> {
    let all = Hierarchy::read(context).await?;
    let first = context.assignments().get(top).await?;
    let plan = first.as_ref().and_then(|it| it.plan.clone());
    let (members, left_out) =
        tree(&all, Member { subject: top.to_owned(), plan, parent: None, depth: 0 }, MOST);
    if first.is_none()
        && members.len() == 1
        && context.buckets().get(&subject(top)?).await?.is_none()
    {
        return Err(Error::refused(format!(
            "nothing is known of `{top}`: it is assigned no plan, has used nothing, and no subject \
             is assigned it as parent; check its spelling{}",
            hint(top)
        )));
    }
    let damaged = all.damaged.iter().map(|name| format!("SUBJECT#{name}")).collect();
    Ok((members, left_out, damaged))
}

/// Returns the first subjects of a tree, each before those within it, and the number of the others.
fn tree(all: &Hierarchy, top: Member, most: usize) -> (Vec<Member>, usize) {
    let mut within = BTreeMap::<&str, Vec<&Assignment>>::new();
    for it in all.assigned() {
        within.entry(it.parent.as_deref().unwrap_or_default()).or_default().push(it);
    }
    let mut seen = BTreeSet::from([top.subject.clone()]);
    let (mut members, mut left_out, mut next) = (Vec::new(), 0_usize, vec![top]);
    while let Some(member) = next.pop() {
        // The last one is popped first. A loop leads back to a subject that was seen.
        let children = within.get(member.subject.as_str()).into_iter().flatten().rev();
        for child in children.filter(|child| seen.insert(child.subject.clone())) {
            next.push(Member {
                subject: child.subject.clone(),
                plan: child.plan.clone(),
                parent: Some(member.subject.clone()),
                depth: member.depth.saturating_add(1),
            });
        }
        if members.len() < most {
            members.push(member);
        } else {
            left_out = left_out.saturating_add(1);
        }
    }
    (members, left_out)
}

/// Reads the bucket of a member.
async fn used(context: &Context, member: Member) -> Result<Used, Error> {
    let subject = subject(&member.subject)?;
    let bucket = match context.buckets().get(&subject).await {
        Ok(bucket) => bucket,
        Err(table::Error::Damaged(_)) => return Ok(Used { member, plan: None, history: None }),
        Err(error) => return Err(error.into()),
    };
    let (stamp, history) = bucket.map(|it| (it.stamp, it.history)).unwrap_or_default();
    let plan = match stamp {
        Some(stamp) => Some(stamp.plan),
        None => member.plan.as_deref().map(stored_plan_id).transpose()?,
    };
    Ok(Used { member, plan, history: Some(history) })
}

/// A line for each quota; one line for a plan without any.
fn rows(
    context: &Context,
    member: &Member,
    plan: Option<&PlanId>,
    record: Option<&PlanRecord>,
    history: &History,
) -> Vec<([String; 5], Value)> {
    let subject = format!("{}{}", "  ".repeat(member.depth), member.subject);
    let id = plan.map_or_else(|| "-".to_owned(), ToString::to_string);
    let head = json!({
        "subject": member.subject, "parent": member.parent,
        "plan": plan.map(PlanId::as_str),
    });
    let uses = record.map(|plan| quota_uses(plan, history, context.now())).unwrap_or_default();
    if uses.is_empty() {
        return vec![([subject, id, "-".into(), "-".into(), "-".into()], head)];
    }
    let row = |it: &super::QuotaUse| {
        let cells = [it.name(), it.used.to_string(), it.left.to_string()];
        let [name, used, left] = cells;
        let mut json = head.clone();
        if let (Value::Object(json), Value::Object(quota)) = (&mut json, it.json()) {
            json.extend(quota);
        }
        ([subject.clone(), id.clone(), name, used, left], json)
    };
    uses.iter().map(row).collect()
}

fn subject(name: &str) -> Result<Subject, Error> {
    Subject::new(name).map_err(|error| Error::refused(format!("the subject {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The subjects of a tree in order, indented, and the number of the others.
    fn shown(pairs: &[(&str, &str)], most: usize) -> (Vec<String>, usize) {
        let mut all = Hierarchy::default();
        for (subject, parent) in pairs {
            all.put(Assignment::new(*subject).with_parent(*parent));
        }
        let top = Member { subject: "top".to_owned(), plan: None, parent: None, depth: 0 };
        let (members, left_out) = tree(&all, top, most);
        let indented = |it: &Member| format!("{}{}", " ".repeat(it.depth), it.subject);
        (members.iter().map(indented).collect(), left_out)
    }

    #[test]
    fn a_tree_is_whole_up_to_its_bound_and_ends_in_a_loop() {
        let pairs =
            [("b", "top"), ("a", "top"), ("a1", "a"), ("a2", "a"), ("deep", "a1"), ("x", "y")];
        let whole = ["top", " a", "  a1", "   deep", "  a2", " b"].map(str::to_owned);
        assert_eq!(shown(&pairs, 10), (whole.to_vec(), 0));
        assert_eq!(shown(&pairs, 3), (whole[..3].to_vec(), 3));
        let ring = [("top", "b"), ("b", "a"), ("a", "top")];
        assert_eq!(shown(&ring, 10).0, ["top", " a", "  b"]);
    }
}
