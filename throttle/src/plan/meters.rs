//! The limits of each meter of a plan.

use std::collections::BTreeMap;

use super::{Plan, PlanError, Problem, Quota, Throttling};
use crate::meter::{MAX_NAME, Meter};
use crate::period::Period;

/// The limits of one meter: a rate with a burst, and quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterLimits {
    pub(super) throttle: Option<Throttling>,
    pub(super) quotas: Vec<Quota>,
    pub(super) enforced: bool,
}

impl Default for MeterLimits {
    /// No limits.
    fn default() -> Self {
        Self { throttle: None, quotas: Vec::new(), enforced: true }
    }
}

impl MeterLimits {
    /// The rate and the burst, if it has them.
    #[must_use]
    pub fn throttle(&self) -> Option<Throttling> {
        self.throttle
    }

    /// The quotas, at most one a period.
    #[must_use]
    pub fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    /// Returns true if a rate, a burst or a quota of 0 refuses every amount.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.throttle.is_some_and(Throttling::is_closed)
            || self.quotas.iter().any(|quota| quota.limit() == 0)
    }

    /// Returns true if the limits refuse; false if they only report (`"enforce": false`).
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.enforced
    }

    pub(super) fn is_unlimited(&self) -> bool {
        self.throttle.is_none() && self.quotas.is_empty()
    }
}

impl Plan {
    /// The limits of requests.
    pub(crate) fn requests(&self) -> &MeterLimits {
        &self.requests
    }

    /// The limits of the named meters of the plan.
    #[must_use]
    pub fn meters(&self) -> &BTreeMap<Meter, MeterLimits> {
        &self.meters
    }

    /// The limits of a meter; `None` if the plan does not count it.
    #[must_use]
    pub fn meter(&self, meter: Meter) -> Option<&MeterLimits> {
        if meter.is_requests() { Some(&self.requests) } else { self.meters.get(&meter) }
    }

    /// The limits of every meter, requests first.
    pub fn every_meter(&self) -> impl Iterator<Item = (Meter, &MeterLimits)> {
        let named = self.meters.iter().map(|(meter, limits)| (*meter, limits));
        std::iter::once((Meter::REQUESTS, &self.requests)).chain(named)
    }

    /// Returns true if every limit refuses what does not fit it.
    pub(crate) fn enforces_all(&self) -> bool {
        self.every_meter().all(|(_, limits)| limits.enforced)
    }

    /// Returns true if some limit refuses what does not fit it.
    pub(crate) fn enforces_any(&self) -> bool {
        self.every_meter().any(|(_, limits)| limits.enforced)
    }

    /// Checks that the item of any subject under this plan stays below one kilobyte.
    pub(super) fn check_meters(&self) -> Result<(), PlanError> {
        let wrong = |problem| Err(PlanError::at("meters", problem));
        if self.meters.len() > MAX_METERS {
            return wrong(Problem::TooManyMeters);
        }
        let of_meter = |(meter, limits): (&Meter, &MeterLimits)| {
            // Days are always counted. The previous period's counter stays until the next write.
            let days = usize::from(!limits.quotas.iter().any(|it| it.period() == Period::Day));
            let counters = limits.quotas.len().saturating_add(days).saturating_mul(2);
            let name = meter.as_str().len();
            let rate = if limits.throttle.is_some() { name.saturating_add(RATE) } else { 0 };
            name.saturating_add(COUNTER).saturating_mul(counters).saturating_add(rate)
        };
        let bytes = self.meters.iter().map(of_meter).fold(0, usize::saturating_add);
        if bytes > ROOM { wrong(Problem::LargeItem { bytes, max: ROOM }) } else { Ok(()) }
    }
}

impl Meter {
    /// Checks a meter's name in a plan. Returns the field that names it in an error, too.
    pub(super) fn of_plan(name: &str) -> Result<(Self, String), PlanError> {
        // The first 100 characters are enough to find a long name.
        let shown: String = name.chars().take(100).collect();
        let field = format!("meters[{shown:?}]");
        match Self::new(name) {
            Ok(meter) => Ok((meter, field)),
            Err(error) => Err(PlanError::at(field, error.into())),
        }
    }
}

/// Adds a meter, unless the plan has it already.
pub(super) fn add_meter(
    meters: &mut BTreeMap<Meter, MeterLimits>,
    field: &str,
    meter: Meter,
    limits: MeterLimits,
) -> Result<(), PlanError> {
    if limits.is_unlimited() {
        return Err(PlanError::at(field, Problem::NoMeterLimit));
    }
    match meters.insert(meter, limits) {
        None => Ok(()),
        Some(_) => Err(PlanError::at(field, Problem::Twice)),
    }
}

/// The most named meters of a plan.
pub(crate) const MAX_METERS: usize = 3;
/// The room for meters in an item, in bytes: a kilobyte less the space for requests, two methods,
/// the longest name of a subject, and a plan's name of 64 bytes.
const ROOM: usize = 600;
/// The bytes of a counter without the meter's name: a period, a dot, and a count of up to 12
/// digits.
const COUNTER: usize = 9 + 1 + 7;
/// The bytes of a rate without the meter's name: an interval, a dot, a moment; and the count of
/// refunds.
const RATE: usize = 15 + 1 + 11 + 3 + 7 + MAX_NAME;
