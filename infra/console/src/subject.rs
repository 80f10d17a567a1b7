//! A subject as the page shows it: its gauges and quotas.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use table::Assignment;
use throttle::{
    BucketRecord, History, Meter, MeterLimits, PlanId, PlanRecord, RateState, Throttling, Timestamp,
};

use crate::problem::Problem;
use crate::state::{State as Console, millis, plan_id};

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

/// Returns the plan of a subject's last request, else the assigned one, else the default plan of
/// the configuration. `None` if it has none, or if the table does not have it.
pub(crate) async fn plan_of(
    state: &Console,
    bucket: Option<&BucketRecord>,
    assigned: Option<&Assignment>,
) -> Result<Option<PlanRecord>, Problem> {
    let last = bucket.and_then(|bucket| bucket.stamp.as_ref()).map(|stamp| stamp.plan.clone());
    let assigned = assigned.and_then(|it| it.plan.as_deref()).map(plan_id).transpose()?;
    let throttle = state.config().and_then(|source| source.config.throttle.as_ref());
    let default = || throttle.and_then(|throttle| throttle.plan.default.clone());
    match last.or(assigned).or_else(default) {
        Some(id) => Ok(state.plans().get(&id).await?),
        None => Ok(None),
    }
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

/// The rates with debt, and the plan's own rate even if it is full.
///
/// With `intervalUs` and `fullInUs` the page computes how the debt shrinks with time.
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
    // For the rate of a method or of an older plan, only the debt is known.
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
