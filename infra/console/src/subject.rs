//! One subject: its gauges, quotas, history, plan and keys.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use throttle::{
    BucketRecord, History, Meter, MeterLimits, Period, PlanId, PlanRecord, RateState, Subject,
    Throttling, Timestamp, Usage,
};

use crate::family;
use crate::problem::Problem;
use crate::state::{Shared, State as Console, millis, plan_id};

/// Plans by their names, each read once.
pub(crate) type PlansById = BTreeMap<PlanId, PlanRecord>;

/// Reads the plans that these buckets are under.
pub(crate) async fn plans(
    state: &Console,
    buckets: impl Iterator<Item = &BucketRecord>,
) -> Result<PlansById, Problem> {
    let mut plans = PlansById::new();
    for stamp in buckets.filter_map(|bucket| bucket.stamp.as_ref()) {
        if !plans.contains_key(&stamp.plan)
            && let Some(plan) = state.plans().get(&stamp.plan).await?
        {
            plans.insert(stamp.plan.clone(), plan);
        }
    }
    Ok(plans)
}

/// A bucket as the page shows it.
pub(crate) fn bucket(bucket: &BucketRecord, plans: &PlansById, now: Timestamp) -> Value {
    let stamp = bucket.stamp.as_ref();
    let plan = stamp.and_then(|stamp| plans.get(&stamp.plan));
    let quotas = plan.map(|plan| quotas(plan, &bucket.history, now)).unwrap_or_default();
    json!({
        "subject": bucket.subject.as_str(),
        "plan": stamp.map(|stamp| stamp.plan.as_str()),
        "version": stamp.map(|stamp| stamp.version),
        "isPlanMissing": stamp.is_some() && plan.is_none(),
        "gauges": gauges(bucket, plan, now),
        "quotas": quotas,
    })
}

/// The rates that are still owed to, and the plan's own even if it is full.
///
/// `intervalUs` and `fullInUs` let the page go on from here: what is owed shrinks with time.
fn gauges(bucket: &BucketRecord, plan: Option<&PlanRecord>, now: Timestamp) -> Vec<Value> {
    let meters = plan.iter().flat_map(|plan| plan.plan.every_meter());
    let rates = meters.filter_map(|(meter, limits)| Some((meter, limits.throttle()?)));
    let rates: Vec<(Meter, Throttling)> = rates.collect();
    let owns = |state: &RateState, (meter, rate): &(Meter, Throttling)| {
        state.meter == Some(*meter) && rate.rate().interval() == state.interval
    };
    let states: Vec<RateState> = bucket.rates().collect();
    let is_enforced = |meter| {
        let limits = plan.and_then(|plan| plan.plan.meter(meter));
        limits.is_none_or(MeterLimits::is_enforced)
    };
    let full_in = |state: &RateState| state.full_at.saturating_since(now);
    let mut gauges = Vec::new();
    for rate in &rates {
        let state = states.iter().find(|state| owns(state, rate));
        let (meter, rate) = rate;
        let interval = rate.rate().interval();
        let mut own = gauge(interval, state.map(full_in).unwrap_or_default(), Some(*meter));
        own.insert("burst".to_owned(), rate.burst().into());
        own.insert("rate".to_owned(), rate.rate().to_string().into());
        own.insert("isEnforced".to_owned(), is_enforced(*meter).into());
        gauges.push(own.into());
    }
    // Of the rate of a method, and of an older plan's, only the debt is known.
    let others = states.iter().filter(|state| !rates.iter().any(|rate| owns(state, rate)));
    for state in others.filter(|state| !full_in(state).is_zero()) {
        gauges.push(gauge(state.interval, full_in(state), state.meter).into());
    }
    gauges
}

fn gauge(interval: Duration, full_in: Duration, meter: Option<Meter>) -> Map<String, Value> {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let mut gauge = Map::new();
    gauge.insert("intervalNs".to_owned(), nanos(interval).into());
    gauge.insert("fullInNs".to_owned(), nanos(full_in).into());
    gauge.insert("burst".to_owned(), Value::Null);
    gauge.insert("isMethod".to_owned(), meter.is_none().into());
    let named = meter.filter(|meter| !meter.is_requests());
    gauge.insert("meter".to_owned(), named.map(|meter| meter.to_string()).into());
    gauge
}

fn quotas(plan: &PlanRecord, history: &History, now: Timestamp) -> Vec<Value> {
    let quota = |meter: Meter, is_enforced: bool, quota: &throttle::Quota| {
        let window = quota.window(now).of(meter);
        json!({
            "meter": Some(meter).filter(|meter| !meter.is_requests()).map(|it| it.to_string()),
            "isEnforced": is_enforced,
            "period": quota.period(),
            "limit": quota.limit(),
            "used": history.used(&window),
            "remaining": history.remaining(plan, *quota, &window),
            "granted": history.granted(&window),
            "ends": millis(window.end),
        })
    };
    let meters = plan.plan.every_meter();
    let quotas = meters.flat_map(|(meter, limits)| {
        let quota = |limit| quota(meter, limits.is_enforced(), limit);
        limits.quotas().iter().map(quota).collect::<Vec<_>>()
    });
    quotas.collect()
}

/// The query of one subject.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    name: String,
}

/// `GET /api/subject?name=`: everything about one subject.
pub(crate) async fn show(
    State(state): Shared,
    Query(Which { name }): Query<Which>,
) -> Result<Json<Value>, Problem> {
    let subject = Subject::new(name.as_str())
        .map_err(|error| Problem::wrong(format!("the subject {error}")))?;
    let found = state.buckets().get(&subject).await?;
    let assignment = state.assignments().get(subject.as_str()).await?;
    let parents = family::parents(&state, subject.as_str(), assignment.as_ref()).await?;
    let now = state.now();
    let plans = plans(&state, found.iter()).await?;
    let last = found.as_ref().and_then(|bucket| bucket.stamp.as_ref()).map(|it| it.plan.clone());
    let assigned = assignment.as_ref().and_then(|it| it.plan.as_deref());
    let assigned = assigned.map(plan_id).transpose()?;
    let plan = match last.or(assigned) {
        Some(id) => match plans.get(&id) {
            Some(plan) => Some(plan.clone()),
            None => state.plans().get(&id).await?,
        },
        None => None,
    };
    let history = found.as_ref().map(|bucket| bucket.history.clone()).unwrap_or_default();
    let name = subject.as_str();
    Ok(Json(json!({
        "subject": name,
        "bucket": found.as_ref().map(|found| bucket(found, &plans, now)),
        "assignment": assignment.map(|it| {
            json!({"plan": it.plan, "parent": it.parent, "version": it.version})
        }),
        "parents": parents,
        "history": plan.as_ref().map(|plan| meters(plan, name, &history, now)),
        "command": state.command(&format!(
            "subject show {}", authorizer::shell_word(name)
        )),
    })))
}

/// The history of each meter of the plan, requests first.
fn meters(plan: &PlanRecord, name: &str, history: &History, now: Timestamp) -> Vec<Value> {
    let meters = plan.plan.every_meter().map(|(meter, _)| {
        let usage = |period| usage(plan, (meter, period), name, history, now);
        json!({
            "meter": meter.as_str(),
            "days": usage(Period::Day),
            "months": usage(Period::Month),
        })
    });
    meters.collect()
}

/// The use of each of the last 31 days or 12 months, oldest first.
fn usage(
    plan: &PlanRecord,
    (meter, period): (Meter, Period),
    name: &str,
    history: &History,
    now: Timestamp,
) -> Vec<Value> {
    let of = |moment| plan.plan.window(Meter::REQUESTS, period, moment);
    let mut windows = vec![of(now)];
    let most = if period == Period::Day { 31 } else { 12 };
    while windows.len() < most
        && let Some(first) = windows.last()
        && let Some(before) = first.start.checked_sub(Duration::from_secs(1))
    {
        windows.push(of(before));
    }
    windows.reverse();
    let from = windows.first().map_or(now, |window| window.start);
    let report = Usage::of_meter(plan, meter, period, (from, now), [(name, history)]);
    let entries = report.ok().and_then(|mut report| report.values.remove(name));
    let entries = entries.unwrap_or_default();
    windows
        .iter()
        .zip(entries)
        .map(|(window, entry)| {
            json!({
                "start": millis(window.start),
                "used": entry.first(),
                "left": entry.get(1),
            })
        })
        .collect()
}
