//! Lists of plans, keys, assignments, revocations and buckets, with a search.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use table::{Assignment, Failure, Item, Items, KeyRecord, Page, StoredPlan};
use throttle::{
    BucketRecord, Buckets, Meter, PlanId, PlanRecord, Plans, Subject, Throttling, Timestamp,
};

use crate::problem::Problem;
use crate::state::{Shared, millis};
use crate::subject;

/// The most matching items of one answer.
const MOST: usize = 100;
/// The most items of the table that one answer reads, and how many it reads unless it is told.
const MOST_READ: u16 = 4_000;
const USUAL_READ: u16 = 250;

/// The query of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Search {
    /// Part of a name, in any case.
    search: String,
    /// The `next` of the answer before. Empty after an exact match, to search from the start.
    from: Option<String>,
    /// The most items of the table to read.
    most: Option<u16>,
}

impl Search {
    /// The text that is searched.
    pub(crate) fn name(&self) -> &str {
        self.search.trim()
    }

    /// The name of the item that one read finds, in the first answer to a search.
    fn exact(&self) -> Option<&str> {
        Some(self.name()).filter(|name| self.from.is_none() && !name.is_empty())
    }

    /// Returns true if one of the texts has what is searched.
    fn finds(&self, texts: &[Option<&str>]) -> bool {
        let wanted = self.name().to_lowercase();
        texts.iter().flatten().any(|text| text.to_lowercase().contains(&wanted))
    }
}

/// Matching items of a table, as far as one answer holds them.
pub(crate) struct Found<T> {
    pub(crate) items: Vec<T>,
    damaged: Vec<String>,
    next: Option<String>,
    /// The items of any kind that were read.
    read: u64,
}

/// A kind of items, page by page.
pub(crate) trait Pages<T> {
    fn page(
        &self,
        from: Option<&str>,
        most: u16,
    ) -> impl Future<Output = Result<Page<T>, Failure>> + Send;

    /// The key of an item in the table, as `PREFIX#id`.
    fn pk(item: &T) -> String;
}

impl<T: Item + Send + Sync> Pages<T> for Items<T> {
    async fn page(&self, from: Option<&str>, most: u16) -> Result<Page<T>, Failure> {
        self.list_part(from, most).await
    }

    fn pk(item: &T) -> String {
        format!("{}{}", T::PREFIX, item.id())
    }
}

impl Pages<BucketRecord> for Buckets {
    async fn page(&self, from: Option<&str>, most: u16) -> Result<Page<BucketRecord>, Failure> {
        self.list_part(from, most).await
    }

    fn pk(item: &BucketRecord) -> String {
        format!("{}{}", BucketRecord::PREFIX, item.id())
    }
}

impl Pages<PlanRecord> for Plans {
    async fn page(&self, from: Option<&str>, most: u16) -> Result<Page<PlanRecord>, Failure> {
        self.list_part(from, most).await
    }

    fn pk(item: &PlanRecord) -> String {
        format!("{}{}", StoredPlan::PREFIX, item.id)
    }
}

/// Returns the exact match, or reads one page of the table and keeps what matches.
///
/// The table has no index: the page asks for further parts itself, shows how far it is, and stops.
pub(crate) async fn find<T, P: Pages<T>>(
    search: &Search,
    exact: Option<T>,
    pages: &P,
    wanted: impl Fn(&T) -> bool,
) -> Result<Found<T>, Problem> {
    if let Some(item) = exact {
        let next = Some(String::new());
        return Ok(Found { items: vec![item], damaged: Vec::new(), next, read: 1 });
    }
    let from = search.from.as_deref().filter(|from| !from.is_empty());
    let most = search.most.unwrap_or(USUAL_READ).clamp(1, MOST_READ);
    let Page { items, damaged, mut next, read } = pages.page(from, most).await?;
    let is_exact =
        |item: &T| P::pk(item).split_once('#').is_some_and(|(_, id)| id == search.name());
    // The exact match was in the first answer.
    let is_known = |item: &T| search.from.is_some() && is_exact(item);
    let mut items: Vec<T> =
        items.into_iter().filter(|item| wanted(item) && !is_known(item)).collect();
    if items.len() > MOST {
        items.truncate(MOST);
        // The rest of this page comes with the next answer.
        next = items.last().map(P::pk);
    }
    Ok(Found { items, damaged, next, read })
}

pub(crate) fn answer<T>(found: Found<T>, json: impl FnMut(&T) -> Value) -> Json<Value> {
    let Found { items, damaged, next, read } = found;
    let items: Vec<Value> = items.iter().map(json).collect();
    Json(json!({"items": items, "damaged": damaged, "next": next, "read": read}))
}

/// `GET /api/plans`: plans by id or name.
pub(crate) async fn plans(
    State(state): Shared,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Problem> {
    let plans = state.plans();
    let exact = match search.exact().map(PlanId::new) {
        Some(Ok(id)) => plans.get(&id).await?,
        _ => None,
    };
    let found =
        find(&search, exact, &plans, |it| search.finds(&[Some(it.id.as_str()), it.plan.name()]))
            .await?;
    Ok(answer(found, plan))
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
        "meters": record.plan.meters().keys().map(Meter::to_string).collect::<Vec<_>>(),
        "isEnforced": record.plan.is_enforced(),
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
    let exact = match search.exact().map(str::parse) {
        Some(Ok(digest)) => keys.get(&digest).await?,
        _ => None,
    };
    let found = find(&search, exact, &keys, |key| {
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

/// `GET /api/assignments`: assignments by subject, plan or parent.
pub(crate) async fn assignments(
    State(state): Shared,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Problem> {
    let assignments = state.assignments();
    let exact = match search.exact().map(Subject::new) {
        Some(Ok(subject)) => assignments.get(subject.as_str()).await?,
        _ => None,
    };
    let wanted = |it: &Assignment| {
        search.finds(&[Some(&it.subject), it.plan.as_deref(), it.parent.as_deref()])
    };
    let found = find(&search, exact, &assignments, wanted).await?;
    Ok(answer(found, |it| {
        json!({
            "subject": it.subject,
            "plan": it.plan,
            "parent": it.parent,
            "version": it.version,
        })
    }))
}

/// `GET /api/revocations`: revocations that have not ended, by id or reason.
pub(crate) async fn revocations(
    State(state): Shared,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Problem> {
    let (revocations, now) = (state.revocations(), state.now());
    let exact = match search.exact().map(str::parse) {
        Some(Ok(target)) => revocations.get(&target).await?.filter(|it| it.is_live(now)),
        _ => None,
    };
    let found = find(&search, exact, &revocations, |it| {
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
    let exact = match search.exact().map(Subject::new) {
        Some(Ok(subject)) => buckets.get(&subject).await?,
        _ => None,
    };
    let found = find(&search, exact, &buckets, |it| {
        let plan = it.stamp.as_ref().map(|stamp| stamp.plan.as_str());
        search.finds(&[Some(it.subject.as_str()), plan])
    })
    .await?;
    let plans = subject::plans(&state, found.items.iter()).await?;
    let now = state.now();
    Ok(answer(found, |bucket| subject::bucket(bucket, &plans, now)))
}
