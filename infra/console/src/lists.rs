//! Lists of plans, keys, assignments, revocations and buckets, with a search.

use axum::Json;
use axum::extract::{Query, State};
use serde_json::{Value, json};
use table::{Assignment, KeyRecord};
use throttle::{Meter, PlanId, PlanRecord, Subject, Throttling, Timestamp};

use crate::problem::Problem;
use crate::search::{Exact, Search, answer, find};
use crate::state::{Shared, millis};
use crate::subject;

/// `GET /api/plans`: plans by id or name.
pub(crate) async fn plans(
    State(state): Shared,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Problem> {
    let plans = state.plans();
    let mut exact = Exact::new(&search, search.exact());
    for id in exact.ids(|name| PlanId::new(name)) {
        exact.items.extend(plans.get(&id).await?);
    }
    let found =
        find(&search, exact, &plans, |it| search.finds(&[Some(it.id.as_str()), it.plan.name()]))
            .await?;
    Ok(answer(found, plan))
}

fn plan(record: &PlanRecord) -> Value {
    let throttle = record.plan.throttle();
    let quotas = record.plan.quotas().iter().map(|quota| {
        let (period, limit, start) = (quota.period(), quota.limit(), quota.start_day());
        json!({"period": period, "limit": limit, "startDay": start})
    });
    let reports = record.plan.every_meter().filter(|(_, limits)| !limits.is_enforced());
    json!({
        "id": record.id.as_str(),
        "name": record.plan.name(),
        "version": record.version,
        "created": millis(record.created),
        "rate": throttle.map(|throttle| throttle.rate().to_string()),
        "burst": throttle.map(Throttling::burst),
        "quotas": quotas.collect::<Vec<_>>(),
        "meters": record.plan.meters().keys().map(Meter::to_string).collect::<Vec<_>>(),
        "reports": reports.map(|(meter, _)| meter.to_string()).collect::<Vec<_>>(),
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
    let mut exact = Exact::new(&search, search.exact());
    for id in exact.ids(str::parse) {
        exact.items.extend(keys.get(&id).await?);
    }
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
    let mut exact = Exact::new(&search, search.subjects(&state));
    for id in exact.ids(|name| Subject::new(name)) {
        exact.items.extend(assignments.get(id.as_str()).await?);
    }
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
    let mut exact = Exact::new(&search, search.exact());
    for id in exact.ids(str::parse) {
        exact.items.extend(revocations.get(&id).await?.filter(|it| it.is_live(now)));
    }
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
    let mut exact = Exact::new(&search, search.subjects(&state));
    for id in exact.ids(|name| Subject::new(name)) {
        exact.items.extend(buckets.get(&id).await?);
    }
    let found = find(&search, exact, &buckets, |it| {
        let plan = it.stamp.as_ref().map(|stamp| stamp.plan.as_str());
        search.finds(&[Some(it.subject.as_str()), plan])
    })
    .await?;
    let plans = subject::plans(&state, found.items.iter()).await?;
    let now = state.now();
    Ok(answer(found, |bucket| subject::bucket(bucket, &plans, now)))
}
