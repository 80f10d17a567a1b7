//! Usage reports, in the shape of API Gateway's GetUsage.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::meter::Meter;
use crate::period::{Period, Window};
use crate::plan::{MeterLimits, PlanRecord, Quota};

/// The use and the grants of a subject, by period.
///
/// It covers the history of a bucket: 31 days, 12 weeks, 12 months.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub(crate) periods: BTreeMap<String, Use>,
}

/// The use and the grant of one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Use {
    /// The use minus the grant: the counter that quotas are compared with.
    pub(crate) counter: i64,
    pub(crate) granted: u64,
}

/// Usage as API Gateway's GetUsage reports it.
///
/// Each entry is `[used, remaining]`, or `[used]` if the plan has no quota. An entry is a day,
/// unless `period` names weeks or months. If the plan's quota is longer than a day, a day's
/// `remaining` is the rest of the quota at the end of that day. An adjustment of the longer period
/// counts from its first day on.
///
/// Grants count as quota. A quota's `offset` is subtracted only in the period in which the plan was
/// created.
///
/// ```
/// use tollgate_throttle::Usage;
///
/// let json = r#"{"usagePlanId":"a1b2c3","startDate":"2026-11-20","endDate":"2026-11-21","values":{"maria":[[0,100],[10,90]]}}"#;
/// let usage: Usage = serde_json::from_str(json).unwrap();
/// assert_eq!(usage.values["maria"][1], [10, 90]);
/// assert_eq!(serde_json::to_string(&usage).unwrap(), json);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// The plan.
    pub usage_plan_id: String,
    /// The first day.
    pub start_date: String,
    /// The last day.
    pub end_date: String,
    /// The period of an entry, unless it is a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// The meter, unless it is requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    /// The start of the next page; `None` on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// The entries of each subject, one a period. The AWS command line calls them `items`.
    #[serde(alias = "items")]
    pub values: BTreeMap<String, Vec<Vec<u64>>>,
}

/// An error in the range of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The last moment is before the first.
    #[error("the end is before the start: give the earlier date first")]
    Backwards,
    /// More periods than a report holds.
    #[error("is of more than {MAX_PERIODS} periods: ask for fewer at a time")]
    TooLong,
}

impl History {
    /// The amount used in a period, of the meter of its counter: requests, unless the window is
    /// [`of`](Window::of) another.
    #[must_use]
    pub fn used(&self, window: &Window) -> u64 {
        let Use { counter, granted } = self.of(window);
        // For counters from the table, this is never below zero.
        granted.saturating_add_signed(counter)
    }

    /// The amount granted for a period on top of its quota, of the meter of its counter.
    #[must_use]
    pub fn granted(&self, window: &Window) -> u64 {
        self.of(window).granted
    }

    /// The rest of a quota in a period, grants included, of the meter of its counter.
    #[must_use]
    pub fn remaining(&self, plan: &PlanRecord, quota: Quota, window: &Window) -> u64 {
        self.left(plan, quota, window, self.used(window))
    }

    fn left(&self, plan: &PlanRecord, quota: Quota, window: &Window, used: u64) -> u64 {
        let offset = if window.contains(plan.created) { quota.offset() } else { 0 };
        let limit = quota.limit().saturating_sub(offset).saturating_add(self.granted(window));
        limit.saturating_sub(used)
    }

    fn of(&self, window: &Window) -> Use {
        self.periods.get(&window.counter.to_string()).copied().unwrap_or_default()
    }

    /// One period's entry of a report.
    fn entry(&self, plan: &PlanRecord, period: Period, window: &Window) -> Vec<u64> {
        let used = self.used(window);
        let meter = window.counter.meter();
        let quotas = plan.plan.meter(meter).map(MeterLimits::quotas).unwrap_or_default();
        let quota = |period| quotas.iter().copied().find(|quota: &Quota| quota.period() == period);
        if let Some(quota) = quota(period) {
            return vec![used, self.left(plan, quota, window, used)];
        }
        let longer = [Period::Week, Period::Month].into_iter().find_map(quota);
        match longer.filter(|_| period == Period::Day) {
            Some(quota) => {
                let whole = quota.window(window.start).of(meter);
                let so_far = self.used_until(plan, &whole, window);
                vec![used, self.left(plan, quota, &whole, so_far)]
            }
            None => vec![used],
        }
    }

    /// The use of a longer period at the end of one of its days.
    ///
    /// The period's own counter includes adjustments, and days that the history has lost. Their
    /// dates are unknown, so they count from the start of the period.
    fn used_until(&self, plan: &PlanRecord, whole: &Window, day: &Window) -> u64 {
        let days = |until| {
            let days = windows(plan, whole.counter.meter(), Period::Day, (whole.start, until));
            days.map(|day| self.used(&day)).fold(0, u64::saturating_add)
        };
        if !self.periods.contains_key(&whole.counter.to_string()) {
            return days(day.start);
        }
        let later = days(whole.end.saturating_sub(TICK)).saturating_sub(days(day.start));
        self.used(whole).saturating_sub(later)
    }
}

impl Usage {
    /// Reports the requests of these subjects under a plan, from one moment's period to another's.
    ///
    /// # Errors
    /// The end is before the start, or they are more than 400 periods apart.
    pub fn report<'a>(
        plan: &PlanRecord,
        period: Period,
        range: (Timestamp, Timestamp),
        subjects: impl IntoIterator<Item = (&'a str, &'a History)>,
    ) -> Result<Self, UsageError> {
        Self::of_meter(plan, Meter::REQUESTS, period, range, subjects)
    }

    /// Reports the use of a meter by these subjects, like [`report`](Self::report).
    ///
    /// # Errors
    /// As of [`report`](Self::report).
    pub fn of_meter<'a>(
        plan: &PlanRecord,
        meter: Meter,
        period: Period,
        (from, to): (Timestamp, Timestamp),
        subjects: impl IntoIterator<Item = (&'a str, &'a History)>,
    ) -> Result<Self, UsageError> {
        if to < from {
            return Err(UsageError::Backwards);
        }
        let all = windows(plan, meter, period, (from, to));
        let windows: Vec<_> = all.take(MAX_PERIODS + 1).collect();
        if windows.len() > MAX_PERIODS {
            return Err(UsageError::TooLong);
        }
        let report = |history: &History| {
            let entry = |window: &Window| history.entry(plan, period, window);
            windows.iter().map(entry).collect()
        };
        let of = |moment| plan.plan.window(meter, period, moment);
        let last = of(to).end.saturating_sub(TICK);
        Ok(Self {
            usage_plan_id: plan.id.to_string(),
            start_date: date(of(from).start),
            end_date: date(last),
            period: (period != Period::Day).then_some(period),
            meter: (!meter.is_requests()).then(|| meter.to_string()),
            position: None,
            values: subjects
                .into_iter()
                .map(|(subject, history)| (subject.to_owned(), report(history)))
                .collect(),
        })
    }
}

/// The periods of a plan's meter from one moment's to another's.
fn windows(
    plan: &PlanRecord,
    meter: Meter,
    period: Period,
    (from, to): (Timestamp, Timestamp),
) -> impl Iterator<Item = Window> {
    let of = move |moment| plan.plan.window(meter, period, moment);
    let first = Some(of(from)).filter(|window| window.start <= to);
    std::iter::successors(first, move |window| {
        let next = of(window.end);
        // The last period that a timestamp can hold follows itself.
        Some(next).filter(|next| next.start <= to && next.start > window.start)
    })
}

fn date(moment: Timestamp) -> String {
    let day = Duration::from_secs(moment.as_secs());
    Date::constant(1970, 1, 1).saturating_add(day).to_string()
}

const MAX_PERIODS: usize = 400;
const TICK: Duration = Duration::from_nanos(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::PlanId;
    use crate::plan::Plan;

    const DAY: u64 = 86_400;
    /// 2026-11-21T09:00:00Z, a Saturday.
    const NOW: u64 = 1_795_251_600;

    fn moment(days_ago: u64) -> Timestamp {
        Timestamp::from_secs(NOW - days_ago * DAY)
    }

    fn plan(quota: &str, created: Timestamp) -> PlanRecord {
        let plan = Plan::from_json(format!(
            r#"{{"throttle": {{"rateLimit": 1, "burstLimit": 1}}, "quota": {quota}}}"#
        ));
        let id = PlanId::new("free").unwrap();
        PlanRecord { id, plan: plan.unwrap(), version: 1, created }
    }

    fn history(periods: &[(&str, i64, u64)]) -> History {
        let periods = periods.iter().map(|(name, counter, granted)| {
            ((*name).to_owned(), Use { counter: *counter, granted: *granted })
        });
        History { periods: periods.collect() }
    }

    fn values(plan: &PlanRecord, period: Period, ago: (u64, u64), of: &History) -> Vec<Vec<u64>> {
        let range = (moment(ago.0), moment(ago.1));
        let mut usage = Usage::report(plan, period, range, [("maria", of)]).unwrap();
        usage.values.remove("maria").unwrap()
    }

    #[test]
    fn a_daily_quota_is_reported_by_day() {
        let plan = plan(r#"{"limit": 100, "offset": 30, "period": "DAY"}"#, moment(2));
        // Forty of the last day's hundred and fifty were granted before ten were used.
        let history =
            history(&[("d20261119", 5, 0), ("d20261120", 100, 0), ("d20261121", -40, 50)]);
        let range = (moment(3), moment(0));
        let usage = Usage::report(&plan, Period::Day, range, [("maria", &history)]).unwrap();
        assert_eq!(
            serde_json::to_string(&usage).unwrap(),
            concat!(
                r#"{"usagePlanId":"free","startDate":"2026-11-18","endDate":"2026-11-21","#,
                r#""values":{"maria":[[0,100],[5,65],[100,0],[10,140]]}}"#
            )
        );
        let today = Period::Day.window(moment(0));
        assert_eq!((history.used(&today), history.granted(&today)), (10, 50));
        assert_eq!(history.remaining(&plan, plan.plan.quotas()[0], &today), 140);
    }

    #[test]
    fn a_longer_quota_is_reported_by_day_as_it_went_down() {
        let days =
            [("d20261114", 7, 0), ("d20261116", 1, 0), ("d20261118", 2, 0), ("d20261121", 4, 0)];
        let week = plan(r#"{"limit": 10, "period": "WEEK"}"#, moment(400));
        // The 16th is a Monday.
        assert_eq!(
            values(&week, Period::Day, (6, 0), &history(&days)),
            [[0, 3], [1, 9], [0, 9], [2, 7], [0, 7], [0, 7], [4, 3]]
        );
        let month = plan(r#"{"limit": 100, "period": "MONTH"}"#, moment(400));
        assert_eq!(values(&month, Period::Day, (1, 0), &history(&days)), [[0, 90], [4, 86]]);
    }

    #[test]
    fn an_adjustment_of_a_longer_quota_shows_by_day_too() {
        let month = plan(r#"{"limit": 100, "period": "MONTH"}"#, moment(400));
        let days = [("d20261119", 7, 0), ("d20261121", 4, 0)];
        let by_day = |counter, granted| {
            let history = history(&[days[0], days[1], ("m202611", counter, granted)]);
            let rows = values(&month, Period::Day, (2, 0), &history);
            let month = values(&month, Period::Month, (0, 0), &history);
            assert_eq!(rows[2][1], month[0][1], "today's row and the month's");
            rows
        };
        assert_eq!(by_day(11, 0), [[7, 93], [0, 93], [4, 89]]);
        // Lowered by 30; raised by 5; lowered by 30 with a grant of 50.
        assert_eq!(by_day(41, 0), [[7, 63], [0, 63], [4, 59]]);
        assert_eq!(by_day(6, 0), [[7, 98], [0, 98], [4, 94]]);
        assert_eq!(by_day(-9, 50), [[7, 113], [0, 113], [4, 109]]);
    }

    #[test]
    fn weeks_and_months_have_entries_of_their_own() {
        let history = history(&[("w2026-46", 3, 0), ("w2026-47", 9, 0), ("m202611", 40, 10)]);
        let week = plan(r#"{"limit": 10, "period": "WEEK"}"#, moment(400));
        assert_eq!(values(&week, Period::Week, (7, 0), &history), [[3, 7], [9, 1]]);
        assert_eq!(values(&week, Period::Month, (30, 0), &history), [[0], [50]]);
        let range = (moment(7), moment(0));
        let usage = Usage::report(&week, Period::Week, range, []).unwrap();
        assert_eq!(
            (usage.start_date.as_str(), usage.end_date.as_str()),
            ("2026-11-09", "2026-11-22")
        );
        assert!(serde_json::to_string(&usage).unwrap().contains(r#""period":"WEEK""#));
    }

    #[test]
    fn a_quota_with_a_start_day_is_reported_by_its_own_periods() {
        let month = plan(r#"{"limit": 100, "period": "MONTH", "startDay": 20}"#, moment(400));
        let history = history(&[
            ("d20261119", 7, 0),
            ("d20261120", 2, 0),
            ("d20261121", 4, 0),
            ("m20261020", 60, 0),
            ("m20261120", 6, 0),
            ("m202611", 99, 0),
        ]);
        let days = values(&month, Period::Day, (2, 0), &history);
        // Of the 60 of the period before, the history has the last day's 7.
        assert_eq!(days, [[7, 40], [2, 98], [4, 94]]);
        assert_eq!(values(&month, Period::Month, (3, 0), &history), [[60, 40], [6, 94]]);
        let range = (moment(3), moment(0));
        let usage = Usage::report(&month, Period::Month, range, []).unwrap();
        assert_eq!((&*usage.start_date, &*usage.end_date), ("2026-10-20", "2026-12-19"));
    }

    #[test]
    fn a_meter_is_reported_by_itself() {
        let plan = Plan::from_json(
            r#"{"quota": {"limit": 100, "period": "DAY"}, "meters": {"tokens": {"quota":
                [{"limit": 900, "period": "DAY"}, {"limit": 5000, "period": "MONTH"}]}}}"#,
        );
        let id = PlanId::new("free").unwrap();
        let plan = PlanRecord { id, plan: plan.unwrap(), version: 1, created: moment(400) };
        let history = history(&[
            ("d20261121", 3, 0),
            ("d20261120.tokens", 700, 0),
            ("d20261121.tokens", 500, 50),
            ("m202611.tokens", 1_200, 0),
        ]);
        let tokens = Meter::new("tokens").unwrap();
        let report = |meter, period| {
            let range = (moment(1), moment(0));
            Usage::of_meter(&plan, meter, period, range, [("maria", &history)]).unwrap()
        };
        let days = report(tokens, Period::Day);
        assert_eq!(days.values["maria"], [[700, 200], [550, 400]]);
        assert_eq!(days.meter.as_deref(), Some("tokens"));
        assert_eq!(report(tokens, Period::Month).values["maria"], [[1_200, 3_800]]);
        let requests = report(Meter::REQUESTS, Period::Day);
        assert_eq!((&requests.meter, &requests.values["maria"][1]), (&None, &vec![3, 97]));
    }

    #[test]
    fn a_report_has_an_end() {
        let plan = plan(r#"{"limit": 10, "period": "DAY"}"#, moment(0));
        let report = |from, to| Usage::report(&plan, Period::Day, (from, to), []).map(|_| ());
        assert_eq!(report(moment(0), moment(1)), Err(UsageError::Backwards));
        assert_eq!(report(moment(400), moment(0)), Err(UsageError::TooLong));
        assert_eq!(report(moment(399), moment(0)), Ok(()));
        let last = Timestamp::from_nanos(u64::MAX);
        assert_eq!(report(Timestamp::EPOCH, last), Err(UsageError::TooLong));
        assert_eq!(report(last, last), Ok(()));
    }

    proptest! {
        #[test]
        fn no_history_ends_the_process(counter: i64, granted: u64, limit in 1u64..1_000) {
            let history = history(&[("d20261121", counter, granted), ("m202611", counter, granted)]);
            for period in ["DAY", "WEEK", "MONTH"] {
                let plan = plan(&format!(r#"{{"limit": {limit}, "period": "{period}"}}"#), moment(0));
                for period in [Period::Day, Period::Week, Period::Month] {
                    values(&plan, period, (31, 0), &history);
                }
            }
        }
    }
}
