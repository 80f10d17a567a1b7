//! Everything about one subject: its limits, its parents, and the history of its use.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use throttle::{History, Meter, Period, PlanRecord, Subject, Timestamp, Usage};

use crate::family;
use crate::problem::Problem;
use crate::state::{Shared, millis};
use crate::subject::{bucket, plan_of, plans};

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
    let parents = family::parents(&state, assignment.as_ref()).await?;
    let now = state.now();
    let plans = plans(&state, found.iter()).await?;
    let plan = plan_of(&state, found.as_ref(), assignment.as_ref()).await?;
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
    let of = |moment| plan.plan.window(meter, period, moment);
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

#[cfg(test)]
mod tests {
    use throttle::{Plan, PlanId};

    use super::*;

    #[test]
    fn a_meters_months_begin_on_its_own_day() {
        let plan = Plan::from_json(
            r#"{"quota": {"limit": 9, "period": "MONTH"}, "meters": {"tokens":
                {"quota": {"limit": 9, "period": "MONTH", "startDay": 15}}}}"#,
        );
        let id = PlanId::new("plan").unwrap();
        let plan = PlanRecord { id, plan: plan.unwrap(), version: 1, created: Timestamp::EPOCH };
        // 20 November 2026.
        let now = Timestamp::from_secs(1_795_132_800);
        let last = |meter| {
            let months = usage(&plan, (meter, Period::Month), "maria", &History::default(), now);
            assert_eq!(months.len(), 12);
            months.last().unwrap()["start"].as_u64().unwrap()
        };
        assert_eq!(last(Meter::REQUESTS), 1_793_491_200_000, "1 November");
        assert_eq!(last(Meter::new("tokens").unwrap()), 1_794_700_800_000, "15 November");
    }
}
