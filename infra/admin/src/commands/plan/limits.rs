//! The flags of a plan's limits, for `plan put`.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use throttle::{Limit, Period, Plan, Rate};

use crate::error::Error;

/// A plan's limits on the command line.
#[derive(Args, Debug)]
#[group(id = "limits", multiple = true)]
pub(super) struct Limits {
    /// Requests a second, such as 5 or 0.5, or with a unit: 100/min, 20/h.
    #[arg(long, value_parser = Rate::parse)]
    rate: Option<Rate>,
    /// Requests at once after an idle time.
    #[arg(long, value_name = "REQUESTS")]
    burst: Option<u64>,
    /// Quota of a day, in UTC.
    #[arg(long, value_name = "REQUESTS")]
    per_day: Option<u64>,
    /// Quota of a week, from Monday or the stored `startDay`.
    #[arg(long, value_name = "REQUESTS")]
    per_week: Option<u64>,
    /// Quota of a calendar month, or from the stored `startDay`.
    #[arg(long, value_name = "REQUESTS")]
    per_month: Option<u64>,
    /// Remove these limits: rate (with the burst), per-day, per-week, per-month.
    #[arg(
        long,
        value_enum,
        value_name = "LIMIT",
        value_delimiter = ',',
        hide_possible_values = true
    )]
    clear: Vec<Field>,
    /// Try the limits before you enforce them: all of them report what they would refuse, and
    /// refuse nothing.
    #[arg(long)]
    no_enforce: bool,
    /// Enforce all limits of a plan that was put with `--no-enforce`.
    #[arg(long, conflicts_with = "no_enforce")]
    enforce: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Field {
    Rate,
    PerDay,
    PerWeek,
    PerMonth,
}

impl Limits {
    /// Refuses a command line without any of these flags.
    pub(super) fn check(&self) -> Result<(), Error> {
        let are_any = self.are_named() || self.no_enforce || self.enforce || !self.clear.is_empty();
        if are_any { Ok(()) } else { Err(Error::misuse(GIVE)) }
    }

    /// Applies the flags to the stored plan, or to a new one: what no flag names stays as it is.
    pub(super) fn apply(&self, stored: Option<&Plan>) -> Result<Plan, Error> {
        if stored.is_none() && !self.are_named() {
            return Err(Error::misuse(format!("there is no such plan yet: {GIVE}")));
        }
        let json = stored.map(serde_json::to_value).transpose();
        let json = json.map_err(|error| Error::refused(format!("can't read the plan: {error}")))?;
        let mut json = json.unwrap_or_else(|| json!({}));
        if let Some(plan) = json.as_object_mut() {
            self.throttle(plan)?;
            self.quotas(plan);
            self.enforced(plan);
            if self.are_named() {
                plan.remove("unlimited");
            }
        }
        Plan::from_json(json.to_string()).map_err(Error::from)
    }

    /// The limits of the stored plan that the flags leave as they are, in words.
    pub(super) fn kept(&self, stored: &Plan) -> Vec<String> {
        let mut kept = Vec::new();
        if stored.throttle().is_some() && !self.change(Field::Rate) {
            kept.push("rate".to_owned());
        }
        let quotas = stored.quotas().iter().map(|quota| quota.period());
        let quotas = quotas.filter(|period| !self.change(Field::of(*period)));
        kept.extend(quotas.map(|period| format!("{} quota", Limit::from(period))));
        if !stored.api_stages().is_empty() {
            kept.push("rates of methods".to_owned());
        }
        kept.extend(stored.meters().keys().map(|meter| format!("limits of {meter}")));
        if !stored.is_enforced() && !self.enforce && !self.no_enforce {
            kept.push("`\"enforce\": false`".to_owned());
        }
        kept
    }

    /// Returns true if a flag names a limit's number.
    fn are_named(&self) -> bool {
        let numbers = [self.burst, self.per_day, self.per_week, self.per_month];
        self.rate.is_some() || numbers.iter().any(Option::is_some)
    }

    /// Returns true if a flag sets or clears this limit.
    fn change(&self, field: Field) -> bool {
        let is_set = match field {
            Field::Rate => self.rate.is_some() || self.burst.is_some(),
            Field::PerDay => self.per_day.is_some(),
            Field::PerWeek => self.per_week.is_some(),
            Field::PerMonth => self.per_month.is_some(),
        };
        is_set || self.clear.contains(&field)
    }

    fn throttle(&self, plan: &mut Map<String, Value>) -> Result<(), Error> {
        if self.clear.contains(&Field::Rate) {
            plan.remove("throttle");
        }
        let rate = self.rate.map(|rate| ("rateLimit", json!(rate.to_string())));
        let burst = self.burst.map(|burst| ("burstLimit", json!(burst)));
        let given: Vec<_> = rate.into_iter().chain(burst).collect();
        if given.is_empty() {
            return Ok(());
        }
        let is_new = !plan.contains_key("throttle");
        if is_new && given.len() < 2 {
            return Err(Error::misuse(
                "the plan has no rate yet: give both `--rate` and `--burst`, such as `--rate 5 \
                 --burst 10`",
            ));
        }
        let throttle = plan.entry("throttle").or_insert_with(|| json!({}));
        given.into_iter().for_each(|(name, value)| set(throttle, name, value));
        Ok(())
    }

    fn quotas(&self, plan: &mut Map<String, Value>) {
        let mut quotas = match plan.remove("quota") {
            Some(Value::Array(quotas)) => quotas,
            quota => quota.into_iter().collect(),
        };
        for (field, limit) in [
            (Field::PerDay, self.per_day),
            (Field::PerWeek, self.per_week),
            (Field::PerMonth, self.per_month),
        ] {
            let period = json!(field.period());
            if self.clear.contains(&field) {
                quotas.retain(|quota| quota["period"] != period);
            }
            let Some(limit) = limit else { continue };
            match quotas.iter_mut().find(|quota| quota["period"] == period) {
                Some(quota) => set(quota, "limit", json!(limit)),
                None => quotas.push(json!({"limit": limit, "period": period})),
            }
        }
        if !quotas.is_empty() {
            plan.insert("quota".to_owned(), quotas.into());
        }
    }

    /// Sets whether all limits are enforced, those of the meters too.
    fn enforced(&self, plan: &mut Map<String, Value>) {
        if !self.no_enforce && !self.enforce {
            return;
        }
        plan.insert("enforce".to_owned(), self.enforce.into());
        let meters = plan.get_mut("meters").and_then(Value::as_object_mut);
        for meter in meters.into_iter().flat_map(Map::values_mut) {
            if let Some(meter) = meter.as_object_mut() {
                meter.remove("enforce");
            }
        }
    }
}

/// Sets a member of an object.
fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

impl Field {
    const fn of(period: Period) -> Self {
        match period {
            Period::Day => Self::PerDay,
            Period::Week => Self::PerWeek,
            Period::Month => Self::PerMonth,
        }
    }

    const fn period(self) -> Option<Period> {
        match self {
            Self::Rate => None,
            Self::PerDay => Some(Period::Day),
            Self::PerWeek => Some(Period::Week),
            Self::PerMonth => Some(Period::Month),
        }
    }
}

const GIVE: &str = "give limits, such as `--rate 5 --burst 10 --per-day 1000`, or a FILE";
