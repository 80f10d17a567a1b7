//! A subject's place in a hierarchy: its parents, and the subjects within it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Query, State};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use table::{Assignment, ChainProblem};
use throttle::{BucketRecord, Buckets, Subject};

use crate::problem::Problem;
use crate::search::{Exact, Search, answer, find};
use crate::state::{Shared, State as Console};
use crate::subject;

/// Buckets that are read at once.
const READS: usize = 8;

/// `GET /api/children?search=`: the subjects that are assigned this one as parent, with gauges.
pub(crate) async fn children(
    State(state): Shared,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Problem> {
    let is_child = |it: &Assignment| it.parent.as_deref() == Some(search.name());
    let none = Exact::new(&search, Vec::new());
    let found = find(&search, none, &state.assignments(), is_child).await?;
    let mut described = described(&state, &found.items).await?;
    Ok(answer(found, |it| described.remove(&it.subject).unwrap_or_default()))
}

/// The parents of a subject, nearest first, with gauges, and what is wrong with their chain.
pub(crate) async fn parents(
    state: &Console,
    assignment: Option<&Assignment>,
) -> Result<Value, Problem> {
    let chain = match assignment {
        Some(own) => state.assignments().chain(own).await?,
        None => return Ok(json!({"items": [], "problem": null})),
    };
    let problem = chain.problem.map(|problem| match problem {
        ChainProblem::Loop => "The parents are a loop: requests are refused.",
        ChainProblem::TooLong => "There are more than four levels: requests are refused.",
    });
    let parents = chain.parents;
    let mut described = described(state, &parents).await?;
    let items = parents.iter().filter_map(|it| described.remove(&it.subject));
    Ok(json!({"items": items.collect::<Vec<_>>(), "problem": problem}))
}

/// Each subject as the page shows it, by its name.
async fn described(
    state: &Console,
    members: &[Assignment],
) -> Result<BTreeMap<String, Value>, Problem> {
    let buckets = state.buckets();
    let names: Vec<String> = members.iter().map(|it| it.subject.clone()).collect();
    let read = stream::iter(names).map(|name| read(buckets.clone(), name)).buffered(READS);
    let read: Vec<Read> = read.try_collect().await?;
    let found = read.iter().filter_map(|read| read.bucket.as_ref());
    let plans = subject::plans(state, found).await?;
    let now = state.now();
    let describe = |(member, read): (&Assignment, &Read)| {
        let bucket = read.bucket.as_ref().map(|it| subject::bucket(it, &plans, now));
        let json = json!({
            "subject": member.subject,
            "assigned": member.plan,
            "bucket": bucket,
            "isDamaged": read.is_damaged,
        });
        (member.subject.clone(), json)
    };
    Ok(members.iter().zip(&read).map(describe).collect())
}

/// A bucket, if there is one.
struct Read {
    bucket: Option<BucketRecord>,
    is_damaged: bool,
}

/// Reads the bucket of one of several subjects. A damaged bucket does not hide the others.
async fn read(buckets: Buckets, name: String) -> Result<Read, Problem> {
    let subject = Subject::new(name.as_str())
        .map_err(|error| Problem::wrong(format!("the subject {error}")))?;
    match buckets.get(&subject).await {
        Ok(bucket) => Ok(Read { bucket, is_damaged: false }),
        Err(table::Error::Damaged(_)) => Ok(Read { bucket: None, is_damaged: true }),
        Err(error) => Err(error.into()),
    }
}
