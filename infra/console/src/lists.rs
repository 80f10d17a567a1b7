//! Lists of plans, keys, assignments, revocations and buckets, with a search.

use std::fmt::Display;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use table::{Failure, Item, Items, KeyRecord, Page};
use throttle::{BucketRecord, Buckets, PlanRecord, Subject, Throttling, Timestamp};

use crate::problem::Problem;
use crate::state::{Shared, millis};
use crate::subject;

/// The most items of one answer.
const MOST: usize = 100;
/// The most pages of the table that are read for one answer: a megabyte each.
const PAGES: usize = 8;

/// The query of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Search {
    /// Part of a name, in any case.
    search: String,
    /// The `next` of the answer before.
    from: Option<String>,
}

impl Search {
    /// Returns true if one of the texts has what is searched.
    fn finds(&self, texts: &[Option<&str>]) -> bool {
        let wanted = self.search.trim().to_lowercase();
        texts.iter().flatten().any(|text| text.to_lowercase().contains(&wanted))
    }
}

/// Matching items of a table, as far as one answer holds them.
struct Found<T> {
    items: Vec<T>,
    damaged: Vec<String>,
    next: Option<String>,
}

/// A kind of items, page by page.
trait Pages<T> {
    fn page(&self, from: Option<String>) -> impl Future<Output = Result<Page<T>, Failure>> + Send;
}

impl<T: Item + Send + Sync> Pages<T> for Items<T> {
    async fn page(&self, from: Option<String>) -> Result<Page<T>, Failure> {
        self.list(from.as_deref()).await
    }
}

impl Pages<BucketRecord> for Buckets {
    async fn page(&self, from: Option<String>) -> Result<Page<BucketRecord>, Failure> {
        self.list(from.as_deref()).await
    }
}

/// Reads pages until enough items are found, or enough pages are read.
async fn scan<T: Item<Id: Display>>(
    search: &Search,
    pages: &impl Pages<T>,
    wanted: impl Fn(&T) -> bool,
) -> Result<Found<T>, Problem> {
    let mut found = Found { items: Vec::new(), damaged: Vec::new(), next: search.from.clone() };
    for _ in 0..PAGES {
        let page = pages.page(found.next.take()).await?;
        found.next = page.next;
        found.damaged.extend(page.damaged);
        let mut items = page.items.into_iter().filter(&wanted).peekable();
        while let Some(item) = items.next() {
            let at = format!("{}{}", T::PREFIX, item.id());
            found.items.push(item);
            if found.items.len() >= MOST && items.peek().is_some() {
                // The rest of this page comes with the next answer.
                found.next = Some(at);
                return Ok(found);
            }
        }
        if found.next.is_none() || found.items.len() >= MOST {
            break;
        }
    }
    Ok(found)
}

fn answer<T>(found: Found<T>, json: impl Fn(&T) -> Value) -> Json<Value> {
    let Found { items, damaged, next } = found;
    let items: Vec<Value> = items.iter().map(json).collect();
    Json(json!({"items": items, "damaged": damaged, "next": next}))
}

/// `GET /api/plans`: every plan.
pub(crate) async fn plans(State(state): Shared) -> Result<Json<Value>, Problem> {
    let (plans, mut from) = (state.plans(), None::<String>);
    let (mut items, mut damaged) = (Vec::new(), Vec::new());
    loop {
        let page = plans.list(from.as_deref()).await?;
        items.extend(page.items.iter().map(plan));
        damaged.extend(page.damaged);
        from = page.next;
        if from.is_none() || items.len() >= MOST * PAGES {
            break;
        }
    }
    Ok(Json(json!({"items": items, "damaged": damaged, "next": from})))
}

fn plan(record: &PlanRecord) -> Value {
    let throttle = record.plan.throttle();
    let quotas = record.plan.quotas().iter();
    json!({
        "id": record.id.as_str(),
        "name": record.plan.name(),
        "version": record.version,
        "created": millis(record.created),
        "rate": throttle.map(|throttle| throttle.rate().to_string()),
        "burst": throttle.map(Throttling::burst),
        "quotas": quotas.map(|quota| json!({"period": quota.period(), "limit": quota.limit()}))
            .collect::<Vec<_>>(),
        "isUnlimited": record.plan.is_unlimited(),
        "isClosed": record.plan.is_closed(),
        "text": serde_json::to_string_pretty(&record.plan).unwrap_or_default(),
    })
}

/// `GET /api/keys`: keys by id, name, subject or plan.
pub(crate) async fn keys(
    State(state): Shared,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Problem> {
    let (keys, now) = (state.keys(), state.now());
    let found = scan(&search, &keys, |key| {
        let details = &key.details;
        let id = key.digest.to_string();
        let plans = details.plans.iter().map(|plan| Some(plan.as_str()));
        let texts = [Some(id.as_str()), details.name.as_deref(), Some(&details.subject)];
        search.finds(&texts.into_iter().chain(plans).collect::<Vec<_>>())
    })
    .await?;
    Ok(answer(found, |record| key(record, now)))
}

pub(crate) fn key(record: &KeyRecord, now: Timestamp) -> Value {
    let details = &record.details;
    json!({
        "id": record.digest.to_string(),
        "subject": details.subject,
        "plan": details.plan(),
        "plans": details.plans,
        "name": details.name,
        "enabled": details.enabled,
        "isValid": details.is_valid(now),
        "expires": details.expires.map(millis),
        "created": millis(record.created),
        "version": record.version,
    })
}

/// `GET /api/assignments`: assignments by subject or plan.
pub(crate) async fn assignments(
    State(state): Shared,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Problem> {
    let assignments = state.assignments();
    let found =
        scan(&search, &assignments, |it| search.finds(&[Some(&it.subject), Some(&it.plan)]))
            .await?;
    Ok(answer(found, |it| json!({"subject": it.subject, "plan": it.plan, "version": it.version})))
}

/// `GET /api/revocations`: revocations that have not ended, by id or reason.
pub(crate) async fn revocations(
    State(state): Shared,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Problem> {
    let (revocations, now) = (state.revocations(), state.now());
    let found = scan(&search, &revocations, |it| {
        it.is_live(now) && search.finds(&[Some(&it.target().to_string()), it.reason()])
    })
    .await?;
    Ok(answer(found, |it| {
        json!({
            "id": it.target().to_string(),
            "kind": it.target().kind().name(),
            "issuedBefore": it.issued_before().map(millis),
            "revokedAt": millis(it.revoked_at()),
            "expires": millis(it.expires()),
            "reason": it.reason(),
        })
    }))
}

/// `GET /api/buckets`: buckets by subject or plan, with gauges.
pub(crate) async fn buckets(
    State(state): Shared,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Problem> {
    let buckets = state.buckets();
    // A whole name needs no search.
    let exact = match (&search.from, Subject::new(search.search.trim())) {
        (None, Ok(subject)) => buckets.get(&subject).await?,
        _ => None,
    };
    let found = match exact {
        Some(bucket) => Found { items: vec![bucket], damaged: Vec::new(), next: None },
        None => {
            scan(&search, &buckets, |it| {
                let plan = it.stamp.as_ref().map(|stamp| stamp.plan.as_str());
                search.finds(&[Some(it.subject.as_str()), plan])
            })
            .await?
        }
    };
    let plans = subject::plans(&state, found.items.iter()).await?;
    let now = state.now();
    Ok(answer(found, |bucket| subject::bucket(bucket, &plans, now)))
}
