//! `tollgate usage show --tree`.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use table::Assignment;
use throttle::{History, PlanId, PlanRecord, Subject};

use super::quota_uses;
use crate::args::stored_plan_id;
use crate::context::Context;
use crate::error::Error;
use crate::listing::Listing;
use crate::pages::each_page;
use crate::progress::Progress;

/// The columns of the list.
const HEADINGS: [&str; 5] = ["SUBJECT", "PLAN", "QUOTA", "USED", "LEFT"];

/// Subjects that are read and printed together.
const PAGE: usize = 100;

/// Reads of the table that are in flight at once.
const READS: usize = 8;

/// One subject of the tree.
struct Member {
    subject: String,
    /// The plan that it is assigned.
    plan: Option<String>,
    /// The subject at the top of the tree; `None` for that one itself.
    parent: Option<String>,
}

/// The bucket of a member.
struct Used {
    member: Member,
    /// The plan of the last request, else the assigned one.
    plan: Option<PlanId>,
    /// `None` if the bucket is damaged.
    history: Option<History>,
}

/// Shows what is left of the quotas of a subject, and of those that are assigned it as parent.
pub(super) async fn show(context: &Context, top: Subject) -> Result<(), Error> {
    let (members, damaged) = members(context, top.as_str()).await?;
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
    listing.end("items")
}

/// Finds the subjects of the tree, the top first, and the keys of damaged assignments.
async fn members(context: &Context, top: &str) -> Result<(Vec<Member>, Vec<String>), Error> {
    let assignments = context.assignments();
    let of = |it: Assignment| Member { subject: it.subject, plan: it.plan, parent: it.parent };
    let (mut within, mut damaged) = (Vec::new(), Vec::new());
    each_page(
        "assignments",
        async |from| assignments.list(from.as_deref()).await,
        |page| {
            let all = page.items.into_iter();
            within.extend(all.filter(|it| it.parent.as_deref() == Some(top)).map(of));
            damaged.extend(page.damaged.iter().map(|name| format!("SUBJECT#{name}")));
            Ok(())
        },
    )
    .await?;
    let first = assignments.get(top).await?;
    if first.is_none()
        && within.is_empty()
        && context.buckets().get(&subject(top)?).await?.is_none()
    {
        return Err(Error::refused(format!(
            "nothing is known of `{top}`: it is assigned no plan, has used nothing, and no subject \
             is assigned it as parent"
        )));
    }
    within.sort_by(|a, b| a.subject.cmp(&b.subject));
    let plan = first.and_then(|it| it.plan);
    within.insert(0, Member { subject: top.to_owned(), plan, parent: None });
    Ok((within, damaged))
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
    let indent = if member.parent.is_some() { "  " } else { "" };
    let subject = format!("{indent}{}", member.subject);
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
