//! Limits in one process's memory: what a check costs, with one key and with many.

use std::collections::HashMap;
use std::num::NonZeroU32;

use anyhow::Context as _;
use governor::{Quota, RateLimiter};
use limitador::limit::{Context, Expression, Limit};
use serde_json::{Value, json};
use throttle::{Clock as _, MemoryStore, Plan, PlanId, Request, Subject, SystemClock, Throttle, Timestamp};

use crate::median;

const KEYS: usize = 10_000;
const CHECKS: usize = 50_000;
const PASSES: usize = 5;

pub(crate) async fn run() -> anyhow::Result<Value> {
    let names: Vec<String> = (0..KEYS).map(|number| format!("client-{number:08}")).collect();
    let (mut one, mut many) = (json!({}), json!({}));
    for (keys, result) in [(&names[..1], &mut one), (&names[..], &mut many)] {
        result["ours"] = ours(keys).await?.into();
        result["governor"] = governor(keys)?.into();
        result["limitador"] = limitador(keys)?.into();
    }
    Ok(json!({"one": one, "many": many}))
}

async fn ours(keys: &[String]) -> anyhow::Result<u64> {
    let store = MemoryStore::new();
    let id = PlanId::new("plan")?;
    let plan = r#"{"throttle": {"rateLimit": 1000000, "burstLimit": 1000000000}}"#;
    store.put_plan(id.clone(), Plan::from_json(plan)?, Timestamp::EPOCH);
    let throttle = Throttle::new(store, SystemClock::new());
    let subjects: Vec<Subject> =
        keys.iter().map(|key| Ok(Subject::new(key.clone())?)).collect::<anyhow::Result<_>>()?;
    let mut times = Vec::new();
    for _ in 0..PASSES {
        let clock = SystemClock::new();
        for subject in subjects.iter().cycle().take(CHECKS) {
            let decision = throttle.decide(&Request::new(subject, &id)).await?;
            anyhow::ensure!(decision.is_allowed(), "refused");
        }
        times.push(each(&clock));
    }
    Ok(median(times))
}

fn governor(keys: &[String]) -> anyhow::Result<u64> {
    let quota = Quota::per_second(NonZeroU32::new(1_000_000_000).context("zero")?);
    let limiter = RateLimiter::dashmap(quota);
    let mut times = Vec::new();
    for _ in 0..PASSES {
        let clock = SystemClock::new();
        for key in keys.iter().cycle().take(CHECKS) {
            anyhow::ensure!(limiter.check_key(key).is_ok(), "refused");
        }
        times.push(each(&clock));
    }
    Ok(median(times))
}

fn limitador(keys: &[String]) -> anyhow::Result<u64> {
    let limiter = limitador::RateLimiter::new(u64::try_from(KEYS)? * 2);
    let variable = Expression::parse("user_id").map_err(|error| anyhow::anyhow!("{error:?}"))?;
    limiter.add_limit(Limit::new("namespace", 1_000_000_000, 3_600, Vec::new(), vec![variable]));
    let namespace = "namespace".into();
    let mut times = Vec::new();
    for _ in 0..PASSES {
        let clock = SystemClock::new();
        for key in keys.iter().cycle().take(CHECKS) {
            let values = HashMap::from([("user_id".to_owned(), key.clone())]);
            let context: Context<'_> = values.into();
            let checked = limiter.check_rate_limited_and_update(&namespace, &context, 1);
            let checked = checked.map_err(|error| anyhow::anyhow!("{error:?}"))?;
            anyhow::ensure!(!checked.limited, "refused");
        }
        times.push(each(&clock));
    }
    Ok(median(times))
}

fn each(clock: &SystemClock) -> u64 {
    let nanos = u64::try_from(clock.monotonic().as_nanos()).unwrap_or(u64::MAX);
    nanos / u64::try_from(CHECKS).unwrap_or(1)
}
